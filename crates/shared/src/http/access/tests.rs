use axum::routing::{get, post};
use axum::{Extension, Router};

use super::*;
use crate::http::Foundation;
use crate::http::test_support::{TestServer, started, with_access, with_tokens};

fn app() -> Router {
    let who = |Extension(caller): Extension<Caller>| async move { format!("{caller:?}") };
    Router::new()
        .route("/heal/{service}", post(who))
        .route("/usage", post(who))
        .route("/secrets", get(who))
        .route("/status", get(who))
}

fn with_rules(mut settings: Foundation) -> Foundation {
    settings.access = settings.access.require(Method::POST, "/usage", Role::Ingest).require(
        Method::GET,
        "/secrets",
        Role::Viewer,
    );
    settings
}

async fn server_with_tokens() -> TestServer {
    let tokens = "operator:oooooooo,ingest:iiiiiiii,viewer:vvvvvvvv";
    started(app(), with_rules(with_tokens(tokens))).await
}

async fn open_server() -> TestServer {
    started(app(), with_rules(with_access(&AccessSettings::default()))).await
}

#[tokio::test]
async fn each_role_may_do_what_its_routes_need() {
    let server = server_with_tokens().await;
    for (line, token, status) in [
        ("POST /heal/web", "oooooooo", 200),
        ("POST /heal/web", "iiiiiiii", 403),
        ("POST /heal/web", "vvvvvvvv", 403),
        ("POST /usage", "oooooooo", 200),
        ("POST /usage", "iiiiiiii", 200),
        ("POST /usage", "vvvvvvvv", 403),
        ("GET /secrets", "vvvvvvvv", 200),
        ("HEAD /secrets", "vvvvvvvv", 200),
        ("GET /status", "vvvvvvvv", 200),
    ] {
        let answer = server.request(line, &[&format!("Authorization: bearer {token}")], "").await;
        assert_eq!(answer.status, status, "{line} {token}");
    }
}

#[tokio::test]
async fn new_settings_hold_at_once_for_a_server_that_runs() {
    let settings = with_rules(with_tokens("operator:oooooooo"));
    let access = settings.access.clone();
    let server = started(app(), settings).await;
    let status = async |token: &str| {
        server.request("POST /heal/web", &[&format!("Authorization: bearer {token}")], "").await.status
    };
    assert_eq!((status("oooooooo").await, status("nnnnnnnn").await), (200, 401));
    let tokens = Token::parse_list("operator:nnnnnnnn").unwrap();
    access.reconfigure(&AccessSettings { tokens, ..AccessSettings::default() });
    assert_eq!((status("oooooooo").await, status("nnnnnnnn").await), (401, 200));
}

