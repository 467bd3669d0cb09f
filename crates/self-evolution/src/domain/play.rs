//! Stronger actions than a published setting: what is to become of which value of a platform.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Number, Value};
use shared::order::Target;

use super::order::{Sight, is_same};
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
pub type Plans = Arc<BTreeMap<RecommendationId, Result<Vec<SettingChange>, String>>>;

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
    /// What it must be before, where that is given.
    pub from: Option<Value>,
    /// What it is to be then.
    pub to: Wanted,
    /// Whether it is counted in whole numbers.
    pub is_whole: bool,
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
    pub fn changes(&self, sight: &Sight) -> Result<Vec<SettingChange>, String> {
        let target = &self.target;
        let values = match sight {
            Sight::Values(values) => Some(values),
            Sight::Several(all) => match all.split_first() {
                Some((first, others)) if others.iter().all(|other| other == first) => Some(first),
                Some(_) | None => return Err(format!("the instances of {target} are not alike")),
            },
            Sight::Blind => None,
            Sight::Partial => return Err(format!("an earlier change of {target} was not finished")),
            Sight::Unreachable(reason) => return Err(reason.clone()),
        };
        let mut changes = Vec::with_capacity(self.wants.len());
        for want in &self.wants {
            let present = match values {
                Some(values) => values.get(&want.key).cloned().flatten(),
                None => want.from.clone(),
            };
            changes.extend(want.change(present, target)?);
        }
        if changes.is_empty() { Err(format!("{target} has all of it already")) } else { Ok(changes) }
    }
}

impl Want {
    /// The change of a value that is this now; none where it is as wanted.
    fn change(&self, present: Option<Value>, target: &Target) -> Result<Option<SettingChange>, String> {
        let key = &self.key;
        if present.is_none() && !self.may_be_unset {
            let reason = "has no limit, and one that is set could not be taken off again: give it one first";
            return Err(format!("{key} of {target} {reason}"));
        }
        let shown = present.as_ref().map_or_else(|| "unset".to_owned(), Value::to_string);
        let after = match &self.to {
            Wanted::Value(value) => value.clone(),
            Wanted::Plus { .. } | Wanted::Times { .. } => {
                let number = present.as_ref().and_then(Value::as_f64);
                let number = number.ok_or_else(|| {
                    format!("{key} of {target} is {shown}, which {} cannot change", self.to)
                })?;
                self.to.of(number, self.is_whole)
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
                Ok(Some(SettingChange { key: key.clone(), before: present, after: Some(after) }))
            }
        }
    }
}

impl Wanted {
    /// What a number becomes; as it is where it is beyond the bound already.
    fn of(&self, number: f64, is_whole: bool) -> Value {
        let (wanted, up_to) = match self {
            Self::Value(value) => return value.clone(),
            Self::Plus { more, up_to } => (number + more, *up_to),
            Self::Times { factor, up_to } => (number * factor, *up_to),
        };
        let bounded = up_to.map_or(wanted, |up_to| wanted.min(up_to.max(number)));
        as_number(if is_whole { bounded.floor() } else { bounded })
    }
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
