//! An order to a platform, what the platform shows, and what follows from both: plain data and pure decisions.
//!
//! Nothing is written before it was looked whether the platform still has what the order begins from, and nothing is
//! believed before it was looked again. What cannot be told is taken back, never repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::clock::Timestamp;
use shared::order::{OrderId, Target};
use shared::redact::redact;
use utoipa::ToSchema;

use super::owned::Owned;
use super::recommendation::{Kind, RecommendationId};
use super::setting::SettingChange;

/// Which way a change is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// From what was before to what is wanted.
    Apply,
    /// Back.
    Rollback,
    /// What was kept of before is discarded: the change stays.
    Keep,
}

impl Stage {
    /// The word that receivers and logs get.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Rollback => "rollback",
            Self::Keep => "keep",
        }
    }
}

/// One order. It is on record before it is given.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    /// The change that it belongs to.
    pub change: OrderId,
    /// The recommendation that the change carries out.
    pub recommendation_id: RecommendationId,
    /// The service.
    pub service: Arc<str>,
    /// Which of the service's actions it is.
    pub kind: Kind,
    /// What it is aimed at.
    pub target: Target,
    /// Which way.
    pub stage: Stage,
    /// The how-manieth try to take the change back, from 1; 1 for applying, which is tried once.
    pub attempt: u32,
    /// From what to what, in the direction of this order.
    pub changes: Vec<SettingChange>,
    /// Whether the platform still keeps what was before.
    pub is_kept: bool,
    /// When the change was decided.
    pub at: Timestamp,
    /// When this order was given.
    pub given_at: Timestamp,
}

impl Order {
    /// The same however often it is given: what receivers go by to drop a repetition.
    pub fn key(&self) -> String {
        format!("{}-{}-{}", self.change, self.stage.as_str(), self.attempt)
    }

    /// What shows whether it was carried out.
    pub fn look(&self) -> Inspection {
        Inspection {
            id: self.recommendation_id.clone(),
            service: Arc::clone(&self.service),
            kind: self.kind,
            target: self.target.clone(),
            keys: self.changes.iter().map(|change| change.key.clone()).collect(),
            change: Some(self.change),
        }
    }
}

/// What is to be looked at.
#[derive(Clone, PartialEq, Debug)]
pub struct Inspection {
    /// For this recommendation.
    pub id: RecommendationId,
    /// Its service.
    pub service: Arc<str>,
    /// Which of the service's actions.
    pub kind: Kind,
    /// What the action is aimed at.
    pub target: Target,
    /// The values that are wanted, by key.
    pub keys: Vec<String>,
    /// The change whose traces are looked for, if there is one.
    pub change: Option<OrderId>,
}

/// The values that a platform has; none for one that is not set.
pub type Values = BTreeMap<String, Option<Value>>;

/// What was seen of a platform.
#[derive(Clone, PartialEq, Debug)]
pub enum Sight {
    /// Its present values.
    Values(Values),
    /// Those of each of its instances.
    Several(Vec<Values>),
    /// Its present values, of which somebody else is the owner: they are not to be written.
    Owned(Box<Owned>),
    /// A change of ours was begun and not finished.
    Partial,
    /// What was changed is not there any more: what, in words.
    Gone(String),
    /// There is no way to look.
    Blind,
    /// It could not be looked at: why.
    Unreachable(String),
}

/// Where a platform stands between the two ends of an order.
#[derive(Clone, PartialEq, Debug)]
pub enum Standing {
    /// It has what the order begins from.
    Before,
    /// It has what the order is for.
    After,
    /// Part of the order was carried out.
    Between,
    /// It has something else, or nothing at all: what, in words.
    Elsewhere(String),
    /// There is no way to tell.
    Blind,
    /// It could not be looked at: why.
    Unreachable(String),
}

/// Whether two values are the same; 2 and 2.0 are.
pub fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one.and_then(Value::as_f64), other.and_then(Value::as_f64)) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        (None, None) => one == other,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// A value for a person; nothing of one that looks like a secret, which somebody else may have put there.
pub fn shown(value: Option<&Value>) -> String {
    match value {
        None => "unset".to_owned(),
        Some(value) if looks_secret(value) => "something that looks like a secret".to_owned(),
        Some(value) => value.to_string(),
    }
}

