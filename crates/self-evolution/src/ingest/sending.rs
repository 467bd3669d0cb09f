//! Takes pieces from the reader, puts them together, and sends them until the daemon has them.

use std::time::Duration;

use axum::body::Bytes;
use shared::backoff::Backoff;
use shared::clock::Clock;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::batch::Batch;
use super::position::StateFile;
use super::send::{Daemon, Outcome};
use super::tally::Tally;
use super::terminal::Terminal;

/// How long an event waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// Waits between attempts: short at first, since a daemon restarts in a fraction of a second.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(10) };

/// Events on their way.
pub(super) struct Sending {
    /// Who takes them.
    pub(super) daemon: Daemon,
    /// Where it is kept how far the log was reported.
    pub(super) state: Option<StateFile>,
    /// How long the daemon may take nothing; none = for ever.
    pub(super) wait: Option<Duration>,
    /// Where it is told what a person should know.
    pub(super) terminal: Terminal,
    /// Becomes true when it is to end.
    pub(super) stop: watch::Receiver<bool>,
    /// Measures how long the daemon takes nothing.
    pub(super) clock: Clock,
    /// What has become of the lines so far.
    pub(super) tally: Tally,
}

impl Sending {
    /// Sends everything. The error says why it was given up; what was not sent is not kept as reported.
    pub(super) async fn run(&mut self, mut pieces: Receiver<Batch>) -> Result<(), String> {
        let mut held = None;
        while let Some(batch) = self.gather(&mut pieces, &mut held).await {
            self.send(&batch).await?;
            if let (Some(state), Some(position)) = (&self.state, &batch.position) {
                state.save(position).map_err(|error| error.to_string())?;
            }
            self.tally.add(&batch.tally);
            self.terminal.reached(batch.read, self.tally.accepted);
            if *self.stop.borrow() {
                break;
            }
        }
        Ok(())
    }

    /// Pieces for one request: as many as fit and come in time.
    async fn gather(&mut self, pieces: &mut Receiver<Batch>, held: &mut Option<Batch>) -> Option<Batch> {
        let mut batch = match held.take() {
            Some(batch) => batch,
            None => tokio::select! {
                piece = pieces.recv() => piece?,
                _ = self.stop.wait_for(|stop| *stop) => return None,
            },
        };
        let until = Instant::now() + GATHER;
        while !batch.is_full() {
            let next = tokio::select! {
                next = timeout_at(until, pieces.recv()) => next,
                _ = self.stop.wait_for(|stop| *stop) => break,
            };
            match next {
                Ok(Some(next)) if batch.fits(&next) => batch.append(next),
                Ok(Some(next)) => {
                    *held = Some(next);
                    break;
                }
                Ok(None) | Err(_) => break,
            }
        }
        Some(batch)
    }

    async fn send(&mut self, batch: &Batch) -> Result<(), String> {
        if batch.events == 0 {
            return Ok(());
        }
        let body = Bytes::copy_from_slice(&batch.body);
        let begun = self.clock.now();
        let mut failures = 0;
        loop {
            let (reason, after) = match self.daemon.post(body.clone()).await {
                Outcome::Answered { accepted, rejected, reasons } => {
                    self.tally.sent += batch.events as u64;
                    self.tally.accepted += accepted;
                    self.tally.reject(rejected, reasons);
                    if failures > 0 {
                        self.terminal.tell(&format!("{} takes usage again", self.daemon.name));
                    }
                    return Ok(());
                }
                Outcome::Never(reason) => return Err(format!("{}: {reason}", self.daemon.name)),
                Outcome::Later { reason, after } => (reason, after),
            };
            failures += 1;
            let wait = after.unwrap_or_else(|| BACKOFF.after(failures, rand::random()));
            let waited = self.clock.now().since(begun);
            if self.wait.is_some_and(|most| waited + wait > most) {
                return Err(format!("{reason}; given up after {} s (--wait)", waited.as_secs()));
            }
            if failures == 1 {
                self.terminal.tell(&format!("{reason}; it is tried again"));
            }
            tokio::select! {
                () = sleep(wait) => {}
                _ = self.stop.wait_for(|stop| *stop) => return Err(format!("stopped before all was sent: {reason}")),
            }
        }
    }
}
