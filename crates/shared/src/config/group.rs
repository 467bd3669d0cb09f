//! Settled values, and how a daemon takes them out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::fault::Fault;
use super::http_url::HttpUrl;
use super::source::Origin;
use super::value::Value;

/// A value and where it came from.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// The settled values of one section. Every value is of the kind that its setting declares, so taking it out
/// as another kind gives none.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Where the section is in the file, such as `services.web`; empty for the root.
    pub path: String,
    /// Values by key; a setting that nobody gave and that has no default is absent.
    pub values: BTreeMap<&'static str, Settled>,
    /// Sections that exist once, by key; absent where the file has none.
    pub sections: BTreeMap<&'static str, Group>,
    /// Sections that map names to groups, by key; absent where the file has none. In the order of the file.
    pub members: BTreeMap<&'static str, Vec<Member>>,
    /// Keys that somebody gave a value that cannot be used; each has its fault already.
    pub refused: BTreeSet<&'static str>,
}

/// One named group of a section that maps names to groups.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub origin: Origin,
    /// Its values.
    pub group: Group,
}

impl Group {
    /// Where the value of a key came from; the default where there is no value.
    pub fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::Default, |settled| settled.origin.clone())
    }

    /// Whether somebody gave the value of this key, instead of a default.
    pub fn is_given(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|settled| settled.origin.is_given())
    }

    /// The key as a fault names it: a variable at the root, a path in the file below it.
    pub fn name_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A fault about the value of this key, which shows the value as far as that is allowed.
    pub fn fault(&self, key: &str, reason: impl Into<String>) -> Fault {
        let fault = Fault::new(self.name_of(key), reason);
        match self.values.get(key) {
            Some(Settled {
                value: Value::Secret(_) | Value::SecretUrl(_) | Value::SecretWords(_),
                origin,
            }) => fault.from_origin(origin.clone()),
            Some(Settled { value, origin }) => {
                let shown = value.shown();
                let value = shown.as_str().map_or_else(|| shown.to_string(), str::to_owned);
                Fault { value: Some(value), origin: Some(origin.clone()), ..fault }
            }
            None => fault,
        }
    }

    /// Sets a value that was worked out.
    pub fn settle(&mut self, key: &'static str, value: Value, origin: Origin) {
        self.values.insert(key, Settled { value, origin });
    }

    /// The text or chosen word of this key.
    pub fn text(&self, key: &str) -> Option<&str> {
        if let Value::Text(text) = self.value(key)? { Some(text) } else { None }
    }

    /// The secret of this key.
    pub fn secret(&self, key: &str) -> Option<&SecretString> {
        if let Value::Secret(secret) = self.value(key)? { Some(secret) } else { None }
    }

    /// Yes or no; no where it is not set.
    pub fn boolean(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Boolean(true)))
    }

    /// The whole number of this key.
    pub fn whole(&self, key: &str) -> Option<u64> {
        if let Value::Whole(value) = self.value(key)? { Some(*value) } else { None }
    }

    /// The number of this key.
    pub fn number(&self, key: &str) -> Option<f64> {
        if let Value::Number(value) = self.value(key)? { Some(*value) } else { None }
    }

    /// The length of time of this key.
    pub fn seconds(&self, key: &str) -> Option<Duration> {
        if let Value::Seconds(value) = self.value(key)? { Some(*value) } else { None }
    }

    /// The address of this key.
    pub fn address(&self, key: &str) -> Option<SocketAddr> {
        if let Value::Address(value) = self.value(key)? { Some(*value) } else { None }
    }

    /// The URL of this key.
    pub fn url(&self, key: &str) -> Option<&HttpUrl> {
        if let Value::Url(value) | Value::SecretUrl(value) = self.value(key)? { Some(value) } else { None }
    }

    /// The argument vector of this key.
    pub fn words(&self, key: &str) -> Option<&[String]> {
        if let Value::Words(words) | Value::SecretWords(words) = self.value(key)? {
            Some(words)
        } else {
            None
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).map(|settled| &settled.value)
    }
}
