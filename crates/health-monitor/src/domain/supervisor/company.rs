//! What concerns all services together: our own network, storms, the budget, and the will of a person.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::ServiceName;

use super::super::fact::Fact;
use super::super::fleet::{Pause, PauseKind, Storm};
use super::super::guard::Refusal;
use super::super::health::HealthState;
use super::super::network::{Isolation, PASSES, QUORUM, Verdict, Witness, judge};
use super::super::reading::Status;
use super::{Answer, Decided, Resettable, Supervisor, Work};

/// Pause between two rounds of questions while our own network is gone.
const CONSULT_EVERY: Duration = Duration::from_secs(5);
/// What the witnesses said is believed this long, so that many failures at once ask once.
const BELIEVED: Duration = Duration::from_secs(1);
/// Questions that were not answered after this long were lost.
const LOST: Duration = Duration::from_secs(10);
/// Peers that are asked at most.
const PEERS: usize = 3;

/// The questions to the witnesses of our own network. In memory only: they are asked anew after a restart.
#[derive(Debug, Default)]
pub(super) struct Consultation {
    asked_at: Option<Timestamp>,
    heard_at: Option<Timestamp>,
    /// Favourable verdicts in a row while the network is held for gone.
    passes: u32,
    pub(super) witnesses: Arc<Vec<Witness>>,
}

impl Supervisor {
    /// Whether a failure of this service may be our own network's.
    pub(super) fn needs_witnesses(&self, service: usize) -> bool {
        self.policy.fleet.guards_own_network && !self.policy_of(service).is_local()
    }

    /// Services on other hosts that can bear witness: those that were last seen to answer come first.
    pub(super) fn peers(&self, failing: usize) -> Vec<ServiceName> {
        let wanted = QUORUM.saturating_sub(self.policy.fleet.sentinels).clamp(1, PEERS);
        let answers = |place: usize| {
            let reading = self.latest[place].reading.as_ref();
            reading.is_some_and(|reading| reading.status != Status::Unreachable)
        };
        let mut hosts = vec![self.policy_of(failing).host()];
        let mut peers = Vec::new();
        for is_answering in [true, false] {
            for (place, policy) in self.policy.services.iter().enumerate() {
                if peers.len() == wanted {
                    return peers;
                }
                let host = policy.host();
                if answers(place) == is_answering && policy.bears_witness() && !hosts.contains(&host) {
                    hosts.push(host);
                    peers.push(policy.name.clone());
                }
            }
        }
        peers
    }

    /// Asks the witnesses at the first sign that a service cannot be reached, unless they were just asked.
    pub(super) fn consult(&mut self, service: usize, now: Timestamp, decided: &mut Decided) {
        let is_asking = self.consultation.asked_at.is_some_and(|at| now < at + LOST);
        let is_fresh = self.consultation.heard_at.is_some_and(|at| now < at + BELIEVED);
        if self.needs_witnesses(service) && !is_asking && !is_fresh {
            self.consultation.asked_at = Some(now);
            decided.work.push(Work::Consult { peers: self.peers(service) });
        }
    }

    /// The witnesses have answered. When there is none to ask, nothing is held for gone any longer than with any.
    pub(super) fn consulted(&mut self, witnesses: Vec<Witness>, now: Timestamp, decided: &mut Decided) {
        self.consultation.asked_at = None;
        self.consultation.heard_at = Some(now);
        let verdict = judge(&witnesses);
        match (self.state.fleet.isolation.clone(), verdict) {
            (None, Verdict::Isolated) => {
                self.consultation.passes = 0;
                let isolation = Isolation { since: now, ended_at: None, witnesses: witnesses.clone() };
                self.rollups.blinded(now);
                self.record(Fact::OwnNetwork(isolation), now, decided);
            }
            (Some(_), Verdict::Isolated) => self.consultation.passes = 0,
            (Some(isolation), Verdict::Connected | Verdict::Undecided) => {
                self.consultation.passes += 1;
                if self.consultation.passes >= PASSES {
                    let ended = Isolation { ended_at: Some(now), witnesses: witnesses.clone(), ..isolation };
                    self.rollups.blinded(now);
                    self.record(Fact::OwnNetwork(ended), now, decided);
                }
            }
            (None, Verdict::Connected | Verdict::Undecided) => {}
        }
        self.consultation.witnesses = Arc::new(witnesses);
    }

