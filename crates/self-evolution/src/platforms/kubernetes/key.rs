//! The keys of what can be changed in Kubernetes, and where their values lie.

use serde_json::{Value, json};
use shared::platform::kubernetes::workload::is_name;

use crate::domain::field::Field;
use crate::domain::play::as_number;
use crate::domain::quantity::{self, Form};

/// How many pods a workload has.
const REPLICAS: &str = "replicas";
/// How many it has at least, where an autoscaler decides.
pub const LEAST: &str = "hpa.min_replicas";
/// How many it has at most, where an autoscaler decides.
const MOST: &str = "hpa.max_replicas";

/// What of which object is changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// How many pods the workload has.
    Replicas,
    /// The least that the autoscaler may choose.
    Least,
    /// The most that the autoscaler may choose.
    Most,
    /// What a container asks for or may use.
    Resource {
        /// Its name; none for the only one.
        container: Option<String>,
        /// `requests` or `limits`.
        side: &'static str,
        /// `cpu` or `memory`.
        resource: &'static str,
    },
    /// A variable of a container.
    Variable {
        /// The container; none for the only one.
        container: Option<String>,
        /// The variable.
        name: String,
    },
    /// The image of a container.
    Image {
        /// Its name; none for the only one.
        container: Option<String>,
    },
    /// A value of a ConfigMap.
    Datum {
        /// The ConfigMap.
        map: String,
        /// The key in it.
        key: String,
    },
}

/// Which object a key belongs to. An action changes one of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// How many pods there are: the workload's `scale`, or its autoscaler.
    Replicas,
    /// The bounds of the autoscaler.
    Bounds,
    /// What pods are made of: the workload's template.
    Template,
    /// This ConfigMap.
    Map(String),
}

impl Key {
    /// Reads a key as it is configured.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            REPLICAS => return Some(Self::Replicas),
            LEAST => return Some(Self::Least),
            MOST => return Some(Self::Most),
            "image" => return Some(Self::Image { container: None }),
            _ => {}
        }
        let (first, rest) = text.split_once('.')?;
        match first {
            "image" => is_name(rest).then(|| Self::Image { container: Some(rest.to_owned()) }),
            "resources" => resource(rest),
            "env" => variable(rest),
            "configmap" => {
                let (map, key) = rest.split_once('.')?;
                let is_fine = is_name(map) && !key.is_empty();
                is_fine.then(|| Self::Datum { map: map.to_owned(), key: key.to_owned() })
            }
            _ => None,
        }
    }

    /// Which object it belongs to.
    pub fn content(&self) -> Content {
        match self {
            Self::Replicas => Content::Replicas,
            Self::Least | Self::Most => Content::Bounds,
            Self::Resource { .. } | Self::Variable { .. } | Self::Image { .. } => Content::Template,
            Self::Datum { map, .. } => Content::Map(map.clone()),
        }
    }

    /// Where its value lies in an object of that kind; else why that cannot be told.
    pub(super) fn field(&self, object: &Value) -> Result<Field, String> {
        Ok(match self {
            Self::Replicas => Field::of(&["spec", "replicas"]),
            Self::Least => Field::of(&["spec", "minReplicas"]),
            Self::Most => Field::of(&["spec", "maxReplicas"]),
            Self::Datum { key, .. } => Field::of(&["data", key]),
            Self::Resource { container, side, resource } => {
                of_container(object, container.as_deref())?.member("resources").member(side).member(resource)
            }
            Self::Variable { container, name } => {
                of_container(object, container.as_deref())?.member("env").named(name).member("value")
            }
            Self::Image { container } => of_container(object, container.as_deref())?.member("image"),
        })
    }

    /// What is taken away where the value is not to be set: of a variable all of it.
    pub(super) fn whole(&self, object: &Value) -> Result<Field, String> {
        match self {
            Self::Variable { container, name } => {
                Ok(of_container(object, container.as_deref())?.member("env").named(name))
            }
            Self::Replicas
            | Self::Least
            | Self::Most
            | Self::Resource { .. }
            | Self::Image { .. }
            | Self::Datum { .. } => self.field(object),
        }
    }

    /// The value that an object has, as it is compared and recorded.
    pub(super) fn value(&self, object: &Value) -> Result<Option<Value>, String> {
        let value = self.field(object)?.get(object);
        Ok(match self {
            Self::Resource { .. } => value.map(|value| match value.as_str().map(quantity::parse) {
                Some(Some(number)) => as_number(number),
                Some(None) | None => value.clone(),
            }),
            Self::Variable { .. } => self.whole(object)?.get(object).map(|variable| {
                // Without either it is the empty text.
                match (variable.get("value"), variable.get("valueFrom")) {
                    (Some(value), _) => value.clone(),
                    (None, Some(from)) => json!({"valueFrom": from}),
                    (None, None) => json!(""),
                }
            }),
            // The API server takes this where nothing is said.
            Self::Replicas | Self::Least => Some(value.cloned().unwrap_or_else(|| json!(1))),
            Self::Most | Self::Image { .. } | Self::Datum { .. } => value.cloned(),
        })
    }

    /// How its numbers are written.
    pub(super) fn form(&self) -> Form {
        match self {
            Self::Resource { resource: "memory", .. } => Form::Memory,
            Self::Resource { .. } => Form::Processors,
            Self::Replicas
            | Self::Least
            | Self::Most
            | Self::Variable { .. }
            | Self::Image { .. }
            | Self::Datum { .. } => Form::Plain,
        }
    }
}

