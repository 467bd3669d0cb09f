//! What the operator has configured, checked and ready to use.

mod settings;

use shared::config::foundation::Foundation;
use shared::config::{Faults, Group, Loaded, Sources, Warning, load};

use crate::domain::policy::Policy;
use crate::domain::window::shape::Shape;

pub use settings::SETTINGS;

/// The configuration of the daemon.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every daemon has: address, journal, access, outputs.
    pub foundation: Foundation,
    /// How usage is analysed, and what is done about it.
    pub policy: Policy,
}

/// A configuration that can be used, with what is to be told about it.
#[derive(Debug)]
pub struct Loading {
    /// The configuration.
    pub config: Config,
    /// What is probably a mistake and did no harm.
    pub warnings: Vec<Warning>,
    /// Every value with where it came from, for printing.
    pub effective: Group,
}

impl Config {
    /// Reads the configuration from these sources. The error holds everything that is wrong at once.
    pub fn load(sources: &Sources) -> Result<Loading, Faults> {
        let Loaded { root, mut faults, warnings } = load(&SETTINGS, sources, |_| {});
        let foundation = Foundation::build(&root, &mut faults);
        let (true, Some(foundation)) = (faults.is_empty(), foundation) else {
            faults.warnings = warnings;
            return Err(faults);
        };
        let config = Self { foundation, policy: policy(&root) };
        Ok(Loading { config, warnings, effective: root })
    }
}

fn policy(root: &Group) -> Policy {
    Policy {
        shape: Shape {
            bucket_seconds: number(root, "ANALYSIS_BUCKET_SECONDS"),
            window_hours: number(root, "ANALYSIS_WINDOW_HOURS"),
        },
        analysis_interval: root.seconds("ANALYSIS_INTERVAL").unwrap_or_default(),
        threshold: root.number("OPTIMIZATION_THRESHOLD").unwrap_or_default(),
        auto_apply: root.boolean("AUTO_APPLY_OPTIMIZATIONS"),
    }
}

fn number(root: &Group, key: &str) -> u32 {
    root.whole(key).and_then(|value| u32::try_from(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
