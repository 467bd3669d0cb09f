//! Restarting: sick pods are evicted, so that their controller makes others. An eviction respects disruption budgets.

use serde_json::json;

use super::anew::stamp;
use super::failure::{Failure, Fault};
use super::look::Look;
use super::pods::{PodSeen, PodState};
use super::workload::WorkloadKind;
use super::{Attempt, Kubernetes};
use crate::order::{OrderId, Performed, Unreachable};

/// Pods that one order evicts at most; more of them wait for the next attempt.
const AT_ONCE: u64 = 10;

/// How many pods of the workload one order evicts: a quarter, as a rollout replaces them, and of a StatefulSet, whose pods
/// are members of something, one. Pods can be sick together because of what they need.
fn at_once(kind: WorkloadKind, wanted: u64) -> usize {
    let at_once = match kind {
        WorkloadKind::StatefulSet => 1,
        WorkloadKind::Deployment | WorkloadKind::DaemonSet => (wanted / 4).clamp(1, AT_ONCE),
    };
    usize::try_from(at_once).unwrap_or(1)
}

impl Kubernetes {
    /// Evicts the sick pods. Where none is called sick, the only pod, or rolls all of them out anew.
    pub(super) async fn restart(&self, attempt: &Attempt, id: OrderId) -> Performed {
        let look = match self.look().await {
            Ok(look) => look,
            Err(Unreachable { reason }) => return Performed::NotRun { reason },
        };
        let mut sick = look.sick();
        if !sick.is_empty() {
            let kind = look.workload.kind;
            let at_once = at_once(kind, look.rollout.desired(kind));
            let more = sick.len().saturating_sub(at_once);
            sick.truncate(at_once);
            return told_of(&look, self.evict(attempt, &look, &sick).await, more);
        }
        let serving = look.those(|state| *state == PodState::Serving);
        match (serving.as_slice(), look.rollout.desired(look.workload.kind)) {
            ([], _) => Performed::NotRun { reason: nothing_to_evict(&look) },
            ([only], 1) => match self.evict(attempt, &look, &[only]).await {
                Ok(_) => Performed::AcceptedAs {
                    how: format!(
                        "Kubernetes calls no pod of {} sick; its only one was evicted",
                        look.workload
                    ),
                },
                Err(performed) => performed,
            },
            // Those that start or are on a lost node may be all that is wrong.
            (serving, wanted) if (serving.len() as u64) < wanted => {
                Performed::NotRun { reason: nothing_to_evict(&look) }
            }
            _ => {
                let rolled = self.roll_out(attempt, &look.workload, &stamp(id)).await;
                if rolled != Performed::Accepted {
                    return rolled;
                }
                let how = format!(
                    "Kubernetes calls no pod of {} sick, so all of them are rolled out anew",
                    look.workload
                );
                Performed::AcceptedAs { how }
            }
        }
    }

    /// Evicts these pods as they were seen, one after the other. Gives how many were, and what is to be told.
    async fn evict(&self, attempt: &Attempt, look: &Look, pods: &[&PodSeen]) -> Result<Evicted, Performed> {
        let mut evicted = Evicted::default();
        for pod in pods {
            match self.evict_one(attempt, look, pod).await {
                Ok(()) => evicted.done.push(pod.name.clone()),
                // Gone, or another one than we have seen.
                Err(Failure { fault: Fault::NotFound(_) | Fault::Conflict { .. }, .. }) => {
                    evicted.changed += 1
                }
                Err(failure) if evicted.done.is_empty() => return Err(failure.of_order()),
                Err(failure @ Failure { fault: Fault::Budget { .. }, .. }) => {
                    evicted.held = Some(failure.to_string());
                    break;
                }
                Err(failure) => return Err(partly(&evicted, pods.len(), &failure)),
            }
        }
        if evicted.done.is_empty() {
            let reason = format!("the sick pods of {} were replaced or changed meanwhile", look.workload);
            return Err(Performed::Superseded { reason });
        }
        Ok(evicted)
    }

    async fn evict_one(&self, attempt: &Attempt, look: &Look, pod: &PodSeen) -> Result<(), Failure> {
        let namespace = &look.workload.namespace;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}/eviction", pod.name);
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid, "resourceVersion": pod.resource_version}},
        });
        attempt.begin();
        self.access.create(&format!("evict pod {} in {namespace}", pod.name), &path, &eviction).await?;
        Ok(())
    }
}

/// What became of several evictions.
#[derive(Debug, Default)]
struct Evicted {
    done: Vec<String>,
    changed: usize,
    held: Option<String>,
}

fn told_of(look: &Look, evicted: Result<Evicted, Performed>, more: usize) -> Performed {
    let Evicted { done, changed, held } = match evicted {
        Ok(evicted) => evicted,
        Err(performed) => return performed,
    };
    let mut how = format!("evicted {}", done.join(", "));
    if changed > 0 {
        how += &format!("; {changed} were replaced or changed meanwhile");
    }
    if more > 0 {
        how += &format!("; {more} more are sick and wait for the next attempt");
    }
    let lost = look.those(|state| *state == PodState::Lost);
    if !lost.is_empty() {
        how += &format!("; {} are on nodes that are gone, which is for the node controller", lost.len());
    }
    how.extend(held.map(|held| format!("; {held}")));
    Performed::AcceptedAs { how }
}

/// Once some were evicted it is no longer true that nothing happened.
fn partly(evicted: &Evicted, all: usize, failure: &Failure) -> Performed {
    let reason = format!("{} of {all} pods were evicted, then: {failure}", evicted.done.len());
    match failure.of_order() {
        Performed::Unknown { .. } => Performed::Unknown { reason },
        Performed::Accepted
        | Performed::AcceptedAs { .. }
        | Performed::NotRun { .. }
        | Performed::Failed { .. }
        | Performed::Superseded { .. } => Performed::Failed { reason },
    }
}

/// Why no eviction would help.
fn nothing_to_evict(look: &Look) -> String {
    let lost = look.those(|state| *state == PodState::Lost);
    let why = if look.pods.is_empty() {
        "it has no pods: see why its controller makes none (quota, admission)"
    } else if lost.len() == look.pods.len() {
        "its pods are on nodes that are gone: the node controller replaces them"
    } else {
        "no pod of it would be better off anew: they start, end, or wait for a node"
    };
    format!("restart {}: {why}; {}", look.workload, look.told())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_pods_goes_at_once_and_of_a_stateful_set_one() {
        let of_deployment = [1, 3, 8, 12, 400].map(|wanted| at_once(WorkloadKind::Deployment, wanted));
        assert_eq!(of_deployment, [1, 1, 2, 3, 10]);
        assert_eq!(at_once(WorkloadKind::StatefulSet, 12), 1);
        assert_eq!(at_once(WorkloadKind::DaemonSet, 12), 3);
    }

    #[test]
    fn once_a_pod_was_evicted_it_is_no_longer_true_that_nothing_happened() {
        let evicted = Evicted { done: vec!["web-a".into()], ..Evicted::default() };
        let failure = |fault| Failure::new("evict pod web-b in shop", "https://10.96.0.1", fault);
        let refused = partly(&evicted, 2, &failure(Fault::Overloaded("busy".into())));
        assert!(
            matches!(&refused, Performed::Failed { reason } if reason.starts_with("1 of 2 pods were evicted"))
        );
        let silent = partly(&evicted, 2, &failure(Fault::NoAnswer("silence".into())));
        assert!(matches!(silent, Performed::Unknown { .. }));
    }
}
