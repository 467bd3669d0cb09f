//! Carries out the work that the core has decided, and comes back with what happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use shared::clock::Clock;
use shared::engine::{Perform, Performing};
use shared::leadership::Leadership;
use shared::order::{Action, Observed, Order, Performed, ServiceName, Stage, Unreachable};
use shared::platform::kubernetes::Workload;
use shared::platform::{Platform, PlatformSettings};
use shared::redact::redact;
use tokio::sync::watch;

use crate::config::Config;
use crate::domain::evidence::Seen;
use crate::domain::network::Witness;
use crate::domain::notification::channel::ChannelName;
use crate::domain::notification::{Delivery, Notification};
use crate::domain::reading::{Answer, Measured};
use crate::domain::supervisor::{Event, Supervisor, Work};
use crate::probe::{FailingAnswer, Probes, Sentinels};
use crate::receivers::Receiver;

/// Evidence that takes longer is done without: an action is never held up for longer than this.
const EVIDENCE_LIMIT: Duration = Duration::from_secs(3);

/// By which means services are looked at and acted upon.
pub struct Means {
    probes: Probes,
    /// What restarts each service; one entry for every one of them.
    platforms: BTreeMap<ServiceName, Platform>,
    /// Who is called for help, for every service that has such a step.
    escalations: BTreeMap<ServiceName, Platform>,
    sentinels: Sentinels,
    /// Who is told through each channel.
    receivers: BTreeMap<ChannelName, Receiver>,
    clock: Arc<Clock>,
}

impl Means {
    /// What the configuration asks for. Connects to nothing.
    pub fn new(config: &Config, clock: Arc<Clock>) -> anyhow::Result<Self> {
        Self::with(config, Probes::new(&config.policy, Arc::clone(&clock))?, clock)
    }

    fn with(config: &Config, probes: Probes, clock: Arc<Clock>) -> anyhow::Result<Self> {
        let (platforms, escalations) = (made(&config.platforms)?, made(&config.escalations)?);
        let sentinels = Sentinels::new(config.sentinels.clone(), &config.policy);
        let receivers = config.receivers.iter().map(|(name, one)| Ok((name.clone(), Receiver::new(one)?)));
        let receivers = receivers.collect::<anyhow::Result<_>>()?;
        Ok(Self { probes, platforms, escalations, sentinels, receivers, clock })
    }
}

fn made(
    settings: &BTreeMap<ServiceName, PlatformSettings>,
) -> anyhow::Result<BTreeMap<ServiceName, Platform>> {
    settings.iter().map(|(service, one)| Ok((service.clone(), Platform::new(service, one)?))).collect()
}

/// The means that are in use, and those before them while decisions may still be made by the settings before.
#[derive(Clone)]
struct InUse {
    now: Arc<Means>,
    before: Option<Arc<Means>>,
}

impl InUse {
    async fn measure(&self, service: &ServiceName) -> Option<Measured> {
        match (self.now.probes.measure(service).await, &self.before) {
            (Some(measured), _) => Some(measured),
            (None, Some(before)) => before.probes.measure(service).await,
            (None, None) => None,
        }
    }

    fn platform(&self, service: &ServiceName) -> Option<&Platform> {
        let before = || self.before.as_ref().and_then(|before| before.platforms.get(service));
        self.now.platforms.get(service).or_else(before)
    }

    fn escalation(&self, service: &ServiceName) -> Option<&Platform> {
        let before = || self.before.as_ref().and_then(|before| before.escalations.get(service));
        self.now.escalations.get(service).or_else(before)
    }
}

/// The hands of the daemon. Clones use the same means; work that has begun ends with those that it began with.
#[derive(Clone)]
pub struct Performer {
    in_use: watch::Sender<InUse>,
    leadership: Leadership,
    durations: Histogram,
}

impl Performer {
    /// Every service must have its probe and its platform; orders are carried out as long as `leadership` allows;
    /// `durations` gets each probe's duration in seconds.
    pub fn new(means: Means, leadership: Leadership, durations: Histogram) -> Self {
        let in_use = InUse { now: Arc::new(means), before: None };
        Self { in_use: watch::Sender::new(in_use), leadership, durations }
    }

