//! Checks on demand: one sweep at a time, shared by everybody who asks meanwhile.

use futures_util::future::{BoxFuture, Shared};
use futures_util::stream;
use futures_util::{FutureExt, StreamExt};
use shared::engine::{Handle, Unhandled};
use tokio::sync::Mutex;

use crate::domain::supervisor::{Event, Supervisor};
use crate::perform::Performer;

/// Probes in flight at most during a sweep on demand; beside those of the schedule.
const IN_FLIGHT: usize = 64;

type Sweeping = Shared<BoxFuture<'static, Result<(), Unhandled>>>;

/// The one sweep.
#[derive(Debug, Default)]
pub struct Sweep {
    running: Mutex<Option<Sweeping>>,
}

impl Sweep {
    /// Returns when every service has been checked since the call, or since the sweep under way began. The sweep
    /// goes on when its caller leaves, so that one that takes longer than a request still ends.
    pub(super) async fn run(
        &self,
        engine: &Handle<Supervisor>,
        performer: &Performer,
    ) -> Result<(), Unhandled> {
        let sweeping = {
            let mut running = self.running.lock().await;
            match running.as_ref().filter(|sweeping| sweeping.peek().is_none()) {
                Some(sweeping) => sweeping.clone(),
                None => running.insert(start(engine.clone(), performer.clone())).clone(),
            }
        };
        sweeping.await
    }
}

fn start(engine: Handle<Supervisor>, performer: Performer) -> Sweeping {
    let sweep = tokio::spawn(async move {
        let names: Vec<_> =
            engine.view().policy.services.iter().map(|service| service.name.clone()).collect();
        let checks = names.into_iter().map(|service| {
            let (engine, performer) = (engine.clone(), performer.clone());
            async move {
                let measured = performer.measure(&service).await;
                engine.ask(Event::Checked { service, measured }).await.map(drop)
            }
        });
        let outcomes: Vec<_> = stream::iter(checks).buffer_unordered(IN_FLIGHT).collect().await;
        outcomes.into_iter().collect()
    });
    async move { sweep.await.unwrap_or(Err(Unhandled::ShuttingDown)) }.boxed().shared()
}
