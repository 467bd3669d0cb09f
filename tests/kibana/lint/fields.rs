//! Which fields our templates give an index, and which of them an operation of Lens takes.

use serde_json::Value;

use crate::kibana::streams;

/// The type of a field of a stream, also of one within another and of another name of one.
pub(super) fn of(stream: &str, field: &str) -> Option<String> {
    let stream = streams().into_iter().find(|one| one.name == stream)?;
    let mut here = (stream.properties)();
    for (depth, part) in field.split('.').enumerate() {
        let inner = if depth == 0 { Some(&here) } else { here.get("properties").or(here.get("fields")) };
        let found = inner?.get(part)?.clone();
        here = found;
    }
    here.get("type").and_then(Value::as_str).map(str::to_owned)
}

/// What an operation takes: the types, and in words.
pub(super) fn taken_by(operation: &str) -> Option<(&'static [&'static str], &'static str)> {
    Some(match operation {
        "average" | "sum" | "max" | "percentile" => (&["double", "long"], "a number"),
        "date_histogram" => (&["date"], "a date"),
        "terms" => (&["keyword", "boolean", "long"], "a keyword, a boolean or a whole number"),
        _ => return None,
    })
}

/// What Lens calls the values of an operation.
pub(super) fn data_type(operation: &str, kind: &str) -> &'static str {
    match (operation, kind) {
        ("date_histogram", _) => "date",
        ("terms", "boolean") => "boolean",
        ("terms", "keyword") => "string",
        _ => "number",
    }
}
