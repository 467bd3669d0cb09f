//! `/metrics`: the registry in the Prometheus text format 0.0.4, or in OpenMetrics when it is asked for.

mod encode;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use encode::{counter, counters, gauge, gauges};

use super::problem::{Problem, ProblemBody};

/// The path.
pub const METRICS: &str = "/metrics";
/// Content type of the text format.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Content type of OpenMetrics.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The route that renders this registry.
pub fn router<S: Clone + Send + Sync + 'static>(registry: Arc<Registry>) -> OpenApiRouter<S> {
    OpenApiRouter::new().routes(routes!(metrics)).with_state(registry)
}

/// Metrics for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses(
        (status = 200, description = "Text format 0.0.4, or OpenMetrics by Accept", body = String,
         content_type = "text/plain"),
        (status = 500, description = "The metrics cannot be written", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
async fn metrics(State(registry): State<Arc<Registry>>, headers: HeaderMap) -> Response {
    let mut open_metrics = String::new();
    if let Err(error) = text::encode(&mut open_metrics, &registry) {
        tracing::error!(%error, "write metrics");
        return Problem::internal().into_response();
    }
    if accepts_openmetrics(&headers) {
        return ([(header::CONTENT_TYPE, OPENMETRICS)], open_metrics).into_response();
    }
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], to_text_format(&open_metrics)).into_response()
}

fn accepts_openmetrics(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_openmetrics =
                parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/openmetrics-text"));
            let is_refused = parts
                .filter_map(|part| part.strip_prefix("q="))
                .any(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
            is_openmetrics && !is_refused
        })
}

/// OpenMetrics as text format 0.0.4. There a counter's family has the name of its samples, with `_total`; an
/// info is a gauge; units, exemplars and the end mark do not exist.
fn to_text_format(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Held until the type is known, because the type decides on the name.
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            write_head(&mut out, help.take(), rest);
        } else if !line.starts_with('#') {
            out.push_str(without_exemplar(line));
            out.push('\n');
        }
    }
    out
}

fn write_head(out: &mut String, help: Option<(&str, &str)>, name_and_type: &str) {
    let (name, kind) = name_and_type.rsplit_once(' ').unwrap_or((name_and_type, "untyped"));
    let (suffix, kind) = match kind {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        "unknown" => ("", "untyped"),
        other => ("", other),
    };
    // Writing to a string cannot fail.
    if let Some((_, text)) = help {
        let _ = writeln!(out, "# HELP {name}{suffix} {text}");
    }
    let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
}

/// A sample line without what follows ` # ` outside of label values.
fn without_exemplar(line: &str) -> &str {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'#' if !is_quoted => return line[..at].trim_end(),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::exemplar::CounterWithExemplar;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::Unit;

    type Labels = Vec<(&'static str, &'static str)>;

    fn text_of(registry: &Registry) -> String {
        let mut open_metrics = String::new();
        text::encode(&mut open_metrics, registry).unwrap();
        to_text_format(&open_metrics)
    }

    #[test]
    fn a_counter_family_has_the_name_of_its_samples() {
        let mut registry = Registry::default();
        let checks = Counter::<u64>::default();
        checks.inc();
        registry.register("checks", "Checks done", checks);
        assert_eq!(
            text_of(&registry),
            "# HELP checks_total Checks done.\n# TYPE checks_total counter\nchecks_total 1\n"
        );
    }

    #[test]
    fn units_and_infos_are_written_as_the_old_format_knows_them() {
        let mut registry = Registry::default();
        registry.register_with_unit("age", "Age", Unit::Seconds, Gauge::<i64>::default());
        registry.register("build", "Build", Info::new(vec![("version", "1")]));
        assert_eq!(
            text_of(&registry),
            "# HELP age_seconds Age.\n# TYPE age_seconds gauge\nage_seconds 0\n\
             # HELP build_info Build.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n"
        );
    }

    #[test]
    fn exemplars_are_dropped_and_hashes_in_labels_are_kept() {
        let mut registry = Registry::default();
        let hits = Family::<Labels, CounterWithExemplar<Labels>>::default();
        hits.get_or_create(&vec![("path", "a\" # b")]).inc_by(2, Some(vec![("trace", "x")]), None);
        registry.register("hits", "Hits", hits);
        let text = text_of(&registry);
        assert!(text.ends_with("hits_total{path=\"a\\\" # b\"} 2\n"), "{text}");
    }

    #[test]
    fn openmetrics_is_written_only_when_asked_for() {
        let check = |accept: &str, expected| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(accepts_openmetrics(&headers), expected, "{accept}");
        };
        check("*/*", false);
        check("text/plain;version=0.0.4", false);
        check("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3", true);
        check("application/openmetrics-text;q=0,text/plain", false);
    }
}
