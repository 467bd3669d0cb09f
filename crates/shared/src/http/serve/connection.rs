//! One connection, from its first byte to its close.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::ServiceExt;

use super::stream::BoundedStream;
use super::unread::{Tracked, Unread};
use super::{ServeSettings, limits};

pub(super) struct Connection {
    pub(super) router: Router,
    pub(super) peer: SocketAddr,
    pub(super) settings: ServeSettings,
    pub(super) stopping: watch::Receiver<bool>,
}

impl Connection {
    pub(super) async fn run(self, stream: TcpStream) {
        let Self { router, peer, settings, mut stopping } = self;
        let has_begun = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&has_begun);
        let unread = Unread::default();
        let io = TokioIo::new(BoundedStream::new(stream, settings.write_timeout, unread.clone()));
        let service = service_fn(move |mut request: Request<Incoming>| {
            begun.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(peer));
            let unread = unread.clone();
            router.clone().oneshot(request.map(|body| Body::new(Tracked::new(body, unread))))
        });
        let protocol = protocol(&settings);
        let mut serving = pin!(protocol.serve_connection(io, service));
        // The timeout of the header section begins when the protocol version is known; a client that sends
        // nothing, or the beginning of the HTTP/2 preface, would otherwise stay for ever.
        let mut first_request = pin!(tokio::time::sleep(settings.header_read_timeout));
        let mut is_waiting = true;
        let mut is_closing = false;
        loop {
            tokio::select! {
                ended = serving.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, error, "connection ended early");
                    }
                    return;
                }
                () = first_request.as_mut(), if is_waiting => {
                    if !has_begun.load(Ordering::Relaxed) {
                        tracing::debug!(%peer, "connection closed: no request came in time");
                        return;
                    }
                    is_waiting = false;
                }
                _ = stopping.wait_for(|stops| *stops), if !is_closing => {
                    if !has_begun.load(Ordering::Relaxed) {
                        return;
                    }
                    serving.as_mut().graceful_shutdown();
                    is_closing = true;
                }
            }
        }
    }
}

fn protocol(settings: &ServeSettings) -> auto::Builder<TokioExecutor> {
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_read_timeout)
        .max_headers(limits::HEADER_FIELDS)
        .max_buf_size(limits::HEADER_SECTION);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::HTTP2_STREAMS)
        .max_header_list_size(u32::try_from(limits::HEADER_SECTION).unwrap_or(u32::MAX))
        .keep_alive_interval(limits::HTTP2_PING_INTERVAL)
        .keep_alive_timeout(limits::HTTP2_PING_TIMEOUT);
    protocol
}
