//! The decider of the daemon: what happened goes in, facts and work come out.

mod company;
mod conclude;
mod deliver;
mod dispatch;
mod event;
mod heal;
mod intend;
mod listen;
mod notify;
mod observe;
mod reconfigure;
mod request;
mod roll_up;
mod stop;
mod tell;
mod verify;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use shared::clock::Timestamp;
use shared::engine::{Decider, Decision};
use shared::order::{OrderId, ServiceName};

use super::census::Census;
use super::fact::Fact;
use super::flapping::Results;
use super::guard::{Company, Situation};
use super::pages::PagedVec;
use super::policy::{Policy, ServicePolicy};
use super::rollup::Rollups;
use super::schedule::Schedule;
use super::state::{Service, State};
use super::view::{Checks, Latest, View};

pub use event::{Answer, Event, Force, Resettable, Work};

use company::Consultation;
use conclude::Look;
use listen::Beat;
use notify::Notices;

/// The pure core of health-monitor.
#[derive(Debug)]
pub struct Supervisor {
    policy: Arc<Policy>,
    index: HashMap<ServiceName, usize>,
    /// Durable: changes in [`State::apply`] only.
    state: State,
    // What follows is in memory only: it is seen anew after a restart.
    schedule: Schedule,
    latest: PagedVec<Latest>,
    checks: Checks,
    /// What is known of each service, by its place in the policy.
    watches: Vec<Watch>,
    /// Services with something to decide at a later moment.
    timers: BTreeSet<(Timestamp, usize)>,
    rollups: Rollups,
    census: Census,
    /// Some recovery has ended in this decision.
    has_freed_a_turn: bool,
    consultation: Consultation,
    /// Since when most services are up although a storm lasts.
    calm_since: Option<Timestamp>,
    notices: Notices,
}

/// What is known of one service in memory only.
#[derive(Clone, Debug, Default)]
struct Watch {
    /// Nothing is done about it before this.
    observe_until: Timestamp,
    /// Since when its name cannot be looked up.
    unresolved_since: Option<Timestamp>,
    /// When it has something to decide.
    timer: Option<Timestamp>,
    /// When its instance was last asked for while it is under verification.
    inspected_at: Option<Timestamp>,
    /// What the platform last told of it then.
    detail: Option<String>,
    /// When it was last looked whether somebody wants it as it is.
    intent_asked_at: Option<Timestamp>,
    /// The look at what there is of its order, when nobody knows how far that came.
    look: Option<Look>,
    /// Its last heartbeat, if it posts them.
    beat: Option<Beat>,
    /// When a missing heartbeat was last put down to our own network.
    excused_at: Option<Timestamp>,
    /// Containers that were started since our last order was given.
    started: Vec<String>,
    /// Its last results.
    results: Results,
    /// Probes that began earlier asked something else.
    probed_anew_since: Timestamp,
}

impl Watch {
    /// One that begins now.
    fn beginning(policy: &Policy, now: Timestamp) -> Self {
        Self { observe_until: now + policy.observe_first, ..Self::default() }
    }
}

type Decided = Decision<Supervisor>;

impl Supervisor {
    /// A supervisor that knows nothing yet.
    pub fn new(policy: impl Into<Arc<Policy>>, now: Timestamp) -> Self {
        let policy = policy.into();
        let services = policy.services.len();
        Self {
            schedule: Schedule::new(&policy, now),
            index: reconfigure::places(&policy),
            watches: vec![Watch::beginning(&policy, now); services],
            rollups: Rollups::new(&policy),
            policy,
            state: State::default(),
            latest: PagedVec::new(services),
            checks: Checks::default(),
            timers: BTreeSet::new(),
            census: Census::new(services),
            has_freed_a_turn: false,
            consultation: Consultation::default(),
            calm_since: None,
            notices: Notices::new(services),
        }
    }

    /// The one way from a decision to the state.
    fn record(&mut self, fact: Fact, now: Timestamp, decided: &mut Decided) {
        self.notice(&fact);
        self.state.apply(now, &fact);
        if let Some(place) = fact.service().and_then(|name| self.index.get(name)).copied() {
            self.has_freed_a_turn |= self.census.update(place, &self.service(place));
        }
        decided.facts.push(fact);
    }

    /// Counts everybody anew, after the state has come from elsewhere.
    fn take_census(&mut self) {
        self.census = Census::new(self.policy.services.len());
        for place in 0..self.policy.services.len() {
            if let Some(service) = self.state.service(&self.policy.services[place].name) {
                self.census.update(place, service);
            }
        }
    }

