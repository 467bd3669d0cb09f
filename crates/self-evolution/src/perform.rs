//! Carries out what the core wants done.

use shared::engine::Performing;

use crate::domain::detect::{Detected, detect};
use crate::domain::evolution::{Event, Evolution, Work};
use crate::platforms::Platforms;

/// Starts a piece of work; what it brings back is the next event.
pub(crate) fn perform(work: Work, platforms: Platforms) -> Performing<Evolution> {
    match work {
        Work::Analyse { run, look } => Box::pin(async move {
            // It only computes, for longer than a task may keep others waiting.
            let detected = tokio::task::spawn_blocking(move || detect(&look)).await;
            let detected = detected.unwrap_or_else(|error| {
                tracing::error!(%error, "an analysis broke off; nothing is recommended because of it");
                Detected::default()
            });
            Event::Analysed { run, detected }
        }),
        Work::Inspect { look, aim } => Box::pin(async move {
            let sight = platforms.sights().see(&look).await;
            Event::Inspected { look, aim, sight }
        }),
        Work::Carry(order) => {
            Box::pin(async move { Event::Carried(Box::new(platforms.carry(&order).await)) })
        }
    }
}
