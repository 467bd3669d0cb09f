//! Of several instances one leads: it has the journal open and acts. The others stand by.
//!
//! Two locks make sure of it. The lease says who may tell a platform something; the directory of the journal says whose
//! state it is. Taking over is a start on the journal that the leader before has left, so what was under way is settled as after
//! any crash: by looking at reality.

mod claim;
mod holding;
mod lease;
mod standby;

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::clock::since_boot;
use crate::daemon::signals;
use crate::http::metrics::gauge;
use crate::http::probes::Check;
use crate::journal::{JournalError, Writer};

pub use holding::Candidacy;
use holding::{Holding, Standing};
use lease::{Leader, RENEW_DEADLINE};
use standby::Standby;

/// How often the journal is tried that another instance still has open.
const LETTING_GO: Duration = Duration::from_millis(200);

/// This instance cannot lead.
#[derive(Debug, thiserror::Error)]
pub enum LeadershipError {
    /// There is no way to the API server.
    #[error("LEADER_ELECTION is on, and the API server cannot be reached for the lease: {0}")]
    Unreachable(kube::Error),
    /// Another instance has taken over.
    #[error("{0} leads now; this instance ends, and stands by after its next start")]
    Lost(String),
    /// The work on the lease has broken off.
    #[error("the work on the lease has broken off")]
    Ended,
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Requests cannot be passed on.
    #[error("answer requests while standing by: {0}")]
    Requests(#[from] reqwest::Error),
    /// The system refuses something.
    #[error("take over: {0}")]
    System(#[from] io::Error),
}

/// Whether this instance leads. Clones share one state.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// None where there is no other instance to yield to.
    standing: Option<watch::Receiver<Standing>>,
}

impl Leadership {
    /// The one of an instance that has no others beside it.
    pub fn alone() -> Self {
        Self { standing: None }
    }

    /// Whether something may be told to a platform at this moment; else a sentence that says why not.
    pub fn check(&self) -> Result<(), String> {
        let Some(standing) = &self.standing else { return Ok(()) };
        match &*standing.borrow() {
            Standing::Leads { until, .. } if since_boot() < *until => Ok(()),
            Standing::Leads { failure, .. } => Err(format!(
                "the lease could not be renewed for {} s, and another instance may lead by now: nothing is done until \
                 it can be renewed ({})",
                RENEW_DEADLINE.as_secs(),
                failure.as_deref().unwrap_or("no answer")
            )),
            Standing::StandsBy(Leader { name, .. }) | Standing::Lost(name) => {
                Err(format!("{name} leads, and this instance does nothing"))
            }
            Standing::Unknown(reason) => Err(format!("it is not known who leads: {reason}")),
        }
    }

    /// What readiness says of it; nothing where there is no lease. An instance that stands by is ready too: it passes
    /// requests on.
    pub fn readiness(&self) -> Option<Check> {
        let standing = self.standing.as_ref()?.borrow().clone();
        let (ok, detail) = match (self.check(), standing) {
            (Ok(()), Standing::Leads { since, .. }) => (true, format!("this instance leads since {since}")),
            (_, Standing::StandsBy(leader)) => (true, format!("standing by: {} leads", leader.name)),
            (Err(reason), _) => (false, reason),
            (Ok(()), Standing::Unknown(reason) | Standing::Lost(reason)) => (false, reason),
        };
        Some(Check { name: "lease", ok, is_required: false, detail: Some(detail) })
    }

    /// Adds a gauge to the metrics of the daemon of this name that is 1 while this instance may act.
    pub fn register(&self, registry: &mut Registry, daemon: &str) {
        let name = format!("{}_leading", daemon.replace('-', "_"));
        registry.register_collector(Box::new(Leading { name, leadership: self.clone() }));
    }
}

/// Whether this instance may act, as a metric.
#[derive(Debug)]
struct Leading {
    name: String,
    leadership: Leadership,
}

impl Collector for Leading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let leads = i64::from(self.leadership.check().is_ok());
        gauge(&mut encoder, &self.name, "Whether this instance leads and may act", leads)
    }
}

/// The time in which this instance leads.
pub struct Tenure {
    leadership: Leadership,
    work: Option<Work>,
}

/// What goes on beside the daemon while there is a lease.
struct Work {
    identity: String,
    directory: PathBuf,
    give_up: oneshot::Sender<oneshot::Sender<()>>,
    /// Ends the answering of requests for the leader before.
    lead: watch::Sender<bool>,
}

impl Tenure {
    /// The one of an instance that has no others beside it.
    pub fn alone() -> Self {
        Self { leadership: Leadership::alone(), work: None }
    }

