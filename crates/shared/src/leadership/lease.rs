//! When a lease may be taken and how long it holds: pure, after the rules that Kubernetes' own components follow
//! (client-go's `leaderelection`).

use std::net::SocketAddr;
use std::time::Duration;

/// How long others wait after the last renewal that they saw before they take the lease.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// How long the holder acts after its last renewal. One write to the API server takes 4 s at most, so it has ended before
/// anybody else may act; longer orders end under the protection of the journal, which nobody else has open meanwhile.
pub(super) const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often the holder renews, and others look.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// What a lease says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Record {
    /// Who holds it; none after it was given up.
    pub(super) holder: Option<String>,
    /// Where the holder answers requests: `10.1.2.3:5006`.
    pub(super) address: Option<SocketAddr>,
    /// How long it holds after a renewal; ours where it does not say.
    pub(super) lasts: Option<Duration>,
    /// When it was last renewed, by the holder's clock. Compared, never computed with: clocks differ.
    pub(super) renewed_at: String,
    /// How often the holder has changed.
    pub(super) transitions: i32,
}

/// Who leads, as far as others know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Leader {
    /// The name of the pod.
    pub(super) name: String,
    /// Where it answers requests.
    pub(super) address: Option<SocketAddr>,
}

/// What a candidate does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Write the lease as its holder, under this number of transitions.
    Hold {
        /// One more than before where the holder changes.
        transitions: i32,
    },
    /// Leave it to its holder.
    Wait(Leader),
}

/// One who wants to lead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    identity: String,
    /// What the lease said when it last changed, and when that was seen.
    seen: Option<(Record, Duration)>,
}

impl Candidate {
    /// One of this name, which no other candidate has at the same time.
    pub(super) fn new(identity: String) -> Self {
        Self { identity, seen: None }
    }

    /// What to do about a lease that says this at this moment (counted since any fixed point). A lease that is not
    /// there may be made, once the one that was there before has run out.
    pub(super) fn decide(&mut self, record: Option<&Record>, now: Duration) -> Step {
        let Some(record) = record else {
            return self.others_term(now).map_or(Step::Hold { transitions: 0 }, Step::Wait);
        };
        if self.seen.as_ref().is_none_or(|(seen, _)| seen != record) {
            self.seen = Some((record.clone(), now));
        }
        match &record.holder {
            Some(holder) if *holder == self.identity => Step::Hold { transitions: record.transitions },
            Some(_) | None => self
                .others_term(now)
                .map_or(Step::Hold { transitions: record.transitions.saturating_add(1) }, Step::Wait),
        }
    }

    /// The other one whose lease has not run out, as far as was seen.
    fn others_term(&self, now: Duration) -> Option<Leader> {
        let (record, seen_at) = self.seen.as_ref()?;
        let name = record.holder.clone().filter(|holder| *holder != self.identity)?;
        let holds = now < *seen_at + record.lasts.unwrap_or(LEASE);
        holds.then_some(Leader { name, address: record.address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn of(holder: &str, renewed_at: u64) -> Record {
        Record {
            holder: (!holder.is_empty()).then(|| holder.to_owned()),
            address: "10.1.2.3:5006".parse().ok(),
            lasts: Some(LEASE),
            renewed_at: renewed_at.to_string(),
            transitions: 3,
        }
    }

    fn waits(step: &Step) -> bool {
        matches!(step, Step::Wait(leader) if leader.name == "other")
    }

    #[test]
    fn a_lease_that_nobody_holds_is_taken() {
        let mut candidate = Candidate::new("me".into());
        assert_eq!(candidate.decide(None, at(100)), Step::Hold { transitions: 0 });
        assert_eq!(candidate.decide(Some(&of("", 1)), at(101)), Step::Hold { transitions: 4 });
    }

    #[test]
    fn a_lease_that_was_deleted_is_left_to_its_holder_until_it_has_run_out() {
        let mut candidate = Candidate::new("me".into());
        assert!(waits(&candidate.decide(Some(&of("other", 1)), at(100))));
        assert!(waits(&candidate.decide(None, at(101))));
        assert!(waits(&candidate.decide(None, at(114))));
        assert_eq!(candidate.decide(None, at(115)), Step::Hold { transitions: 0 });
    }

    #[test]
    fn a_lease_of_our_own_name_is_ours_after_a_restart_too() {
        let mut candidate = Candidate::new("me".into());
        assert_eq!(candidate.decide(Some(&of("me", 1)), at(100)), Step::Hold { transitions: 3 });
    }

    #[test]
    fn the_lease_of_another_is_taken_when_no_renewal_was_seen_for_its_length_whatever_its_clock_says() {
        let mut candidate = Candidate::new("me".into());
        assert!(waits(&candidate.decide(Some(&of("other", 999_999)), at(100))), "just seen");
        assert!(waits(&candidate.decide(Some(&of("other", 999_999)), at(114))));
        assert!(
            waits(&candidate.decide(Some(&of("other", 0)), at(114))),
            "renewed, on a clock that was put back"
        );
        assert!(waits(&candidate.decide(Some(&of("other", 0)), at(128))));
        assert_eq!(candidate.decide(Some(&of("other", 0)), at(129)), Step::Hold { transitions: 4 });
    }

    #[test]
    fn the_length_that_the_holder_has_written_counts() {
        let mut candidate = Candidate::new("me".into());
        let long = Record { lasts: Some(at(60)), ..of("other", 1) };
        assert!(waits(&candidate.decide(Some(&long), at(0))));
        assert!(waits(&candidate.decide(Some(&long), at(59))));
        assert_eq!(candidate.decide(Some(&long), at(60)), Step::Hold { transitions: 4 });
    }

    #[test]
    fn who_leads_is_known_by_name_and_address() {
        let leader = Leader { name: "other".into(), address: "10.1.2.3:5006".parse().ok() };
        assert_eq!(Candidate::new("me".into()).decide(Some(&of("other", 1)), at(0)), Step::Wait(leader));
    }

    #[test]
    fn a_holder_stops_to_act_before_another_may_begin() {
        let one_write = crate::platform::kubernetes::access::WRITE_LIMIT;
        assert!(RENEW_DEADLINE + one_write < LEASE, "with room for a request that is under way");
    }
}
