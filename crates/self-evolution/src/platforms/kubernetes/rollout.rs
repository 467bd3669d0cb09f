//! How far a rollout is, and what holds it up.

use k8s_openapi::List;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::Value;
use shared::platform::kubernetes::{Access, Workload, WorkloadKind};

/// Pods that are looked at for what holds a rollout up.
const PODS: u32 = 50;

/// What is left to be done before every pod is as the workload says, in words; none when it is complete.
///
/// The rules are those of `kubectl rollout status`.
pub(super) fn unfinished(kind: WorkloadKind, live: &Value) -> Option<String> {
    let (spec, status) = (&live["spec"], &live["status"]);
    let count = |name: &str| status[name].as_i64().unwrap_or(0);
    if count("observedGeneration") < live["metadata"]["generation"].as_i64().unwrap_or(0) {
        return Some("it has not been seen by its controller".to_owned());
    }
    let wanted = match kind {
        WorkloadKind::Deployment | WorkloadKind::StatefulSet => spec["replicas"].as_i64().unwrap_or(1),
        WorkloadKind::DaemonSet => count("desiredNumberScheduled"),
    };
    let (updated, available) = match kind {
        WorkloadKind::Deployment => (count("updatedReplicas"), count("availableReplicas")),
        // Where nothing is being updated, there is no number of what is.
        WorkloadKind::StatefulSet if status["currentRevision"] == status["updateRevision"] => {
            (count("replicas"), count("availableReplicas"))
        }
        WorkloadKind::StatefulSet => (count("updatedReplicas"), count("availableReplicas")),
        WorkloadKind::DaemonSet => (count("updatedNumberScheduled"), count("numberAvailable")),
    };
    let old = match kind {
        WorkloadKind::Deployment | WorkloadKind::StatefulSet => count("replicas") - updated,
        WorkloadKind::DaemonSet => 0,
    };
    if updated < wanted {
        Some(format!("{updated} of {wanted} pods are as they are to be"))
    } else if old > 0 {
        Some(format!("{old} pods are still as before"))
    } else if available < wanted {
        Some(format!("{available} of {wanted} pods are available"))
    } else {
        None
    }
}

/// Why a changed template would not become that of every pod, in words; none where it would.
pub(super) fn held(live: &Value) -> Option<&'static str> {
    let (spec, strategy) = (&live["spec"], &live["spec"]["updateStrategy"]);
    if spec["paused"] == true {
        Some("its rollouts are paused; kubectl rollout resume ends it")
    } else if strategy["type"] == "OnDelete" {
        Some("its update strategy is OnDelete, so that no pod would be replaced")
    } else if strategy["rollingUpdate"]["partition"].as_i64().is_some_and(|partition| partition > 0) {
        Some("its update strategy has a partition, so that not every pod would be replaced")
    } else {
        None
    }
}

fn conditions(live: &Value) -> impl Iterator<Item = &Value> {
    live["status"]["conditions"].as_array().into_iter().flatten()
}

/// What holds a rollout up, as far as the workload and its pods tell; nothing where they do not.
pub(super) async fn obstacle(access: &Access, workload: &Workload, live: &Value) -> Option<String> {
    let refused = conditions(live).find(|one| one["type"] == "ReplicaFailure" && one["status"] == "True");
    if let Some(message) = refused.and_then(|one| one["message"].as_str()) {
        return Some(message.to_owned());
    }
    let labels = live["spec"]["selector"]["matchLabels"].as_object()?;
    let labels = labels.iter().filter_map(|(key, value)| Some(format!("{key}%3D{}", value.as_str()?)));
    let query = labels.collect::<Vec<_>>().join("%2C");
    let path = format!("/api/v1/namespaces/{}/pods?limit={PODS}&labelSelector={query}", workload.namespace);
    let tried = format!("see what holds {workload} up: list its pods");
    match access.get::<List<Pod>>(&tried, &path).await {
        Ok(pods) => pods.items.iter().find_map(trouble),
        Err(failure) => Some(failure.to_string()),
    }
}

