//! The world: a clock, a daemon that may be away, its journal, and who talks to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self_evolution::domain::change::{Phase, Trigger};
use self_evolution::domain::detect::detect;
use self_evolution::domain::evolution::{Aim, Answer, Event, Evolution, Work};
use self_evolution::domain::fact::Fact;
use self_evolution::domain::order::Order;
use self_evolution::domain::play::Playbook;
use self_evolution::domain::policy::{JudgedChanges, Policy};
use self_evolution::domain::recommendation::RecommendationId;
use self_evolution::domain::usage::report::Reporting;
use self_evolution::domain::window::shape::Shape;
use shared::clock::Timestamp;
use shared::engine::{Decider, Decision};

use super::describe;
use super::fleet::Fleet;
use super::platform::Platform;
use super::traffic::Traffic;

/// Traffic of a minute is reported in its midst.
const REPORTED: Duration = Duration::from_secs(30);
/// A process that has died by itself is started again so long after.
const REVIVED: Duration = Duration::from_secs(20);
/// A minute.
pub const MINUTE: Duration = Duration::from_secs(60);

/// What the daemon does if nothing else is said. Its window is an hour short of the day that a daemon waits for before it
/// acts by itself, so that scenarios need not be a day long.
pub fn policy() -> Policy {
    Policy {
        shape: Shape { window_hours: 23, ..Shape::default() },
        analysis_interval: Duration::from_secs(3_600),
        threshold: 0.15,
        auto_apply: false,
        judged: JudgedChanges::All,
        keep_inconclusive: false,
        ab_tests: false,
        playbook: Playbook::default(),
    }
}

/// When a scenario begins.
pub fn beginning() -> Timestamp {
    Timestamp::from_micros(1_795_478_400 * 1_000_000)
}

/// On which side of the record of a fact the process dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// Before it: nothing of the turn is known afterwards.
    BeforeRecord,
    /// After it, before anything else is done or answered.
    AfterRecord,
}

/// Everything there is.
pub struct World {
    pub now: Timestamp,
    pub policy: Policy,
    pub traffic: Traffic,
    /// The instances of each service.
    pub fleet: Fleet,
    pub platform: Platform,
    /// The process dies at the next record of a fact of this type.
    pub crash: Option<(Crash, String)>,
    pub transcript: Vec<String>,
    daemon: Option<Evolution>,
    /// When whoever looks after the process starts it again.
    revives: Option<Timestamp>,
    journal: Vec<(Timestamp, String)>,
    work: VecDeque<Work>,
    told: describe::Told,
}

