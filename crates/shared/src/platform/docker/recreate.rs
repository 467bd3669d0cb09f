//! Makes a container anew from its own configuration, and keeps the old one until the verdict.
//!
//! The new one is created aside, the old one stopped and renamed, the new one given the name and started. What
//! there is can always be told by names and by the label of the recovery.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::Docker as Client;
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerUpdateBody, NetworkConnectRequest,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, RestartContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder,
};

use super::blueprint::{Blueprint, RECOVERY_LABEL, refusal};
use super::choice::Listed;
use super::failure::Failure;
use super::instance::Instance;
use super::{Docker, list, of_several, within};
use crate::order::{OrderId, Performed, Standing, Unreachable};
use crate::platform::Variables;
use crate::platform::update::begun;

/// How long one call that neither stops nor starts anything may take.
pub(super) const CALL: Duration = Duration::from_secs(20);

pub(super) const KEPT: &str = ".kept-";
pub(super) const NEW: &str = ".new-";

/// Whether a container of this name is one that a recovery has set aside.
pub(super) fn is_set_aside(name: &str) -> bool {
    name_before(name).is_some()
}

/// The name that a container had, or will have, that a recovery has set aside under this one.
pub(super) fn name_before(name: &str) -> Option<&str> {
    let parts = [KEPT, NEW].into_iter().filter_map(|mark| name.rsplit_once(mark));
    let mut names = parts.filter(|(base, id)| !base.is_empty() && uuid::Uuid::try_parse(id).is_ok());
    names.next().map(|(base, _)| base)
}

/// The containers of one recovery that belong to one name.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The old one, stopped and renamed.
    pub(super) kept: Option<Listed>,
    /// The new one, not yet given the name.
    pub(super) aside: Option<Listed>,
    /// The new one under the name.
    pub(super) made: Option<Listed>,
}

impl Docker {
    /// Makes the containers of the service anew: those that do not run, or else all.
    pub async fn recreate(&self, id: OrderId, variables: &Variables) -> Performed {
        let mut instances = match self.instances().await {
            Ok(instances) => instances,
            Err(reason) => return Performed::NotRun { reason: self.tried("recreate", &reason) },
        };
        if instances.iter().any(|instance| !instance.running) && variables.is_empty() {
            instances.retain(|instance| !instance.running);
        }
        for (recreated, instance) in instances.iter().enumerate() {
            if let Err(one) = self.recreate_one(instance, id, variables).await {
                return of_several(recreated, instances.len(), one);
            }
        }
        Performed::Accepted
    }

    async fn recreate_one(
        &self,
        instance: &Instance,
        id: OrderId,
        variables: &Variables,
    ) -> Result<(), Performed> {
        let (name, tried) = (&instance.name, format!("recreate container {}", instance.name));
        let failed = |failure: Failure| failure.of_order(&tried, &self.address);
        let refused = |reason: &str| Performed::NotRun { reason: format!("{tried}: {reason}") };
        let client = self.address.client().map_err(|error| failed(error.into()))?;
        let old = within(CALL, inspect(&client, &instance.id)).await.map_err(failed)?;
        if let Some(reason) = refusal(&old) {
            return Err(refused(reason));
        }
        let had = old.config.as_ref().and_then(|config| config.env.clone()).unwrap_or_default();
        if !variables.is_empty() && !variables.would_change(&had) {
            return Err(refused("it has these variables already, so setting them cannot help"));
        }
        if let Some(other) = within(CALL, sharer(&client, &instance.id, name)).await.map_err(failed)? {
            let reason =
                format!("container {other} uses its network and would lose it; recreate both together");
            return Err(refused(&reason));
        }
        if let Some(kept) = within(CALL, self.clear_away(&client, name, id)).await.map_err(failed)? {
            return Err(refused(&still_kept(&kept, name)));
        }
        let image = within(CALL, image_of(&client, &old)).await.map_err(failed)?;
        let policy = old.host_config.as_ref().and_then(|host| host.restart_policy.clone());
        let Blueprint { body, further } = Blueprint::of(old, &image, &id.to_string(), variables);
        let aside = format!("{name}{NEW}{id}");
        let options = CreateContainerOptionsBuilder::new().name(&aside).build();
        let creation = async { Ok(client.create_container(Some(options), body).await?) };
        // What is refused here was not made.
        within(CALL, creation).await.map_err(failed)?;
        let took_place = async {
            for (network, endpoint) in further {
                let request =
                    NetworkConnectRequest { container: aside.clone(), endpoint_config: Some(endpoint) };
                within(CALL, async { Ok(client.connect_network(&network, request).await?) }).await?;
            }
            within(CALL, park(&client, &instance.id, policy.as_ref())).await?;
            self.stop(&client, &instance.id).await?;
            within(CALL, rename(&client, &instance.id, &format!("{name}{KEPT}{id}"))).await?;
            within(CALL, rename(&client, &aside, name)).await?;
            within(CALL, start(&client, name)).await
        };
        took_place.await.map_err(|failure| begun(failed(failure)))
    }

