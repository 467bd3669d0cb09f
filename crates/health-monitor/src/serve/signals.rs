//! The signals that end the daemon, and the one that has its configuration read again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::discovery::Discovery;
use super::reload::Reload;

/// Waits for the first signal to stop, and names it.
pub(super) async fn first() -> io::Result<&'static str> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

/// From now on a hang-up does not end the process, as a closed terminal or a rotated log would have it.
pub(super) fn hang_ups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Has the configuration read again at each hang-up, for ever.
pub(super) async fn reload_at(mut hang_ups: Signal, reload: Reload, mut discovery: Discovery) {
    while hang_ups.recv().await.is_some() {
        tracing::info!("SIGHUP: the configuration is read again");
        reload.read_again(&mut discovery).await;
    }
}

/// Whoever asks twice does not want to wait.
pub(super) fn exit_at_the_next() {
    tokio::spawn(async {
        if first().await.is_ok() {
            tracing::warn!("a second signal: ending at once; the next start looks at what was under way");
            std::process::exit(1);
        }
    });
}