    /// Makes the means of another configuration ready, or says why they cannot be. What only the present ones have
    /// stays in use until [`Performer::let_go`].
    pub fn prepare(&self, config: &Config) -> anyhow::Result<()> {
        let before = self.in_use().now;
        let means = Means::with(config, before.probes.again(&config.policy)?, Arc::clone(&before.clock))?;
        self.in_use.send_replace(InUse { now: Arc::new(means), before: Some(before) });
        Ok(())
    }

    /// Lets go of the means before, once nothing is decided by the settings before.
    pub fn let_go(&self) {
        self.in_use.send_modify(|in_use| in_use.before = None);
    }

    fn in_use(&self) -> InUse {
        self.in_use.borrow().clone()
    }

    /// The function that the engine calls for each piece of work.
    pub fn into_perform(self) -> Perform<Supervisor> {
        Arc::new(move |work| self.clone().start(work))
    }

    /// Each kind of work has a future of its own: thousands of probes are under way at once, and a probe must not take
    /// the room of an order.
    fn start(self, work: Work) -> Performing<Supervisor> {
        match work {
            Work::Probe { service } => Box::pin(async move {
                let measured = self.measure(&service).await;
                Event::Probed { service, measured }
            }),
            Work::Preflight { service, recovery_id, peers } => Box::pin(async move {
                let (measured, observed, witnesses, logs) = tokio::join!(
                    self.measure(&service),
                    self.inspect(&service),
                    self.consult_if(peers),
                    self.logs(&service)
                );
                let seen = Box::new(self.seen(&service, &observed, logs));
                Event::Preflighted { service, recovery_id, measured, observed, witnesses, seen }
            }),
            Work::Consult { peers } => Box::pin(async move {
                let witnesses = self.in_use().now.sentinels.ask(&peers).await;
                Event::Consulted { witnesses }
            }),
            Work::Inspect { service, recovery_id } => Box::pin(async move {
                let observed = self.inspect(&service).await;
                Event::Inspected { service, recovery_id, observed }
            }),
            Work::Look { service } => Box::pin(async move {
                let observed = self.inspect(&service).await;
                Event::Looked { service, observed }
            }),
            Work::Examine(order) => Box::pin(async move {
                let standing = match self.in_use().platform(&order.service) {
                    Some(platform) => platform.examine(&order).await,
                    None => Err(Unreachable { reason: format!("{} has no platform", order.service) }),
                };
                Event::Examined { service: order.service, recovery_id: order.id, standing }
            }),
            Work::Perform(order) => Box::pin(async move { self.perform(order).await }),
            Work::Notify(notification) => Box::pin(async move {
                let delivery = self.deliver(&notification).await;
                let Notification { channel, notification_id, .. } = *notification;
                Event::Notified { channel, notification_id, delivery }
            }),
            Work::Renew { channel, lasting } => Box::pin(async move {
                let means = self.in_use().now;
                let delivery = match means.receivers.get(&channel) {
                    Some(receiver) => receiver.renew(&lasting, means.clock.now()).await,
                    None => unknown(&channel),
                };
                Event::Renewed { channel, delivery }
            }),
        }
    }

    /// Sends a message once, and says what became of it.
    pub async fn deliver(&self, notification: &Notification) -> Delivery {
        let InUse { now: means, before } = self.in_use();
        let earlier = || before.as_ref().and_then(|before| before.receivers.get(&notification.channel));
        match means.receivers.get(&notification.channel).or_else(earlier) {
            Some(receiver) => receiver.deliver(notification, means.clock.now()).await,
            None => unknown(&notification.channel),
        }
    }

    /// Probes one service. One that has no probe counts as our own fault.
    pub async fn measure(&self, service: &ServiceName) -> Measured {
        let measured = self.in_use().measure(service).await.unwrap_or_else(|| Measured {
            started_at: shared::clock::Timestamp::default(),
            finished_at: shared::clock::Timestamp::default(),
            answer: Answer::OwnFault(format!("{service} has no probe")),
            name_found_at: None,
        });
        self.durations.observe(measured.finished_at.since(measured.started_at).as_secs_f64());
        measured
    }

