//! What a call to the API server that went wrong means: whether anything can have happened, and what to do.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use hyper_util::client::legacy;
use kube::core::Status;

use crate::order::{Performed, Unreachable};
use crate::platform::{QUOTED, one_line};

/// A call that went wrong: what was tried, where, and why. Its display is a sentence that also says what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    tried: String,
    server: String,
    /// What kind of failure it is.
    pub fault: Fault,
}

/// Kinds of failure, as far as they differ in what they mean or in what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// There are no credentials, or they cannot be read.
    NoAccess(String),
    /// Nothing was sent.
    NoConnection(String),
    /// 401: the credentials are not accepted.
    Unauthorized(String),
    /// 403 by the rules of access.
    MissingRight(Box<MissingRight>),
    /// 403 by something else: a quota, a policy, an admission.
    Forbidden(String),
    /// 404.
    NotFound(String),
    /// 409: changed meanwhile, or owned by somebody else.
    Conflict {
        /// Who owns the field, by the name that they write under.
        owner: Option<String>,
        /// In the words of the API server.
        message: String,
    },
    /// 410: what was asked for is too long ago.
    Expired(String),
    /// 429 of an eviction: a disruption budget does not allow it now.
    Budget {
        /// Which one.
        name: Option<String>,
        /// In the words of the API server.
        message: String,
    },
    /// 429 of anything else: the API server has too much to do.
    Overloaded(String),
    /// Another 4xx.
    Refused(u16, String),
    /// 5xx: the API server, or something behind it, failed.
    Broken(u16, String),
    /// It was sent, and no whole answer came.
    NoAnswer(String),
}

/// What the rules of access do not let us do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingRight {
    /// Who asked, as the API server calls them.
    pub user: String,
    /// `get`, `patch`…
    pub verb: String,
    /// With its subresource: `pods/eviction`.
    pub resource: String,
    /// None for a right that no namespace has.
    pub namespace: Option<String>,
}

impl fmt::Display for MissingRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, verb, resource, namespace } = self;
        write!(f, "{user} may not {verb} {resource}")?;
        match namespace {
            Some(namespace) => write!(
                f,
                " in the namespace {namespace}; add that verb to its Role, or correct the namespace if there is none of \
                 that name"
            ),
            None => write!(f, "; add that verb to its ClusterRole"),
        }
    }
}

impl Failure {
    /// What went wrong when this was tried at that API server.
    pub fn new(tried: &str, server: &str, fault: Fault) -> Self {
        Self { tried: tried.to_owned(), server: server.to_owned(), fault }
    }

    /// How an order ended whose only write went wrong like this.
    pub fn of_order(&self) -> Performed {
        let reason = self.to_string();
        match &self.fault {
            Fault::NoAnswer(_) => {
                Performed::Unknown { reason: format!("{reason}; it may have been carried out") }
            }
            // The server says that it gave up waiting, not that nothing was written.
            Fault::Broken(504, _) => {
                Performed::Unknown { reason: format!("{reason}; it may have been carried out") }
            }
            Fault::Broken(..) => Performed::Failed { reason },
            Fault::NoAccess(_)
            | Fault::NoConnection(_)
            | Fault::Unauthorized(_)
            | Fault::MissingRight(_)
            | Fault::Forbidden(_)
            | Fault::NotFound(_)
            | Fault::Conflict { .. }
            | Fault::Expired(_)
            | Fault::Budget { .. }
            | Fault::Overloaded(_)
            | Fault::Refused(..) => Performed::NotRun { reason },
        }
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self.fault, Fault::NotFound(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, server, fault } = self;
        write!(f, "{tried}: ")?;
        match fault {
            Fault::NoAccess(reason) => write!(
                f,
                "no way to the API server by {server}: {reason}; run in a pod with a ServiceAccount, set KUBECONFIG, or \
                 choose another RECOVERY_BACKEND"
            ),
            Fault::NoConnection(cause) => write!(
                f,
                "Kubernetes is not reachable at {server}: {cause}; check the address and the network policies"
            ),
            Fault::Unauthorized(message) => write!(
                f,
                "Kubernetes at {server} answered 401: {message}; renew the token or the certificate of this daemon"
            ),
            Fault::MissingRight(missing) => write!(f, "{missing}"),
            Fault::NotFound(message) => {
                write!(f, "{message}; check the names of the workload and of its namespace")
            }
            Fault::Conflict { owner: Some(owner), message } => {
                write!(f, "{owner} owns what would be written: {message}; change it there")
            }
            Fault::Conflict { owner: None, message } => {
                write!(f, "somebody else changed it at the same moment: {message}")
            }
            Fault::Budget { name, message } => {
                let name = name.as_deref().unwrap_or("(unnamed)");
                write!(
                    f,
                    "the disruption budget {name} does not allow it now: {message}; it is tried again later, see that \
                     enough other pods are ready"
                )
            }
            Fault::Overloaded(message) => {
                write!(f, "Kubernetes at {server} has too much to do (429): {message}")
            }
            Fault::Expired(message) => write!(f, "too long ago (410): {message}"),
            Fault::Forbidden(message) => write!(
                f,
                "Kubernetes at {server} answered 403: {message}; see which policy or quota of the namespace forbids it"
            ),
            Fault::Refused(status, message) | Fault::Broken(status, message) => {
                write!(f, "Kubernetes at {server} answered {status}: {message}")
            }
            Fault::NoAnswer(cause) => {
                write!(f, "Kubernetes at {server}: {cause}; check that the API server responds")
            }
        }
    }
}

