//! What concerns all services together, or is imposed on them by a person.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::ServiceName;

use super::network::Isolation;
use super::recovery::{Guard, Recovery};

/// Actions are remembered this long: the longest span that a budget can be counted over.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// The durable state of the fleet.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fleet {
    /// Our own network is gone.
    pub isolation: Option<Isolation>,
    /// Many services went down together.
    pub storm: Option<Storm>,
    /// The budget of actions was spent; a person has to look.
    pub tripped: Option<Tripped>,
    /// Healing of all services is held back by a person.
    pub pause: Option<Pause>,
    /// Actions of the last hour, oldest first.
    pub actions: VecDeque<Acted>,
}

/// One action.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acted {
    /// When it was decided.
    pub at: Timestamp,
    /// On which service.
    pub service: ServiceName,
}

/// Many services went down within a short time: the cause is likely to be one, and elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Storm {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it ended; null while it lasts.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Services that had gone down within the span.
    pub down: usize,
    /// Services that could have.
    pub eligible: usize,
}

/// The budget of actions is spent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tripped {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Actions within the span.
    pub actions: usize,
    /// Actions that are allowed within the span.
    pub allowed: usize,
    /// The span in seconds.
    pub within_seconds: u64,
}

/// Why a person holds healing back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseKind {
    /// Services are watched and not healed.
    Pause,
    /// Work is going on: failures are expected, and not counted either.
    Maintenance,
}

impl PauseKind {
    /// The word that API, documents and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Maintenance => "maintenance",
        }
    }
}

/// Healing of a service, or of all, is held back by a person for a time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pause {
    /// Which service; null for all.
    #[schema(value_type = Option<String>)]
    pub service: Option<ServiceName>,
    /// What for.
    pub kind: PauseKind,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when; it always has an end.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Why, in the words of whoever asked.
    pub reason: Option<String>,
}

impl Fleet {
    /// Takes an attempt that begins to act into account.
    pub(super) fn act(&mut self, at: Timestamp, recovery: &Recovery) {
        let hour_ago = at - REMEMBERED;
        self.actions.retain(|acted| acted.at > hour_ago);
        self.actions.push_back(Acted { at, service: recovery.service.clone() });
    }

    /// An attempt turned out never to have reached the platform.
    pub(super) fn take_back(&mut self, recovery: &Recovery) {
        // No service has two attempts at once, so it is the last one of the service.
        let last = self.actions.iter().rposition(|acted| acted.service == recovery.service);
        last.and_then(|place| self.actions.remove(place));
    }

    pub(super) fn reset(&mut self, guard: Guard) {
        if guard == Guard::OwnNetwork {
            self.isolation = None;
        } else if guard == Guard::Storm {
            self.storm = None;
        } else if guard == Guard::Budget {
            self.tripped = None;
            self.actions.clear();
        }
    }

    /// Actions after `since`, oldest first.
    pub fn actions_after(&self, since: Timestamp) -> impl Iterator<Item = &Acted> {
        self.actions.iter().filter(move |acted| acted.at > since)
    }

    /// When each service was last acted upon after `since`.
    pub fn acted_upon_after(&self, since: Timestamp) -> BTreeMap<&ServiceName, Timestamp> {
        self.actions_after(since).map(|acted| (&acted.service, acted.at)).collect()
    }
}

/// The pause that holds now, of all services or of this one; the one that lasts longer.
pub fn pause_in_force<'a>(
    all: Option<&'a Pause>,
    one: Option<&'a Pause>,
    now: Timestamp,
) -> Option<&'a Pause> {
    all.into_iter().chain(one).filter(|pause| now < pause.until).max_by_key(|pause| pause.until)
}
