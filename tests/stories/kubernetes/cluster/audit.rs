//! What the API server was asked, and by whom, as its audit log tells.

use std::fmt;
use std::path::Path;

use serde_json::Value;

/// A request of anybody but the cluster's own parts and the story itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Asked {
    /// Such as `system:serviceaccount:ai-orchestration:health-monitor`.
    pub(in super::super) user: String,
    pub(in super::super) verb: String,
    /// Of many, such as `deployments`; a path where no resource was asked for.
    pub(in super::super) resource: String,
    /// Such as `scale`; empty for the resource itself.
    pub(in super::super) subresource: String,
    pub(in super::super) namespace: String,
    /// Empty where all of a kind were asked for.
    pub(in super::super) name: String,
    /// The status that was answered.
    pub(in super::super) code: u64,
}

impl Asked {
    fn read(entry: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &entry["objectRef"];
        let resource = if object.is_null() { &entry["requestURI"] } else { &object["resource"] };
        Self {
            user: text(&entry["user"]["username"]),
            verb: text(&entry["verb"]),
            resource: text(resource),
            subresource: text(&object["subresource"]),
            namespace: text(&object["namespace"]),
            name: text(&object["name"]),
            code: entry["responseStatus"]["code"].as_u64().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, verb, resource, subresource, namespace, name, code } = self;
        let of = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
        write!(f, "{user}: {verb} {resource}{of} {namespace}/{name} -> {code}")
    }
}

/// Every answered request of this log, oldest first.
pub(super) fn read(log: &Path) -> Vec<Asked> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    // The last line may be written just now.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .filter(|entry| entry["stage"] != "ResponseStarted")
        .map(|entry| Asked::read(&entry))
        .collect()
}