    /// What there is of an order to recreate.
    pub async fn examine(&self, id: OrderId) -> Result<Standing, Unreachable> {
        let looked = async {
            let client = self.address.client()?;
            let pieces = pieces(&client, id).await?;
            let mut standing = Standing::Untouched;
            for one in pieces.into_values() {
                let Some(made) = one.made.filter(|_| one.aside.is_none()) else {
                    return Ok(Standing::Partial);
                };
                let state = inspect(&client, &made.id).await?.state.and_then(|state| state.status);
                if state == Some(ContainerStateStatusEnum::CREATED) {
                    return Ok(Standing::Partial);
                }
                standing = Standing::Complete;
            }
            Ok(standing)
        };
        within(super::INSPECT_LIMIT, looked).await.map_err(|failure| Unreachable {
            reason: self.tried("look at what was recreated of", &failure.sentence(&self.address)),
        })
    }

    fn tried(&self, what: &str, reason: &str) -> String {
        format!("{what} container {}: {reason}", self.container())
    }

    /// Removes new containers of this name that earlier recoveries have left aside: none of them is under way any more.
    /// An old one that is still kept stays, with what belongs to it: where putting it back was given up, it is the last
    /// that ran. Its name is given then.
    pub(super) async fn clear_away(
        &self,
        client: &Client,
        name: &str,
        id: OrderId,
    ) -> Result<Option<String>, Failure> {
        let id = id.to_string();
        let mut left = list(client, "name", name.to_owned()).await?;
        left.retain(|left| !left.name.ends_with(&id) && is_set_aside(&left.name));
        let is_of = |left: &Listed, mark| left.name.rsplit_once(mark).is_some_and(|(base, _)| base == name);
        if let Some(kept) = left.iter().find(|left| is_of(left, KEPT)) {
            return Ok(Some(kept.name.clone()));
        }
        for aside in left.iter().filter(|left| is_of(left, NEW)) {
            remove(client, &aside.id).await?;
        }
        Ok(None)
    }

    fn stop_seconds(&self) -> i32 {
        self.stop_timeout.as_secs_f64().ceil() as i32
    }

    pub(super) async fn stop(&self, client: &Client, id: &str) -> Result<(), Failure> {
        let options = StopContainerOptionsBuilder::new().t(self.stop_seconds()).build();
        within(self.stop_timeout + CALL, async { Ok(client.stop_container(id, Some(options)).await?) }).await
    }

    pub(super) async fn restart_named(&self, client: &Client, id: &str) -> Result<(), Failure> {
        let options = RestartContainerOptionsBuilder::new().t(self.stop_seconds()).build();
        let restart = async { Ok(client.restart_container(id, Some(options)).await?) };
        within(self.stop_timeout + CALL, restart).await
    }
}

/// All containers of one recovery, by the name that they have or will have.
pub(super) async fn pieces(client: &Client, id: OrderId) -> Result<BTreeMap<String, Pieces>, Failure> {
    let id = id.to_string();
    let mut all: BTreeMap<String, Pieces> = BTreeMap::new();
    for listed in list(client, "name", id.clone()).await? {
        let base = |mark: &str| listed.name.strip_suffix(&format!("{mark}{id}")).map(str::to_owned);
        if let Some(base) = base(KEPT) {
            all.entry(base).or_default().kept = Some(listed);
        } else if let Some(base) = base(NEW) {
            all.entry(base).or_default().aside = Some(listed);
        }
    }
    for listed in list(client, "label", format!("{RECOVERY_LABEL}={id}")).await? {
        if !is_set_aside(&listed.name) {
            let name = listed.name.clone();
            all.entry(name).or_default().made = Some(listed);
        }
    }
    Ok(all)
}

pub(super) async fn named(client: &Client, name: &str) -> Result<Option<Listed>, Failure> {
    Ok(list(client, "name", name.to_owned()).await?.into_iter().find(|listed| listed.name == name))
}

pub(super) async fn inspect(client: &Client, id: &str) -> Result<ContainerInspectResponse, Failure> {
    Ok(client.inspect_container(id, None::<InspectContainerOptions>).await?)
}

/// The name of a container that uses the network of this one.
async fn sharer(client: &Client, id: &str, name: &str) -> Result<Option<String>, Failure> {
    let options =
        ListContainersOptionsBuilder::new().all(true).filters(&HashMap::<&str, Vec<String>>::new()).build();
    let others = client.list_containers(Some(options)).await?;
    let sharer = others.into_iter().find(|other| {
        let mode = other.host_config.as_ref().and_then(|host| host.network_mode.as_deref());
        mode.is_some_and(|mode| is_network_of(mode, id, name))
    });
    Ok(sharer.and_then(Listed::from_summary).map(|listed| listed.name))
}

