//! The configuration that holds, as it may be shown.

use serde::Serialize;
use utoipa::ToSchema;

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
    since: Timestamp,
    restart_to_apply: Vec<&'static str>,
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

    /// What `GET /config` answers; of each section the members that `wanted` takes by section, place and name.
    pub fn shown(&self, wanted: impl Fn(&str, usize, &str) -> bool) -> ShownConfiguration {
        ShownConfiguration {
            settings: self.settings.to_json(wanted),
            since: self.since,
            restart_to_apply: self.restart_to_apply.clone(),
            warnings: self.warnings.clone(),
        }
    }
}

/// `GET /config`.
#[derive(Serialize, ToSchema)]
pub struct ShownConfiguration {
    /// Every setting by its key in the file: `{"value", "origin"}`. A secret is `***`; what is not set is null.
    #[schema(value_type = Object)]
    pub settings: serde_json::Value,
    /// Since when it holds: the start, or the last time that it was read again.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Settings that were given another value since the start, and keep theirs until a restart.
    pub restart_to_apply: Vec<&'static str>,
    /// What is probably a mistake: misspelt variables, labels that are ignored and why.
    pub warnings: Vec<String>,
}
