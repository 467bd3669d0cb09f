//! What became of the lines of a log, counted, and told at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::entry::Skip;

/// Reasons that are told one by one.
const TOLD: usize = 5;
/// Reasons that are counted one by one; the daemon has about a dozen.
const KEPT: usize = 100;
/// What stands for all others, and for rejections beyond those that the daemon names.
const OTHER: &str = "other reasons";

/// Numbers of lines and events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    /// Lines that were read, blank ones aside.
    pub(super) lines: u64,
    /// Events that were sent and answered.
    pub(super) sent: u64,
    /// Those that the daemon has recorded.
    pub(super) accepted: u64,
    /// Those that it has not, by its reasons.
    pub(super) rejected: BTreeMap<String, u64>,
    /// Lines of which no event was made.
    pub(super) skipped: BTreeMap<Skip, u64>,
}

impl Tally {
    /// Counts a line that is skipped.
    pub(super) fn skip(&mut self, skip: Skip) {
        *self.skipped.entry(skip).or_default() += 1;
    }

    /// Counts rejected events, of which some have a reason named.
    pub(super) fn reject(&mut self, number: u64, reasons: Vec<String>) {
        let unnamed = number.saturating_sub(reasons.len() as u64);
        for reason in reasons {
            let is_kept = self.rejected.len() < KEPT || self.rejected.contains_key(&reason);
            *self.rejected.entry(if is_kept { reason } else { OTHER.into() }).or_default() += 1;
        }
        if unnamed > 0 {
            *self.rejected.entry(OTHER.into()).or_default() += unnamed;
        }
    }

    /// Takes over what another has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.sent += other.sent;
        self.accepted += other.accepted;
        for (reason, number) in &other.rejected {
            *self.rejected.entry(reason.clone()).or_default() += number;
        }
        for (skip, number) in &other.skipped {
            *self.skipped.entry(*skip).or_default() += number;
        }
    }

    /// Whether there were lines and the daemon has recorded nothing of them.
    pub(super) fn is_fruitless(&self) -> bool {
        self.lines > 0 && self.accepted == 0
    }

    /// What would have helped, where one reason stands out.
    pub(super) fn advice(&self) -> Option<&'static str> {
        let (skip, _) = self.skipped.iter().max_by_key(|(_, number)| **number)?;
        Some(match skip {
            Skip::Old => "The lines are too old: --now reports them as if they happened now.",
            Skip::Future => "The lines are of a time to come: compare the clocks of both hosts.",
            Skip::NoTime => {
                "The lines have no response time: append $request_time (nginx) or %D (Apache) to the log format."
            }
            Skip::NoService => "The lines name no service: give one with --service.",
            Skip::Unreadable | Skip::TooLong | Skip::NoRequest | Skip::NoStatus => {
                "The lines could not be read: give the --format, and look at --help for what is known."
            }
        })
    }

    /// The summary, of so much time.
    pub(super) fn summary(&self, took: Duration) -> String {
        let Self { lines, sent, accepted, rejected, skipped } = self;
        let seconds = took.as_secs_f64();
        let rate = if seconds > 0.0 { *sent as f64 / seconds } else { 0.0 };
        let mut text = format!("lines read   {lines}\n");
        text += &format!("events sent  {sent} in {seconds:.1} s, {rate:.0} events/s\n");
        text += &format!("accepted     {accepted}\n");
        text += &format!("rejected     {}\n", Reasons(rejected));
        text += &format!("skipped      {}\n", Reasons(skipped));
        text
    }
}

/// A sum, with its most frequent parts.
struct Reasons<'a, K>(&'a BTreeMap<K, u64>);

impl<K: fmt::Display> fmt::Display for Reasons<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.values().sum::<u64>())?;
        let mut reasons: Vec<_> = self.0.iter().collect();
        reasons.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
        for (reason, number) in reasons.iter().take(TOLD) {
            write!(f, "\n             {number}: {reason}")?;
        }
        if reasons.len() > TOLD {
            let others: u64 = reasons[TOLD..].iter().map(|(_, number)| **number).sum();
            write!(f, "\n             {others}: {OTHER}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_the_five_most_frequent_reasons() {
        let mut tally = Tally { lines: 30, sent: 22, accepted: 1, ..Tally::default() };
        for number in 1..=6 {
            tally.reject(number, vec![format!("reason {number}"); usize::try_from(number).unwrap()]);
        }
        tally.skip(Skip::NoRequest);
        let expected = "\
lines read   30
events sent  22 in 2.0 s, 11 events/s
accepted     1
rejected     21
             6: reason 6
             5: reason 5
             4: reason 4
             3: reason 3
             2: reason 2
             1: other reasons
skipped      1
             1: no request that could be read
";
        assert_eq!(tally.summary(Duration::from_secs(2)), expected);
    }

    #[test]
    fn reasons_are_bounded_and_no_rejection_is_forgotten() {
        let mut tally = Tally::default();
        for number in 0..200 {
            tally.reject(3, vec![format!("reason {number}")]);
        }
        assert!(tally.rejected.len() <= KEPT + 1);
        assert_eq!(tally.rejected.values().sum::<u64>(), 600);
    }

    #[test]
    fn a_log_that_bears_nothing_gets_advice_on_its_main_reason() {
        let mut tally = Tally { lines: 3, ..Tally::default() };
        tally.skip(Skip::NoRequest);
        tally.skip(Skip::Old);
        tally.skip(Skip::Old);
        assert!(tally.is_fruitless());
        assert!(tally.advice().unwrap().contains("--now"));
        assert!(!Tally::default().is_fruitless(), "an empty log is no failure");
    }
}
