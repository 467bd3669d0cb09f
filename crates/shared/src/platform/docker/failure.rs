//! What a call to the engine that went wrong means: whether anything can have happened, and what to do.

use std::io;
use std::time::Duration;

use bollard::errors::Error;

use super::address::Address;
use crate::order::Performed;
use crate::platform::{QUOTED, one_line};

/// A call that went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// Nothing was sent.
    NoConnection { cause: Cause },
    /// The engine, or a proxy before it, answered with a status that is no success.
    Answered { status: u16, message: String },
    /// It was sent, but no whole answer came.
    NoAnswer { cause: String },
}

/// Why there is no connection, as far as it changes what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// The socket is not there.
    NoSuchFile,
    /// This user may not use it.
    PermissionDenied,
    /// Anything else, in the system's words.
    Other(String),
}

impl Failure {
    /// A call that took longer than its limit.
    pub(super) fn timed_out(limit: Duration) -> Self {
        Self::NoAnswer { cause: format!("no answer within {} s", limit.as_secs()) }
    }

    /// What went wrong, on which engine, and what to do about it; without what was tried.
    pub(super) fn sentence(&self, address: &Address) -> String {
        match self {
            Self::NoConnection { cause } => {
                let (cause, remedy) = match cause {
                    Cause::NoSuchFile => ("no such file", "start Docker"),
                    Cause::PermissionDenied => {
                        ("permission denied", "let this user use the socket (by its group, usually docker)")
                    }
                    Cause::Other(cause) => (cause.as_str(), "start Docker"),
                };
                format!(
                    "Docker is not reachable at {address}: {cause}; {remedy}, set DOCKER_HOST, \
                     or choose another RECOVERY_BACKEND"
                )
            }
            Self::Answered { status: 403, message } => {
                format!(
                    "Docker at {address} answered 403: {message}; allow this call in the proxy or plugin before it"
                )
            }
            Self::Answered { status, message } => format!("Docker at {address} answered {status}: {message}"),
            Self::NoAnswer { cause } => {
                format!("Docker at {address}: {cause}; check that the engine responds")
            }
        }
    }

    /// How an order ended whose call went wrong like this.
    pub(super) fn of_order(&self, tried: &str, address: &Address) -> Performed {
        let reason = format!("{tried}: {}", self.sentence(address));
        match self {
            Self::NoConnection { .. } => Performed::NotRun { reason },
            Self::Answered { status, .. } if *status >= 500 => Performed::Failed { reason },
            Self::Answered { .. } => Performed::NotRun { reason },
            Self::NoAnswer { .. } => {
                Performed::Unknown { reason: format!("{reason}; it may have been carried out") }
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::DockerResponseServerError { status_code, message } = error {
            let message = one_line(message.as_bytes()).chars().take(QUOTED).collect();
            return Self::Answered { status: status_code, message };
        }
        if let Error::SocketNotFoundError(_) = error {
            return Self::NoConnection { cause: Cause::NoSuchFile };
        }
        if let Error::HyperLegacyError { err } = &error
            && err.is_connect()
        {
            return Self::NoConnection { cause: cause(err) };
        }
        if let Error::URLParseError { .. } | Error::InvalidURIError { .. } | Error::HttpClientError { .. } =
            error
        {
            return Self::NoConnection { cause: Cause::Other(error.to_string()) };
        }
        Self::NoAnswer { cause: format!("the answer broke off or cannot be read: {}", innermost(&error)) }
    }
}

fn cause(error: &dyn std::error::Error) -> Cause {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return of_system(error);
        }
        source = error.source();
    }
    Cause::Other(innermost(error))
}

fn of_system(error: &io::Error) -> Cause {
    if error.kind() == io::ErrorKind::NotFound {
        Cause::NoSuchFile
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        Cause::PermissionDenied
    } else {
        Cause::Other(innermost(error))
    }
}

/// The error at the bottom: those above it only say that there is one.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: Error, expected: &str) {
        let address = Address::parse(None).unwrap();
        let (kind, reason) = match Failure::from(error).of_order("restart container web", &address) {
            Performed::Accepted => ("accepted", String::new()),
            Performed::AcceptedAs { how } => ("accepted", how),
            Performed::NotRun { reason } => ("not run", reason),
            Performed::Failed { reason } => ("failed", reason),
            Performed::Unknown { reason } => ("unknown", reason),
            Performed::Superseded { reason } => ("superseded", reason),
        };
        assert_eq!(format!("{kind}: {reason}"), expected);
    }

    fn answered(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.into() }
    }

    #[test]
    fn what_the_engine_refuses_was_not_run() {
        check(
            answered(404, "No such container: 4f2a"),
            "not run: restart container web: Docker at unix:///var/run/docker.sock answered 404: \
             No such container: 4f2a",
        );
        check(
            answered(409, "container is marked for removal\nand cannot be started"),
            "not run: restart container web: Docker at unix:///var/run/docker.sock answered 409: \
             container is marked for removal and cannot be started",
        );
        check(
            answered(403, "Forbidden"),
            "not run: restart container web: Docker at unix:///var/run/docker.sock answered 403: \
             Forbidden; allow this call in the proxy or plugin before it",
        );
    }

    #[test]
    fn what_the_engine_could_not_do_has_failed() {
        check(
            answered(500, "port is already allocated"),
            "failed: restart container web: Docker at unix:///var/run/docker.sock answered 500: \
             port is already allocated",
        );
    }

    #[test]
    fn a_missing_socket_means_that_nothing_was_sent() {
        check(
            Error::SocketNotFoundError("/var/run/docker.sock".into()),
            "not run: restart container web: Docker is not reachable at unix:///var/run/docker.sock: no such file; \
             start Docker, set DOCKER_HOST, or choose another RECOVERY_BACKEND",
        );
    }

    #[test]
    fn without_a_whole_answer_nobody_knows() {
        check(
            Error::IOError { err: io::ErrorKind::ConnectionReset.into() },
            "unknown: restart container web: Docker at unix:///var/run/docker.sock: the answer broke off or cannot \
             be read: connection reset; check that the engine responds; it may have been carried out",
        );
        let address = Address::parse(None).unwrap();
        let late = Failure::timed_out(Duration::from_secs(30)).of_order("restart container web", &address);
        assert!(matches!(late, Performed::Unknown { reason } if reason.contains("no answer within 30 s")));
    }

    #[test]
    fn a_cause_is_told_by_what_the_system_reports() {
        assert_eq!(of_system(&io::ErrorKind::NotFound.into()), Cause::NoSuchFile);
        assert_eq!(of_system(&io::ErrorKind::PermissionDenied.into()), Cause::PermissionDenied);
        assert_eq!(of_system(&io::ErrorKind::TimedOut.into()), Cause::Other("timed out".into()));
    }
}
