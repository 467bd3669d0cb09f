//! The world: time, services, journal and the daemon's core, which may crash at any instant.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use health_monitor::domain::fact::Fact;
use health_monitor::domain::notification::{Delivery, Notification};
use health_monitor::domain::policy::Policy;
use health_monitor::domain::reading::Answer;
use health_monitor::domain::recovery::{Guard, Outcome};
use health_monitor::domain::state::State;
use health_monitor::domain::supervisor::{self, Event, Supervisor, Work};
use shared::clock::Timestamp;
use shared::engine::{Decider, Decision};
use shared::order::{Order, OrderId, ServiceName, Stage};

pub use crate::configuration::{follow_dependencies, policy, service_name};
use crate::describe;
use crate::engine::Handled;
use crate::host::Host;
use crate::invariants::Minutes;
use crate::told::Telling;

/// Where a crash strikes in the turn of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// After the decision, before its facts are durable: all of it is lost.
    BeforeRecord,
    /// After the facts are durable, before any work is started.
    BeforeWork,
    /// After the work was started, before any of its results.
    AfterWork,
}

/// Witnesses of the daemon's network beside the services.
pub(super) const SENTINELS: usize = 3;

/// A simulated world.
pub struct World {
    /// The present moment.
    pub now: Timestamp,
    /// The settings of the daemon.
    pub policy: Policy,
    /// The services.
    pub hosts: BTreeMap<ServiceName, Host>,
    /// The daemon's core; none while it is down.
    pub monitor: Option<Supervisor>,
    /// What happened, a line each.
    pub transcript: Vec<String>,
    /// When each key of a request was last recorded.
    pub(super) keys: BTreeMap<String, Timestamp>,
    /// Whether the minutes of checks are told too; they would drown the rest.
    pub tells_minutes: bool,
    /// Whether it is told what guards went by.
    pub tells_inputs: bool,
    /// When the last recorded minute of each service began, and what all of them add up to, in seconds.
    pub(super) minutes: BTreeMap<ServiceName, Minutes>,
    /// Orders as the platform got them, with whether it counts as an attempt.
    pub orders: Vec<(Timestamp, Order)>,
    /// The crash that strikes in the next turn that decides something.
    pub crash: Option<Crash>,
    /// The crash waits for a turn that gives an order.
    pub crash_at_order: bool,
    /// The daemon crashes between the next message and its answer.
    pub crash_at_message: bool,
    /// Whether the platform answered "not run", by order.
    pub not_run: Vec<OrderId>,
    /// Whether the daemon's own network is cut: nothing that it asks over it gets an answer.
    pub is_cut_off: bool,
    /// Witnesses of the daemon's network beside the services.
    pub sentinels: usize,
    /// When the attempts of a service were forgotten.
    pub(super) stable: Vec<(Timestamp, ServiceName)>,
    /// What the last look before acting saw.
    pub(super) last_looks: BTreeMap<ServiceName, (Timestamp, Answer)>,
    /// Orders whose answer has not come.
    pub(super) at_the_platform: BTreeSet<ServiceName>,
    /// How the last attempt of a service ended, with its step.
    pub(super) ends: BTreeMap<ServiceName, (usize, Outcome)>,
    /// When each service that posts heartbeats posts the next.
    pub(super) beats: BTreeMap<ServiceName, Timestamp>,
    /// What the platform remembers of containers that were stopped and started, oldest first.
    pub(super) handled: VecDeque<Handled>,
    /// Services that stand stopped by a person as far as the daemon was told.
    pub(super) heard_stops: BTreeSet<ServiceName>,
    /// Those who are told, and what they were told.
    pub telling: Telling,
    pub(super) name_found_at: Option<Timestamp>,
    pub(super) budget_reset_at: Timestamp,
    pub(super) journal: Vec<(Timestamp, String)>,
    pub(super) checkpoint: Option<String>,
    inbox: BTreeMap<(Timestamp, u64), Event>,
    sequence: u64,
}

