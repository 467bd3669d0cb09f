//! Changes that a platform carries out: on record before it is told, believed once they are read back, and taken back
//! where nobody can tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::clock::Timestamp;
use shared::engine::Decision;
use shared::order::OrderId;

use super::super::change::{Applied, Baseline, Change, Phase, Trigger};
use super::super::fact::Fact;
use super::super::on_platform::{Ended, OnPlatform};
use super::super::order::{
    AfterApply, Carried, Inspection, Sight, Stage, Standing, after_apply, after_interruption, after_rollback,
};
use super::super::playbook::{action_of, in_words};
use super::super::recommendation::RecommendationId;
use super::super::setting::SettingChange;
use super::super::state::State;
use super::verify::AWAY;
use super::{Aim, Answer, Evolution, Refusal, Work};

/// Orders of this process. None of it outlives the process: what is on record tells what is to be done.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Those that are with a platform.
    pub(super) under_way: BTreeSet<RecommendationId>,
    /// When changes are to be taken back, or what was kept of before them is to be discarded.
    pub(super) due: BTreeMap<RecommendationId, Timestamp>,
}

impl Orders {
    /// What is on record, and nothing under way.
    pub(super) fn of(state: &State) -> Self {
        let due = |change: &Arc<Change>| {
            let due = change.undo_due().or_else(|| change.keep_due())?;
            Some((change.recommendation_id.clone(), due))
        };
        Self { under_way: BTreeSet::new(), due: state.changes.iter().filter_map(due).collect() }
    }

    /// Notes what a fact says of a change.
    pub(super) fn follow(&mut self, fact: &Fact, state: &State) {
        match fact {
            Fact::RollbackBegun(undoing) | Fact::RollbackFailed(undoing) => {
                self.due.insert(undoing.recommendation_id.clone(), undoing.undo.due);
            }
            Fact::ChangeEnded(ended) => drop(self.due.remove(&ended.recommendation_id)),
            Fact::PreviousDiscarded(discarded) => drop(self.due.remove(&discarded.recommendation_id)),
            Fact::ChangeApplied(change) => self.discard(&change.recommendation_id, state),
            Fact::ChangeJudged(judged) => self.discard(&judged.recommendation_id, state),
            Fact::ChangeRolledBack(rolled_back) => {
                self.due.remove(&rolled_back.rollback.recommendation_id);
            }
            Fact::EvolutionStarted { .. }
            | Fact::Usage(_)
            | Fact::EndpointFound { .. }
            | Fact::EndpointFolded { .. }
            | Fact::RouteMerged { .. }
            | Fact::Analysed(_)
            | Fact::Recommendation { .. }
            | Fact::ChangeBegun(_)
            | Fact::TrialBegan { .. }
            | Fact::ArmsSwapped { .. }
            | Fact::SettingsDelivered { .. }
            | Fact::Paused(_)
            | Fact::Resumed => {}
        }
    }

    /// What was kept of before a change that stays is to be discarded.
    fn discard(&mut self, id: &RecommendationId, state: &State) {
        if let Some(due) = state.changes.of(id).and_then(|change| change.keep_due()) {
            self.due.insert(id.clone(), due);
        }
    }

    /// When the next order is to be given.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let waits = self.due.iter().filter(|(id, _)| !self.under_way.contains(*id));
        waits.map(|(_, due)| *due).min()
    }

    pub(super) fn due(&self, now: Timestamp) -> Vec<RecommendationId> {
        let due = self.due.iter().filter(|(id, due)| **due <= now && !self.under_way.contains(*id));
        due.map(|(id, _)| id.clone()).collect()
    }
}

impl Evolution {
    /// A platform was looked at.
    pub(super) fn looked(
        &mut self,
        look: &Inspection,
        aim: Aim,
        sight: &Sight,
        now: Timestamp,
    ) -> Decision<Self> {
        match aim {
            // Asked of what cannot change anything: the answer is all that comes of it.
            Aim::Plan => Decision { answer: Some(self.plan(look, sight, now)), ..Decision::default() },
            Aim::Apply(trigger) => self.apply_after_look(look, sight, trigger, now),
            Aim::Show => {
                self.show(look, sight, now);
                Decision::default()
            }
            Aim::Resume => self.resume_applying(look, sight, now),
        }
    }

