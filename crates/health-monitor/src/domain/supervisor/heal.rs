//! From trouble to an order: guards, and the last look.

use shared::clock::Timestamp;
use shared::order::{Observed, OrderId, Stage, Unreachable};

use super::super::evidence::{Evidence, EvidenceLink, Seen};
use super::super::fact::Fact;
use super::super::guard::{self, Refusal};
use super::super::health::HealthState;
use super::super::incident::Incident;
use super::super::ladder;
use super::super::network::Witness;
use super::super::policy::Mode;
use super::super::reading::{Class, Measured, Severity};
use super::super::recovery::{Outcome, Phase, Recovery, Trigger};
use super::super::schedule::fraction;
use super::super::state::Service;
use super::verify::joined;
use super::{Decided, Supervisor, Work};

/// Errors that a recovery carries along: the contract's number.
const RECENT_ERRORS: usize = 5;

impl Supervisor {
    /// Begins an attempt if the service needs one and no guard objects. Looks at the state alone, so it may be
    /// called at any time.
    pub(super) fn heal(&mut self, service: usize, now: Timestamp, decided: &mut Decided) {
        let state = self.service(service);
        let Some(incident) =
            state.incident.as_ref().filter(|_| needs_help(&state) && state.recovery.is_none())
        else {
            return;
        };
        let policy = self.policy_of(service);
        if !state.health.calls_for_action(policy) && !state.health.is_misconfigured(policy) {
            return;
        }
        let is_fixed =
            state.refusal.as_ref().and_then(|known| known.guard).is_none_or(|known| !known.is_shared());
        if is_fixed && held_until(&state).is_some_and(|until| now < until) {
            return;
        }
        match guard::automatic(&self.situation(service, &state, now)) {
            Ok(()) if policy.mode != Mode::Enforce && has_shown_what_it_would_do(&state) => {}
            Ok(()) => {
                let recovery = self.new_recovery(service, &state, incident, Trigger::Automatic, now);
                let work = Work::Preflight {
                    service: recovery.service.clone(),
                    recovery_id: recovery.recovery_id,
                    peers: self.needs_witnesses(service).then(|| self.peers(service)),
                };
                self.record(Fact::Recovery(Box::new(recovery)), now, decided);
                decided.work.push(work);
            }
            Err(refusal) => {
                let is_known = state.refusal.as_ref().is_some_and(|known| is_same(known, &refusal));
                if !is_known {
                    self.trip(&refusal, now, decided);
                    let recovery = self.new_recovery(service, &state, incident, Trigger::Automatic, now);
                    self.suppress(recovery, refusal, now, decided);
                }
            }
        }
    }

    /// The last look has come back: act, or be glad.
    pub(super) fn preflighted(
        &mut self,
        service: usize,
        recovery_id: OrderId,
        measured: &Measured,
        (observed, witnesses, seen): (Result<Observed, Unreachable>, Option<Vec<Witness>>, Box<Seen>),
        now: Timestamp,
        decided: &mut Decided,
    ) {
        if let Some(witnesses) = witnesses {
            self.consulted(witnesses, now, decided);
        }
        let reading = self.seen(service, measured, now, decided);
        let Some(recovery) = self.under_way(service, recovery_id, Phase::Preflight) else { return };
        let error = reading.error.as_deref().unwrap_or_default();
        match reading.class {
            Class::Pass | Class::Degraded => {
                let reason = "the last probe before acting passed";
                self.finish(recovery, Outcome::SelfRecovered, reason, now, decided);
                self.count(service, &reading, now, decided);
            }
            Class::Error => {
                let until = now + self.policy_of(service).interval;
                self.suppress(recovery, guard::own_fault(error, until), now, decided);
            }
            Class::Fail(Severity::Configuration) => {
                self.suppress(recovery, guard::configuration(error), now, decided);
                self.count(service, &reading, now, decided);
            }
            Class::Fail(Severity::Hard | Severity::Soft) if !needs_help(&self.service(service)) => {
                let reason = "probes passed while the last look was under way";
                self.finish(recovery, Outcome::SelfRecovered, reason, now, decided);
            }
            Class::Fail(Severity::Hard | Severity::Soft) => {
                self.order(service, recovery, (observed, seen), now, decided)
            }
        }
    }

