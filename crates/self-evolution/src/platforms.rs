//! The platforms that carry changes out: how each is looked at, and how it is written to.
//!
//! Both are kept apart. Whoever has only [`Sights`] can look, and there is no way from there to a write.

mod command;
mod docker;
mod kubernetes;
mod values;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use shared::leadership::Leadership;
use shared::order::Target;
use shared::platform::Docker;
use tokio::sync::{Semaphore, watch};

use crate::domain::order::{
    Carried, Inspection, Order, Precondition, Sight, Stage, Standing, Written, precondition,
};
use crate::domain::recommendation::Kind;

pub use docker::{CPUS, MEMORY, REPLICAS, VARIABLE};
pub use kubernetes::{Content as KubernetesContent, FIELD_MANAGER, Key, KubernetesMeans, LEAST};
pub use values::scalar;

/// How often a platform is asked whether it has what it was told.
const READ_BACK: Duration = Duration::from_millis(250);

/// Looks that are under way at once: an analysis can want hundreds.
const LOOKS_AT_ONCE: usize = 16;

/// Which action of which service.
pub type ActionKey = (Arc<str>, Kind);

/// How one action is carried out.
#[derive(Clone, Debug)]
pub enum Means {
    /// A signed HTTP call.
    Webhook(WebhookMeans),
    /// A program on this host.
    Command(CommandMeans),
    /// The Docker Engine.
    Docker(DockerMeans),
    /// The API server of a Kubernetes cluster.
    Kubernetes(Arc<KubernetesMeans>),
}

/// A receiver of changes.
#[derive(Clone, Debug)]
pub struct WebhookMeans {
    /// Where changes are posted.
    pub url: String,
    /// Where the present value is read.
    pub read_url: Option<String>,
    /// Signs the changes.
    pub secret: Option<SecretString>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Programs that change something and tell what it is.
#[derive(Clone, Debug)]
pub struct CommandMeans {
    /// Changes it.
    pub command: Vec<String>,
    /// Prints the present value.
    pub read: Option<Vec<String>>,
    /// How long each may take.
    pub timeout: Duration,
}

/// Containers, and what of them is changed.
#[derive(Clone, Debug)]
pub struct DockerMeans {
    /// The containers of the service.
    pub docker: Arc<Docker>,
    /// What is changed of them.
    pub content: Content,
}

/// What is changed of containers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Content {
    /// What they may use of their host, while they run.
    Limits,
    /// Their variables, by making them anew.
    Variables,
    /// How many there are.
    Replicas,
}

/// One action of a service, as it is configured.
#[derive(Clone, Debug)]
pub struct Action {
    /// What it is aimed at.
    pub target: Target,
    /// How it is carried out.
    pub means: Means,
    /// How long a platform may take until it shows what it was told.
    pub timeout: Duration,
}

/// All actions that are configured, and no other way to a platform than to look at it.
#[derive(Clone, Debug)]
pub struct Sights {
    actions: watch::Receiver<Arc<BTreeMap<ActionKey, Action>>>,
    /// Room for so many looks at once.
    room: Arc<Semaphore>,
}

/// All actions that are configured, with the way to carry them out as long as this instance leads.
#[derive(Clone, Debug)]
pub struct Platforms {
    sights: Sights,
    leadership: Leadership,
}

impl Platforms {
    /// Those that this channel has.
    pub fn new(actions: watch::Receiver<Arc<BTreeMap<ActionKey, Action>>>, leadership: Leadership) -> Self {
        let sights = Sights { actions, room: Arc::new(Semaphore::new(LOOKS_AT_ONCE)) };
        Self { sights, leadership }
    }

    /// The same, to look at only.
    pub fn sights(&self) -> Sights {
        self.sights.clone()
    }

