//! What the operator has configured, checked and ready to use.

mod actions;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::config::foundation::Foundation;
use shared::config::{Faults, Group, Loaded, Sources, Warning, load};

use crate::domain::play::Playbook;
use crate::domain::policy::{JudgedChanges, Policy};
use crate::domain::window::shape::Shape;
use crate::platforms::{Action, ActionKey};

use actions::Actions;

pub use settings::SETTINGS;

/// The configuration of the daemon.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every daemon has: address, journal, access, outputs.
    pub foundation: Foundation,
    /// How usage is analysed, and what is done about it.
    pub policy: Policy,
    /// The means of the actions that platforms carry out.
    pub actions: Arc<BTreeMap<ActionKey, Action>>,
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
    /// This configuration with what cannot change while the daemon runs as it is in `running`. Gives the settings
    /// that ask for something else, by name.
    #[must_use]
    pub fn keeping_what_is_fixed(self, running: &Self) -> (Self, Vec<&'static str>) {
        let (foundation, mut asked) = self.foundation.keeping_what_is_fixed(&running.foundation);
        let (wanted, shape) = (self.policy.shape, running.policy.shape);
        for (name, differs) in [
            ("ANALYSIS_BUCKET_SECONDS", wanted.bucket_seconds != shape.bucket_seconds),
            ("ANALYSIS_WINDOW_HOURS", wanted.window_hours != shape.window_hours),
        ] {
            asked.extend(differs.then_some(name));
        }
        (Self { foundation, policy: Policy { shape, ..self.policy }, actions: self.actions }, asked)
    }

    /// Reads the configuration from these sources. The error holds everything that is wrong at once.
    pub fn load(sources: &Sources) -> Result<Loading, Faults> {
        let Loaded { root, mut faults, warnings } = load(&SETTINGS, sources, |_| {});
        let foundation = Foundation::build(&root, &mut faults);
        let Actions { playbook, means } = actions::build(&root, &mut faults);
        let (true, Some(foundation)) = (faults.is_empty(), foundation) else {
            faults.warnings = warnings;
            return Err(faults);
        };
        let policy = Policy { playbook, ..policy(&root) };
        let config = Self { foundation, policy, actions: Arc::new(means) };
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
        judged: JudgedChanges::from_word(root.text("JUDGED_CHANGES").unwrap_or_default()),
        ab_tests: root.text("AB_TESTS") == Some("auto"),
        keep_inconclusive: root.text("ON_INCONCLUSIVE") == Some("keep"),
        playbook: Playbook::default(),
    }
}

fn number(root: &Group, key: &str) -> u32 {
    root.whole(key).and_then(|value| u32::try_from(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
