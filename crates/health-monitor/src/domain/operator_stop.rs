//! Containers that somebody has had stopped: healed like any other, unless the settings respect it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{ServiceName, Stage};

use super::recovery::{Phase, Recovery};
use super::state::State;

/// Containers that are remembered of one service.
pub const CONTAINERS: usize = 64;
/// A platform may tell of a stop after it has answered the order that made it.
const TOLD_LATE: Duration = Duration::from_secs(5);

/// Containers of a service stand stopped because somebody asked the platform for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OperatorStop {
    /// When the last of them was stopped, by the clock of the platform.
    pub stopped_at: Timestamp,
    /// When we heard of it; a probe that begins later and passes shows that it is over.
    pub heard_at: Timestamp,
    /// Their names.
    pub containers: Vec<String>,
}

impl OperatorStop {
    /// With one more container. None when that is known already.
    pub fn with(
        known: Option<&Self>,
        container: &str,
        stopped_at: Timestamp,
        now: Timestamp,
    ) -> Option<Self> {
        let mut containers = known.map(|stop| stop.containers.clone()).unwrap_or_default();
        let is_known = containers.iter().any(|one| one == container);
        if is_known && known.is_some_and(|stop| stopped_at <= stop.stopped_at) {
            return None;
        }
        if !is_known && containers.len() < CONTAINERS {
            containers.push(container.to_owned());
        }
        Some(Self { stopped_at, heard_at: now, containers })
    }

    /// Without this container, or without all of them. None when no other stands stopped.
    pub fn without(&self, container: Option<&str>) -> Option<Self> {
        let stays = |one: &&String| container.is_some_and(|gone| *one != gone);
        let containers: Vec<String> = self.containers.iter().filter(stays).cloned().collect();
        (!containers.is_empty()).then(|| Self { containers, ..self.clone() })
    }
}

/// Whether a container was stopped at that moment by an order of ours, as far as the recoveries tell. One that is with
/// the platform, for at most `limit`, may stop a container at any moment; the last one that failed may have stopped it and
/// never started it again. What was accepted has been started again, so a stop is somebody else's.
pub fn is_ours(state: &State, name: &ServiceName, stopped_at: Timestamp, limit: Duration) -> bool {
    let under_way = state.service(name).and_then(|service| service.recovery.as_ref());
    if under_way.is_some_and(|recovery| may_stop(recovery, stopped_at, limit)) {
        return true;
    }
    let last = state.recoveries.iter().rev().find(|one| one.service == *name && one.has_acted);
    last.is_some_and(|last| {
        let until = last.finished_at.map(|at| at + TOLD_LATE);
        last.accepted_at.is_none()
            && stopped_at >= last.started_at
            && until.is_none_or(|until| stopped_at <= until)
    })
}

/// Whether an order of this recovery that stops containers may have been with the platform at that moment.
fn may_stop(recovery: &Recovery, stopped_at: Timestamp, limit: Duration) -> bool {
    if !recovery.action.changes_instance() {
        return false;
    }
    match recovery.phase {
        Phase::Preflight | Phase::Finished => false,
        Phase::Acting => true,
        // Nobody knows what became of the order, or it was carried out.
        Phase::Verifying => {
            recovery.accepted_at.is_none() && stopped_at <= recovery.started_at + limit + TOLD_LATE
        }
        Phase::Concluding => recovery.conclusion() == Stage::Revert,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64) -> Timestamp {
        Timestamp::from_micros(0) + Duration::from_secs(second)
    }

    #[test]
    fn it_lasts_until_the_last_of_its_containers_is_started() {
        let one = OperatorStop::with(None, "web-1", second(10), second(11)).unwrap();
        let both = OperatorStop::with(Some(&one), "web-2", second(12), second(13)).unwrap();
        assert_eq!(both.stopped_at, second(12));
        let left = both.without(Some("web-1")).unwrap();
        assert_eq!(left.containers, ["web-2"]);
        assert_eq!(left.without(Some("web-2")), None);
        assert_eq!(both.without(Some("web-3")), Some(both.clone()));
        assert_eq!(both.without(None), None);
    }

    #[test]
    fn what_is_told_twice_is_one_stop() {
        let stop = OperatorStop::with(None, "web-1", second(10), second(11)).unwrap();
        assert_eq!(OperatorStop::with(Some(&stop), "web-1", second(10), second(20)), None);
        assert!(OperatorStop::with(Some(&stop), "web-1", second(15), second(20)).is_some());
    }

    #[test]
    fn no_more_containers_are_remembered_than_fit() {
        let mut stop = None;
        for number in 0..2 * CONTAINERS as u64 {
            stop =
                OperatorStop::with(stop.as_ref(), &format!("web-{number}"), second(number), second(number));
        }
        assert_eq!(stop.unwrap().containers.len(), CONTAINERS);
    }
}
