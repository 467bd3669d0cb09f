//! Another configuration while services are watched: what is known of those that stay is kept, what was under way for
//! those that go is settled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::ServiceName;

use super::super::fact::Fact;
use super::super::incident::Incident;
use super::super::pages::PagedVec;
use super::super::policy::Policy;
use super::super::reconfiguration::Reconfiguration;
use super::super::recovery::{Outcome, Recovery};
use super::super::view::Latest;
use super::{Answer, Decided, Supervisor, Watch};

/// How long an order may take whose settings are gone: the default of what a command may.
const UNKNOWN_LIMIT: Duration = Duration::from_secs(60);

/// The place of each service in the policy.
pub(super) fn places(policy: &Policy) -> HashMap<ServiceName, usize> {
    policy.services.iter().enumerate().map(|(place, service)| (service.name.clone(), place)).collect()
}

impl Supervisor {
    /// From now on another policy holds.
    pub(super) fn reconfigured(&mut self, policy: Arc<Policy>, now: Timestamp, decided: &mut Decided) {
        let was: Vec<Option<usize>> =
            policy.services.iter().map(|service| self.index.get(&service.name).copied()).collect();
        let summary = Reconfiguration::between(&self.policy, &policy, &was);
        self.record(Fact::Reconfigured(summary), now, decided);
        let others = self.give_up_what_is_about_others(&policy, &was, now, decided);
        let configured = places(&policy);
        self.watch_what_is_configured(&configured, now, decided);
        self.rearrange(policy, configured, &was, now);
        for place in others {
            self.watches[place].probed_anew_since = now;
            self.watches[place].unresolved_since = None;
            self.watches[place].beat = None;
        }
        self.take_census();
        self.notice_everything(now, decided);
        for place in 0..self.policy.services.len() {
            self.settle(place, now, decided);
        }
        decided.answer = Some(Answer::Done);
    }

    /// A service that keeps its name and is probed or acted upon elsewhere is another one: neither the last look nor
    /// an order that is under way says anything about it. Gives the new places of these services.
    fn give_up_what_is_about_others(
        &mut self,
        policy: &Policy,
        was: &[Option<usize>],
        now: Timestamp,
        decided: &mut Decided,
    ) -> Vec<usize> {
        let is_another = |place: &usize| {
            was[*place].is_some_and(|old| !self.policy_of(old).is_about_the_same(&policy.services[*place]))
        };
        let others: Vec<usize> = (0..was.len()).filter(is_another).collect();
        for place in &others {
            let after = &policy.services[*place];
            let before = was[*place].filter(|old| !self.policy_of(*old).has_the_containers_of(after));
            if let Some(before) = before {
                self.stopped_no_longer(before, None, now, now, decided);
            }
            let under_way = self.state.service(&after.name).and_then(|service| service.recovery.clone());
            // What an action has put aside is put back or removed where it was done, as long as that is known.
            let goes_on = |recovery: &Recovery| recovery.keeps_something() && recovery.target == after.target;
            if let Some(recovery) = under_way.filter(|recovery| !goes_on(recovery)) {
                let why = "the configuration has changed where the service is probed or acted upon";
                self.abandon(recovery, why, now, decided);
            }
        }
        others
    }

    /// Gives everything that is kept by place its new place. `was` gives the old place of each service.
    fn rearrange(
        &mut self,
        policy: Arc<Policy>,
        index: HashMap<ServiceName, usize>,
        was: &[Option<usize>],
        now: Timestamp,
    ) {
        self.schedule = self.schedule.rearranged(&policy, was, now);
        self.rollups = self.rollups.rearranged(&policy, was);
        self.timers.clear();
        let watches = was.iter().map(|was| match was {
            Some(old) => Watch { timer: None, ..self.watches[*old].clone() },
            None => Watch::beginning(&policy, now),
        });
        self.watches = watches.collect();
        let mut latest = PagedVec::<Latest>::new(was.len());
        for (place, old) in was.iter().enumerate().filter_map(|(place, was)| Some((place, (*was)?))) {
            *latest.get_mut(place) = self.latest[old].clone();
        }
        self.latest = latest;
        self.index = index;
        self.policy = policy;
    }

    /// Settles what is open for services that nobody asks to watch any more, and takes back those that return. Also
    /// after a start, because the configuration may have changed while nobody watched.
    pub(super) fn watch_what_is_configured(
        &mut self,
        configured: &HashMap<ServiceName, usize>,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let retired = Arc::clone(&self.state.retired);
        for service in
            retired.iter().filter(|name| configured.contains_key(*name)).cloned().collect::<Vec<_>>()
        {
            self.record(Fact::ServiceWatched { service, is_watched: true }, now, decided);
        }
        let is_stranger = |name: &&ServiceName| !configured.contains_key(*name) && !retired.contains(name);
        for service in
            self.state.services.iter().map(|(name, _)| name).filter(is_stranger).cloned().collect::<Vec<_>>()
        {
            self.retire(service, now, decided);
        }
    }

    fn retire(&mut self, service: ServiceName, now: Timestamp, decided: &mut Decided) {
        let state = self.state.service(&service).cloned().unwrap_or_default();
        if let Some(recovery) = state.recovery.clone() {
            self.abandon(recovery, "the service is no longer watched", now, decided);
        }
        if let Some(incident) = state.incident.clone() {
            self.record(Fact::Incident(Incident { ended_at: Some(now), ..incident }), now, decided);
        }
        self.record(Fact::ServiceWatched { service, is_watched: false }, now, decided);
    }

    /// Ends a recovery that nobody will see the end of. An order may be with the platform for as long as it can take.
    fn abandon(&mut self, recovery: Recovery, why: &str, now: Timestamp, decided: &mut Decided) {
        let limit = self.index.get(&recovery.service).map(|place| self.policy_of(*place).order_limit);
        let rest = recovery.has_acted.then(|| now + limit.unwrap_or(UNKNOWN_LIMIT));
        let kept = if recovery.keeps_something() {
            "; what it replaced may still be there, and a person has to look"
        } else {
            ""
        };
        let recovery = Recovery { not_before: recovery.not_before.max(rest), ..recovery };
        self.finish(recovery, Outcome::Superseded, &format!("{why}{kept}"), now, decided);
    }
}
