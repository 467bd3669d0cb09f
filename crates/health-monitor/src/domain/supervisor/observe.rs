//! Readings become health, and health opens and ends incidents.

use std::sync::Arc;

use shared::clock::Timestamp;

use super::super::fact::{Fact, ServiceError};
use super::super::flapping::Flapping;
use super::super::fleet::{PauseKind, pause_in_force};
use super::super::guard::unmet;
use super::super::health::{Health, HealthState};
use super::super::incident::{Cause, Incident};
use super::super::reading::{Answer, Class, Measured, Reading, Status};
use super::super::recovery::{Phase, Recovery};
use super::super::state::Service;
use super::{Decided, Supervisor};

impl Supervisor {
    /// A scheduled probe: its place is free for others, and it counts.
    pub(super) fn probed(
        &mut self,
        service: usize,
        measured: &Measured,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let started = self.schedule.finished(service, now);
        self.start(started, now, decided);
        // A probe that began earlier asked what is no longer watched under this name.
        let is_about_it = measured.started_at >= self.watches[service].probed_anew_since;
        if is_about_it {
            let reading = self.seen(service, measured, now, decided);
            self.count(service, &reading, now, decided);
        }
        if self.schedule.take_hint(service) {
            self.hinted(service, now);
        }
    }

    /// Something may have happened: the probe of the service comes now. While it fails already, the pace of its probes
    /// stays as it is: its failures would otherwise add up within a second, and leave it no time to come back by
    /// itself. While an action is verified, failures do not count, and a start is the very thing that is waited for.
    pub(super) fn hinted(&mut self, service: usize, now: Timestamp) {
        self.look_for_intent_soon(service, now);
        let state = self.service(service);
        if state.health.failures == 0 || state.recovery.is_some() {
            self.schedule.hint(service, now);
        }
    }

    /// A probe on demand updates what is shown, and nothing else.
    pub(super) fn checked(&mut self, service: usize, measured: &Measured) {
        let heard = self.heard(service, measured.finished_at);
        let measured = heard.as_ref().unwrap_or(measured);
        let resolver_works = self.resolver_works(service, measured);
        self.show(service, measured, resolver_works);
    }

    /// A probe of our own: shown, and remembered as evidence about our resolver.
    pub(super) fn seen(
        &mut self,
        service: usize,
        measured: &Measured,
        now: Timestamp,
        decided: &mut Decided,
    ) -> Arc<Reading> {
        let heard = self.heard(service, now);
        let measured = heard.as_ref().unwrap_or(measured);
        match measured.answer {
            Answer::ResolverFailed(_) => {
                self.watches[service].unresolved_since.get_or_insert(now);
            }
            Answer::OwnFault(_) | Answer::ConnectTimeout => {}
            Answer::Status(_)
            | Answer::Examined(_)
            | Answer::Serving
            | Answer::NotServing(_)
            | Answer::Containers(_)
            | Answer::NoBeat(_)
            | Answer::Misconfigured(_)
            | Answer::NoConnection(_)
            | Answer::Silent
            | Answer::UnknownName(_) => {
                self.watches[service].unresolved_since = None;
            }
        }
        let resolver_works = self.resolver_works(service, measured);
        let reading = self.show(service, measured, resolver_works);
        let counter = match reading.class {
            Class::Pass => &mut self.checks.pass,
            Class::Degraded => &mut self.checks.degraded,
            Class::Fail(_) => &mut self.checks.fail,
            Class::Error => &mut self.checks.error,
        };
        *counter += 1;
        self.roll_in(service, &reading, now, decided);
        self.runs_after_all(service, measured, &reading, now, decided);
        reading
    }

    fn show(&mut self, service: usize, measured: &Measured, resolver_works: bool) -> Arc<Reading> {
        let expected = &self.policy_of(service).expected;
        let reading = Arc::new(Reading::judge(measured, expected, resolver_works));
        let latest = self.latest.get_mut(service);
        latest.reading = Some(Arc::clone(&reading));
        latest.missed = self.schedule.missed(service);
        reading
    }

    /// Whether our resolver has found a name since it first failed to find this one. That tells a name that is
    /// gone, as a stopped container's is, from a resolver that is dead.
    fn resolver_works(&self, service: usize, measured: &Measured) -> bool {
        match (measured.name_found_at, self.watches[service].unresolved_since) {
            (Some(found), Some(since)) => found > since,
            (Some(_) | None, _) => false,
        }
    }

