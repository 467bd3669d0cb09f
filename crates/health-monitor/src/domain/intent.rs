//! What the platform tells of a service that is to be as it is: it is being rolled out, or nothing of it is to run.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::Intent;

/// Somebody wants it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Intended {
    /// What for.
    pub intent: Intent,
    /// Since when we know it.
    pub since: Timestamp,
}

impl Intended {
    /// What is known after a look: the same intent lasts since it was first seen.
    pub fn seen(known: Option<&Self>, intent: Option<&Intent>, now: Timestamp) -> Option<Self> {
        let intent = intent?.clone();
        let since = known.filter(|known| known.intent == intent).map_or(now, |known| known.since);
        Some(Self { intent, since })
    }

    /// When it holds nothing back any longer: a rollout that has not come to its end by then does not.
    pub fn until(&self) -> Option<Timestamp> {
        match self.intent {
            Intent::RollingOut { deadline_seconds } => {
                Some(self.since + Duration::from_secs(deadline_seconds))
            }
            Intent::ScaledToZero | Intent::Paused => None,
        }
    }

    /// Whether it holds anything back.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until().is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLLOUT: Intent = Intent::RollingOut { deadline_seconds: 600 };

    fn second(second: u64) -> Timestamp {
        Timestamp::from_micros(0) + Duration::from_secs(second)
    }

    #[test]
    fn a_rollout_holds_until_its_deadline_and_is_known_since_it_was_first_seen() {
        let first = Intended::seen(None, Some(&ROLLOUT), second(10)).unwrap();
        let again = Intended::seen(Some(&first), Some(&ROLLOUT), second(300)).unwrap();
        assert_eq!(again, first);
        assert!(again.holds(second(609)) && !again.holds(second(610)));
    }

    #[test]
    fn what_is_scaled_to_zero_stays_so_until_somebody_scales_it() {
        let zero = Intended::seen(None, Some(&Intent::ScaledToZero), second(10)).unwrap();
        assert!(zero.holds(second(1_000_000)));
        let rollout = Intended::seen(Some(&zero), Some(&ROLLOUT), second(20)).unwrap();
        assert_eq!(rollout.since, second(20));
        assert_eq!(Intended::seen(Some(&zero), None, second(20)), None);
    }
}
