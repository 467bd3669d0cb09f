//! Waits for what was written to take effect: until every pod is as it is to be.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::scene::Scene;
use super::{KubernetesMeans, rollout, see};
use crate::domain::order::{Inspection, Order, Sight, Standing, Written};

/// The first pause between two looks at a rollout, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Looks until a rollout is complete, but not for ever: what came of the order, and what is there then.
pub(crate) async fn settle(means: &KubernetesMeans, look: &Inspection, order: &Order) -> (Written, Sight) {
    let end = Instant::now() + means.rollout_timeout;
    let mut pause = PAUSES.0;
    loop {
        let sight = see(means, look).await;
        let is_late = Instant::now() + pause > end;
        match Standing::of(&order.changes, &sight) {
            Standing::Between if is_late => return (Written::Failed(stuck(means, look).await), sight),
            Standing::Between => {}
            Standing::Unreachable(_) if !is_late => {}
            Standing::Before
            | Standing::After
            | Standing::Elsewhere(_)
            | Standing::Blind
            | Standing::Unreachable(_) => return (Written::Done, sight),
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(PAUSES.1);
    }
}

/// Why a rollout is not waited for any longer.
async fn stuck(means: &KubernetesMeans, look: &Inspection) -> String {
    let seconds = means.rollout_timeout.as_secs();
    let scene = match Scene::read(means, &look.keys, false).await {
        Ok(scene) => scene,
        Err(unseen) => return format!("it was not rolled out within {seconds} s: {}", unseen.reason()),
    };
    let (workload, live) = (&scene.workload, &scene.live);
    let unfinished = rollout::unfinished(workload.kind, live);
    let obstacle = rollout::obstacle(&means.access, workload, live).await.or(unfinished);
    let obstacle = obstacle.unwrap_or_else(|| "its pods are not as they are to be".to_owned());
    format!("{workload} was not rolled out within {seconds} s: {obstacle}")
}
