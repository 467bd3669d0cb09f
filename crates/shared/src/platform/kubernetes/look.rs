//! One look at a workload and its pods, and what it says.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::ObjectList;

use super::Kubernetes;
use super::locate::query_of;
use super::pods::{PodSeen, PodState};
use super::rollout::Rollout;
use super::workload::Workload;
use crate::order::{Observed, Unreachable};

/// Pods of a workload that are looked at.
const PODS: u32 = 500;
/// Pods that are told of by name, the worst first.
const TOLD: usize = 3;

/// A workload and its pods at one moment.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) workload: Workload,
    pub(super) rollout: Rollout,
    pub(super) pods: Vec<PodSeen>,
}

impl Kubernetes {
    /// Looks at the workload of the service and at its pods.
    pub(super) async fn look(&self) -> Result<Look, Unreachable> {
        let workload = self.workload().await?;
        let rollout = match self.rollout(&workload).await {
            Ok(rollout) => rollout,
            Err(unreachable) => {
                // It may be another one by now.
                self.forget().await;
                return Err(unreachable);
            }
        };
        let path = format!(
            "/api/v1/namespaces/{}/pods?limit={PODS}&labelSelector={}",
            workload.namespace,
            selector(&rollout.spec.selector)
        );
        let tried = format!("list the pods of {workload}");
        let listed: ObjectList<Pod> = self.access.get(&tried, &path).await?;
        let slow_since = self.clock.now() - self.start_period;
        let mut pods: Vec<_> =
            listed.items.into_iter().filter_map(|pod| PodSeen::of(pod, &workload, slow_since)).collect();
        pods.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Look { workload, rollout, pods })
    }

    pub(super) async fn rollout(&self, workload: &Workload) -> Result<Rollout, Unreachable> {
        Ok(self.access.get(&format!("look at {workload}"), &workload.path()).await?)
    }
}

impl Look {
    /// Pods that another one may replace with profit. One that has ended for good is not among them: its controller has
    /// made another one already, or is about to.
    pub(super) fn sick(&self) -> Vec<&PodSeen> {
        self.those(|state| matches!(state, PodState::Sick(_)))
    }

    /// Pods of a kind.
    pub(super) fn those(&self, is_one: impl Fn(&PodState) -> bool) -> Vec<&PodSeen> {
        self.pods.iter().filter(|pod| is_one(&pod.state)).collect()
    }

    /// As the core wants it: the instance is the set of pods, and it runs when all that are wanted are available.
    pub(super) fn observed(&self) -> Observed {
        let (kind, rollout) = (self.workload.kind, &self.rollout);
        let is_part = |pod: &&PodSeen| !matches!(pod.state, PodState::Ending | PodState::Failed(_));
        let mut identities: Vec<String> = self.pods.iter().filter(is_part).map(PodSeen::identity).collect();
        identities.sort();
        // The workload was read before its pods: it may not know yet that one of them is ending.
        let serving = self.those(|state| *state == PodState::Serving).len() as u64;
        let is_complete = rollout.is_complete(kind) && serving >= rollout.desired(kind);
        let runs = rollout.desired(kind) > 0 && rollout.available(kind) >= rollout.desired(kind);
        Observed {
            identity: Some(identities.join(",")),
            running: Some(runs),
            started_at: self.pods.iter().filter_map(|pod| pod.started_at).max().filter(|_| runs),
            detail: Some(self.told()),
            in_transition: !is_complete,
            intent: rollout.intent(kind),
        }
    }

    /// `2 of 3 available; web-abc CrashLoopBackOff (5 restarts)`.
    pub(super) fn told(&self) -> String {
        let (kind, rollout) = (self.workload.kind, &self.rollout);
        let mut told = format!("{} of {} available", rollout.available(kind), rollout.desired(kind));
        let mut ill: Vec<&PodSeen> = self.pods.iter().filter(|pod| pod.state != PodState::Serving).collect();
        ill.sort_by_key(|pod| !matches!(pod.state, PodState::Sick(_)));
        for pod in ill.iter().take(TOLD) {
            told.extend(pod.told().map(|pod| format!("; {pod}")));
        }
        if ill.len() > TOLD {
            told += &format!("; {} more", ill.len() - TOLD);
        }
        if let Some(why) = rollout.given_up() {
            told += &format!("; the rollout was given up: {why}");
        }
        told
    }
}

