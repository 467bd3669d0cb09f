//! Stronger actions than a published setting: what is to become of which value of a platform.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Number, Value};
use shared::order::Target;

use super::order::{Sight, Values, is_same, looks_secret, shown};
use super::owned::Hindrance;
use super::recommendation::{Kind, RecommendationId};
use super::setting::SettingChange;

/// What is done by which platform, by service and kind of recommendation. Where there is no entry, settings are
/// published.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Playbook {
    plays: Arc<BTreeMap<(Arc<str>, Kind), Play>>,
}

impl Playbook {
    /// The one with these entries.
    pub fn new(plays: BTreeMap<(Arc<str>, Kind), Play>) -> Self {
        Self { plays: Arc::new(plays) }
    }

    /// What is done for a service about an issue of this kind.
    pub fn of(&self, service: &str, kind: Kind) -> Option<&Play> {
        self.plays.get(&(service.into(), kind))
    }
}

/// What applying recommendations would have platforms do, or why it cannot be done, as of the last look.
pub type Plans = Arc<BTreeMap<RecommendationId, Result<Vec<SettingChange>, Hindrance>>>;

/// One action of a platform.
#[derive(Clone, PartialEq, Debug)]
pub struct Play {
    /// What it is aimed at.
    pub target: Target,
    /// What is to become of which value.
    pub wants: Vec<Want>,
    /// Whether the platform keeps what was before until the verdict.
    pub keeps_previous: bool,
}

/// What is to become of one value.
#[derive(Clone, PartialEq, Debug)]
pub struct Want {
    /// Its key.
    pub key: String,
    /// The key of what is changed where the platform shows that in its place, because it governs the value.
    pub instead: Option<String>,
    /// What it must be before, where that is given.
    pub from: Option<Value>,
    /// What it is to be then.
    pub to: Wanted,
    /// So many digits behind the point it can have: 0 where it is counted in whole numbers, none where there is no such bound.
    pub decimals: Option<u32>,
    /// Whether it can be taken off again once it is set.
    pub may_be_unset: bool,
}

/// What a value is to be.
#[derive(Clone, PartialEq, Debug)]
pub enum Wanted {
    /// This.
    Value(Value),
    /// So much more than it is, and never more than the bound.
    Plus {
        /// How much more.
        more: f64,
        /// The bound.
        up_to: Option<f64>,
    },
    /// So many times what it is, and never more than the bound.
    Times {
        /// How many times.
        factor: f64,
        /// The bound.
        up_to: Option<f64>,
    },
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, number, up_to) = match self {
            Self::Value(value) => return write!(f, "{value}"),
            Self::Plus { more, up_to } => ("+", more, up_to),
            Self::Times { factor, up_to } => ("x", factor, up_to),
        };
        write!(f, "{sign}{number}")?;
        up_to.map_or(Ok(()), |up_to| write!(f, " up to {up_to}"))
    }
}

impl Play {
    /// The keys of the values that it changes.
    pub fn keys(&self) -> Vec<String> {
        self.wants.iter().map(|want| want.key.clone()).collect()
    }

    /// What it changes, given what the platform shows; else a sentence that says why it cannot be done.
    pub fn changes(&self, sight: &Sight) -> Result<Vec<SettingChange>, Hindrance> {
        let target = &self.target;
        let values = match sight {
            Sight::Values(values) => Some(values),
            Sight::Owned(owned) => Some(&owned.values),
            Sight::Several(all) => match all.split_first() {
                Some((first, others)) if others.iter().all(|other| other == first) => Some(first),
                Some(_) | None => return Err(format!("the instances of {target} are not alike").into()),
            },
            Sight::Blind => None,
            Sight::Partial => return Err(format!("an earlier change of {target} was not finished").into()),
            Sight::Gone(reason) | Sight::Unreachable(reason) => return Err(reason.clone().into()),
        };
        let mut changes = Vec::with_capacity(self.wants.len());
        for want in &self.wants {
            let (key, present) = want.found(values);
            changes.extend(want.change(key, present, target)?);
        }
        match sight {
            _ if changes.is_empty() => Err(format!("{target} has all of it already").into()),
            Sight::Owned(owned) => {
                Err(Hindrance { reason: owned.by.clone(), patch: Some(owned.patch(&changes)) })
            }
            Sight::Values(_)
            | Sight::Several(_)
            | Sight::Partial
            | Sight::Gone(_)
            | Sight::Blind
            | Sight::Unreachable(_) => Ok(changes),
        }
    }
}

