//! Proof: an accepted action is not a recovery; a new instance that passes its probes is.

use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::{Backend, FileChange, Observed, OrderId, Performed, Unreachable};

use super::super::fact::Fact;
use super::super::health::HealthState;
use super::super::recovery::{Outcome, Phase, Recovery};
use super::super::state::Service;
use super::conclude::Look;
use super::heal::held_until;
use super::{Decided, Supervisor, Work};

/// Pause between two questions to the platform for the instance, while it has not changed.
const INSPECT_EVERY: Duration = Duration::from_secs(1);
/// Where that pause ends that grows.
const INSPECT_SELDOM: Duration = Duration::from_secs(10);
/// A phase whose result never came is given up after this many times its limit, and a minute. Containers of one
/// service are restarted in turn, each within the limit.
const LOST_AFTER: u32 = 10;
/// Share of the observed start times that the verification waits for, and by what factor.
const START_TIME_QUANTILE: f64 = 0.95;
const START_TIME_FACTOR: f64 = 2.0;
/// The verification is never longer than this many times what is set: a start that was watched across an
/// interruption of the daemon seems to have taken hours.
const LONGEST: u32 = 5;

impl Supervisor {
    /// The platform has answered.
    pub(super) fn performed(
        &mut self,
        service: usize,
        recovery_id: OrderId,
        (performed, change): (Performed, Option<FileChange>),
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let Some(recovery) = self.under_way(service, recovery_id, Phase::Acting) else { return };
        let recovery = Recovery { change, ..recovery };
        self.watches[service].look = None;
        match performed {
            Performed::Accepted => {
                self.started_by_us(service, &recovery, now, decided);
                let accepted = Recovery { accepted_at: Some(now), ..recovery };
                self.start_verifying(service, accepted, now, now, decided);
            }
            Performed::AcceptedAs { how } => {
                self.started_by_us(service, &recovery, now, decided);
                let reason = Some(joined(&recovery, &how));
                let accepted = Recovery { accepted_at: Some(now), reason, ..recovery };
                self.start_verifying(service, accepted, now, now, decided);
            }
            Performed::Unknown { reason } if recovery.action.keeps_previous() => {
                self.look(service, &recovery, reason, now, decided);
            }
            Performed::Unknown { reason } => {
                let uncertain = Recovery { reason: Some(joined(&recovery, &reason)), ..recovery };
                self.start_verifying(service, uncertain, now, now, decided);
            }
            Performed::NotRun { reason } => {
                let refused = Recovery { has_acted: false, ..recovery };
                self.finish(refused, Outcome::ActionFailed, &reason, now, decided);
            }
            Performed::Superseded { reason } => {
                self.finish(recovery, Outcome::Superseded, &reason, now, decided);
            }
            Performed::Failed { reason } => {
                self.conclude(service, recovery, Outcome::ActionFailed, &reason, now, decided)
            }
        }
    }

    /// When a phase that waits for a result is given up.
    fn lost_at(&self, service: usize, recovery: &Recovery) -> Timestamp {
        let policy = self.policy_of(service);
        let limit = if recovery.phase == Phase::Preflight { policy.timeout } else { policy.order_limit };
        recovery.started_at + limit * LOST_AFTER + Duration::from_secs(60)
    }

    /// After how long an order to discard or put back is taken for lost.
    pub(super) fn lost_after(&self, service: usize) -> Duration {
        self.policy_of(service).order_limit * LOST_AFTER + Duration::from_secs(60)
    }

    /// Verifies for the usual time, at least until the given moment.
    pub(super) fn start_verifying(
        &mut self,
        service: usize,
        recovery: Recovery,
        at_least_until: Timestamp,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let verify_until = Some(at_least_until.max(now) + self.verification(service, recovery.step));
        let verifying = Recovery { phase: Phase::Verifying, verify_until, ..recovery };
        (self.watches[service].inspected_at, self.watches[service].detail) = (None, None);
        self.record(Fact::Recovery(Box::new(verifying)), now, decided);
        let interval = self.interval(service);
        self.schedule.hasten(service, now, interval);
    }

    /// How long the proof may take: what is set, or twice what most starts have taken.
    fn verification(&self, service: usize, step: usize) -> Duration {
        let mut times: Vec<f64> = self.service(service).start_times.iter().copied().collect();
        times.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rank = (times.len().saturating_sub(1) as f64 * START_TIME_QUANTILE).ceil() as usize;
        let slow =
            times.get(rank).map_or(Duration::ZERO, |p95| Duration::from_secs_f64(p95 * START_TIME_FACTOR));
        let policy = self.policy_of(service);
        let step = policy.steps.get(step.saturating_sub(1)).and_then(|step| step.within);
        let set = step.unwrap_or(policy.verification_timeout);
        slow.clamp(set, set * LONGEST)
    }

