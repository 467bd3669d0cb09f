//! The signals that end the daemon.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for the first signal to stop, and names it.
pub(super) async fn first() -> io::Result<&'static str> {
    let (mut terminate, mut interrupt, mut hang_up) = listen()?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok("SIGTERM"),
            _ = interrupt.recv() => return Ok("SIGINT"),
            // A closed terminal or a log rotation must not end the watching.
            _ = hang_up.recv() => {
                tracing::warn!("SIGHUP: the configuration is read at the start only; restart to apply a change");
            }
        }
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

fn listen() -> io::Result<(Signal, Signal, Signal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?))
}
