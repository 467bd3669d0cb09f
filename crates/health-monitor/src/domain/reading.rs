//! What one probe saw, and what that means.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::platform::Container;

use super::container::{reservation, trouble, unhealthy};
use super::expected::{Expected, Mismatch};

/// What came back from one probe, before any judgement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    /// When the probe began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What came back.
    pub answer: Answer,
    /// When our resolver last found any name by asking for it, up to the end of the probe.
    pub name_found_at: Option<Timestamp>,
}

/// The answers that a probe can get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// An HTTP status. Nothing else of the answer was looked at.
    Status(u16),
    /// An HTTP answer of a status that passes, of which more than the status was looked at.
    Examined(Examined),
    /// It is well, by another sign than a status: it takes connections, or says that it serves.
    Serving,
    /// It, or the platform, says that it is not well. In words.
    NotServing(String),
    /// The state of its containers.
    Containers(Vec<Container>),
    /// No heartbeat has come for so long.
    NoBeat(Duration),
    /// The peer answers, and what it says speaks of configuration: a certificate that is not trusted, redirects
    /// without end. The cause in words.
    Misconfigured(String),
    /// No connection, or one that broke off: refused, reset, no route, handshake failed. The cause in words.
    NoConnection(String),
    /// No connection within the time limit.
    ConnectTimeout,
    /// A connection was accepted and then nothing came within the time limit.
    Silent,
    /// The name does not exist.
    UnknownName(String),
    /// The name could not be looked up, for a reason that may lie with our resolver.
    ResolverFailed(String),
    /// The probe itself could not be carried out: no local network, no file descriptors, we were too slow.
    OwnFault(String),
}

/// What an HTTP answer of a status that passes was like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Examined {
    /// How the body compares with what is expected of it.
    pub body: Result<(), Mismatch>,
    /// When the TLS certificate ends; none where there is none, or nobody asks.
    pub certificate_ends_at: Option<Timestamp>,
}

/// How serious a failure is for the decision to heal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The service is certainly not serving, or says itself that it is not well: refused, reset, 5xx.
    Hard,
    /// The service took the connection and said nothing: it may only be busy.
    Soft,
    /// The answer speaks of configuration (401, 404, a certificate that is not trusted): a restart would not help.
    Configuration,
}

/// The class of a reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// As it should be.
    Pass,
    /// As it should be today, but slower than the service's latency limit, or with a certificate that ends soon.
    Degraded,
    /// Not as it should be.
    Fail(Severity),
    /// Our own fault: says nothing about the service, is shown and never counted.
    Error,
}

impl Class {
    /// How serious a failure is; none for any other class.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Self::Fail(severity) => Some(severity),
            Self::Pass | Self::Degraded | Self::Error => None,
        }
    }

    /// The word for metrics and pages, without the severity.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Degraded => "degraded",
            Self::Fail(_) => "fail",
            Self::Error => "error",
        }
    }
}

/// The status of a service as the contract knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Answered with 200.
    Healthy,
    /// Answered with something else.
    Unhealthy,
    /// Did not answer.
    Unreachable,
}

/// One judged reading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// When the probe began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it means.
    pub class: Class,
    /// The contract's word for it.
    pub status: Status,
    /// What is wrong, or about to be; none for a pass.
    pub error: Option<Arc<str>>,
}