    /// The platform tells which instance there is.
    pub(super) fn inspected(
        &mut self,
        service: usize,
        recovery_id: OrderId,
        observed: Result<Observed, Unreachable>,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        self.watches[service].inspected_at = Some(now);
        let Some(recovery) = self.under_way(service, recovery_id, Phase::Verifying) else { return };
        // An instance that cannot be seen is asked for again until the verification ends.
        let Ok(observed) = observed else { return };
        self.watches[service].detail.clone_from(&observed.detail);
        let is_another = observed.identity.is_some() && observed.identity != recovery.instance_before;
        if is_another && recovery.instance_changed_at.is_none() {
            self.see_instance(service, &observed, true, now, decided);
        }
        if is_another && !observed.in_transition && recovery.instance_changed_at.is_none() {
            let changed =
                Recovery { instance_changed_at: Some(now), instance_after: observed.identity, ..recovery };
            self.record(Fact::Recovery(Box::new(changed)), now, decided);
        }
    }

    /// Ends a verification that has its proof or its time, and keeps asking for the instance until then.
    pub(super) fn verify(&mut self, service: usize, now: Timestamp, decided: &mut Decided) {
        let state = self.service(service);
        let Some(recovery) = state.recovery.clone() else { return };
        match recovery.phase {
            Phase::Verifying => {}
            Phase::Concluding => {
                if recovery.conclude_at.is_some_and(|at| now >= at) {
                    self.give_conclusion(service, recovery, now, decided);
                }
                return;
            }
            Phase::Acting if self.watches[service].look.is_some() => {
                return self.look_on(service, recovery, now, decided);
            }
            Phase::Preflight | Phase::Acting | Phase::Finished => {
                if now < self.lost_at(service, &recovery) {
                    return;
                }
                let reason = "no result ever came";
                if recovery.phase == Phase::Acting && recovery.action.keeps_previous() {
                    return self.look(service, &recovery, reason.to_owned(), now, decided);
                }
                return self.finish(recovery, Outcome::UnknownOutcome, reason, now, decided);
            }
        }
        let is_proven = recovery.passes >= self.policy_of(service).rise;
        let is_over = recovery.verify_until.is_some_and(|until| now >= until);
        if is_proven {
            self.prove(service, recovery, now, decided);
        } else if is_over {
            let (outcome, reason) = without_proof(&recovery, state.health.passes > 0);
            let seen = self.watches[service].detail.take().filter(|_| recovery.instance_changed_at.is_none());
            let reason =
                seen.map_or_else(|| reason.to_owned(), |seen| format!("{reason}; last seen: {seen}"));
            self.conclude(service, recovery, outcome, &reason, now, decided);
        } else if recovery.tells_instances
            && recovery.instance_changed_at.is_none()
            && self.inspect_due(service, &recovery).is_none_or(|due| now >= due)
        {
            self.watches[service].inspected_at = Some(now);
            let (service, recovery_id) = (recovery.service, recovery.recovery_id);
            decided.work.push(Work::Inspect { service, recovery_id });
        }
    }

    /// When the platform is asked again for the instance; none for at once. An API server serves many others, and is
    /// asked the more seldom the longer it takes.
    fn inspect_due(&self, service: usize, recovery: &Recovery) -> Option<Timestamp> {
        let at = self.watches[service].inspected_at?;
        let pause = match recovery.target.backend {
            Backend::Kubernetes => (at.since(recovery.started_at) / 10).clamp(INSPECT_EVERY, INSPECT_SELDOM),
            Backend::Docker | Backend::Webhook | Backend::Command | Backend::None => INSPECT_EVERY,
        };
        Some(at + pause)
    }

    fn prove(&mut self, service: usize, recovery: Recovery, now: Timestamp, decided: &mut Decided) {
        let is_known = recovery.accepted_at.is_some() || recovery.instance_changed_at.is_some();
        if is_known {
            let proven = Recovery {
                verified_at: Some(now),
                time_to_recover_seconds: recovery
                    .failed_at
                    .map(|failed_at| now.since(failed_at).as_secs_f64()),
                ..recovery
            };
            self.conclude(service, proven, Outcome::Recovered, "the service passes its probes", now, decided);
        } else {
            let reason = "the service passes its probes; whether the action did it is not known";
            let proven = Recovery { verified_at: Some(now), ..recovery };
            self.conclude(service, proven, Outcome::SelfRecovered, reason, now, decided);
        }
    }

