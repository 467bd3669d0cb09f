//! A service that is asked more than twice, or less than half, as often as at the same time yesterday.

use std::ops::Range;

use statrs::distribution::{ContinuousCDF, Normal};

use super::look::Look;
use super::{Issue, Signs};
use crate::domain::recommendation::{Kind, Priority};
use crate::domain::window::bucket::Counters;
use crate::domain::window::shape::{DAY, FINE, LATE, Slot};

/// Its name.
pub(super) const NAME: &str = "traffic_change";

/// How many times as many, or as few, requests are another load.
const RATIO: f64 = 2.0;
/// How far off chance it has to be, in deviations of the difference of two counts.
const FAR: f64 = 5.0;
/// What scaling took away where it was tried: the constant of the system that this one follows.
const PRIOR: f64 = 0.2;

/// The last span of which the counterpart of yesterday is known as a whole, and that counterpart.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    pub(super) today: Range<Slot>,
    pub(super) yesterday: Range<Slot>,
}

impl Spans {
    /// Those of a window that reaches back a day; none where buckets of yesterday are so long that those of today are as
    /// coarse.
    pub(super) fn of(look: &Look) -> Option<Self> {
        let shape = look.window.shape();
        let length = shape.coarse();
        if !shape.reaches_a_day() || 2 * length + LATE > FINE {
            return None;
        }
        let begin = look.now.checked_sub(DAY + length)? / length * length;
        let of = |begin: Slot| begin..begin + length;
        Some(Self { today: of(begin + DAY), yesterday: of(begin) })
    }
}

/// What was counted of a service in either span, bucket by bucket today.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) today: Counters,
    pub(super) yesterday: Counters,
}

/// How the traffic of a service has changed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum TrafficChange {
    /// There is more of it, with this chance of an accident.
    Rise(f64),
    /// There is less of it.
    Drop,
}

impl Traffic {
    /// How it has changed, if it has.
    pub(super) fn change(&self) -> Option<TrafficChange> {
        let (today, yesterday) = (self.today.requests as f64, self.yesterday.requests as f64);
        // Of the difference of two counts that come by chance.
        let z = (today - yesterday) / (today + yesterday).sqrt().max(1.0);
        if z > FAR && today > RATIO * yesterday {
            return Some(TrafficChange::Rise(Normal::standard().sf(z)));
        }
        (-z > FAR && today * RATIO < yesterday).then_some(TrafficChange::Drop)
    }

    /// The issue that a rise is.
    pub(super) fn issue(&self, spans: &Spans, p: f64) -> Issue {
        let (today, yesterday) = (self.today.requests, self.yesterday.requests);
        let (times, buckets) = (today as f64 / yesterday.max(1) as f64, spans.today.len());
        Issue {
            name: NAME,
            kind: Kind::Scaling,
            priority: Priority::Medium,
            severity: times,
            prior_improvement: PRIOR,
            description: format!(
                "Traffic rose to {times:.1} times that of the same time yesterday ({today} requests in {buckets} spans, \
                 {yesterday} then). Consider horizontal scaling or load balancing."
            ),
            signs: Signs {
                slots: Some(spans.today.clone()),
                before: Some(spans.yesterday.clone()),
                p: Some(p),
                ..Signs::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_or_half_is_a_change_where_it_is_no_accident() {
        let change = |today, yesterday| {
            let of = |requests| Counters { requests, ..Counters::default() };
            Traffic { today: of(today), yesterday: of(yesterday) }.change()
        };
        assert!(matches!(change(2_001, 1_000), Some(TrafficChange::Rise(p)) if p < 1e-6));
        assert_eq!(change(2_000, 1_000), None, "not more than twice");
        assert_eq!(change(499, 1_000), Some(TrafficChange::Drop));
        assert_eq!(change(500, 1_000), None);
        assert_eq!((change(30, 10), change(10, 30)), (None, None), "so few may be chance");
        assert!(change(26, 0).is_some() && change(24, 0).is_none());
        assert_eq!(change(0, 0), None);
    }
}