    /// The service among the others.
    fn company(&self, place: usize) -> Company<'_> {
        Company { place, policy: &self.policy, state: &self.state, census: &self.census }
    }

    fn situation<'a>(&'a self, place: usize, service: &'a Service, now: Timestamp) -> Situation<'a> {
        let (policy, observe_until) = (self.policy_of(place), self.watches[place].observe_until);
        Situation { policy, service, company: self.company(place), observe_until, now }
    }

    fn policy_of(&self, service: usize) -> &ServicePolicy {
        &self.policy.services[service]
    }

    fn service(&self, service: usize) -> Arc<Service> {
        self.state.service(&self.policy.services[service].name).cloned().unwrap_or_default()
    }

    /// An identity that no other order of this journal has: the count of facts grows with each.
    fn new_id(&self, now: Timestamp) -> OrderId {
        OrderId::at(now, self.state.facts)
    }

    /// The present interval between probes of a service.
    fn interval(&self, service: usize) -> Duration {
        self.interval_if(service, self.schedule.has_room())
    }

    /// The same, given whether there is room for more than the usual probes.
    fn interval_if(&self, service: usize, has_room: bool) -> Duration {
        let policy = self.policy_of(service);
        let state = self.state.service(&policy.name);
        let is_fast =
            state.is_some_and(|state| state.recovery.is_some() || (has_room && state.health.is_unsettled()));
        if is_fast { policy.fast_interval.min(policy.interval) } else { policy.interval }
    }

    /// Sets the moment at which the service wants to be looked at again without any event.
    fn rearm(&mut self, service: usize, now: Timestamp) {
        let at = self.deadline(service, now);
        if let Some(old) = std::mem::replace(&mut self.watches[service].timer, at) {
            self.timers.remove(&(old, service));
        }
        self.timers.extend(at.map(|at| (at, service)));
    }

    fn settle(&mut self, service: usize, now: Timestamp, decided: &mut Decided) {
        self.verify(service, now, decided);
        self.look_for_intent(service, now, decided);
        self.heal(service, now, decided);
        self.stabilise(service, now, decided);
        self.rearm(service, now);
    }

    /// The slots of these services have come.
    fn start(&mut self, services: Vec<usize>, now: Timestamp, decided: &mut Decided) {
        let mut coming = VecDeque::from(services);
        while let Some(service) = coming.pop_front() {
            if self.policy_of(service).patience().is_some() {
                coming.extend(self.schedule.finished(service, now));
                self.miss(service, now, decided);
            } else {
                decided.work.push(Work::Probe { service: self.policy_of(service).name.clone() });
            }
        }
    }
}

impl Decider for Supervisor {
    type Event = Event;
    type Answer = Answer;
    type Fact = Fact;
    type Work = Work;
    type View = View;
    type State = State;

    fn apply(&mut self, at: Timestamp, fact: &Fact) {
        self.state.apply(at, fact);
    }

    fn handle(&mut self, event: Event, now: Timestamp) -> Decided {
        let mut decided = Decided::default();
        let service = match event.service() {
            None => None,
            Some(name) => match self.index.get(name) {
                Some(place) => Some(*place),
                None => {
                    decided.answer = Some(Answer::UnknownService);
                    return decided;
                }
            },
        };
        match service {
            Some(service) => {
                self.handle_of(service, event, now, &mut decided);
                self.settle(service, now, &mut decided);
            }
            None => self.handle_of_all(event, now, &mut decided),
        }
        self.settle_all(now, &mut decided);
        self.notify(now, &mut decided);
        decided
    }

    fn wake(&mut self, now: Timestamp) -> Decided {
        let mut decided = Decided::default();
        while let Some((at, service)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, service));
            self.watches[service].timer = None;
            self.settle(service, now, &mut decided);
        }
        self.settle_all(now, &mut decided);
        let over = self.rollups.over(now);
        if !over.is_empty() {
            self.roll_up(&over, now, &mut decided);
        }
        let has_room = self.schedule.has_room();
        let mut schedule = std::mem::replace(&mut self.schedule, Schedule::empty());
        let started = schedule.start_due(now, |service| self.interval_if(service, has_room));
        self.schedule = schedule;
        self.start(started, now, &mut decided);
        self.notify(now, &mut decided);
        decided
    }

    fn restarted(&mut self, now: Timestamp) -> Decided {
        let mut decided = Decided::default();
        self.schedule = Schedule::new(&self.policy, now);
        self.rollups = Rollups::new(&self.policy);
        self.timers.clear();
        for watch in &mut self.watches {
            let began = Watch::beginning(&self.policy, now);
            *watch = Watch { unresolved_since: watch.unresolved_since, results: watch.results, ..began };
        }
        self.consultation = Consultation::default();
        (self.calm_since, self.notices) = (None, Notices::default());
        self.take_census();
        let version = env!("CARGO_PKG_VERSION").into();
        self.record(Fact::MonitorStarted { version }, now, &mut decided);
        let configured = self.index.clone();
        self.watch_what_is_configured(&configured, now, &mut decided);
        for service in 0..self.policy.services.len() {
            self.interrupted(service, now, &mut decided);
            self.settle(service, now, &mut decided);
        }
        self.notice_everything(now, &mut decided);
        self.settle_all(now, &mut decided);
        self.notify(now, &mut decided);
        decided
    }

    fn next_wakeup(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        timer
            .into_iter()
            .chain(self.schedule.next())
            .chain(self.rollups.next())
            .chain(self.wakeup_of_all())
            .chain(self.wakeup_of_notices())
            .min()
    }

    fn view(&self, now: Timestamp) -> View {
        View {
            at: now,
            policy: Arc::clone(&self.policy),
            state: self.state.clone(),
            latest: self.latest.clone(),
            checks: self.checks,
            in_flight: self.schedule.in_flight(),
            witnesses: Arc::clone(&self.consultation.witnesses),
            unrenewed: Arc::clone(&self.notices.sending.unrenewed),
        }
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: Option<State>) {
        self.state = state.unwrap_or_default();
    }

    fn must_finish(work: &Work) -> bool {
        match work {
            Work::Perform(_) | Work::Notify(_) => true,
            Work::Probe { .. }
            | Work::Preflight { .. }
            | Work::Inspect { .. }
            | Work::Look { .. }
            | Work::Examine(_)
            | Work::Consult { .. }
            | Work::Renew { .. } => false,
        }
    }
}