    /// Whether so many services went down together that one cause is likely.
    pub(super) fn watch_for_storm(&mut self, now: Timestamp, decided: &mut Decided) {
        let limits = &self.policy.fleet;
        if self.state.fleet.storm.is_some() || !limits.guards_storm {
            return;
        }
        let (down, eligible) = (self.census.down_after(now - limits.storm_within), self.census.eligible());
        if limits.is_storm(down, eligible) {
            self.calm_since = None;
            let storm = Storm { since: now, ended_at: None, down, eligible };
            self.record(Fact::Storm(storm), now, decided);
        }
    }

    fn watch_for_calm(&mut self, now: Timestamp, decided: &mut Decided) {
        let Some(storm) = self.state.fleet.storm.clone() else {
            // A person may have ended it.
            self.calm_since = None;
            return;
        };
        let limits = &self.policy.fleet;
        let is_calm = !limits.is_storm(self.census.down(), self.census.eligible());
        let since = if is_calm { Some(self.calm_since.unwrap_or(now)) } else { None };
        self.calm_since = since;
        if since.is_some_and(|since| now >= since + limits.storm_cool_down) {
            self.calm_since = None;
            self.record(Fact::Storm(Storm { ended_at: Some(now), ..storm }), now, decided);
        }
    }

    /// Records that the budget is spent, once.
    pub(super) fn trip(&mut self, refusal: &Refusal, now: Timestamp, decided: &mut Decided) {
        if let Some(tripped) = refusal.trips.clone().filter(|_| self.state.fleet.tripped.is_none()) {
            self.record(Fact::BudgetTripped(tripped), now, decided);
        }
    }

    /// After whatever has happened: what time decides about all, and those who waited for others.
    pub(super) fn settle_all(&mut self, now: Timestamp, decided: &mut Decided) {
        self.watch_for_calm(now, decided);
        if self.state.fleet.isolation.is_some() && self.next_consultation().is_some_and(|at| now >= at) {
            self.consultation.asked_at = Some(now);
            self.consultation.heard_at = None;
            decided.work.push(Work::Consult { peers: self.peers(0) });
        }
        self.settle_waiting(now, decided);
    }

    /// Those who waited for what has just happened. Nobody else is looked at: in a large trouble most services wait,
    /// and something happens all the time.
    fn settle_waiting(&mut self, now: Timestamp, decided: &mut Decided) {
        let has_freed_a_turn = std::mem::take(&mut self.has_freed_a_turn);
        if decided.facts.iter().any(frees_everybody) {
            for service in self.waiting() {
                self.settle(service, now, decided);
            }
            return;
        }
        let up: Vec<usize> = decided.facts.iter().filter_map(|fact| self.needed_that_is_up(fact)).collect();
        if !up.is_empty() {
            let is_freed = |place: &usize| self.policy.dependencies.of(*place).iter().any(|n| up.contains(n));
            for service in self.waiting().into_iter().filter(is_freed).collect::<Vec<_>>() {
                self.settle(service, now, decided);
            }
        }
        if has_freed_a_turn {
            for service in self.waiting() {
                // The end of a recovery that has taken the turn comes, and with it the turn of the rest.
                if self.is_every_turn_taken() {
                    break;
                }
                self.settle(service, now, decided);
            }
        }
    }

    /// Services that wait for others; what most others need comes first.
    fn waiting(&self) -> Vec<usize> {
        let mut waiting: Vec<usize> = self.census.waiting().iter().copied().collect();
        waiting.sort_by_key(|place| (std::cmp::Reverse(self.policy.dependencies.needed_by(*place)), *place));
        waiting
    }

    fn is_every_turn_taken(&self) -> bool {
        let turns = if self.state.fleet.storm.is_some() { 1 } else { self.policy.fleet.max_concurrent };
        self.census.recovering() >= turns
    }

