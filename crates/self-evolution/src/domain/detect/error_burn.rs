//! Errors that use up what an objective of 99 % allows too quickly: rates over a long span, which says that it matters, and a
//! short one, which says that it has not ended (Beyer and others: The site reliability workbook, 2018, chapter 5).

use std::ops::Range;

use super::{Detector, Issue, Seen, Signs};
use crate::domain::evidence::Burn;
use crate::domain::recommendation::{Kind, Priority};
use crate::domain::statistics::pettitt;
use crate::domain::window::bucket::Counters;
use crate::domain::window::shape::{FINE, HOUR, Slot};

/// Its name.
pub(super) const NAME: &str = "error_burn";

/// Part of the answers that may be errors: the rest is the objective.
const ALLOWED: f64 = 0.01;
/// Requests and errors that a short span needs.
const LEAST_REQUESTS: u64 = 20;
const LEAST_ERRORS: u64 = 5;
/// Errors that there must be in this span for any of it to matter.
const MATTERS: u64 = 100;
const MATTERS_WITHIN: Slot = 6 * HOUR;
/// Filled buckets without which nobody can say when it began.
const LEAST_BUCKETS: usize = 30;
/// What retries took away where they were tried: the constant of the system that this one follows.
const PRIOR: f64 = 0.5;

/// A multiple of what is allowed that is too many over both spans.
struct Rule {
    threshold: f64,
    long: Slot,
    short: Slot,
    priority: Priority,
}

/// The quickest first.
const RULES: [Rule; 4] = [
    Rule { threshold: 14.4, long: HOUR, short: 5, priority: Priority::Critical },
    Rule { threshold: 6.0, long: 6 * HOUR, short: 30, priority: Priority::High },
    Rule { threshold: 3.0, long: 24 * HOUR, short: 2 * HOUR, priority: Priority::Medium },
    Rule { threshold: 1.0, long: 24 * HOUR, short: 6 * HOUR, priority: Priority::Low },
];

/// Finds endpoints whose errors use up what they may.
pub struct ErrorBurn;

impl Detector for ErrorBurn {
    fn detect(&self, seen: &Seen<'_>) -> Option<Issue> {
        // Most have too few errors in the whole window.
        if seen.counters.errors() < MATTERS || seen.total(&last(seen, MATTERS_WITHIN)).errors() < MATTERS {
            return None;
        }
        let (rule, burn) = RULES.iter().find_map(|rule| Some((rule, burn(seen, rule)?)))?;
        let slots = last(seen, rule.long);
        let total = seen.total(&slots);
        let (percent, requests) = (total.error_rate()? * 100.0, total.requests);
        let description = format!(
            "Errors use up what a 99% objective allows {:.1} times too fast ({percent:.1}% of {requests} requests). \
             Implement retry logic and improve error handling.",
            burn.long
        );
        let onset = onset(seen).map(|slot| seen.look.begin(slot));
        Some(Issue {
            name: NAME,
            kind: Kind::Reliability,
            priority: rule.priority,
            severity: burn.long,
            prior_improvement: PRIOR,
            description,
            signs: Signs { slots: Some(slots), burn: Some(burn), onset, ..Signs::default() },
        })
    }
}

/// Whether what was found before is over: enough was seen lately to say that.
pub(super) fn is_over(seen: &Seen<'_>) -> bool {
    seen.total(&last(seen, HOUR)).requests >= LEAST_REQUESTS
}

/// The last slots, that of the moment too: errors need not be waited for.
fn last(seen: &Seen<'_>, slots: Slot) -> Range<Slot> {
    (seen.now() + 1).saturating_sub(slots)..seen.now() + 1
}

/// How quickly errors use up what they may, where that is too quickly.
fn burn(seen: &Seen<'_>, rule: &Rule) -> Option<Burn> {
    let &Rule { threshold, long: long_buckets, short: short_buckets, .. } = rule;
    // A window that is shorter than the span says nothing of it.
    if seen.look.within.start > last(seen, long_buckets).start + 1 {
        return None;
    }
    let multiple = |counters: &Counters| counters.error_rate().unwrap_or_default() / ALLOWED;
    let brief = seen.total(&last(seen, short_buckets));
    if brief.requests < LEAST_REQUESTS || brief.errors() < LEAST_ERRORS || multiple(&brief) < threshold {
        return None;
    }
    let long = multiple(&seen.total(&last(seen, long_buckets)));
    (long >= threshold).then(|| Burn {
        threshold,
        long_buckets,
        long,
        short_buckets,
        short: multiple(&brief),
    })
}

/// The slot from which on more answers were errors.
fn onset(seen: &Seen<'_>) -> Option<Slot> {
    let within = last(seen, FINE);
    let rates = || {
        let buckets = seen.buckets(&within);
        buckets.filter_map(|(slots, counters)| Some((slots.start, counters.error_rate()?)))
    };
    let values: Vec<f64> = rates().map(|(_, rate)| rate).collect();
    if values.len() < LEAST_BUCKETS {
        return None;
    }
    let place = pettitt::rise(&values)?;
    rates().map(|(slot, _)| slot).nth(place)
}