    /// Carries an order out: looks whether the platform still has what the order begins from, writes, and reads back.
    pub async fn carry(&self, order: &Order) -> Carried {
        let carried = |written, sight| Carried {
            change: order.change,
            recommendation_id: order.recommendation_id.clone(),
            stage: order.stage,
            written,
            sight,
        };
        let look = order.look();
        let action = match self.sights.action(&look) {
            Ok(action) => action,
            Err(reason) => {
                return carried(Written::NotRun(reason.clone()), Sight::Unreachable(reason));
            }
        };
        if order.stage == Stage::Keep {
            if let Err(reason) = self.leadership.check() {
                return carried(Written::NotRun(reason), Sight::Blind);
            }
            return carried(action.keep(order).await, Sight::Blind);
        }
        let sight = action.see(&action.first_look(order)).await;
        match precondition(order.stage, &Standing::of(&order.changes, &sight)) {
            Precondition::Holds => {}
            Precondition::IsNeedless => return carried(Written::Needless, sight),
            Precondition::Fails(written) => return carried(written, sight),
        }
        // Right before the write: a look takes its time.
        if let Err(reason) = self.leadership.check() {
            return carried(Written::NotRun(reason), sight);
        }
        let written = match &action.means {
            Means::Webhook(means) => webhook::write(means, order).await,
            Means::Command(means) => command::write(means, order).await,
            Means::Docker(means) => docker::write(means, order).await,
            Means::Kubernetes(means) => kubernetes::write(means, order).await,
        };
        let (written, sight) = match (written, &action.means) {
            (Written::Done, Means::Kubernetes(means)) => kubernetes::settle(means, &look, order).await,
            (Written::Done, _) => (Written::Done, action.read_back(order, &look).await),
            (unclear @ (Written::Failed(_) | Written::Unknown(_)), _) => (unclear, action.see(&look).await),
            (not_written @ (Written::NotRun(_) | Written::Foreign(_) | Written::Needless), _) => {
                (not_written, sight)
            }
        };
        carried(written, sight)
    }
}

impl Sights {
    /// What a platform has at this moment.
    pub async fn see(&self, look: &Inspection) -> Sight {
        // The semaphore is never closed.
        let _room = self.room.acquire().await;
        match self.action(look) {
            Ok(action) => action.see(look).await,
            Err(reason) => Sight::Unreachable(reason),
        }
    }

    fn action(&self, look: &Inspection) -> Result<Action, String> {
        let key = (Arc::clone(&look.service), look.kind);
        let known = self.actions.borrow().get(&key).filter(|action| action.target == look.target).cloned();
        known.ok_or_else(|| {
            format!(
                "{} is not configured any more as services.{}.actions.{}: configure it again, or take it over by \
                 POST /dismiss/{}",
                look.target,
                look.service,
                look.kind.as_str(),
                look.id
            )
        })
    }
}

impl Action {
    /// What shows whether an order may be carried out.
    fn first_look(&self, order: &Order) -> Inspection {
        let look = order.look();
        match (&self.means, order.stage) {
            // Whatever is being rolled out then is no part of this order.
            (Means::Kubernetes(_), Stage::Apply) => Inspection { change: None, ..look },
            (Means::Kubernetes(_) | Means::Webhook(_) | Means::Command(_) | Means::Docker(_), _) => look,
        }
    }

    async fn see(&self, look: &Inspection) -> Sight {
        match &self.means {
            Means::Webhook(means) => webhook::see(means, look).await,
            Means::Command(means) => command::see(means, look).await,
            Means::Docker(means) => docker::see(means, look).await,
            Means::Kubernetes(means) => kubernetes::see(means, look).await,
        }
    }

    async fn keep(&self, order: &Order) -> Written {
        let written = match &self.means {
            Means::Docker(means) => docker::write(means, order).await,
            // They keep nothing of before.
            Means::Webhook(_) | Means::Command(_) | Means::Kubernetes(_) => Written::Needless,
        };
        if let Written::NotRun(reason) | Written::Failed(reason) | Written::Unknown(reason) = &written {
            tracing::warn!(service = %order.service, reason, "what was kept of before could not be discarded");
        }
        written
    }

    /// Looks until what was written shows, but not for ever: some platforms answer before they have done it.
    async fn read_back(&self, order: &Order, look: &Inspection) -> Sight {
        let shown = async {
            loop {
                let sight = self.see(look).await;
                match Standing::of(&order.changes, &sight) {
                    Standing::After | Standing::Blind => return sight,
                    Standing::Before
                    | Standing::Between
                    | Standing::Elsewhere(_)
                    | Standing::Unreachable(_) => tokio::time::sleep(READ_BACK).await,
                }
            }
        };
        match tokio::time::timeout(self.timeout, shown).await {
            Ok(sight) => sight,
            Err(_) => self.see(look).await,
        }
    }
}