impl Reading {
    /// Judges what came back. `resolver_works` says whether our resolver has lately found another name, which
    /// tells a name that is gone (as a stopped container's is) from a resolver that is dead.
    pub fn judge(measured: &Measured, expected: &Expected, resolver_works: bool) -> Self {
        use Severity::{Configuration, Hard, Soft};
        let took = measured.finished_at.since(measured.started_at);
        let (class, status, error) = match &measured.answer {
            Answer::Status(code) if expected.statuses.contain(*code) => {
                passed(flaw(measured, expected, None))
            }
            Answer::Examined(Examined { body: Ok(()), certificate_ends_at }) => {
                passed(flaw(measured, expected, *certificate_ends_at))
            }
            Answer::Examined(Examined { body: Err(mismatch), .. }) => {
                let severity = if mismatch.is_about_health() { Hard } else { Configuration };
                (Class::Fail(severity), Status::Unhealthy, Some(mismatch.to_string()))
            }
            Answer::Serving => passed(flaw(measured, expected, None)),
            Answer::NotServing(cause) => (Class::Fail(Hard), Status::Unhealthy, Some(cause.clone())),
            Answer::Containers(containers) => match trouble_of(containers, measured, expected) {
                Some(trouble) => (Class::Fail(Hard), Status::Unhealthy, Some(trouble)),
                None => passed(reservation(containers).or_else(|| flaw(measured, expected, None))),
            },
            Answer::NoBeat(duration) => {
                let error = format!("no heartbeat for {}", seconds(*duration));
                (Class::Fail(Hard), Status::Unreachable, Some(error))
            }
            Answer::Misconfigured(cause) => {
                (Class::Fail(Configuration), Status::Unhealthy, Some(cause.clone()))
            }
            Answer::Status(code) => {
                let severity = if *code >= 500 { Hard } else { Configuration };
                (Class::Fail(severity), Status::Unhealthy, Some(format!("HTTP {code}")))
            }
            Answer::NoConnection(cause) => (Class::Fail(Hard), Status::Unreachable, Some(cause.clone())),
            Answer::ConnectTimeout => {
                let error = format!("no connection within {}", seconds(took));
                (Class::Fail(Hard), Status::Unreachable, Some(error))
            }
            Answer::Silent => {
                let error = format!("accepted the connection, then silent for {}", seconds(took));
                (Class::Fail(Soft), Status::Unreachable, Some(error))
            }
            Answer::UnknownName(cause) => (Class::Fail(Hard), Status::Unreachable, Some(cause.clone())),
            Answer::ResolverFailed(cause) if resolver_works => {
                (Class::Fail(Hard), Status::Unreachable, Some(cause.clone()))
            }
            Answer::ResolverFailed(cause) | Answer::OwnFault(cause) => {
                (Class::Error, Status::Unreachable, Some(format!("the probe itself failed: {cause}")))
            }
        };
        Self {
            started_at: measured.started_at,
            finished_at: measured.finished_at,
            class,
            status,
            error: error.map(Into::into),
        }
    }

    /// Whether the service is as it should be, if perhaps slow.
    pub fn passes(&self) -> bool {
        match self.class {
            Class::Pass | Class::Degraded => true,
            Class::Fail(_) | Class::Error => false,
        }
    }

    /// From the beginning of the probe to its end.
    pub fn response_time(&self) -> Duration {
        self.finished_at.since(self.started_at)
    }
}

fn trouble_of(containers: &[Container], measured: &Measured, expected: &Expected) -> Option<String> {
    if expected.unhealthy_only { unhealthy(containers) } else { trouble(containers, measured.finished_at) }
}

fn passed(flaw: Option<String>) -> (Class, Status, Option<String>) {
    (if flaw.is_some() { Class::Degraded } else { Class::Pass }, Status::Healthy, flaw)
}

/// What is not as it should be with an answer that passes all the same.
fn flaw(measured: &Measured, expected: &Expected, certificate_ends_at: Option<Timestamp>) -> Option<String> {
    let now = measured.finished_at;
    let took = now.since(measured.started_at);
    let left = certificate_ends_at.map(|end| end.since(now));
    if let (Some(left), Some(wanted)) = (left, expected.certificate_for)
        && left < wanted
    {
        return Some(format!(
            "the certificate ends in {}, before the {} that are asked for",
            days(left),
            days(wanted)
        ));
    }
    let limit = expected.latency_limit.filter(|limit| took > *limit)?;
    Some(format!("took {:.2} s, more than {:.2} s", took.as_secs_f64(), limit.as_secs_f64()))
}

fn days(duration: Duration) -> String {
    format!("{:.1} days", duration.as_secs_f64() / 86_400.0)
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// One failure in the history of a service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorEntry {
    /// When the probe ended.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// What was wrong.
    #[schema(value_type = String)]
    pub error: Arc<str>,
    /// The contract's word for it.
    pub status: Status,
}

#[cfg(test)]
mod tests {
    use super::super::expected::Statuses;
    use super::*;

    fn judged(answer: Answer, resolver_works: bool) -> (Class, Status) {
        let started_at = Timestamp::from_micros(0);
        let measured = Measured {
            started_at,
            finished_at: started_at + Duration::from_secs(2),
            answer,
            name_found_at: None,
        };
        let reading = Reading::judge(&measured, &Expected::default(), resolver_works);
        (reading.class, reading.status)
    }

