//! What the supervisor is told, what it answers, and what it wants done.

use std::sync::Arc;

use shared::clock::Timestamp;
use shared::order::{
    FileChange, Observed, Order, OrderId, Performed, ServiceName, Stage, Standing, Unreachable,
};

use super::super::evidence::Seen;
use super::super::fleet::PauseKind;
use super::super::guard::GuardInputs;
use super::super::idempotency::IdempotencyKey;
use super::super::network::Witness;
use super::super::notification::channel::ChannelName;
use super::super::notification::{Delivery, Notification};
use super::super::policy::Policy;
use super::super::reading::Measured;
use super::super::recovery::Guard;

/// What happened in the world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A scheduled probe has come back.
    Probed {
        /// Which service.
        service: ServiceName,
        /// What it saw.
        measured: Measured,
    },
    /// Something may have happened to a service, so that its next probe is worth more now than later. It says
    /// nothing about the service by itself.
    Hinted {
        /// Which service.
        service: ServiceName,
    },
    /// The platform tells that somebody had a container stopped; it may have been us.
    Stopped {
        /// Of which service.
        service: ServiceName,
        /// Its name.
        container: String,
        /// When, by the clock of the platform.
        at: Timestamp,
    },
    /// The platform tells that a container was started, or is there no longer.
    StoppedNoLonger {
        /// Of which service.
        service: ServiceName,
        /// Its name; none when all containers of the service run.
        container: Option<String>,
        /// When, by the clock of the platform.
        at: Timestamp,
    },
    /// A service has posted a heartbeat.
    Beat {
        /// Which service.
        service: ServiceName,
        /// Why it is not well, if it says so.
        failing: Option<String>,
    },
    /// A probe that somebody asked for has come back: shown, never counted.
    Checked {
        /// Which service.
        service: ServiceName,
        /// What it saw.
        measured: Measured,
    },
    /// The last look before acting has come back.
    Preflighted {
        /// Which service.
        service: ServiceName,
        /// For which recovery.
        recovery_id: OrderId,
        /// What a probe on a fresh connection saw.
        measured: Measured,
        /// What the platform sees.
        observed: Result<Observed, Unreachable>,
        /// What the witnesses of our own network say; none when nobody was to be asked.
        witnesses: Option<Vec<Witness>>,
        /// What was seen of the service meanwhile.
        seen: Box<Seen>,
    },
    /// The platform has answered an order.
    Performed {
        /// Which service.
        service: ServiceName,
        /// For which recovery.
        recovery_id: OrderId,
        /// Which part of the action.
        stage: Stage,
        /// The answer.
        performed: Performed,
        /// The file that was changed, if one was.
        change: Option<FileChange>,
        /// What the platform sees after it; only where something was put back.
        observed: Option<Observed>,
    },
    /// The platform was asked what there is of an order whose end is not known.
    Examined {
        /// Which service.
        service: ServiceName,
        /// For which recovery.
        recovery_id: OrderId,
        /// What there is.
        standing: Result<Standing, Unreachable>,
    },
    /// The platform was asked for the instance.
    Inspected {
        /// Which service.
        service: ServiceName,
        /// For which recovery.
        recovery_id: OrderId,
        /// What it sees.
        observed: Result<Observed, Unreachable>,
    },
    /// The platform was asked whether somebody wants the service as it is.
    Looked {
        /// Which service.
        service: ServiceName,
        /// What it sees.
        observed: Result<Observed, Unreachable>,
    },
    /// Somebody asks for a recovery.
    Requested {
        /// Which service.
        service: ServiceName,
        /// Skips the guard of the service.
        force: Option<Force>,
        /// What was seen of the service meanwhile.
        seen: Box<Seen>,
        /// What the client calls the request, so that it can be sent twice.
        key: Option<IdempotencyKey>,
        /// What the platform sees.
        observed: Result<Observed, Unreachable>,
    },
    /// The witnesses of our own network were asked.
    Consulted {
        /// What they say.
        witnesses: Vec<Witness>,
    },
    /// The settings are others from now on.
    Reconfigured {
        /// The new ones, of all services.
        policy: Arc<Policy>,
    },
    /// A message was sent, or could not be.
    Notified {
        /// Through which channel.
        channel: ChannelName,
        /// Which message.
        notification_id: String,
        /// What became of the attempt.
        delivery: Delivery,
    },
    /// A channel was told again of everything that lasts, or could not be.
    Renewed {
        /// Which channel.
        channel: ChannelName,
        /// What became of the attempt.
        delivery: Delivery,
    },
    /// A person holds healing back.
    Paused {
        /// Which service; none for all.
        service: Option<ServiceName>,
        /// What for.
        kind: PauseKind,
        /// Why, in the words of whoever asked.
        reason: Option<String>,
        /// Until when.
        until: Timestamp,
    },
    /// A person lets healing go on.
    Resumed {
        /// Which service; none for what held all.
        service: Option<ServiceName>,
    },
    /// A person ends what a guard is holding on to.
    Reset {
        /// Which guard.
        guard: Resettable,
        /// Of which service; none for a guard of all.
        service: Option<ServiceName>,
        /// Why, in the words of whoever asked.
        reason: Option<String>,
    },
}