/// `limits.memory` of the only container, or `web.limits.memory`.
fn resource(text: &str) -> Option<Key> {
    let parts: Vec<&str> = text.split('.').collect();
    let (container, side, resource) = match *parts.as_slice() {
        [side, resource] => (None, side, resource),
        [container, side, resource] if is_name(container) => (Some(container.to_owned()), side, resource),
        _ => return None,
    };
    let side = ["requests", "limits"].into_iter().find(|one| *one == side)?;
    let resource = ["cpu", "memory"].into_iter().find(|one| *one == resource)?;
    Some(Key::Resource { container, side, resource })
}

/// `CACHE` of the only container, or `web.CACHE`: the name of a container has no capital letters and no dot.
fn variable(text: &str) -> Option<Key> {
    let (container, name) = match text.split_once('.') {
        Some((container, name)) if is_name(container) => (Some(container.to_owned()), name),
        _ => (None, text),
    };
    let is_fine = !name.is_empty() && !name.contains('=');
    is_fine.then(|| Key::Variable { container, name: name.to_owned() })
}

/// The container of a workload that is meant.
fn of_container(workload: &Value, named: Option<&str>) -> Result<Field, String> {
    let containers = Field::of(&["spec", "template", "spec", "containers"]);
    let all = containers.get(workload).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = all.iter().filter_map(|one| one["name"].as_str()).collect();
    match (named, names.as_slice()) {
        (Some(named), names) if names.contains(&named) => Ok(containers.named(named)),
        (Some(named), names) => Err(format!("it has no container {named}; there is {}", names.join(", "))),
        (None, [only]) => Ok(containers.named(only)),
        (None, names) => Err(format!(
            "it has several containers, {}: say which one, as env.{}.NAME",
            names.join(", "),
            names.first().unwrap_or(&"CONTAINER")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload() -> Value {
        let web = json!({
            "name": "web", "image": "web:1",
            "env": [{"name": "CACHE", "value": "off"}, {"name": "BARE"}, {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "256Mi"}}
        });
        json!({"spec": {"template": {"spec": {"containers": [web, {"name": "proxy", "image": "proxy:1"}]}}}})
    }

    fn value(key: &str) -> Result<Option<Value>, String> {
        Key::parse(key).unwrap().value(&workload())
    }

    #[test]
    fn keys_name_what_is_changed_of_which_container_or_map() {
        let container = || Some("web".to_owned());
        let of = Key::parse;
        assert_eq!(of("env.CACHE"), Some(Key::Variable { container: None, name: "CACHE".into() }));
        assert_eq!(of("env.web.CACHE"), Some(Key::Variable { container: container(), name: "CACHE".into() }));
        let memory = |container| Key::Resource { container, side: "limits", resource: "memory" };
        assert_eq!(of("resources.limits.memory"), Some(memory(None)));
        assert_eq!(of("resources.web.limits.memory"), Some(memory(container())));
        assert_eq!(of("image.web"), Some(Key::Image { container: container() }));
        let datum = Key::Datum { map: "web".into(), key: "app.properties".into() };
        assert_eq!(of("configmap.web.app.properties"), Some(datum));
        let nothing = [
            "",
            "size",
            "env.",
            "env.web.",
            "env.A=B",
            "resources.memory",
            "resources.web.limits.disk",
            "configmap.web",
            "configmap.Web.x",
            "hpa.replicas",
            "image.",
        ];
        assert_eq!(nothing.map(of), [const { None }; 11]);
    }

    #[test]
    fn values_are_read_as_numbers_where_they_are_quantities() {
        assert_eq!(value("resources.web.limits.memory"), Ok(Some(json!(268_435_456))));
        assert_eq!(value("resources.web.requests.cpu"), Ok(Some(json!(0.1))));
        assert_eq!(value("resources.web.limits.cpu"), Ok(None));
        assert_eq!(value("env.web.CACHE"), Ok(Some(json!("off"))));
        assert_eq!(value("env.web.BARE"), Ok(Some(json!(""))));
        assert_eq!(value("env.web.NONE"), Ok(None));
        assert!(value("env.web.KEY").unwrap().unwrap().is_object(), "it is not a text");
        assert_eq!(value("replicas"), Ok(Some(json!(1))));
    }

    #[test]
    fn which_container_is_meant_must_be_clear() {
        assert!(value("env.CACHE").unwrap_err().contains("several containers, web, proxy"));
        assert!(value("env.db.CACHE").unwrap_err().contains("no container db; there is web, proxy"));
    }

    #[test]
    fn a_number_is_written_in_its_unit() {
        let written = |key: &str, value: Value| Key::parse(key).unwrap().form().written(&value);
        assert_eq!(written("resources.limits.memory", json!(536_870_912)), json!("512Mi"));
        assert_eq!(written("resources.requests.cpu", json!(0.2)), json!("200m"));
        assert_eq!((written("replicas", json!(3)), written("env.A", json!("3"))), (json!(3), json!("3")));
    }
}