    fn plan(&self, look: &Inspection, sight: &Sight, now: Timestamp) -> Answer {
        match self.change_on_platform(look, sight, Trigger::Manual, now) {
            Ok(change) => Answer::Planned(Box::new(change)),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    fn apply_after_look(
        &mut self,
        look: &Inspection,
        sight: &Sight,
        trigger: Trigger,
        now: Timestamp,
    ) -> Decision<Self> {
        let mut decision = Decision::default();
        if let Some(reason) = self.is_held_back_meanwhile(&look.id, trigger, now) {
            self.note_what_holds_back(&mut decision, &look.id, Some(reason), now);
            return decision;
        }
        match self.change_on_platform(look, sight, trigger, now) {
            Ok(change) => {
                self.record(&mut decision, now, Fact::ChangeBegun(Box::new(change.clone())));
                self.order(&mut decision, &change, Stage::Apply, now);
                decision.answer = Some(Answer::Begun(Box::new(change)));
            }
            Err(refusal) => {
                match &refusal {
                    Refusal::NotExecutable(reason) => self.note_plan(&look.id, Err(reason.clone().into())),
                    Refusal::HandedOut(hindrance) => self.note_plan(&look.id, Err((**hindrance).clone())),
                    Refusal::Unknown
                    | Refusal::AlreadyProcessed(_)
                    | Refusal::NotApplied(_)
                    | Refusal::Superseded(_)
                    | Refusal::BeingJudged(_)
                    | Refusal::Paused(_) => {}
                }
                if trigger == Trigger::Automatic {
                    self.note_what_holds_back(&mut decision, &look.id, Some(refusal.to_string()), now);
                }
                decision.answer = Some(Answer::Refused(refusal));
            }
        }
        decision
    }

    /// While a platform was looked at, another change may have begun.
    fn is_held_back_meanwhile(
        &self,
        id: &RecommendationId,
        trigger: Trigger,
        now: Timestamp,
    ) -> Option<String> {
        let recommendation = self.state.recommendations.get(id)?;
        match trigger {
            Trigger::Automatic if !recommendation.is_approved => self.rails(now).hold_back(recommendation),
            Trigger::Automatic | Trigger::Manual | Trigger::Outside => None,
        }
    }

    /// The change that a platform is to make now, given what it has: from what, to what, and how the service fares.
    fn change_on_platform(
        &self,
        look: &Inspection,
        sight: &Sight,
        trigger: Trigger,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let recommendation = self.requested(&look.id, now)?;
        let service = &recommendation.target_service;
        let play = self.policy.playbook.of(service, recommendation.r#type);
        let Some(play) = play.filter(|play| play.target == look.target) else {
            let reason = "its action was configured anew just now: ask again";
            return Err(Refusal::NotExecutable(reason.to_owned()));
        };
        if let Some(open) = self.state.changes.open_of(service) {
            return Err(Refusal::BeingJudged(open.recommendation_id.clone()));
        }
        let changes = play.changes(&self.believed(play, sight)).map_err(Refusal::from)?;
        let details = format!("{} for {service}: {}", play.target, in_words(&changes));
        let action = action_of(recommendation.r#type).into();
        Ok(Change {
            recommendation_id: look.id.clone(),
            recommendation: recommendation.clone(),
            baseline: self.baseline(service, now),
            applied_at: now,
            result: Applied { success: true, action, details },
            trigger,
            inverse: changes.iter().rev().map(SettingChange::inverse).collect(),
            changes,
            version: self.state.settings.version(service),
            platform: Some(OnPlatform {
                target: play.target.clone(),
                order: OrderId::at(now, self.state.totals.begun),
                begun_at: now,
                took_effect: false,
                keeps_previous: play.keeps_previous,
                undo: None,
                ended: None,
            }),
            phase: Phase::Applying,
            ab_test: None,
            trial: None,
            verdict: None,
            rollback: None,
        })
    }

    /// How a service fared over the last hour.
    pub(super) fn baseline(&self, service: &Arc<str>, now: Timestamp) -> Baseline {
        let within = self.policy.shape.last_hour(now);
        let metrics = self.state.window.counters_of(service, &within, |_| true).into();
        Baseline { service: Arc::clone(service), timestamp: now, metrics }
    }

    /// Has an order carried out that is on record.
    pub(super) fn order(
        &mut self,
        decision: &mut Decision<Self>,
        change: &Change,
        stage: Stage,
        now: Timestamp,
    ) {
        if let Some(order) = change.order(stage, now) {
            self.orders.under_way.insert(change.recommendation_id.clone());
            decision.work.push(Work::Carry(Box::new(order)));
        }
    }

    /// An order has ended.
    pub(super) fn carried(&mut self, carried: &Carried, now: Timestamp) -> Decision<Self> {
        let mut decision = Decision::default();
        let id = &carried.recommendation_id;
        self.orders.under_way.remove(id);
        let is_meant =
            |change: &&Arc<Change>| change.platform.as_ref().is_some_and(|it| it.order == carried.change);
        let Some(change) = self.state.changes.of(id).filter(is_meant).cloned() else { return decision };
        match (carried.stage, change.phase) {
            (Stage::Apply, Phase::Applying) => {
                let standing = Standing::of(&change.changes, &carried.sight);
                let then = after_apply(&carried.written, &standing);
                self.after_apply(&mut decision, &change, then, now);
            }
            (Stage::Rollback, Phase::RollingBack | Phase::RollbackFailed) => {
                let standing = Standing::of(&change.inverse, &carried.sight);
                let then = after_rollback(&carried.written, &standing);
                self.after_rollback(&mut decision, &change, then, now);
            }
            (Stage::Keep, _) => self.after_keep(&mut decision, &change, &carried.written, now),
            // It speaks of what is over.
            (Stage::Apply | Stage::Rollback, _) => {}
        }
        decision
    }

    fn after_apply(
        &mut self,
        decision: &mut Decision<Self>,
        change: &Change,
        then: AfterApply,
        now: Timestamp,
    ) {
        match then {
            AfterApply::IsInEffect => {
                let mut change = change.clone();
                change.applied_at = now;
                change.phase = self.policy.judged.first_phase(change.trigger);
                if let Some(platform) = &mut change.platform {
                    platform.took_effect = true;
                }
                self.record(decision, now, Fact::ChangeApplied(Box::new(change)));
                self.order_what_is_due(decision, now);
            }
            AfterApply::Failed(reason) => self.end(decision, change, Phase::Failed, reason, now),
            AfterApply::Superseded(reason) => self.end(decision, change, Phase::Superseded, reason, now),
            // What comes late has come by then. Nobody has asked for the way back, whoever has asked for the change.
            AfterApply::TakeBack(reason) => {
                let due = now + self.pause_after(1);
                self.begin_rollback(decision, change, (reason, Trigger::Automatic), due, now);
            }
        }
    }

    pub(super) fn end(
        &mut self,
        decision: &mut Decision<Self>,
        change: &Change,
        phase: Phase,
        reason: String,
        now: Timestamp,
    ) {
        let recommendation_id = change.recommendation_id.clone();
        let service = Arc::clone(&change.baseline.service);
        let ended = Ended { recommendation_id, service, phase, reason };
        self.record(decision, now, Fact::ChangeEnded(Box::new(ended)));
    }

    /// What was interrupted is looked at, and taken back where it is being taken back.
    pub(super) fn take_up_orders(&mut self, decision: &mut Decision<Self>, now: Timestamp) {
        self.orders = Orders::of(&self.state);
        for change in self.state.changes.open().filter(|change| change.phase == Phase::Applying) {
            let look = change.order(Stage::Apply, now).map(|order| order.look());
            decision.work.extend(look.map(|look| Work::Inspect { look: Box::new(look), aim: Aim::Resume }));
        }
        self.order_what_is_due(decision, now);
    }

    fn resume_applying(&mut self, look: &Inspection, sight: &Sight, now: Timestamp) -> Decision<Self> {
        let mut decision = Decision::default();
        let is_meant = |change: &&Arc<Change>| {
            change.phase == Phase::Applying
                && change.platform.as_ref().is_some_and(|it| Some(it.order) == look.change)
        };
        let Some(change) = self.state.changes.of(&look.id).filter(is_meant).cloned() else { return decision };
        let begun = change.platform.as_ref().map_or(now, |platform| platform.begun_at);
        let then = match after_interruption(&Standing::of(&change.changes, sight)) {
            AfterApply::IsInEffect if now.since(begun) >= self.policy.shape.length(AWAY) => {
                let seconds = now.since(begun).as_secs();
                AfterApply::TakeBack(format!("nobody watched it for {seconds} seconds after it was begun"))
            }
            then @ (AfterApply::IsInEffect
            | AfterApply::Failed(_)
            | AfterApply::Superseded(_)
            | AfterApply::TakeBack(_)) => then,
        };
        self.after_apply(&mut decision, &change, then, now);
        decision
    }
}