impl World {
    /// A world in which no daemon runs yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            now: beginning(),
            policy,
            traffic: Traffic::default(),
            fleet: Fleet::default(),
            platform: Platform::default(),
            crash: None,
            transcript: Vec::new(),
            daemon: None,
            revives: None,
            journal: Vec::new(),
            work: VecDeque::new(),
            told: describe::Told::default(),
        }
    }

    /// A line of the transcript.
    pub fn say(&mut self, line: &str) {
        let at = describe::moment(self.now);
        self.transcript.push(format!("{at} {line}"));
    }

    /// The daemon starts with what was recorded.
    pub fn start(&mut self) {
        self.revives = None;
        let mut daemon = Evolution::new(self.policy.clone(), self.now);
        daemon.restore(None);
        for (at, fact) in &self.journal {
            daemon.apply(*at, &serde_json::from_str(fact).unwrap_or_else(|error| panic!("{error}: {fact}")));
        }
        let decision = daemon.restarted(self.now);
        self.daemon = Some(daemon);
        self.take(decision);
        self.carry_out();
    }

    /// The process dies, and nobody starts it again by himself.
    pub fn kill(&mut self) {
        self.daemon = None;
        self.revives = None;
        self.work.clear();
        self.platform.lose_answers();
    }

    /// Time passes: services answer and fetch, and what is due is done.
    pub fn run_until(&mut self, until: Timestamp) {
        loop {
            let minute = self.minute(self.now);
            let report = minute + if self.now < minute + REPORTED { REPORTED } else { MINUTE + REPORTED };
            let due = self.daemon.as_ref().and_then(Decider::next_wakeup);
            let others = due.into_iter().chain(self.revives).chain(self.platform.next_answer());
            let next = others.map(|due| due.max(self.now)).fold(report, Timestamp::min);
            if next > until {
                self.now = self.now.max(until);
                return;
            }
            self.now = next;
            if self.revives.is_some_and(|at| at <= next) {
                self.start();
                continue;
            }
            if next == report {
                self.minute_passes();
            }
            if due.is_some_and(|due| due <= self.now)
                && let Some(daemon) = &mut self.daemon
            {
                let decision = daemon.wake(self.now);
                self.take(decision);
            }
            self.carry_out();
        }
    }

    fn minute(&self, at: Timestamp) -> Timestamp {
        at - Duration::from_secs(at.since(beginning()).as_secs() % 60)
    }

    /// Everybody fetches what is new, and what was answered is reported.
    fn minute_passes(&mut self) {
        for (service, instance) in self.fleet.fetching() {
            let Some(daemon) = &mut self.daemon else { return };
            let told = daemon.state().settings.of(&service).cloned();
            let version = told.as_ref().map_or(0, |settings| settings.version);
            let event = Event::SettingsFetched {
                service: service.as_str().into(),
                instance: instance.as_str().into(),
                version,
            };
            let decision = daemon.handle(event, self.now);
            self.take(decision);
            let news = self.fleet.was_told(&service, &instance, told.as_deref());
            if let Some(has_it) = news.filter(|_| self.traffic.tells_variants(&service)) {
                self.say(&format!("{instance} {} the change", if has_it { "has" } else { "no longer has" }));
            }
        }
        let mut reporting = Reporting::new(self.now, self.policy.shape.tolerance());
        self.traffic.report(self.now.since(beginning()).as_secs() / 60, &self.fleet, &mut reporting);
        if !reporting.is_empty() {
            let report = reporting.finish();
            assert_eq!(report.rejected, 0, "{:?}", report.rejections);
            self.send(Event::Usage(report));
        }
    }

    /// Something happens to the daemon; none where it does not answer. Where a platform is to be looked at first, whoever
    /// asked does that.
    pub fn send(&mut self, event: Event) -> Option<Answer> {
        let aim = match &event {
            Event::PlanRequested { .. } => Aim::Plan,
            _ => Aim::Apply(Trigger::Manual),
        };
        let decision = self.daemon.as_mut()?.handle(event, self.now);
        let answer = match self.take(decision) {
            Some(Answer::InspectFirst(look)) => {
                let sight = self.platform.see(&look.service);
                let decision = self.daemon.as_mut()?.handle(Event::Inspected { look, aim, sight }, self.now);
                self.take(decision)
            }
            answer => answer,
        };
        self.carry_out();
        answer
    }

    /// Facts are recorded, unless the process dies; nothing else is done before that.
    fn take(&mut self, decision: Decision<Evolution>) -> Option<Answer> {
        let facts = Evolution::condense(decision.facts);
        let written: Vec<String> = facts
            .iter()
            .map(|fact| serde_json::to_string(fact).unwrap_or_else(|error| panic!("{error}: {fact:?}")))
            .collect();
        let dies = self.crash.as_ref().and_then(|(crash, kind)| {
            let of_kind = format!("{{\"type\":\"{kind}\"");
            written.iter().any(|fact| fact.starts_with(&of_kind)).then_some(*crash)
        });
        if dies == Some(Crash::BeforeRecord) {
            return self.die("the process dies before it has recorded that");
        }
        for (fact, written) in facts.iter().zip(written) {
            self.tell(fact);
            self.journal.push((self.now, written));
        }
        if dies == Some(Crash::AfterRecord) {
            return self.die("the process dies after it has recorded that");
        }
        self.work.extend(decision.work);
        decision.answer
    }

    fn die(&mut self, how: &str) -> Option<Answer> {
        self.crash = None;
        self.kill();
        self.revives = Some(self.now + REVIVED);
        self.say(&format!("# {how}"));
        None
    }

    fn tell(&mut self, fact: &Fact) {
        if let Some(line) = self.told.fact(fact) {
            self.say(&line);
        }
    }

    /// Work takes no time, except for what a platform takes its time for.
    fn carry_out(&mut self) {
        while let Some(event) = self.next_result() {
            let Some(daemon) = &mut self.daemon else { return };
            let decision = daemon.handle(event, self.now);
            self.take(decision);
        }
    }

    /// What comes of the work that is to be done, and of orders that a platform has dealt with by now.
    fn next_result(&mut self) -> Option<Event> {
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Analyse { run, look } => return Some(Event::Analysed { run, detected: detect(&look) }),
                Work::Inspect { look, aim } => {
                    let sight = self.platform.see(&look.service);
                    return Some(Event::Inspected { look, aim, sight });
                }
                Work::Carry(order) => self.hand_over(&order),
            }
        }
        self.platform.answer(self.now).map(|carried| Event::Carried(Box::new(carried)))
    }

    /// Gives an order to the platform. It has to be on record by then.
    fn hand_over(&mut self, order: &Order) {
        let begun =
            format!("{{\"type\":\"change_begun\",\"recommendation_id\":\"{}\"", order.recommendation_id);
        let is_it = |fact: &str| fact.starts_with(&begun) && fact.contains(&order.change.to_string());
        assert!(self.journal.iter().any(|(_, fact)| is_it(fact)), "not on record: {order:?}");
        let does = self.platform.take(order, self.now);
        self.say(&does);
    }

    /// The newest recommendation for a service because of an issue, or one that so many are newer than.
    pub fn recommendation(&self, service: &str, detector: &str, newer: usize) -> RecommendationId {
        let all = self.daemon.iter().flat_map(|daemon| daemon.state().recommendations.in_order());
        let newest = all.filter(|one| one.is_like(service, detector)).rev().nth(newer);
        newest.map_or_else(|| RecommendationId::named("none"), |one| one.id.clone())
    }

    /// Checks what holds in every world, and that the journal gives the state that there is.
    pub fn check(&self) {
        let Some(daemon) = &self.daemon else { return };
        let live = daemon.state();
        let mut replayed = Evolution::new(self.policy.clone(), self.now);
        replayed.restore(None);
        for (at, fact) in &self.journal {
            replayed
                .apply(*at, &serde_json::from_str(fact).unwrap_or_else(|error| panic!("{error}: {fact}")));
        }
        assert_eq!(replayed.state(), live, "the journal gives another state");
        for (service, told) in live.settings.iter() {
            let is_tested = live.changes.open_of(service).is_some_and(|open| open.ab_test.is_some());
            assert_eq!(told.split.is_some(), is_tested, "{service} is divided while it is tested, no longer");
        }
        for change in live.changes.iter() {
            let is_over = change.rollback.is_some();
            assert_eq!(change.phase == Phase::RolledBack, is_over, "{change:?}");
            for one in change.changes.iter().filter(|_| is_over) {
                let now =
                    live.settings.of(&change.baseline.service).and_then(|told| told.settings.get(&one.key));
                let is_its_own =
                    now.is_some_and(|now| now.recommendation_id.as_ref() == Some(&change.recommendation_id));
                let is_tried_again = live
                    .changes
                    .of(&change.recommendation_id)
                    .is_some_and(|newest| newest.rollback.is_none());
                assert!(!is_its_own || is_tried_again, "{} was taken back and is still told", one.key);
            }
        }
    }

    /// What services are told at the end, what is not over, and what the platform has.
    pub fn in_the_end(&self) -> Vec<String> {
        let Some(daemon) = &self.daemon else { return vec!["nobody answers".to_owned()] };
        let all = daemon.state().settings.iter().map(|(service, told)| {
            let values: Vec<_> =
                told.settings.iter().map(|(key, one)| format!("{key}: {}", one.value)).collect();
            let values = if values.is_empty() { "nothing".to_owned() } else { values.join(", ") };
            format!("{service} is told {values}")
        });
        let open = daemon.state().changes.open();
        let open = open
            .map(|change| format!("the change of {} is {}", change.baseline.service, change.phase.as_str()));
        all.chain(open).chain(self.platform.sizes()).collect()
    }

    /// A name as the core has it.
    pub fn name(name: &str) -> Arc<str> {
        name.into()
    }
}
