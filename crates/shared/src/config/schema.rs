//! The JSON Schema of the configuration file, made from the table.

use serde_json::{Map, Value, json};

use super::setting::{Exposure, Kind, Section, Setting};

/// A JSON Schema (draft 2020-12) of the file; `id` names it and `title` tells a person what it is for. It
/// describes the plain spellings: the daemon also takes a number or a boolean in quotes.
pub fn json_schema(section: &Section, id: &str, title: &str) -> Value {
    let mut schema = object(section);
    let head = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("$id", json!(id)),
        ("title", json!(title)),
    ];
    let mut whole: Map<String, Value> =
        head.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    whole.append(&mut schema);
    Value::Object(whole)
}

fn object(section: &Section) -> Map<String, Value> {
    let mut properties: Map<String, Value> =
        section.settings().map(|setting| (setting.file_key(), property(setting))).collect();
    for below in section.sections {
        properties.insert(below.key.to_owned(), section_schema(below));
    }
    let mut schema = Map::new();
    schema.insert("description".into(), section.doc.into());
    // The values of a section can be left out altogether, which YAML reads as null.
    schema.insert("type".into(), json!(["object", "null"]));
    schema.insert("additionalProperties".into(), false.into());
    schema.insert("properties".into(), properties.into());
    schema
}

fn section_schema(section: &Section) -> Value {
    let own = object(section);
    match section.members_at_most {
        None => own.into(),
        Some(at_most) => json!({
            "description": section.doc,
            "type": ["object", "null"],
            "maxProperties": at_most,
            "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$" },
            "additionalProperties": own,
        }),
    }
}

fn property(setting: &Setting) -> Value {
    let mut schema = Map::new();
    schema.insert("description".into(), description(setting).into());
    let shape = match setting.kind {
        Kind::Text | Kind::Address => json!({ "type": "string" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Whole { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number { min, max } | Kind::Seconds { min, max } => {
            json!({ "type": "number", "minimum": min, "maximum": max })
        }
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Url => json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://" }),
        Kind::UrlOf(schemes) => {
            json!({ "type": "string", "pattern": format!("^({})://", schemes.join("|")) })
        }
        Kind::Words => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
    };
    if let Value::Object(mut shape) = shape {
        schema.append(&mut shape);
    }
    if let Some(default) = setting.default {
        schema.insert("default".into(), typed(setting.kind, default));
    }
    match setting.exposure {
        Exposure::Public => {}
        Exposure::HostOnly | Exposure::Secret => {
            schema.insert("writeOnly".into(), true.into());
        }
    }
    schema.into()
}

fn description(setting: &Setting) -> String {
    let unit = setting.unit.map_or_else(String::new, |unit| format!(" ({unit})"));
    match (setting.default_doc, setting.inherits) {
        (Some(default), _) => format!("{}{unit}; default: {default}", setting.doc),
        (None, Some(key)) => format!("{}{unit}; default: {}", setting.doc, key.to_ascii_lowercase()),
        (None, None) => format!("{}{unit}", setting.doc),
    }
}

fn typed(kind: Kind, default: &str) -> Value {
    match kind {
        Kind::Boolean | Kind::Whole { .. } | Kind::Number { .. } | Kind::Seconds { .. } => {
            serde_json::from_str(default).unwrap_or_else(|_| default.into())
        }
        Kind::Text | Kind::Choice(_) | Kind::Address | Kind::Url | Kind::UrlOf(_) | Kind::Words => {
            default.into()
        }
    }
}
