//! Endpoints that found no room of their own: which of them are busy enough to take somebody's place.
//!
//! Counts are those of the space-saving algorithm (Metwally, Agrawal, El Abbadi: Efficient computation of frequent and
//! top-k elements in data streams, 2005): whoever is not among those counted takes over the count of the least, and
//! how much of a count was taken over is known.

use std::collections::{BTreeSet, HashMap};

use super::fact::UsageKey;
use super::window::shape::{FINE, Slot};

/// Endpoints that are counted at once.
const MOST_COUNTED: usize = 256;
/// Requests from which on a newcomer may ask for a place.
const LEAST_REQUESTS: u64 = 100;

/// Newcomers of this process. None of it outlives the process: who is busy is soon known again.
#[derive(Debug, Default)]
pub struct Newcomers {
    counted: HashMap<UsageKey, Count>,
    /// The same in the order of their requests: strangers bring a new one with each request.
    in_order: BTreeSet<(u64, UsageKey)>,
    /// The last slot in which it was looked whether one asks.
    asked: Slot,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    requests: u64,
    /// How many of them may be another one's.
    taken_over: u64,
    /// When it began.
    since: Slot,
}

/// What a newcomer has to say for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Which one.
    pub key: UsageKey,
    /// At least so many requests.
    pub requests: u64,
    /// Since the beginning of this slot.
    pub since: Slot,
}

impl Newcomers {
    /// Counts requests of a newcomer.
    pub fn count(&mut self, key: &UsageKey, requests: u64, now: Slot) {
        let afresh = Count { requests, taken_over: 0, since: now };
        let count = match self.take(key) {
            // Of what is older the window knows the coarse buckets only, and cannot be compared.
            Some(count) if count.since + FINE > now => Count { requests: count.requests + requests, ..count },
            Some(_) => afresh,
            None if self.counted.len() >= MOST_COUNTED => {
                let taken_over = self.drop_the_least();
                Count { requests: requests + taken_over, taken_over, ..afresh }
            }
            None => afresh,
        };
        self.in_order.insert((count.requests, key.clone()));
        self.counted.insert(key.clone(), count);
    }

    /// Makes room for another one; gives the requests of the one that had it.
    fn drop_the_least(&mut self) -> u64 {
        let Some((requests, least)) = self.in_order.pop_first() else { return 0 };
        self.counted.remove(&least);
        requests
    }

    fn take(&mut self, key: &UsageKey) -> Option<Count> {
        let count = self.counted.remove(key)?;
        self.in_order.remove(&(count.requests, key.clone()));
        Some(count)
    }

    /// Takes out the busiest newcomer, one in each slot, to be compared with those that have a place.
    pub fn claim(&mut self, now: Slot) -> Option<Claim> {
        if now <= self.asked {
            return None;
        }
        self.asked = now;
        let of_its_own = |count: &Count| count.requests - count.taken_over;
        let busiest = self.counted.iter().max_by_key(|(key, count)| (of_its_own(count), *key));
        let (key, count) = busiest.filter(|(_, count)| of_its_own(count) >= LEAST_REQUESTS)?;
        let claim = Claim { key: key.clone(), requests: of_its_own(count), since: count.since };
        self.take(&claim.key);
        Some(claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> UsageKey {
        ("web".into(), name.into())
    }

    #[test]
    fn the_busiest_of_many_asks_first_and_says_no_more_than_it_had() {
        let mut newcomers = Newcomers::default();
        for round in 0..300 {
            newcomers.count(&key("/busy"), 1, 7);
            newcomers.count(&key(&format!("/once-{round}")), 1, 7);
        }
        let claim = newcomers.claim(8).unwrap();
        assert_eq!((claim.key, claim.since), (key("/busy"), 7));
        assert!((LEAST_REQUESTS..=300).contains(&claim.requests), "{}", claim.requests);
    }

    #[test]
    fn one_asks_in_a_slot_and_then_begins_again() {
        let mut newcomers = Newcomers::default();
        for name in ["/a", "/b"] {
            newcomers.count(&key(name), 500, 7);
        }
        assert_eq!(newcomers.claim(8).map(|claim| claim.key), Some(key("/b")));
        assert_eq!(newcomers.claim(8), None);
        assert_eq!(newcomers.claim(9).map(|claim| claim.key), Some(key("/a")));
        assert_eq!(newcomers.claim(10), None, "nobody is left");
    }

    #[test]
    fn who_is_quiet_or_was_busy_long_ago_does_not_ask() {
        let mut newcomers = Newcomers::default();
        newcomers.count(&key("/quiet"), LEAST_REQUESTS - 1, 7);
        newcomers.count(&key("/once"), LEAST_REQUESTS - 1, 7);
        newcomers.count(&key("/once"), 1, 7 + FINE);
        assert_eq!(newcomers.claim(8 + FINE), None);
    }
}
