//! When the configuration is read again: all of it at a hang-up, the labels of containers when these come and go.

mod roster;

use std::time::Duration;

use shared::backoff::Backoff;
use shared::clock::{Clock, Timestamp};
use shared::config::{Faults, Sources};
use shared::platform::Labelled;
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::reload::{Applied, Reads, Reload};
use crate::config::{Config, Loading};
use crate::labels;
use roster::Roster;

/// Containers that come and go within this time of each other, as `docker compose up` has them, are one change.
const TOGETHER: Duration = Duration::from_millis(300);
/// Least time between two changes that labels make. Each goes through all services, which takes a quarter of a second
/// with 10,000 of them: at most a twentieth of a core, however busy the engine is.
const APART: Duration = Duration::from_secs(5);
/// Pauses before an engine is asked again that has not answered.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };

/// What labels are read for, and how, as the configuration that was last applied has it.
#[derive(Clone, PartialEq, Eq)]
struct Terms {
    host: Option<String>,
    grace: Duration,
}

/// Where the configuration comes from, and the containers that the Docker Engine knew of when it last answered.
pub(super) struct Discovery {
    /// What was last applied, the texts of files included: labels change nothing but what labels say.
    sources: Sources,
    /// None while labels are not heeded.
    terms: Option<Terms>,
    roster: Roster,
    /// The containers whose labels were last applied.
    applied: Vec<Labelled>,
    clock: Clock,
    /// Labels make no further change before.
    rests_until: Timestamp,
    /// Times in a row that the engine has not answered.
    unanswered: u32,
}

/// Why the configuration is read again.
enum Wake {
    HangUp,
    Labels,
    End,
}

impl Discovery {
    /// Nothing is found yet.
    pub(super) fn new(sources: Sources) -> Self {
        let clock = Clock::starting_after(Timestamp::default());
        let rests_until = clock.now();
        let (roster, applied) = (Roster::default(), Vec::new());
        Self { sources, terms: None, roster, applied, clock, rests_until, unanswered: 0 }
    }

    /// The configuration with what the labels of the containers ask for at this moment. An engine that does not answer
    /// has removed nothing: what it said before holds, if it said anything.
    pub(super) async fn with_labels(&mut self, loading: Loading, sources: &Sources) -> Loading {
        let terms = Terms::of(&loading.config);
        if terms.as_ref().map(|terms| &terms.host) != self.terms.as_ref().map(|terms| &terms.host) {
            self.roster = Roster::default();
        }
        self.terms = terms;
        if let Err(reason) = self.look().await {
            tracing::debug!(reason, "no labels of containers");
        }
        let containers = self.roster.containers();
        self.applied.clone_from(&containers);
        if containers.is_empty() {
            return loading;
        }
        if self.unanswered > 0 {
            tracing::warn!("the labels of containers are those that were read before");
        }
        match labelled(sources, containers).await {
            Some(Ok(labelled)) => labelled,
            // It could be used without the labels a moment ago.
            Some(Err(faults)) => {
                tracing::error!("the labels of containers are not heeded: {faults}");
                loading
            }
            None => loading,
        }
    }

    /// Has the configuration read again whenever there is a reason, for ever. `looks` counts the reasons to look at the
    /// labels.
    pub(super) async fn run(mut self, mut hang_ups: Signal, mut looks: watch::Receiver<u64>, reload: Reload) {
        loop {
            let wake = tokio::select! {
                hung_up = hang_ups.recv() => if hung_up.is_some() { Wake::HangUp } else { Wake::End },
                wake = self.until_labels_may_differ(&mut looks) => wake,
            };
            match wake {
                Wake::HangUp => {
                    tracing::info!("SIGHUP: the configuration is read again");
                    looks.mark_unchanged();
                    self.read_everything(&reload).await;
                }
                Wake::Labels => self.read_labels(&reload).await,
                Wake::End => return,
            }
        }
    }

    async fn until_labels_may_differ(&self, looks: &mut watch::Receiver<u64>) -> Wake {
        let Some(terms) = &self.terms else { return std::future::pending().await };
        let now = self.clock.now();
        let waits = match self.unanswered {
            0 => self.roster.next_end(terms.grace).map(|end| end.since(now)),
            // Whether a container is still gone is not known.
            unanswered => Some(RETRY.after(unanswered, rand::random())),
        };
        let event = tokio::select! {
            changed = looks.changed() => changed,
            () = tokio::time::sleep(waits.unwrap_or_default()), if waits.is_some() => Ok(()),
        };
        if event.is_err() {
            return Wake::End;
        }
        tokio::time::sleep(TOGETHER.max(self.rests_until.since(self.clock.now()))).await;
        looks.mark_unchanged();
        Wake::Labels
    }

    /// Reads everything again from where it came from at the start, and applies it.
    async fn read_everything(&mut self, reload: &Reload) {
        let sources = self.sources.anew();
        let read = {
            let sources = sources.clone();
            // It may read from a slow disk.
            spawn_blocking(move || Config::load(&sources)).await
        };
        match read {
            Ok(Ok(loading)) => {
                let terms = self.terms.clone();
                let loading = self.with_labels(loading, &sources).await;
                match reload.apply(Ok(loading), Reads::Everything).await {
                    Some(Applied::Except(_)) => self.sources = sources,
                    // What labels say is applied to what holds, at the next look.
                    Some(Applied::Refused(_)) | None => (self.terms, self.applied) = (terms, Vec::new()),
                }
            }
            Ok(Err(faults)) => drop(reload.apply(Err(faults), Reads::Everything).await),
            Err(error) => tracing::error!(%error, "the configuration could not be read again"),
        }
    }

    /// Looks at the labels, and applies what they say when it is something else than before.
    async fn read_labels(&mut self, reload: &Reload) {
        if let Err(reason) = self.look().await {
            tracing::debug!(reason, "no labels of containers");
            return;
        }
        let containers = self.roster.containers();
        if containers == self.applied {
            return;
        }
        if let Some(loaded) = labelled(&self.sources, containers.clone()).await {
            tracing::info!("labelled containers came or went: what they ask for is applied");
            if let Some(Applied::Except(_)) = reload.apply(loaded, Reads::Labels).await {
                self.applied = containers;
            }
        }
        self.rests_until = self.clock.now() + APART;
    }

    /// Asks the engine which labelled containers there are.
    async fn look(&mut self) -> Result<(), String> {
        let Some(terms) = &self.terms else { return Ok(()) };
        match labels::containers(terms.host.as_deref()).await {
            Ok(listed) => {
                self.roster.listed(listed, self.clock.now(), terms.grace);
                self.unanswered = 0;
                Ok(())
            }
            Err(reason) => {
                self.unanswered = self.unanswered.saturating_add(1);
                Err(reason)
            }
        }
    }
}

impl Terms {
    fn of(config: &Config) -> Option<Self> {
        let terms = Self { host: config.docker_host.clone(), grace: config.docker_labels_grace };
        config.docker_labels.then_some(terms)
    }
}

async fn labelled(sources: &Sources, containers: Vec<Labelled>) -> Option<Result<Loading, Faults>> {
    let sources = sources.clone();
    let loaded = spawn_blocking(move || Config::load_labelled(&sources, &containers)).await;
    loaded.inspect_err(|error| tracing::error!(%error, "the labels of containers are not heeded")).ok()
}