impl From<Failure> for Unreachable {
    fn from(failure: Failure) -> Self {
        Self { reason: failure.to_string() }
    }
}

impl Fault {
    /// A call that took longer than its limit.
    pub fn timed_out(limit: Duration) -> Self {
        Self::NoAnswer(format!("no answer within {} s", limit.as_secs()))
    }

    /// What the API server says of a call that it did not carry out.
    pub fn of_status(status: &Status) -> Self {
        let message: String = one_line(status.message.as_bytes()).chars().take(QUOTED).collect();
        match status.code {
            401 => Self::Unauthorized(message),
            403 => missing_right(&message).unwrap_or(Self::Forbidden(message)),
            404 => Self::NotFound(message),
            409 => Self::Conflict { owner: owner_in(&message), message },
            410 => Self::Expired(message),
            429 => budget(status).unwrap_or(Self::Overloaded(message)),
            code if code >= 500 => Self::Broken(code, message),
            code => Self::Refused(code, message),
        }
    }

    /// What an error of the client means.
    pub fn of_client(error: &kube::Error) -> Self {
        if let kube::Error::Api(status) = error {
            return Self::of_status(status);
        }
        match (is_connect(error), error) {
            (true, _) => Self::NoConnection(innermost(error)),
            (false, kube::Error::Auth(_)) => Self::NoAccess(innermost(error)),
            (false, _) => Self::NoAnswer(format!("the answer broke off: {}", innermost(error))),
        }
    }
}

/// `pods "a" is forbidden: User "u" cannot create resource "pods/eviction" in API group "" in the namespace "shop"`, or
/// `… at the cluster scope`.
fn missing_right(message: &str) -> Option<Fault> {
    let (_, rest) = message.split_once("User \"")?;
    let (user, rest) = rest.split_once("\" cannot ")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once('"')?;
    let namespace = rest.split_once("in the namespace \"").and_then(|(_, rest)| rest.split('"').next());
    let (user, verb, resource) = (user.to_owned(), verb.to_owned(), resource.to_owned());
    let namespace = namespace.map(str::to_owned);
    Some(Fault::MissingRight(Box::new(MissingRight { user, verb, resource, namespace })))
}

/// `Apply failed with 1 conflict: conflict with "argocd-controller" using apps/v1: .spec.replicas`.
fn owner_in(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("conflict with \"")?;
    rest.split('"').next().map(str::to_owned)
}

/// The cause `DisruptionBudget` says `The disruption budget web needs 2 healthy pods and has 1 currently`.
fn budget(status: &Status) -> Option<Fault> {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let cause = causes.iter().find(|cause| cause.reason == "DisruptionBudget");
    let is_budget = cause.is_some() || status.message.contains("disruption budget");
    let message = cause.map_or(&status.message, |cause| &cause.message);
    let message: String = one_line(message.as_bytes()).chars().take(QUOTED).collect();
    let name = message.strip_prefix("The disruption budget ").and_then(|rest| rest.split(' ').next());
    let name = name.map(str::to_owned);
    is_budget.then_some(Fault::Budget { name, message })
}

/// Whether no connection was made.
fn is_connect(error: &kube::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect) {
            return true;
        }
        source = error.source();
    }
    false
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
mod tests;
