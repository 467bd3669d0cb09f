//! How a daemon runs and ends: engine, requests and background work, taken down in order.

mod signals;

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::foundation::Foundation;
use crate::engine::{Decider, Engine};
use crate::http::probes::Readiness;
use crate::http::{self, ServeSettings};
use crate::journal::{self, JournalError, Unshipped, Writer};

pub use signals::hang_ups;

/// Opens the journal, and tells what was done about a damaged one. Facts that a checkpoint covers are kept for
/// `retention`, and those that are still to be shipped as `unshipped` says.
pub fn open_journal(
    settings: &Foundation,
    retention: Duration,
    unshipped: Unshipped,
) -> Result<Writer, JournalError> {
    let writer = Writer::open(&journal::Settings {
        directory: settings.data_dir.clone(),
        durability: settings.durability,
        max_bytes: settings.journal_max_bytes,
        retention,
        unshipped: if settings.elasticsearch_enabled { unshipped } else { Unshipped::Nobodys },
    })?;
    if let Some(report) = &writer.status().borrow().salvaged {
        tracing::error!("{report}");
    }
    Ok(writer)
}

/// A daemon that is put together.
pub struct Daemon<D: Decider> {
    /// Decides, records and has done.
    pub engine: Engine<D>,
    /// Where requests come in.
    pub listener: TcpListener,
    /// Who answers them.
    pub router: Router,
    /// Whether they should come in.
    pub readiness: Readiness,
    /// What is dropped at the end.
    pub background: JoinSet<()>,
    /// Becomes true at the end; requests without an end look at it.
    pub stop: watch::Sender<bool>,
    /// How long the end waits for work that must finish.
    pub drain: Duration,
}

impl<D: Decider> Daemon<D> {
    /// Runs until a signal asks to stop. The order of the end: not ready, no more requests, the work that must finish,
    /// the journal.
    pub async fn run(self) -> io::Result<()> {
        let Self { engine, listener, router, readiness, mut background, stop, drain } = self;
        let stopped = stop.subscribe();
        let until_stopped = || {
            let mut stopped = stopped.clone();
            // The sender lives as long as this function.
            async move { drop(stopped.wait_for(|stopped| *stopped).await) }
        };
        let serving = tokio::spawn(http::serve(listener, router, ServeSettings::default(), until_stopped()));
        let mut engine = tokio::spawn(engine.run(until_stopped(), drain));
        let signal = tokio::select! {
            signal = signals::first() => signal?,
            // Only a defect ends it before it is asked to; going on would show a state that nobody keeps.
            ended = &mut engine => {
                return Err(io::Error::other(format!("the engine ended by itself: {ended:?}")));
            }
        };
        tracing::info!(
            signal,
            "stopping: no new requests, running work is finished; a second signal ends at once"
        );
        readiness.begin_shutdown();
        stop.send_replace(true);
        signals::exit_at_the_next();
        background.abort_all();
        serving.await?;
        engine.await?;
        tracing::info!("stopped");
        Ok(())
    }
}