/// A guard that a person can reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resettable {
    /// Our own network.
    OwnNetwork,
    /// Many services down together.
    Storm,
    /// The spent budget.
    Budget,
    /// Cool-down and quarantine of a service.
    Quarantine,
    /// A flapping service.
    Flapping,
    /// A service whose instance others keep replacing.
    Churn,
}

impl Resettable {
    /// Every one of them.
    pub const ALL: [Self; 6] =
        [Self::OwnNetwork, Self::Storm, Self::Budget, Self::Quarantine, Self::Flapping, Self::Churn];

    /// The guard.
    pub fn guard(self) -> Guard {
        match self {
            Self::OwnNetwork => Guard::OwnNetwork,
            Self::Storm => Guard::Storm,
            Self::Budget => Guard::Budget,
            Self::Quarantine => Guard::Quarantine,
            Self::Flapping => Guard::Flapping,
            Self::Churn => Guard::Churn,
        }
    }

    /// Whether it is a guard of one service, and not of all.
    pub fn is_of_a_service(self) -> bool {
        match self {
            Self::OwnNetwork | Self::Storm | Self::Budget => false,
            Self::Quarantine | Self::Flapping | Self::Churn => true,
        }
    }
}

/// A request that skips the guard of the service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Force {
    /// Why, in the words of whoever asked.
    pub reason: String,
}

impl Event {
    /// Which service the event is about; none for all.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Probed { service, .. }
            | Self::Hinted { service }
            | Self::Stopped { service, .. }
            | Self::StoppedNoLonger { service, .. }
            | Self::Beat { service, .. }
            | Self::Checked { service, .. }
            | Self::Preflighted { service, .. }
            | Self::Performed { service, .. }
            | Self::Examined { service, .. }
            | Self::Inspected { service, .. }
            | Self::Looked { service, .. }
            | Self::Requested { service, .. } => Some(service),
            Self::Paused { service, .. } | Self::Resumed { service } | Self::Reset { service, .. } => {
                service.as_ref()
            }
            Self::Consulted { .. }
            | Self::Reconfigured { .. }
            | Self::Notified { .. }
            | Self::Renewed { .. } => None,
        }
    }
}

/// What somebody who asked for a recovery is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The attempt is recorded, and begins.
    Started {
        /// Its identity.
        recovery_id: OrderId,
    },
    /// The same request was made before under the same key.
    Replayed {
        /// Identity of the recovery that it began then.
        recovery_id: OrderId,
    },
    /// The key was given to another request.
    KeyReused,
    /// No service has that name.
    UnknownService,
    /// An attempt is under way already.
    InFlight {
        /// Its identity.
        recovery_id: OrderId,
    },
    /// A guard holds it back.
    Held {
        /// Identity of the record of it.
        recovery_id: OrderId,
        /// Why, and what ends it.
        reason: String,
        /// When it ends by itself, if it does.
        until: Option<Timestamp>,
        /// What the guard went by.
        inputs: Option<Box<GuardInputs>>,
    },
    /// It is recorded.
    Done,
    /// The service is asked how it is, and posts no heartbeats.
    NotListening,
    /// Nothing can act on the service.
    Impossible {
        /// Why, and what to do.
        reason: String,
    },
}

/// What is to be done once the facts are recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// Probe a service; comes back as [`Event::Probed`].
    Probe {
        /// Which service.
        service: ServiceName,
    },
    /// Probe on a fresh connection, ask the platform, and ask the witnesses; comes back as [`Event::Preflighted`].
    Preflight {
        /// Which service.
        service: ServiceName,
        /// For which recovery.
        recovery_id: OrderId,
        /// Services that are asked as witnesses beside the configured ones; none when nobody is asked.
        peers: Option<Vec<ServiceName>>,
    },
    /// Ask the witnesses of our own network; comes back as [`Event::Consulted`].
    Consult {
        /// Services that are asked beside the configured ones.
        peers: Vec<ServiceName>,
    },
    /// Give an order to the platform; comes back as [`Event::Performed`].
    Perform(Order),
    /// Ask the platform what there is of an order; comes back as [`Event::Examined`].
    Examine(Order),
    /// Ask the platform for the instance; comes back as [`Event::Inspected`].
    Inspect {
        /// Which service.
        service: ServiceName,
        /// For which recovery.
        recovery_id: OrderId,
    },
    /// Ask the platform whether somebody wants the service as it is; comes back as [`Event::Looked`].
    Look {
        /// Which service.
        service: ServiceName,
    },
    /// Send a message to people; comes back as [`Event::Notified`].
    Notify(Box<Notification>),
    /// Tell a channel again of everything that lasts; comes back as [`Event::Renewed`].
    Renew {
        /// Which channel.
        channel: ChannelName,
        /// What lasts.
        lasting: Vec<Notification>,
    },
}
