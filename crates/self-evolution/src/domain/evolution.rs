//! The decider: usage becomes counts, an analysis recommendations, a recommendation a change, and a change its rollback.

mod analyse;
mod apply;
mod carry;
mod collect;
mod condense;
mod event;
mod outside;
mod plans;
mod undo;
mod verify;

use std::sync::Arc;

use shared::clock::Timestamp;
use shared::engine::{Decider, Decision};

use super::fact::Fact;
use super::newcomers::Newcomers;
use super::pause::Pause;
use super::play::Plans;
use super::policy::Policy;
use super::setting::ServiceSettings;
use super::state::State;
use super::view::View;
use super::window::shape::Slot;

use carry::Orders;
pub use event::{Aim, Answer, Event, Refusal, Work};

/// The pure core of the daemon.
pub struct Evolution {
    state: State,
    policy: Policy,
    runs: Runs,
    /// When the daemon began; the first analysis of all comes one interval later.
    began: Timestamp,
    /// Endpoints that are told apart, as of the last change of their number.
    endpoints: usize,
    /// Those that found no room.
    newcomers: Newcomers,
    /// The slot in which changes were last looked after.
    looked: Slot,
    /// Orders to platforms.
    orders: Orders,
    /// What they would be, as of the last look.
    plans: Plans,
}

/// Analyses of this process, numbered from 1. None of it outlives the process, and nothing of it needs to.
#[derive(Clone, Copy, Debug, Default)]
struct Runs {
    begun: u64,
    over: u64,
    /// The last one that was begun is under way.
    is_under_way: bool,
    /// Somebody has asked after the running one had taken its look.
    is_wanted_again: bool,
}

impl Evolution {
    /// A core without a past.
    pub fn new(policy: Policy, now: Timestamp) -> Self {
        Self {
            state: State::default(),
            policy,
            runs: Runs::default(),
            began: now,
            endpoints: 0,
            newcomers: Newcomers::default(),
            looked: 0,
            orders: Orders::default(),
            plans: Plans::default(),
        }
    }

    /// Records a fact: into the decision, and into the state.
    fn record(&mut self, decision: &mut Decision<Self>, now: Timestamp, fact: Fact) {
        self.apply(now, &fact);
        decision.facts.push(fact);
    }

    fn fetched(
        &mut self,
        service: &Arc<str>,
        instance: &Arc<str>,
        version: u64,
        now: Timestamp,
    ) -> Decision<Self> {
        let mut decision = Decision::default();
        let known = self.state.settings.of(service);
        let is_news = |settings: &Arc<ServiceSettings>| {
            version <= settings.version
                && settings.deliveries.get(instance).is_none_or(|delivery| delivery.version != version)
                && settings.has_room_for(instance, version)
        };
        // Of a service that was never told anything it is worth knowing how many instances ask, if it is one.
        let is_first = || version == 0 && self.state.window.has_service(service);
        if known.map_or_else(is_first, is_news) {
            let (service, instance) = (Arc::clone(service), Arc::clone(instance));
            self.record(&mut decision, now, Fact::SettingsDelivered { service, instance, version });
        }
        decision
    }

    fn pause(&mut self, pause: Pause, now: Timestamp) -> Decision<Self> {
        let mut decision = Decision::default();
        self.record(&mut decision, now, Fact::Paused(pause));
        decision.answer = Some(Answer::Done);
        decision
    }

    fn resume(&mut self, now: Timestamp) -> Decision<Self> {
        let mut decision = Decision::default();
        if self.state.pause.is_some() {
            self.record(&mut decision, now, Fact::Resumed);
        }
        decision.answer = Some(Answer::Done);
        decision
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        self.state.pause.as_ref().is_some_and(|pause| pause.holds(now))
    }
}

impl Decider for Evolution {
    type Event = Event;
    type Answer = Answer;
    type Fact = Fact;
    type Work = Work;
    type View = View;
    type State = State;

    fn apply(&mut self, at: Timestamp, fact: &Fact) {
        self.state.apply(at, fact);
        self.orders.follow(fact, &self.state);
        match fact {
            Fact::EndpointFound { .. }
            | Fact::EndpointFolded { .. }
            | Fact::RouteMerged { .. }
            | Fact::Analysed(_) => {
                self.endpoints = self.state.window.len();
            }
            Fact::EvolutionStarted { .. }
            | Fact::Usage(_)
            | Fact::Recommendation { .. }
            | Fact::ChangeBegun(_)
            | Fact::ChangeApplied(_)
            | Fact::ChangeEnded(_)
            | Fact::TrialBegan { .. }
            | Fact::ArmsSwapped { .. }
            | Fact::ChangeJudged(_)
            | Fact::PreviousDiscarded(_)
            | Fact::RollbackBegun(_)
            | Fact::RollbackFailed(_)
            | Fact::ChangeRolledBack(_)
            | Fact::SettingsDelivered { .. }
            | Fact::Paused(_)
            | Fact::Resumed => {}
        }
    }

