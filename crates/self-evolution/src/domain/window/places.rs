//! Who gives way to a busy newcomer once every place is taken.

use std::sync::Arc;

use super::{Endpoints, OTHER, UNMATCHED, Window};
use crate::domain::newcomers::Claim;
use crate::domain::window::series::Series;
use crate::domain::window::shape::Slot;

/// How many times as busy as the least busy one a newcomer has to be, so that two of a kind do not take turns.
const BUSIER: u64 = 2;

/// Whose place a newcomer takes: that of an endpoint, or of a whole service.
pub(crate) type Outdone = (Arc<str>, Option<Arc<str>>);

impl Window {
    /// Who gives way to a newcomer for which there is no room: the least busy endpoint of its service, or, if the
    /// service has no place either, the least busy service. None where the newcomer is not much busier.
    pub fn outdone_by(&self, Claim { key: (service, endpoint), requests, since }: &Claim) -> Option<Outdone> {
        let own = self.services.get(service);
        if own.is_some_and(|own| own.series.contains_key(&own.routes.apply(endpoint))) {
            return None;
        }
        let is_outdone = |busy: u64| busy.saturating_mul(BUSIER) < *requests;
        let within = *since..Slot::MAX;
        let busy = |series: &Series| series.counters(&within).requests;
        if let Some(own) = own.filter(|own| own.is_full() || self.is_full()) {
            let apart = own.series.iter().filter(|(endpoint, _)| is_endpoint(endpoint));
            let least = apart.map(|(endpoint, series)| (busy(series), endpoint)).min();
            if let Some((least, endpoint)) = least {
                return is_outdone(least).then(|| (Arc::clone(service), Some(Arc::clone(endpoint))));
            }
        }
        let all = |endpoints: &Endpoints| endpoints.series.values().map(|series| busy(series)).sum::<u64>();
        let others = self.services.iter().filter(|(other, _)| *other != service && ***other != *OTHER);
        let (least, other) = others.map(|(other, endpoints)| (all(endpoints), other)).min()?;
        is_outdone(least).then(|| (Arc::clone(other), None))
    }

    /// Counts an endpoint, or all of a service, as what is beyond the bounds from now on. Totals stay.
    pub fn fold(&mut self, service: &Arc<str>, endpoint: Option<&str>) {
        self.fold_series(service, endpoint);
        self.count_endpoints();
    }

    fn fold_series(&mut self, service: &Arc<str>, endpoint: Option<&str>) {
        let Some(endpoints) = self.services.get_mut(service).map(Arc::make_mut) else { return };
        if let Some(endpoint) = endpoint {
            if let Some(series) = endpoints.series.remove(endpoint) {
                Arc::make_mut(endpoints.series.entry(OTHER.into()).or_default()).merge(&series);
            }
            return;
        }
        let Some(endpoints) = self.services.remove(service) else { return };
        let others = Arc::make_mut(self.services.entry(OTHER.into()).or_default());
        let other = Arc::make_mut(others.series.entry(OTHER.into()).or_default());
        for series in endpoints.series.values() {
            other.merge(series);
        }
    }
}

fn is_endpoint(endpoint: &str) -> bool {
    endpoint != OTHER && endpoint != UNMATCHED
}
