//! What happens to the core, what it answers, and what it wants done.

use std::fmt;
use std::sync::Arc;

use super::super::change::{Change, Rollback, Trigger};
use super::super::detect::{Detected, Look};
use super::super::order::{Carried, Inspection, Order, Sight};
use super::super::owned::Hindrance;
use super::super::pause::Pause;
use super::super::policy::Policy;
use super::super::recommendation::{Kind, Recommendation, RecommendationId, Status};
use super::super::usage::Report;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Usage was reported.
    Usage(Report),
    /// Somebody wants an analysis of everything that was reported so far.
    AnalysisRequested,
    /// An analysis is over.
    Analysed {
        /// Which one.
        run: u64,
        /// What it has found.
        detected: Detected,
    },
    /// Somebody wants a recommendation applied.
    ApplyRequested {
        /// Which one.
        id: RecommendationId,
    },
    /// Somebody wants to know what applying a recommendation would do.
    PlanRequested {
        /// Which one.
        id: RecommendationId,
    },
    /// A platform was looked at.
    Inspected {
        /// What was to be looked at.
        look: Box<Inspection>,
        /// What for.
        aim: Aim,
        /// What was seen.
        sight: Sight,
    },
    /// An order to a platform has ended.
    Carried(Box<Carried>),
    /// Somebody has changed a service without the daemon, which is to judge that.
    ChangedOutside {
        /// The service.
        service: Arc<str>,
        /// What kind of change it is.
        kind: Kind,
    },
    /// Somebody wants a change taken back.
    RollbackRequested {
        /// That of this recommendation.
        id: RecommendationId,
        /// Why.
        reason: String,
    },
    /// A person approves of a recommendation: the next analysis applies it.
    ApprovalRequested {
        /// Which one.
        id: RecommendationId,
    },
    /// A person does not want a recommendation.
    DismissalRequested {
        /// Which one.
        id: RecommendationId,
        /// Why.
        reason: Option<String>,
    },
    /// An instance of a service has fetched its settings.
    SettingsFetched {
        /// The service.
        service: Arc<str>,
        /// The instance.
        instance: Arc<str>,
        /// The version that it got.
        version: u64,
    },
    /// The operator wants something else from now on; how the window divides time stays.
    PolicyChanged(Policy),
    /// A person holds back all changes.
    PauseRequested(Pause),
    /// A person lets changes go on.
    ResumeRequested,
}

/// What a platform is looked at for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// To tell what applying a recommendation would do.
    Plan,
    /// To apply it.
    Apply(Trigger),
    /// To show what applying it would do.
    Show,
    /// To go on with a change that was interrupted.
    Resume,
}

/// What whoever sent an event is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// So many events were counted.
    Counted(usize),
    /// The analysis of this number looks at everything that was reported so far.
    Analysing(u64),
    /// A platform is to be looked at first; what is seen is the next event.
    InspectFirst(Box<Inspection>),
    /// What would be done.
    Planned(Box<Change>),
    /// It was applied.
    Applied(Box<Change>),
    /// A platform was told to apply it or to take it back; its phase tells how that ends.
    Begun(Box<Change>),
    /// It was taken back.
    RolledBack(Box<Rollback>),
    /// What the recommendation has become.
    Recommendation(Box<Recommendation>),
    /// It was done.
    Done,
    /// It was not done, and nothing has changed.
    Refused(Refusal),
}

/// Why something was not done.
#[derive(Clone, PartialEq, Debug)]
pub enum Refusal {
    /// There is no such recommendation.
    Unknown,
    /// It is not pending.
    AlreadyProcessed(Status),
    /// No change of it is in effect.
    NotApplied(Status),
    /// It cannot be carried out.
    NotExecutable(String),
    /// Somebody else owns what it would change: the change is handed out.
    HandedOut(Box<Hindrance>),
    /// Somebody has changed the setting since.
    Superseded(String),
    /// The verdict on the change of this recommendation, of the same service, is still to come.
    BeingJudged(RecommendationId),
    /// A person holds back all changes.
    Paused(Pause),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no such recommendation"),
            Self::AlreadyProcessed(status) => write!(f, "it is {} already", status.as_str()),
            Self::NotApplied(status) => write!(f, "it is {}, not applied", status.as_str()),
            Self::NotExecutable(reason) | Self::Superseded(reason) => f.write_str(reason),
            Self::HandedOut(hindrance) => hindrance.fmt(f),
            Self::BeingJudged(id) => write!(
                f,
                "another change of the service is being judged: GET /changes/{id} tells how far it is, POST /rollback/{id} ends it"
            ),
            Self::Paused(Pause { until: Some(until), .. }) => write!(f, "changes are paused until {until}"),
            Self::Paused(_) => f.write_str("changes are paused until somebody resumes them"),
        }
    }
}

impl From<Hindrance> for Refusal {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance { reason, patch: None } => Self::NotExecutable(reason),
            hindrance @ Hindrance { patch: Some(_), .. } => Self::HandedOut(Box::new(hindrance)),
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum Work {
    /// Look for what is slow, failing or overloaded. It may take a while, so the core does not do it itself.
    Analyse {
        /// Which analysis it is.
        run: u64,
        /// What there is to look at.
        look: Box<Look>,
    },
    /// Look at a platform.
    Inspect {
        /// At what.
        look: Box<Inspection>,
        /// What for.
        aim: Aim,
    },
    /// Have a platform carry out an order, and read back what came of it.
    Carry(Box<Order>),
}
