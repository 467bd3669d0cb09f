//! How often each action has helped a service lately.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::Action;

/// What is older says nothing of today.
pub const EFFECTIVE_DAYS: i64 = 30;
/// Fewer attempts than this say nothing.
const FEWEST: u32 = 4;
const DAY_MICROS: i64 = 86_400_000_000;

/// How often each action has helped one service: counts by day, at most as many days as count.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Effects(BTreeMap<Action, VecDeque<Day>>);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Day {
    /// Days since 1970.
    day: i64,
    attempts: u32,
    helped: u32,
}

/// How often one action was tried within the last 30 days, and how often it helped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct Effect {
    /// Attempts that were carried out and whose end is known.
    pub attempts: u32,
    /// Those that were proven to have helped.
    pub helped: u32,
}

impl Effects {
    /// Counts an attempt that has ended.
    pub fn record(&mut self, action: Action, at: Timestamp, has_helped: bool) {
        let today = day(at);
        let days = self.0.entry(action).or_default();
        days.retain(|one| one.day > today - EFFECTIVE_DAYS);
        match days.back_mut().filter(|last| last.day >= today) {
            Some(last) => {
                last.attempts = last.attempts.saturating_add(1);
                last.helped = last.helped.saturating_add(u32::from(has_helped));
            }
            None => days.push_back(Day { day: today, attempts: 1, helped: u32::from(has_helped) }),
        }
    }

    /// The effect of one action; none when it was not tried lately.
    pub fn of(&self, action: Action, now: Timestamp) -> Option<Effect> {
        let oldest = day(now) - EFFECTIVE_DAYS;
        let mut effect = Effect::default();
        for one in self.0.get(&action)?.iter().filter(|one| one.day > oldest) {
            effect.attempts = effect.attempts.saturating_add(one.attempts);
            effect.helped = effect.helped.saturating_add(one.helped);
        }
        (effect.attempts > 0).then_some(effect)
    }

    /// The effect of every action that was tried lately.
    pub fn all(&self, now: Timestamp) -> impl Iterator<Item = (Action, Effect)> {
        self.0.keys().filter_map(move |action| Some((*action, self.of(*action, now)?)))
    }
}

impl Effect {
    /// Whether it helped in fewer than half of enough attempts.
    pub fn is_weak(self) -> bool {
        self.attempts >= FEWEST && self.helped.saturating_mul(2) < self.attempts
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "helped in {} of {} attempts within {EFFECTIVE_DAYS} days", self.helped, self.attempts)
    }
}

fn day(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(DAY_MICROS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_day(day: i64) -> Timestamp {
        Timestamp::from_micros(day * DAY_MICROS)
    }

    #[test]
    fn counts_age_out_after_thirty_days_and_take_no_more_room_than_that() {
        let mut effects = Effects::default();
        for day in 0..100 {
            effects.record(Action::Restart, on_day(day), day < 80);
        }
        assert_eq!(effects.0[&Action::Restart].len(), 30);
        assert_eq!(effects.of(Action::Restart, on_day(99)), Some(Effect { attempts: 30, helped: 10 }));
        assert_eq!(effects.of(Action::Restart, on_day(128)), Some(Effect { attempts: 1, helped: 0 }));
        assert_eq!(effects.of(Action::Restart, on_day(129)), None);
    }
}
