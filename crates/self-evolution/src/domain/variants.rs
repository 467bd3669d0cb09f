//! What was answered with a change that only some instances have: usage that carries the variant of an A/B test.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::ab_test::Arm;
use super::change::Change;
use super::fact::UsageRecorded;
use super::recommendation::RecommendationId;
use super::window::bucket::Counters;
use super::window::shape::{FINE, Shape, Slot};
use super::window::{UNMATCHED, Window};

/// What stands for all endpoints that a recommendation is not about.
const REST: &str = "";
/// A service that has reported no variant for so many buckets does not report them any more.
const REPORTS: Slot = 60;

/// Usage with the variants that were reported, of services that are being tested, and which services report any.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Variants {
    /// The slot in which a service last reported a variant, whichever.
    reported: BTreeMap<Arc<str>, Slot>,
    /// What was answered with a change, by recommendation.
    treated: Arc<BTreeMap<RecommendationId, Treated>>,
}

/// What was answered by instances that had a change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Treated {
    service: Arc<str>,
    variant: Arc<str>,
    /// The first slot that is counted.
    since: Slot,
    /// Endpoints that the recommendation is about, and all others together.
    by_endpoint: BTreeMap<Arc<str>, BTreeMap<Slot, Counters>>,
}

impl Variants {
    /// Whether a service says which variant it had, so that it can be tested.
    pub fn are_reported_by(&self, service: &str, now: Slot) -> bool {
        self.reported.get(service).is_some_and(|slot| slot + REPORTS > now)
    }

    /// What was answered with the change of a recommendation.
    pub fn treated(&self, id: &RecommendationId) -> Option<&Treated> {
        self.treated.get(id)
    }

    /// An A/B test begins.
    pub fn begin(&mut self, change: &Change, shape: Shape) {
        let id = &change.recommendation_id;
        let evidence = change.recommendation.evidence.iter();
        let treated = Treated {
            service: Arc::clone(&change.baseline.service),
            variant: Arm::Treatment.variant(id).into(),
            since: shape.slot(change.applied_at),
            by_endpoint: evidence.map(|one| (Arc::clone(&one.endpoint), BTreeMap::new())).collect(),
        };
        Arc::make_mut(&mut self.treated).insert(id.clone(), treated);
    }

    /// An A/B test is over.
    pub fn end(&mut self, id: &RecommendationId) {
        if self.treated.contains_key(id) {
            Arc::make_mut(&mut self.treated).remove(id);
        }
    }

    /// Buckets have another length from now on: what was counted cannot be compared with what comes.
    pub fn forget(&mut self) {
        self.reported.clear();
        for treated in Arc::make_mut(&mut self.treated).values_mut() {
            treated.by_endpoint.values_mut().for_each(BTreeMap::clear);
        }
    }

    /// Endpoints have become one, or others are told apart: what the recommendation is about follows.
    pub fn follow(&mut self, window: &Window, service: &str) {
        if self.treated.values().any(|treated| *treated.service == *service) {
            for treated in Arc::make_mut(&mut self.treated).values_mut() {
                treated.follow(window);
            }
        }
    }

    /// Counts what carries a variant.
    pub fn record(&mut self, at: Timestamp, recorded: &UsageRecorded, shape: Shape) {
        for (place, details) in &recorded.details {
            let Some(variant) = &details.variant else { continue };
            let Some(event) = recorded.events.get(*place as usize) else { continue };
            let Some((service, endpoint)) = recorded.keys.get(event.key as usize) else { continue };
            self.note(service, shape.slot(at));
            let is_counted =
                |treated: &&Treated| *treated.service == **service && *treated.variant == **variant;
            if !self.treated.values().any(|treated| is_counted(&treated)) {
                continue;
            }
            let slot = shape.slot(event.at(at));
            let all = Arc::make_mut(&mut self.treated).values_mut();
            for treated in all.filter(|treated| is_counted(&&**treated)) {
                treated.count(endpoint, slot, &Counters::of(event.response_time, event.status_code));
            }
        }
    }

    fn note(&mut self, service: &Arc<str>, now: Slot) {
        match self.reported.get_mut(service) {
            Some(slot) => *slot = now,
            None => {
                // No more services report than the window tells apart, and those that did long ago are forgotten.
                self.reported.retain(|_, slot| *slot + REPORTS > now);
                self.reported.insert(Arc::clone(service), now);
            }
        }
    }
}

impl Treated {
    fn count(&mut self, endpoint: &Arc<str>, slot: Slot, counters: &Counters) {
        if **endpoint == *UNMATCHED || !(self.since..self.since + FINE).contains(&slot) {
            return;
        }
        let name = if self.by_endpoint.contains_key(endpoint) { Arc::clone(endpoint) } else { REST.into() };
        self.by_endpoint.entry(name).or_default().entry(slot).or_default().merge(counters);
    }

    fn follow(&mut self, window: &Window) {
        for (endpoint, slots) in std::mem::take(&mut self.by_endpoint) {
            let is_rest = *endpoint == *REST;
            let name = if is_rest { endpoint } else { window.name_now(&self.service, &endpoint) };
            let all = self.by_endpoint.entry(name).or_default();
            for (slot, counters) in slots {
                all.entry(slot).or_default().merge(&counters);
            }
        }
    }

    /// What was answered with the change within these slots, slot by slot, over the endpoints that the recommendation is
    /// about, or over all.
    pub fn by_slot(&self, within: &Range<Slot>, at_all_endpoints: bool) -> BTreeMap<Slot, Counters> {
        let mut all: BTreeMap<Slot, Counters> = BTreeMap::new();
        for (endpoint, slots) in &self.by_endpoint {
            if at_all_endpoints || **endpoint != *REST {
                for (slot, counters) in slots.iter().filter(|(slot, _)| within.contains(slot)) {
                    all.entry(*slot).or_default().merge(counters);
                }
            }
        }
        all
    }

    /// Requests with the change within these slots to one of the endpoints that the recommendation is about.
    pub fn requests(&self, endpoint: &str, within: &Range<Slot>) -> u64 {
        let slots = self.by_endpoint.get(endpoint);
        slots
            .into_iter()
            .flatten()
            .filter(|(slot, _)| within.contains(slot))
            .map(|(_, counters)| counters.requests)
            .sum()
    }
}
