//! What is done about an issue: which settings of a service change, and to what.

use serde_json::{Value, json};

use super::recommendation::Kind;
use super::setting::{SettingChange, Settings};

/// The setting that says how often a service is to run at least.
pub(super) const REPLICAS_KEY: &str = "minimum-replicas";
/// How often that is in the absence of any other word.
pub(super) const REPLICAS: u64 = 1;
/// The most replicas that a service is told to run.
const MOST_REPLICAS: u64 = 100;

/// The action that a kind of recommendation stands for, in the word that the API has for it.
pub fn action_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Performance => "enabled_caching",
        Kind::Reliability => "improved_error_handling",
        Kind::Scaling => "triggered_scaling",
    }
}

/// The kind that an action of the API stands for.
pub fn kind_of(action: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| action_of(*kind) == action)
}

/// The changes that help a service with an issue of this kind, from what it is told now. Empty when it is told all of
/// it already.
pub fn changes(kind: Kind, service: &str, settings: &Settings) -> Vec<SettingChange> {
    let wanted: Vec<(&str, Value)> = match kind {
        Kind::Performance => vec![("response-cache", json!(true))],
        Kind::Reliability => vec![("retry", json!(true)), ("circuit-breaker", json!(true))],
        Kind::Scaling => {
            let now = settings.value(service, REPLICAS_KEY).and_then(Value::as_u64).unwrap_or(REPLICAS);
            vec![(REPLICAS_KEY, json!((now + 1).min(MOST_REPLICAS)))]
        }
    };
    let change = |(key, after): (&str, Value)| {
        let before = settings.value(service, key).cloned();
        (before.as_ref() != Some(&after)).then(|| SettingChange {
            key: key.into(),
            before,
            after: Some(after),
        })
    };
    wanted.into_iter().filter_map(change).collect()
}

/// What must be so for changes to be made: that every value is what they say it is before.
pub fn preconditions(changes: &[SettingChange]) -> Vec<String> {
    let is = |SettingChange { key, before, .. }: &SettingChange| match before {
        Some(value) => format!("{key} is {value}"),
        None => format!("{key} is unset"),
    };
    changes.iter().map(is).collect()
}

/// Changes in words: `response-cache: unset -> true`.
pub fn in_words(changes: &[SettingChange]) -> String {
    let word = |value: &Option<Value>| value.as_ref().map_or_else(|| "unset".to_owned(), Value::to_string);
    let words: Vec<_> = changes
        .iter()
        .map(|SettingChange { key, before, after }| format!("{key}: {} -> {}", word(before), word(after)))
        .collect();
    words.join(", ")
}
