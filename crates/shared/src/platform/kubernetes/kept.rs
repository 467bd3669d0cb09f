//! What an update of a configuration has replaced, kept in an annotation until the verdict.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::order::OrderId;

/// The annotation that keeps it.
pub(super) const PREVIOUS: &str = "health-monitor/previous";
/// Bytes that are kept at most; all annotations of an object together have 256 KiB.
const MOST: usize = 64 * 1024;

/// Values by name, as they were; null for what was not there.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The order that has replaced them.
    pub(super) order: OrderId,
    /// What was there.
    pub(super) values: BTreeMap<String, Value>,
}

impl Kept {
    /// What an object keeps, for whichever order. The error says that it cannot be read.
    pub(super) fn of(metadata: &ObjectMeta) -> Result<Option<Self>, String> {
        let annotations = metadata.annotations.as_ref();
        let Some(text) = annotations.and_then(|annotations| annotations.get(PREVIOUS)) else {
            return Ok(None);
        };
        serde_json::from_str(text)
            .map(Some)
            .map_err(|error| format!("its annotation {PREVIOUS} cannot be read ({error}); take it away"))
    }

    /// As the annotation has it. The error says that it is too much.
    pub(super) fn text(&self) -> Result<String, String> {
        let text = serde_json::to_string(self).map_err(|error| error.to_string())?;
        if text.len() > MOST {
            return Err(format!(
                "what would be replaced has {} bytes, and at most {MOST} can be kept to be put back",
                text.len()
            ));
        }
        Ok(text)
    }
}

/// What there is now, against what was written and what was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Present {
    /// What we have written.
    Ours,
    /// What was there before.
    Previous,
    /// Something of somebody else.
    Foreign,
}

/// Compares values by name; null is what is not there.
pub(super) fn present(
    now: &BTreeMap<String, Value>,
    written: &BTreeMap<String, Value>,
    kept: &Kept,
) -> Present {
    let are = |expected: &BTreeMap<String, Value>| {
        kept.values.keys().all(|name| {
            let of = |values: &BTreeMap<String, Value>| values.get(name).cloned().unwrap_or_default();
            of(now) == of(expected)
        })
    };
    if are(written) {
        Present::Ours
    } else if are(&kept.values) {
        Present::Previous
    } else {
        Present::Foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use serde_json::json;

    fn values(value: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn kept(value: Value) -> Kept {
        Kept { order: OrderId::at(Timestamp::from_micros(7), 1), values: values(value) }
    }

    #[test]
    fn what_is_kept_is_read_again_from_the_annotation() {
        let kept = kept(json!({"mode": "fast", "limit": null}));
        let annotations = [(PREVIOUS.to_owned(), kept.text().unwrap())].into();
        let metadata = ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() };
        assert_eq!(Kept::of(&metadata), Ok(Some(kept)));
        assert_eq!(Kept::of(&ObjectMeta::default()), Ok(None));
        let broken =
            ObjectMeta { annotations: Some([(PREVIOUS.to_owned(), "x".to_owned())].into()), ..metadata };
        assert!(Kept::of(&broken).unwrap_err().contains("take it away"));
    }

    #[test]
    fn what_cannot_be_kept_is_not_replaced() {
        let long = "x".repeat(MOST);
        assert!(kept(json!({"mode": long})).text().unwrap_err().contains("can be kept to be put back"));
    }

    #[test]
    fn what_somebody_else_has_written_is_told_from_ours_and_from_before() {
        let (written, kept) =
            (values(json!({"mode": "safe", "new": "1"})), kept(json!({"mode": "fast", "new": null})));
        let is = |now: Value| present(&values(now), &written, &kept);
        assert_eq!(is(json!({"mode": "safe", "new": "1", "other": "x"})), Present::Ours);
        assert_eq!(is(json!({"mode": "fast"})), Present::Previous);
        assert_eq!(is(json!({"mode": "slow", "new": "1"})), Present::Foreign);
    }
}
