//! A platform with one size for each service, what ails it, and who else has a hand in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self_evolution::domain::field::Field;
use self_evolution::domain::order::{
    Carried, Order, Precondition, Sight, Stage, Standing, Values, Written, precondition,
};
use self_evolution::domain::owned::Owned;
use self_evolution::domain::play::{Play, Playbook, Want, Wanted};
use self_evolution::domain::quantity::Form;
use self_evolution::domain::recommendation::Kind;
use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::order::{Backend, Target};

/// The value that it has for each service.
const KEY: &str = "size";
/// Who owns it, where somebody else does.
const OWNER: &str = "it belongs to Argo CD";
/// What that is where nobody has changed it.
const AT_FIRST: u64 = 2;

/// How a platform treats whoever relies on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// It does what it is told and tells what it has.
    Well,
    /// It says that it was done, and does nothing.
    Lies,
    /// It reports failure, and does nothing.
    Refuses,
    /// It cannot be reached.
    Gone,
    /// It does it, and its answer is lost.
    Silent,
    /// Its answer is lost, and it does it once it catches up.
    Late,
    /// It cannot tell what it has.
    Blind,
    /// It says that it was done, and has done it for half of the instances.
    Halves,
    /// Somebody else owns what it has.
    Owned,
}

impl Condition {
    /// The condition of this word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "well" => Self::Well,
            "lies" => Self::Lies,
            "refuses" => Self::Refuses,
            "gone" => Self::Gone,
            "silent" => Self::Silent,
            "late" => Self::Late,
            "blind" => Self::Blind,
            "halves" => Self::Halves,
            "owned" => Self::Owned,
            other => panic!("a platform is never {other}"),
        }
    }
}

/// What happens to a platform.
#[derive(Clone, PartialEq, Debug)]
pub enum Deed {
    /// It becomes like this.
    Becomes(Condition),
    /// Somebody gives a service this size by hand.
    ByHand(Arc<str>, Value),
    /// Somebody gives one instance of a service this size by hand.
    OneByHand(Arc<str>, Value),
    /// It does what it was told before and has not done yet.
    CatchesUp,
}

/// An order that it has dealt with, and when it says so.
struct Answer {
    at: Timestamp,
    order: Order,
    written: Written,
}

/// The platform.
pub struct Platform {
    /// How long its answers take.
    pub takes: Duration,
    /// What happens between the look before the next order and the order.
    pub before_the_next_order: Option<Deed>,
    /// What happens between the next order and the look after it.
    pub after_the_next_order: Option<Deed>,
    condition: Condition,
    sizes: BTreeMap<Arc<str>, Value>,
    /// The size of the other instances of a service, where that is another.
    of_others: BTreeMap<Arc<str>, Value>,
    late: Vec<Order>,
    answers: Vec<Answer>,
}

impl Default for Platform {
    fn default() -> Self {
        Self {
            takes: Duration::ZERO,
            before_the_next_order: None,
            after_the_next_order: None,
            condition: Condition::Well,
            sizes: BTreeMap::new(),
            of_others: BTreeMap::new(),
            late: Vec::new(),
            answers: Vec::new(),
        }
    }
}

impl Platform {
    /// Something happens to it.
    pub fn happen(&mut self, deed: Deed) {
        match deed {
            Deed::Becomes(condition) => self.condition = condition,
            Deed::ByHand(service, size) => self.set_all(service, size),
            Deed::OneByHand(service, size) => {
                let before = self.size(&service);
                self.of_others.insert(Arc::clone(&service), before);
                self.sizes.insert(service, size);
            }
            Deed::CatchesUp => {
                for order in std::mem::take(&mut self.late) {
                    self.set(&order);
                }
            }
        }
    }

    /// What can be seen of a service.
    pub fn see(&self, service: &str) -> Sight {
        match self.condition {
            Condition::Gone => Sight::Unreachable("it is gone".to_owned()),
            Condition::Blind => Sight::Blind,
            Condition::Owned => {
                let (object, form) = (json!({"of": service}), (Field::of(&["spec", KEY]), Form::Plain));
                let fields = [(KEY.to_owned(), form)].into();
                Sight::Owned(Box::new(Owned {
                    values: values(self.size(service)),
                    by: OWNER.to_owned(),
                    object,
                    fields,
                }))
            }
            Condition::Well
            | Condition::Lies
            | Condition::Refuses
            | Condition::Silent
            | Condition::Late
            | Condition::Halves => match self.of_others.get(service) {
                None => Sight::Values(values(self.size(service))),
                Some(others) => Sight::Several(vec![values(self.size(service)), values(others.clone())]),
            },
        }
    }

