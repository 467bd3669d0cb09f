//! What was seen of all endpoints over the window, within bounds: 200 services, 100 endpoints of each, 2,000 in all.
//!
//! What goes beyond a bound is counted under `{other}`, so that totals stay exact.

mod blocks;
pub mod bucket;
pub mod histogram;
mod packed;
mod places;
mod routes;
pub mod series;
pub mod shape;
mod trail;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::fact::UsageRecorded;
use bucket::Counters;
use routes::Routes;
use series::Series;
use shape::{Shape, Slot};

/// Services that are told apart.
pub const MOST_SERVICES: usize = 200;
/// Endpoints of a service that are told apart.
pub const MOST_ENDPOINTS: usize = 100;
/// Endpoints of all services that are told apart.
pub const MOST_KEYS: usize = 2_000;

/// What is beyond a bound.
pub const OTHER: &str = "{other}";
/// Paths under which nothing was ever found.
pub const UNMATCHED: &str = "{unmatched}";

/// What was seen of all endpoints. A clone shares what is not changed afterwards.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Window {
    shape: Shape,
    services: BTreeMap<Arc<str>, Arc<Endpoints>>,
    /// Endpoints that are told apart, without what is beyond the bounds: asked for with every path that has no place.
    #[serde(default)]
    apart: usize,
}

/// The endpoints of one service.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Endpoints {
    #[serde(default, skip_serializing_if = "Routes::is_empty")]
    routes: Routes,
    series: BTreeMap<Arc<str>, Arc<Series>>,
    /// The slot in which the service was first heard of.
    #[serde(default)]
    since: Option<Slot>,
}

impl Endpoints {
    /// Endpoints that are told apart, without what is beyond the bounds.
    fn apart(&self) -> usize {
        self.series.len() - [OTHER, UNMATCHED].iter().filter(|name| self.series.contains_key(**name)).count()
    }

    fn is_full(&self) -> bool {
        self.series.len() >= MOST_ENDPOINTS && self.apart() >= MOST_ENDPOINTS
    }
}

/// Where an event is counted, or what has to be decided first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Under an endpoint that is known.
    Known(Arc<str>, Arc<str>),
    /// Under this endpoint, once it is admitted.
    New(Arc<str>, Arc<str>),
    /// The paths that begin like this differ in the next segment only by chance: it becomes a parameter first.
    Merge {
        /// The service.
        service: Arc<str>,
        /// What the paths begin with.
        prefix: String,
    },
}

/// One endpoint of one service, and what was seen of it.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The service.
    pub service: &'a Arc<str>,
    /// The endpoint.
    pub endpoint: &'a Arc<str>,
    /// What was seen.
    pub series: &'a Series,
}

impl Window {
    /// How time is divided.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Divides time otherwise from now on. Requests keep their time, as far as the longer buckets know it.
    pub fn reshape(&mut self, shape: Shape) {
        if shape.bucket_seconds != self.shape.bucket_seconds {
            let old = self.shape;
            let slot_of = |slot: Slot| shape.slot(old.begin(slot));
            for endpoints in self.services.values_mut() {
                let endpoints = Arc::make_mut(endpoints);
                endpoints.since = endpoints.since.map(slot_of);
                for series in endpoints.series.values_mut() {
                    *series = Arc::new(series.reslotted(slot_of));
                }
            }
        }
        self.shape = shape;
        self.count_endpoints();
    }

    /// Where an event of this service and endpoint is counted. The endpoint is free of identities already.
    pub fn place(&self, service: &Arc<str>, endpoint: &Arc<str>) -> Place {
        let Some((service, endpoints)) = self.services.get_key_value(service) else {
            return self.place_in_new_service(service, endpoint);
        };
        let endpoint = endpoints.routes.apply(endpoint);
        if let Some((endpoint, _)) = endpoints.series.get_key_value(&endpoint) {
            return Place::Known(Arc::clone(service), Arc::clone(endpoint));
        }
        if endpoints.is_full() || self.is_full() {
            return self.overflow(service);
        }
        let known = endpoints.series.iter().map(|(endpoint, series)| (&**endpoint, series.requests()));
        match endpoints.routes.to_merge(&endpoint, known) {
            Some(prefix) => Place::Merge { service: Arc::clone(service), prefix },
            None => Place::New(Arc::clone(service), endpoint),
        }
    }

    fn place_in_new_service(&self, service: &Arc<str>, endpoint: &Arc<str>) -> Place {
        // One place is kept for what is beyond the bound.
        let apart = self.services.len() - usize::from(self.services.contains_key(OTHER));
        if apart + 1 >= MOST_SERVICES || self.is_full() {
            return self.overflow(&OTHER.into());
        }
        Place::New(Arc::clone(service), Arc::clone(endpoint))
    }

    fn overflow(&self, service: &Arc<str>) -> Place {
        let is_known =
            self.services.get(service).is_some_and(|endpoints| endpoints.series.contains_key(OTHER));
        let place = if is_known { Place::Known } else { Place::New };
        place(Arc::clone(service), OTHER.into())
    }

    fn is_full(&self) -> bool {
        self.apart >= MOST_KEYS
    }

    /// To be called whenever endpoints have come or gone.
    fn count_endpoints(&mut self) {
        self.apart = self.services.values().map(|endpoints| endpoints.apart()).sum();
    }

