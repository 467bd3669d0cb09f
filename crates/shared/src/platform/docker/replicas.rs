//! Further containers like the one that there is.
//!
//! Each has a label with the order that it was made for, and with how many that order was to make, so that it can always
//! be told whether all of them are there, and which of them are ours to remove.

use bollard::Docker as Client;
use bollard::models::{ContainerInspectResponse, NetworkConnectRequest};
use bollard::query_parameters::CreateContainerOptionsBuilder;

use super::blueprint::{Blueprint, RECOVERY_LABEL, refusal};
use super::failure::Failure;
use super::recreate::{CALL, image_of, inspect, named, remove, start};
use super::{Docker, list, within};
use crate::order::{OrderId, Performed};
use crate::platform::Variables;
use crate::platform::update::begun;

/// The label of a further container: how many were to be made with it.
pub(super) const REPLICAS_LABEL: &str = "self-evolution.replicas";

/// Compose's label for the number of a container within its service.
const NUMBER_LABEL: &str = "com.docker.compose.container-number";

/// The highest number of a container that is tried.
const MOST: usize = 1_000;

impl Docker {
    /// Makes so many further containers like the last of the service, with everything that it has but anonymous volumes.
    pub async fn add_replicas(&self, id: OrderId, number: usize) -> Performed {
        let tried = format!("add {number} containers to {}", self.container());
        let instances = match self.instances().await {
            Ok(instances) => instances,
            Err(reason) => return Performed::NotRun { reason: format!("{tried}: {reason}") },
        };
        let Some(last) = instances.last() else {
            return Performed::NotRun { reason: format!("{tried}: there is none to copy") };
        };
        let failed = |failure: Failure| failure.of_order(&tried, &self.address);
        let model = async {
            let client = self.address.client()?;
            let model = inspect(&client, &last.id).await?;
            let image = image_of(&client, &model).await?;
            Ok((client, model, image))
        };
        let (client, mut model, image) = match within(CALL, model).await {
            Ok(found) => found,
            Err(failure) => return failed(failure),
        };
        if let Some(reason) = obstacle(&model) {
            return Performed::NotRun { reason: format!("{tried}: {reason}") };
        }
        // An anonymous volume belongs to one container.
        model.mounts = None;
        for made in 0..number {
            if let Err(failure) = self.add_one(&client, &last.name, model.clone(), &image, (id, number)).await
            {
                let one = failed(failure);
                return if made == 0 { one } else { begun(one) };
            }
        }
        Performed::Accepted
    }

    async fn add_one(
        &self,
        client: &Client,
        beside: &str,
        model: ContainerInspectResponse,
        image: &str,
        (id, of): (OrderId, usize),
    ) -> Result<(), Failure> {
        let (name, number) = within(CALL, free_name(client, beside)).await?;
        let Blueprint { mut body, further } =
            Blueprint::of(model, image, &id.to_string(), &Variables::default());
        let labels = body.labels.get_or_insert_default();
        labels.insert(REPLICAS_LABEL.into(), of.to_string());
        labels.insert(NUMBER_LABEL.into(), number.to_string());
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        within(CALL, async { Ok(client.create_container(Some(options), body).await?) }).await?;
        for (network, endpoint) in further {
            let request = NetworkConnectRequest { container: name.clone(), endpoint_config: Some(endpoint) };
            within(CALL, async { Ok(client.connect_network(&network, request).await?) }).await?;
        }
        within(CALL, start(client, &name)).await
    }

    /// Stops and removes the containers that were made for this order, and no others.
    pub async fn remove_replicas(&self, id: OrderId) -> Performed {
        let tried = format!("remove the further containers of {}", self.container());
        let removed = async {
            let client = self.address.client()?;
            let ours = within(CALL, list(&client, "label", format!("{RECOVERY_LABEL}={id}"))).await?;
            for one in ours {
                self.stop(&client, &one.id).await?;
                within(CALL, remove(&client, &one.id)).await?;
            }
            Ok(())
        };
        match removed.await {
            Ok(()) => Performed::Accepted,
            Err(failure @ Failure::NoConnection { .. }) => failure.of_order(&tried, &self.address),
            Err(failure @ (Failure::Answered { .. } | Failure::NoAnswer { .. })) => {
                begun(failure.of_order(&tried, &self.address))
            }
        }
    }
}

/// Why there cannot be another container like this one.
fn obstacle(model: &ContainerInspectResponse) -> Option<String> {
    if let Some(reason) = refusal(model) {
        return Some(reason.to_owned());
    }
    let ports = model.host_config.as_ref()?.port_bindings.as_ref()?;
    let bindings = ports.values().flatten().flatten();
    let mut fixed = bindings.filter_map(|binding| binding.host_port.as_deref());
    let port = fixed.find(|port| !port.is_empty() && *port != "0")?;
    Some(format!("it publishes port {port} of the host, which only one container can have"))
}

/// The next name that nobody has: `shop-web-2` after `shop-web-1`, and `web-2` after `web`.
async fn free_name(client: &Client, beside: &str) -> Result<(String, usize), Failure> {
    let (base, separator) = base_of(beside);
    for number in 2..MOST {
        let name = format!("{base}{separator}{number}");
        if named(client, &name).await?.is_none() {
            return Ok((name, number));
        }
    }
    Err(Failure::NoAnswer { cause: format!("no name like {base}{separator}{MOST} is free") })
}

/// A name without its number, and what separates them.
fn base_of(name: &str) -> (&str, char) {
    let numbered = name.rsplit_once(['-', '_']).filter(|(_, number)| number.parse::<usize>().is_ok());
    match numbered {
        Some((base, _)) if !base.is_empty() => {
            (base, if name[base.len()..].starts_with('_') { '_' } else { '-' })
        }
        Some(_) | None => (name, '-'),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{HostConfig, PortBinding};

    use super::*;

    #[test]
    fn a_name_goes_on_with_the_next_number() {
        assert_eq!(base_of("shop-web-1"), ("shop-web", '-'));
        assert_eq!(base_of("shop_web_1"), ("shop_web", '_'));
        assert_eq!(base_of("web"), ("web", '-'));
        assert_eq!(base_of("web-blue"), ("web-blue", '-'));
    }

    #[test]
    fn what_has_a_port_of_the_host_to_itself_cannot_be_there_twice() {
        let model = |port: &str| {
            let binding = PortBinding { host_port: Some(port.to_owned()), ..PortBinding::default() };
            let ports = [("80/tcp".to_owned(), Some(vec![binding]))].into();
            let host = HostConfig { port_bindings: Some(ports), ..HostConfig::default() };
            let config = Some(bollard::models::ContainerConfig::default());
            ContainerInspectResponse { config, host_config: Some(host), ..Default::default() }
        };
        assert!(obstacle(&model("8080")).unwrap().contains("port 8080"));
        assert_eq!(obstacle(&model("")), None);
    }
}
