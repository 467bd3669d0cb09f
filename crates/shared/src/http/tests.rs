use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::access::{Access, AccessSettings};
use super::probes::{Check, Readiness};
use super::test_support::{Answer, TestServer, started, with_access, with_tokens};
use super::*;

#[derive(Serialize, Deserialize)]
struct Greeting {
    name: String,
}

#[derive(Deserialize)]
struct Page {
    number: u32,
}

async fn panics() -> &'static str {
    panic!("the password is hunter2")
}

fn app() -> Router {
    Router::new()
        .route("/ok", get(|| async { "fine" }))
        .route("/greet", post(|Json(greeting): Json<Greeting>| async { Json(greeting) }))
        .route("/page", get(|Query(page): Query<Page>| async move { page.number.to_string() }))
        .route("/named/{name}", get(|Path(name): Path<String>| async { name }))
        .route("/panics", get(panics))
        .route("/fails", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "the password is hunter2") }))
        .route("/hangs", get(std::future::pending::<()>))
        .route("/gone", get(|| async { Problem::not_found("Service not found").with_member("known", 7) }))
}

async fn server() -> TestServer {
    started(app(), with_access(&AccessSettings::default())).await
}

const JSON: &str = "Content-Type: application/json";

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let answer = server().await.request("GET /nothing", &[], "").await;
    assert_eq!(answer.problem(404)["instance"], "/nothing");
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_with_allow() {
    let answer = server().await.request("POST /ok", &[], "").await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn a_wrong_content_type_a_wrong_shape_and_broken_json_are_different_problems() {
    let server = server().await;
    server.request("POST /greet", &["Content-Type: text/plain"], "{}").await.problem(415);
    server.request("POST /greet", &[], "{}").await.problem(415);
    assert_eq!(server.request("POST /greet", &[JSON], "{\"name\":1}").await.problem(422)["member"], "name");
    assert_eq!(server.request("POST /greet", &[JSON], "{\n]").await.problem(400)["line"], 2);
    let answer = server.request("POST /greet", &[JSON], "{\"name\":\"a\"}").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"name\":\"a\"}"));
}

#[tokio::test]
async fn a_wrong_parameter_is_a_problem_that_names_it() {
    let problem = server().await.request("GET /page?number=ten", &[], "").await.problem(400);
    assert!(problem["error"].as_str().unwrap().contains("number"), "{problem}");
}

