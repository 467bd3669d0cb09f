//! Takes connections within limits, and ends without cutting off a running request.

mod connection;
mod stream;
mod unread;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};

use super::limits;
use connection::Connection;

/// How long to wait after a failed accept. Without it a process that is out of file descriptors would spin.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// The limits of the accept loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServeSettings {
    /// How long a header section may take, and how long a connection may stay idle.
    pub header_read_timeout: Duration,
    /// How long a client may take none of the answer that waits for it.
    pub write_timeout: Duration,
    /// Connections that are open at once.
    pub max_connections: usize,
    /// How long running requests may go on after the signal to stop.
    pub drain: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            header_read_timeout: limits::HEADER_READ_TIMEOUT,
            write_timeout: limits::WRITE_TIMEOUT,
            max_connections: limits::CONNECTIONS,
            drain: limits::DRAIN,
        }
    }
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}: {reason}")]
pub struct BindError {
    /// What was tried.
    pub address: SocketAddr,
    /// Why not, and what to do about it.
    pub reason: String,
    /// What the system said.
    pub source: io::Error,
}

/// How a server ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drained {
    /// Every running request was answered.
    Complete,
    /// The wait was over first.
    CutOff {
        /// Connections that were closed with a request running.
        connections: usize,
    },
}

/// Listens on an address.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| {
        let reason = advice(address, &source);
        BindError { address, reason, source }
    })
}

fn advice(address: SocketAddr, error: &io::Error) -> String {
    let (ip, port) = (address.ip(), address.port());
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        format!("port {port} is already in use: stop the other process or set BIND_ADDRESS to another port")
    } else if kind == io::ErrorKind::AddrNotAvailable {
        format!("this host has no address {ip}: set BIND_ADDRESS to one of its addresses or to 0.0.0.0")
    } else if kind == io::ErrorKind::PermissionDenied {
        format!(
            "port {port} needs a privilege that this process lacks: set BIND_ADDRESS to a port from 1024 on"
        )
    } else {
        format!("{error}; BIND_ADDRESS sets the address")
    }
}

/// Serves until `shutdown` ends; then takes no more connections, lets running requests finish within
/// `settings.drain`, and closes what is left.
///
/// Handlers find the peer as `ConnectInfo<SocketAddr>`, an IPv4-mapped address as IPv4.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: ServeSettings,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let (stop, stopping) = watch::channel(false);
    let mut server = Server {
        router,
        settings,
        stopping,
        permits: Arc::new(Semaphore::new(settings.max_connections)),
        connections: JoinSet::new(),
    };
    tokio::select! {
        () = shutdown => {}
        () = server.accept(&listener) => {}
    }
    // Closed before the wait, so that new clients are refused at once and try another replica.
    drop(listener);
    stop.send_replace(true);
    server.drain().await
}

struct Server {
    router: Router,
    settings: ServeSettings,
    stopping: watch::Receiver<bool>,
    permits: Arc<Semaphore>,
    connections: JoinSet<()>,
}

impl Server {
    /// Takes connections for ever. One that is over the limit stays in the kernel's backlog.
    async fn accept(&mut self, listener: &TcpListener) {
        let mut is_failing = false;
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    is_failing = false;
                    self.start(stream, peer, permit);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(%error, "accept a connection; trying again until it works");
                    }
                    is_failing = true;
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
            while let Some(ended) = self.connections.try_join_next() {
                log_failure(ended);
            }
        }
    }

    fn start(&mut self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "set TCP_NODELAY");
        }
        let connection = Connection {
            router: self.router.clone(),
            peer,
            settings: self.settings,
            stopping: self.stopping.clone(),
        };
        self.connections.spawn(async move {
            connection.run(stream).await;
            drop(permit);
        });
    }

    async fn drain(mut self) -> Drained {
        let all_ended = async {
            while let Some(ended) = self.connections.join_next().await {
                log_failure(ended);
            }
        };
        if tokio::time::timeout(self.settings.drain, all_ended).await.is_ok() {
            return Drained::Complete;
        }
        let connections = self.connections.len();
        tracing::warn!(connections, "connections closed with a request running: the wait is over");
        self.connections.shutdown().await;
        Drained::CutOff { connections }
    }
}

/// Errors of a connection that went away before it was accepted; the listener is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn log_failure(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}

#[cfg(test)]
mod tests;