    #[test]
    fn only_200_passes() {
        assert_eq!(judged(Answer::Status(200), true), (Class::Pass, Status::Healthy));
        for code in [204, 301, 400, 401, 403, 404, 429] {
            let configuration = (Class::Fail(Severity::Configuration), Status::Unhealthy);
            assert_eq!(judged(Answer::Status(code), true), configuration, "{code}");
        }
        for code in [500, 502, 503, 599] {
            assert_eq!(judged(Answer::Status(code), true), (Class::Fail(Severity::Hard), Status::Unhealthy));
        }
    }

    fn judged_as(answer: Answer, expected: &Expected) -> (Class, Option<String>) {
        let started_at = Timestamp::from_micros(0);
        let finished_at = started_at + Duration::from_secs(2);
        let measured = Measured { started_at, finished_at, answer, name_found_at: None };
        let reading = Reading::judge(&measured, expected, true);
        (reading.class, reading.error.as_deref().map(str::to_owned))
    }

    #[test]
    fn a_pass_beyond_the_latency_limit_is_degraded() {
        let expected = Expected { latency_limit: Some(Duration::from_secs(1)), ..Expected::default() };
        let slow = Some("took 2.00 s, more than 1.00 s".to_owned());
        assert_eq!(judged_as(Answer::Status(200), &expected), (Class::Degraded, slow));
    }

    #[test]
    fn the_statuses_that_pass_are_a_setting_and_the_others_keep_their_meaning() {
        let statuses = Statuses::parse("204, 500-503").unwrap();
        let expected = Expected { statuses, ..Expected::default() };
        assert_eq!(judged_as(Answer::Status(204), &expected).0, Class::Pass);
        assert_eq!(judged_as(Answer::Status(503), &expected).0, Class::Pass);
        assert_eq!(judged_as(Answer::Status(200), &expected).0, Class::Fail(Severity::Configuration));
        assert_eq!(judged_as(Answer::Status(504), &expected).0, Class::Fail(Severity::Hard));
    }

    #[test]
    fn a_service_that_says_it_is_not_well_fails_hard_and_an_answer_of_another_form_is_configuration() {
        let answer = |mismatch| Answer::Examined(Examined { body: Err(mismatch), certificate_ends_at: None });
        let severity = |mismatch| judged_as(answer(mismatch), &Expected::default()).0;
        assert_eq!(severity(Mismatch::NoText("ok".into())), Class::Fail(Severity::Hard));
        for mismatch in [Mismatch::NotJson, Mismatch::NoValue("/db".into()), Mismatch::TooLong] {
            assert_eq!(severity(mismatch), Class::Fail(Severity::Configuration));
        }
    }

    #[test]
    fn a_certificate_that_ends_soon_is_told_and_does_not_fail_the_service() {
        let expected =
            Expected { certificate_for: Some(Duration::from_secs(14 * 86_400)), ..Expected::default() };
        let ending_in = |days: u64| {
            let end = Timestamp::from_micros(2_000_000) + Duration::from_secs(days * 86_400);
            Answer::Examined(Examined { body: Ok(()), certificate_ends_at: Some(end) })
        };
        assert_eq!(judged_as(ending_in(14), &expected), (Class::Pass, None));
        let (class, told) = judged_as(ending_in(13), &expected);
        assert_eq!(class, Class::Degraded);
        assert_eq!(
            told.unwrap(),
            "the certificate ends in 13.0 days, before the 14.0 days that are asked for"
        );
        let untrusted = Answer::Misconfigured("the certificate has expired".into());
        assert_eq!(judged_as(untrusted, &expected).0, Class::Fail(Severity::Configuration));
    }

    #[test]
    fn silence_is_soft_and_a_refusal_is_hard() {
        assert_eq!(judged(Answer::Silent, true).0, Class::Fail(Severity::Soft));
        assert_eq!(judged(Answer::NoConnection("refused".into()), true).0, Class::Fail(Severity::Hard));
        assert_eq!(judged(Answer::ConnectTimeout, true).0, Class::Fail(Severity::Hard));
    }

    #[test]
    fn a_dead_resolver_is_our_fault_but_a_name_that_alone_is_gone_is_not() {
        assert_eq!(judged(Answer::ResolverFailed("again".into()), false).0, Class::Error);
        assert_eq!(judged(Answer::ResolverFailed("again".into()), true).0, Class::Fail(Severity::Hard));
        assert_eq!(judged(Answer::UnknownName("gone".into()), false).0, Class::Fail(Severity::Hard));
    }
}
