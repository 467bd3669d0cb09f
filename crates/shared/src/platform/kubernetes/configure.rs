//! Updates of a configuration: keys of a ConfigMap, after which the pods are made anew, or variables of the workload.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::anew::{stamp, stamp_of_revert, was_restarted};
use super::failure::Failure;
use super::kept::{Kept, PREVIOUS, Present, present};
use super::ownership::Owner;
use super::{Attempt, Kubernetes, KubernetesUpdate};
use crate::order::{OrderId, Performed, Stage, Standing, Unreachable};
use crate::platform::Variables;
use crate::platform::update::begun;

/// Why nothing is written: nothing was, or somebody else came first.
pub(super) enum Refused {
    /// A sentence for a person.
    Because(String),
    /// The call that went wrong.
    By(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::By(failure)
    }
}

impl From<Unreachable> for Refused {
    fn from(Unreachable { reason }: Unreachable) -> Self {
        Self::Because(reason)
    }
}

impl Refused {
    pub(super) fn of_order(self) -> Performed {
        match self {
            Self::Because(reason) => Performed::NotRun { reason },
            Self::By(failure) => failure.of_order(),
        }
    }
}

impl Kubernetes {
    /// Carries one stage of an update out.
    pub(super) async fn update(&self, attempt: &Attempt, id: OrderId, stage: Stage) -> Performed {
        let Some(update) = &self.update else {
            return Performed::NotRun { reason: "no update of the configuration is set".to_owned() };
        };
        let done = match (&update.config_map, stage) {
            (Some(name), Stage::Act) => self.change_keys(attempt, name, update, id).await,
            (Some(name), Stage::Keep) => self.keep_keys(attempt, name, id).await,
            (Some(name), Stage::Revert) => self.revert_keys(attempt, name, update, id).await,
            (None, Stage::Act) => self.change_variables(attempt, update, id).await,
            (None, Stage::Keep) => self.keep_variables(attempt, id).await,
            (None, Stage::Revert) => self.revert_variables(attempt, update, id).await,
        };
        let performed = done.unwrap_or_else(Refused::of_order);
        match stage {
            Stage::Act => performed,
            // A look that failed has still reached nobody; anything later may have.
            Stage::Keep | Stage::Revert if attempt.has_begun() => begun(performed),
            Stage::Keep | Stage::Revert => performed,
        }
    }

    /// What there is of an update.
    pub(super) async fn examine_update(&self, id: OrderId) -> Result<Standing, Unreachable> {
        let workload = self.workload().await?;
        let rollout = self.rollout(&workload).await?;
        let config_map = self.update.as_ref().and_then(|update| update.config_map.as_ref());
        let Some(name) = config_map else {
            let is_ours = Kept::of(&rollout.metadata).ok().flatten().is_some_and(|kept| kept.order == id);
            return Ok(if is_ours { Standing::Complete } else { Standing::Untouched });
        };
        let map = self.config_map(name, &workload.namespace).await?;
        let is_ours = Kept::of(&map.metadata).ok().flatten().is_some_and(|kept| kept.order == id);
        Ok(match (is_ours, was_restarted(&rollout, &stamp(id))) {
            (false, _) => Standing::Untouched,
            (true, false) => Standing::Partial,
            (true, true) => Standing::Complete,
        })
    }

    async fn config_map(&self, name: &str, namespace: &str) -> Result<ConfigMap, Failure> {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        self.access.get(&format!("look at the ConfigMap {name} in {namespace}"), &path).await
    }

    async fn write_map(
        &self,
        attempt: &Attempt,
        tried: &str,
        map: &ConfigMap,
        (data, kept): (&BTreeMap<String, Value>, Value),
    ) -> Result<(), Failure> {
        let (name, namespace) =
            (map.metadata.name.as_deref().unwrap_or_default(), map.metadata.namespace.as_deref());
        let namespace = namespace.unwrap_or_default();
        let version = &map.metadata.resource_version;
        let mut patch = json!({"metadata": {"resourceVersion": version, "annotations": {PREVIOUS: kept}}});
        if !data.is_empty() {
            patch["data"] = json!(data);
        }
        attempt.begin();
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        self.access.merge(&format!("{tried} the ConfigMap {name} in {namespace}"), &path, &patch).await?;
        Ok(())
    }

    async fn change_keys(
        &self,
        attempt: &Attempt,
        name: &str,
        update: &KubernetesUpdate,
        id: OrderId,
    ) -> Result<Performed, Refused> {
        let workload = self.workload().await?;
        let map = self.config_map(name, &workload.namespace).await?;
        let what = format!("change the ConfigMap {name} in {}", workload.namespace);
        let (written, now) = (wanted(&update.variables), keys(&map));
        let patch = json!({"data": without_values(&written)}).to_string();
        let owner = Owner::of(&map.metadata);
        refuse_owned(
            &what,
            owner,
            &format!("-n {} patch configmap {name} --type merge", workload.namespace),
            &patch,
        )?;
        if map.immutable == Some(true) {
            return Err(Refused::Because(format!(
                "{what}: it is immutable; make another one and mount that"
            )));
        }
        let kept = to_keep(&what, &map.metadata, &written, &now, id)?;
        let text = kept.text().map_err(|reason| Refused::Because(format!("{what}: {reason}")))?;
        self.write_map(attempt, "change", &map, (&written, text.into())).await?;
        Ok(begun(self.roll_out(attempt, &workload, &stamp(id)).await))
    }

