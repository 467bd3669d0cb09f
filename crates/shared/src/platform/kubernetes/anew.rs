//! Making all pods anew: a rollout of the same version, by the annotation that `kubectl rollout restart` sets.

use std::time::Duration;

use serde_json::json;

use super::failure::{Failure, Fault};
use super::rollout::Rollout;
use super::workload::Workload;
use super::{Attempt, Kubernetes};
use crate::order::{OrderId, Performed, Standing, Unreachable};

/// The annotation of the pod template; whoever changes it makes all pods anew.
pub(super) const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// A workload whose status changes all the time is read and written again at most so often: nothing was written before.
const TRIES: u32 = 3;

impl Kubernetes {
    /// Rolls the workload out anew. Nothing else of it is written, so nothing is kept: a tool that takes the annotation
    /// away again makes the pods anew once more, and otherwise changes nothing.
    pub(super) async fn recreate(&self, attempt: &Attempt, id: OrderId) -> Performed {
        match self.workload().await {
            Ok(workload) => self.roll_out(attempt, &workload, &stamp(id)).await,
            Err(Unreachable { reason }) => Performed::NotRun { reason },
        }
    }

    pub(super) async fn roll_out(&self, attempt: &Attempt, workload: &Workload, stamp: &str) -> Performed {
        let mut last = None;
        for _ in 0..TRIES {
            let rollout = match self.rollout(workload).await {
                Ok(rollout) => rollout,
                Err(Unreachable { reason }) => return Performed::NotRun { reason },
            };
            if let Some(reason) = would_not_roll(&rollout, workload) {
                return Performed::NotRun { reason };
            }
            match self.restart_template(attempt, workload, &rollout, stamp).await {
                Ok(()) => return Performed::Accepted,
                Err(failure @ Failure { fault: Fault::Conflict { owner: None, .. }, .. }) => {
                    last = Some(failure)
                }
                Err(failure) => return failure.of_order(),
            }
        }
        let reason = last.map(|failure| failure.to_string()).unwrap_or_default();
        Performed::NotRun { reason }
    }

    async fn restart_template(
        &self,
        attempt: &Attempt,
        workload: &Workload,
        rollout: &Rollout,
        stamp: &str,
    ) -> Result<(), Failure> {
        let patch = json!({
            "metadata": {"resourceVersion": rollout.metadata.resource_version},
            "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: stamp}}}},
        });
        attempt.begin();
        self.access.merge(&format!("roll {workload} out anew"), &workload.path(), &patch).await?;
        Ok(())
    }

    /// Whether the rollout of an order was begun.
    pub(super) async fn examine_rollout(&self, id: OrderId) -> Result<Standing, Unreachable> {
        let workload = self.workload().await?;
        let rollout = self.rollout(&workload).await?;
        Ok(if was_restarted(&rollout, &stamp(id)) { Standing::Complete } else { Standing::Untouched })
    }
}

/// The moment of an order, as the annotation has it.
pub(super) fn stamp(id: OrderId) -> String {
    id.moment().to_string()
}

/// The same for putting back what the order had changed: another moment, so that the pods are made anew once more.
pub(super) fn stamp_of_revert(id: OrderId) -> String {
    (id.moment() + Duration::from_millis(1)).to_string()
}

/// Whether the newest version of the pods has this stamp.
pub(super) fn was_restarted(rollout: &Rollout, stamp: &str) -> bool {
    let metadata = rollout.spec.template.metadata.as_ref();
    let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
    annotations.and_then(|annotations| annotations.get(RESTARTED_AT)).is_some_and(|at| at == stamp)
}

/// Why another template would change no pod.
fn would_not_roll(rollout: &Rollout, workload: &Workload) -> Option<String> {
    if rollout.is_paused() {
        return Some(format!(
            "roll {workload} out anew: its rollouts are paused; kubectl rollout resume ends it"
        ));
    }
    rollout.is_on_delete().then(|| {
        format!("roll {workload} out anew: its update strategy is OnDelete, so no pod would be replaced; delete the pods")
    })
}
