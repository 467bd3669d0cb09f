//! Takes a lease of the API server, renews it, and gives it up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::claim;
use super::lease::{Candidate, LEASE, Leader, RENEW_DEADLINE, RETRY, Record, Step};
use crate::clock::{Clock, Timestamp, since_boot};
use crate::config::foundation::{Foundation, Pod};
use crate::platform::kubernetes::access::Access;

/// How long it may take to read the lease and to write it: two tries have room before the deadline.
const TRY: Duration = Duration::from_millis(4_500);

/// How an instance stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Not known yet, or not any more: why.
    Unknown(String),
    /// Another one leads.
    StandsBy(Leader),
    /// This one leads, and acts until this moment (since the machine's start), later with each renewal.
    Leads {
        /// Since when.
        since: Timestamp,
        /// Until when it may act.
        until: Duration,
        /// Why the last renewal failed, if it did.
        failure: Option<String>,
    },
    /// It led, and another one has taken over: who.
    Lost(String),
}

impl Standing {
    /// Since when this instance leads, if it may act at this moment; else a sentence that says why not.
    pub(super) fn leads_since(&self) -> Result<Timestamp, String> {
        match self {
            Self::Leads { since, until, .. } if since_boot() < *until => Ok(*since),
            Self::Leads { failure, .. } => Err(format!(
                "the lease could not be renewed for more than {} s, and another instance may lead by now: nothing is \
                 done until it can be renewed ({})",
                RENEW_DEADLINE.as_secs(),
                failure.as_deref().unwrap_or("no answer")
            )),
            Self::StandsBy(Leader { name, .. }) | Self::Lost(name) => {
                Err(format!("{name} leads, and this instance does nothing"))
            }
            Self::Unknown(reason) => Err(format!("it is not known who leads: {reason}")),
        }
    }
}

/// Who wants which lease.
#[derive(Clone, Debug)]
pub struct Candidacy {
    /// The way to the API server.
    pub api_server: Access,
    /// Its name: the daemon's.
    pub lease: &'static str,
    /// The name of the pod.
    pub identity: String,
    /// Where others reach this instance.
    pub address: SocketAddr,
    /// The directory of the journal, in which claims are laid.
    pub directory: PathBuf,
}

impl Candidacy {
    /// The one for the lease of this daemon, if these settings ask for one. `bound` is where the requests come in.
    pub fn of(settings: &Foundation, lease: &'static str, bound: SocketAddr) -> Option<Self> {
        let Pod { name, ip, kubeconfig } = settings.leader_election.clone()?;
        let address = SocketAddr::new(ip, bound.port());
        let directory = settings.data_dir.clone();
        Some(Self {
            api_server: Access::new(kubeconfig.as_deref(), None),
            lease,
            identity: name,
            address,
            directory,
        })
    }
}

/// The work on one lease. It ends when the lease is lost or given up.
pub(super) struct Holding {
    api: Api<Lease>,
    namespace: String,
    candidacy: Candidacy,
    candidate: Candidate,
    clock: Clock,
    publish: watch::Sender<Standing>,
}

impl Holding {
    pub(super) fn new(client: Client, candidacy: Candidacy, publish: watch::Sender<Standing>) -> Self {
        let namespace = client.default_namespace().to_owned();
        Self {
            api: Api::namespaced(client, &namespace),
            namespace,
            candidate: Candidate::new(candidacy.identity.clone()),
            candidacy,
            clock: Clock::starting_after(Timestamp::default()),
            publish,
        }
    }

