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
use std::future::pending;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::clock::since_boot;
use crate::daemon::signals::Stops;
use crate::http::metrics::gauge;
use crate::http::probes::Check;
use crate::journal::{JournalError, Writer};

pub use holding::Candidacy;
use holding::{Holding, Standing};
use lease::RETRY;
use standby::Standby;

/// How often the journal is tried that another instance still has open.
const LETTING_GO: Duration = Duration::from_millis(200);

/// This instance cannot lead.
#[derive(Debug, thiserror::Error)]
pub enum LeadershipError {
    /// How to reach the API server is not known.
    #[error("LEADER_ELECTION is on, and nothing says how the API server is reached: {0}")]
    NoWay(String),
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
        self.standing.as_ref().map_or(Ok(()), |standing| standing.borrow().leads_since().map(drop))
    }

    /// What readiness says of it; nothing where there is no lease.
    pub fn readiness(&self) -> Option<Check> {
        let (ok, detail) = match self.standing.as_ref()?.borrow().leads_since() {
            Ok(since) => (true, format!("this instance leads since {since}")),
            Err(reason) => (false, reason),
        };
        Some(Check { name: "lease", ok, is_required: false, detail: Some(detail) })
    }

    /// Waits until another instance has taken over, and names it.
    async fn lost(self) -> String {
        let Some(mut standing) = self.standing else { return pending().await };
        match standing.wait_for(|standing| matches!(standing, Standing::Lost(_))).await.as_deref() {
            Ok(Standing::Lost(leader)) => leader.clone(),
            // The work on the lease has broken off, or was given up by ourselves.
            Ok(_) | Err(_) => pending().await,
        }
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

/// Why a tenure is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    /// A signal of this name asked to stop.
    Asked(&'static str),
    /// An instance of this name leads.
    Lost(String),
}

/// The time in which this instance leads.
pub struct Tenure {
    leadership: Leadership,
    /// Whether another one has led since this instance was started.
    pub(crate) has_stood_by: bool,
    /// None once somebody else waits for them.
    pub(crate) stops: Option<Stops>,
    work: Option<Work>,
}

/// What goes on beside the daemon while there is a lease.
struct Work {
    identity: String,
    directory: PathBuf,
    give_up: oneshot::Sender<oneshot::Sender<()>>,
    /// Ends the answering of requests for the leader before.
    lead: watch::Sender<bool>,
    standby: JoinHandle<()>,
}

impl Tenure {
    /// Whether this instance leads, for whoever acts and tells.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Opens the journal. Where another instance still has it open, it is asked to let go, and waited for as long as this
    /// one leads; none when it is asked to stop meanwhile.
    pub(crate) async fn open(
        &mut self,
        open: impl Fn() -> Result<Writer, JournalError>,
    ) -> Result<Option<Writer>, LeadershipError> {
        let Some(Work { identity, directory, .. }) = &self.work else { return Ok(Some(open()?)) };
        let (identity, directory) = (identity.clone(), directory.clone());
        let mut every = interval(LETTING_GO);
        let mut laid_at = None;
        loop {
            let over = tokio::select! {
                _ = every.tick() => None,
                over = self.over() => Some(over),
            };
            match over {
                None => {}
                Some(Over::Asked(_)) => return Ok(None),
                Some(Over::Lost(leader)) => {
                    claim::clear(&directory, &identity)?;
                    return Err(LeadershipError::Lost(leader));
                }
            }
            if self.leadership.check().is_err() {
                continue;
            }
            match open() {
                Ok(journal) => {
                    claim::clear_all(&directory)?;
                    return Ok(Some(journal));
                }
                Err(JournalError::Locked { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            // Again and again, because whoever has it open by now may have had done with all claims.
            if laid_at.is_none_or(|at| since_boot() > at + RETRY) {
                if laid_at.is_none() {
                    tracing::warn!("another instance has the journal open; it is asked to let go");
                }
                claim::lay(&directory, &identity)?;
                laid_at = Some(since_boot());
            }
        }
    }

    /// From now on the requests are this instance's own: the answering for the leader before ends.
    pub(crate) fn begin(&self) {
        if let Some(work) = &self.work {
            work.lead.send_replace(true);
        }
    }

    /// Waits until this instance is asked to stop, or another one has taken over.
    pub(crate) async fn over(&mut self) -> Over {
        let leadership = self.leadership.clone();
        let asked = async {
            match &mut self.stops {
                Some(stops) => stops.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            signal = asked => Over::Asked(signal),
            leader = leadership.lost() => Over::Lost(leader),
        }
    }

    /// Gives the lease up, once nothing is under way any more, and ends the answering of requests for others.
    pub(crate) async fn end(self) {
        self.begin();
        let Some(work) = self.work else { return };
        let (done, given_up) = oneshot::channel();
        if work.give_up.send(done).is_ok() {
            // It has told of its own failure.
            let _ = given_up.await;
        }
        // Only a defect breaks it off.
        let _ = work.standby.await;
    }
}

/// Stands by until this instance leads; none when it is asked to stop before. Meanwhile requests to `listener` are passed
/// on to the one that leads.
pub(crate) async fn lead(
    candidacy: Option<Candidacy>,
    listener: &TcpListener,
    stops: Stops,
) -> Result<Option<Tenure>, LeadershipError> {
    let Some(candidacy) = candidacy else {
        let leadership = Leadership::alone();
        return Ok(Some(Tenure { leadership, has_stood_by: false, stops: Some(stops), work: None }));
    };
    let client = candidacy.api_server.client("stand for election").await;
    let client = client.map_err(|failure| LeadershipError::NoWay(failure.to_string()))?;
    let Candidacy { lease: name, identity, directory, .. } = candidacy.clone();
    let namespace = client.default_namespace();
    tracing::info!(lease = candidacy.lease, namespace, identity, "asking who leads");
    let (publish, standing) = watch::channel(Standing::Unknown("not asked so far".to_owned()));
    let (give_up, given_up) = oneshot::channel();
    let (lead, leads) = watch::channel(false);
    let leadership = Leadership { standing: Some(standing.clone()) };
    let standby = Standby::new(leadership.clone(), standing.clone(), name)?;
    let standby = tokio::spawn(standby.serve(again(listener)?, leads));
    tokio::spawn(Holding::new(client, candidacy, publish).run(given_up));
    let work = Work { identity, directory, give_up, lead, standby };
    let mut tenure = Tenure { leadership, has_stood_by: false, stops: Some(stops), work: Some(work) };
    let over = tokio::select! {
        led = led(standing) => Err(led?),
        over = tenure.over() => Ok(over),
    };
    match over {
        Err(has_stood_by) => {
            tenure.has_stood_by = has_stood_by;
            Ok(Some(tenure))
        }
        Ok(over) => {
            tracing::info!(?over, "ending without having led");
            tenure.end().await;
            Ok(None)
        }
    }
}

/// Waits until this instance leads, and tells who does until then, each change once. Gives whether another one did.
async fn led(mut standing: watch::Receiver<Standing>) -> Result<bool, LeadershipError> {
    let (mut told, mut has_stood_by) = (None, false);
    loop {
        standing.changed().await.map_err(|_| LeadershipError::Ended)?;
        let present = standing.borrow_and_update().clone();
        match present {
            Standing::Leads { .. } => {
                tracing::info!("this instance leads");
                return Ok(has_stood_by);
            }
            Standing::StandsBy(leader) if told.as_ref() != Some(&leader.name) => {
                tracing::info!(
                    leader = leader.name,
                    address = leader.address.map(tracing::field::display),
                    "standing by"
                );
                (told, has_stood_by) = (Some(leader.name), true);
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
