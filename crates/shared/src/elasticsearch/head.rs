//! What every document has, and what the journal puts in front of the fact that it is made of.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Timestamp;

/// The version of the Elastic Common Schema whose names stand beside ours.
const ECS: &str = "8.11.0";

/// What the journal puts in front of every fact.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    /// The identity.
    #[serde(rename = "_id")]
    pub id: String,
    /// When the fact was recorded.
    #[serde(rename = "@timestamp")]
    pub at: Timestamp,
}

/// What every document has.
#[derive(Debug, Serialize)]
pub struct Head {
    #[serde(rename = "@timestamp")]
    at: Timestamp,
    timestamp: Timestamp,
    r#type: &'static str,
    ecs: Ecs,
    event: Event,
}

#[derive(Debug, Serialize)]
struct Ecs {
    version: &'static str,
}

/// The document as an event of the Elastic Common Schema.
#[derive(Debug, Serialize)]
pub struct Event {
    /// `event` or `metric`.
    pub kind: &'static str,
    /// The daemon.
    pub module: &'static str,
    /// The stream.
    pub dataset: Cow<'static, str>,
    /// What was done, or has happened.
    pub action: Cow<'static, str>,
    /// How it went: `success`, `failure` or `unknown`; none where that is no question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
}

impl Head {
    /// That of a document of this type, about this moment.
    pub fn new(at: Timestamp, kind: &'static str, event: Event) -> Self {
        Self { at, timestamp: at, r#type: kind, ecs: Ecs { version: ECS }, event }
    }

    /// The document: this and the members of an object, which win over those of the same name.
    pub fn with(self, members: impl Serialize) -> serde_json::Result<Value> {
        let (mut body, members) = (serde_json::to_value(self)?, serde_json::to_value(members)?);
        if let (Value::Object(body), Value::Object(members)) = (&mut body, members) {
            body.extend(members);
        }
        Ok(body)
    }

    /// The document of a fact that cannot be read: the text that it is, and why.
    pub fn with_unreadable(self, line: &[u8], error: &serde_json::Error) -> serde_json::Result<Value> {
        let reason = format!("the fact is of another version ({error})");
        self.with(json!({"reason": reason, "payload": String::from_utf8_lossy(line)}))
    }
}