    /// The service is down: act, unless the platform or the mode is in the way.
    fn order(
        &mut self,
        service: usize,
        recovery: Recovery,
        (observed, seen): (Result<Observed, Unreachable>, Box<Seen>),
        now: Timestamp,
        decided: &mut Decided,
    ) {
        if let Ok(observed) = &observed {
            self.see_intent(service, observed, now, decided);
        }
        // While the last look was under way the others may have changed.
        let state = self.service(service);
        if let Err(refusal) = guard::automatic(&self.situation(service, &state, now)) {
            self.trip(&refusal, now, decided);
            return self.suppress(recovery, refusal, now, decided);
        }
        let observed = match observed {
            Ok(observed) => observed,
            // Who calls for help needs no platform.
            Err(_) if !recovery.action.changes_instance() => Observed::default(),
            Err(Unreachable { reason }) => {
                // Nothing was ordered, so nothing is backed off from: the platform may be back soon.
                let until = now + self.policy_of(service).cool_down;
                return self.suppress(recovery, guard::unreachable(reason).until(until), now, decided);
            }
        };
        if let Some(until) = self.is_starting(service, &observed, now) {
            self.see_instance(service, &observed, false, now, decided);
            let refusal = guard::start_period(until);
            let recovery = held_back(recovery, &refusal);
            return self.finish(recovery, Outcome::Superseded, &refusal.reason, now, decided);
        }
        match self.policy_of(service).mode {
            Mode::Enforce => self.act(service, recovery, (&observed, *seen), now, decided),
            Mode::DryRun | Mode::Observe => {
                let refusal = guard::mode(self.policy_of(service));
                self.suppress(Recovery { would_act: true, ..recovery }, refusal, now, decided);
            }
        }
    }

    /// Records the order, then has it carried out.
    pub(super) fn act(
        &mut self,
        service: usize,
        recovery: Recovery,
        (observed, seen): (&Observed, Seen),
        now: Timestamp,
        decided: &mut Decided,
    ) {
        self.see_instance(service, observed, false, now, decided);
        let evidence = self.record_evidence(&recovery, seen, now, decided);
        let state = self.service(service);
        if let Some(incident) = &state.incident {
            let counted = Incident { attempts: recovery.attempt, ..incident.clone() };
            self.record(Fact::Incident(counted), now, decided);
        }
        let acting = Recovery {
            phase: Phase::Acting,
            evidence,
            has_acted: true,
            instance_before: observed.identity.clone(),
            tells_instances: recovery.action.changes_instance()
                && (observed.identity.is_some() || observed.running.is_some()),
            not_before: Some(now + self.back_off(service, &recovery)),
            ..recovery
        };
        let order = Self::order_of(&acting, Stage::Act, now);
        self.watches[service].started.clear();
        self.record(Fact::Recovery(Box::new(acting)), now, decided);
        decided.work.push(Work::Perform(order));
    }

    /// Records what was seen, if anything was.
    fn record_evidence(
        &mut self,
        recovery: &Recovery,
        seen: Seen,
        now: Timestamp,
        decided: &mut Decided,
    ) -> Option<EvidenceLink> {
        if seen == Seen::default() {
            return None;
        }
        let (service, recovery_id) = (recovery.service.clone(), recovery.recovery_id);
        let link = EvidenceLink { evidence_id: recovery_id, summary: seen.summary() };
        let evidence = Evidence { recovery_id, service, taken_at: now, seen };
        self.record(Fact::Evidence(Box::new(evidence)), now, decided);
        Some(link)
    }

    fn back_off(&self, service: usize, recovery: &Recovery) -> std::time::Duration {
        let before = self.service(service).attempts.consecutive;
        let chance = fraction(recovery.recovery_id.scatter());
        guard::back_off(self.policy_of(service), before, chance)
    }

