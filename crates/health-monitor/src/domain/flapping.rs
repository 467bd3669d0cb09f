//! A service that changes between passing and failing all the time: restarts do not help, a person may.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

/// Changes that are looked at; Nagios, whose measure this is, uses the same number.
const CHANGES: u32 = 20;
/// Percent of changes from which on a service flaps, and below which it no longer does.
const ENTER: u32 = 30;
const LEAVE: u32 = 25;

/// The last results of a service, newest in the lowest bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Results {
    bits: u32,
    count: u32,
}

impl Results {
    /// Takes in one more.
    pub fn push(&mut self, passed: bool) {
        self.bits = (self.bits << 1) | u32::from(passed);
        self.count = (self.count + 1).min(CHANGES + 1);
    }

    /// How many percent of the last twenty possible changes were changes. Results that have not come are none.
    pub fn percent(self) -> u32 {
        let pairs = self.count.saturating_sub(1);
        let changes = (self.bits ^ (self.bits >> 1)) & ((1 << pairs) - 1);
        changes.count_ones() * 100 / CHANGES
    }

    /// Whether a service with these results flaps, given whether it did.
    pub fn flaps(self, did: bool) -> bool {
        if did {
            // A window that is not full, as after a start, is no evidence of calm.
            self.count <= CHANGES || self.percent() >= LEAVE
        } else {
            self.percent() >= ENTER
        }
    }
}

/// A service is flapping.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Flapping {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Percent of its last results that differed from the one before, when it began.
    pub percent: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(text: &str) -> Results {
        let mut results = Results::default();
        text.chars().for_each(|result| results.push(result == '+'));
        results
    }

    #[test]
    fn six_changes_in_twenty_begin_it_and_fewer_than_five_end_it() {
        assert!(!results("+++++-----+++++-----+").flaps(false));
        assert!(results("+++---+++---+++---+++").flaps(false));
        assert!(results("+++---+++---+++---+++").flaps(true));
        assert!(!results("++++++++++++---+++---").flaps(true));
    }

    #[test]
    fn a_window_that_is_not_full_begins_it_only_by_changes_that_were_seen() {
        assert!(!results("+-+-+").flaps(false));
        assert!(results("+-+-+-+").flaps(false));
        assert!(results("+++++").flaps(true));
    }
}
