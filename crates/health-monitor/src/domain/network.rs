//! Whether a silence is the services' or our own: witnesses elsewhere in the network are asked.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

/// Fewer witnesses than this decide nothing: with two, one broken witness would be half of them.
pub const QUORUM: usize = 3;
/// Consecutive favourable verdicts that end an isolation.
pub const PASSES: u32 = 2;

/// What one witness said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Witness {
    /// Who was asked: host and port, or the name of a service.
    pub name: String,
    /// Whether an answer came, a refusal included: it too has crossed the network.
    pub reached: bool,
    /// What came instead of an answer.
    pub error: Option<String>,
}

/// What the witnesses say together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Our network works.
    Connected,
    /// Most witnesses cannot be reached: the fault is ours.
    Isolated,
    /// There are too few witnesses to tell.
    Undecided,
}

/// The verdict of the majority.
pub fn judge(witnesses: &[Witness]) -> Verdict {
    let lost = witnesses.iter().filter(|witness| !witness.reached).count();
    if witnesses.len() < QUORUM {
        Verdict::Undecided
    } else if lost * 2 > witnesses.len() {
        Verdict::Isolated
    } else {
        Verdict::Connected
    }
}

/// A time during which our own network was gone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Isolation {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it ended; null while it lasts.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// What the witnesses said when it began or ended.
    pub witnesses: Vec<Witness>,
}

impl Isolation {
    /// The witnesses that could not be reached, as a person reads them.
    pub fn lost(&self) -> String {
        let lost = self.witnesses.iter().filter(|witness| !witness.reached);
        lost.map(|witness| witness.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Whether an address never leaves this host, so that our network has no part in it.
pub fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witnesses(reached: &[bool]) -> Vec<Witness> {
        reached.iter().map(|reached| Witness { name: "w".into(), reached: *reached, error: None }).collect()
    }

    #[test]
    fn only_a_majority_of_at_least_three_makes_an_isolation() {
        assert_eq!(judge(&witnesses(&[])), Verdict::Undecided);
        assert_eq!(judge(&witnesses(&[false, false])), Verdict::Undecided);
        assert_eq!(judge(&witnesses(&[false, false, true])), Verdict::Isolated);
        assert_eq!(judge(&witnesses(&[false, true, true])), Verdict::Connected);
        assert_eq!(judge(&witnesses(&[false, false, true, true])), Verdict::Connected);
    }

    #[test]
    fn an_address_of_this_host_needs_no_network() {
        assert!(is_local("localhost") && is_local("127.0.0.9") && is_local("[::1]"));
        assert!(!is_local("web") && !is_local("192.0.2.1"));
    }
}
