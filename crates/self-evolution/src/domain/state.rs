//! The durable state: what replaying all facts gives.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::ab_test::AbTest;
use super::calibration::Calibration;
use super::change::{Change, Changes, Phase, Rollback, Trigger};
use super::fact::{Analysed, Fact, Judged};
use super::on_platform::{Discarded, Ended, Undoing};
use super::pause::Pause;
use super::recommendation::{Recommendations, Status};
use super::setting::{Delivery, Settings};
use super::variants::Variants;
use super::window::Window;
use super::window::shape::{Shape, Slot};

/// Buckets without any fact that leave a hole in what is known.
const HOLE: Slot = 10;

/// What was counted since the first start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Usage events that were taken.
    pub events: u64,
    /// Analyses.
    pub analyses: u64,
    /// Changes that were made.
    pub applied: u64,
    /// Changes that were judged.
    #[serde(default)]
    pub judged: u64,
    /// Changes that were taken back.
    pub rolled_back: u64,
    /// Changes that platforms were told to make.
    #[serde(default)]
    pub begun: u64,
    /// Tries to take a change back that have failed.
    #[serde(default)]
    pub rollback_failures: u64,
}

/// The durable state.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// What was seen.
    pub window: Window,
    /// What is recommended.
    pub recommendations: Recommendations,
    /// Usage with the variants of A/B tests.
    #[serde(default)]
    pub variants: Variants,
    /// What was changed.
    pub changes: Changes,
    /// What services are told.
    pub settings: Settings,
    /// What came of changes, by their kind.
    #[serde(default)]
    pub calibration: Calibration,
    /// What the last analysis gave, and when.
    #[serde(default)]
    pub analysed: Option<(Timestamp, Analysed)>,
    /// Changes are held back.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// Counts.
    #[serde(default)]
    pub totals: Totals,
    /// When recording went on after nothing was recorded for ten buckets, or the clock went back.
    #[serde(default)]
    pub hole_ended: Option<Timestamp>,
    /// When something was last recorded.
    #[serde(default)]
    pub recorded_at: Option<Timestamp>,
}

impl State {
    /// Changes the state by one recorded fact.
    pub fn apply(&mut self, at: Timestamp, fact: &Fact) {
        let is_hole = |last: Timestamp| at < last || at.since(last) > self.window.shape().length(HOLE);
        if self.recorded_at.is_some_and(is_hole) {
            self.hole_ended = Some(at);
        }
        self.recorded_at = Some(at);
        match fact {
            Fact::EvolutionStarted { shape, .. } => self.reshape(*shape),
            Fact::Usage(recorded) => {
                self.totals.events += recorded.events.len() as u64;
                self.window.record(at, recorded);
                self.variants.record(at, recorded, self.window.shape());
            }
            Fact::EndpointFound { service, endpoint } => self.window.admit(service, endpoint),
            Fact::EndpointFolded { service, endpoint } => {
                self.window.fold(service, endpoint.as_deref());
                self.variants.follow(&self.window, service);
            }
            Fact::RouteMerged { service, prefix } => {
                self.window.merge(service, prefix);
                self.variants.follow(&self.window, service);
            }
            Fact::Analysed(analysed) => {
                self.totals.analyses += 1;
                self.window.age(at);
                self.analysed = Some((at, analysed.clone()));
            }
            Fact::Recommendation { recommendation } => self.recommendations.put((**recommendation).clone()),
            Fact::ChangeBegun(change) => {
                self.totals.begun += 1;
                self.changes.put((**change).clone());
            }
            Fact::ChangeApplied(change) => self.applied(at, change),
            Fact::ChangeEnded(ended) => self.ended(at, ended),
            Fact::TrialBegan { recommendation_id, trial, .. } => {
                self.changes.update(recommendation_id, |change| {
                    change.phase = Phase::Verifying;
                    change.trial = Some(*trial);
                })
            }
            Fact::ArmsSwapped { service, recommendation_id, trial } => {
                let swapped = self.settings.swap(service, at);
                self.changes.update(recommendation_id, |change| {
                    change.trial = Some(*trial);
                    change.ab_test = change.ab_test.map(|test| AbTest { swapped, ..test });
                });
            }
            Fact::ChangeJudged(judged) => self.judged(judged),
            Fact::PreviousDiscarded(discarded) => self.discarded(discarded),
            Fact::RollbackBegun(undoing) => self.undoing(Phase::RollingBack, undoing),
            Fact::RollbackFailed(undoing) => {
                self.totals.rollback_failures += 1;
                self.undoing(Phase::RollbackFailed, undoing);
            }
            Fact::ChangeRolledBack(rolled_back) => self.rolled_back(at, &rolled_back.rollback),
            Fact::SettingsDelivered { service, instance, version } => {
                self.settings.deliver(service, instance, Delivery { version: *version, at });
            }
            Fact::Paused(pause) => self.pause = Some(pause.clone()),
            Fact::Resumed => self.pause = None,
        }
    }

