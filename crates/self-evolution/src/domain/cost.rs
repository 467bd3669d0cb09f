//! What a change costs: how many more instances, processors and bytes a service is given.

use std::collections::BTreeMap;

use serde_json::Value;

use super::playbook::{REPLICAS, REPLICAS_KEY};
use super::setting::SettingChange;

/// Values whose number is what a service is given, and what each is where nobody has said; none where that is not known.
const GIVEN: [(&str, Option<f64>); 4] =
    [(REPLICAS_KEY, Some(REPLICAS as f64)), ("replicas", None), ("cpus", None), ("memory", None)];

/// How much more of each a change gives, less where it is below 0: replicas by number, `cpus` in processors, `memory` in
/// bytes. Empty where a change costs nothing of these, or nobody knows how much there was.
pub fn cost(changes: &[SettingChange]) -> BTreeMap<&'static str, f64> {
    let of = |(key, unset): (&'static str, Option<f64>)| {
        let change = changes.iter().find(|change| change.key == key)?;
        let before = change.before.as_ref().map_or(unset, Value::as_f64)?;
        Some((key, change.after.as_ref()?.as_f64()? - before))
    };
    GIVEN.into_iter().filter_map(of).collect()
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
}
