//! Updates of the variables of a workload: another template, so its controller makes the pods anew by itself.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;
use serde_json::{Value, json};

use super::configure::{Refused, refuse_owned, to_keep, wanted, without_values};
use super::failure::Failure;
use super::kept::{Kept, PREVIOUS, Present, present};
use super::ownership::Owner;
use super::rollout::Rollout;
use super::workload::Workload;
use super::{Attempt, Kubernetes, KubernetesUpdate};
use crate::order::{OrderId, Performed};

/// Names the container that is meant where a pod has several.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

impl Kubernetes {
    pub(super) async fn change_variables(
        &self,
        attempt: &Attempt,
        update: &KubernetesUpdate,
        id: OrderId,
    ) -> Result<Performed, Refused> {
        let workload = self.workload().await?;
        let rollout = self.rollout(&workload).await?;
        let what = format!("change the variables of {workload}");
        let container =
            container(&rollout).ok_or_else(|| Refused::Because(format!("{what}: it has no container")))?;
        let (written, now) = (wanted(&update.variables), variables(container));
        let patch = template(&container.name, &without_values(&written)).to_string();
        let command = format!("-n {} patch {} {}", workload.namespace, workload.kind.as_str(), workload.name);
        refuse_owned(&what, Owner::of(&rollout.metadata), &command, &patch)?;
        if rollout.is_paused() {
            let reason = format!("{what}: its rollouts are paused; kubectl rollout resume ends it");
            return Err(Refused::Because(reason));
        }
        let kept = to_keep(&what, &rollout.metadata, &written, &now, id)?;
        let text = kept.text().map_err(|reason| Refused::Because(format!("{what}: {reason}")))?;
        self.write_template(attempt, &what, (&workload, &rollout), (&container.name, &written), text.into())
            .await?;
        Ok(Performed::Accepted)
    }

    pub(super) async fn keep_variables(&self, attempt: &Attempt, id: OrderId) -> Result<Performed, Refused> {
        let workload = self.workload().await?;
        let rollout = self.rollout(&workload).await?;
        if Kept::of(&rollout.metadata).ok().flatten().is_some_and(|kept| kept.order == id) {
            let what = format!("keep the variables of {workload}");
            let nothing = BTreeMap::new();
            self.write_template(attempt, &what, (&workload, &rollout), ("", &nothing), Value::Null).await?;
        }
        Ok(Performed::AcceptedAs { how: format!("the variables of {workload} stay as they were changed") })
    }

    /// One patch puts the variables back and takes the trace of the recovery away.
    pub(super) async fn revert_variables(
        &self,
        attempt: &Attempt,
        update: &KubernetesUpdate,
        id: OrderId,
    ) -> Result<Performed, Refused> {
        let workload = self.workload().await?;
        let rollout = self.rollout(&workload).await?;
        let kept = match Kept::of(&rollout.metadata) {
            Ok(Some(kept)) if kept.order == id => kept,
            Ok(_) | Err(_) => return Ok(Performed::Accepted),
        };
        let now = container(&rollout).map(variables).unwrap_or_default();
        let name = container(&rollout).map(|container| container.name.clone()).unwrap_or_default();
        let nothing = BTreeMap::new();
        let (values, superseded) = match present(&now, &wanted(&update.variables), &kept) {
            Present::Ours => (&kept.values, false),
            Present::Previous => (&nothing, false),
            Present::Foreign => (&nothing, true),
        };
        let what = format!("put the variables of {workload} back");
        self.write_template(attempt, &what, (&workload, &rollout), (&name, values), Value::Null).await?;
        Ok(if superseded {
            let reason =
                format!("somebody else has changed the variables of {workload}, so nothing is put back");
            Performed::Superseded { reason }
        } else {
            Performed::Accepted
        })
    }

    async fn write_template(
        &self,
        attempt: &Attempt,
        what: &str,
        (workload, rollout): (&Workload, &Rollout),
        (container, values): (&str, &BTreeMap<String, Value>),
        kept: Value,
    ) -> Result<(), Failure> {
        let mut patch = if values.is_empty() { json!({}) } else { template(container, values) };
        let version = &rollout.metadata.resource_version;
        patch["metadata"] = json!({"resourceVersion": version, "annotations": {PREVIOUS: kept}});
        attempt.begin();
        self.access.merge_strategically(what, &workload.path(), &patch).await?;
        Ok(())
    }
}

/// The container that is meant: the one that the template calls its default, else the first.
fn container(rollout: &Rollout) -> Option<&Container> {
    let template = &rollout.spec.template;
    let containers = &template.spec.as_ref()?.containers;
    let annotations = template.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
    let default = annotations.and_then(|annotations| annotations.get(DEFAULT_CONTAINER));
    containers.iter().find(|one| default == Some(&one.name)).or(containers.first())
}

/// Variables by name: a text for a plain value, and the whole entry for what comes from elsewhere.
fn variables(container: &Container) -> BTreeMap<String, Value> {
    let all = container.env.iter().flatten();
    all.map(|one| {
        let value = match &one.value_from {
            Some(_) => serde_json::to_value(one).unwrap_or_default(),
            None => one.value.clone().unwrap_or_default().into(),
        };
        (one.name.clone(), value)
    })
    .collect()
}

/// A strategic merge patch that gives one container these variables; null takes one away.
fn template(container: &str, values: &BTreeMap<String, Value>) -> Value {
    let entries: Vec<Value> = values
        .iter()
        .map(|(name, value)| match value.as_str() {
            None if value.is_null() => json!({"name": name, "$patch": "delete"}),
            None => json!({"name": name, "value": null, "valueFrom": value["valueFrom"]}),
            Some(text) => json!({"name": name, "value": text, "valueFrom": null}),
        })
        .collect();
    json!({"spec": {"template": {"spec": {"containers": [{"name": container, "env": entries}]}}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(default: Option<&str>) -> Rollout {
        let annotations = default.map(|name| json!({DEFAULT_CONTAINER: name}));
        let containers = json!([{"name": "proxy"}, {"name": "web", "env": [{"name": "MODE", "value": "fast"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, {"name": "EMPTY"}]}]);
        serde_json::from_value(json!({"spec": {"template": {"metadata": {"annotations": annotations},
            "spec": {"containers": containers}}}}))
        .unwrap()
    }

    #[test]
    fn the_default_container_is_meant_else_the_first() {
        assert_eq!(container(&rollout(Some("web"))).unwrap().name, "web");
        assert_eq!(container(&rollout(None)).unwrap().name, "proxy");
    }

    #[test]
    fn what_is_put_back_is_as_it_was_wherever_it_came_from() {
        let rollout = rollout(Some("web"));
        let now = variables(container(&rollout).unwrap());
        assert_eq!(now["MODE"], json!("fast"));
        assert_eq!(now["EMPTY"], json!(""));
        let values = [("KEY".to_owned(), now["KEY"].clone()), ("NEW".to_owned(), Value::Null)].into();
        let patch = template("web", &values);
        let env = &patch["spec"]["template"]["spec"]["containers"][0]["env"];
        let key =
            json!({"name": "KEY", "value": null, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
        assert_eq!(env, &json!([key, {"name": "NEW", "$patch": "delete"}]));
    }
}