impl Want {
    /// The key that is changed, and what it is now.
    fn found(&self, values: Option<&Values>) -> (&str, Option<Value>) {
        let Some(values) = values else { return (&self.key, self.from.clone()) };
        let governed =
            self.instead.as_ref().filter(|key| !values.contains_key(&self.key) && values.contains_key(*key));
        let key = governed.unwrap_or(&self.key);
        (key, values.get(key).cloned().flatten())
    }

    /// The change of a value that is this now; none where it is as wanted.
    fn change(
        &self,
        key: &str,
        present: Option<Value>,
        target: &Target,
    ) -> Result<Option<SettingChange>, String> {
        if present.is_none() && !self.may_be_unset {
            let reason = "has no limit, and one that is set could not be taken off again: give it one first";
            return Err(format!("{key} of {target} {reason}"));
        }
        if present.as_ref().is_some_and(looks_secret) {
            let reason =
                "has a value that looks like a secret, and what is before a change is recorded and shown";
            return Err(format!("{key} of {target} {reason}: keep it in a Secret, and change it there"));
        }
        let shown = shown(present.as_ref());
        let after = match &self.to {
            Wanted::Value(value) => value.clone(),
            Wanted::Plus { .. } | Wanted::Times { .. } => {
                let number = present.as_ref().and_then(Value::as_f64);
                let number = number.ok_or_else(|| {
                    format!("{key} of {target} is {shown}, which {} cannot change", self.to)
                })?;
                self.to.of(number, self.decimals)
            }
        };
        if is_same(present.as_ref(), Some(&after)) {
            return Ok(None);
        }
        match &self.from {
            Some(from) if !is_same(present.as_ref(), Some(from)) => {
                Err(format!("{key} of {target} is {shown}, and is changed only from {from}"))
            }
            Some(_) | None => {
                Ok(Some(SettingChange { key: key.to_owned(), before: present, after: Some(after) }))
            }
        }
    }
}

impl Wanted {
    /// What a number becomes; as it is where it is beyond the bound already. It is what the platform will show, so that it is
    /// known again.
    fn of(&self, number: f64, decimals: Option<u32>) -> Value {
        let (wanted, up_to) = match self {
            Self::Value(value) => return value.clone(),
            Self::Plus { more, up_to } => (number + more, *up_to),
            Self::Times { factor, up_to } => (number * factor, *up_to),
        };
        let bounded = up_to.map_or(wanted, |up_to| wanted.min(up_to.max(number)));
        as_number(decimals.map_or(bounded, |decimals| cut(bounded, decimals)))
    }
}

/// A number with so many digits behind the point; the others are cut off.
fn cut(number: f64, decimals: u32) -> f64 {
    // What is missing to the next digit by the arithmetic alone.
    const SLACK: f64 = 1e-6;
    let unit = 10_f64.powi(decimals.cast_signed());
    (number * unit + SLACK).floor() / unit
}

