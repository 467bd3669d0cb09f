//! A server whose listening socket can be closed and opened again while the process lives.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::fault::Fault;

/// How often, at this distance, the closed socket is tried to be opened again before giving up.
const REOPEN_ATTEMPTS: u32 = 50;
const REOPEN_PAUSE: Duration = Duration::from_millis(100);

/// Serves for ever, except while the fault is to refuse connections.
pub(super) async fn serve(
    mut listener: TcpListener,
    router: Router,
    mut faults: watch::Receiver<Fault>,
) -> io::Result<Infallible> {
    let address = listener.local_addr()?;
    loop {
        let mut until_refusal = faults.clone();
        let app = router.clone().into_make_service_with_connect_info::<SocketAddr>();
        // It closes the listening socket first and idle connections next; what is under way is still answered.
        let server = axum::serve(listener, app).with_graceful_shutdown(async move {
            refusal(&mut until_refusal).await;
        });
        tokio::spawn(server.into_future());

        refusal(&mut faults).await;
        // The sender lives in the router, which lives as long as we do.
        let _ = faults.wait_for(|fault| *fault != Fault::Refuse).await;
        listener = reopen(address).await?;
    }
}

async fn refusal(faults: &mut watch::Receiver<Fault>) {
    let _ = faults.wait_for(|fault| *fault == Fault::Refuse).await;
}

async fn reopen(address: SocketAddr) -> io::Result<TcpListener> {
    for _ in 1..REOPEN_ATTEMPTS {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(_) => tokio::time::sleep(REOPEN_PAUSE).await,
        }
    }
    TcpListener::bind(address).await
}
