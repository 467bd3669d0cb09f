//! Where a value lies within an object of a platform: to read it there, and to write a patch that has it there.

use serde_json::{Map, Value, json};

/// The way from the root of an object to one of its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field(Vec<Step>);

/// One step of the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// To the member of this name.
    Member(String),
    /// To the element of a list that has this `name`.
    Named(String),
}

impl Field {
    /// The value at the end of members with these names.
    pub fn of(members: &[&str]) -> Self {
        Self(members.iter().map(|name| Step::Member((*name).to_owned())).collect())
    }

    /// The member of this name, one step further.
    #[must_use]
    pub fn member(mut self, name: &str) -> Self {
        self.0.push(Step::Member(name.to_owned()));
        self
    }

    /// The element of this name, one step further.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.0.push(Step::Named(name.to_owned()));
        self
    }

    /// The steps, from the root on.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// What an object has there.
    pub fn get<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |at, step| match step {
            Step::Member(name) => at.get(name),
            Step::Named(name) => at.as_array()?.iter().find(|one| is_named(one, name)),
        })
    }

    /// Puts a value there; what leads to it is made where it is not there.
    pub fn set(&self, object: &mut Value, value: Value) {
        let mut at = object;
        for step in &self.0 {
            at = match step {
                Step::Member(name) => {
                    if !at.is_object() {
                        *at = Value::Object(Map::new());
                    }
                    &mut at[name.as_str()]
                }
                Step::Named(name) => element(at, name),
            };
        }
        *at = value;
    }

    /// Takes away what is there, and what is empty without it.
    pub fn remove(&self, object: &mut Value) {
        take(object, &self.0);
    }
}

fn take(at: &mut Value, way: &[Step]) {
    let Some((first, rest)) = way.split_first() else { return };
    let is_empty = |value: &Value| match value {
        Value::Object(members) => members.keys().all(|key| matches!(first, Step::Named(_)) && key == "name"),
        Value::Array(all) => all.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    match (first, at) {
        (Step::Member(name), Value::Object(members)) => {
            if let Some(below) = members.get_mut(name) {
                take(below, rest);
                if rest.is_empty() || is_empty(below) {
                    members.remove(name);
                }
            }
        }
        (Step::Named(name), Value::Array(all)) => {
            if let Some(place) = all.iter().position(|one| is_named(one, name)) {
                take(&mut all[place], rest);
                if rest.is_empty() || is_empty(&all[place]) {
                    all.remove(place);
                }
            }
        }
        _ => {}
    }
}

fn is_named(element: &Value, name: &str) -> bool {
    element.get("name").and_then(Value::as_str) == Some(name)
}

/// The element of this name, which is made where it is not there.
fn element<'a>(list: &'a mut Value, name: &str) -> &'a mut Value {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let all = match list {
        Value::Array(all) => all,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return other;
        }
    };
    let place = all.iter().position(|one| is_named(one, name)).unwrap_or_else(|| {
        all.push(json!({"name": name}));
        all.len() - 1
    });
    &mut all[place]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Field {
        Field::of(&["spec", "containers"]).named("web").member("env").named(name)
    }

    #[test]
    fn what_leads_to_a_value_is_made_and_the_rest_stays() {
        let mut object = json!({"spec": {"containers": [{"name": "proxy"}], "replicas": 2}});
        variable("CACHE").member("value").set(&mut object, json!("on"));
        let web = json!({"name": "web", "env": [{"name": "CACHE", "value": "on"}]});
        assert_eq!(object, json!({"spec": {"containers": [{"name": "proxy"}, web], "replicas": 2}}));
        assert_eq!(variable("CACHE").member("value").get(&object), Some(&json!("on")));
        variable("SIZE").member("value").set(&mut object, json!("2"));
        assert_eq!(object["spec"]["containers"][1]["env"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn what_is_taken_away_is_gone_and_what_is_not_there_is_none() {
        let mut object = json!({"spec": {"containers": [{"name": "web", "env": [{"name": "CACHE"}]}]}});
        assert_eq!(variable("SIZE").get(&object), None);
        variable("CACHE").remove(&mut object);
        assert_eq!(object, json!({}), "nothing empty is left");
        let mut object =
            json!({"spec": {"containers": [{"name": "web", "image": "web:1", "env": [{"name": "A"}]}]}});
        variable("A").remove(&mut object);
        variable("NONE").remove(&mut object);
        assert_eq!(object, json!({"spec": {"containers": [{"name": "web", "image": "web:1"}]}}));
    }
}
