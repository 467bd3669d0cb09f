//! A workload as its controller reports it: how far its rollout is, and what somebody wants of it.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Deserialize;

use super::workload::WorkloadKind;
use crate::order::Intent;

/// How long a rollout may take where the workload says nothing, in seconds.
const DEADLINE: u64 = 600;

/// What is needed of a Deployment, a StatefulSet or a DaemonSet: they have most of it in common.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Rollout {
    #[serde(default)]
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    pub(super) spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    replicas: Option<u64>,
    pub(super) selector: LabelSelector,
    pub(super) template: PodTemplateSpec,
    paused: bool,
    progress_deadline_seconds: Option<u64>,
    update_strategy: Strategy,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Strategy {
    r#type: Option<String>,
    rolling_update: Option<RollingUpdate>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RollingUpdate {
    /// Pods of a StatefulSet with a lower number stay as they are.
    partition: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: i64,
    replicas: u64,
    updated_replicas: u64,
    available_replicas: u64,
    desired_number_scheduled: u64,
    updated_number_scheduled: u64,
    number_available: u64,
    current_revision: String,
    update_revision: String,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
}

impl Rollout {
    /// Pods that are wanted.
    pub(super) fn desired(&self, kind: WorkloadKind) -> u64 {
        match kind {
            WorkloadKind::Deployment | WorkloadKind::StatefulSet => self.spec.replicas.unwrap_or(1),
            WorkloadKind::DaemonSet => self.status.desired_number_scheduled,
        }
    }

    /// Pods that are available.
    pub(super) fn available(&self, kind: WorkloadKind) -> u64 {
        match kind {
            WorkloadKind::Deployment | WorkloadKind::StatefulSet => self.status.available_replicas,
            WorkloadKind::DaemonSet => self.status.number_available,
        }
    }

    /// Whether everything is there as it is wanted: seen by the controller, of the newest version, and available.
    pub(super) fn is_complete(&self, kind: WorkloadKind) -> bool {
        let status = &self.status;
        let are_updated = match kind {
            WorkloadKind::Deployment => {
                status.updated_replicas == self.desired(kind) && status.replicas == status.updated_replicas
            }
            WorkloadKind::StatefulSet => self.is_up_to_date(),
            WorkloadKind::DaemonSet => {
                self.is_on_delete() || status.updated_number_scheduled == self.desired(kind)
            }
        };
        self.is_observed() && are_updated && self.available(kind) == self.desired(kind)
    }

    /// Whether its pods are replaced only when somebody deletes them.
    pub(super) fn is_on_delete(&self) -> bool {
        self.spec.update_strategy.r#type.as_deref() == Some("OnDelete")
    }

    /// Whether its rollouts are held.
    pub(super) fn is_paused(&self) -> bool {
        self.spec.paused
    }

    /// Why its rollout has failed, if its controller has given it up.
    pub(super) fn given_up(&self) -> Option<&str> {
        let condition = self.progressing()?;
        (condition.status == "False").then_some(condition.message.as_str())
    }

    /// What somebody wants of it, so that it is not to be touched.
    pub(super) fn intent(&self, kind: WorkloadKind) -> Option<Intent> {
        if self.desired(kind) == 0 && kind != WorkloadKind::DaemonSet {
            return Some(Intent::ScaledToZero);
        }
        if self.spec.paused {
            return Some(Intent::Paused);
        }
        let deadline_seconds = self.spec.progress_deadline_seconds.unwrap_or(DEADLINE);
        self.is_rolling_out(kind).then_some(Intent::RollingOut { deadline_seconds })
    }

    /// Whether another version is on its way. That pods of a version have fallen ill which was rolled out long ago is
    /// something else, and a rollout that was given up is none either.
    fn is_rolling_out(&self, kind: WorkloadKind) -> bool {
        if !self.is_observed() {
            return true;
        }
        let status = &self.status;
        match (kind, self.progressing()) {
            // Its controller keeps this reason from the end of a rollout until the next one begins.
            (WorkloadKind::Deployment, Some(condition)) => {
                condition.status == "True" && condition.reason != "NewReplicaSetAvailable"
            }
            (WorkloadKind::Deployment, None) => {
                status.updated_replicas < self.desired(kind) || status.replicas > status.updated_replicas
            }
            (WorkloadKind::StatefulSet, _) => !self.is_on_delete() && !self.is_up_to_date(),
            (WorkloadKind::DaemonSet, _) => {
                !self.is_on_delete() && status.updated_number_scheduled < self.desired(kind)
            }
        }
    }

    fn is_observed(&self) -> bool {
        self.status.observed_generation >= self.metadata.generation.unwrap_or(0)
    }

    /// Of a StatefulSet: whether every pod that is to be has the newest version.
    fn is_up_to_date(&self) -> bool {
        let status = &self.status;
        let rolling = self.spec.update_strategy.rolling_update.as_ref();
        let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
        let wanted = self.desired(WorkloadKind::StatefulSet).saturating_sub(partition);
        let is_one_version = status.current_revision == status.update_revision;
        self.is_on_delete() || is_one_version || status.updated_replicas >= wanted
    }

    fn progressing(&self) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.r#type == "Progressing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn deployment(status: Value, progressing: (&str, &str)) -> Rollout {
        let mut status = status;
        let (state, reason) = progressing;
        status["conditions"] =
            json!([{"type": "Progressing", "status": state, "reason": reason, "message": "late"}]);
        serde_json::from_value(json!({
            "metadata": {"generation": 2}, "spec": {"replicas": 3, "progressDeadlineSeconds": 60}, "status": status
        }))
        .unwrap()
    }

    fn status(updated: u64, available: u64) -> Value {
        json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": updated, "availableReplicas": available})
    }

    const D: WorkloadKind = WorkloadKind::Deployment;

    #[test]
    fn a_rollout_on_its_way_is_wanted_and_not_complete() {
        let rollout = deployment(status(1, 2), ("True", "ReplicaSetUpdated"));
        assert_eq!(rollout.intent(D), Some(Intent::RollingOut { deadline_seconds: 60 }));
        assert!(!rollout.is_complete(D));
    }

    #[test]
    fn pods_that_fall_ill_after_a_rollout_are_no_rollout() {
        let rollout = deployment(status(3, 1), ("True", "NewReplicaSetAvailable"));
        assert_eq!((rollout.intent(D), rollout.is_complete(D)), (None, false));
        let well = deployment(status(3, 3), ("True", "NewReplicaSetAvailable"));
        assert_eq!((well.intent(D), well.is_complete(D)), (None, true));
    }

    #[test]
    fn a_rollout_that_was_given_up_holds_nothing_back() {
        let rollout = deployment(status(1, 2), ("False", "ProgressDeadlineExceeded"));
        assert_eq!((rollout.intent(D), rollout.given_up()), (None, Some("late")));
    }

    #[test]
    fn what_the_controller_has_not_seen_yet_is_on_its_way() {
        let mut early = status(3, 3);
        early["observedGeneration"] = 1.into();
        let rollout = deployment(early, ("True", "NewReplicaSetAvailable"));
        assert!(matches!(rollout.intent(D), Some(Intent::RollingOut { .. })) && !rollout.is_complete(D));
    }

    #[test]
    fn zero_replicas_and_a_pause_are_wanted() {
        let of = |spec: Value| serde_json::from_value::<Rollout>(json!({"spec": spec})).unwrap().intent(D);
        assert_eq!(of(json!({"replicas": 0})), Some(Intent::ScaledToZero));
        assert_eq!(of(json!({"replicas": 1, "paused": true})), Some(Intent::Paused));
    }

    #[test]
    fn a_stateful_set_is_complete_up_to_its_partition_and_has_no_rollout_on_delete() {
        let set = |strategy: Value, updated: u64| -> Rollout {
            serde_json::from_value(json!({
                "spec": {"replicas": 3, "updateStrategy": strategy},
                "status": {"availableReplicas": 3, "updatedReplicas": updated, "currentRevision": "a",
                    "updateRevision": "b"}
            }))
            .unwrap()
        };
        let kind = WorkloadKind::StatefulSet;
        let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
        assert!(
            set(partition.clone(), 1).is_complete(kind) && set(partition.clone(), 1).intent(kind).is_none()
        );
        assert!(set(partition, 0).intent(kind).is_some());
        assert!(set(json!({"type": "OnDelete"}), 0).is_complete(kind));
    }

    #[test]
    fn a_daemon_set_is_complete_when_every_node_has_the_newest() {
        let set = |updated: u64| -> Rollout {
            let status =
                json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": 2});
            serde_json::from_value(json!({"status": status})).unwrap()
        };
        let kind = WorkloadKind::DaemonSet;
        assert!(set(2).is_complete(kind) && !set(1).is_complete(kind));
        assert!(set(1).intent(kind).is_some());
    }
}
