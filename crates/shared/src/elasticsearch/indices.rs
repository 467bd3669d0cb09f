//! Names of indices, and the templates that give them their fields.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Document;
use crate::clock::Timestamp;

/// One kind of documents, found under one name.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// The alias over the indices of all days.
    pub name: &'static str,
    /// The fields: `properties` of the mapping.
    pub properties: fn() -> Value,
    /// The version of the fields; greater with each change.
    pub version: u32,
}

/// Above the templates that come with the server (at most 100), below what an operator adds on purpose.
pub(super) const PRIORITY: u32 = 200;
/// Longer keywords are kept in the document and cannot be searched for: a term may not have more than 32,766 bytes.
const KEYWORD: u32 = 1_024;

impl Stream {
    /// The name of the template of the days' indices.
    pub(super) fn template_name(&self) -> &'static str {
        self.name
    }

    /// The index of what the server did not take.
    pub(super) fn dead(&self) -> String {
        dead(self.name)
    }

    /// The template of the days' indices.
    pub(super) fn template(&self) -> Value {
        json!({
            // One index a day; three parts between dots keep out every other index whose name begins alike.
            "index_patterns": [format!("{}-*.*.*", self.name)],
            "priority": PRIORITY,
            "version": self.version,
            "_meta": {"description": format!("Documents of {}, one index a day", self.name)},
            "template": {
                "settings": settings(),
                "aliases": {self.name: {}},
                "mappings": {"dynamic": false, "properties": (self.properties)()}
            }
        })
    }

    /// The template of the index of what the server did not take: the document is kept as text and not looked at.
    pub(super) fn dead_template(&self) -> Value {
        json!({
            "index_patterns": [self.dead()],
            "priority": PRIORITY,
            "version": 1,
            "_meta": {"description": format!("Documents that {} did not take, with the reason", self.name)},
            "template": {
                "settings": settings(),
                "mappings": {"dynamic": false, "properties": {
                    "@timestamp": {"type": "date"},
                    "type": keyword(),
                    "index": keyword(),
                    "reason": keyword(),
                    "payload": {"type": "text", "index": false},
                    "is_cut": {"type": "boolean"}
                }}
            }
        })
    }
}

fn settings() -> Value {
    json!({"index": {
        "number_of_shards": "1",
        "auto_expand_replicas": "0-1",
        "mapping": {"ignore_malformed": "true"}
    }})
}

/// The field of a word that is filtered and counted by.
pub(super) fn keyword() -> Value {
    json!({"type": "keyword", "ignore_above": KEYWORD})
}

fn dead(stream: &str) -> String {
    format!("{stream}-dead")
}

/// The day of a moment in UTC, as names of indices have it.
pub(super) fn day(at: Timestamp) -> String {
    at.to_string().get(..10).unwrap_or("1970-01-01").replace('-', ".")
}

/// The index that a document belongs into. Streams in `plain` have one index of exactly their name, which
/// somebody made before; it is written on.
pub(super) fn index_of(document: &Document, plain: &BTreeSet<&'static str>, is_dead: bool) -> String {
    if is_dead {
        dead(document.stream)
    } else if plain.contains(document.stream) {
        document.stream.to_owned()
    } else {
        format!("{}-{}", document.stream, day(document.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_belongs_into_the_index_of_its_day_unless_there_is_a_plain_one() {
        let at = "2026-11-24T23:59:59.999999Z".parse().unwrap();
        let document = Document { stream: "errors", id: "1".into(), at, body: b"{}".to_vec() };
        assert_eq!(index_of(&document, &BTreeSet::new(), false), "errors-2026.11.24");
        assert_eq!(index_of(&document, &BTreeSet::from(["errors"]), false), "errors");
        assert_eq!(index_of(&document, &BTreeSet::from(["errors"]), true), "errors-dead");
    }
}
