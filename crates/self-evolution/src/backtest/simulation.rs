//! The daemon's core under simulated time: the usage of a file happens to it, and whatever is due meanwhile.
//!
//! The core decides as in the daemon; what is different is here. Work takes no time. Whatever is published for a service is
//! fetched at once by an instance of its own, so that changes are judged by what the file tells.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use shared::clock::Timestamp;
use shared::engine::{Decider, Decision};

use super::changes::Made;
use super::reading::Turn;
use super::telling::Telling;
use crate::domain::detect::detect;
use crate::domain::evolution::{Answer, Event, Evolution, Work};
use crate::domain::order::{Carried, Sight, Written};
use crate::domain::play::Playbook;
use crate::domain::policy::Policy;
use crate::domain::setting::Settings;
use crate::domain::state::State;
use crate::domain::usage::Report;

/// The instance that fetches what is published.
const INSTANCE: &str = "backtest";
/// What stands for the word of a platform.
const NOT_ASKED: &str = "a backtest asks no platform";

/// A core with a time of its own.
pub(super) struct Simulation<'a> {
    core: Evolution,
    now: Timestamp,
    /// Still to come, the earliest first.
    changes: VecDeque<Made>,
    /// What was published and fetched so far.
    fetched: Settings,
    telling: Telling<'a>,
}

impl<'a> Simulation<'a> {
    /// A daemon that begins with the first event or change. It publishes settings where the policy has platforms.
    pub(super) fn begin(
        policy: Policy,
        first: Timestamp,
        changes: VecDeque<Made>,
        telling: Telling<'a>,
    ) -> io::Result<Self> {
        let now = changes.front().map_or(first, |made| made.at.min(first));
        let core = Evolution::new(Policy { playbook: Playbook::default(), ..policy }, now);
        let mut simulation = Self { core, now, changes, fetched: Settings::default(), telling };
        let decision = simulation.core.restarted(now);
        simulation.settle(decision)?;
        Ok(simulation)
    }

    /// Usage is reported. What is due before some of it is done before it.
    pub(super) fn turn(&mut self, Turn { at, report }: Turn) -> io::Result<()> {
        let mut rest = report;
        while let Some(due) = self.due().filter(|due| *due <= at) {
            let (earlier, later) = split(rest, due);
            if let Some(latest) = earlier.events.iter().filter_map(|event| event.at).max() {
                self.report(earlier, latest)?;
            }
            rest = later;
            self.pass(due)?;
        }
        self.report(rest, at)
    }

    /// Everything was reported: looks at all of it once more, as a person would ask for it.
    pub(super) fn finish(mut self) -> io::Result<Ended<'a>> {
        let decision = self.core.handle(Event::AnalysisRequested, self.now);
        self.settle(decision)?;
        Ok(Ended {
            now: self.now,
            state: self.core.state().clone(),
            endpoints: self.core.view(self.now).endpoints,
            not_reached: self.changes.len(),
            telling: self.telling,
        })
    }

    fn due(&self) -> Option<Timestamp> {
        let change = self.changes.front().map(|made| made.at);
        self.core.next_wakeup().into_iter().chain(change).min()
    }

    fn report(&mut self, report: Report, at: Timestamp) -> io::Result<()> {
        if report.events.is_empty() {
            return Ok(());
        }
        self.now = self.now.max(at);
        let decision = self.core.handle(Event::Usage(report), self.now);
        self.settle(decision).map(drop)
    }

    /// Time passes until something is due, and that is done.
    fn pass(&mut self, due: Timestamp) -> io::Result<()> {
        self.now = self.now.max(due);
        while let Some(made) = self.changes.pop_front_if(|made| made.at <= due) {
            let event = Event::ChangedOutside { service: Arc::clone(&made.service), kind: made.kind };
            let decision = self.core.handle(event, self.now);
            if let Some(Answer::Refused(refusal)) = self.settle(decision)? {
                self.telling.refused(self.now, &made, &refusal)?;
            }
        }
        if self.core.next_wakeup().is_some_and(|at| at <= self.now) {
            let decision = self.core.wake(self.now);
            self.settle(decision)?;
        }
        Ok(())
    }

    /// Tells what was decided, and does what follows from it. Gives the answer.
    fn settle(&mut self, decision: Decision<Evolution>) -> io::Result<Option<Answer>> {
        let mut answer = None;
        let mut decisions = VecDeque::from([decision]);
        while let Some(decision) = decisions.pop_front() {
            for fact in &decision.facts {
                self.telling.fact(self.now, fact)?;
            }
            for work in decision.work {
                decisions.push_back(self.carry_out(work)?);
            }
            decisions.extend(self.fetch());
            answer = answer.or(decision.answer);
        }
        Ok(answer)
    }

    fn carry_out(&mut self, work: Work) -> io::Result<Decision<Evolution>> {
        let event = match work {
            Work::Analyse { run, look } => {
                let detected = detect(&look);
                self.telling.findings(self.now, &detected.findings)?;
                Event::Analysed { run, detected }
            }
            // The policy has no platforms; if it had, nobody would ask them here.
            Work::Inspect { look, aim } => Event::Inspected { look, aim, sight: not_asked() },
            Work::Carry(order) => Event::Carried(Box::new(Carried {
                change: order.change,
                recommendation_id: order.recommendation_id.clone(),
                stage: order.stage,
                written: Written::NotRun(NOT_ASKED.into()),
                sight: not_asked(),
            })),
        };
        Ok(self.core.handle(event, self.now))
    }

    /// Fetches what was published since the last time.
    fn fetch(&mut self) -> Vec<Decision<Evolution>> {
        let published = self.core.state().settings.clone();
        if published.is_same(&self.fetched) {
            return Vec::new();
        }
        let is_news =
            |service: &str, version| self.fetched.of(service).is_none_or(|old| old.version < version);
        let news: Vec<_> = published
            .iter()
            .filter(|(service, settings)| is_news(service, settings.version))
            .map(|(service, settings)| (Arc::clone(service), settings.version))
            .collect();
        self.fetched = published;
        let fetched = news.into_iter().map(|(service, version)| {
            let event = Event::SettingsFetched { service, instance: INSTANCE.into(), version };
            self.core.handle(event, self.now)
        });
        fetched.collect()
    }
}

/// What is left of a simulation.
pub(super) struct Ended<'a> {
    /// When it has ended.
    pub(super) now: Timestamp,
    /// What the daemon would know then.
    pub(super) state: State,
    /// Endpoints that are told apart.
    pub(super) endpoints: usize,
    /// Changes that were made later.
    pub(super) not_reached: usize,
    /// Where it was told.
    pub(super) telling: Telling<'a>,
}

fn not_asked() -> Sight {
    Sight::Unreachable(NOT_ASKED.into())
}

/// What was reported until this moment, and from then on.
fn split(mut report: Report, at: Timestamp) -> (Report, Report) {
    let place = report.events.iter().position(|event| event.at.is_some_and(|of_event| of_event >= at));
    match place {
        None => (report, Report::default()),
        Some(0) => (Report::default(), report),
        Some(place) => {
            let events = report.events.split_off(place);
            let later = Report { keys: report.keys.clone(), events, ..Report::default() };
            (report, later)
        }
    }
}
