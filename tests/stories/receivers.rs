//! Services that a story can break and mend, and the receivers of orders.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A service whose answer the story sets.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) address: SocketAddr,
    status: Arc<AtomicU16>,
}

impl Service {
    pub(super) async fn start() -> Self {
        Self::start_at("127.0.0.1").await
    }

    /// One at this address of the host, on a free port.
    pub(super) async fn start_at(address: &str) -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let answer = |State(status): State<Arc<AtomicU16>>| async move {
            StatusCode::from_u16(status.load(Ordering::SeqCst)).unwrap()
        };
        let router = Router::new().route("/health", get(answer)).with_state(Arc::clone(&status));
        Self { address: serve_at(address, router).await, status }
    }

    pub(super) fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

/// One order as a webhook got it.
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// A receiver of orders that answers with this status; the orders come out of the channel.
pub(super) async fn webhook(status: StatusCode) -> (SocketAddr, mpsc::UnboundedReceiver<Received>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let take = move |headers: HeaderMap, body: String| async move {
        // The story may be over.
        let _ = sender.send(Received { headers, body });
        status
    };
    (serve(Router::new().route("/orders", post(take))).await, receiver)
}

pub(super) async fn serve(router: Router) -> SocketAddr {
    serve_at("127.0.0.1", router).await
}

async fn serve_at(address: &str, router: Router) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
