//! A pod as its node reports it: whether it serves, starts, is sick, or is beyond our reach.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus};

use super::events::VERSION;
use super::workload::Workload;
use crate::clock::Timestamp;

/// Why a container waits that has failed, and does not only start.
const FAILURES: [&str; 8] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "ErrImageNeverPull",
];

/// How a pod is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PodState {
    /// It is ready.
    Serving,
    /// It is on its way to be.
    Starting,
    /// Its node says that it is not well: another one may be better.
    Sick(String),
    /// It has ended for good; its controller makes another one.
    Failed(String),
    /// No node takes it: another one would fare no better.
    Unscheduled(String),
    /// Its node has gone silent, so only the node controller can tell what becomes of it.
    Lost,
    /// It is being ended already.
    Ending,
}

/// What is needed of a pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PodSeen {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) state: PodState,
    /// Of all its containers.
    pub(super) restarts: u64,
    /// When its newest container was started.
    pub(super) started_at: Option<Timestamp>,
    /// The container that is worst off, for its log.
    pub(super) container: Option<String>,
    /// Whether that container has run before, so that there is an earlier log.
    pub(super) has_run_before: bool,
}

impl PodSeen {
    /// A pod of the workload; none for one that belongs to somebody else, or has done what it was for. A container that was
    /// started before `slow_since` and has not been ready hangs.
    pub(super) fn of(pod: Pod, workload: &Workload, slow_since: Timestamp) -> Option<Self> {
        let owner = super::locate::controller(&pod.metadata)?;
        let is_ours = match owner.kind.as_str() {
            "ReplicaSet" => {
                let version = pod.metadata.labels.as_ref().and_then(|labels| labels.get(VERSION));
                version.is_some_and(|version| owner.name == format!("{}-{version}", workload.name))
            }
            kind => kind.eq_ignore_ascii_case(workload.kind.as_str()) && owner.name == workload.name,
        };
        let status = pod.status.clone().unwrap_or_default();
        if !is_ours || status.phase.as_deref() == Some("Succeeded") {
            return None;
        }
        let containers = status.container_statuses.clone().unwrap_or_default();
        let worst = containers.iter().find(|one| !one.ready).or(containers.first());
        Some(Self {
            state: state(&pod, &status, &containers, slow_since),
            restarts: containers.iter().map(|one| u64::try_from(one.restart_count).unwrap_or(0)).sum(),
            started_at: containers.iter().filter_map(started_at).max(),
            container: worst.map(|one| one.name.clone()),
            has_run_before: worst.is_some_and(|one| one.restart_count > 0),
            name: pod.metadata.name?,
            uid: pod.metadata.uid?,
            resource_version: pod.metadata.resource_version?,
        })
    }

    /// For a person: `web-abc CrashLoopBackOff (5 restarts)`; none while it serves.
    pub(super) fn told(&self) -> Option<String> {
        let state = match &self.state {
            PodState::Serving => return None,
            PodState::Starting => "starting",
            PodState::Sick(reason) | PodState::Failed(reason) | PodState::Unscheduled(reason) => reason,
            PodState::Lost => "on a node that is gone",
            PodState::Ending => "ending",
        };
        let restarts = match self.restarts {
            0 => String::new(),
            1 => " (1 restart)".to_owned(),
            several => format!(" ({several} restarts)"),
        };
        Some(format!("{} {state}{restarts}", self.name))
    }

    /// Tells this instance from others. Restarts count once it serves again: then its node has replaced the container.
    pub(super) fn identity(&self) -> String {
        match (&self.state, self.restarts) {
            (PodState::Serving, restarts) if restarts > 0 => format!("{}:{restarts}", self.uid),
            _ => self.uid.clone(),
        }
    }
}

