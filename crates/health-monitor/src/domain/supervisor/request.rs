//! A person asks for a recovery: it begins at once, or what is in its way is recorded and told.

use shared::clock::Timestamp;
use shared::order::{Observed, Unreachable};

use super::super::evidence::Seen;
use super::super::fact::Fact;
use super::super::guard::{self, Refusal};
use super::super::idempotency::{IdempotencyKey, KeyedRequest, Known};
use super::super::incident::{Cause, Incident};
use super::super::intent::Intended;
use super::super::recovery::{Guard, Trigger};
use super::super::state::Service;
use super::verify::joined;
use super::{Answer, Decided, Force, Supervisor};

impl Supervisor {
    /// A person asks for a recovery, perhaps under a key, and perhaps not for the first time.
    pub(super) fn requested_under(
        &mut self,
        key: Option<IdempotencyKey>,
        service: usize,
        force: Option<&Force>,
        seen: (Result<Observed, Unreachable>, Box<Seen>),
        now: Timestamp,
        decided: &mut Decided,
    ) -> Answer {
        let Some(key) = key else { return self.requested(service, force, seen, now, decided) };
        let name = self.policy_of(service).name.clone();
        let forced = force.map(|force| force.reason.clone());
        match self.state.keys.known(&key, &name, forced.as_deref(), now) {
            Some(Known::Same(recovery_id)) => return Answer::Replayed { recovery_id },
            Some(Known::Another) => return Answer::KeyReused,
            None => {}
        }
        let answer = self.requested(service, force, seen, now, decided);
        if let Answer::Started { recovery_id } = answer {
            let request = KeyedRequest { key, service: name, forced, recovery_id };
            self.record(Fact::RequestKeyed(request), now, decided);
        }
        answer
    }

    /// A person asks for a recovery. Without a last look: whoever asks wants it done.
    fn requested(
        &mut self,
        service: usize,
        force: Option<&Force>,
        (observed, seen): (Result<Observed, Unreachable>, Box<Seen>),
        now: Timestamp,
        decided: &mut Decided,
    ) -> Answer {
        let state = self.service(service);
        let observed = match self.may_act(service, &state, force, observed, now) {
            Ok(observed) => observed,
            Err(refusal) => return self.refuse(service, &state, force, refusal, now, decided),
        };
        let incident =
            state.incident.clone().unwrap_or_else(|| self.requested_incident(service, now, decided));
        let state = self.service(service);
        let mut recovery = self.new_recovery(service, &state, &incident, Trigger::Manual, now);
        if let Some(force) = force {
            recovery.reason = Some(joined(&recovery, &format!("forced: {}", force.reason)));
        }
        let recovery_id = recovery.recovery_id;
        self.act(service, recovery, (&observed, *seen), now, decided);
        Answer::Started { recovery_id }
    }

    /// Whether the request may lead to an action now.
    fn may_act(
        &self,
        service: usize,
        state: &Service,
        force: Option<&Force>,
        observed: Result<Observed, Unreachable>,
        now: Timestamp,
    ) -> Result<Observed, Refusal> {
        if let Some(recovery) = &state.recovery {
            return Err(guard::in_flight(recovery));
        }
        let reason = force.map(|force| &*force.reason);
        guard::manual(&self.situation(service, state, now), reason)?;
        let observed = observed.map_err(|Unreachable { reason }| guard::unreachable(reason))?;
        if force.is_none() {
            let intended = Intended::seen(state.intent.as_ref(), observed.intent.as_ref(), now);
            guard::intended(self.policy_of(service), intended.as_ref(), now)?;
        }
        Ok(observed)
    }

    /// Records that the request was refused and by what. What the daemon does by itself is not changed by it.
    fn refuse(
        &mut self,
        service: usize,
        state: &Service,
        force: Option<&Force>,
        refusal: Refusal,
        now: Timestamp,
        decided: &mut Decided,
    ) -> Answer {
        let incident = state.incident.clone().unwrap_or_else(|| self.incident_of_a_request(service, now));
        let mut recovery = self.new_recovery(service, state, &incident, Trigger::Manual, now);
        if state.incident.is_none() {
            // Nothing was opened, so it stands for itself.
            (recovery.incident_id, recovery.detected_at) = (recovery.recovery_id, None);
        }
        let under_way = state.recovery.as_ref().map(|recovery| recovery.recovery_id);
        let answer = match (under_way, refusal.guard) {
            (Some(recovery_id), _) => Answer::InFlight { recovery_id },
            (None, Guard::Backend) => Answer::Impossible { reason: refusal.reason.clone() },
            (None, _) => {
                let Refusal { reason, until, inputs, .. } = refusal.clone();
                Answer::Held { recovery_id: recovery.recovery_id, reason, until, inputs }
            }
        };
        let reason = match force {
            Some(force) => format!("forced: {}; {}", force.reason, refusal.reason),
            None => refusal.reason.clone(),
        };
        self.suppress(recovery, Refusal { reason, ..refusal }, now, decided);
        answer
    }

    fn requested_incident(&mut self, service: usize, now: Timestamp, decided: &mut Decided) -> Incident {
        let incident = self.incident_of_a_request(service, now);
        self.record(Fact::Incident(incident.clone()), now, decided);
        incident
    }

    fn incident_of_a_request(&self, service: usize, now: Timestamp) -> Incident {
        Incident {
            incident_id: self.new_id(now),
            service: self.policy_of(service).name.clone(),
            cause: Cause::Request,
            failed_at: None,
            detected_at: now,
            ended_at: None,
            attempts: 0,
        }
    }
}
