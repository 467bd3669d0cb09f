//! Where the members of an event are in JSON logs: as the operator says, or as well-known servers write them.

use serde_json::Value;

use super::entry::Unit;

/// What a log line can tell, by the names that `--field` takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Member {
    /// Which service answered.
    Service,
    /// What was asked for.
    Endpoint,
    /// How long the answer took.
    ResponseTime,
    /// The HTTP status.
    StatusCode,
    /// When.
    Timestamp,
    /// The HTTP method.
    Method,
    /// The trace.
    TraceId,
}

impl Member {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::Service,
        Self::Endpoint,
        Self::ResponseTime,
        Self::StatusCode,
        Self::Timestamp,
        Self::Method,
        Self::TraceId,
    ];

    /// The name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Endpoint => "endpoint",
            Self::ResponseTime => "response_time",
            Self::StatusCode => "status_code",
            Self::Timestamp => "timestamp",
            Self::Method => "method",
            Self::TraceId => "trace_id",
        }
    }
}

/// Whose JSON it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Writer {
    /// Traefik with `format: json`.
    Traefik,
    /// Envoy, Istio, Envoy Gateway.
    Envoy,
    /// Caddy.
    Caddy,
    /// Anybody, by the names that are usual with nginx, by those of this API, and by those of ECS.
    Anybody,
}

impl Writer {
    /// Whose an object is, by members that only they have together.
    pub(super) fn of(object: &Value) -> Self {
        let has = |path| at(object, path).is_some();
        if has("RequestPath") && has("Duration") {
            Self::Traefik
        } else if has("response_code") && has("duration") {
            Self::Envoy
        } else if has("request.uri") && has("duration") {
            Self::Caddy
        } else {
            Self::Anybody
        }
    }

    /// What it is called.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Traefik => "Traefik's JSON",
            Self::Envoy => "Envoy's JSON",
            Self::Caddy => "Caddy's JSON",
            Self::Anybody => "JSON",
        }
    }

    /// The paths at which a member is looked for; the first that is there is taken.
    pub(super) fn paths(self, member: Member) -> &'static [&'static str] {
        match (self, member) {
            (Self::Traefik, Member::Service) => &["ServiceName"],
            (Self::Traefik, Member::Endpoint) => &["RequestPath"],
            (Self::Traefik, Member::ResponseTime) => &["Duration"],
            (Self::Traefik, Member::StatusCode) => &["DownstreamStatus", "OriginStatus"],
            (Self::Traefik, Member::Timestamp) => &["StartUTC", "StartLocal", "time"],
            (Self::Traefik, Member::Method) => &["RequestMethod"],
            (Self::Traefik, Member::TraceId) => &["TraceId"],
            (Self::Envoy, Member::Endpoint) => &["path", "x-envoy-origin-path", "x-envoy-original-path"],
            (Self::Envoy | Self::Caddy, Member::ResponseTime) => &["duration"],
            (Self::Envoy, Member::StatusCode) => &["response_code"],
            (Self::Envoy, Member::Timestamp) => &["start_time"],
            (Self::Caddy, Member::Endpoint) => &["request.uri"],
            (Self::Caddy, Member::Timestamp) => &["ts"],
            (Self::Caddy, Member::Method) => &["request.method"],
            (Self::Envoy | Self::Caddy | Self::Anybody, Member::Service) => {
                &["service", "service_name", "service.name"]
            }
            (Self::Anybody, Member::Endpoint) => {
                &["endpoint", "uri", "request_uri", "path", "url.path", "request"]
            }
            (Self::Anybody, Member::ResponseTime) => &["response_time", "request_time", "event.duration"],
            (Self::Caddy | Self::Anybody, Member::StatusCode) => {
                &["status_code", "status", "http.response.status_code"]
            }
            (Self::Anybody, Member::Timestamp) => {
                &["timestamp", "@timestamp", "time_iso8601", "time_local", "time", "msec", "ts"]
            }
            (Self::Envoy | Self::Anybody, Member::Method) => {
                &["method", "request_method", "http.request.method"]
            }
            (Self::Envoy | Self::Caddy | Self::Anybody, Member::TraceId) => &["trace_id", "trace.id"],
        }
    }

    /// What the number at such a path counts.
    pub(super) fn unit(self, path: &str) -> Unit {
        match (self, path) {
            (Self::Traefik, "Duration") | (_, "event.duration") => Unit::Nanoseconds,
            (Self::Envoy, "duration") => Unit::Milliseconds,
            (_, _) => Unit::Seconds,
        }
    }
}

/// What is at a path. A name may have dots itself: `http.response.status_code` is looked for as one name first.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(path).or_else(|| {
        path.match_indices('.').find_map(|(dot, _)| at(object.get(&path[..dot])?, &path[dot + 1..]))
    })
}