    fn handle(&mut self, event: Event, now: Timestamp) -> Decision<Self> {
        match event {
            Event::Usage(report) => self.collect(report, now),
            Event::AnalysisRequested => self.analysis_requested(now),
            Event::Analysed { run, detected } => self.analysed(run, detected, now),
            Event::ApplyRequested { id } => self.apply_requested(&id, now),
            Event::PlanRequested { id } => {
                Decision { answer: Some(self.plan_requested(&id, now)), ..Decision::default() }
            }
            Event::Inspected { look, aim, sight } => self.looked(&look, aim, &sight, now),
            Event::Carried(carried) => self.carried(&carried, now),
            Event::ChangedOutside { service, kind } => self.changed_outside(&service, kind, now),
            Event::RollbackRequested { id, reason } => self.rollback_requested(&id, reason, now),
            Event::ApprovalRequested { id } => self.approval_requested(&id, now),
            Event::DismissalRequested { id, reason } => self.dismissal_requested(&id, reason, now),
            Event::SettingsFetched { service, instance, version } => {
                self.fetched(&service, &instance, version, now)
            }
            Event::PolicyChanged(policy) => {
                self.policy = policy;
                Decision { answer: Some(Answer::Done), ..Decision::default() }
            }
            Event::PauseRequested(pause) => self.pause(pause, now),
            Event::ResumeRequested => self.resume(now),
        }
    }

    fn wake(&mut self, now: Timestamp) -> Decision<Self> {
        let mut decision = Decision::default();
        if self.state.pause.is_some() && !self.is_paused(now) {
            self.record(&mut decision, now, Fact::Resumed);
        }
        self.look_after_changes(&mut decision, now);
        self.order_what_is_due(&mut decision, now);
        if self.next_analysis() <= now {
            self.begin_analysis(&mut decision, now);
        }
        decision
    }

    fn restarted(&mut self, now: Timestamp) -> Decision<Self> {
        let mut decision = Decision::default();
        let last_seen = self.state.recorded_at;
        // What ran is gone; whoever waits for it gets the next one.
        let is_wanted = self.runs.begun > self.runs.over || self.runs.is_wanted_again;
        self.runs.is_under_way = false;
        self.runs.is_wanted_again = false;
        let started =
            Fact::EvolutionStarted { version: env!("CARGO_PKG_VERSION").into(), shape: self.policy.shape };
        self.record(&mut decision, now, started);
        self.take_up_orders(&mut decision, now);
        self.undo_what_was_unwatched(&mut decision, last_seen, now);
        if is_wanted {
            self.begin_analysis(&mut decision, now);
        }
        decision
    }

    fn next_wakeup(&self) -> Option<Timestamp> {
        let analysis = self.is_idle().then(|| self.next_analysis());
        let resumption = self.state.pause.as_ref().and_then(|pause| pause.until);
        analysis.into_iter().chain(resumption).chain(self.next_look()).chain(self.orders.next()).min()
    }

    fn view(&self, now: Timestamp) -> View {
        View {
            at: now,
            recommendations: self.state.recommendations.clone(),
            changes: self.state.changes.clone(),
            settings: self.state.settings.clone(),
            calibration: self.state.calibration.clone(),
            analysed: self.state.analysed.clone(),
            run: self.runs.over,
            pause: self.state.pause.clone().filter(|pause| pause.holds(now)),
            totals: self.state.totals,
            endpoints: self.endpoints,
            auto_apply: self.policy.auto_apply,
            playbook: self.policy.playbook.clone(),
            plans: Arc::clone(&self.plans),
        }
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: Option<State>) {
        self.state = state.unwrap_or_default();
        self.endpoints = self.state.window.len();
        self.orders = Orders::of(&self.state);
    }

    fn must_finish(work: &Work) -> bool {
        match work {
            Work::Analyse { .. } | Work::Inspect { .. } => false,
            Work::Carry(_) => true,
        }
    }

    fn condense(facts: Vec<Fact>) -> Vec<Fact> {
        condense::condense(facts)
    }
}

#[cfg(test)]
mod tests;