    /// Lets a reading change the health, unless an action makes it meaningless.
    pub(super) fn count(&mut self, service: usize, reading: &Reading, now: Timestamp, decided: &mut Decided) {
        if reading.status == Status::Unreachable {
            self.consult(service, now, decided);
            if self.state.fleet.isolation.is_some() && self.needs_witnesses(service) {
                // What we cannot see, we do not judge; the isolation says so for all at once.
                return;
            }
        }
        let state = self.service(service);
        let is_excused = reading.class.severity().is_some() && self.is_excused(service, &state, now);
        let meaning = Meaning::of(reading, state.recovery.as_ref(), is_excused);
        let after = if meaning.is_counted {
            state.health.after(reading, self.policy_of(service))
        } else {
            state.health.clone()
        };
        let name = self.policy_of(service).name.clone();
        if let (Class::Fail(severity), Some(error)) = (reading.class, reading.error.clone()) {
            let (status, is_counted, health) = (reading.status, meaning.is_counted, after.clone());
            let is_repeated = state.health.state == HealthState::Unhealthy;
            let error =
                ServiceError { service: name, status, error, severity, is_counted, is_repeated, health };
            self.record(Fact::ServiceError(error), now, decided);
        } else if reading.passes() && meaning.is_counted && is_news(&state, &after) {
            let response_time = reading.response_time().as_secs_f64();
            let (is_proof, health) = (meaning.is_proof, after.clone());
            self.record(Fact::ServicePass { service: name, response_time, is_proof, health }, now, decided);
        }
        if meaning.is_counted && reading.class != Class::Error && state.recovery.is_none() {
            self.watch_for_flapping(service, reading.passes(), now, decided);
        }
        self.open_incident(service, &after, now, decided);
        if meaning.is_counted && reading.passes() {
            self.end_incident(service, &after, now, decided);
        }
        if state.health.failures == 0 && after.failures > 0 {
            self.hasten_needs(service, now);
        }
        let interval = self.interval(service);
        self.schedule.hasten(service, now, interval);
    }

    fn open_incident(&mut self, service: usize, health: &Health, now: Timestamp, decided: &mut Decided) {
        if health.state != HealthState::Unhealthy || self.service(service).incident.is_some() {
            return;
        }
        let incident = Incident {
            incident_id: self.new_id(now),
            service: self.policy_of(service).name.clone(),
            cause: Cause::Failure,
            failed_at: health.failed_at,
            detected_at: now,
            ended_at: None,
            attempts: 0,
        };
        self.record(Fact::Incident(incident), now, decided);
        self.watch_for_storm(now, decided);
    }

    /// Whether a failure is not the fault of the service: somebody works on it, or what it needs is down.
    fn is_excused(&self, service: usize, state: &Service, now: Timestamp) -> bool {
        let pause = pause_in_force(self.state.fleet.pause.as_ref(), state.pause.as_ref(), now);
        pause.is_some_and(|pause| pause.kind == PauseKind::Maintenance)
            || unmet(&self.policy, &self.state, service, now).is_some()
    }

    /// What a failing service needs is looked at soon, so that it is not blamed for others.
    fn hasten_needs(&mut self, service: usize, now: Timestamp) {
        let policy = Arc::clone(&self.policy);
        for needed in policy.dependencies.of(service) {
            let soon = policy.services[*needed].fast_interval.min(policy.services[service].fast_interval) / 2;
            self.schedule.hasten(*needed, now, soon);
        }
    }

    fn watch_for_flapping(&mut self, service: usize, passed: bool, now: Timestamp, decided: &mut Decided) {
        let results = &mut self.watches[service].results;
        results.push(passed);
        let (results, state) = (*results, self.service(service));
        let flaps = results.flaps(state.flapping.is_some());
        if flaps != state.flapping.is_some() {
            let flapping = flaps.then(|| Flapping { since: now, percent: results.percent() });
            let service = self.policy_of(service).name.clone();
            self.record(Fact::Flapping { service, flapping }, now, decided);
        }
    }

    /// Ends the incident of a service that is healthy again without a recovery under way, which ends it itself.
    fn end_incident(&mut self, service: usize, health: &Health, now: Timestamp, decided: &mut Decided) {
        let state = self.service(service);
        if health.state != HealthState::Healthy || state.recovery.is_some() {
            return;
        }
        if let Some(incident) = &state.incident {
            let ended = Incident { ended_at: Some(now), ..incident.clone() };
            self.record(Fact::Incident(ended), now, decided);
        }
    }
}

/// What a reading means while a recovery is under way.
struct Meaning {
    /// It changes the health.
    is_counted: bool,
    /// It helps to prove the recovery.
    is_proof: bool,
}

impl Meaning {
    /// While an order is carried out nothing counts. While it is verified, a failure only starts the proof anew,
    /// and a pass belongs to the proof from the moment on from which it says something about the action.
    /// A failure that is excused never counts.
    fn of(reading: &Reading, recovery: Option<&Recovery>, is_excused: bool) -> Self {
        let Some(recovery) = recovery else { return Self { is_counted: !is_excused, is_proof: false } };
        match recovery.phase {
            Phase::Preflight => Self { is_counted: !is_excused, is_proof: false },
            Phase::Acting | Phase::Finished => Self { is_counted: false, is_proof: false },
            // What comes after a good verdict is no longer about the action.
            Phase::Concluding => Self { is_counted: recovery.is_well() && !is_excused, is_proof: false },
            Phase::Verifying => {
                let from = recovery.passes_count_from();
                let is_proof = reading.passes() && from.is_some_and(|from| reading.started_at >= from);
                Self { is_counted: reading.passes(), is_proof }
            }
        }
    }
}

/// A pass is recorded while it changes something; the many passes of a healthy service are not.
fn is_news(before: &Service, after: &Health) -> bool {
    let health = &before.health;
    health.state != after.state || after.is_unsettled() || health.failures > 0 || is_observed(before)
}

/// Whether a recovery is under way that passes say something about.
fn is_observed(service: &Service) -> bool {
    service.recovery.as_ref().is_some_and(|recovery| recovery.phase != Phase::Concluding)
}
