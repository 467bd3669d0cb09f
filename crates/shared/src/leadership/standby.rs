//! What an instance answers that stands by: its own probes and metrics, and everything else as the leader does.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::registry::Registry;
use reqwest::redirect::Policy;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::holding::with_causes;
use super::lease::{Leader, RETRY};
use super::{Leadership, Standing};
use crate::http::access::Access;
use crate::http::probes::{self, Check, Readiness};
use crate::http::{
    DeliberateBody, Foundation, Frequent, HttpMetrics, Problem, RequestId, ServeSettings, X_REQUEST_ID,
    foundation, metrics, serve,
};

/// The largest body that is passed on; the leader has its own limit.
const BODY: usize = 8 * 1_024 * 1_024;
/// How long the leader may take to begin its answer; it has its own limit, which is shorter.
const ANSWER: Duration = Duration::from_secs(35);
/// How long a connection to the leader may take: it is in the same cluster.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a connection is kept for the next request: the leader closes it after 10 s.
const IDLE: Duration = Duration::from_secs(5);

/// Names the leader in every answer that is not our own.
const X_LEADER: HeaderName = HeaderName::from_static("x-leader");
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What holds between two ends of one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The answering of requests by an instance that does not lead.
pub(super) struct Standby {
    router: Router,
}

/// The way to the leader.
struct Way {
    client: reqwest::Client,
    standing: watch::Receiver<Standing>,
}

impl Standby {
    pub(super) fn new(
        leadership: Leadership,
        standing: watch::Receiver<Standing>,
        daemon: &str,
    ) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none());
        let client = client.connect_timeout(CONNECT).pool_idle_timeout(IDLE).build()?;
        let mut registry = Registry::default();
        leadership.register(&mut registry, daemon);
        let http_metrics = HttpMetrics::register(&mut registry);
        let way = Arc::new(Way { client, standing: standing.clone() });
        let readiness = Readiness::new(move || vec![check(&standing.borrow())]);
        let router = Router::new()
            .fallback(pass_on)
            .with_state(way)
            .merge(Router::from(probes::router::<()>(readiness)))
            .merge(Router::from(metrics::router::<()>(Arc::new(registry))));
        // Who may do what is for the leader to say, which sees the tokens too.
        let settings = Foundation::new(Access::to_all(), http_metrics);
        let settings = Foundation { body_limit: BODY, request_timeout: ANSWER, ..settings };
        Ok(Self { router: foundation(router, settings) })
    }

    /// Answers until this instance leads; running requests are finished beside the daemon's work.
    pub(super) async fn serve(self, listener: TcpListener, mut lead: watch::Receiver<bool>) {
        let until = async move { drop(lead.wait_for(|leads| *leads).await) };
        serve(listener, self.router, ServeSettings::default(), until).await;
    }
}

/// Without a leader there is nobody to pass requests on to.
fn check(standing: &Standing) -> Check {
    let (ok, detail) = match standing {
        Standing::StandsBy(leader) => (true, format!("standing by: {} leads", leader.name)),
        Standing::Leads { .. } => {
            (false, "this instance leads as soon as it has opened the journal".to_owned())
        }
        Standing::Unknown(reason) => (false, format!("it is not known who leads: {reason}")),
        Standing::Lost(leader) => (false, format!("{leader} leads now")),
    };
    Check { name: "lease", ok, is_required: true, detail: Some(detail) }
}

async fn pass_on(State(way): State<Arc<Way>>, request: Request) -> Response {
    let leader = match &*way.standing.borrow() {
        Standing::StandsBy(leader) => Ok(leader.clone()),
        Standing::Leads { .. } => Err("it is about to lead".to_owned()),
        Standing::Unknown(_) => Err("it is not known who leads".to_owned()),
        Standing::Lost(leader) => Err(format!("{leader} has just taken over")),
    };
    let answered = match leader {
        Ok(leader) => way.ask(leader, request).await,
        Err(reason) => Err(not_passed_on(&reason)),
    };
    let mut response = answered.unwrap_or_else(Problem::into_response);
    // The log of the leader has a line for it.
    response.extensions_mut().insert(Frequent);
    response
}

/// Nothing was done; the same may be asked again.
fn not_passed_on(reason: &str) -> Problem {
    let sentence = format!("This instance stands by, and has not passed the request on: {reason}.");
    Problem::unavailable(sentence, Some(RETRY))
}

impl Way {
    async fn ask(&self, leader: Leader, request: Request) -> Result<Response, Problem> {
        let Leader { name, address } = leader;
        let Some(address) = address else {
            return Err(not_passed_on(&format!("{name} leads, and its address is not known")));
        };
        if request.headers().contains_key(X_LEADER) {
            return Err(not_passed_on(&format!(
                "another one that stands by has passed it here; {name} leads"
            )));
        }
        let id = request.extensions().get::<RequestId>().cloned();
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = end_to_end(parts.headers);
        // The leader must not take this for a request from its own host.
        headers.insert(FORWARDED, HeaderValue::from_static("unknown"));
        let of_leader = HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("unknown"));
        headers.insert(X_LEADER, of_leader.clone());
        if let Some(id) = id.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
            headers.insert(X_REQUEST_ID, id);
        }
        let asked = self.client.request(parts.method, format!("http://{address}{path}")).headers(headers);
        let body = reqwest::Body::wrap_stream(body.into_data_stream());
        let answer = asked.body(body).send().await.map_err(|error| {
            tracing::warn!(leader = name, %address, cause = with_causes(&error), "a request was not answered");
            if error.is_connect() {
                return not_passed_on(&format!("{name} leads, and cannot be reached"));
            }
            let sentence = format!(
                "{name} leads, and broke off before it answered: the request may have been carried out. Look before \
                 you ask again."
            );
            Problem::new(StatusCode::BAD_GATEWAY, sentence)
        })?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        *response.headers_mut() = end_to_end(answer.headers().clone());
        response.headers_mut().insert(X_LEADER, of_leader);
        *response.body_mut() = Body::from_stream(answer.bytes_stream());
        response.extensions_mut().insert(DeliberateBody);
        Ok(response)
    }
}

fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> =
        named.flat_map(|value| value.split(',')).map(|name| name.trim().to_owned()).collect();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for name in named {
        headers.remove(name);
    }
    headers
}