    /// Whether this instance leads, for whoever acts and tells.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Opens the journal. Where another instance still has it open, it is asked to let go, and waited for as long as this
    /// one leads.
    pub async fn open(
        &self,
        open: impl Fn() -> Result<Writer, JournalError>,
    ) -> Result<Writer, LeadershipError> {
        let Some(Work { identity, directory, .. }) = &self.work else { return Ok(open()?) };
        let mut has_told = false;
        loop {
            match open() {
                Ok(journal) => {
                    claim::clear(directory)?;
                    return Ok(journal);
                }
                Err(JournalError::Locked { .. }) if !has_told => {
                    tracing::warn!("another instance has the journal open; it is asked to let go");
                    claim::lay(directory, identity)?;
                    has_told = true;
                }
                Err(JournalError::Locked { .. }) => {
                    tokio::select! {
                        () = tokio::time::sleep(LETTING_GO) => {}
                        leader = self.lost() => return Err(LeadershipError::Lost(leader)),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// From now on the requests are this instance's own: the answering for the leader before ends.
    pub(crate) fn begin(&self) {
        if let Some(work) = &self.work {
            work.lead.send_replace(true);
        }
    }

    /// Waits until another instance has taken over, and names it.
    pub(crate) async fn lost(&self) -> String {
        let Some(standing) = &self.leadership.standing else { return std::future::pending().await };
        let mut standing = standing.clone();
        let lost = standing.wait_for(|standing| matches!(standing, Standing::Lost(_))).await;
        match lost.as_deref() {
            Ok(Standing::Lost(leader)) => leader.clone(),
            Ok(_) | Err(_) => "another instance".to_owned(),
        }
    }

    /// Gives the lease up, once nothing is under way any more.
    pub(crate) async fn end(self) {
        let Some(work) = self.work else { return };
        let (done, given_up) = oneshot::channel();
        if work.give_up.send(done).is_ok() {
            // It has told of its own failure.
            let _ = given_up.await;
        }
    }
}

/// Stands by until this instance leads; none when it is asked to stop before. Meanwhile requests to `listener` are passed
/// on to the one that leads.
pub async fn lead(
    candidacy: Option<Candidacy>,
    listener: &TcpListener,
) -> Result<Option<Tenure>, LeadershipError> {
    let Some(candidacy) = candidacy else { return Ok(Some(Tenure::alone())) };
    let client = Client::try_default().await.map_err(LeadershipError::Unreachable)?;
    let Candidacy { lease: name, identity, directory, .. } = candidacy.clone();
    let namespace = client.default_namespace();
    tracing::info!(lease = candidacy.lease, namespace, identity, "asking who leads");
    let (publish, mut standing) = watch::channel(Standing::Unknown("not asked so far".to_owned()));
    let (give_up, given_up) = oneshot::channel();
    tokio::spawn(Holding::new(client, candidacy, publish).run(given_up));
    let leadership = Leadership { standing: Some(standing.clone()) };
    let (lead, leads) = watch::channel(false);
    let standby = Standby::new(leadership.clone(), standing.clone(), name)?;
    tokio::spawn(standby.serve(again(listener)?, leads));
    let work = Work { identity, directory, give_up, lead };
    let tenure = Tenure { leadership, work: Some(work) };
    tokio::select! {
        led = led(&mut standing) => led?,
        signal = signals::first() => {
            tracing::info!(signal = signal?, "stopped while standing by");
            return Ok(None);
        }
    }
    Ok(Some(tenure))
}

/// Waits until this instance leads, and tells who does until then, each change once.
async fn led(standing: &mut watch::Receiver<Standing>) -> Result<(), LeadershipError> {
    let mut told = None;
    loop {
        standing.changed().await.map_err(|_| LeadershipError::Ended)?;
        let present = standing.borrow_and_update().clone();
        match present {
            Standing::Leads { .. } => {
                tracing::info!("this instance leads");
                return Ok(());
            }
            Standing::StandsBy(leader) if told.as_ref() != Some(&leader.name) => {
                tracing::info!(leader = leader.name, address = leader.address, "standing by");
                told = Some(leader.name);
            }
            Standing::Unknown(reason) if told.as_ref() != Some(&reason) => {
                tracing::warn!(reason, "it is not known who leads");
                told = Some(reason);
            }
            Standing::StandsBy(_) | Standing::Unknown(_) | Standing::Lost(_) => {}
        }
    }
}

/// The same socket once more.
fn again(listener: &TcpListener) -> io::Result<TcpListener> {
    let socket = listener.as_fd().try_clone_to_owned()?;
    TcpListener::from_std(std::net::TcpListener::from(socket))
}
