//! Whether what was set up holds: our templates decide about our indices, and these are served.

use serde_json::Value;

use super::{Client, SetupError, Standing, Stream, Timestamp, accepted, day, object, standing};

/// How long a new index may take until its shard is there, as the server reads it.
const SHARDS: &str = "5s";

/// Whether the next day's index will have the alias. A template of somebody else that is stronger takes the place of ours, it
/// is not added to it.
pub(super) async fn decides(client: &Client, stream: &Stream, now: Timestamp) -> Result<(), SetupError> {
    let index = format!("{}-{}", stream.name, day(now));
    let path = format!("_index_template/_simulate_index/{index}");
    let answer = client.post(&path).await.map_err(SetupError::Down)?;
    // A server that cannot simulate says nothing about it.
    if matches!(answer.status, 400 | 404 | 405) {
        return Ok(());
    }
    accepted(&answer, &format!("template {}", stream.name))?;
    let simulated = object(&answer)?;
    if simulated["template"]["aliases"].get(stream.name).is_some() {
        return Ok(());
    }
    let others = client.get("_index_template?filter_path=index_templates").await.map_err(SetupError::Down)?;
    Err(SetupError::Refused(format!(
        "template {}: a stronger one takes the place of ours for {index} ({}): give it a lower priority than 200, or the alias and \
         the fields of ours",
        stream.name,
        stronger(&others.body, &index)
    )))
}

/// Templates whose priority is above ours and whose patterns fit the name.
fn stronger(body: &[u8], index: &str) -> String {
    let all: Value = serde_json::from_slice(body).unwrap_or_default();
    let names = all["index_templates"].as_array().into_iter().flatten().filter(|one| {
        let template = &one["index_template"];
        let patterns = template["index_patterns"].as_array().into_iter().flatten();
        let is_stronger = template["priority"].as_u64() > Some(u64::from(super::super::indices::PRIORITY));
        is_stronger && patterns.filter_map(Value::as_str).any(|pattern| fits(pattern, index))
    });
    let names: Vec<_> = names.filter_map(|one| one["name"].as_str()).collect();
    if names.is_empty() { "of another name".to_owned() } else { names.join(", ") }
}

/// Whether a pattern with stars fits a name.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    (0..=name.len()).any(|at| name.is_char_boundary(at) && fits(rest, &name[at..]))
}

/// Whether documents are found under the name. An index of today that was made before the template lacks the alias.
pub(super) async fn has_alias(client: &Client, stream: &Stream, now: Timestamp) -> Result<(), SetupError> {
    let name = stream.name;
    match standing(client, name).await? {
        Standing::Alias | Standing::Plain => Ok(()),
        Standing::Absent => Err(SetupError::Refused(format!(
            "index {name}-{} is there, and lacks the alias {name}: delete it, or give it the alias and the fields of the template",
            day(now)
        ))),
    }
}

/// Whether the indices that the names stand for can be read and written. Whoever may not ask is not told.
pub(super) async fn is_served(client: &Client, streams: &[Stream]) -> Result<(), SetupError> {
    let names: Vec<_> = streams.iter().map(|stream| stream.name).collect();
    let path =
        format!("_cluster/health/{}?level=indices&wait_for_status=yellow&timeout={SHARDS}", names.join(","));
    let answer = client.get(&path).await.map_err(SetupError::Down)?;
    // 408: they are not yet what was waited for.
    if !matches!(answer.status, 200 | 408) {
        return Ok(());
    }
    let health = object(&answer)?;
    if health["status"] != "red" {
        return Ok(());
    }
    let indices = health["indices"].as_object().into_iter().flatten();
    let red: Vec<_> =
        indices.filter(|(_, one)| one["status"] == "red").map(|(name, _)| name.as_str()).collect();
    Err(SetupError::Down(format!(
        "everything is set up, and the cluster is red for {}: no shard of it is active, so nothing can be written; \
         GET _cluster/allocation/explain says why",
        red.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, fitting) in
            [("a-*.*.*", true), ("a-*", true), ("*", true), ("a", false), ("b-*", false), ("a-*.x", false)]
        {
            assert_eq!(fits(pattern, "a-2026.11.24"), fitting, "{pattern}");
        }
    }

    #[test]
    fn stronger_templates_are_named() {
        let body = br#"{"index_templates": [
            {"name": "weak", "index_template": {"index_patterns": ["a-*"], "priority": 200}},
            {"name": "strong", "index_template": {"index_patterns": ["a-*"], "priority": 201}},
            {"name": "other", "index_template": {"index_patterns": ["b-*"], "priority": 999}}]}"#;
        assert_eq!(stronger(body, "a-2026.11.24"), "strong");
    }
}