fn state(pod: &Pod, status: &PodStatus, containers: &[ContainerStatus], slow_since: Timestamp) -> PodState {
    if pod.metadata.deletion_timestamp.is_some() {
        return PodState::Ending;
    }
    let condition = |kind: &str| status.conditions.iter().flatten().find(|one| one.type_ == kind);
    let is = |kind: &str, state: &str| condition(kind).is_some_and(|one| one.status == state);
    if status.phase.as_deref() == Some("Failed") {
        let ended = containers.iter().find_map(|one| one.state.as_ref()?.terminated.as_ref()?.reason.clone());
        return PodState::Failed(status.reason.clone().or(ended).unwrap_or_else(|| "Failed".to_owned()));
    }
    if is("Ready", "True") {
        return PodState::Serving;
    }
    if let Some(waits) =
        containers.iter().chain(status.init_container_statuses.iter().flatten()).find_map(failure)
    {
        return PodState::Sick(waits);
    }
    if let Some(unscheduled) = condition("PodScheduled").filter(|one| one.status == "False") {
        let reason = unscheduled.message.clone().unwrap_or_default();
        let reason: String = reason.chars().take(crate::platform::QUOTED).collect();
        return PodState::Unscheduled(format!("waits for a node: {reason}"));
    }
    let has_started = !containers.is_empty() && containers.iter().all(|one| one.started != Some(false));
    let are_ready = !containers.is_empty() && containers.iter().all(|one| one.ready);
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_ref());
    let waits_for_gate =
        gates.is_some_and(|gates| gates.iter().any(|gate| !is(&gate.condition_type, "True")));
    match (has_started, are_ready) {
        // Its node says that the containers are ready, and somebody else that the pod is not: the node controller, which
        // does so when it hears nothing more from the node.
        (_, true) if is("Ready", "False") && !waits_for_gate => PodState::Lost,
        (_, true) => PodState::Starting,
        (true, false) if was_ready(condition("Ready"), containers, slow_since) => {
            PodState::Sick("not ready".to_owned())
        }
        (_, false) => PodState::Starting,
    }
}

/// Whether the pod was ready since its containers were started, or had the time for it: without a startup probe every
/// container counts as started at once, however long it takes until it can serve.
fn was_ready(ready: Option<&PodCondition>, containers: &[ContainerStatus], slow_since: Timestamp) -> bool {
    let Some(started) = containers.iter().filter_map(started_at).max() else { return false };
    let changed = ready.and_then(|ready| ready.last_transition_time.as_ref());
    let changed = changed.map(|at| Timestamp::from_micros(at.0.as_microsecond()));
    changed.is_some_and(|changed| changed > started) || started < slow_since
}

fn failure(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    waiting.reason.clone().filter(|reason| FAILURES.contains(&reason.as_str()))
}

