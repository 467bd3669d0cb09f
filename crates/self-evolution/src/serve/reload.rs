//! Reading the configuration again while the daemon runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::clock::Clock;
use shared::config::{Holding, Sources};
use shared::engine::Handle;
use shared::http::access::Access;
use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crate::config::{Config, Loading, SETTINGS};
use crate::domain::evolution::{Event, Evolution};
use crate::platforms::{Action, ActionKey};

/// What a new configuration reaches.
pub(super) struct Reload {
    pub(super) engine: Handle<Evolution>,
    pub(super) access: Access,
    pub(super) clock: Arc<Clock>,
    /// Where it is read from.
    pub(super) sources: Sources,
    /// The configuration that holds.
    pub(super) running: Config,
    /// The same as it is shown.
    pub(super) holding: watch::Sender<Arc<Holding>>,
    /// The means of the actions that platforms carry out.
    pub(super) actions: watch::Sender<Arc<BTreeMap<ActionKey, Action>>>,
}

impl Reload {
    /// Reads it at each hang-up, for ever. One that has a fault changes nothing.
    pub(super) async fn at(mut self, mut hang_ups: Signal) {
        while hang_ups.recv().await.is_some() {
            tracing::info!("SIGHUP: the configuration is read again");
            match Config::load(&self.sources.anew()) {
                Ok(loading) => self.apply(loading).await,
                Err(faults) => {
                    tracing::error!("{faults}");
                    tracing::error!("the configuration before is kept");
                }
            }
        }
    }

    async fn apply(&mut self, Loading { config, warnings, effective }: Loading) {
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let (config, fixed) = config.keeping_what_is_fixed(&self.running);
        for setting in &fixed {
            tracing::warn!(setting, "it keeps its value until the daemon is started again");
        }
        // The means are there before the core decides by them; an order of before finds that its target is another.
        self.actions.send_replace(Arc::clone(&config.actions));
        match self.engine.ask(Event::PolicyChanged(config.policy.clone())).await {
            Ok(_) => {
                self.access.reconfigure(&config.foundation.access);
                let holding = Holding::new(&SETTINGS, effective, &warnings, self.clock.now());
                self.holding.send_modify(|shown| *shown = Arc::new(holding.keeping(&fixed, shown)));
                self.running = config;
                tracing::info!("the configuration holds");
            }
            Err(error) => {
                self.actions.send_replace(Arc::clone(&self.running.actions));
                tracing::error!(%error, "the configuration before is kept");
            }
        }
    }
}