    /// Asks the platform of a service for its instance.
    pub async fn inspect(&self, service: &ServiceName) -> Result<Observed, Unreachable> {
        match self.in_use().platform(service) {
            Some(platform) => platform.inspect(service).await,
            None => Err(Unreachable { reason: format!("{service} has no platform") }),
        }
    }

    /// The workload that a service runs as; none where it runs in no cluster, or where it cannot be found.
    pub async fn workload(&self, service: &ServiceName) -> Option<Result<Workload, Unreachable>> {
        self.in_use().platform(service)?.workload().await
    }

    /// Asks the platform of a service for its instance, and gathers evidence meanwhile.
    pub async fn look(&self, service: &ServiceName) -> (Result<Observed, Unreachable>, Box<Seen>) {
        let (observed, logs) = tokio::join!(self.inspect(service), self.logs(service));
        let seen = Box::new(self.seen(service, &observed, logs));
        (observed, seen)
    }

    /// The last lines that the service has written, if they can be had soon enough.
    async fn logs(&self, service: &ServiceName) -> Result<String, Unreachable> {
        let in_use = self.in_use();
        let Some(platform) = in_use.platform(service) else {
            return Err(Unreachable { reason: format!("{service} has no platform") });
        };
        tokio::time::timeout(EVIDENCE_LIMIT, platform.logs()).await.unwrap_or_else(|_| {
            let reason = format!("the log was not there within {} s", EVIDENCE_LIMIT.as_secs());
            Err(Unreachable { reason })
        })
    }

    /// What was seen of a service, without secrets.
    fn seen(
        &self,
        service: &ServiceName,
        observed: &Result<Observed, Unreachable>,
        logs: Result<String, Unreachable>,
    ) -> Seen {
        let (platform, unseen) = match observed {
            Ok(observed) => (observed.detail.clone(), None),
            Err(Unreachable { reason }) => (None, Some(reason.clone())),
        };
        let (logs, unread) = match logs {
            Ok(logs) => (Some(redact(&logs).into_owned()), None),
            Err(Unreachable { reason }) => (None, Some(reason)),
        };
        let bodies = self.in_use().now.probes.last_bodies(service).into_iter();
        let told = |one: FailingAnswer| format!("{} HTTP {}: {}", one.at, one.status, redact(&one.body));
        let probe_bodies = bodies.map(told).collect();
        Seen { platform, logs, probe_bodies, missing: unseen.into_iter().chain(unread).collect() }
    }

    /// Asks the witnesses of our own network, if there are peers to be asked with them.
    async fn consult_if(&self, peers: Option<Vec<ServiceName>>) -> Option<Vec<Witness>> {
        match peers {
            Some(peers) => Some(self.in_use().now.sentinels.ask(&peers).await),
            None => None,
        }
    }

    async fn perform(&self, order: Order) -> Event {
        let action = order.action.as_str();
        let stage = order.stage.as_str();
        tracing::debug!(service = %order.service, action, stage, recovery_id = %order.id, "order given");
        let in_use = self.in_use();
        let platform = match order.action {
            Action::Webhook => in_use.escalation(&order.service),
            Action::Restart | Action::Recreate | Action::UpdateConfiguration => {
                in_use.platform(&order.service)
            }
        };
        let performed = match (self.leadership.check(), platform) {
            (Err(reason), _) => Performed::NotRun { reason },
            (Ok(()), Some(platform)) => platform.perform(&order).await,
            (Ok(()), None) => {
                let reason = format!("{} has nothing that could carry out {action}", order.service);
                Performed::NotRun { reason }
            }
        };
        let observed = match order.stage {
            Stage::Revert => self.inspect(&order.service).await.ok(),
            Stage::Act | Stage::Keep => None,
        };
        let change = match self.in_use().platform(&order.service) {
            Some(platform) if order.stage == Stage::Act => platform.change(&order).await,
            Some(_) | None => None,
        };
        let Order { id, service, stage, .. } = order;
        Event::Performed { service, recovery_id: id, stage, performed, change, observed }
    }
}

fn unknown(channel: &ChannelName) -> Delivery {
    Delivery::Failed { reason: format!("no channel is named {channel}"), may_have_arrived: false }
}