/// Why a pod is not ready, where it says so.
fn trouble(pod: &Pod) -> Option<String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref()?;
    let of_container = |one: &ContainerStatus| {
        let waiting = one.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|reason| *reason != "ContainerCreating")?;
        Some(format!("container {}: {reason}{}", one.name, quoted(waiting.message.as_deref())))
    };
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let mut conditions = status.conditions.iter().flatten();
    let waits = containers.map(of_container).find_map(|one| one).or_else(|| {
        let condition = conditions.find(|one| one.status == "False" && one.message.is_some())?;
        let reason = condition.reason.as_deref().unwrap_or(&condition.type_);
        Some(format!("{reason}{}", quoted(condition.message.as_deref())))
    })?;
    Some(format!("pod {name}: {waits}"))
}

fn quoted(message: Option<&str>) -> String {
    message.map_or_else(String::new, |message| format!(": {message}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(status: Value) -> Option<String> {
        let live = json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status});
        unfinished(WorkloadKind::Deployment, &live)
    }

    #[test]
    fn a_deployment_is_rolled_out_when_all_pods_are_new_and_available() {
        let told = |seen: i64, updated: i64, replicas: i64, available: i64| {
            deployment(
                json!({"observedGeneration": seen, "updatedReplicas": updated, "replicas": replicas, "availableReplicas": available}),
            )
        };
        assert_eq!(told(1, 3, 3, 3).as_deref(), Some("it has not been seen by its controller"));
        assert_eq!(told(2, 1, 4, 3).as_deref(), Some("1 of 3 pods are as they are to be"));
        assert_eq!(told(2, 3, 4, 3).as_deref(), Some("1 pods are still as before"));
        assert_eq!(told(2, 3, 3, 2).as_deref(), Some("2 of 3 pods are available"));
        assert_eq!(told(2, 3, 3, 3), None);
    }

    #[test]
    fn a_stateful_set_counts_what_is_updated_only_while_something_is() {
        let told = |update: &str, updated: i64| {
            let status = json!({"currentRevision": "a", "updateRevision": update, "updatedReplicas": updated, "replicas": 2, "availableReplicas": 2});
            unfinished(WorkloadKind::StatefulSet, &json!({"spec": {"replicas": 2}, "status": status}))
        };
        assert_eq!(told("a", 0), None);
        assert_eq!(told("b", 1).as_deref(), Some("1 of 2 pods are as they are to be"));
    }

    #[test]
    fn a_rollout_that_is_held_is_known() {
        let held = |spec: Value| held(&json!({"spec": spec}));
        let strategy = |kind: &str, partition: i64| json!({"updateStrategy": {"type": kind, "rollingUpdate": {"partition": partition}}});
        assert!(held(json!({"paused": true})).is_some_and(|why| why.contains("paused")));
        assert!(held(strategy("OnDelete", 0)).is_some_and(|why| why.contains("OnDelete")));
        assert!(held(strategy("RollingUpdate", 1)).is_some_and(|why| why.contains("partition")));
        assert_eq!((held(json!({})), held(strategy("RollingUpdate", 0))), (None, None));
    }

    #[test]
    fn a_pod_says_why_it_is_not_ready() {
        let pod = |status: Value| -> Pod {
            serde_json::from_value(json!({"metadata": {"name": "web-1"}, "status": status})).unwrap()
        };
        let container = |state: Value| json!({"name": "web", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        let pulled = json!({"containerStatuses": [container(json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}}))]});
        assert_eq!(
            trouble(&pod(pulled)).as_deref(),
            Some("pod web-1: container web: ErrImagePull: no such image")
        );
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available"});
        assert_eq!(
            trouble(&pod(json!({"conditions": [condition]}))).as_deref(),
            Some("pod web-1: Unschedulable: 0/2 nodes are available")
        );
        assert_eq!(trouble(&pod(json!({"containerStatuses": [container(json!({"running": {}}))]}))), None);
    }
}
