//! The kinds of fields that streams are made of, and the fields that every stream has.
//!
//! Names of the Elastic Common Schema that would collide with the contract's flat ones are there as sub-fields:
//! `service.name`, `error.message`.

use serde_json::{Map, Value, json};

/// Longer words are kept and cannot be searched for; a term may not have more than 32,766 bytes.
const KEYWORD: u32 = 1_024;

/// A word that is searched for as a whole.
pub fn keyword() -> Value {
    json!({"type": "keyword", "ignore_above": KEYWORD})
}

/// A moment.
pub fn date() -> Value {
    json!({"type": "date"})
}

/// A number with decimals, such as seconds.
pub fn number() -> Value {
    json!({"type": "double"})
}

/// A whole number.
pub fn count() -> Value {
    json!({"type": "long"})
}

/// Yes or no.
pub fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A word that is also known by the name that the Elastic Common Schema has for it.
pub fn also(name: &str, field: Value) -> Value {
    let mut word = keyword();
    word["fields"] = json!({name: field});
    word
}

/// Text that is searched for by its words.
pub fn text() -> Value {
    json!({"type": "text"})
}

fn service() -> Value {
    also("name", keyword())
}

/// The fields of every stream, and these.
pub fn with(own: Value) -> Value {
    let mut fields = Map::from_iter([
        ("@timestamp".to_owned(), date()),
        ("timestamp".to_owned(), date()),
        ("type".to_owned(), keyword()),
        ("service".to_owned(), service()),
        ("ecs".to_owned(), json!({"properties": {"version": keyword()}})),
        (
            "event".to_owned(),
            json!({"properties": {
                "kind": keyword(), "module": keyword(), "dataset": keyword(),
                "action": keyword(), "outcome": keyword()
            }}),
        ),
    ]);
    if let Value::Object(own) = own {
        fields.extend(own);
    }
    Value::Object(fields)
}