/// Whether a value, or a part of it, has a form of a secret.
pub fn looks_secret(value: &Value) -> bool {
    value.as_str().is_some_and(|text| redact(text) != text)
}

impl Standing {
    /// Where a platform stands that shows this.
    pub fn of(changes: &[SettingChange], sight: &Sight) -> Self {
        let values = match sight {
            Sight::Values(values) => values,
            Sight::Owned(owned) => &owned.values,
            Sight::Several(all) => return Self::of_several(changes, all),
            Sight::Partial => return Self::Between,
            Sight::Gone(what) => return Self::Elsewhere(what.clone()),
            Sight::Blind => return Self::Blind,
            Sight::Unreachable(reason) => return Self::Unreachable(reason.clone()),
        };
        let (mut before, mut after) = (0, 0);
        for SettingChange { key, before: from, after: to } in changes {
            let present = values.get(key).and_then(Option::as_ref);
            if is_same(present, from.as_ref()) {
                before += 1;
            } else if is_same(present, to.as_ref()) {
                after += 1;
            } else {
                return Self::Elsewhere(format!("{key} is {}", shown(present)));
            }
        }
        match (before, after) {
            (_, 0) => Self::Before,
            (0, _) => Self::After,
            _ => Self::Between,
        }
    }

    /// Instances stand where all of them stand; apart from each other the order is half done.
    fn of_several(changes: &[SettingChange], all: &[Values]) -> Self {
        let standings = all.iter().map(|values| Self::of(changes, &Sight::Values(values.clone())));
        let mut together: Option<Self> = None;
        for standing in standings {
            together = Some(match (together, standing) {
                (_, elsewhere @ Self::Elsewhere(_)) => return elsewhere,
                (None, first) => first,
                (Some(before), standing) if before == standing => standing,
                (Some(_), _) => Self::Between,
            });
        }
        together.unwrap_or_else(|| Self::Unreachable("there is none".to_owned()))
    }
}

/// Whether an order may be carried out.
#[derive(Clone, PartialEq, Debug)]
pub enum Precondition {
    /// Yes.
    Holds,
    /// There is nothing left to do.
    IsNeedless,
    /// Nothing may be written, and why.
    Fails(Written),
}

/// Whether an order may be carried out by a platform that stands here.
pub fn precondition(stage: Stage, standing: &Standing) -> Precondition {
    let foreign = |what: &str| Written::Foreign(format!("somebody else has changed it: {what}"));
    match (stage, standing) {
        (Stage::Keep, _) => Precondition::Holds,
        (_, Standing::Before | Standing::Blind) | (Stage::Rollback, Standing::Between) => Precondition::Holds,
        (Stage::Rollback, Standing::After) => Precondition::IsNeedless,
        (Stage::Apply, Standing::After) => {
            Precondition::Fails(foreign("it has what was to be written already"))
        }
        (Stage::Apply, Standing::Between) => Precondition::Fails(foreign("it has a part of it already")),
        (_, Standing::Elsewhere(what)) => Precondition::Fails(foreign(what)),
        (_, Standing::Unreachable(reason)) => Precondition::Fails(Written::NotRun(reason.clone())),
    }
}

/// What became of an order, by whoever carried it out.
#[derive(Clone, PartialEq, Debug)]
pub enum Written {
    /// The platform says that it was done.
    Done,
    /// Nothing was left to do.
    Needless,
    /// Certainly nothing was written: why.
    NotRun(String),
    /// Nothing was written, because somebody else has changed it meanwhile: what was seen.
    Foreign(String),
    /// The platform reports that it failed: how.
    Failed(String),
    /// Nobody knows whether it was done: why.
    Unknown(String),
}

