//! Another configuration while the daemon runs: read, checked, and applied as a whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Clock;
use shared::config::{Fault, Faults, Holding};
use shared::descriptors;
use shared::engine::{Handle, Unhandled};
use shared::http::access::Access;
use shared::http::probes::Check;
use tokio::sync::{mpsc, oneshot, watch};

use super::hints::Hints;
use super::reachability::Reachability;
use crate::config::{Config, Loading, SETTINGS};
use crate::domain::supervisor::{Event, Supervisor};
use crate::perform::Performer;

/// Configurations that may wait; whoever brings more waits with them.
const QUEUE: usize = 4;
/// Pause between two tries while the journal cannot be written.
const RETRY: Duration = Duration::from_secs(1);
/// Faults that readiness names; the log has all of them.
const SHOWN: usize = 3;

/// How the last attempt to apply a configuration ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Applied {
    /// It holds, except for the named settings, which are fixed until a restart.
    Except(Vec<&'static str>),
    /// It cannot be used, and the one before it still holds.
    Refused(String),
}

/// What was read again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reads {
    /// Everything, as somebody asked.
    Everything,
    /// The labels of containers, by the daemon itself.
    Labels,
}

struct Request {
    loaded: Result<Loading, Faults>,
    reads: Reads,
    reply: oneshot::Sender<Applied>,
}

/// The way to have another configuration applied, for any number of callers.
#[derive(Clone)]
pub(super) struct Reload {
    requests: mpsc::Sender<Request>,
    last: watch::Receiver<Applied>,
}

/// The one owner of the configuration that holds.
pub(super) struct Reloading {
    config: Config,
    holding: watch::Sender<Arc<Holding>>,
    parts: Parts,
    requests: mpsc::Receiver<Request>,
    last: watch::Sender<Applied>,
    /// What was read when a configuration was last refused, as long as `last` tells of it.
    refused: Option<Reads>,
}

/// What takes new settings while it runs.
pub(super) struct Parts {
    pub(super) engine: Handle<Supervisor>,
    pub(super) performer: Performer,
    pub(super) access: Access,
    pub(super) reachability: Reachability,
    pub(super) hints: watch::Sender<Arc<Hints>>,
    pub(super) clock: Arc<Clock>,
}

/// Prepares for other configurations than this one, which holds already. The one that holds is published by `holding`.
pub(super) fn reloading(
    config: Config,
    holding: watch::Sender<Arc<Holding>>,
    parts: Parts,
) -> (Reload, Reloading) {
    let (sender, requests) = mpsc::channel(QUEUE);
    let (publish, last) = watch::channel(Applied::Except(Vec::new()));
    let reload = Reload { requests: sender, last };
    (reload, Reloading { config, holding, parts, requests, last: publish, refused: None })
}

impl Reload {
    /// Applies a freshly loaded configuration, or tells its faults. None when the daemon ends meanwhile.
    pub(super) async fn apply(&self, loaded: Result<Loading, Faults>, reads: Reads) -> Option<Applied> {
        let (reply, applied) = oneshot::channel();
        self.requests.send(Request { loaded, reads, reply }).await.ok()?;
        applied.await.ok()
    }

    /// Whether what was last read is what holds.
    pub(super) fn check(&self) -> Check {
        let (ok, detail) = match &*self.last.borrow() {
            Applied::Except(fixed) if fixed.is_empty() => (true, "as it was last read".to_owned()),
            Applied::Except(fixed) => (false, format!("restart to apply {}", fixed.join(", "))),
            Applied::Refused(reason) => (false, format!("the one before is kept: {reason}")),
        };
        Check { name: "configuration", ok, is_required: false, detail: Some(detail) }
    }
}

impl Reloading {
    /// Applies one configuration after the other, for ever.
    pub(super) async fn run(mut self) {
        while let Some(Request { loaded, reads, reply }) = self.requests.recv().await {
            let applied = match loaded {
                Ok(loading) => self.apply_loading(loading, reads).await,
                Err(faults) => Ok(refuse(&faults)),
            };
            // Nobody needs to hear of it when the daemon is about to end.
            let Ok(applied) = applied else { return };
            self.publish(&applied, reads);
            // Whoever asked may have gone.
            let _ = reply.send(applied);
        }
    }

    /// What labels say changes nothing about a file that could not be used.
    fn publish(&mut self, applied: &Applied, reads: Reads) {
        if reads == Reads::Labels && self.refused == Some(Reads::Everything) {
            return;
        }
        self.refused = matches!(applied, Applied::Refused(_)).then_some(reads);
        self.last.send_replace(applied.clone());
    }

    async fn apply_loading(&mut self, loading: Loading, reads: Reads) -> Result<Applied, Unhandled> {
        let Loading { config, warnings, effective } = loading;
        let holding = Holding::new(&SETTINGS, effective, &warnings, self.parts.clock.now());
        let before = Arc::clone(&self.holding.borrow());
        // A label that cannot be used is told when it is first seen, not whenever another container comes.
        let is_known = |warning: &String| reads == Reads::Labels && before.warnings.contains(warning);
        for warning in warnings.iter().map(ToString::to_string).filter(|warning| !is_known(warning)) {
            tracing::warn!("{warning}");
        }
        self.apply(config, holding).await
    }

    async fn apply(&mut self, config: Config, holding: Holding) -> Result<Applied, Unhandled> {
        let (config, fixed) = config.keeping_what_is_fixed(&self.config);
        if let Err(error) = self.parts.performer.prepare(&config) {
            tracing::error!("the configuration before is kept: {error:#}");
            return Ok(Applied::Refused(format!("{error:#}")));
        }
        for setting in &fixed {
            tracing::warn!(setting, "this setting is fixed until a restart, and keeps its value");
        }
        descriptors::make_room(config.policy.max_in_flight);
        self.tell_the_core(&config).await?;
        self.parts.performer.let_go();
        self.parts.access.reconfigure(&config.foundation.access);
        self.parts.reachability.reconfigure(&config);
        self.parts.hints.send_replace(Arc::new(Hints::new(&config)));
        self.holding.send_modify(|shown| *shown = Arc::new(holding.keeping(&fixed, shown)));
        self.config = config;
        Ok(Applied::Except(fixed))
    }

    /// Nothing is decided by other settings without a record, so this waits for a journal that cannot be written. The
    /// means of both configurations are there meanwhile.
    async fn tell_the_core(&self, config: &Config) -> Result<(), Unhandled> {
        let policy = Arc::clone(&config.policy);
        loop {
            match self.parts.engine.ask(Event::Reconfigured { policy: Arc::clone(&policy) }).await {
                Ok(_) => return Ok(()),
                Err(error @ Unhandled::ShuttingDown) => return Err(error),
                Err(error @ (Unhandled::Journal(_) | Unhandled::Overloaded)) => {
                    tracing::warn!(%error, "the new configuration waits");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

fn refuse(faults: &Faults) -> Applied {
    for Fault { key, origin, value, reason, suggestion } in faults.iter() {
        let origin = origin.as_ref().map(ToString::to_string);
        tracing::error!(key, value, origin, suggestion, "the configuration cannot be used: {reason}");
    }
    let count = faults.count();
    tracing::error!(faults = count, "the configuration before is kept");
    let mut shown: Vec<String> =
        faults.iter().take(SHOWN).map(|fault| fault.to_string().replace("\n    ", ": ")).collect();
    if count > shown.len() {
        shown.push(format!("{} more, see the log", count - shown.len()));
    }
    Applied::Refused(shown.join("; "))
}