    /// Where the events of a service and endpoint are counted, once whatever could be admitted is. `is_found` says that
    /// some answer has shown that there is something under the path.
    pub fn known(&self, service: &Arc<str>, endpoint: &Arc<str>, is_found: bool) -> (Arc<str>, Arc<str>) {
        match self.place(service, endpoint) {
            Place::Known(service, endpoint) if is_found || self.has_found(&service, &endpoint) => {
                (service, endpoint)
            }
            Place::Known(service, _) | Place::New(service, _) | Place::Merge { service, .. } => {
                (service, UNMATCHED.into())
            }
        }
    }

    /// Whether something was ever found under an endpoint that is one.
    fn has_found(&self, service: &str, endpoint: &str) -> bool {
        endpoint != OTHER && self.series(service, endpoint).is_some_and(Series::exists)
    }

    /// Endpoints that are told apart.
    pub fn len(&self) -> usize {
        self.services.values().map(|endpoints| endpoints.series.len()).sum()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Every endpoint, by service and endpoint.
    pub fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        self.services.iter().flat_map(|(service, endpoints)| {
            endpoints.series.iter().map(move |(endpoint, series)| Key { service, endpoint, series })
        })
    }

    /// What was seen of an endpoint.
    pub fn series(&self, service: &str, endpoint: &str) -> Option<&Series> {
        self.services.get(service)?.series.get(endpoint).map(|series| &**series)
    }

    /// What was counted of a service within these slots, over the endpoints that are wanted.
    pub fn counters_of(
        &self,
        service: &str,
        within: &Range<Slot>,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Counters {
        let mut all = Counters::default();
        for series in self.wanted(service, is_wanted) {
            all.merge(&series.counters(within));
        }
        all
    }

    /// What was counted of a service in each slot within these, over the endpoints that are wanted.
    pub fn by_slot(
        &self,
        service: &str,
        within: &Range<Slot>,
        is_wanted: impl Fn(&str) -> bool,
    ) -> BTreeMap<Slot, Counters> {
        let mut slots: BTreeMap<Slot, Counters> = BTreeMap::new();
        for series in self.wanted(service, is_wanted) {
            for (slot, counters) in series.by_slot(within) {
                slots.entry(slot).or_default().merge(&counters);
            }
        }
        slots
    }

    fn wanted(&self, service: &str, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &Series> {
        let all = self.services.get(service).into_iter().flat_map(|endpoints| &endpoints.series);
        all.filter(move |(endpoint, _)| is_wanted(endpoint)).map(|(_, series)| &**series)
    }

    /// The name that an endpoint has by now: others may have become one with it since.
    pub fn name_now(&self, service: &str, endpoint: &Arc<str>) -> Arc<str> {
        match self.services.get(service) {
            Some(endpoints) => endpoints.routes.apply(endpoint),
            None => Arc::clone(endpoint),
        }
    }

    /// Whether anything was seen of a service.
    pub fn has_service(&self, service: &str) -> bool {
        self.services.contains_key(service)
    }

    /// Every service.
    pub fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        self.services.keys()
    }

    /// The slot since which a service is known.
    pub fn since(&self, service: &str) -> Option<Slot> {
        self.services.get(service)?.since
    }

    /// Tells an endpoint apart from now on.
    pub fn admit(&mut self, service: &Arc<str>, endpoint: &Arc<str>) {
        let endpoints = Arc::make_mut(self.services.entry(Arc::clone(service)).or_default());
        endpoints.series.entry(Arc::clone(endpoint)).or_default();
        self.count_endpoints();
    }

    /// Makes one endpoint of all that begin alike and differ in the next segment.
    pub fn merge(&mut self, service: &str, prefix: &str) {
        let Some(endpoints) = self.services.get_mut(service) else { return };
        let endpoints = Arc::make_mut(endpoints);
        endpoints.routes.merge(prefix);
        for (endpoint, series) in std::mem::take(&mut endpoints.series) {
            let endpoint = endpoints.routes.apply(&endpoint);
            match endpoints.series.entry(endpoint) {
                Entry::Vacant(entry) => drop(entry.insert(series)),
                Entry::Occupied(mut entry) => {
                    Arc::make_mut(entry.get_mut()).merge(&series);
                }
            }
        }
        self.count_endpoints();
    }

    /// Counts recorded events.
    pub fn record(&mut self, at: Timestamp, recorded: &UsageRecorded) {
        let (shape, now) = (self.shape, self.shape.slot(at));
        let oldest = shape.oldest(at);
        for (key, events) in recorded.by_key() {
            let endpoints = Arc::make_mut(self.services.entry(Arc::clone(&key.0)).or_default());
            endpoints.since.get_or_insert(now);
            let series = Arc::make_mut(endpoints.series.entry(Arc::clone(&key.1)).or_default());
            for event in events {
                series.record(now, shape.slot(event.at(at)), event.response_time, event.status_code);
            }
            if series.is_due(now) {
                series.age(now, oldest, shape.coarse());
            }
        }
    }

    /// Forgets what is older than the window, and endpoints of which nothing is left.
    pub fn age(&mut self, now: Timestamp) {
        let (slot, oldest) = (self.shape.slot(now), self.shape.oldest(now));
        let coarse = self.shape.coarse();
        self.services.retain(|_, endpoints| {
            let endpoints = Arc::make_mut(endpoints);
            endpoints.series.retain(|_, series| {
                let series = Arc::make_mut(series);
                series.age(slot, oldest, coarse);
                !series.is_empty()
            });
            !endpoints.series.is_empty()
        });
        self.count_endpoints();
    }
}

#[cfg(test)]
mod tests;
