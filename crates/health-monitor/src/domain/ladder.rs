//! Which action an attempt takes: steps in order, the next one only after the one before did not help.

use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::Action;

use super::effect::Effects;

/// Steps of a ladder at most.
pub const MOST_STEPS: usize = 10;
/// Attempts of one step at most.
pub const MOST_ATTEMPTS: u32 = 10;

/// One step of the ladder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// How often it is tried before the next step.
    pub attempts: u32,
    /// How long its proof may take; none means as long as that of the service.
    pub within: Option<Duration>,
}

impl Step {
    /// One attempt of an action, with the usual time for its proof.
    pub const fn new(action: Action) -> Self {
        Self { action, attempts: 1, within: None }
    }
}

/// Where a service stands on its ladder. It begins anew after lasting health.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// The step, from 0.
    pub step: usize,
    /// How often it did not help.
    pub failures: u32,
}

impl Position {
    /// An attempt of this step, from 0, has ended.
    pub fn tried(&mut self, step: usize, has_failed: bool) {
        if self.step != step {
            *self = Self { step, failures: 0 };
        }
        self.failures = self.failures.saturating_add(u32::from(has_failed));
    }
}

/// The step that an attempt takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Its place on the ladder, from 0.
    pub place: usize,
    /// The step.
    pub step: Step,
    /// Actions that were passed over because they have seldom helped.
    pub skipped: Vec<Action>,
    /// Says which were passed over and why.
    pub reason: Option<String>,
}

/// The step of the next attempt: the present one until its attempts are used up, without those that have seldom
/// helped. The last step is never passed over, and is repeated until a guard ends it.
pub fn choose(steps: &[Step], position: Position, effects: &Effects, now: Timestamp) -> Choice {
    let last = steps.len().saturating_sub(1);
    let at = |place: usize| steps.get(place).copied().unwrap_or(Step::new(Action::Restart));
    let mut place = position.step.min(last);
    if position.failures >= at(place).attempts {
        place = (place + 1).min(last);
    }
    let (mut skipped, mut reason) = (Vec::new(), String::new());
    while place < last {
        let action = at(place).action;
        let Some(effect) = effects.of(action, now).filter(|effect| effect.is_weak()) else { break };
        if !skipped.contains(&action) {
            let and = if reason.is_empty() { "skips" } else { " and" };
            let _ = write!(reason, "{and} {}, which {effect}", action.as_str());
            skipped.push(action);
        }
        place += 1;
    }
    Choice { place, step: at(place), skipped, reason: (!reason.is_empty()).then_some(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(86_400_000_000 * 100);

    fn steps() -> Vec<Step> {
        vec![Step { attempts: 2, ..Step::new(Action::Restart) }, Step::new(Action::Webhook)]
    }

    fn next(step: usize, failures: u32, effects: &Effects) -> usize {
        choose(&steps(), Position { step, failures }, effects, NOW).place
    }

    fn tried(action: Action, helped: u32, failed: u32) -> Effects {
        let mut effects = Effects::default();
        (0..helped).for_each(|_| effects.record(action, NOW, true));
        (0..failed).for_each(|_| effects.record(action, NOW, false));
        effects
    }

    #[test]
    fn the_next_step_comes_when_the_attempts_of_the_present_one_are_used_up() {
        let none = Effects::default();
        assert_eq!([next(0, 0, &none), next(0, 1, &none), next(0, 2, &none)], [0, 0, 1]);
    }

    #[test]
    fn the_last_step_is_repeated_and_a_shorter_ladder_is_no_trouble() {
        let none = Effects::default();
        assert_eq!([next(1, 9, &none), next(7, 0, &none)], [1, 1]);
        assert_eq!(choose(&[], Position::default(), &none, NOW).step, Step::new(Action::Restart));
    }

    #[test]
    fn a_step_that_seldom_helped_is_skipped_and_it_is_said_why() {
        let choice = choose(&steps(), Position::default(), &tried(Action::Restart, 1, 3), NOW);
        assert_eq!((choice.place, choice.skipped), (1, vec![Action::Restart]));
        let reason = "skips restart, which helped in 1 of 4 attempts within 30 days";
        assert_eq!(choice.reason.as_deref(), Some(reason));
    }

    #[test]
    fn half_is_enough_and_three_attempts_say_nothing() {
        assert_eq!(next(0, 0, &tried(Action::Restart, 2, 2)), 0);
        assert_eq!(next(0, 0, &tried(Action::Restart, 0, 3)), 0);
    }

    #[test]
    fn the_only_one_left_is_never_skipped() {
        assert_eq!(next(1, 0, &tried(Action::Webhook, 0, 9)), 1);
        let only = [Step::new(Action::Restart)];
        assert_eq!(choose(&only, Position::default(), &tried(Action::Restart, 0, 9), NOW).place, 0);
    }
}
