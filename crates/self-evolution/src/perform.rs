//! Carries out what the core wants done.

use shared::engine::Performing;

use crate::domain::detect::{Detected, detect};
use crate::domain::evolution::{Event, Evolution, Work};

/// Starts a piece of work; what it brings back is the next event.
pub fn perform(work: Work) -> Performing<Evolution> {
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
    }
}