impl World {
    /// A world in which every service is up and the daemon is about to start.
    pub fn new(policy: Policy) -> Self {
        let hosts = policy.services.iter().map(|service| (service.name.clone(), Host::up())).collect();
        let beats = Self::first_beats(&policy);
        Self {
            now: Timestamp::from_micros(0),
            policy,
            hosts,
            monitor: None,
            transcript: Vec::new(),
            keys: BTreeMap::new(),
            tells_minutes: false,
            tells_inputs: false,
            minutes: BTreeMap::new(),
            orders: Vec::new(),
            crash: None,
            crash_at_order: false,
            crash_at_message: false,
            not_run: Vec::new(),
            is_cut_off: false,
            sentinels: SENTINELS,
            stable: Vec::new(),
            last_looks: BTreeMap::new(),
            at_the_platform: BTreeSet::new(),
            ends: BTreeMap::new(),
            beats,
            handled: VecDeque::new(),
            heard_stops: BTreeSet::new(),
            telling: Telling::default(),
            name_found_at: None,
            budget_reset_at: Timestamp::default(),
            journal: Vec::new(),
            checkpoint: None,
            inbox: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Starts the daemon: rebuilds its state, then lets it decide.
    pub fn start_monitor(&mut self) {
        let mut monitor = Supervisor::new(self.policy.clone(), self.now);
        self.replay_into(&mut monitor);
        let decision = monitor.restarted(self.now);
        self.monitor = Some(monitor);
        self.turn(decision);
        self.tell_again();
    }

    /// Ends the daemon without notice: whatever was not recorded is lost, and so are results under way.
    pub fn kill_monitor(&mut self) {
        self.log("monitor killed");
        self.monitor = None;
        self.inbox.clear();
        self.at_the_platform.clear();
    }

    /// Whether the daemon runs.
    pub fn is_monitored(&self) -> bool {
        self.monitor.is_some()
    }

    /// The durable state of the running daemon.
    pub fn state(&self) -> Option<&State> {
        self.monitor.as_ref().map(Decider::state)
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Timestamp> {
        let wakeup = self.monitor.as_ref().and_then(Decider::next_wakeup);
        self.inbox.keys().next().map(|(at, _)| *at).into_iter().chain(wakeup).chain(self.next_beat()).min()
    }

    /// Lets the next thing happen that lies before `end`; false when there is none.
    pub fn step(&mut self, end: Timestamp) -> bool {
        let Some(at) = self.next().filter(|at| *at < end) else {
            self.now = end;
            return false;
        };
        assert!(at >= self.now, "a wake-up in the past: {at} at {}", self.now);
        self.now = at;
        if self.post_beat() {
            return true;
        }
        if let Some(key) = self.inbox.keys().next().copied().filter(|(due, _)| *due <= at) {
            let event = self.inbox.remove(&key).unwrap_or_else(|| unreachable!("just seen"));
            self.deliver(event);
        } else if let Some(monitor) = &mut self.monitor {
            let decision = monitor.wake(at);
            let next = monitor.next_wakeup();
            assert!(
                next.is_none_or(|next| next > at),
                "a busy loop: woken at {at}, wants to wake at {next:?}"
            );
            self.turn(decision);
        }
        true
    }

    /// Lets everything happen that lies before `end`.
    pub fn run_until(&mut self, end: Timestamp) {
        while self.step(end) {}
    }

    pub(super) fn deliver(&mut self, event: Event) -> Option<supervisor::Answer> {
        if let Event::Performed { service, .. } = &event {
            self.at_the_platform.remove(service);
        }
        let mut decision = self.monitor.as_mut()?.handle(event.clone(), self.now);
        let answer = decision.answer.take();
        let recorded = self.journal.len();
        self.turn(decision);
        self.hear_stop(&event, self.is_monitored() || self.journal.len() > recorded);
        answer
    }

    /// The engine's turn: record, then act; a crash may strike in between.
    fn turn(&mut self, decision: Decision<Supervisor>) {
        let orders = decision.work.iter().any(|work| matches!(work, Work::Perform(_)));
        if self.crash_at_message && decision.work.iter().any(|work| matches!(work, Work::Notify(_))) {
            self.crash_at_message = false;
            self.crash = Some(Crash::AfterWork);
            self.crash_at_order = false;
        }
        let strikes = !decision.facts.is_empty() && (orders || !self.crash_at_order);
        let crash = if strikes { self.crash.take() } else { None };
        if crash == Some(Crash::BeforeRecord) {
            return self.kill_monitor();
        }
        for fact in &decision.facts {
            if self.tells_minutes || !matches!(fact, Fact::CheckRollup(_)) {
                self.log(&describe::fact(fact));
            }
            if let Some(inputs) = describe::inputs(fact).filter(|_| self.tells_inputs) {
                self.log(&inputs);
            }
            self.must_be_new(fact);
            self.must_use_its_key_once(fact);
            self.must_climb_step_by_step(fact);
            self.must_say_by_what(fact);
            self.must_tell_rightly(fact);
            match fact {
                Fact::ServiceStable { service } => self.forget(service),
                Fact::GuardReset { guard: Guard::Budget, .. } => self.budget_reset_at = self.now,
                Fact::GuardReset { guard: Guard::Quarantine, service: Some(service), .. } => {
                    self.forget(service);
                }
                _ => {}
            }
            let document = serde_json::to_string(fact).unwrap_or_else(|error| panic!("{fact:?}: {error}"));
            self.journal.push((self.now, document));
        }
        if crash == Some(Crash::BeforeWork) {
            return self.kill_monitor();
        }
        for work in decision.work {
            self.perform(work);
        }
        if crash == Some(Crash::AfterWork) {
            self.kill_monitor();
        }
    }

    /// The attempts of a service are forgotten, and with them its place on the ladder.
    fn forget(&mut self, service: &ServiceName) {
        self.stable.push((self.now, service.clone()));
        self.ends.remove(service);
    }

    fn perform(&mut self, work: Work) {
        if let Some(line) = describe::work(&work) {
            self.log(&line);
        }
        let quick = Duration::from_millis(3);
        let (event, takes) = match work {
            Work::Probe { service } => {
                let (measured, takes) = self.measure(&service);
                (Event::Probed { service, measured }, takes)
            }
            Work::Consult { peers } => {
                let witnesses = self.witnesses(&peers);
                (Event::Consulted { witnesses }, quick)
            }
            Work::Notify(notification) => {
                let (delivery, takes) = self.be_told(&notification);
                let Notification { channel, notification_id, .. } = *notification;
                (Event::Notified { channel, notification_id, delivery }, takes)
            }
            Work::Renew { channel, lasting } => {
                self.must_last(&lasting);
                (Event::Renewed { channel, delivery: Delivery::Delivered }, quick)
            }
            Work::Preflight { service, recovery_id, peers } => {
                let (measured, takes) = self.measure(&service);
                self.last_looks.insert(service.clone(), (self.now, measured.answer.clone()));
                let observed = self.hosts[&service].observe();
                let witnesses = peers.map(|peers| self.witnesses(&peers));
                let seen = self.hosts[&service].seen();
                (Event::Preflighted { service, recovery_id, measured, observed, witnesses, seen }, takes)
            }
            Work::Look { service } => {
                let observed = self.hosts[&service].observe();
                (Event::Looked { service, observed }, quick)
            }
            Work::Inspect { service, recovery_id } => {
                let observed = self.hosts[&service].observe();
                (Event::Inspected { service, recovery_id, observed }, quick)
            }
            Work::Examine(order) => {
                let standing = self.hosts[&order.service].examine(order.id);
                (Event::Examined { service: order.service, recovery_id: order.id, standing }, quick)
            }
            Work::Perform(order) => {
                self.must_be_recorded(&order);
                self.must_be_the_only_one(&order);
                if order.stage == Stage::Act {
                    self.must_be_needed(&order);
                    self.orders.push((self.now, order.clone()));
                }
                let Some(host) = self.hosts.get_mut(&order.service) else { return };
                let before = host.clone();
                let (performed, takes) = host.perform(&order, self.now);
                let observed = host.observe().ok().filter(|_| order.stage == Stage::Revert);
                let has_failed = matches!(performed, shared::order::Performed::Failed { .. });
                self.tell_of_order(&order.service, &before, has_failed && order.stage == Stage::Act);
                let is_not_run = matches!(performed, shared::order::Performed::NotRun { .. });
                if is_not_run && order.stage == Stage::Act {
                    self.not_run.push(order.id);
                }
                let Order { id, service, stage, .. } = order;
                (
                    Event::Performed { service, recovery_id: id, stage, performed, change: None, observed },
                    takes,
                )
            }
        };
        self.put_in(self.now + takes, event);
    }

    /// Something will reach the daemon, if it runs then.
    pub(super) fn put_in(&mut self, at: Timestamp, event: Event) {
        self.sequence += 1;
        self.inbox.insert((at, self.sequence), event);
    }

    fn log(&mut self, line: &str) {
        self.transcript.push(format!("{} {line}", describe::moment(self.now)));
    }
}