#[tokio::test]
async fn an_absent_or_wrong_token_is_a_401_that_asks_for_one() {
    let server = server_with_tokens().await;
    for (line, headers) in [
        ("POST /heal/web", vec![]),
        ("GET /secrets", vec![]),
        ("HEAD /secrets", vec![]),
        ("POST /heal/web", vec!["Authorization: Basic b29vb29vb28="]),
        ("POST /heal/web", vec!["Authorization: Bearer wrongwrong"]),
    ] {
        let answer = server.request(line, &headers, "").await;
        assert_eq!(answer.status, 401, "{line} {headers:?}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{answer:?}");
    }
    assert_eq!(server.request("GET /status", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_valid_token_is_taken_from_any_origin_and_host() {
    let headers = ["Authorization: Bearer oooooooo", "Sec-Fetch-Site: cross-site", "Host: monitor.example"];
    let answer = server_with_tokens().await.request("POST /heal/web", &headers, "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "Token(Operator)"));
}

#[tokio::test]
async fn without_tokens_the_same_host_may_change_things() {
    let server = open_server().await;
    for host in ["localhost:5006", "127.0.0.1:5006", "[::1]:5006"] {
        let answer = server.request("POST /heal/web", &[&format!("Host: {host}")], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "Local"), "{host}");
    }
    assert_eq!(server.request("GET /secrets", &[], "").await.status, 200);
}

#[tokio::test]
async fn without_tokens_a_page_of_another_site_may_not() {
    let server = open_server().await;
    for header in [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: http://evil.example",
        "Origin: null",
    ] {
        server.request("POST /heal/web", &[header], "").await.problem(403);
    }
    let own = format!("Origin: http://{}", server.address);
    assert_eq!(server.request("POST /heal/web", &[&own], "").await.status, 200);
}

#[tokio::test]
async fn without_tokens_a_rebound_name_is_refused() {
    let server = open_server().await;
    let rebound =
        ["Host: evil.example:5006", "Origin: http://evil.example:5006", "Sec-Fetch-Site: same-origin"];
    server.request("POST /heal/web", &rebound, "").await.problem(403);
    server.exchange(b"POST /heal/web HTTP/1.0\r\n\r\n").await.problem(403);
}

#[tokio::test]
async fn a_proxy_on_the_same_host_does_not_make_its_clients_local() {
    let server = open_server().await;
    for header in ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"] {
        let problem = server.request("POST /heal/web", &[header], "").await.problem(403);
        for way in ["API_TOKEN", "ALLOW_UNAUTHENTICATED=true"] {
            assert!(problem["error"].as_str().unwrap().contains(way), "{problem}");
        }
    }
}

fn check(settings: &AccessSettings, peer: &str, headers: &[(&str, &str)]) -> Result<Caller, u16> {
    let mut request = Request::post("/heal/web").body(axum::body::Body::empty()).unwrap();
    for (name, value) in headers {
        let name = name.parse::<axum::http::HeaderName>().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    Access::new(settings).check(&request).map_err(|problem| problem.status().as_u16())
}

#[test]
fn without_tokens_another_host_needs_to_be_allowed() {
    let closed = AccessSettings::default();
    let open = AccessSettings { allow_unauthenticated: true, ..AccessSettings::default() };
    let named = [("host", "health-monitor:5006")];
    assert_eq!(check(&closed, "192.0.2.1:4000", &named), Err(403));
    assert_eq!(check(&open, "192.0.2.1:4000", &named), Ok(Caller::Anonymous));
    assert_eq!(check(&closed, "[2001:db8::1]:4000", &named), Err(403));
    assert_eq!(check(&closed, "[::ffff:192.0.2.1]:4000", &named), Err(403));
    let local = [("host", "localhost:5006")];
    assert_eq!(check(&closed, "[::1]:4000", &local), Ok(Caller::Local));
    assert_eq!(check(&closed, "[::ffff:127.0.0.1]:4000", &local), Ok(Caller::Local));
}

#[test]
fn where_anybody_is_allowed_a_browser_still_cannot_be_rebound() {
    let open = AccessSettings { allow_unauthenticated: true, ..AccessSettings::default() };
    let check = |host, expected| {
        let headers = [("host", host), ("sec-fetch-site", "same-origin")];
        assert_eq!(check(&open, "172.18.0.1:4000", &headers), expected, "{host}");
    };
    check("localhost:5006", Ok(Caller::Anonymous));
    check("health-monitor:5006", Ok(Caller::Anonymous));
    check("evil.example:5006", Err(403));
}

#[tokio::test]
async fn too_many_mutations_are_told_when_to_go_on_and_reads_are_not_limited() {
    let settings = AccessSettings { mutations_per_minute: 6, ..AccessSettings::default() };
    let server = started(app(), with_rules(with_access(&settings))).await;
    for _ in 0..2 {
        assert_eq!(server.request("POST /heal/web", &[], "").await.status, 200);
    }
    let limited = server.request("POST /heal/web", &[], "").await;
    limited.problem(429);
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(server.request("GET /status", &[], "").await.status, 200);
    assert_eq!(server.request("POST /usage", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_client_that_guesses_tokens_does_not_even_get_in_with_the_right_one() {
    let server = server_with_tokens().await;
    for _ in 0..10 {
        let answer = server.request("POST /heal/web", &["Authorization: Bearer wrongwrong"], "").await;
        assert_eq!(answer.status, 401);
    }
    let right = server.request("POST /heal/web", &["Authorization: Bearer oooooooo"], "").await;
    right.problem(429);
    assert!(right.header("retry-after").is_some());
}

#[tokio::test]
async fn reports_are_taken_from_everybody_while_no_token_is_set_and_from_a_reporter_once_one_is() {
    let rules = |mut settings: Foundation| {
        settings.access = settings.access.welcome(Method::POST, "/usage", Role::Ingest);
        settings
    };
    let elsewhere = "X-Forwarded-For: 10.0.0.9";
    let open = started(app(), rules(with_access(&AccessSettings::default()))).await;
    for _ in 0..100 {
        assert_eq!(open.request("POST /usage", &[elsewhere], "").await.status, 200, "as often as one likes");
    }
    assert_eq!(open.request("POST /heal/web", &[elsewhere], "").await.status, 403);
    let page = "Sec-Fetch-Site: cross-site";
    assert_eq!(open.request("POST /usage", &[elsewhere, page], "").await.status, 403);
    let closed = started(app(), rules(with_tokens("ingest:iiiiiiii"))).await;
    assert_eq!(closed.request("POST /usage", &[], "").await.status, 401);
    assert_eq!(closed.request("POST /usage", &["Authorization: Bearer iiiiiiii"], "").await.status, 200);
}

#[tokio::test]
async fn a_post_that_only_reads_is_open_like_a_get() {
    let mut settings = with_tokens("operator:oooooooo");
    settings.access = settings.access.read(Method::POST, "/usage");
    let server = started(app(), settings).await;
    assert_eq!(server.request("POST /usage", &["X-Forwarded-For: 10.0.0.9"], "").await.status, 200);
    assert_eq!(server.request("POST /heal/web", &[], "").await.status, 401);
}