    /// An order arrives: as the daemon's way to platforms does it, the platform is looked at first. What it does, in
    /// words.
    pub fn take(&mut self, order: &Order, now: Timestamp) -> String {
        if let Some(deed) = self.before_the_next_order.take() {
            self.happen(deed);
        }
        let standing = Standing::of(&order.changes, &self.see(&order.service));
        let written = match precondition(order.stage, &standing) {
            Precondition::Holds => self.write(order),
            Precondition::IsNeedless => Written::Needless,
            Precondition::Fails(written) => written,
        };
        let (stage, attempt) = (order.stage.as_str(), order.attempt);
        let does = format!("platform: {stage} {} for {}, {}", attempt, order.service, in_words(&written));
        self.answers.push(Answer { at: now + self.takes, order: order.clone(), written });
        does
    }

    /// When its next answer comes.
    pub fn next_answer(&self) -> Option<Timestamp> {
        self.answers.iter().map(|answer| answer.at).min()
    }

    /// What it has answered by now, and what is seen of it then.
    pub fn answer(&mut self, now: Timestamp) -> Option<Carried> {
        let place = self.answers.iter().position(|answer| answer.at <= now)?;
        let Answer { order, written, .. } = self.answers.remove(place);
        if let Some(deed) = self.after_the_next_order.take() {
            self.happen(deed);
        }
        let sight = if order.stage == Stage::Keep { Sight::Blind } else { self.see(&order.service) };
        Some(Carried {
            change: order.change,
            recommendation_id: order.recommendation_id,
            stage: order.stage,
            written,
            sight,
        })
    }

    /// Whoever waits for its answers is gone.
    pub fn lose_answers(&mut self) {
        self.answers.clear();
    }

    /// The sizes that were ever set, in words.
    pub fn sizes(&self) -> impl Iterator<Item = String> {
        self.sizes.iter().map(|(service, size)| format!("the platform has {service} at {size}"))
    }

    fn size(&self, service: &str) -> Value {
        self.sizes.get(service).cloned().unwrap_or_else(|| json!(AT_FIRST))
    }

    fn set_all(&mut self, service: Arc<str>, size: Value) {
        self.of_others.remove(&service);
        self.sizes.insert(service, size);
    }

    fn set(&mut self, order: &Order) {
        for change in order.changes.iter().filter(|change| change.key == KEY) {
            let size = change.after.clone().unwrap_or_else(|| json!(AT_FIRST));
            let service = Arc::clone(&order.service);
            if self.condition == Condition::Halves {
                self.happen(Deed::OneByHand(service, size));
            } else {
                self.set_all(service, size);
            }
        }
    }

    fn write(&mut self, order: &Order) -> Written {
        match self.condition {
            Condition::Well | Condition::Blind | Condition::Halves => {
                self.set(order);
                Written::Done
            }
            Condition::Lies => Written::Done,
            Condition::Refuses => Written::Failed("it cannot".to_owned()),
            Condition::Gone => Written::NotRun("it is gone".to_owned()),
            Condition::Owned => Written::NotRun(OWNER.to_owned()),
            Condition::Silent => {
                self.set(order);
                Written::Unknown("no answer".to_owned())
            }
            Condition::Late => {
                self.late.push(order.clone());
                Written::Unknown("no answer".to_owned())
            }
        }
    }
}

fn values(size: Value) -> Values {
    Values::from([(KEY.to_owned(), Some(size))])
}

fn in_words(written: &Written) -> String {
    match written {
        Written::Done => "done".to_owned(),
        Written::Needless => "nothing is left to do".to_owned(),
        Written::NotRun(reason) => format!("not run: {reason}"),
        Written::Foreign(what) => format!("not written: {what}"),
        Written::Failed(reason) => format!("failed: {reason}"),
        Written::Unknown(reason) => format!("unknown: {reason}"),
    }
}

/// The actions of before, and that the platform doubles the size of a service against slow answers: only from this size where one is
/// given, and keeping what was before until the verdict.
pub fn with_doubling(plays: &mut Plays, service: &str, from: Option<Value>, keeps_previous: bool) {
    let (backend, name) = match keeps_previous {
        true => (Backend::Docker, service.to_owned()),
        false => (Backend::Webhook, format!("scaler/{service}")),
    };
    let to = Wanted::Times { factor: 2.0, up_to: Some(64.0) };
    let wants =
        vec![Want { key: KEY.to_owned(), instead: None, from, to, decimals: Some(0), may_be_unset: true }];
    let play = Play { target: Target { backend, name }, wants, keeps_previous };
    plays.insert((service.into(), Kind::Performance), play);
}

/// What platforms do about which issue.
pub type Plays = BTreeMap<(Arc<str>, Kind), Play>;

/// The playbook of these actions.
pub fn playbook(plays: &Plays) -> Playbook {
    Playbook::new(plays.clone())
}