/// A selector as a query has it.
fn selector(selector: &LabelSelector) -> String {
    let mut parts: Vec<String> = selector.match_labels.iter().map(query_of).collect();
    for one in selector.match_expressions.iter().flatten() {
        let values = one.values.iter().flatten().cloned().collect::<Vec<_>>().join("%2C");
        parts.push(match one.operator.as_str() {
            "In" => format!("{}%20in%20({values})", one.key),
            "NotIn" => format!("{}%20notin%20({values})", one.key),
            "DoesNotExist" => format!("%21{}", one.key),
            _ => one.key.clone(),
        });
    }
    parts.retain(|part| !part.is_empty());
    parts.join("%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, state: PodState) -> PodSeen {
        PodSeen {
            name: name.into(),
            uid: format!("uid-of-{name}"),
            resource_version: "1".into(),
            state,
            restarts: 0,
            started_at: None,
            container: None,
            has_run_before: false,
        }
    }

    fn look(available: u64, pods: Vec<PodSeen>) -> Look {
        let status = json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": available});
        let rollout = json!({"spec": {"replicas": 2}, "status": status});
        Look {
            workload: Workload::parse("deployment/web", "shop").unwrap(),
            rollout: serde_json::from_value(rollout).unwrap(),
            pods,
        }
    }

    #[test]
    fn the_instance_is_the_set_of_pods_and_in_transition_until_all_are_available() {
        let sick = look(1, vec![pod("a", PodState::Serving), pod("b", PodState::Sick("not ready".into()))]);
        let seen = sick.observed();
        assert_eq!(seen.identity.as_deref(), Some("uid-of-a,uid-of-b"));
        assert_eq!((seen.running, seen.in_transition), (Some(false), true));
        assert_eq!(seen.detail.as_deref(), Some("1 of 2 available; b not ready"));
        let ending = [pod("b", PodState::Ending), pod("c", PodState::Serving)];
        let after = look(2, [vec![pod("a", PodState::Serving)], ending.into()].concat()).observed();
        assert_eq!(after.identity.as_deref(), Some("uid-of-a,uid-of-c"));
        assert_eq!((after.running, after.in_transition), (Some(true), false));
    }

    #[test]
    fn a_pod_that_ends_is_a_transition_although_the_workload_does_not_know_it_yet() {
        let seen = look(2, vec![pod("a", PodState::Serving), pod("b", PodState::Ending)]).observed();
        assert!(seen.in_transition);
    }

    #[test]
    fn the_worst_are_told_first_and_no_more_than_a_few() {
        let mut pods: Vec<_> = ["a", "b", "c", "d"].map(|name| pod(name, PodState::Starting)).into();
        pods.push(pod("e", PodState::Sick("CrashLoopBackOff".into())));
        let told = look(0, pods).told();
        assert_eq!(told, "0 of 2 available; e CrashLoopBackOff; a starting; b starting; 2 more");
    }

    #[test]
    fn a_pod_that_has_ended_for_good_is_left_to_its_controller() {
        let failed = pod("b", PodState::Failed("OOMKilled".into()));
        assert!(look(1, vec![pod("a", PodState::Serving), failed]).sick().is_empty());
    }

    #[test]
    fn labels_and_expressions_become_a_query() {
        let selector_of = serde_json::from_value(json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "x", "operator": "DoesNotExist"}]}));
        let query = selector(&selector_of.unwrap());
        assert_eq!(query, "app%3Dweb%2Ctier%20in%20(a%2Cb)%2C%21x");
    }
}