/// A number without a decimal point where it needs none.
pub fn as_number(number: f64) -> Value {
    // Up to here a double counts without gaps.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::order::Backend;

    use super::super::field::Field;
    use super::super::order::Standing;
    use super::super::owned::Owned;
    use super::super::quantity::{Form, parse};
    use super::*;

    fn play() -> Play {
        let to = Wanted::Plus { more: 1.0, up_to: Some(4.0) };
        let instead = Some("hpa.min_replicas".to_owned());
        let want =
            Want { key: "replicas".into(), instead, from: None, to, decimals: Some(0), may_be_unset: true };
        let target = Target { backend: Backend::Kubernetes, name: "deployment/web".to_owned() };
        Play { target, wants: vec![want], keeps_previous: false }
    }

    fn shown(all: &[(&str, Value)]) -> Values {
        all.iter().map(|(key, value)| ((*key).to_owned(), Some(value.clone()))).collect()
    }

    #[test]
    fn what_governs_a_value_is_changed_where_the_platform_shows_it_in_its_place() {
        let changes = |all: &[(&str, Value)]| play().changes(&Sight::Values(shown(all))).unwrap().remove(0);
        let change = |key: &str, before: u64, after: u64| SettingChange {
            key: key.to_owned(),
            before: Some(json!(before)),
            after: Some(json!(after)),
        };
        assert_eq!(changes(&[("replicas", json!(2))]), change("replicas", 2, 3));
        assert_eq!(changes(&[("hpa.min_replicas", json!(3))]), change("hpa.min_replicas", 3, 4));
        let both = [("replicas", json!(2)), ("hpa.min_replicas", json!(3))];
        assert_eq!(changes(&both), change("replicas", 2, 3));
    }

    #[test]
    fn a_step_ends_at_a_number_that_can_be_written() {
        let to = |factor: f64, number: f64, decimals| {
            Wanted::Times { factor, up_to: Some(2.0) }.of(number, decimals)
        };
        assert_eq!(to(1.5, 0.125, Some(3)), json!(0.187));
        assert_eq!(to(3.0, 0.1, Some(3)), json!(0.3), "0.30000000000000004 in doubles");
        assert_eq!(to(1.5, 1.9, Some(3)), json!(2), "the bound");
        assert_eq!((to(1.5, 1.0, Some(0)), to(1.5, 0.125, None)), (json!(1), json!(0.1875)));
        let cut = Wanted::Times { factor: 1.5, up_to: None }.of(0.125, Some(3));
        let written = Form::Processors.written(&cut);
        let read = parse(written.as_str().unwrap()).map(as_number);
        assert!(is_same(read.as_ref(), Some(&cut)), "{written} is what is recorded: {cut}");
    }

    #[test]
    fn a_value_that_looks_like_a_secret_is_neither_recorded_nor_shown() {
        let mut play = play();
        play.wants[0] =
            Want { key: "env.URL".into(), to: Wanted::Value(json!("new")), ..play.wants[0].clone() };
        let of =
            |text: &str| play.changes(&Sight::Values([("env.URL".to_owned(), Some(json!(text)))].into()));
        for secret in ["postgres://app:hunter2@db/app", "a=b\npassword=hunter2\n"] {
            let told = of(secret).unwrap_err().to_string();
            assert!(told.contains("looks like a secret") && !told.contains("hunter2"), "{told}");
            let change = of("postgres://db/app").unwrap();
            let now = Sight::Values([("env.URL".to_owned(), Some(json!(secret)))].into());
            let told = format!("{:?}", Standing::of(&change, &now));
            assert!(told.contains("looks like a secret") && !told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_change_of_what_somebody_else_owns_is_handed_out_unless_there_is_none() {
        let of = |size: u64| {
            let fields = [("replicas".to_owned(), (Field::of(&["spec", "replicas"]), Form::Plain))].into();
            let values = shown(&[("replicas", json!(size))]);
            let owned = Owned { values, by: "theirs".to_owned(), object: json!({}), fields };
            play().changes(&Sight::Owned(Box::new(owned))).unwrap_err()
        };
        let patch = Some(json!({"spec": {"replicas": 3}}));
        assert_eq!(of(2), Hindrance { reason: "theirs".to_owned(), patch });
        assert_eq!(of(4), Hindrance::from("kubernetes:deployment/web has all of it already".to_owned()));
    }
}
