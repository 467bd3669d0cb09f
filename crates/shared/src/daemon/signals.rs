//! The signals that end a daemon, and the one that has its configuration read again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for the first signal to stop, and names it.
pub(crate) async fn first() -> io::Result<&'static str> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

/// From now on a hang-up does not end the process, as a closed terminal or a rotated log would have it.
pub fn hang_ups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
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
