//! What replaying all facts gives. It changes in [`State::apply`] and nowhere else.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{OrderId, ServiceName};

use super::attempts::Attempts;
use super::availability::Availability;
use super::effect::Effects;
use super::errors::Errors;
use super::evidence::{self, Evidence};
use super::fact::{Fact, ServiceError};
use super::flapping::Flapping;
use super::fleet::{Fleet, Pause};
use super::health::{Health, HealthState};
use super::idempotency::Keys;
use super::incident::Incident;
use super::intent::Intended;
use super::notification::outbox::Notifications;
use super::operator_stop::OperatorStop;
use super::pages::PagedMap;
use super::recovery::{Guard, Outcome, Phase, Recovery, Trigger};
use super::totals::Totals;

/// Finished recoveries and ended incidents kept, newest last.
const HISTORY: usize = 1_000;
/// Start times kept for each service.
const START_TIMES: usize = 20;
/// Changes of its instance by others that are remembered for each service.
const FOREIGN_CHANGES: usize = 10;

/// The durable state of the daemon.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// How many facts there were, but for the minutes of checks: no identity or chance hangs on those.
    pub facts: u64,
    /// When the daemon last began to decide.
    pub started_at: Timestamp,
    /// Every service that a fact has spoken of.
    pub services: PagedMap<ServiceName, Arc<Service>>,
    /// Finished recoveries, newest last.
    pub recoveries: Arc<VecDeque<Arc<Recovery>>>,
    /// What was seen before the last actions, newest last.
    #[serde(default)]
    pub evidence: Arc<VecDeque<Arc<Evidence>>>,
    /// Ended incidents, newest last.
    pub incidents: Arc<VecDeque<Arc<Incident>>>,
    /// Counts since the first fact.
    pub totals: Totals,
    /// What concerns all services together.
    #[serde(default)]
    pub fleet: Arc<Fleet>,
    /// The keys of requests of the last day.
    #[serde(default)]
    pub keys: Arc<Keys>,
    /// Services that are no longer watched, by when they ceased to be; what is kept of them is in `services`.
    #[serde(default)]
    pub retired: Arc<VecDeque<ServiceName>>,
    /// What people are told.
    #[serde(default)]
    pub notifications: Arc<Notifications>,
}

/// The durable state of one service.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Service {
    /// Its health.
    pub health: Health,
    /// Its last errors.
    pub errors: Errors,
    /// The incident that is open.
    pub incident: Option<Incident>,
    /// The recovery under way.
    pub recovery: Option<Recovery>,
    /// Why nothing is being done: the last refusal since the last attempt.
    pub refusal: Option<Recovery>,
    /// The attempts that were made.
    pub attempts: Attempts,
    /// Identity of the instance that was last seen.
    pub instance: Option<String>,
    /// How often each action has helped lately.
    #[serde(default)]
    pub effects: Effects,
    /// How long recent starts took from acceptance to proof, in seconds.
    pub start_times: VecDeque<f64>,
    /// When its instance was seen to have been changed by somebody else, oldest first.
    #[serde(default)]
    pub foreign_changes: VecDeque<Timestamp>,
    /// It changes between passing and failing all the time.
    #[serde(default)]
    pub flapping: Option<Flapping>,
    /// Somebody else than us had containers of it stopped.
    #[serde(default)]
    pub operator_stop: Option<OperatorStop>,
    /// Somebody wants it as it is, as the platform tells while it is in trouble.
    #[serde(default)]
    pub intent: Option<Intended>,
    /// A person holds its healing back.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// How much of the time it was up.
    #[serde(default)]
    pub availability: Availability,
    /// The alarm that people have been told of it by, while it is in trouble.
    #[serde(default)]
    pub alarm: Option<OrderId>,
}

impl State {
    /// The state of a service; none when no fact has spoken of it.
    pub fn service(&self, name: &ServiceName) -> Option<&Arc<Service>> {
        self.services.get(name)
    }