/// How an order ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Carried {
    /// The change that it belongs to.
    pub change: OrderId,
    /// The recommendation of the change.
    pub recommendation_id: RecommendationId,
    /// Which way it went.
    pub stage: Stage,
    /// What was said of it.
    pub written: Written,
    /// What was seen afterwards.
    pub sight: Sight,
}

/// What follows for a change from the end of the order to apply it.
#[derive(Clone, PartialEq, Debug)]
pub enum AfterApply {
    /// It is in effect.
    IsInEffect,
    /// It is certainly not: why.
    Failed(String),
    /// Somebody else has changed it: what was seen.
    Superseded(String),
    /// It may be, or partly is, and is taken back: why.
    TakeBack(String),
}

/// What follows from what a platform said and from where it stood afterwards. What it says is believed only as far as
/// what was seen does not contradict.
pub fn after_apply(written: &Written, standing: &Standing) -> AfterApply {
    use AfterApply as Then;
    match (written, standing) {
        (Written::NotRun(reason), _) => Then::Failed(reason.clone()),
        (Written::Foreign(what), _) => Then::Superseded(what.clone()),
        (_, Standing::Elsewhere(what)) => Then::Superseded(format!("somebody else has changed it: {what}")),
        (Written::Done | Written::Needless, Standing::After | Standing::Blind)
        | (Written::Unknown(_), Standing::After) => Then::IsInEffect,
        (Written::Failed(reason), Standing::Before) => Then::Failed(reason.clone()),
        (Written::Done | Written::Needless, Standing::Before) => {
            Then::TakeBack("the platform says that it was done, and still has what was before".to_owned())
        }
        (Written::Done | Written::Needless, Standing::Between) => {
            Then::TakeBack("the platform says that it was done, and has done a part".to_owned())
        }
        (Written::Done | Written::Needless, Standing::Unreachable(reason)) => {
            Then::TakeBack(format!("what was written could not be read back: {reason}"))
        }
        (
            Written::Failed(reason),
            Standing::After | Standing::Between | Standing::Blind | Standing::Unreachable(_),
        )
        | (
            Written::Unknown(reason),
            Standing::Before | Standing::Between | Standing::Blind | Standing::Unreachable(_),
        ) => Then::TakeBack(reason.clone()),
    }
}

/// What follows for a change that was being applied when the daemon was interrupted, from where the platform stands
/// now.
pub fn after_interruption(standing: &Standing) -> AfterApply {
    let interrupted = "the daemon was interrupted while it was applied";
    after_apply(&Written::Unknown(interrupted.to_owned()), standing)
}

/// What follows for a change from the end of an order to take it back.
#[derive(Clone, PartialEq, Debug)]
pub enum AfterRollback {
    /// What was before is back.
    IsBack,
    /// It was there already: nothing had to be written.
    WasBack,
    /// Somebody else has changed it: what was seen.
    Superseded(String),
    /// It is not, or nobody knows: why.
    Failed(String),
}

/// What follows from what a platform said and from where it stood afterwards, in the direction of the way back.
pub fn after_rollback(written: &Written, standing: &Standing) -> AfterRollback {
    use AfterRollback as Then;
    match (written, standing) {
        (Written::Needless, _) => Then::WasBack,
        (Written::Foreign(what), _) => Then::Superseded(what.clone()),
        (_, Standing::Elsewhere(what)) => Then::Superseded(format!("somebody else has changed it: {what}")),
        (Written::Done, Standing::After | Standing::Blind)
        | (Written::NotRun(_) | Written::Failed(_) | Written::Unknown(_), Standing::After) => Then::IsBack,
        (Written::Done, Standing::Before | Standing::Between) => {
            Then::Failed("the platform says that it was taken back, and still has it".to_owned())
        }
        (Written::Done, Standing::Unreachable(reason)) => {
            Then::Failed(format!("whether it was taken back could not be seen: {reason}"))
        }
        (
            Written::NotRun(reason) | Written::Failed(reason) | Written::Unknown(reason),
            Standing::Before | Standing::Between | Standing::Blind | Standing::Unreachable(_),
        ) => Then::Failed(reason.clone()),
    }
}
