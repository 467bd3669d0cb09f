//! What applying would have platforms do, as of the last look: to be shown, and never relied on.

use std::sync::Arc;

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::order::{Inspection, Sight};
use super::super::owned::Hindrance;
use super::super::play::{Play, Want};
use super::super::recommendation::{Recommendation, RecommendationId, Status};
use super::super::setting::SettingChange;
use super::{Aim, Evolution, Work};

impl Evolution {
    /// Has the platforms looked at that pending recommendations are for; what was seen before is forgotten.
    pub(super) fn look_at_platforms(&mut self, decision: &mut Decision<Self>) {
        let is_pending = |r: &&Recommendation| r.status == Status::Pending;
        let looks = self.state.recommendations.iter().filter(is_pending).filter_map(|r| self.inspection(r));
        decision.work.extend(looks.map(|look| Work::Inspect { look: Box::new(look), aim: Aim::Show }));
        self.plans = Arc::default();
    }

    /// What shows whether a platform can carry a recommendation out; none where settings are published.
    pub(super) fn inspection(&self, recommendation: &Recommendation) -> Option<Inspection> {
        let Recommendation { id, target_service: service, r#type: kind, .. } = recommendation;
        let play = self.policy.playbook.of(service, *kind)?;
        Some(Inspection {
            id: id.clone(),
            service: Arc::clone(service),
            kind: *kind,
            target: play.target.clone(),
            keys: play.keys(),
            change: None,
        })
    }

    /// Notes what was seen for a recommendation that is pending.
    pub(super) fn show(&mut self, look: &Inspection, sight: &Sight, now: Timestamp) {
        if self.requested(&look.id, now).is_ok()
            && let Some(play) = self.policy.playbook.of(&look.service, look.kind)
        {
            self.note_plan(&look.id, play.changes(&self.believed(play, sight)));
        }
    }

    /// What a platform has that cannot be looked at: what it was last told by a change that is in effect, else what it is
    /// configured to begin from.
    pub(super) fn believed(&self, play: &Play, sight: &Sight) -> Sight {
        if *sight != Sight::Blind {
            return sight.clone();
        }
        let told = |key: &str| {
            let in_effect =
                self.state.changes.iter().rev().filter(|change| change.is_in_effect_at(&play.target));
            let of_key = |change: &SettingChange| change.key == key;
            in_effect.flat_map(|change| &change.changes).find(|change| of_key(change))?.after.clone()
        };
        let value = |want: &Want| (want.key.clone(), told(&want.key).or_else(|| want.from.clone()));
        Sight::Values(play.wants.iter().map(value).collect())
    }

    pub(super) fn note_plan(&mut self, id: &RecommendationId, plan: Result<Vec<SettingChange>, Hindrance>) {
        Arc::make_mut(&mut self.plans).insert(id.clone(), plan);
    }
}
