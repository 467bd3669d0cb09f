//! A platform of the tests, with a value for each service and a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use shared::order::{Backend, Target};

use crate::domain::order::{
    Carried, Order, Precondition, Sight, Stage, Standing, Values, Written, precondition,
};
use crate::domain::play::{Play, Playbook, Want, Wanted};
use crate::domain::recommendation::Kind;

/// What a platform does to whoever relies on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::domain::evolution::tests) enum Fault {
    /// It does what it is told and tells what it has.
    None,
    /// It says that it was done, and does nothing.
    Lies,
    /// It reports failure, and does nothing.
    Fails,
    /// It cannot be reached.
    IsGone,
    /// It does it, and its answer is lost.
    IsSilent,
    /// Its answer is lost, and it does it later.
    IsLate,
    /// It cannot tell what it has.
    IsBlind,
}

pub(in crate::domain::evolution::tests) const FAULTS: [Fault; 7] =
    [Fault::None, Fault::Lies, Fault::Fails, Fault::IsGone, Fault::IsSilent, Fault::IsLate, Fault::IsBlind];

/// A platform with one value for each service.
pub(in crate::domain::evolution::tests) struct Plant {
    pub(in crate::domain::evolution::tests) values: BTreeMap<Arc<str>, Value>,
    pub(in crate::domain::evolution::tests) fault: Fault,
    /// What was written, and for which order.
    pub(in crate::domain::evolution::tests) written: Vec<Order>,
    /// Services that somebody else has changed.
    pub(in crate::domain::evolution::tests) touched: BTreeSet<Arc<str>>,
    /// How often what was kept was discarded.
    pub(in crate::domain::evolution::tests) discarded: usize,
    late: Vec<Order>,
}

impl Plant {
    pub(in crate::domain::evolution::tests) fn new(fault: Fault) -> Self {
        Self {
            values: BTreeMap::new(),
            fault,
            written: Vec::new(),
            touched: BTreeSet::new(),
            discarded: 0,
            late: Vec::new(),
        }
    }

    pub(in crate::domain::evolution::tests) fn value(&self, service: &str) -> Value {
        self.values.get(service).cloned().unwrap_or_else(|| json!(2))
    }

    pub(in crate::domain::evolution::tests) fn see(&self, service: &str) -> Sight {
        match self.fault {
            Fault::IsGone => Sight::Unreachable("it is gone".to_owned()),
            Fault::IsBlind => Sight::Blind,
            Fault::None | Fault::Lies | Fault::Fails | Fault::IsSilent | Fault::IsLate => {
                Sight::Values(Values::from([("size".to_owned(), Some(self.value(service)))]))
            }
        }
    }

    fn set(&mut self, order: &Order) {
        let after = order.changes[0].after.clone().unwrap();
        self.values.insert(Arc::clone(&order.service), after);
    }

    /// What was late has come.
    pub(in crate::domain::evolution::tests) fn catch_up(&mut self) {
        for order in std::mem::take(&mut self.late) {
            self.set(&order);
        }
    }

    /// What a performer does: it looks, writes, and looks again.
    pub(in crate::domain::evolution::tests) fn carry(&mut self, order: &Order) -> Carried {
        if order.stage == Stage::Keep {
            self.discarded += usize::from(self.fault == Fault::None);
            let gone = Written::NotRun("it is gone".to_owned());
            let written = if self.fault == Fault::None { Written::Done } else { gone };
            return Carried {
                change: order.change,
                recommendation_id: order.recommendation_id.clone(),
                stage: order.stage,
                written,
                sight: Sight::Blind,
            };
        }
        let sight = self.see(&order.service);
        let written = match precondition(order.stage, &Standing::of(&order.changes, &sight)) {
            Precondition::Holds => self.write(order),
            Precondition::IsNeedless => Written::Needless,
            Precondition::Fails(written) => written,
        };
        Carried {
            change: order.change,
            recommendation_id: order.recommendation_id.clone(),
            stage: order.stage,
            written,
            sight: self.see(&order.service),
        }
    }

    fn write(&mut self, order: &Order) -> Written {
        self.written.push(order.clone());
        match self.fault {
            Fault::None | Fault::IsBlind => {
                self.set(order);
                Written::Done
            }
            Fault::Lies => Written::Done,
            Fault::Fails => Written::Failed("it cannot".to_owned()),
            Fault::IsGone => Written::NotRun("it is gone".to_owned()),
            Fault::IsSilent => {
                self.set(order);
                Written::Unknown("no answer".to_owned())
            }
            Fault::IsLate => {
                self.late.push(order.clone());
                Written::Unknown("no answer".to_owned())
            }
        }
    }
}

pub(in crate::domain::evolution::tests) fn playbook(services: &[&str]) -> Playbook {
    let play = |service: &&str| {
        let target = Target { backend: Backend::Webhook, name: format!("scaler/{service}") };
        let to = Wanted::Times { factor: 2.0, up_to: Some(64.0) };
        let wants = vec![Want {
            key: "size".into(),
            instead: None,
            from: Some(json!(2)),
            to,
            decimals: Some(0),
            may_be_unset: true,
        }];
        (((*service).into(), Kind::Performance), Play { target, wants, keeps_previous: false })
    };
    Playbook::new(services.iter().map(play).collect())
}
