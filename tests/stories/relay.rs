//! A relay to the Docker Engine that a story can cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use super::daemon::PATIENCE;

/// A relay to the engine that can be cut, and counts who asks for events.
pub(super) struct Relay {
    address: SocketAddr,
    listeners: Arc<AtomicUsize>,
    is_cut: watch::Sender<bool>,
}

impl Relay {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, is_cut) = (listener.local_addr().unwrap(), watch::Sender::new(false));
        let (listeners, cuts) = (Arc::new(AtomicUsize::new(0)), is_cut.clone());
        let counted = Arc::clone(&listeners);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (counted, mut cuts) = (Arc::clone(&counted), cuts.subscribe());
                if *cuts.borrow_and_update() {
                    continue;
                }
                tokio::spawn(async move {
                    tokio::select! {
                        () = relay(stream, &counted) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { address, listeners, is_cut }
    }

    pub(super) fn variable(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Waits until events were asked for so many times.
    pub(super) async fn listened(&self, times: usize) {
        let start = tokio::time::Instant::now();
        while self.listeners.load(Ordering::SeqCst) < times {
            assert!(start.elapsed() < PATIENCE, "nobody listens to the engine");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Breaks every connection off, and takes no more.
    pub(super) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub(super) fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn relay(mut stream: TcpStream, listeners: &AtomicUsize) {
    let path = std::env::var("DOCKER_HOST").unwrap_or_default();
    let path = path.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
    let mut engine = UnixStream::connect(path).await.unwrap();
    let mut head = vec![0; 4_096];
    let read = stream.read(&mut head).await.unwrap_or(0);
    // The engine has the question before it counts.
    if engine.write_all(&head[..read]).await.is_ok()
        && String::from_utf8_lossy(&head[..read]).contains("/events")
    {
        listeners.fetch_add(1, Ordering::SeqCst);
    }
    // Either side may end it.
    let _ = copy_bidirectional(&mut stream, &mut engine).await;
}
