//! `/livez` and `/readyz`: what an orchestrator asks before it restarts the daemon or sends it requests.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error_bodies::DeliberateBody;
use crate::journal::Status;

/// The path of the liveness probe.
pub const LIVEZ: &str = "/livez";
/// The path of the readiness probe.
pub const READYZ: &str = "/readyz";

/// How one thing that the daemon uses is doing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct Check {
    /// What is checked: `journal`, `docker`, `elasticsearch`.
    #[schema(value_type = String, example = "journal")]
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// Whether the daemon is of no use without it. Only such a check fails readiness; others degrade.
    pub is_required: bool,
    /// Why it does not work and what to do about it: one line for a person, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Check {
    /// The check of the journal, without which nothing is done.
    pub fn of_journal(journal: Status) -> Self {
        let used = format!("{} of {} bytes used", journal.bytes, journal.max_bytes);
        let is_writable = journal.failure.is_none();
        let detail = Some(journal.failure.or(journal.salvaged).unwrap_or(used));
        Self { name: "journal", ok: is_writable, is_required: true, detail }
    }
}

/// The answer of the readiness probe as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReadinessReport {
    /// Whether requests should be sent here.
    pub ready: bool,
    /// All checks, in the daemon's order.
    pub checks: Vec<Check>,
}

/// Whether the daemon is ready; clones share one state.
#[derive(Clone)]
pub struct Readiness {
    checks: Arc<dyn Fn() -> Vec<Check> + Send + Sync>,
    is_stopping: Arc<AtomicBool>,
}

impl Readiness {
    /// Asks `checks` for each probe; it must answer from memory, without I/O.
    pub fn new(checks: impl Fn() -> Vec<Check> + Send + Sync + 'static) -> Self {
        Self { checks: Arc::new(checks), is_stopping: Arc::default() }
    }

    /// From now on the daemon is not ready: the first step of a shutdown.
    pub fn begin_shutdown(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// The state at this moment.
    pub fn report(&self) -> ReadinessReport {
        let mut checks = (self.checks)();
        if self.is_stopping.load(Ordering::Acquire) {
            let detail = Some("the daemon is stopping".to_owned());
            checks.push(Check { name: "shutdown", ok: false, is_required: true, detail });
        }
        ReadinessReport { ready: checks.iter().all(|check| check.ok || !check.is_required), checks }
    }
}

/// The routes of both probes.
pub fn router<S: Clone + Send + Sync + 'static>(readiness: Readiness) -> OpenApiRouter<S> {
    OpenApiRouter::new().routes(routes!(livez)).routes(routes!(readyz)).with_state(readiness)
}

/// Whether the process answers at all.
///
/// Outages elsewhere never fail it: a restart would not mend them.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "operations",
    responses((status = 200, description = "The process answers", body = String, content_type = "text/plain"))
)]
async fn livez() -> &'static str {
    "ok"
}

/// Whether requests should be sent here.
///
/// `ok`, or with `?verbose` one line per check; JSON when `Accept` asks for it.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    params(("verbose" = Option<String>, Query, description = "Name every check; needs no value")),
    responses(
        (status = 200, description = "Ready", content((String = "text/plain"), (ReadinessReport = "application/json"))),
        (status = 503, description = "A required check fails, or the daemon is stopping",
         content((String = "text/plain"), (ReadinessReport = "application/json"))),
    )
)]
async fn readyz(
    State(readiness): State<Readiness>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let report = readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    let mut response = if wants_json {
        (status, Json(report)).into_response()
    } else {
        (status, as_text(&report, is_verbose(query.as_deref()))).into_response()
    };
    response.extensions_mut().insert(DeliberateBody);
    response
}

fn is_verbose(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        key == "verbose" && !matches!(value, "false" | "0")
    })
}

/// The form of the Kubernetes API server's own probes. What fails is named in any case.
fn as_text(report: &ReadinessReport, is_verbose: bool) -> String {
    if report.ready && !is_verbose {
        return "ok".to_owned();
    }
    let mut text = String::new();
    for check in report.checks.iter().filter(|check| is_verbose || (!check.ok && check.is_required)) {
        let (mark, word) = match (check.ok, check.is_required) {
            (true, _) => ('+', "ok"),
            (false, true) => ('-', "failed"),
            (false, false) => ('-', "degraded"),
        };
        // Writing to a string cannot fail.
        let _ = match &check.detail {
            Some(detail) => writeln!(text, "[{mark}]{} {word}: {detail}", check.name),
            None => writeln!(text, "[{mark}]{} {word}", check.name),
        };
    }
    text.push_str(if report.ready { "readyz check passed\n" } else { "readyz check failed\n" });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readiness(journal_works: bool) -> Readiness {
        Readiness::new(move || {
            vec![
                Check { name: "journal", ok: journal_works, is_required: true, detail: None },
                Check { name: "docker", ok: false, is_required: false, detail: Some("no socket".into()) },
            ]
        })
    }

    #[test]
    fn what_is_not_required_degrades_and_stays_ready() {
        let report = readiness(true).report();
        assert_eq!(as_text(&report, false), "ok");
        assert_eq!(
            as_text(&report, true),
            "[+]journal ok\n[-]docker degraded: no socket\nreadyz check passed\n"
        );
    }

    #[test]
    fn what_is_required_fails_and_is_named_without_being_asked_for() {
        assert_eq!(as_text(&readiness(false).report(), false), "[-]journal failed\nreadyz check failed\n");
    }

    #[test]
    fn a_stopping_daemon_is_not_ready() {
        let readiness = readiness(true);
        readiness.clone().begin_shutdown();
        assert!(!readiness.report().ready);
    }

    #[test]
    fn verbose_needs_no_value_and_can_be_denied() {
        for (query, expected) in [
            ("verbose", true),
            ("verbose=true", true),
            ("a=b&verbose", true),
            ("verbose=false", false),
            ("", false),
        ] {
            assert_eq!(is_verbose(Some(query)), expected, "{query}");
        }
    }
}
