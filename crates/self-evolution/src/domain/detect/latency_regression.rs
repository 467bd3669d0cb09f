//! Answers that take longer in the last 15 buckets than in the 60 before: what is slow for its own kind, whatever that is.

use std::ops::Range;

use super::{Issue, Seen, Signs};
use crate::domain::evidence::{Evidence, Interval};
use crate::domain::recommendation::{Kind, Priority};
use crate::domain::statistics::mann_whitney::mann_whitney;
use crate::domain::statistics::pettitt;
use crate::domain::statistics::shift::hodges_lehmann;
use crate::domain::window::bucket::Counters;
use crate::domain::window::shape::Slot;

/// Its name.
pub(super) const NAME: &str = "latency_regression";

/// The buckets that are compared, and those that they are compared with.
const RECENT: Slot = 15;
const BEFORE: Slot = 60;
/// Buckets with requests that a comparison needs in either.
const LEAST_RECENT: usize = 10;
const LEAST_BEFORE: usize = 30;
/// Requests that it needs in either.
const LEAST_REQUESTS: u64 = 100;
/// The chance of an accident that is accepted, before it is heeded how often the detector looked.
const SIGNIFICANCE: f64 = 0.01;
/// Which part of the response time has to come on top, and how many seconds.
const LEAST_SHIFT: f64 = 0.15;
const LEAST_SECONDS: f64 = 0.02;
/// Which part of it there has to be over all requests: a few slow buckets with few requests are no regression.
const OVERALL: f64 = 0.25;
/// Once found, it is over when less than this part is left of it.
const CLEARS: f64 = 0.1;
/// From this part on it matters much.
const MUCH: f64 = 0.5;
/// What caching took away where it was tried: the constant of the system that this one follows.
const PRIOR: f64 = 0.3;

/// What the comparison of an endpoint with itself gives.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Compared {
    /// What was found before is not over.
    Pending(Issue),
    /// The chance that it is an accident, and the issue if it is none.
    Tested(f64, Option<Issue>),
}

/// Compares an endpoint with itself; none where too little was seen of it.
pub(super) fn compare(seen: &Seen<'_>) -> Option<Compared> {
    let spans = Spans::of(seen)?;
    if let Some(known) = seen.pending(NAME) {
        let rise = spans.rise_over(known)?;
        return (rise >= CLEARS).then(|| Compared::Pending(still(&spans, known, rise)));
    }
    let (before, recent) = (spans.totals.0.mean()?, spans.totals.1.mean()?);
    // All that is looked at counts as looked at, also where one glance is enough.
    if recent < before * (1.0 + OVERALL * LEAST_SHIFT) || recent < before + OVERALL * LEAST_SECONDS {
        return Some(Compared::Tested(1.0, None));
    }
    let (before, recent) = (logarithms(seen, &spans.before), logarithms(seen, &spans.recent));
    let test = mann_whitney(&before, &recent)?;
    let issue = (test.p_higher < SIGNIFICANCE).then(|| {
        let shift = hodges_lehmann(&before, &recent, test.inflation)?;
        // A shift of logarithms is a factor.
        let [estimate, low, high] = [shift.estimate, shift.low, shift.high].map(|shift| shift.exp() - 1.0);
        let signs =
            Signs { p: Some(test.p_higher), shift: Some(Interval { estimate, low, high }), ..spans.signs() };
        found(seen, &spans, signs, estimate)
    });
    Some(Compared::Tested(test.p_higher, issue.flatten()))
}

/// Whether what was found before is over: enough was seen, and little is left of it.
pub(super) fn is_over(seen: &Seen<'_>) -> bool {
    let left = || Spans::of(seen)?.rise_over(seen.pending(NAME)?);
    left().is_some_and(|rise| rise < CLEARS)
}

/// The issue, where it is large enough to be one.
fn found(seen: &Seen<'_>, spans: &Spans, signs: Signs, shift: f64) -> Option<Issue> {
    let (before, recent) = (spans.totals.0.mean()?, spans.totals.1.mean()?);
    let overall = recent / before - 1.0;
    if shift < LEAST_SHIFT || shift * before < LEAST_SECONDS || overall < OVERALL * shift {
        return None;
    }
    let onset = onset(seen, &(spans.before.start..spans.recent.end));
    let signs = Signs { onset: onset.map(|slot| seen.look.begin(slot)), ..signs };
    Some(issue(before, recent, shift, signs))
}

/// What was found before, with what is seen of it now.
fn still(spans: &Spans, known: &Evidence, rise: f64) -> Issue {
    let before = known.baseline.map_or(0.0, |baseline| baseline.mean_response_time);
    let Evidence { baseline, shift, p, onset, .. } = *known;
    let signs = Signs { before: None, baseline, shift, p, onset, ..spans.signs() };
    issue(before, before * (1.0 + rise), rise, signs)
}

fn issue(before: f64, now: f64, shift: f64, signs: Signs) -> Issue {
    let since = signs.onset.map(|onset| format!(" since {onset}")).unwrap_or_default();
    let percent = shift * 100.0;
    Issue {
        name: NAME,
        kind: Kind::Performance,
        priority: if shift >= MUCH { Priority::High } else { Priority::Medium },
        severity: shift,
        prior_improvement: PRIOR,
        description: format!(
            "Response times rose by {percent:.0}%{since} ({before:.3}s before, {now:.3}s now). Consider adding caching or \
             looking at what changed then."
        ),
        signs,
    }
}

/// The two spans, and what was counted in them.
struct Spans {
    before: Range<Slot>,
    recent: Range<Slot>,
    totals: (Counters, Counters),
}

impl Spans {
    /// Those of an endpoint, where enough was seen in either.
    fn of(seen: &Seen<'_>) -> Option<Self> {
        let end = seen.now();
        let begin = end.saturating_sub(RECENT);
        let (before, recent) = (begin.saturating_sub(BEFORE)..begin, begin..end);
        let is_enough = |span: &Range<Slot>, buckets: usize| {
            let total = seen.total(span);
            let filled = seen.buckets(span).filter(|(_, counters)| counters.requests > 0);
            (total.requests >= LEAST_REQUESTS && filled.count() >= buckets).then_some(total)
        };
        let totals = (is_enough(&before, LEAST_BEFORE)?, is_enough(&recent, LEAST_RECENT)?);
        Some(Self { before, recent, totals })
    }

    fn signs(&self) -> Signs {
        Signs { slots: Some(self.recent.clone()), before: Some(self.before.clone()), ..Signs::default() }
    }

    /// How much longer answers take than before it was found, as a part of that.
    fn rise_over(&self, known: &Evidence) -> Option<f64> {
        let before = known.baseline?.mean_response_time;
        Some(self.totals.1.mean()? / before - 1.0).filter(|rise| rise.is_finite())
    }
}

/// Of the mean response times of buckets with requests: what makes answers slow multiplies. A microsecond stands for
/// nothing at all.
fn logarithms(seen: &Seen<'_>, within: &Range<Slot>) -> Vec<f64> {
    let means = seen.buckets(within).filter_map(|(_, counters)| counters.mean());
    means.map(|mean| mean.max(1e-6).ln()).collect()
}

/// The slot from which on answers took longer.
fn onset(seen: &Seen<'_>, within: &Range<Slot>) -> Option<Slot> {
    if let Some(leap) = seen.leap().filter(|leap| within.contains(leap)) {
        return Some(leap);
    }
    let place = pettitt::rise(&logarithms(seen, within))?;
    let filled = seen.buckets(within).filter(|(_, counters)| counters.requests > 0);
    filled.map(|(slots, _)| slots.start).nth(place)
}
