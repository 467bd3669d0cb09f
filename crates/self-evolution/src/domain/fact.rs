//! What is recorded. The state is what replaying all facts gives.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::change::{Change, Phase, Rollback, Trial};
use super::judge::Verdict;
use super::on_platform::{Discarded, Ended, Undoing};
use super::pause::Pause;
use super::recommendation::{Kind, Recommendation, RecommendationId};
use super::usage::report::Details;
use super::window::shape::Shape;

/// One recorded fact. A fact carries what was decided, never what to decide, so that replaying it does not depend on
/// the settings of the day.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Fact {
    /// The daemon began to decide: it was started, or its journal could be written again.
    EvolutionStarted {
        /// Version of the daemon.
        version: Arc<str>,
        /// How the window divides time from now on.
        shape: Shape,
    },
    /// Usage that was reported in one request, or in several that share a commit.
    Usage(UsageRecorded),
    /// An endpoint is told apart from now on.
    EndpointFound {
        /// Its service.
        service: Arc<str>,
        /// The endpoint.
        endpoint: Arc<str>,
    },
    /// An endpoint makes room for a busier one: it is counted as what is beyond the bounds from now on.
    EndpointFolded {
        /// Its service.
        service: Arc<str>,
        /// The endpoint; all of the service where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<Arc<str>>,
    },
    /// The segment behind a prefix is a value, and paths that differ in it are one endpoint.
    RouteMerged {
        /// The service.
        service: Arc<str>,
        /// What the paths begin with.
        prefix: String,
    },
    /// The window was analysed.
    Analysed(Analysed),
    /// A recommendation was made, confirmed, approved, dismissed or has expired.
    Recommendation {
        /// The recommendation as it is now; it has a type of its own.
        recommendation: Box<Recommendation>,
    },
    /// A change that a platform is to make, before it is told to.
    ChangeBegun(Box<Change>),
    /// A change is in effect.
    ChangeApplied(Box<Change>),
    /// A platform could not make a change, or somebody else has changed the same.
    ChangeEnded(Box<Ended>),
    /// A change has settled, and is compared with what was before until then.
    TrialBegan {
        /// Of this service.
        service: Arc<str>,
        /// That of this recommendation.
        recommendation_id: RecommendationId,
        /// The span; a later end than before where little was seen.
        trial: Trial,
    },
    /// Half of an A/B test is over: instances that had the change have it no longer, and the others have it.
    ArmsSwapped {
        /// Of this service.
        service: Arc<str>,
        /// The change of this recommendation.
        recommendation_id: RecommendationId,
        /// The span, until the end of the other half.
        trial: Trial,
    },
    /// A change was judged.
    ChangeJudged(Box<Judged>),
    /// What a platform kept of before a change that stays is discarded.
    PreviousDiscarded(Discarded),
    /// A platform is to take a change back, before it is told to.
    RollbackBegun(Box<Undoing>),
    /// A platform has not taken a change back, and when it is told to again.
    RollbackFailed(Box<Undoing>),
    /// A change was taken back.
    ChangeRolledBack(Box<RolledBack>),
    /// An instance has fetched a version of its settings for the first time.
    SettingsDelivered {
        /// The service.
        service: Arc<str>,
        /// The instance.
        instance: Arc<str>,
        /// The version.
        version: u64,
    },
    /// Changes are held back.
    Paused(Pause),
    /// Changes go on.
    Resumed,
}

/// That a change was taken back, and the recommendation as it was then.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RolledBack {
    /// The rollback.
    pub rollback: Rollback,
    /// The recommendation whose change it was.
    pub recommendation: Recommendation,
}

/// The verdict on a change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Judged {
    /// The change of this recommendation.
    pub recommendation_id: RecommendationId,
    /// The service.
    pub service: Arc<str>,
    /// How it turned out.
    pub verdict: Verdict,
    /// What becomes of it; where it is taken back, the rollback is the next fact.
    pub phase: Phase,
    /// What kind of recommendation it carried out; none in what older versions recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Which part of the trouble was expected to go, from 0 to 1; none in what older versions recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_improvement: Option<f64>,
}

/// What an analysis gave.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Analysed {
    /// Endpoints that were looked at.
    pub patterns: usize,
    /// The recommendations that it gave, the most important first.
    pub recommendations: Vec<RecommendationId>,
    /// When the next one is due.
    pub next_at: Timestamp,
    /// Services that are asked much less than at the same time yesterday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
}

/// That a service is asked much less than at the same time yesterday.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dropped {
    /// The service.
    pub service: Arc<str>,
    /// Requests of the last span that is compared.
    pub requests: u64,
    /// Requests of the same span yesterday.
    pub requests_yesterday: u64,
}

/// A service and an endpoint of it.
pub type UsageKey = (Arc<str>, Arc<str>);

/// Reported usage with the endpoints that it is counted under.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct UsageRecorded {
    /// Services and endpoints, each once.
    pub keys: Vec<UsageKey>,
    /// The events.
    pub events: Vec<EventRecorded>,
    /// Details of events, with the event's place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(u32, Box<Details>)>,
}

/// One event; written as an array, because there are many.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(from = "(u32, f64, u16, i64)", into = "(u32, f64, u16, i64)")]
pub struct EventRecorded {
    /// Which key.
    pub key: u32,
    /// Seconds.
    pub response_time: f64,
    /// The HTTP status.
    pub status_code: u16,
    /// How long before it was recorded, in microseconds; negative where the reporter's clock is ahead.
    pub age: i64,
}

impl EventRecorded {
    /// When it happened, given when it was recorded.
    pub fn at(&self, recorded: Timestamp) -> Timestamp {
        let age = Duration::from_micros(self.age.unsigned_abs());
        if self.age < 0 { recorded + age } else { recorded - age }
    }
}

impl From<(u32, f64, u16, i64)> for EventRecorded {
    fn from((key, response_time, status_code, age): (u32, f64, u16, i64)) -> Self {
        Self { key, response_time, status_code, age }
    }
}

impl From<EventRecorded> for (u32, f64, u16, i64) {
    fn from(EventRecorded { key, response_time, status_code, age }: EventRecorded) -> Self {
        (key, response_time, status_code, age)
    }
}

impl UsageRecorded {
    /// The events of each key.
    pub fn by_key(&self) -> Vec<(&UsageKey, Vec<&EventRecorded>)> {
        let mut numbers = vec![0_usize; self.keys.len()];
        for event in &self.events {
            if let Some(number) = numbers.get_mut(event.key as usize) {
                *number += 1;
            }
        }
        let mut events: Vec<_> = numbers.into_iter().map(Vec::with_capacity).collect();
        for event in &self.events {
            if let Some(of_key) = events.get_mut(event.key as usize) {
                of_key.push(event);
            }
        }
        self.keys.iter().zip(events).filter(|(_, events)| !events.is_empty()).collect()
    }
}
