//! Values as people and programs write them.

use serde_json::Value;

use crate::domain::order::{Sight, Values};

/// A value that somebody has written: a number or `true` as such, anything else as text.
pub fn scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => value,
        Ok(Value::Null | Value::Array(_) | Value::Object(_)) | Err(_) => Value::String(text.to_owned()),
    }
}

/// A value as a program reads it: text without quotes.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The values of these keys in an answer: the members of a JSON object, or, of a single key, all of it. Nothing at all
/// is a value that is not set.
pub(super) fn sight(answer: &str, keys: &[String]) -> Sight {
    let answer = answer.trim();
    let members = match serde_json::from_str(answer) {
        Ok(Value::Object(members)) => members,
        Ok(Value::Array(_)) => {
            return Sight::Unreachable("its answer is a list, and must be a value or an object".to_owned());
        }
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | Err(_) => {
            let [key] = keys else {
                return Sight::Unreachable("its answer must be a JSON object with the keys".to_owned());
            };
            let value = Some(answer).filter(|answer| !answer.is_empty() && *answer != "null").map(scalar);
            return Sight::Values(Values::from([(key.clone(), value)]));
        }
    };
    let mut values = Values::new();
    for key in keys {
        let value = members.get(key).filter(|value| !value.is_null());
        if value.is_some_and(|value| value.is_object() || value.is_array()) {
            return Sight::Unreachable(format!("{key} in its answer is not one value"));
        }
        values.insert(key.clone(), value.cloned());
    }
    Sight::Values(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(answer: &str) -> Option<Option<Value>> {
        match sight(answer, &["replicas".to_owned()]) {
            Sight::Values(values) => values.get("replicas").cloned(),
            Sight::Owned(_)
            | Sight::Several(_)
            | Sight::Partial
            | Sight::Gone(_)
            | Sight::Blind
            | Sight::Unreachable(_) => None,
        }
    }

    #[test]
    fn an_answer_is_an_object_or_the_value_alone() {
        assert_eq!(seen(r#"{"replicas": 3, "other": 4}"#), Some(Some(json!(3))));
        assert_eq!(seen("3\n"), Some(Some(json!(3))));
        assert_eq!(seen("on"), Some(Some(json!("on"))));
        assert_eq!(seen("  \n"), Some(None));
        assert_eq!(seen(r#"{"other": 4}"#), Some(None));
        assert_eq!(seen("[3]"), None);
        assert_eq!(seen(r#"{"replicas": {"min": 1}}"#), None);
    }

    #[test]
    fn what_is_written_without_quotes_is_read_as_it_looks() {
        assert_eq!((scalar("3"), scalar("0.5"), scalar("true")), (json!(3), json!(0.5), json!(true)));
        assert_eq!((scalar("on"), scalar("256m"), scalar("[1]")), (json!("on"), json!("256m"), json!("[1]")));
        assert_eq!((text(&json!("on")), text(&json!(2.5))), ("on".to_owned(), "2.5".to_owned()));
    }
}
