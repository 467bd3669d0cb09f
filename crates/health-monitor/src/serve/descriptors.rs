//! Room for the sockets of all probes that may be under way at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside the probes: the journal, the log, callers of the API, platforms, witnesses.
const OTHERS: u64 = 1_024;

/// Raises the soft limit of open files as far as it takes for so many probes, and no further, since the programs that
/// heal inherit it. Says so where the hard limit is lower: probes beyond it would be our own fault.
pub(super) fn make_room(probes: usize) {
    let wanted = probes as u64 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let possible = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), ..limit });
    if possible < wanted || raised.is_err() {
        tracing::warn!(
            wanted,
            possible,
            "the limit of open files is too low for {probes} probes at once: raise it (ulimit -n, LimitNOFILE)"
        );
    }
}