    /// Looks and renews until the lease is lost, or `give_up` is answered after it was given up.
    pub(super) async fn run(mut self, mut give_up: oneshot::Receiver<oneshot::Sender<()>>) {
        let mut every = interval(RETRY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                asked = &mut give_up => {
                    if let Ok(done) = asked {
                        self.give_up().await;
                        // Whoever asked may have stopped to wait.
                        let _ = done.send(());
                    }
                    return;
                }
            }
            let began = since_boot();
            let outcome = timeout(TRY, self.try_once()).await;
            let outcome =
                outcome.unwrap_or_else(|_| Err(format!("no answer within {} s", TRY.as_secs_f64())));
            let standing = self.standing(outcome, began).await;
            let is_lost = matches!(standing, Standing::Lost(_));
            self.publish.send_if_modified(|present| {
                let differs = *present != standing;
                *present = standing;
                differs
            });
            if is_lost {
                return;
            }
        }
    }

    /// What follows from a try that began then: who leads, or why that is not known.
    async fn standing(&self, outcome: Result<Step, String>, began: Duration) -> Standing {
        let before = self.publish.borrow().clone();
        let until = began + RENEW_DEADLINE;
        match (before, outcome) {
            (Standing::Leads { .. }, Ok(Step::Wait(leader))) => Standing::Lost(leader.name),
            (Standing::Leads { since, until, .. }, Err(failure)) => match self.claimant(until).await {
                Some(claimant) => Standing::Lost(claimant),
                None => Standing::Leads { since, until, failure: Some(failure) },
            },
            (Standing::Leads { since, .. }, Ok(Step::Hold { .. })) => {
                self.clear_claims().await;
                Standing::Leads { since, until, failure: None }
            }
            (_, Ok(Step::Hold { .. })) => Standing::Leads { since: self.clock.now(), until, failure: None },
            (_, Ok(Step::Wait(leader))) => Standing::StandsBy(leader),
            // The leader may well go on to answer, whether or not the API server does.
            (Standing::StandsBy(leader), Err(_)) => Standing::StandsBy(leader),
            (_, Err(failure)) => Standing::Unknown(failure),
        }
    }

    /// Who has claimed the journal, once our own lease has run out.
    async fn claimant(&self, until: Duration) -> Option<String> {
        if since_boot() <= until {
            return None;
        }
        // A volume that is away would hold up everything else on this thread.
        let directory = self.candidacy.directory.clone();
        let claimant = tokio::task::spawn_blocking(move || claim::claimant(&directory)).await.ok()?;
        claimant.filter(|claimant| *claimant != self.candidacy.identity)
    }

    /// Whoever has claimed the journal does not hold the lease any more.
    async fn clear_claims(&self) {
        let (directory, own) = (self.candidacy.directory.clone(), self.candidacy.identity.clone());
        let cleared = tokio::task::spawn_blocking(move || claim::clear_others(&directory, &own)).await;
        if let Ok(Err(error)) = cleared {
            tracing::warn!(%error, "an old claim to the journal could not be removed");
        }
    }

    /// Reads the lease, and writes it where it is ours to write. What somebody else has written meanwhile is refused by
    /// the API server, and seen at the next look.
    async fn try_once(&mut self) -> Result<Step, String> {
        let found = self.api.get_opt(self.candidacy.lease).await.map_err(|error| self.sentence(&error))?;
        let record = found.as_ref().map(record);
        // Not before the answer: a renewal must not count as older than it is.
        let step = self.candidate.decide(record.as_ref(), since_boot());
        let Step::Hold { transitions } = step else { return Ok(step) };
        let held = self.held(found.as_ref(), transitions);
        let written = match &found {
            Some(_) => self.api.replace(self.candidacy.lease, &PostParams::default(), &held).await,
            None => self.api.create(&PostParams::default(), &held).await,
        };
        written.map(|_| step).map_err(|error| self.sentence(&error))
    }

    /// The lease with us as its holder.
    fn held(&self, found: Option<&Lease>, transitions: i32) -> Lease {
        let now = jiff::Timestamp::from_microsecond(self.clock.now().as_micros());
        let now = MicroTime(now.unwrap_or_default());
        let before = found.and_then(|lease| lease.spec.as_ref());
        let is_ours = before.and_then(|spec| spec.holder_identity.as_ref()) == Some(&self.candidacy.identity);
        let acquired = before.filter(|_| is_ours).and_then(|spec| spec.acquire_time.clone());
        let mut metadata = match found {
            Some(lease) => ObjectMeta { managed_fields: None, ..lease.metadata.clone() },
            None => ObjectMeta { name: Some(self.candidacy.lease.to_owned()), ..ObjectMeta::default() },
        };
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(address_key(self.candidacy.lease), self.candidacy.address.to_string());
        let spec = LeaseSpec {
            holder_identity: Some(self.candidacy.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: acquired.or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    /// Leaves the lease without a holder, so that the next one need not wait.
    async fn give_up(&mut self) {
        if !matches!(*self.publish.borrow(), Standing::Leads { .. }) {
            return;
        }
        let given_up = timeout(TRY, async {
            let found = self.api.get(self.candidacy.lease).await.map_err(|error| self.sentence(&error))?;
            let holder = found.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref());
            if holder != Some(&self.candidacy.identity) {
                return Ok(());
            }
            let transitions = found.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
            let mut free = self.held(Some(&found), transitions);
            if let Some(spec) = &mut free.spec {
                spec.holder_identity = None;
            }
            let written = self.api.replace(self.candidacy.lease, &PostParams::default(), &free).await;
            written.map(drop).map_err(|error| self.sentence(&error))
        });
        let given_up = given_up.await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        if let Err(reason) = given_up {
            tracing::warn!(reason, "the lease could not be given up; others take it when it has run out");
        }
    }

    fn sentence(&self, error: &kube::Error) -> String {
        let (namespace, lease) = (&self.namespace, self.candidacy.lease);
        let reason = if let kube::Error::Api(status) = error {
            match status.code {
                403 => format!(
                    "{}; the Role needs get and update of leases of this name, and create of leases",
                    status.message
                ),
                409 => "somebody else has just written it".to_owned(),
                code => format!("{} ({code})", status.message),
            }
        } else {
            with_causes(error)
        };
        format!("lease {namespace}/{lease}: {reason}")
    }
}

/// An error and what caused it: the outermost of kube's says no more than that something went wrong.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut sentences: Vec<String> = causes.map(ToString::to_string).collect();
    sentences.dedup_by(|inner, outer| outer.contains(&**inner));
    sentences.join(": ")
}

/// The annotation that says where the holder of this lease answers.
fn address_key(lease: &str) -> String {
    format!("{lease}/address")
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let key = address_key(lease.metadata.name.as_deref().unwrap_or_default());
    Record {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        address: lease.metadata.annotations.as_ref().and_then(|all| all.get(&key)?.parse().ok()),
        lasts: spec.lease_duration_seconds.and_then(|n| u64::try_from(n).ok()).map(Duration::from_secs),
        renewed_at: spec.renew_time.map(|at| at.0.to_string()).unwrap_or_default(),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}
