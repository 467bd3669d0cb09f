//! What somebody else owns is not written: the change is handed out, for them to make.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::field::Field;
use super::order::Values;
use super::quantity::Form;
use super::setting::SettingChange;

/// What a platform has of which somebody else is the owner.
#[derive(Clone, PartialEq, Debug)]
pub struct Owned {
    /// The present values.
    pub values: Values,
    /// Whose they are and where to change them, in a sentence.
    pub by: String,
    /// What a patch begins with: which object it is for.
    pub object: Value,
    /// Where in the object each value lies, and how it is written there.
    pub fields: BTreeMap<String, (Field, Form)>,
}

impl Owned {
    /// The patch that makes these changes (JSON merge patch, or strategic where it has lists). What is to be unset is null.
    pub fn patch(&self, changes: &[SettingChange]) -> Value {
        let mut patch = self.object.clone();
        for SettingChange { key, after, .. } in changes {
            if let Some((field, form)) = self.fields.get(key) {
                field.set(&mut patch, after.as_ref().map_or(Value::Null, |after| form.written(after)));
            }
        }
        patch
    }
}

/// Why a platform does not make a change.
#[derive(Clone, PartialEq, Debug)]
pub struct Hindrance {
    /// A sentence.
    pub reason: String,
    /// The change as its owner could make it.
    pub patch: Option<Value>,
}

impl From<String> for Hindrance {
    fn from(reason: String) -> Self {
        Self { reason, patch: None }
    }
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_has_the_object_and_the_values_where_they_lie() {
        let containers = Field::of(&["spec", "template", "spec", "containers"]).named("web");
        let fields = [
            ("env.CACHE", containers.clone().member("env").named("CACHE").member("value")),
            ("memory", containers.member("memory")),
        ];
        let form = |key: &str| if key == "memory" { Form::Memory } else { Form::Plain };
        let owned = Owned {
            values: Values::new(),
            by: "Argo CD".to_owned(),
            object: json!({"kind": "Deployment", "metadata": {"name": "web"}}),
            fields: fields.into_iter().map(|(key, field)| (key.to_owned(), (field, form(key)))).collect(),
        };
        let change =
            |key: &str, after: Value| SettingChange { key: key.to_owned(), before: None, after: Some(after) };
        let patch = owned.patch(&[change("env.CACHE", json!("on")), change("memory", json!(1_048_576))]);
        let web = json!({"name": "web", "env": [{"name": "CACHE", "value": "on"}], "memory": "1Mi"});
        let expected = json!({
            "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": [web]}}}
        });
        assert_eq!(patch, expected);
    }
}
