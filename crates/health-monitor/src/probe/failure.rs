//! What the errors of a connection mean: whose fault they are, and in which words they are told.

use std::io::ErrorKind;

/// Errors of this host: without local network, addresses, descriptors or memory nothing can be said of others.
pub(super) fn is_own_fault(error: &std::io::Error) -> bool {
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

pub(super) fn in_words(error: &std::io::Error) -> String {
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