    /// Until when an instance that somebody else started is given time, if it is.
    fn is_starting(&self, service: usize, observed: &Observed, now: Timestamp) -> Option<Timestamp> {
        let is_another = observed.identity.is_some() && observed.identity != self.service(service).instance;
        let start_period = self.policy_of(service).start_period;
        // The platform's clock may be another than ours; it never makes us wait longer than a whole period.
        let until = (observed.started_at? + start_period).min(now + start_period);
        (is_another && observed.running == Some(true) && now < until).then_some(until)
    }

    pub(super) fn see_instance(
        &mut self,
        service: usize,
        observed: &Observed,
        is_ours: bool,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let state = self.service(service);
        if let Some(instance) = observed.identity.clone().filter(|seen| state.instance.as_ref() != Some(seen))
        {
            let service = self.policy_of(service).name.clone();
            self.record(Fact::InstanceSeen { service, instance, is_ours }, now, decided);
        }
    }

    pub(super) fn suppress(
        &mut self,
        recovery: Recovery,
        refusal: Refusal,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        // Which step it would have been is of no account for what holds it back.
        let recovery = Recovery { reason: None, ..held_back(recovery, &refusal) };
        self.finish(recovery, Outcome::Suppressed, &refusal.reason, now, decided);
    }

    pub(super) fn finish(
        &mut self,
        recovery: Recovery,
        outcome: Outcome,
        reason: &str,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let finished = Recovery {
            phase: Phase::Finished,
            outcome: Some(outcome),
            reason: Some(joined(&recovery, reason)),
            finished_at: Some(now),
            ..recovery
        };
        self.record(Fact::Recovery(Box::new(finished)), now, decided);
    }

    pub(super) fn under_way(&self, service: usize, recovery_id: OrderId, phase: Phase) -> Option<Recovery> {
        self.service(service).recovery.clone().filter(|r| r.recovery_id == recovery_id && r.phase == phase)
    }

    pub(super) fn new_recovery(
        &self,
        service: usize,
        state: &Service,
        incident: &Incident,
        trigger: Trigger,
        now: Timestamp,
    ) -> Recovery {
        let policy = self.policy_of(service);
        let attempt = incident.attempts + 1;
        let choice = ladder::choose(&policy.steps, state.attempts.position, &state.effects, now);
        Recovery {
            recovery_id: self.new_id(now),
            incident_id: incident.incident_id,
            service: policy.name.clone(),
            trigger,
            action: choice.step.action,
            target: policy.target_of(choice.step.action).clone(),
            phase: Phase::Preflight,
            outcome: None,
            reason: choice.reason,
            guard: None,
            guard_inputs: None,
            would_act: false,
            failed_at: incident.failed_at,
            detected_at: Some(incident.detected_at),
            started_at: now,
            accepted_at: None,
            instance_changed_at: None,
            verified_at: None,
            finished_at: None,
            time_to_recover_seconds: None,
            has_acted: false,
            attempt,
            step: choice.place + 1,
            skipped: choice.skipped,
            failure_count: state.health.failures,
            recent_errors: state.errors.newest(RECENT_ERRORS).collect(),
            passes: 0,
            instance_before: None,
            instance_after: None,
            tells_instances: false,
            evidence: None,
            verdict: None,
            change: None,
            conclusion_tries: 0,
            conclusion_error: None,
            conclude_at: None,
            not_before: None,
            verify_until: None,
        }
    }
}

/// Whether probes say that the service is down, the newest one included.
fn needs_help(state: &Service) -> bool {
    state.health.state == HealthState::Unhealthy && state.health.passes == 0
}

fn held_back(recovery: Recovery, refusal: &Refusal) -> Recovery {
    let (guard, guard_inputs) = (Some(refusal.guard), refusal.inputs.clone());
    Recovery { guard, guard_inputs, not_before: refusal.until, ..recovery }
}

fn is_same(known: &Recovery, refusal: &Refusal) -> bool {
    known.guard == Some(refusal.guard) && known.not_before == refusal.until
}

/// A refusal with an end is not looked into again before that.
pub(super) fn held_until(state: &Service) -> Option<Timestamp> {
    state.refusal.as_ref().and_then(|refusal| refusal.not_before)
}

/// A dry run tells once per incident what it would do.
fn has_shown_what_it_would_do(state: &Service) -> bool {
    state.refusal.as_ref().is_some_and(|refusal| refusal.would_act)
}