    /// Changes the state by one fact.
    pub fn apply(&mut self, at: Timestamp, fact: &Fact) {
        self.facts += u64::from(!matches!(fact, Fact::CheckRollup(_)));
        match fact {
            Fact::MonitorStarted { .. } => {
                self.started_at = at;
                self.notifications_mut().begin_anew();
            }
            Fact::ServiceError(error) => self.service_mut(&error.service).record_error(at, error),
            Fact::ServicePass { service, health, is_proof, .. } => {
                self.service_mut(service).record_pass(health, *is_proof);
            }
            Fact::CheckRollup(minute) => self.service_mut(&minute.service).availability.observe(minute),
            Fact::InstanceSeen { service, instance, is_ours } => {
                self.service_mut(service).see(at, instance, *is_ours);
            }
            Fact::RequestKeyed(request) => Arc::make_mut(&mut self.keys).remember(at, request),
            Fact::Incident(incident) => self.apply_incident(incident),
            Fact::Evidence(evidence) => {
                let kept = Arc::make_mut(&mut self.evidence);
                if kept.len() == evidence::KEPT {
                    kept.pop_front();
                }
                kept.push_back(Arc::new((**evidence).clone()));
            }
            Fact::Recovery(recovery) => self.apply_recovery(at, recovery),
            Fact::ServiceStable { service } => {
                let service = self.service_mut(service);
                service.attempts = Attempts { last: service.attempts.last, ..Attempts::default() };
            }
            Fact::Flapping { service, flapping } => self.service_mut(service).flapping.clone_from(flapping),
            Fact::OperatorStop { service, stop } => {
                self.service_mut(service).operator_stop.clone_from(stop);
            }
            Fact::Intent { service, intended } => self.service_mut(service).intent.clone_from(intended),
            Fact::Reconfigured(_) => self.notifications_mut().begin_anew(),
            Fact::ServiceWatched { service, is_watched } => self.set_watched(service, *is_watched),
            Fact::OwnNetwork(isolation) => {
                self.notifications_mut().reach_again();
                self.fleet_mut().isolation = Some(isolation.clone()).filter(|one| one.ended_at.is_none());
            }
            Fact::Storm(storm) => {
                self.fleet_mut().storm = Some(storm.clone()).filter(|one| one.ended_at.is_none());
            }
            Fact::BudgetTripped(tripped) => self.fleet_mut().tripped = Some(tripped.clone()),
            Fact::Pause(pause) => self.hold(pause.service.as_ref(), Some(pause)),
            Fact::Resumed { service } => self.hold(service.as_ref(), None),
            Fact::GuardReset { guard, service: Some(service), .. } => self.service_mut(service).reset(*guard),
            Fact::GuardReset { guard, service: None, .. } => self.fleet_mut().reset(*guard),
            Fact::Alarm(alarm) => self.apply_alarm(alarm),
            Fact::Notification(notification) => self.notifications_mut().take(at, notification),
        }
        self.leave_alarm(fact);
    }

    fn fleet_mut(&mut self) -> &mut Fleet {
        Arc::make_mut(&mut self.fleet)
    }

    fn hold(&mut self, service: Option<&ServiceName>, pause: Option<&Pause>) {
        match service {
            Some(service) => self.service_mut(service).pause = pause.cloned(),
            None => self.fleet_mut().pause = pause.cloned(),
        }
    }

    pub(super) fn service_mut(&mut self, name: &ServiceName) -> &mut Service {
        Arc::make_mut(self.services.entry(name))
    }

    fn apply_incident(&mut self, incident: &Incident) {
        let service = self.service_mut(&incident.service);
        if incident.ended_at.is_none() {
            if service.incident.as_ref().is_none_or(|known| known.incident_id != incident.incident_id) {
                service.availability.fail(incident);
            }
            service.incident = Some(incident.clone());
        } else {
            service.availability.recover(incident);
            service.incident = None;
            service.refusal = None;
            service.intent = None;
            remember(Arc::make_mut(&mut self.incidents), Arc::new(incident.clone()));
        }
    }

    fn apply_recovery(&mut self, at: Timestamp, recovery: &Recovery) {
        let service = self.service_mut(&recovery.service);
        match recovery.phase {
            Phase::Preflight => {
                service.refusal = None;
                service.recovery = Some(recovery.clone());
            }
            Phase::Acting => {
                service.refusal = None;
                service.attempts.start(recovery);
                service.recovery = Some(recovery.clone());
                self.fleet_mut().act(at, recovery);
                self.totals.begin(recovery);
            }
            Phase::Verifying | Phase::Concluding => service.recovery = Some(recovery.clone()),
            Phase::Finished => {
                service.finish(at, recovery);
                if recovery.outcome == Some(Outcome::ActionFailed) && !recovery.has_acted {
                    self.fleet_mut().take_back(recovery);
                }
                self.totals.count(recovery);
                self.forget_same_refusal(recovery);
                remember(Arc::make_mut(&mut self.recoveries), Arc::new(recovery.clone()));
            }
        }
    }

    /// A refusal that is repeated takes the place of the one before, so that it does not drive the attempts out of
    /// the history.
    fn forget_same_refusal(&mut self, newest: &Recovery) {
        let is_same = |known: &Recovery| {
            known.outcome == Some(Outcome::Suppressed)
                && known.guard == newest.guard
                && known.trigger == newest.trigger
                && (known.incident_id == newest.incident_id
                    || known.service == newest.service && known.stands_alone() && newest.stands_alone())
        };
        if newest.outcome == Some(Outcome::Suppressed) {
            let history = Arc::make_mut(&mut self.recoveries);
            if let Some(place) = history.iter().rposition(|known| is_same(known)) {
                history.remove(place);
            }
        }
    }
}

