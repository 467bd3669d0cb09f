//! Which action an attempt takes: steps in order, the next one only after the one before did not help.

use shared::order::Action;

/// The steps, mildest first.
const STEPS: [Action; 1] = [Action::Restart];

/// The action of the given attempt of an incident, counted from 1. The last step is repeated until the guard
/// ends it.
pub fn action(attempt: u32) -> Action {
    let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    STEPS[step.min(STEPS.len() - 1)]
}
