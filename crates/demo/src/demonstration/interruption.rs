//! The signals by which a person or the system ends the demonstration.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, the end of the terminal, and an order to end.
#[derive(Debug)]
pub(super) struct Interruption {
    interrupt: Signal,
    hangup: Signal,
    terminate: Signal,
}

impl Interruption {
    /// From here on these signals don't end the process; whoever waits is told.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// What the future gives, or nothing when a signal comes first.
    pub(super) async fn or<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => None,
            _ = self.hangup.recv() => None,
            _ = self.terminate.recv() => None,
            output = future => Some(output),
        }
    }
}