    /// What was under way when the daemon was interrupted: never repeated, settled by looking at reality.
    pub(super) fn interrupted(&mut self, service: usize, now: Timestamp, decided: &mut Decided) {
        let Some(recovery) = self.service(service).recovery.clone() else { return };
        match recovery.phase {
            Phase::Preflight => {
                let reason = "the monitor was interrupted before it acted";
                self.finish(recovery, Outcome::Superseded, reason, now, decided);
            }
            Phase::Acting if recovery.action.keeps_previous() => {
                self.interrupted_midway(service, recovery, now, decided);
            }
            Phase::Concluding => self.interrupted_midway(service, recovery, now, decided),
            Phase::Acting => {
                // The platform, or a command that outlived us, may go on with the order until its limit.
                let limit = recovery.started_at + self.policy_of(service).order_limit;
                let reason = joined(&recovery, "the monitor was interrupted while acting");
                let recovery = Recovery { reason: Some(reason), ..recovery };
                self.start_verifying(service, recovery, limit, now, decided);
            }
            Phase::Verifying => {
                let until =
                    recovery.verify_until.unwrap_or(now).min(now + self.policy_of(service).order_limit);
                self.start_verifying(service, recovery, until, now, decided);
            }
            Phase::Finished => {}
        }
    }

    /// Forgets attempts and back-off once the service has been healthy for long enough.
    pub(super) fn stabilise(&mut self, service: usize, now: Timestamp, decided: &mut Decided) {
        let state = self.service(service);
        if stable_at(&state, self.policy_of(service).stable_for).is_some_and(|at| now >= at) {
            let service = self.policy_of(service).name.clone();
            self.record(Fact::ServiceStable { service }, now, decided);
        }
    }

    /// The next moment at which time alone decides something about the service.
    pub(super) fn deadline(&self, service: usize, now: Timestamp) -> Option<Timestamp> {
        let policy = self.policy_of(service);
        let state = self.state.service(&policy.name)?;
        let recovery = state.recovery.as_ref().and_then(|recovery| match recovery.phase {
            Phase::Preflight | Phase::Acting => {
                let look = self.watches[service].look.as_ref().map(Look::deadline);
                Some(look.unwrap_or_else(|| self.lost_at(service, recovery)))
            }
            Phase::Concluding => recovery.conclude_at,
            Phase::Verifying if recovery.tells_instances && recovery.instance_changed_at.is_none() => {
                let inspect = self.inspect_due(service, recovery).unwrap_or(now);
                recovery.verify_until.map(|until| until.min(inspect))
            }
            Phase::Verifying => recovery.verify_until,
            Phase::Finished => None,
        });
        let is_waiting = state.recovery.is_none() && state.incident.is_some();
        let hold = held_until(state).filter(|_| is_waiting);
        let stable = stable_at(state, policy.stable_for);
        let look = self.intent_due(service, now);
        recovery.into_iter().chain(look).chain(hold.filter(|until| *until > now)).chain(stable).min()
    }
}

fn stable_at(state: &Service, stable_for: Duration) -> Option<Timestamp> {
    let is_calm = state.health.state == HealthState::Healthy && state.recovery.is_none();
    let since = state.attempts.last.map_or(state.health.since, |last| last.max(state.health.since));
    (is_calm && !state.attempts.is_clear()).then_some(since + stable_for)
}

/// The end of a verification that found no proof.
fn without_proof(recovery: &Recovery, is_passing_now: bool) -> (Outcome, &'static str) {
    let has_changed = recovery.instance_changed_at.is_some();
    let is_certain = has_changed || (recovery.accepted_at.is_some() && !recovery.tells_instances);
    if is_passing_now && !has_changed && recovery.tells_instances {
        (Outcome::SelfRecovered, "the service passes its probes although the instance did not change")
    } else if is_certain {
        (Outcome::NotRecovered, "the service does not pass its probes by the end of the verification")
    } else if recovery.accepted_at.is_some() {
        (Outcome::NotRecovered, "the platform accepted the action, and the instance did not change")
    } else {
        (Outcome::UnknownOutcome, "no sign of the action was seen by the end of the verification")
    }
}

pub(super) fn joined(recovery: &Recovery, reason: &str) -> String {
    recovery.reason.as_ref().map_or_else(|| reason.to_owned(), |before| format!("{before}; {reason}"))
}