#[tokio::test]
async fn a_handlers_own_problem_keeps_its_text_and_members() {
    let problem = server().await.request("GET /gone", &[], "").await.problem(404);
    assert_eq!((&problem["error"], &problem["known"]), (&"Service not found".into(), &7.into()));
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing_and_the_server_lives_on() {
    let server = server().await;
    for path in ["/panics", "/fails"] {
        let answer = server.request(&format!("GET {path}"), &[], "").await;
        answer.problem(500);
        assert!(!answer.body.contains("hunter2"), "{answer:?}");
    }
    assert_eq!(server.request("GET /ok", &[], "").await.status, 200);
}

#[tokio::test]
async fn the_clients_request_id_is_echoed_and_a_bad_one_replaced() {
    let server = server().await;
    let answer = server.request("GET /nothing", &["X-Request-Id: abc-1"], "").await;
    assert_eq!(answer.problem(404)["request_id"], "abc-1");
    let replaced = server.request("GET /ok", &["X-Request-Id: two words"], "").await;
    assert_eq!(replaced.header("x-request-id").map(str::len), Some(16));
}

#[tokio::test]
async fn an_announced_body_of_64_mib_is_refused_without_being_read() {
    let answer = server()
        .await
        .exchange(
            b"POST /greet HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
              Content-Length: 67108864\r\n\r\n",
        )
        .await;
    answer.problem(413);
}

#[tokio::test]
async fn a_client_that_sends_all_of_a_large_body_first_still_reads_why_it_is_refused() {
    let server = server().await;
    let mut stream = server.connect().await;
    let length = 16 * 1_024 * 1_024;
    let head =
        format!("POST /greet HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that closed at once would make this fail, and many clients then never read.
    stream.write_all(&vec![b' '; length]).await.unwrap();
    Answer::read(&mut stream).await.problem(413);
}

#[tokio::test]
async fn an_unannounced_body_is_refused_at_the_limit() {
    let server = server().await;
    let mut stream = server.connect().await;
    let head = "POST /greet HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // One byte over the limit and no end: only a server that counts answers this.
    let chunk = format!("{:x}\r\n{}\r\n", limits::BODY + 1, " ".repeat(limits::BODY + 1));
    stream.write_all(chunk.as_bytes()).await.unwrap();
    Answer::read(&mut stream).await.problem(413);
}

#[tokio::test]
async fn a_query_of_60_kilobytes_is_refused_and_the_server_lives_on() {
    let server = server().await;
    let answer = server.request(&format!("GET /page?number={}", "1".repeat(60_000)), &[], "").await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let fields = vec!["X-Filler: 1"; limits::HEADER_FIELDS + 1];
    assert_eq!(server.request("GET /ok", &fields, "").await.status, 431);
    assert_eq!(server.request("GET /ok", &[], "").await.status, 200);
}

#[tokio::test]
async fn invalid_utf_8_in_path_and_query_is_a_client_error() {
    let server = server().await;
    server.request("GET /named/%ff%fe", &[], "").await.problem(400);
    server.request("GET /page?number=%ff", &[], "").await.problem(400);
    let raw =
        server.exchange(b"GET /named/\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!((400..500).contains(&raw.status), "{raw:?}");
    assert_eq!(server.request("GET /ok", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_a_408_and_a_handler_that_hangs_a_503() {
    let mut settings = with_access(&AccessSettings::default());
    settings.request_timeout = Duration::from_millis(50);
    let server = started(app(), settings).await;
    let head = "POST /greet HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    server.exchange(head.as_bytes()).await.problem(408);
    server.request("GET /hangs", &[], "").await.problem(503);
}

#[tokio::test]
async fn an_overload_is_refused_at_once_and_the_probes_still_answer() {
    let begun = Arc::new(Notify::new());
    let signal = Arc::clone(&begun);
    let router = Router::new()
        .route(
            "/waits",
            get(move || async move {
                signal.notify_one();
                std::future::pending::<()>().await;
            }),
        )
        .merge(app())
        .merge(probes::router(Readiness::new(Vec::new)).split_for_parts().0);
    let mut settings = with_access(&AccessSettings::default());
    settings.max_in_flight = 1;
    let server = started(router, settings).await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    begun.notified().await;
    let refused = server.request("GET /ok", &[], "").await;
    refused.problem(503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(server.request("GET /livez", &[], "").await.body, "ok");
}

#[tokio::test]
async fn a_failing_readiness_probe_keeps_its_own_body() {
    let failing = Check { name: "journal", ok: false, is_required: true, detail: Some("disk full".into()) };
    let readiness = Readiness::new(move || vec![failing.clone()]);
    let router = probes::router(readiness).split_for_parts().0;
    let server = started(router, with_access(&AccessSettings::default())).await;
    let text = server.request("GET /readyz?verbose", &[], "").await;
    assert_eq!(text.status, 503);
    assert_eq!(text.body, "[-]journal failed: disk full\nreadyz check failed\n");
    let json = server.request("GET /readyz", &["Accept: application/json"], "").await;
    assert_eq!(json.status, 503);
    assert!(json.body.starts_with("{\"ready\":false,\"checks\":[{\"name\":\"journal\""), "{}", json.body);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_path() {
    let mut registry = Registry::default();
    let metrics = HttpMetrics::register(&mut registry);
    let router = app().merge(metrics::router(Arc::new(registry)).split_for_parts().0);
    let settings = Foundation::new(Access::new(&AccessSettings::default()), metrics);
    let server = started(router, settings).await;
    server.request("GET /named/a", &[], "").await;
    server.request("GET /named/b", &[], "").await;
    server.request("BREW /invented", &["Sec-Fetch-Site: cross-site"], "").await;
    let text = server.request("GET /metrics", &[], "").await;
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let name = "http_server_request_duration_seconds";
    assert!(text.body.contains(&format!("# TYPE {name} histogram\n")), "{}", text.body);
    for sample in [
        "_count{method=\"GET\",route=\"/named/{name}\",status=\"200\"} 2\n",
        "_count{method=\"OTHER\",route=\"unmatched\",status=\"403\"} 1\n",
    ] {
        assert!(text.body.contains(&format!("{name}{sample}")), "{}", text.body);
    }
    assert!(!text.body.contains("# EOF"), "{}", text.body);
    let open = server.request("GET /metrics", &["Accept: application/openmetrics-text"], "").await;
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(open.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_refused_mutation_does_not_wait_for_its_body() {
    let server = started(app(), with_tokens("abcdefgh")).await;
    let answer =
        server.exchange(b"POST /greet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n").await;
    answer.problem(401);
}

#[test]
fn the_routes_of_the_foundation_describe_themselves() {
    let (_, api) = probes::router::<()>(Readiness::new(Vec::new))
        .merge(metrics::router(Arc::new(Registry::default())))
        .split_for_parts();
    let api = serde_json::to_value(api).unwrap();
    for path in ["/livez", "/readyz", "/metrics"] {
        assert!(api["paths"][path]["get"].is_object(), "{path}: {api}");
    }
    let problem = &api["components"]["schemas"]["Problem"]["properties"];
    for member in ["type", "title", "status", "detail", "instance", "error", "request_id"] {
        assert!(problem[member].is_object(), "{member}: {api}");
    }
}
