//! What was answered before a change and with it, and what happened beside it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use shared::clock::Timestamp;

use super::{Case, is_thin};
use crate::domain::change::{Change, Trial};
use crate::domain::judge::{Comparison, Sample, Surroundings};
use crate::domain::statistics::shift::median;
use crate::domain::window::UNMATCHED;
use crate::domain::window::bucket::Counters;
use crate::domain::window::shape::Slot;

/// Services that were not touched and are looked at, the busiest.
const MOST_OTHERS: usize = 20;
/// The chance of an accident above which another service has not moved.
const MOVED: f64 = 0.05;

impl Case<'_> {
    /// What was answered before it at the endpoints that the recommendation was about.
    pub(super) fn before(&self) -> Sample {
        self.in_the_past(|within| self.by_slot_at_evidence(within))
    }

    /// What was answered with it there.
    pub(super) fn with_it(&self, trial: Trial) -> Sample {
        let within = self.slots_with_it(trial);
        Sample::new(self.by_slot_at_evidence(&within).into_values(), within.len())
    }

    /// What the whole service answered before it.
    pub(super) fn before_at_all_endpoints(&self) -> Sample {
        self.in_the_past(|within| self.by_slot_at_all_endpoints(within))
    }

    /// What the whole service has answered since.
    pub(super) fn so_far(&self, now: Timestamp) -> Sample {
        let shape = self.shape();
        self.at_all_endpoints(&(shape.slot(self.change.applied_at) + 1..shape.slot(now)))
    }

    pub(super) fn at_all_endpoints(&self, within: &Range<Slot>) -> Sample {
        Sample::new(self.by_slot_at_all_endpoints(within).into_values(), within.len())
    }

    fn in_the_past(&self, of: impl FnOnce(&Range<Slot>) -> BTreeMap<Slot, Counters>) -> Sample {
        let past = self.past();
        let slots = of(&(past.first()..past.end()));
        // A service that is younger was not silent before its first request.
        let span = slots.keys().find(|slot| past.contains(**slot)).map_or(0, |first| past.len_from(*first));
        let slots = slots.into_iter().filter(|(slot, _)| past.contains(*slot));
        Sample::new(slots.map(|(_, counters)| counters), span)
    }

    pub(super) fn by_slot_at_evidence(&self, within: &Range<Slot>) -> BTreeMap<Slot, Counters> {
        let evidence = self.evidence();
        let is_wanted = |endpoint: &str| evidence.iter().any(|one| **one == *endpoint);
        self.state.window.by_slot(&self.change.baseline.service, within, is_wanted)
    }

    /// Strangers try paths that do not exist; they say nothing of the service.
    fn by_slot_at_all_endpoints(&self, within: &Range<Slot>) -> BTreeMap<Slot, Counters> {
        self.state.window.by_slot(&self.change.baseline.service, within, |endpoint| endpoint != UNMATCHED)
    }

    /// The endpoints that the recommendation was about, by the names that they have now.
    pub(super) fn evidence(&self) -> Vec<Arc<str>> {
        let (service, evidence) = (&self.change.baseline.service, &self.change.recommendation.evidence);
        let mut names: Vec<_> =
            evidence.iter().map(|one| self.state.window.name_now(service, &one.endpoint)).collect();
        names.sort();
        names.dedup();
        names
    }

    pub(super) fn surroundings(&self, trial: Trial) -> Surroundings {
        let mut others: Vec<f64> = self.others(trial);
        others.sort_by(f64::total_cmp);
        Surroundings {
            mix_distance: self.mix_distance(trial),
            others: others.len(),
            others_improvement: median(&others),
        }
    }

    /// Half the sum of how far the part of each endpoint in all requests has moved (the distance in total variation).
    fn mix_distance(&self, trial: Trial) -> f64 {
        let (past, service) = (self.past(), &self.change.baseline.service);
        let parts = |within: Range<Slot>, is_wanted: &dyn Fn(Slot) -> bool| -> Vec<f64> {
            let requests = |endpoint: &Arc<str>| -> u64 {
                let Some(series) = self.state.window.series(service, endpoint) else { return 0 };
                let slots = series.by_slot(&within).filter(|(slot, _)| is_wanted(*slot));
                slots.map(|(_, counters)| counters.requests).sum()
            };
            let counts: Vec<u64> = self.evidence().iter().map(requests).collect();
            let all = counts.iter().sum::<u64>().max(1) as f64;
            counts.into_iter().map(|count| count as f64 / all).collect()
        };
        let before = parts(past.first()..past.end(), &|slot| past.contains(slot));
        let after = parts(self.slots_with_it(trial), &|_| true);
        before.iter().zip(&after).map(|(before, after)| (before - after).abs()).sum::<f64>() / 2.0
    }

    /// By how much the busiest services improved meanwhile that were not touched; 0 for those that stayed as they were.
    fn others(&self, trial: Trial) -> Vec<f64> {
        let (past, with_it) = (self.past(), self.slots_with_it(trial));
        let began = self.shape().begin(past.first());
        let own = &self.change.baseline.service;
        let is_untouched = |service: &&Arc<str>| {
            *service != own && !self.state.changes.iter().any(|change| is_touched(change, service, began))
        };
        let sample = |service: &Arc<str>, within: &Range<Slot>| {
            let slots = self.state.window.by_slot(service, within, |endpoint| endpoint != UNMATCHED);
            Sample::new(slots.into_values(), within.len())
        };
        let untouched = self.state.window.services().filter(is_untouched);
        let mut pairs: Vec<(Sample, Sample)> = untouched
            .map(|service| (sample(service, &(past.first()..past.end())), sample(service, &with_it)))
            .filter(|(before, after)| !is_thin(before) && !is_thin(after))
            .collect();
        pairs.sort_by_key(|(before, _)| Reverse(before.total().requests));
        pairs.iter().take(MOST_OTHERS).map(|(before, after)| self.moved(before, after)).collect()
    }

    fn moved(&self, before: &Sample, after: &Sample) -> f64 {
        let Comparison { improvement, p_better, p_worse, .. } =
            Comparison::new(self.objective(), before, after);
        let has_moved = [p_better, p_worse].into_iter().flatten().any(|p| p < MOVED);
        if has_moved { improvement } else { 0.0 }
    }
}

/// Whether a change of the service was made or taken back since then.
fn is_touched(change: &Change, service: &str, since: Timestamp) -> bool {
    let rolled_back = change.rollback.as_ref().is_some_and(|rollback| rollback.rollback_time >= since);
    *change.baseline.service == *service
        && change.took_effect()
        && (change.applied_at >= since || rolled_back)
}
