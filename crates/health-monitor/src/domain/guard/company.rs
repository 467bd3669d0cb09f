//! The guards that look beyond the service itself.

use shared::clock::Timestamp;
use shared::order::ServiceName;

use super::super::census::Census;
use super::super::fleet::{Fleet, Pause, PauseKind, Tripped, pause_in_force};
use super::super::health::HealthState;
use super::super::network::Isolation;
use super::super::policy::{Policy, ServicePolicy};
use super::super::state::{Service, State};
use super::{BudgetInputs, GuardInputs, PauseInputs, Refusal};

/// A service among the others.
#[derive(Clone, Copy)]
pub struct Company<'a> {
    /// Its place in the policy.
    pub place: usize,
    /// All settings.
    pub policy: &'a Policy,
    /// The state of all.
    pub state: &'a State,
    /// Who is down, and who is being recovered.
    pub census: &'a Census,
}

impl Company<'_> {
    fn fleet(&self) -> &Fleet {
        &self.state.fleet
    }

    /// Nothing is done about what we may only not see.
    pub(super) fn own_network(&self, policy: &ServicePolicy) -> Result<(), Refusal> {
        // An isolation may be older than the settings.
        let is_guarded = self.policy.fleet.guards_own_network && !policy.is_local();
        let isolation = self.fleet().isolation.as_ref().filter(|_| is_guarded);
        isolation.map_or(Ok(()), |isolation| Err(isolated(isolation)))
    }

    /// In a storm one service is healed at a time.
    pub(super) fn storm(&self) -> Result<(), Refusal> {
        let other = self.census.others_recovering(self.place).next();
        let (Some(storm), Some(other)) = (&self.fleet().storm, other) else { return Ok(()) };
        let reason = format!(
            "{} of {} services went down together at {}; in such a storm they are healed one at a time, and it is the turn of {}",
            storm.down, storm.eligible, storm.since, self.policy.services[other].name
        );
        let inputs = GuardInputs::Storm {
            since: storm.since,
            down: storm.down,
            eligible: storm.eligible,
            in_turn: self.policy.services[other].name.clone(),
        };
        Err(Refusal::by(inputs, reason))
    }

    /// How many may be recovered at a time, in all and of those that fail together.
    pub(super) fn concurrency(&self, policy: &ServicePolicy) -> Result<(), Refusal> {
        let others = || self.census.others_recovering(self.place).map(|other| &self.policy.services[other]);
        let same = others()
            .find(|other| policy.failure_domain.is_some() && other.failure_domain == policy.failure_domain);
        if let (Some(domain), Some(other)) = (&policy.failure_domain, same) {
            let reason = format!(
                "{} of the same failure domain, {domain}, is being recovered; it is one at a time",
                other.name
            );
            let (failure_domain, under_way) = (domain.clone(), other.name.clone());
            return Err(budget(BudgetInputs::FailureDomain { failure_domain, under_way }, reason));
        }
        let under_way = others().count();
        if under_way >= self.policy.fleet.max_concurrent {
            let reason = format!(
                "{under_way} recoveries are under way, as many as MAX_CONCURRENT_RECOVERIES allows; it is next when one has ended"
            );
            let inputs = BudgetInputs::AtATime { under_way, allowed: self.policy.fleet.max_concurrent };
            return Err(budget(inputs, reason));
        }
        Ok(())
    }

    /// How many may be recovered at a time, and within a span.
    pub(super) fn budget(&self, policy: &ServicePolicy, now: Timestamp) -> Result<(), Refusal> {
        if let Some(tripped) = &self.fleet().tripped {
            return Err(spent(tripped));
        }
        self.concurrency(policy)?;
        let limits = &self.policy.fleet;
        let span = limits.budget_within;
        let actions = self.fleet().actions_after(now - span).count();
        if actions >= limits.max_actions {
            let tripped =
                Tripped { since: now, actions, allowed: limits.max_actions, within_seconds: span.as_secs() };
            return Err(Refusal { trips: Some(tripped.clone()), ..spent(&tripped) });
        }
        let acted_upon = self.fleet().acted_upon_after(now - span);
        let most = limits.most_services(self.census.eligible());
        if most.is_some_and(|most| acted_upon.len() >= most && !acted_upon.contains_key(&policy.name)) {
            let until = acted_upon.values().min().map_or(now, |at| *at + span);
            let reason = format!(
                "{} of {} services were acted upon within {} s, as many as MAX_FLEET_PERCENT ({} %) allows; it is held back until {until}",
                acted_upon.len(),
                self.census.eligible(),
                span.as_secs(),
                limits.max_percent
            );
            let inputs = BudgetInputs::Share {
                services: acted_upon.len(),
                allowed: most.unwrap_or(usize::MAX),
                eligible: self.census.eligible(),
                percent: limits.max_percent,
                within_seconds: span.as_secs(),
                until,
            };
            return Err(budget(inputs, reason).until(until));
        }
        Ok(())
    }

    /// A person wants nothing done.
    pub(super) fn intent(&self, service: &Service, now: Timestamp) -> Result<(), Refusal> {
        let pause = pause_in_force(self.fleet().pause.as_ref(), service.pause.as_ref(), now);
        pause.map_or(Ok(()), |pause| Err(held(pause)))
    }

    /// A service whose need is not met is not to blame.
    pub(super) fn dependency(&self, now: Timestamp) -> Result<(), Refusal> {
        unmet(self.policy, self.state, self.place, now).map_or(Ok(()), |unmet| Err(unmet.refusal()))
    }
}