    /// A service that others need, and that this fact shows to be up or no longer recovered.
    fn needed_that_is_up(&self, fact: &Fact) -> Option<usize> {
        let is_up = match fact {
            Fact::Recovery(recovery) => recovery.outcome.is_some(),
            Fact::ServicePass { health, .. } => health.state == HealthState::Healthy,
            Fact::MonitorStarted { .. }
            | Fact::ServiceError(_)
            | Fact::CheckRollup(_)
            | Fact::RequestKeyed(_)
            | Fact::InstanceSeen { .. }
            | Fact::Incident(_)
            | Fact::Evidence(_)
            | Fact::ServiceStable { .. }
            | Fact::Reconfigured(_)
            | Fact::ServiceWatched { .. }
            | Fact::OwnNetwork(_)
            | Fact::Storm(_)
            | Fact::BudgetTripped(_)
            | Fact::Flapping { .. }
            | Fact::OperatorStop { .. }
            | Fact::Intent { .. }
            | Fact::Pause(_)
            | Fact::Resumed { .. }
            | Fact::GuardReset { .. }
            | Fact::Alarm(_)
            | Fact::Notification(_) => false,
        };
        let place = fact.service().filter(|_| is_up).and_then(|name| self.index.get(name)).copied()?;
        (self.policy.dependencies.needed_by(place) > 0).then_some(place)
    }

    fn next_consultation(&self) -> Option<Timestamp> {
        self.state.fleet.isolation.as_ref()?;
        let asked = self.consultation.asked_at.map(|at| at + LOST);
        let heard = self.consultation.heard_at.map(|at| at + CONSULT_EVERY);
        Some(asked.or(heard).unwrap_or_default())
    }

    /// When time decides something about all services.
    pub(super) fn wakeup_of_all(&self) -> Option<Timestamp> {
        let calm = self.calm_since.map(|since| since + self.policy.fleet.storm_cool_down);
        self.next_consultation().into_iter().chain(calm).min()
    }

    pub(super) fn pause(
        &mut self,
        service: Option<usize>,
        kind: PauseKind,
        reason: Option<String>,
        until: Timestamp,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let service = service.map(|place| self.policy_of(place).name.clone());
        self.record(Fact::Pause(Pause { service, kind, since: now, until, reason }), now, decided);
        decided.answer = Some(Answer::Done);
    }

    pub(super) fn resume(&mut self, service: Option<usize>, now: Timestamp, decided: &mut Decided) {
        let service = service.map(|place| self.policy_of(place).name.clone());
        self.record(Fact::Resumed { service }, now, decided);
        decided.answer = Some(Answer::Done);
    }

    pub(super) fn reset(
        &mut self,
        service: Option<usize>,
        guard: Resettable,
        reason: Option<String>,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        if let Some(place) = service.filter(|_| guard == Resettable::Flapping) {
            self.watches[place].results = super::Results::default();
        }
        let service = service.map(|place| self.policy_of(place).name.clone());
        self.record(Fact::GuardReset { guard: guard.guard(), service, reason }, now, decided);
        decided.answer = Some(Answer::Done);
    }
}

/// Whether a fact may be what everybody waited for who is held back by a guard of all.
fn frees_everybody(fact: &Fact) -> bool {
    match fact {
        Fact::OwnNetwork(isolation) => isolation.ended_at.is_some(),
        Fact::Storm(storm) => storm.ended_at.is_some(),
        Fact::Resumed { .. } | Fact::GuardReset { .. } | Fact::Reconfigured(_) => true,
        Fact::MonitorStarted { .. }
        | Fact::ServiceError(_)
        | Fact::CheckRollup(_)
        | Fact::ServicePass { .. }
        | Fact::RequestKeyed(_)
        | Fact::InstanceSeen { .. }
        | Fact::Incident(_)
        | Fact::Recovery(_)
        | Fact::Evidence(_)
        | Fact::ServiceStable { .. }
        | Fact::ServiceWatched { .. }
        | Fact::BudgetTripped(_)
        | Fact::Flapping { .. }
        | Fact::OperatorStop { .. }
        | Fact::Intent { .. }
        | Fact::Pause(_)
        | Fact::Alarm(_)
        | Fact::Notification(_) => false,
    }
}
