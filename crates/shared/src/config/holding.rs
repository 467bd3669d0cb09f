//! The configuration that holds, as it may be shown.

use super::effective::Effective;
use super::fault::Warning;
use super::group::Group;
use super::setting::Section;
use crate::clock::Timestamp;

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
    /// What was read at the start, by this table of settings.
    pub fn new(section: &'static Section, effective: Group, warnings: &[Warning], since: Timestamp) -> Self {
        let warnings = warnings.iter().take(MAX_WARNINGS).map(ToString::to_string).collect();
        Self { settings: Effective::new(section, effective), since, restart_to_apply: Vec::new(), warnings }
    }

    /// What was read later, where these settings keep the values of the one before.
    #[must_use]
    pub fn keeping(self, fixed: &[&'static str], before: &Self) -> Self {
        let settings = self.settings.keeping(fixed, &before.settings);
        Self { settings, restart_to_apply: fixed.to_vec(), ..self }
    }

    /// The names of the members of a section, in the order of the configuration.
    pub fn names(&self, section: &str) -> impl Iterator<Item = &str> {
        self.settings.names(section)
    }

    /// Every setting with its value and origin; of each section the members that `wanted` takes by section, place and
    /// name.
    pub fn to_json(&self, wanted: impl Fn(&str, usize, &str) -> bool) -> serde_json::Value {
        self.settings.to_json(wanted)
    }
}