/// What a service needs and does not have.
pub fn unmet<'a>(policy: &'a Policy, state: &State, place: usize, now: Timestamp) -> Option<Unmet<'a>> {
    let start_period = policy.services[place].start_period;
    let mut just_back = None;
    for needed in policy.dependencies.of(place) {
        let name = &policy.services[*needed].name;
        let Some(service) = state.service(name) else { continue };
        let (health, since) = (service.health.state, service.health.since);
        let unmet = Unmet { needs: name, health, since, until: None };
        if service.is_in_trouble() {
            return Some(unmet);
        }
        let until = since + start_period;
        // The trouble that it had, and not only that it was first seen healthy then.
        if now < until && !service.errors.is_empty() {
            just_back = Some(Unmet { until: Some(until), ..unmet });
        }
    }
    just_back
}

/// A need that is not met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unmet<'a> {
    /// Which service is needed.
    pub needs: &'a ServiceName,
    /// Its health.
    pub health: HealthState,
    /// Since when.
    pub since: Timestamp,
    /// It has just come back, and counts again from then on; none while it is down, or about to be.
    pub until: Option<Timestamp>,
}

impl Unmet<'_> {
    /// The refusal for want of it.
    pub fn refusal(self) -> Refusal {
        let Self { needs, health: state, since, until } = self;
        let inputs = GuardInputs::Dependency { needs: needs.clone(), state, since, until };
        match until {
            None => {
                let reason =
                    format!("it needs {needs}, which is down; it is looked at again when that is up");
                Refusal::by(inputs, reason)
            }
            Some(until) => {
                let reason =
                    format!("it needs {needs}, which has just come back; it has until {until} to notice");
                Refusal::by(inputs, reason).until(until)
            }
        }
    }
}

/// The refusal while our own network is gone.
pub fn isolated(isolation: &Isolation) -> Refusal {
    let reason = format!(
        "our own network is gone since {}: {} cannot be reached either; nothing is counted or done until most of the witnesses answer twice in a row",
        isolation.since,
        isolation.lost()
    );
    let (since, witnesses) = (isolation.since, isolation.witnesses.clone());
    Refusal::by(GuardInputs::OwnNetwork { since, witnesses }, reason)
}

/// The refusal by the will of a person.
pub fn held(pause: &Pause) -> Refusal {
    let (service, why) = (pause.service.clone(), pause.reason.clone());
    let inputs = PauseInputs { service, since: pause.since, until: pause.until, why };
    let (inputs, word) = match pause.kind {
        PauseKind::Pause => (GuardInputs::Paused(inputs), "healing is paused"),
        PauseKind::Maintenance => (GuardInputs::Maintenance(inputs), "maintenance is going on"),
    };
    let why = pause.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let resume = pause.service.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
    let until = pause.until;
    Refusal::by(inputs, format!("{word}{why} until {until}; POST /resume{resume} ends it")).until(until)
}

fn spent(tripped: &Tripped) -> Refusal {
    let reason = format!(
        "{} actions within {} s are as many as MAX_RECOVERIES_PER_TEN_MINUTES allows: something is wrong that restarts do not mend; find it, then POST /reset/budget",
        tripped.allowed, tripped.within_seconds
    );
    let Tripped { since, actions, allowed, within_seconds } = *tripped;
    budget(BudgetInputs::Actions { since, actions, allowed, within_seconds }, reason)
}

fn budget(inputs: BudgetInputs, reason: String) -> Refusal {
    Refusal::by(GuardInputs::Budget(inputs), reason)
}
