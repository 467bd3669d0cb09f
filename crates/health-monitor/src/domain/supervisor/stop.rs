//! What the platform tells of containers that are stopped and started by somebody else.

use shared::clock::Timestamp;

use super::super::fact::Fact;
use super::super::operator_stop::{self, OperatorStop, is_ours};
use super::super::reading::{Answer, Measured, Reading};
use super::super::recovery::Recovery;
use super::{Decided, Supervisor};

impl Supervisor {
    /// Somebody has had a container stopped, unless it was us.
    pub(super) fn stopped(
        &mut self,
        service: usize,
        container: &str,
        stopped_at: Timestamp,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let policy = self.policy_of(service);
        let (name, limit) = (policy.name.clone(), policy.timeout + policy.order_limit);
        // What our order has stopped, it has started again: a further stop is somebody else's.
        let has_run_again = self.watches[service].started.iter().any(|one| one == container);
        if !has_run_again && is_ours(&self.state, &name, stopped_at, limit) {
            return;
        }
        let known = self.service(service).operator_stop.clone();
        if let Some(stop) = OperatorStop::with(known.as_ref(), container, stopped_at, now) {
            self.record(Fact::OperatorStop { service: name, stop: Some(stop) }, now, decided);
        }
    }

    /// A container was started, or is there no longer; none says that all of them run.
    pub(super) fn stopped_no_longer(
        &mut self,
        service: usize,
        container: Option<String>,
        at: Timestamp,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let state = self.service(service);
        // What was told before may be told again, and a start from before the stop says nothing about it.
        let concerns = |stop: &&OperatorStop| container.is_none() || at >= stop.stopped_at;
        if let Some(stop) = state.operator_stop.as_ref().filter(concerns) {
            let left = stop.without(container.as_deref());
            if left.as_ref() != Some(stop) {
                let service = self.policy_of(service).name.clone();
                self.record(Fact::OperatorStop { service, stop: left }, now, decided);
            }
        }
        let started = &mut self.watches[service].started;
        let is_of_the_order = state.recovery.as_ref().is_some_and(|recovery| at >= recovery.started_at);
        started.extend(container.filter(|one| {
            is_of_the_order && started.len() < operator_stop::CONTAINERS && !started.contains(one)
        }));
    }

    /// An order that started the containers was carried out. Who stopped one meanwhile wants it stopped still.
    pub(super) fn started_by_us(
        &mut self,
        service: usize,
        recovery: &Recovery,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let state = self.service(service);
        let is_older = state.operator_stop.as_ref().is_some_and(|stop| stop.heard_at <= recovery.started_at);
        if is_older && recovery.action.changes_instance() {
            self.stopped_no_longer(service, None, now, now, decided);
        }
    }

    /// What the platform should have told, seen by a probe: whoever answers is not stopped.
    pub(super) fn runs_after_all(
        &mut self,
        service: usize,
        measured: &Measured,
        reading: &Reading,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let state = self.service(service);
        if state.operator_stop.as_ref().is_none_or(|stop| measured.started_at <= stop.heard_at) {
            return;
        }
        let runs = match &measured.answer {
            // A container may pass although it does not run, where only its health check counts.
            Answer::Containers(containers) => containers.iter().all(|one| one.is_running),
            Answer::Status(_)
            | Answer::Examined(_)
            | Answer::Serving
            | Answer::NotServing(_)
            | Answer::NoBeat(_)
            | Answer::Misconfigured(_)
            | Answer::NoConnection(_)
            | Answer::Silent
            | Answer::ConnectTimeout
            | Answer::UnknownName(_)
            | Answer::ResolverFailed(_)
            | Answer::OwnFault(_) => reading.passes(),
        };
        if runs {
            self.stopped_no_longer(service, None, now, now, decided);
        }
    }
}