/// Whether this mode is to use the network of a container. The engine keeps the mode as it was asked for: with the
/// container's identity, the beginning of it, or its name.
fn is_network_of(mode: &str, id: &str, name: &str) -> bool {
    let shared = mode.strip_prefix("container:").filter(|shared| !shared.is_empty());
    shared.is_some_and(|shared| shared.trim_start_matches('/') == name || id.starts_with(shared))
}

/// The name of the image while it still means the image that the container runs; else that image's identity, because
/// a recovery is no upgrade.
pub(super) async fn image_of(client: &Client, old: &ContainerInspectResponse) -> Result<String, Failure> {
    let identity = old.image.clone().unwrap_or_default();
    let Some(name) = old.config.as_ref().and_then(|config| config.image.clone()) else { return Ok(identity) };
    match client.inspect_image(&name).await.map_err(Failure::from) {
        Ok(image) if image.id.as_deref() == Some(&*identity) => Ok(name),
        Ok(_) | Err(Failure::Answered { status: 404, .. }) => Ok(identity),
        Err(failure) => Err(failure),
    }
}

pub(super) async fn policy_of(client: &Client, id: &str) -> Result<Option<RestartPolicy>, Failure> {
    let inspected = within(CALL, inspect(client, id)).await?;
    Ok(inspected.host_config.and_then(|host| host.restart_policy))
}

/// Whether the engine ever starts a container with this policy by itself.
fn wakes_by_itself(policy: Option<&RestartPolicy>) -> bool {
    match policy.and_then(|policy| policy.name) {
        Some(
            RestartPolicyNameEnum::ALWAYS
            | RestartPolicyNameEnum::ON_FAILURE
            | RestartPolicyNameEnum::UNLESS_STOPPED,
        ) => true,
        Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY) | None => false,
    }
}

/// An engine that starts would start the kept one beside the new one, even under `unless-stopped`: one that had exited
/// before it was stopped does not count as stopped by somebody.
async fn park(client: &Client, id: &str, policy: Option<&RestartPolicy>) -> Result<(), Failure> {
    if !wakes_by_itself(policy) {
        return Ok(());
    }
    let never = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
    set_policy(client, id, never).await
}

/// Gives the old one its policy back; the new one has a copy of it.
pub(super) async fn unpark(client: &Client, id: &str, policy: Option<RestartPolicy>) -> Result<(), Failure> {
    match policy.filter(|policy| wakes_by_itself(Some(policy))) {
        Some(policy) => set_policy(client, id, policy).await,
        None => Ok(()),
    }
}

async fn set_policy(client: &Client, id: &str, policy: RestartPolicy) -> Result<(), Failure> {
    let update = ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() };
    Ok(client.update_container(id, update).await?)
}

pub(super) async fn rename(client: &Client, id: &str, name: &str) -> Result<(), Failure> {
    Ok(client.rename_container(id, RenameContainerOptionsBuilder::new().name(name).build()).await?)
}

pub(super) async fn start(client: &Client, id: &str) -> Result<(), Failure> {
    Ok(client.start_container(id, None::<StartContainerOptions>).await?)
}

/// Removes a container and leaves its volumes, which the other one uses. One that is gone already is fine.
pub(super) async fn remove(client: &Client, id: &str) -> Result<(), Failure> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(false).build();
    match client.remove_container(id, Some(options)).await.map_err(Failure::from) {
        Ok(()) | Err(Failure::Answered { status: 404, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn still_kept(kept: &str, name: &str) -> String {
    format!(
        "container {kept} is kept since an earlier recovery, because it could not be put back or removed; \
         if it is not needed, remove it (docker rm {kept}), else give it the name back \
         (docker rm {name}, docker rename {kept} {name}, docker update --restart with its policy, docker start {name})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_known_by_its_name() {
        let id = "0190a0b0-0000-7000-8000-000000000001";
        assert!(is_set_aside(&format!("shop_web_1.kept-{id}")) && is_set_aside(&format!("web.new-{id}")));
        for name in ["web", "web.kept-", "web.new-1", ".kept-x", "web.kept-0190a0b0"] {
            assert!(!is_set_aside(name), "{name}");
        }
        assert!(!is_set_aside(&format!(".kept-{id}")));
    }
    #[test]
    fn who_shares_a_network_may_name_the_container_in_every_way() {
        let id = "4f66ad9a0b2e5c7d";
        for mode in
            ["container:4f66ad9a0b2e5c7d", "container:4f66ad9a0b2e", "container:web", "container:/web"]
        {
            assert!(is_network_of(mode, id, "web"), "{mode}");
        }
        for mode in ["container:web-2", "container:", "container:66ad", "web", "host", "bridge"] {
            assert!(!is_network_of(mode, id, "web"), "{mode}");
        }
    }
}
