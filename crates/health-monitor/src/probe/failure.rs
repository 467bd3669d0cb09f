//! What the errors of a connection mean: whose fault they are, and in which words they are told.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use super::resolver::Unresolved;
use crate::domain::reading::Answer;

/// Beyond this many times the limit it was we who were too slow.
const LATE: f64 = 1.5;

/// Had we been scheduled in time, we would have given up long ago: the lateness may be ours.
pub(super) fn unless_late(answer: Answer, limit: Duration, elapsed: Duration) -> Answer {
    let is_late = elapsed > limit.mul_f64(LATE);
    if is_late && matches!(answer, Answer::Silent | Answer::ConnectTimeout) {
        return Answer::OwnFault("the monitor was too slow to see the answer".into());
    }
    answer
}

/// What a name without an address means.
pub(super) fn of_name(unresolved: &Unresolved) -> Answer {
    match unresolved {
        Unresolved::UnknownName(reason) => Answer::UnknownName(reason.clone()),
        Unresolved::ResolverFailed(reason) => Answer::ResolverFailed(reason.clone()),
    }
}

/// What an error of a connection means.
pub(super) fn of_connection(error: &std::io::Error) -> Answer {
    if is_own_fault(error) {
        return Answer::OwnFault(error.to_string());
    }
    Answer::NoConnection(in_words(error))
}

/// A connection that broke off.
pub(super) fn broken(error: &(dyn Error + 'static)) -> Answer {
    let causes = || std::iter::successors(Some(error), |error| (*error).source());
    match causes().find_map(|cause| cause.downcast_ref::<std::io::Error>()) {
        Some(io) => of_connection(io),
        None => Answer::NoConnection(causes().last().map_or_else(String::new, ToString::to_string)),
    }
}

/// Errors of this host: without local network, addresses, descriptors or memory nothing can be said of others.
fn is_own_fault(error: &std::io::Error) -> bool {
    // Linux: ENFILE 23, EMFILE 24, ENOBUFS 105; the standard library gives them no kind of their own.
    const NO_DESCRIPTORS: [i32; 3] = [23, 24, 105];
    let is_local = matches!(
        error.kind(),
        ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
            | ErrorKind::OutOfMemory
    );
    is_local || error.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code))
}

fn in_words(error: &std::io::Error) -> String {
    const WORDS: [(ErrorKind, &str); 5] = [
        (ErrorKind::ConnectionRefused, "connection refused"),
        (ErrorKind::ConnectionReset, "connection reset"),
        (ErrorKind::ConnectionAborted, "connection aborted"),
        (ErrorKind::HostUnreachable, "no route to host"),
        (ErrorKind::UnexpectedEof, "the connection was closed before the answer"),
    ];
    let known = WORDS.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, words)| (*words).into())
}
