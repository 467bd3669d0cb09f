//! What people are told of: one alarm, from the moment that it is raised to its end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{OrderId, ServiceName};

use super::super::health::HealthState;
use super::super::incident::Cause;
use super::super::recovery::Guard;
use super::super::state::Service;
use super::channel::ChannelName;

/// How much is concerned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One service.
    Service,
    /// More services than anybody wants single messages of.
    Services,
    /// Most services at once.
    Storm,
    /// The budget of actions is spent.
    Budget,
    /// Our own network is gone.
    OwnNetwork,
    /// None: somebody tries out a channel.
    Test,
}

impl Scope {
    /// The scopes that concern all services.
    pub const OF_ALL: [Self; 3] = [Self::OwnNetwork, Self::Storm, Self::Budget];

    /// The word that API, messages and documents use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Services => "services",
            Self::Storm => "storm",
            Self::Budget => "budget",
            Self::OwnNetwork => "own_network",
            Self::Test => "test",
        }
    }

    /// Whether single services are concerned, and not all.
    pub fn has_members(self) -> bool {
        match self {
            Self::Service | Self::Services => true,
            Self::Storm | Self::Budget | Self::OwnNetwork | Self::Test => false,
        }
    }
}

/// How serious an alarm is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlarmSeverity {
    /// The daemon is at work.
    Warning,
    /// A person is needed.
    Critical,
}

impl AlarmSeverity {
    /// Both, mildest first.
    pub const ALL: [Self; 2] = [Self::Warning, Self::Critical];

    /// The word that configuration, API and messages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that people are told of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alarm {
    /// Identity; that of the incident which it was raised for, where there is one.
    pub alarm_id: OrderId,
    /// How much is concerned.
    pub scope: Scope,
    /// The services that it was raised for; none when it concerns all.
    pub services: Vec<ServiceName>,
    /// Where that is, if it is one.
    pub instance: Option<String>,
    /// How serious it is.
    pub severity: AlarmSeverity,
    /// Whether it was less serious at first.
    pub was_milder: bool,
    /// Since when it is so.
    pub since: Timestamp,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// When it was over; null while it lasts.
    pub ended_at: Option<Timestamp>,
}

impl Alarm {
    /// One that is raised now, about no service in particular.
    pub fn new(
        alarm_id: OrderId,
        scope: Scope,
        severity: AlarmSeverity,
        since: Timestamp,
        raised_at: Timestamp,
    ) -> Self {
        let (services, instance) = (Vec::new(), None);
        Self {
            alarm_id,
            scope,
            services,
            instance,
            severity,
            was_milder: false,
            since,
            raised_at,
            ended_at: None,
        }
    }
}

/// An alarm that lasts, and who has been told of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenAlarm {
    /// The alarm.
    pub alarm: Alarm,
    /// How many of its services are still in trouble.
    pub remaining: usize,
    /// Who has been told.
    pub told: BTreeMap<ChannelName, Told>,
}

/// What one channel has been told of an alarm.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// How many reminders.
    pub reminders: u32,
    /// When the last message was decided.
    pub last_at: Timestamp,
    /// Whether any of it has, or may have, arrived.
    pub has_arrived: bool,
}

/// Why a service is in trouble that people are to hear of; none while it is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// The incident, where one is open.
    pub incident_id: Option<OrderId>,
    /// When the first failure came.
    pub since: Timestamp,
    /// When it was certain.
    pub detected_at: Timestamp,
    /// Whether a person is needed at once.
    pub needs_a_person: bool,
}

impl Trouble {
    /// The trouble of a service.
    pub fn of(service: &Service) -> Option<Self> {
        let needs_a_person = needs_a_person(service);
        match (&service.incident, &service.flapping) {
            (Some(incident), _) => Some(Self {
                incident_id: Some(incident.incident_id),
                since: incident.failed_at.unwrap_or(incident.detected_at),
                detected_at: incident.detected_at,
                needs_a_person,
            }),
            (None, Some(flapping)) => {
                let (since, detected_at) = (flapping.since, flapping.since);
                Some(Self { incident_id: None, since, detected_at, needs_a_person })
            }
            (None, None) => None,
        }
    }

    /// Whether it is not certain that anybody has to hear of it now: the service passes its probes just now, or has not
    /// failed since somebody asked for its recovery.
    pub fn is_in_doubt(service: &Service) -> bool {
        let was_asked_for = service.incident.as_ref().is_some_and(|one| one.cause == Cause::Request);
        let is_down = service.health.state == HealthState::Unhealthy;
        let has_ended = Self::of(service).is_none();
        has_ended
            || (service.flapping.is_none() && (service.health.passes > 0 || (was_asked_for && !is_down)))
    }
}

/// Whether the daemon must not, or cannot, go on by itself.
fn needs_a_person(service: &Service) -> bool {
    let guard = service.refusal.as_ref().and_then(|refusal| refusal.guard);
    let is_held = matches!(guard, Some(Guard::Quarantine | Guard::Configuration | Guard::Churn));
    service.flapping.is_some() || (service.incident.is_some() && is_held)
}

/// How serious the trouble of a service is.
pub fn severity(service: &Service) -> AlarmSeverity {
    let guard = service.refusal.as_ref().and_then(|refusal| refusal.guard);
    let is_left_alone = matches!(guard, Some(Guard::Backend | Guard::Mode));
    if needs_a_person(service) || (is_left_alone && service.recovery.is_none()) {
        AlarmSeverity::Critical
    } else {
        AlarmSeverity::Warning
    }
}
