//! What a change costs: how many more instances, processors and bytes a service is given.

use std::collections::BTreeMap;

use serde_json::Value;

use super::playbook::{REPLICAS, REPLICAS_KEY};
use super::setting::SettingChange;

/// What a value gives a service, and how much that is where nobody has said; none where that is not known.
fn given(key: &str) -> Option<(&'static str, Option<f64>)> {
    match key {
        REPLICAS_KEY => Some((REPLICAS_KEY, Some(REPLICAS as f64))),
        // What an autoscaler is told to have at least, it has.
        "replicas" | "hpa.min_replicas" => Some(("replicas", None)),
        "cpus" => Some(("cpus", None)),
        "memory" => Some(("memory", None)),
        // Of each pod; what is requested is set aside, and what is a limit can be used.
        key if key.starts_with("resources.") && key.ends_with(".cpu") => Some(("cpus", None)),
        key if key.starts_with("resources.") && key.ends_with(".memory") => Some(("memory", None)),
        _ => None,
    }
}

/// How much more of each a change gives, less where it is below 0: replicas by number, `cpus` in processors, `memory` in
/// bytes, both of each instance. Where several values are about the same, the one that changes most counts. Empty where a
/// change costs nothing of these, or nobody knows how much there was.
pub fn cost(changes: &[SettingChange]) -> BTreeMap<&'static str, f64> {
    let mut all: BTreeMap<&'static str, f64> = BTreeMap::new();
    for SettingChange { key, before, after } in changes {
        let Some((what, unset)) = given(key) else { continue };
        let before = before.as_ref().map_or(unset, Value::as_f64);
        let after = after.as_ref().and_then(Value::as_f64);
        if let (Some(before), Some(after)) = (before, after) {
            let more = all.entry(what).or_default();
            *more = if (after - before).abs() > more.abs() { after - before } else { *more };
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(key: &str, before: Option<Value>, after: Value) -> SettingChange {
        SettingChange { key: key.into(), before, after: Some(after) }
    }

    #[test]
    fn it_is_what_a_service_is_given_on_top() {
        let changes = [
            change("minimum-replicas", None, json!(3)),
            change("memory", Some(json!(1_000)), json!(1_500)),
            change("cpus", Some(json!(2)), json!(1.5)),
        ];
        assert_eq!(cost(&changes), [("minimum-replicas", 2.0), ("memory", 500.0), ("cpus", -0.5)].into());
    }

    #[test]
    fn what_is_given_for_nothing_or_not_known_is_not_in_it() {
        assert_eq!(cost(&[change("response-cache", None, json!(true))]), [].into());
        assert_eq!(
            cost(&[change("replicas", None, json!(4))]),
            [].into(),
            "nobody knows how many there were"
        );
    }

    #[test]
    fn what_a_pod_is_given_is_counted_once_whether_it_is_requested_or_a_limit() {
        let changes = [
            change("resources.requests.memory", Some(json!(100)), json!(150)),
            change("resources.web.limits.memory", Some(json!(200)), json!(400)),
            change("resources.web.limits.cpu", Some(json!(0.5)), json!(1)),
            change("hpa.min_replicas", Some(json!(2)), json!(3)),
        ];
        assert_eq!(cost(&changes), [("memory", 200.0), ("cpus", 0.5), ("replicas", 1.0)].into());
    }
}
