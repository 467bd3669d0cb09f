//! The configuration that holds, as it may be shown.

use shared::clock::Timestamp;
use shared::config::{Effective, Group, Warning};

use super::settings::SETTINGS;

/// Warnings that are kept to be shown; the log has all of them.
const MAX_WARNINGS: usize = 100;

/// What holds since when, and what a person should know about it.
pub struct Holding {
    settings: Effective,
    /// When it began to hold.
    pub since: Timestamp,
    /// Settings that were given another value since the start, and need a restart to take it.
    pub restart_to_apply: Vec<&'static str>,
    /// What is probably a mistake in it.
    pub warnings: Vec<String>,
}

impl Holding {
    /// What was read at the start.
    pub fn new(effective: Group, warnings: &[Warning], since: Timestamp) -> Self {
        let warnings = warnings.iter().take(MAX_WARNINGS).map(ToString::to_string).collect();
        Self { settings: Effective::new(&SETTINGS, effective), since, restart_to_apply: Vec::new(), warnings }
    }

    /// What was read later, where these settings keep the values of the one before.
    #[must_use]
    pub fn keeping(self, fixed: &[&'static str], before: &Self) -> Self {
        let settings = self.settings.keeping(fixed, &before.settings);
        Self { settings, restart_to_apply: fixed.to_vec(), ..self }
    }

    /// The names of the services, in the order of the configuration.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.settings.names("services")
    }

    /// Every setting with its value and origin, and at most `limit` services from the place `first` on.
    pub fn to_json(&self, first: usize, limit: usize) -> serde_json::Value {
        let wanted = first..first.saturating_add(limit);
        self.settings.to_json(|section, place, _| section != "services" || wanted.contains(&place))
    }
}
