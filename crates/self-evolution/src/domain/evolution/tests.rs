//! The core as a whole, through events and views; after every test the journal gives the same state.

mod analysis;
mod collecting;
mod comparing;
mod judging;
mod life;
mod platforms;
mod rails;
mod simulation;
mod traffic;

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use shared::engine::{Decider, Decision};

use super::*;
use crate::domain::change::Change;
use crate::domain::detect::detect;
use crate::domain::policy::JudgedChanges;
use crate::domain::recommendation::{Recommendation, RecommendationId};
use crate::domain::usage::report::Reporting;
use crate::domain::window::shape::Shape;

/// A core with a clock and a journal of its own.
struct Daemon {
    core: Evolution,
    now: Timestamp,
    journal: Vec<(Timestamp, Value)>,
    work: VecDeque<Work>,
    policy: Policy,
}

fn policy() -> Policy {
    Policy {
        shape: Shape::default(),
        analysis_interval: Duration::from_secs(3_600),
        threshold: 0.15,
        auto_apply: false,
        judged: JudgedChanges::None,
        ab_tests: true,
        keep_inconclusive: false,
        playbook: Default::default(),
    }
}

/// A window so short that it is not waited for until it has a day.
fn hardly_a_day() -> Shape {
    Shape { window_hours: 23, ..Shape::default() }
}

impl Daemon {
    fn new(policy: Policy) -> Self {
        let now = "2026-11-24T10:00:00Z".parse().unwrap();
        let core = Evolution::new(policy.clone(), now);
        let mut daemon = Self { core, now, journal: Vec::new(), work: VecDeque::new(), policy };
        daemon.restart();
        daemon
    }

    fn take(&mut self, decision: Decision<Evolution>) -> Option<Answer> {
        let written = decision.facts.iter().map(|fact| (self.now, serde_json::to_value(fact).unwrap()));
        self.journal.extend(written);
        self.work.extend(decision.work);
        decision.answer
    }

    fn send(&mut self, event: Event) -> Answer {
        let decision = self.core.handle(event, self.now);
        self.take(decision).expect("an answer")
    }

    /// The process dies, and another one begins with what was recorded.
    fn restart(&mut self) {
        self.work.clear();
        self.core = Evolution::new(self.policy.clone(), self.now);
        self.core.restore(None);
        for (at, fact) in &self.journal {
            self.core.apply(*at, &serde_json::from_value(fact.clone()).unwrap());
        }
        let decision = self.core.restarted(self.now);
        self.take(decision);
    }

    /// Time passes; what is due meanwhile is done.
    fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.core.next_wakeup().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let decision = self.core.wake(self.now);
            self.take(decision);
            self.carry_out();
        }
        self.now = until;
    }

    fn carry_out(&mut self) {
        let is_analysis = |work: &Work| matches!(work, Work::Analyse { .. });
        while let Some(place) = self.work.iter().position(is_analysis) {
            let Some(Work::Analyse { run, look }) = self.work.remove(place) else { return };
            let decision = self.core.handle(Event::Analysed { run, detected: detect(&look) }, self.now);
            self.take(decision);
        }
    }

    fn report(&mut self, events: Vec<Value>) {
        let mut reporting = Reporting::new(self.now, self.policy.shape.tolerance());
        for event in events {
            let text = event.to_string();
            reporting.push(&serde_json::from_str(&text).unwrap());
        }
        let report = reporting.finish();
        assert_eq!(report.rejected, 0, "{:?}", report.rejections);
        self.send(Event::Usage(report));
    }

    /// So many requests to this endpoint, answered after so many seconds with this status.
    fn see(&mut self, service: &str, endpoint: &str, requests: usize, seconds: f64, status: u16) {
        let event = json!({
            "service": service, "endpoint": endpoint, "response_time": seconds, "status_code": status
        });
        self.report(vec![event; requests]);
    }

    fn analyse(&mut self) -> Vec<Recommendation> {
        let Answer::Analysing(run) = self.send(Event::AnalysisRequested) else { panic!("no analysis") };
        self.carry_out();
        let view = self.core.view(self.now);
        assert!(view.run >= run);
        let (_, analysed) = view.analysed.expect("an analysis");
        let find = |id: &RecommendationId| view.recommendations.get(id).unwrap().clone();
        analysed.recommendations.iter().map(find).collect()
    }

    fn only(&mut self) -> Recommendation {
        let mut all = self.analyse();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn apply(&mut self, id: &RecommendationId) -> Result<Change, Refusal> {
        let answer = self.send(Event::ApplyRequested { id: id.clone() });
        if let Answer::Refused(refusal) = answer {
            return Err(refusal);
        }
        let Answer::Applied(change) = answer else { panic!("{answer:?}") };
        Ok(*change)
    }

    fn roll_back(&mut self, id: &RecommendationId) -> Result<Timestamp, Refusal> {
        let event = Event::RollbackRequested { id: id.clone(), reason: "because".into() };
        let answer = self.send(event);
        if let Answer::Refused(refusal) = answer {
            return Err(refusal);
        }
        let Answer::RolledBack(rollback) = answer else { panic!("{answer:?}") };
        Ok(rollback.rollback_time)
    }

    fn setting(&self, service: &str, key: &str) -> Option<Value> {
        self.core.view(self.now).settings.value(service, key).cloned()
    }

    fn recommendation(&self, id: &RecommendationId) -> Recommendation {
        self.core.view(self.now).recommendations.get(id).unwrap().clone()
    }
}

/// Whatever a test has done, the journal gives the state that there is; a checkpoint too.
impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let live = self.core.state().clone();
        let mut replayed = State::default();
        for (at, fact) in &self.journal {
            replayed.apply(*at, &serde_json::from_value(fact.clone()).unwrap());
        }
        assert_eq!(replayed, live, "the journal gives another state");
        let checkpoint = serde_json::to_string(&live).unwrap();
        assert_eq!(
            serde_json::from_str::<State>(&checkpoint).unwrap(),
            live,
            "a checkpoint gives another state"
        );
    }
}