    async fn keep_keys(&self, attempt: &Attempt, name: &str, id: OrderId) -> Result<Performed, Refused> {
        let workload = self.workload().await?;
        let map = match self.config_map(name, &workload.namespace).await {
            Ok(map) => map,
            Err(failure) if failure.is_not_found() => return Ok(gone(name)),
            Err(failure) => return Err(failure.into()),
        };
        if Kept::of(&map.metadata).ok().flatten().is_some_and(|kept| kept.order == id) {
            self.write_map(attempt, "keep", &map, (&BTreeMap::new(), Value::Null)).await?;
        }
        Ok(Performed::AcceptedAs { how: format!("the ConfigMap {name} stays as it was changed") })
    }

    /// The last trace, the annotation, is removed last, so that the next try sees whatever is left to do.
    async fn revert_keys(
        &self,
        attempt: &Attempt,
        name: &str,
        update: &KubernetesUpdate,
        id: OrderId,
    ) -> Result<Performed, Refused> {
        let workload = self.workload().await?;
        let map = match self.config_map(name, &workload.namespace).await {
            Ok(map) => map,
            Err(failure) if failure.is_not_found() => return Ok(gone(name)),
            Err(failure) => return Err(failure.into()),
        };
        let kept = match Kept::of(&map.metadata) {
            Ok(Some(kept)) if kept.order == id => kept,
            Ok(_) | Err(_) => return Ok(Performed::Accepted),
        };
        let mut superseded = None;
        match present(&keys(&map), &wanted(&update.variables), &kept) {
            Present::Previous => {}
            Present::Ours => {
                let text = kept.text().map_err(Refused::Because)?;
                self.write_map(attempt, "put back", &map, (&kept.values, text.into())).await?;
            }
            Present::Foreign => {
                superseded =
                    Some(format!("somebody else has changed the ConfigMap {name}, so nothing is put back"));
            }
        }
        let rollout = self.rollout(&workload).await?;
        if superseded.is_none() && was_restarted(&rollout, &stamp(id)) {
            let performed = self.roll_out(attempt, &workload, &stamp_of_revert(id)).await;
            if !matches!(performed, Performed::Accepted) {
                return Ok(begun(performed));
            }
        }
        let map = self.config_map(name, &workload.namespace).await?;
        self.write_map(attempt, "tidy up", &map, (&BTreeMap::new(), Value::Null)).await?;
        Ok(superseded.map_or(Performed::Accepted, |reason| Performed::Superseded { reason }))
    }
}

fn gone(name: &str) -> Performed {
    Performed::Superseded { reason: format!("somebody has removed the ConfigMap {name}") }
}

/// The values that an update writes; null for what it removes.
pub(super) fn wanted(variables: &Variables) -> BTreeMap<String, Value> {
    let removed = variables.remove.iter().map(|name| (name.clone(), Value::Null));
    let set = variables.set.iter().map(|(name, value)| (name.clone(), value.clone().into()));
    removed.chain(set).collect()
}

fn keys(map: &ConfigMap) -> BTreeMap<String, Value> {
    map.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into())).collect()
}

/// The names of what is written, for a person who knows the values.
pub(super) fn without_values(written: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let hidden = |value: &Value| if value.is_null() { Value::Null } else { "***".into() };
    written.iter().map(|(name, value)| (name.clone(), hidden(value))).collect()
}

/// What a tool owns is changed where that tool reads it; the change is handed out, without the values, which are secrets.
pub(super) fn refuse_owned(
    what: &str,
    owner: Option<Owner>,
    command: &str,
    patch: &str,
) -> Result<(), Refused> {
    let Some(owner) = owner else { return Ok(()) };
    Err(Refused::Because(format!(
        "{what}: it is kept by {owner}, which would undo it; what would be written: kubectl {command} -p '{patch}'"
    )))
}

/// What is to be kept before these values are written.
pub(super) fn to_keep(
    what: &str,
    metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    written: &BTreeMap<String, Value>,
    now: &BTreeMap<String, Value>,
    id: OrderId,
) -> Result<Kept, Refused> {
    match Kept::of(metadata) {
        Ok(None) => {}
        Ok(Some(kept)) => {
            return Err(Refused::Because(format!(
                "{what}: it keeps what the recovery {} has replaced; see that nothing of it is needed, and take the \
                 annotation {PREVIOUS} away",
                kept.order
            )));
        }
        Err(reason) => return Err(Refused::Because(format!("{what}: {reason}"))),
    }
    let of = |name: &String| now.get(name).cloned().unwrap_or_default();
    if written.iter().all(|(name, value)| of(name) == *value) {
        return Err(Refused::Because(format!("{what}: it is as wanted already")));
    }
    Ok(Kept { order: id, values: written.keys().map(|name| (name.clone(), of(name))).collect() })
}
