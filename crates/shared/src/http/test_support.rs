//! A server on a loopback socket and a client that sends exactly the bytes it is given.

use std::net::SocketAddr;

use axum::Router;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::access::{Access, AccessSettings, Token};
use super::{Drained, Foundation, HttpMetrics, ServeSettings, bind, foundation, serve};

pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

impl TestServer {
    pub(super) async fn start(router: Router) -> Self {
        Self::start_with(router, ServeSettings::default()).await
    }

    pub(super) async fn start_with(router: Router, settings: ServeSettings) -> Self {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let ended = tokio::spawn(serve(listener, router, settings, shutdown));
        Self { address, stop, ended }
    }

    /// Gives the signal to stop; the handle tells how the server ended.
    pub(super) fn stop(self) -> JoinHandle<Drained> {
        let _ = self.stop.send(());
        self.ended
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends one request with these header lines and reads the answer.
    pub(super) async fn request(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut head = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        self.exchange(format!("{head}\r\n{body}").as_bytes()).await
    }

    /// Sends these bytes and reads the answer until the server closes.
    pub(super) async fn exchange(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // The server may answer and close before it has read all.
        let _ = stream.write_all(bytes).await;
        Answer::read(&mut stream).await
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// Reads until the server closes. An answer that is not there has the status 0.
    pub(super) async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4_096];
        while let Ok(length @ 1..) = stream.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..length]);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The members of a problem, after checking what all problems have.
    pub(super) fn problem(&self, status: u16) -> serde_json::Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["status"], status);
        for member in ["type", "title", "detail", "error", "instance"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
        }
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"));
        body
    }
}

/// A foundation whose access has these tokens and no rate limit.
pub(super) fn with_tokens(tokens: &str) -> Foundation {
    with_access(&AccessSettings {
        tokens: Token::parse_list(tokens).unwrap(),
        mutations_per_minute: 0,
        ..AccessSettings::default()
    })
}

pub(super) fn with_access(settings: &AccessSettings) -> Foundation {
    Foundation::new(Access::new(settings), HttpMetrics::register(&mut Registry::default()))
}

pub(super) async fn started(router: Router, settings: Foundation) -> TestServer {
    TestServer::start(foundation(router, settings)).await
}
