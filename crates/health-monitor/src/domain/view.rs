//! The immutable snapshot that the API, the metrics and the pages read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::fleet::{Pause, PauseKind, pause_in_force};
use super::guard::{self, Refusal};
use super::health::HealthState;
use super::network::Witness;
use super::notification::channel::ChannelName;
use super::pages::PagedVec;
use super::policy::{Policy, ServicePolicy};
use super::reading::Reading;
use super::recovery::{Guard, Phase};
use super::state::{Service, State};

/// What is known at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The moment.
    pub at: Timestamp,
    /// The settings.
    pub policy: Arc<Policy>,
    /// The durable state.
    pub state: State,
    /// What was last seen of each service since the start of the process, in the order of the policy.
    pub latest: PagedVec<Latest>,
    /// Probes since the start of the process, by class: pass, degraded, fail, error.
    pub checks: Checks,
    /// Probes under way.
    pub in_flight: usize,
    /// What the witnesses of our own network last said.
    pub witnesses: Arc<Vec<Witness>>,
    /// Why the alerts that last could not be renewed, of channels where that is so.
    pub unrenewed: Arc<BTreeMap<ChannelName, String>>,
}

/// What was last seen of one service.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    /// The last reading; none before the first.
    pub reading: Option<Arc<Reading>>,
    /// Slots that came while its probe was still under way.
    pub missed: u64,
}

/// Counts of probes by class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Checks {
    /// As it should be.
    pub pass: u64,
    /// Slow.
    pub degraded: u64,
    /// Not as it should be.
    pub fail: u64,
    /// Our own fault.
    pub error: u64,
}

/// The state of a service in one word, the finest that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Not seen yet.
    Unknown,
    /// Passes its probes.
    Healthy,
    /// Fails, not often enough to act; or passes again, not often enough to trust.
    Suspect,
    /// Fails.
    Unhealthy,
    /// Is being acted upon.
    Recovering,
    /// Was acted upon, and has yet to prove that it is well.
    Verifying,
    /// Fails, and was acted upon too often.
    Quarantined,
    /// Changes between passing and failing.
    Flapping,
    /// Fails, and what it needs is down.
    Blocked,
    /// Fails, and a person wants nothing done.
    Paused,
    /// A person works on it.
    Maintenance,
}

impl ServiceState {
    /// The word that API and documents use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::Unhealthy => "unhealthy",
            Self::Recovering => "recovering",
            Self::Verifying => "verifying",
            Self::Quarantined => "quarantined",
            Self::Flapping => "flapping",
            Self::Blocked => "blocked",
            Self::Paused => "paused",
            Self::Maintenance => "maintenance",
        }
    }
}

/// One service in a view.
#[derive(Clone, Copy)]
pub struct Watched<'a> {
    /// Its settings.
    pub policy: &'a ServicePolicy,
    /// Its durable state; none when no fact has spoken of it.
    pub service: Option<&'a Arc<Service>>,
    /// What was last seen of it.
    pub latest: &'a Latest,
    /// What holds its healing back by the will of a person.
    pub pause: Option<&'a Pause>,
    place: usize,
    view: &'a View,
}

impl View {
    /// Every service, in the order of the policy.
    pub fn services(&self) -> impl Iterator<Item = Watched<'_>> {
        (0..self.policy.services.len()).map(|place| self.watched(place))
    }

    /// The service at this place of the policy.
    pub fn watched(&self, place: usize) -> Watched<'_> {
        let (policy, latest) = (&self.policy.services[place], &self.latest[place]);
        let service = self.state.service(&policy.name);
        let (all, one) = (self.state.fleet.pause.as_ref(), service.and_then(|one| one.pause.as_ref()));
        Watched { policy, service, latest, pause: pause_in_force(all, one, self.at), place, view: self }
    }

    /// One service by its name.
    pub fn service(&self, name: &str) -> Option<Watched<'_>> {
        self.services().find(|watched| watched.policy.name.as_str() == name)
    }
}

impl Watched<'_> {
    /// The state of the service in one word, the finest that is known.
    pub fn state(&self) -> ServiceState {
        let Some(service) = self.service else {
            return ServiceState::Unknown;
        };
        match service.recovery.as_ref().map(|recovery| recovery.phase) {
            Some(Phase::Preflight | Phase::Acting | Phase::Concluding) => ServiceState::Recovering,
            Some(Phase::Verifying) => ServiceState::Verifying,
            Some(Phase::Finished) | None => self.state_at_rest(service),
        }
    }

    fn state_at_rest(&self, service: &Service) -> ServiceState {
        let guard = self.held().map(|refusal| refusal.guard);
        let is_unhealthy = service.health.state == HealthState::Unhealthy;
        match self.pause.map(|pause| pause.kind) {
            Some(PauseKind::Maintenance) => ServiceState::Maintenance,
            _ if service.flapping.is_some() => ServiceState::Flapping,
            _ if is_unhealthy && service.attempts.quarantined_at.is_some() => ServiceState::Quarantined,
            _ if guard == Some(Guard::Dependency) => ServiceState::Blocked,
            Some(PauseKind::Pause) if is_unhealthy => ServiceState::Paused,
            Some(PauseKind::Pause) | None => service.health.state.into(),
        }
    }

    /// Why nothing is being done about a service that fails: what was refused, or what keeps its failures from being
    /// counted, so that nothing was to be refused.
    pub fn held(&self) -> Option<Refusal> {
        let refused = self.service.and_then(|service| service.refusal.as_ref());
        let refused = refused.and_then(|refusal| {
            let reason = refusal.reason.clone().unwrap_or_default();
            let (guard, inputs) = (refusal.guard?, refusal.guard_inputs.clone());
            Some(Refusal { guard, reason, inputs, until: refusal.not_before, trips: None })
        });
        let is_failing = self.latest.reading.as_ref().is_some_and(|reading| !reading.passes());
        refused.or_else(|| self.uncounted().filter(|_| is_failing))
    }

    fn uncounted(&self) -> Option<Refusal> {
        let View { policy, state, at, .. } = self.view;
        let is_guarded = policy.fleet.guards_own_network && !self.policy.is_local();
        let isolation = state.fleet.isolation.as_ref().filter(|_| is_guarded);
        let maintenance = self.pause.filter(|pause| pause.kind == PauseKind::Maintenance);
        let dependency = || guard::unmet(policy, state, self.place, *at).map(|unmet| unmet.refusal());
        isolation.map(guard::isolated).or_else(|| maintenance.map(guard::held)).or_else(dependency)
    }
}

impl From<HealthState> for ServiceState {
    fn from(health: HealthState) -> Self {
        match health {
            HealthState::Unknown => Self::Unknown,
            HealthState::Healthy => Self::Healthy,
            HealthState::Suspect => Self::Suspect,
            HealthState::Unhealthy => Self::Unhealthy,
        }
    }
}
