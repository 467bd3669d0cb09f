use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;
use crate::http::test_support::{Answer, TestServer};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn app() -> Router {
    Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
}

/// A route that says when it has begun and ends when it is told to.
fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (signal, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let route = get(move || async move {
        signal.notify_one();
        wait.notified().await;
        "done"
    });
    (Router::new().route("/", route), begun, go_on)
}

fn quick() -> ServeSettings {
    ServeSettings { header_read_timeout: Duration::from_millis(50), ..ServeSettings::default() }
}

#[tokio::test]
async fn a_handler_knows_its_peer() {
    let server = TestServer::start(app()).await;
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.body, stream.local_addr().unwrap().to_string());
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_header_section_is_cut_off() {
    let server = TestServer::start_with(app(), quick()).await;
    // Nothing, the beginning of the HTTP/2 preface, half a header section: all have to end by themselves.
    for beginning in ["", "PRI * HTTP/2", "GET / HTTP/1.1\r\nHost: local"] {
        let mut stream = server.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let answer = Answer::read(&mut stream).await;
        assert!(matches!(answer.status, 0 | 408), "{beginning:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = TestServer::start_with(app(), quick()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // Reads until the server closes, which it does although the client asked to stay.
    assert_eq!(Answer::read(&mut stream).await.status, 200);
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_until_another_ends() {
    let (router, begun, go_on) = held();
    let settings = ServeSettings { max_connections: 1, ..ServeSettings::default() };
    let server = TestServer::start_with(router, settings).await;
    let mut first = server.connect().await;
    first.write_all(REQUEST).await.unwrap();
    begun.notified().await;
    let mut second = server.connect().await;
    second.write_all(REQUEST).await.unwrap();
    let second_begins = tokio::time::timeout(Duration::from_millis(50), begun.notified()).await;
    assert!(second_begins.is_err(), "two connections are served at once");
    go_on.notify_one();
    assert_eq!(Answer::read(&mut first).await.body, "done");
    begun.notified().await;
    go_on.notify_one();
    assert_eq!(Answer::read(&mut second).await.body, "done");
}

#[tokio::test]
async fn a_shutdown_finishes_a_running_request_and_takes_no_new_one() {
    let (router, begun, go_on) = held();
    let server = TestServer::start(router).await;
    let address = server.address;
    let mut idle = server.connect().await;
    let mut running = server.connect().await;
    running.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    begun.notified().await;
    let ended = server.stop();
    // The silent connection closes at once, which also shows that the shutdown has begun.
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(address).await.is_err());
    go_on.notify_one();
    assert_eq!(Answer::read(&mut running).await.body, "done");
    assert_eq!(ended.await.unwrap(), Drained::Complete);
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_after_the_wait() {
    let (router, begun, _go_on) = held();
    let settings = ServeSettings { drain: Duration::from_millis(50), ..ServeSettings::default() };
    let server = TestServer::start_with(router, settings).await;
    let mut running = server.connect().await;
    running.write_all(REQUEST).await.unwrap();
    begun.notified().await;
    assert_eq!(server.stop().await.unwrap(), Drained::CutOff { connections: 1 });
    assert_eq!(Answer::read(&mut running).await.status, 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_given_up() {
    let ended = Arc::new(Notify::new());
    let signal = Arc::new(std::sync::Mutex::new(Some(DropSignal(Arc::clone(&ended)))));
    // More than the socket buffers of both sides hold.
    let route = get(move || async move {
        let guard = signal.lock().unwrap().take();
        let chunks = futures_util::stream::repeat_with(move || {
            let _held = &guard;
            Ok::<_, io::Error>(vec![0_u8; 65_536])
        });
        axum::body::Body::from_stream(chunks)
    });
    let settings = ServeSettings { write_timeout: Duration::from_millis(50), ..ServeSettings::default() };
    let server = TestServer::start_with(Router::new().route("/", route), settings).await;
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    ended.notified().await;
}

/// Tells when it is dropped.
struct DropSignal(Arc<Notify>);

impl Drop for DropSignal {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let taken = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address).await.unwrap_err().to_string();
    let port = address.port();
    assert_eq!(
        error,
        format!(
            "listen on {address}: port {port} is already in use: stop the other process or set BIND_ADDRESS \
             to another port"
        )
    );
}

#[tokio::test]
async fn http_2_is_spoken_to_clients_that_begin_with_it() {
    let server = TestServer::start(app()).await;
    let stream = server.connect().await;
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("http://localhost/").body(axum::body::Body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}
