//! How a daemon runs and ends: engine, requests and background work, taken down in order.

pub(crate) mod signals;

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::foundation::Foundation;
use crate::engine::{Decider, Engine};
use crate::http::probes::Readiness;
use crate::http::{self, BindError, ServeSettings};
use crate::journal::{self, JournalError, Unshipped, Writer};
use crate::leadership::{Candidacy, LeadershipError, Over, Tenure, lead};

use signals::Stops;
pub use signals::hang_ups;

/// What a daemon stands on whose turn has come.
pub struct Begun {
    /// Where requests come in.
    pub listener: TcpListener,
    /// The time in which this instance leads.
    pub tenure: Tenure,
    /// Open, and nobody else's.
    pub journal: Writer,
}

/// A daemon cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Its address is not to be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// It cannot stand for election, or has lost it.
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    /// The system refuses something.
    #[error("begin: {0}")]
    System(#[from] io::Error),
}

/// Binds the address, waits until this instance leads where there is an election, and opens the journal; none when it was
/// asked to stop before its turn came. Facts that a checkpoint covers are kept for `retention`, and those that are still to be
/// shipped as `unshipped` says. `name` is the daemon's.
pub async fn begin(
    settings: &Foundation,
    name: &'static str,
    retention: Duration,
    unshipped: Unshipped,
) -> Result<Option<Begun>, BeginError> {
    let listener = http::bind(settings.bind_address).await?;
    let stops = Stops::new()?;
    let candidacy = Candidacy::of(settings, name, listener.local_addr()?);
    let Some(mut tenure) = lead(candidacy, &listener, stops).await? else { return Ok(None) };
    match tenure.open(|| open_journal(settings, retention, unshipped)).await {
        Ok(Some(journal)) => {
            if tenure.has_stood_by {
                signals::hang_up();
            }
            Ok(Some(Begun { listener, tenure, journal }))
        }
        Ok(None) => {
            tenure.end().await;
            Ok(None)
        }
        Err(error) => {
            tenure.end().await;
            Err(error.into())
        }
    }
}

/// Opens the journal, and tells what was done about a damaged one.
fn open_journal(
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
    /// The time in which this instance leads; its end is the daemon's end.
    pub tenure: Tenure,
    /// How long the end waits for work that must finish.
    pub drain: Duration,
}

impl<D: Decider> Daemon<D> {
    /// Runs until a signal asks to stop, or another instance leads. The order of the end: not ready, no more requests, the
    /// work that must finish, the journal, the lease.
    pub async fn run(self) -> io::Result<()> {
        let Self { engine, listener, router, readiness, mut background, stop, mut tenure, drain } = self;
        let stopped = stop.subscribe();
        let until_stopped = || {
            let mut stopped = stopped.clone();
            // The sender lives as long as this function.
            async move { drop(stopped.wait_for(|stopped| *stopped).await) }
        };
        tenure.begin();
        let serving = tokio::spawn(http::serve(listener, router, ServeSettings::default(), until_stopped()));
        let mut engine = tokio::spawn(engine.run(until_stopped(), drain));
        let over = tokio::select! {
            over = tenure.over() => over,
            // Only a defect ends it before it is asked to; going on would show a state that nobody keeps.
            ended = &mut engine => {
                return Err(io::Error::other(format!("the engine ended by itself: {ended:?}")));
            }
        };
        match &over {
            Over::Asked(signal) => {
                tracing::info!(
                    signal,
                    "stopping: no new requests, running work is finished; a second signal ends at once"
                );
                signals::exit_at_the_next(tenure.stops.take());
            }
            Over::Lost(leader) => tracing::warn!(leader, "another instance leads: stopping, to stand by"),
        }
        readiness.begin_shutdown();
        stop.send_replace(true);
        background.abort_all();
        serving.await?;
        engine.await?;
        tenure.end().await;
        tracing::info!("stopped");
        match over {
            Over::Asked(_) => Ok(()),
            // An error, so that whatever started this instance starts it again, to stand by.
            Over::Lost(leader) => Err(io::Error::other(LeadershipError::Lost(leader))),
        }
    }
}
