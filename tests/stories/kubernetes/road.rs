//! The road to an API server, which a story can close.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(super) struct Road {
    address: SocketAddr,
    is_closed: watch::Sender<bool>,
}

impl Road {
    /// One that leads to this address, `https://127.0.0.1:port`.
    pub(super) async fn to(server: &str) -> Self {
        let end = server.trim_start_matches("https://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, is_closed) = (listener.local_addr().unwrap(), watch::Sender::new(false));
        let closing = is_closed.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut closing, end) = (closing.subscribe(), end.clone());
                if *closing.borrow_and_update() {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(end).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = closing.changed() => {}
                    }
                });
            }
        });
        Self { address, is_closed }
    }

    /// Where it begins.
    pub(super) fn server_url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Breaks every connection off, and takes no more.
    pub(super) fn close(&self) {
        self.is_closed.send_replace(true);
    }

    /// Takes connections again.
    pub(super) fn open(&self) {
        self.is_closed.send_replace(false);
    }
}
