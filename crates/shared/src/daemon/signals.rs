//! The signals that end a daemon, and the one that has its configuration read again.

use std::io;

use rustix::process::{getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals to stop, from when it was made: one that comes while nobody waits is remembered.
#[derive(Debug)]
pub(crate) struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for a signal, and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// From now on a hang-up does not end the process, as a closed terminal or a rotated log would have it.
pub fn hang_ups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Whoever asks twice does not want to wait.
pub(super) fn exit_at_the_next(stops: Option<Stops>) {
    let Some(mut stops) = stops else { return };
    tokio::spawn(async move {
        stops.next().await;
        tracing::warn!("a second signal: ending at once; the next start looks at what was under way");
        std::process::exit(1);
    });
}

/// Has this process read its configuration again, as a hang-up does: much may have changed while it stood by.
pub(super) fn hang_up() {
    if let Err(error) = kill_process(getpid(), rustix::process::Signal::HUP) {
        tracing::warn!(%error, "the configuration is as it was when this instance began to stand by");
    }
}
