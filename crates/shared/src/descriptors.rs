//! The limit of open files: raised for ourselves, and as it was for the programs that we start.

use std::sync::OnceLock;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// Files beside the probes: the journal, the log, callers of the API, platforms, witnesses.
const OTHERS: u64 = 1_024;

/// The limit that this process was started with; none as long as it was not raised.
static AT_START: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit of open files as far as it takes for so many probes, and no further. Says so where the hard
/// limit is lower: probes beyond it would be our own fault.
pub fn make_room(probes: usize) {
    let wanted = probes as u64 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    AT_START.get_or_init(|| limit);
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

/// Gives a program that was just started the limit that we were started with: some programs use `select`, which cannot
/// take more, or close every file that the limit allows. It has run for some microseconds by then, since nothing that is
/// safe can be done between fork and exec.
pub(crate) fn give_back(program: Pid) {
    let Some(limit) = AT_START.get() else { return };
    // It may have ended already.
    if let Err(error) = prlimit(Some(program), Resource::Nofile, *limit) {
        tracing::debug!(%error, "a program keeps the raised limit of open files");
    }
}