    fn reshape(&mut self, shape: Shape) {
        if shape.bucket_seconds != self.window.shape().bucket_seconds {
            self.variants.forget();
        }
        self.window.reshape(shape);
    }

    fn applied(&mut self, at: Timestamp, change: &Change) {
        let id = &change.recommendation_id;
        self.totals.applied += 1;
        if change.platform.is_none() && change.trigger != Trigger::Outside {
            self.publish(at, change);
        }
        self.recommendations.change(id, |recommendation| {
            recommendation.becomes(Status::Applied, at, change.result.details.clone());
            recommendation.applied_at = Some(at);
            recommendation.held_back = None;
            recommendation.changes.clone_from(&change.changes);
        });
        match change.platform {
            Some(_) => self.changes.update(id, |known| known.clone_from(change)),
            None => self.changes.put(change.clone()),
        }
    }

    fn ended(&mut self, at: Timestamp, Ended { recommendation_id: id, phase, reason, .. }: &Ended) {
        self.changes.update(id, |change| {
            change.phase = *phase;
            if let Some(platform) = &mut change.platform {
                platform.ended = Some(reason.clone());
            }
        });
        self.recommendations.change(id, |recommendation| {
            recommendation.becomes(Status::Failed, at, reason.clone());
            recommendation.held_back = None;
        });
    }

    fn discarded(&mut self, discarded: &Discarded) {
        self.changes.update(&discarded.recommendation_id, |change| {
            if let Some(platform) = &mut change.platform {
                platform.keeps_previous = false;
            }
        });
    }

    fn undoing(&mut self, phase: Phase, Undoing { recommendation_id, undo, .. }: &Undoing) {
        self.changes.update(recommendation_id, |change| {
            change.phase = phase;
            if let Some(platform) = &mut change.platform {
                platform.undo = Some(undo.clone());
            }
        });
    }

    fn publish(&mut self, at: Timestamp, change: &Change) {
        let (service, id) = (&change.baseline.service, &change.recommendation_id);
        let told = |key: &str| self.settings.of(service).and_then(|told| told.settings.get(key)).cloned();
        let before = change.changes.iter().map(|change| (change.key.clone(), told(&change.key))).collect();
        self.settings.publish(service, &change.changes, at, Some(id));
        if let Some(test) = change.ab_test {
            self.settings.divide(service, before, id, test);
            self.variants.begin(change, self.window.shape());
        }
    }

    fn judged(&mut self, judged: &Judged) {
        self.totals.judged += 1;
        if judged.phase != Phase::RolledBack {
            self.settings.unite(&judged.service);
        }
        self.variants.end(&judged.recommendation_id);
        if let Some(change) = self.changes.of(&judged.recommendation_id) {
            self.calibration.learn(&change.recommendation, &judged.verdict);
        }
        self.changes.update(&judged.recommendation_id, |change| {
            change.phase = judged.phase;
            change.verdict = Some(judged.verdict.clone());
        });
    }

    fn rolled_back(&mut self, at: Timestamp, rollback: &Rollback) {
        let id = &rollback.recommendation_id;
        self.totals.rolled_back += 1;
        self.variants.end(id);
        if let Some(change) = self.changes.of(id).filter(|change| change.platform.is_none()) {
            let inverse = change.inverse.clone();
            self.settings.publish(&rollback.service, &inverse, at, None);
        }
        self.recommendations.change(id, |recommendation| {
            recommendation.becomes(Status::RolledBack, at, rollback.reason.clone());
            // What a person approved of was this one try.
            recommendation.is_approved = false;
        });
        self.changes.roll_back(rollback.clone());
    }
}