impl Service {
    /// Whether it is down, about to be, or not yet proven to be up again.
    pub fn is_in_trouble(&self) -> bool {
        match self.health.state {
            HealthState::Suspect | HealthState::Unhealthy => true,
            HealthState::Unknown | HealthState::Healthy => self.recovery.is_some(),
        }
    }

    fn see(&mut self, at: Timestamp, instance: &str, is_ours: bool) {
        // The first instance that is ever seen has taken nobody's place.
        if self.instance.is_some() && !is_ours {
            if self.foreign_changes.len() == FOREIGN_CHANGES {
                self.foreign_changes.pop_front();
            }
            self.foreign_changes.push_back(at);
        }
        self.instance = Some(instance.to_owned());
    }

    fn reset(&mut self, guard: Guard) {
        if guard == Guard::Quarantine {
            self.attempts = Attempts { last: self.attempts.last, ..Attempts::default() };
            self.refusal.take_if(|refusal| refusal.guard == Some(Guard::CoolDown));
        } else if guard == Guard::Flapping {
            self.flapping = None;
        } else if guard == Guard::Churn {
            self.foreign_changes.clear();
        }
        self.refusal.take_if(|refusal| refusal.guard == Some(guard));
    }

    fn record_pass(&mut self, health: &Health, is_proof: bool) {
        self.health = health.clone();
        if let Some(recovery) = self.recovery.as_mut().filter(|_| is_proof) {
            recovery.passes += 1;
        }
    }

    fn record_error(&mut self, at: Timestamp, error: &ServiceError) {
        self.health = error.health.clone();
        if let Some(recovery) = &mut self.recovery {
            recovery.passes = 0;
        }
        self.errors.push(at, &error.error, error.status);
    }

    /// What the end of an attempt says about the ladder: a refusal, a step that nobody knows the end of, and a service
    /// that came back by itself say nothing.
    fn climb(&mut self, at: Timestamp, recovery: &Recovery) {
        let (has_ended, has_helped) = match recovery.verdict.or(recovery.outcome) {
            // What had helped is gone again.
            Some(Outcome::Recovered) if recovery.outcome == Some(Outcome::Superseded) => (false, false),
            Some(Outcome::Recovered) => (true, true),
            Some(Outcome::NotRecovered | Outcome::ActionFailed) => (true, false),
            Some(
                Outcome::SelfRecovered | Outcome::Suppressed | Outcome::Superseded | Outcome::UnknownOutcome,
            )
            | None => (false, false),
        };
        if !has_ended {
            return;
        }
        // Records of versions without a ladder count no step.
        self.attempts.position.tried(recovery.step.saturating_sub(1), !has_helped);
        if recovery.has_acted {
            self.effects.record(recovery.action, at, has_helped);
        }
    }

    fn finish(&mut self, at: Timestamp, recovery: &Recovery) {
        let under_way = self.recovery.take_if(|under_way| under_way.recovery_id == recovery.recovery_id);
        self.climb(at, recovery);
        self.attempts.not_before = self.attempts.not_before.max(recovery.rests_until());
        match recovery.verdict.or(recovery.outcome) {
            // A request that was refused changes nothing about what the daemon does by itself.
            Some(Outcome::Suppressed) if recovery.trigger == Trigger::Manual => {}
            Some(Outcome::Suppressed | Outcome::Superseded) => {
                if recovery.guard == Some(Guard::Quarantine) {
                    self.attempts.quarantined_at.get_or_insert(at);
                }
                self.refusal = Some(recovery.clone());
            }
            // An attempt that did not reach the platform backs off and does not count towards quarantine.
            Some(Outcome::ActionFailed) if !recovery.has_acted => {
                match under_way.map(|under_way| under_way.phase) {
                    Some(Phase::Acting) => drop(self.attempts.started.pop_back()),
                    Some(Phase::Preflight | Phase::Verifying | Phase::Concluding | Phase::Finished)
                    | None => {
                        self.attempts.consecutive += 1;
                    }
                }
                self.attempts.not_before = recovery.not_before;
            }
            Some(Outcome::Recovered) => {
                if let (Some(accepted), Some(verified)) = (recovery.accepted_at, recovery.verified_at) {
                    if self.start_times.len() == START_TIMES {
                        self.start_times.pop_front();
                    }
                    self.start_times.push_back(verified.since(accepted).as_secs_f64());
                }
            }
            // Failures were not counted while it was verified.
            Some(Outcome::NotRecovered) if self.health.passes == 0 => {
                self.health.state = HealthState::Unhealthy;
                self.health.since = at;
            }
            Some(
                Outcome::NotRecovered
                | Outcome::ActionFailed
                | Outcome::SelfRecovered
                | Outcome::UnknownOutcome,
            )
            | None => {}
        }
    }
}

fn remember<T>(history: &mut VecDeque<T>, newest: T) {
    if history.len() == HISTORY {
        history.pop_front();
    }
    history.push_back(newest);
}