fn started_at(container: &ContainerStatus) -> Option<Timestamp> {
    let started = container.state.as_ref()?.running.as_ref()?.started_at.as_ref()?;
    Some(Timestamp::from_micros(started.0.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn seen(change: impl FnOnce(&mut Value)) -> Option<PodSeen> {
        let mut pod = json!({
            "metadata": {"name": "web-5d-abc", "uid": "u1", "resourceVersion": "7", "labels": {VERSION: "5d"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d", "uid": "r1",
                    "controller": true}]},
            "status": {"phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "web", "image": "i", "imageID": "", "ready": true, "started": true,
                    "restartCount": 0, "state": {"running": {"startedAt": "2026-11-24T01:00:00Z"}}}]}
        });
        change(&mut pod);
        let workload = Workload::parse("deployment/web", "shop").unwrap();
        PodSeen::of(serde_json::from_value(pod).unwrap(), &workload, "2026-11-24T00:57:00Z".parse().unwrap())
    }

    fn told(change: impl FnOnce(&mut Value)) -> String {
        seen(change).unwrap().told().unwrap_or_else(|| "serving".to_owned())
    }

    fn not_ready(pod: &mut Value) {
        pod["status"]["conditions"][0]["status"] = "False".into();
        pod["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-24T01:01:00Z".into();
        pod["status"]["containerStatuses"][0]["ready"] = false.into();
    }

    #[test]
    fn a_pod_is_told_in_the_words_of_its_node() {
        assert_eq!(told(|_| ()), "serving");
        assert_eq!(told(not_ready), "web-5d-abc not ready");
        assert_eq!(
            told(|pod| {
                not_ready(pod);
                pod["status"]["containerStatuses"][0]["restartCount"] = 5.into();
                pod["status"]["containerStatuses"][0]["state"] =
                    json!({"waiting": {"reason": "CrashLoopBackOff"}});
            }),
            "web-5d-abc CrashLoopBackOff (5 restarts)"
        );
        assert_eq!(
            told(|pod| {
                not_ready(pod);
                pod["status"]["phase"] = "Pending".into();
                pod["status"]["containerStatuses"][0]["state"] =
                    json!({"waiting": {"reason": "ImagePullBackOff"}});
            }),
            "web-5d-abc ImagePullBackOff"
        );
        assert_eq!(
            told(|pod| {
                pod["status"]["phase"] = "Failed".into();
                pod["status"]["containerStatuses"][0]["state"] =
                    json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
            }),
            "web-5d-abc OOMKilled"
        );
    }

    #[test]
    fn a_pod_that_starts_is_not_sick() {
        let state = seen(|pod| {
            not_ready(pod);
            pod["status"]["containerStatuses"][0]["started"] = false.into();
        });
        assert_eq!(state.unwrap().state, PodState::Starting);
        let creating = seen(|pod| {
            not_ready(pod);
            pod["status"]["containerStatuses"][0]["started"] = false.into();
            pod["status"]["containerStatuses"][0]["state"] =
                json!({"waiting": {"reason": "ContainerCreating"}});
        });
        assert_eq!(creating.unwrap().state, PodState::Starting);
    }

    #[test]
    fn a_container_that_has_not_been_ready_yet_has_its_start_period_although_its_node_calls_it_started() {
        let starting = |since: &'static str| {
            let state = seen(|pod| {
                not_ready(pod);
                pod["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-24T00:50:00Z".into();
                pod["status"]["containerStatuses"][0]["state"] = json!({"running": {"startedAt": since}});
            });
            state.unwrap().state
        };
        assert_eq!(starting("2026-11-24T01:01:30Z"), PodState::Starting);
        assert_eq!(starting("2026-11-24T00:56:59Z"), PodState::Sick("not ready".into()));
    }

    #[test]
    fn pods_of_a_workload_whose_name_begins_alike_are_others() {
        let canary = |pod: &mut Value| {
            pod["metadata"]["ownerReferences"][0]["name"] = "web-canary-5d".into();
        };
        assert_eq!(seen(canary), None);
    }

    #[test]
    fn a_pod_that_no_node_takes_would_not_be_better_off_anew() {
        let state = seen(|pod| {
            pod["status"] = json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}]});
        });
        assert_eq!(state.unwrap().state, PodState::Unscheduled("waits for a node: 0/2 nodes".into()));
    }

    #[test]
    fn a_pod_whose_node_is_silent_is_lost_and_one_behind_a_gate_is_not() {
        let silent = |pod: &mut Value| pod["status"]["conditions"][0]["status"] = "False".into();
        assert_eq!(seen(silent).unwrap().state, PodState::Lost);
        let gated = seen(|pod| {
            silent(pod);
            pod["spec"] = json!({"containers": [], "readinessGates": [{"conditionType": "example.org/up"}]});
        });
        assert_eq!(gated.unwrap().state, PodState::Starting);
    }

    #[test]
    fn who_is_being_ended_belongs_to_another_or_is_done_is_told_apart() {
        let ending = seen(|pod| pod["metadata"]["deletionTimestamp"] = "2026-11-24T01:00:00Z".into());
        assert_eq!(ending.unwrap().state, PodState::Ending);
        let other = |pod: &mut Value| pod["metadata"]["ownerReferences"][0]["name"] = "other-5d".into();
        assert_eq!(seen(other), None);
        assert_eq!(seen(|pod| pod["status"]["phase"] = "Succeeded".into()), None);
    }

    #[test]
    fn an_identity_changes_with_the_pod_and_with_the_container_that_serves_again() {
        let restarted = |pod: &mut Value| pod["status"]["containerStatuses"][0]["restartCount"] = 2.into();
        assert_eq!(seen(|_| ()).unwrap().identity(), "u1");
        assert_eq!(seen(restarted).unwrap().identity(), "u1:2");
        let failing = seen(|pod| {
            restarted(pod);
            not_ready(pod);
        });
        assert_eq!(failing.unwrap().identity(), "u1");
    }
}
