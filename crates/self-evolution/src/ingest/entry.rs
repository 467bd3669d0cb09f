//! What one line of an access log says about a request, or why nothing is learnt from it.

use std::borrow::Cow;
use std::fmt;

use shared::clock::Timestamp;

/// One request as a log tells it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Entry<'a> {
    /// The service, where the line names it.
    pub(super) service: Option<Cow<'a, str>>,
    /// The HTTP method.
    pub(super) method: Option<Cow<'a, str>>,
    /// What was asked for: a path, with query or not, or a whole address.
    pub(super) target: Cow<'a, str>,
    /// How long the answer took, in seconds.
    pub(super) seconds: f64,
    /// The HTTP status.
    pub(super) status: u16,
    /// When, where the line says so.
    pub(super) at: Option<Timestamp>,
    /// The trace that the request belongs to.
    pub(super) trace_id: Option<Cow<'a, str>>,
}

/// Why nothing is learnt from a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Skip {
    /// It has more bytes than are looked at.
    TooLong,
    /// It is not of the format.
    Unreadable,
    /// It holds no request with a method and a target, such as what a TLS client sends to a plain port.
    NoRequest,
    /// It has no status, as when the client was gone before there was one.
    NoStatus,
    /// It does not tell how long the answer took.
    NoTime,
    /// It does not tell which service it was.
    NoService,
    /// It was written too long ago for the daemon to take it.
    Old,
    /// It is of a time to come.
    Future,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "longer than 64 KiB",
            Self::Unreadable => "not of this format",
            Self::NoRequest => "no request that could be read",
            Self::NoStatus => "no status",
            Self::NoTime => "no response time",
            Self::NoService => "no service named",
            Self::Old => "too old for the daemon",
            Self::Future => "of a time to come",
        })
    }
}

/// What a number in a log counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// As nginx's `$request_time` and Apache's `%T`.
    Seconds,
    /// As Envoy's `%DURATION%`.
    Milliseconds,
    /// As Apache's `%D`.
    Microseconds,
    /// As Traefik's `Duration`.
    Nanoseconds,
}

impl Unit {
    /// So many of it, in seconds.
    pub(super) fn seconds(self, number: f64) -> f64 {
        // Divided, because 1e-3 is no number that floating point has.
        match self {
            Self::Seconds => number,
            Self::Milliseconds => number / 1e3,
            Self::Microseconds => number / 1e6,
            Self::Nanoseconds => number / 1e9,
        }
    }

    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }

    /// The unit of this word.
    pub(super) fn of(word: &str) -> Option<Self> {
        [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds]
            .into_iter()
            .find(|unit| unit.as_str() == word)
    }
}

/// A status as it is logged. A dash, 0 and nginx's 000 mean that there was none.
pub(super) fn status(text: &str) -> Result<u16, Skip> {
    match text.parse::<u16>() {
        Ok(0) => Err(Skip::NoStatus),
        Ok(status) => Ok(status),
        Err(_) if matches!(text, "-" | "") => Err(Skip::NoStatus),
        Err(_) => Err(Skip::Unreadable),
    }
}
