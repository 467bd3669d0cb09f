//! What the supervisor is told, what it answers, and what it wants done.

use shared::clock::Timestamp;
use shared::order::{Observed, Order, OrderId, Performed, ServiceName, Unreachable};

use super::super::reading::Measured;

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
    },
    /// The platform has answered an order.
    Performed {
        /// Which service.
        service: ServiceName,
        /// For which recovery.
        recovery_id: OrderId,
        /// The answer.
        performed: Performed,
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
    /// Somebody asks for a recovery.
    Requested {
        /// Which service.
        service: ServiceName,
        /// Skips the guard of the service.
        force: Option<Force>,
        /// What the platform sees.
        observed: Result<Observed, Unreachable>,
    },
}

/// A request that skips the guard of the service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Force {
    /// Why, in the words of whoever asked.
    pub reason: String,
}

impl Event {
    /// Which service the event is about.
    pub fn service(&self) -> &ServiceName {
        match self {
            Self::Probed { service, .. }
            | Self::Checked { service, .. }
            | Self::Preflighted { service, .. }
            | Self::Performed { service, .. }
            | Self::Inspected { service, .. }
            | Self::Requested { service, .. } => service,
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
    /// No service has that name.
    UnknownService,
    /// An attempt is under way already.
    InFlight {
        /// Its identity.
        recovery_id: OrderId,
    },
    /// A guard holds it back.
    Held {
        /// Why, and what ends it.
        reason: String,
        /// When it ends by itself, if it does.
        until: Option<Timestamp>,
    },
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
    /// Probe on a fresh connection and ask the platform; comes back as [`Event::Preflighted`].
    Preflight {
        /// Which service.
        service: ServiceName,
        /// For which recovery.
        recovery_id: OrderId,
    },
    /// Give an order to the platform; comes back as [`Event::Performed`].
    Perform(Order),
    /// Ask the platform for the instance; comes back as [`Event::Inspected`].
    Inspect {
        /// Which service.
        service: ServiceName,
        /// For which recovery.
        recovery_id: OrderId,
    },
}
