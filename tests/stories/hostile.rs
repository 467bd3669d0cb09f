//! Bad requests: the right 4xx, never a 500, a panic or an unbounded read; and who may change something.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::daemon::{Daemon, PATIENCE};

const ONE: &str = "recovery_backend: none\nservices:\n  web: {url: 'http://127.0.0.1:1'}\n";

/// Sends bytes and gives what comes back until the peer closes.
async fn raw(daemon: &Daemon, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(daemon.address()).await.unwrap();
    // The peer may close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ =
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no end of the answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn problem_of(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[tokio::test]
async fn hostile_requests_get_their_4xx_and_the_daemon_lives_on() {
    let daemon = Daemon::start(ONE).await;
    let close = "Host: localhost\r\nConnection: close\r\n";
    let big = 64 * 1024 * 1024;
    let long_query = "x".repeat(60_000);
    let requests: [(String, &[u16]); 9] = [
        (format!("POST /trigger-heal/web HTTP/1.1\r\n{close}Content-Length: {big}\r\n\r\n"), &[413, 503]),
        (format!("GET /error-history?service={long_query} HTTP/1.1\r\n{close}\r\n"), &[400, 414, 431]),
        (format!("GET /error-history?service=%FF%FE HTTP/1.1\r\n{close}\r\n"), &[200, 400]),
        (format!("POST /trigger-heal/%FF%FE HTTP/1.1\r\n{close}Content-Length: 0\r\n\r\n"), &[400, 404]),
        (format!("POST /trigger-heal/web?force=maybe HTTP/1.1\r\n{close}Content-Length: 0\r\n\r\n"), &[400]),
        (format!("DELETE /statistics HTTP/1.1\r\n{close}\r\n"), &[405]),
        (format!("GET /no-such HTTP/1.1\r\n{close}\r\n"), &[404]),
        (format!("GET /health HTTP/1.1\r\n{close}{}\r\n", "X-A: b\r\n".repeat(500)), &[431]),
        ("complete nonsense\r\n\r\n".into(), &[400]),
    ];
    for (request, expected) in &requests {
        let answer = raw(&daemon, request.as_bytes()).await;
        let line: String = request.chars().take(60).collect();
        assert!(expected.contains(&status_of(&answer)), "{line} gives {answer}");
        if status_of(&answer) >= 400 && answer.contains("problem+json") {
            assert!(problem_of(&answer)["error"].is_string(), "{line} gives {answer}");
        }
    }
    assert_eq!(daemon.get("/health").await.0, 200);
    assert!(!daemon.log().contains("panic"), "{}", daemon.log());
}

#[tokio::test]
async fn a_client_that_sends_its_headers_drop_by_drop_is_cut_off() {
    let daemon = Daemon::start(ONE).await;
    let mut slow = TcpStream::connect(daemon.address()).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: local").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), slow.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is still open after half a minute");
    assert_eq!(daemon.get("/health").await.0, 200);
}

#[tokio::test]
async fn with_a_token_a_request_to_heal_needs_it_and_the_right_role() {
    let configuration = format!("{}{ONE}", super::daemon::QUICK);
    let tokens = [("API_TOKEN", "operator:open-sesame,viewer:only-looking")];
    let daemon = Daemon::start_with(&configuration, &tokens).await;
    let heal = |token: &'static str| {
        let header =
            if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        format!(
            "POST /trigger-heal/web HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n{header}\r\n"
        )
    };
    for (token, expected) in [("", 401), ("open-sesamf", 401), ("only-looking", 403), ("open-sesame", 503)] {
        let answer = raw(&daemon, heal(token).as_bytes()).await;
        assert_eq!(status_of(&answer), expected, "{token:?} gives {answer}");
        assert_eq!(expected == 401, answer.to_lowercase().contains("www-authenticate"), "{answer}");
    }
    assert_eq!(daemon.get("/statistics").await.0, 200, "reading needs no token");
    assert!(!daemon.log().contains("sesam"), "a token is in the log");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_heal_through_a_visitors_browser() {
    let daemon = Daemon::start(ONE).await;
    for header in ["Sec-Fetch-Site: cross-site", "Origin: http://evil.example", "Host: evil.example"] {
        let host = if header.starts_with("Host") { "" } else { "Host: localhost\r\n" };
        let request = format!(
            "POST /trigger-heal/web HTTP/1.1\r\n{host}{header}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = raw(&daemon, request.as_bytes()).await;
        assert_eq!(status_of(&answer), 403, "{header} gives {answer}");
    }
}

#[tokio::test]
async fn a_flood_of_requests_to_heal_is_told_when_to_come_back() {
    let configuration = format!("{}{ONE}", super::daemon::QUICK);
    let daemon = Daemon::start_with(&configuration, &[("MUTATIONS_PER_MINUTE", "6")]).await;
    let mut limited = None;
    for _ in 0..20 {
        let request = "POST /trigger-heal/web HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let answer = raw(&daemon, request.as_bytes()).await;
        if status_of(&answer) == 429 {
            limited = Some(answer);
            break;
        }
    }
    let answer = limited.expect("no limit in twenty requests");
    assert!(answer.to_lowercase().contains("retry-after: "), "{answer}");
    assert_eq!(daemon.get("/statistics").await.0, 200, "reading is not limited");
}
