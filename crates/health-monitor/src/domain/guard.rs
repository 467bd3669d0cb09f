//! What keeps the daemon from making things worse. Each refusal has a reason and a way out.

use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::Backend;

use super::policy::{Mode, ServicePolicy};
use super::recovery::Guard;
use super::state::{ATTEMPTS_WITHIN, Service};

/// Part by which a back-off is varied either way, so that services that failed together do not return together.
const JITTER: f64 = 0.2;

/// Why nothing is done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Which guard.
    pub guard: Guard,
    /// A sentence for a person: why, and what ends it.
    pub reason: String,
    /// When it ends by itself, if it does.
    pub until: Option<Timestamp>,
}

/// Whether failures may lead to an attempt now.
pub fn automatic(
    policy: &ServicePolicy,
    service: &Service,
    observe_until: Timestamp,
    now: Timestamp,
) -> Result<(), Refusal> {
    if now < observe_until {
        let reason = format!("the monitor has just started and only observes until {observe_until}");
        return Err(Refusal { guard: Guard::Observing, reason, until: Some(observe_until) });
    }
    if !service.health.calls_for_action(policy) {
        return Err(configuration(service.errors.back().map_or("the answer", |entry| &*entry.error)));
    }
    backend(policy)?;
    attempts(policy, service, now)?;
    match policy.mode {
        Mode::Observe => Err(mode(policy)),
        // A dry run goes as far as the last look before acting.
        Mode::Enforce | Mode::DryRun => Ok(()),
    }
}

/// Whether a request may lead to an attempt now; `force` skips the guard of the service, nothing else.
pub fn manual(
    policy: &ServicePolicy,
    service: &Service,
    force: Option<&str>,
    now: Timestamp,
) -> Result<(), Refusal> {
    backend(policy)?;
    if force.is_none() {
        attempts(policy, service, now)?;
    }
    match policy.mode {
        Mode::Enforce => Ok(()),
        Mode::DryRun | Mode::Observe => Err(mode(policy)),
    }
}

fn backend(policy: &ServicePolicy) -> Result<(), Refusal> {
    match policy.target.backend {
        Backend::Docker | Backend::Webhook | Backend::Command => Ok(()),
        Backend::None => {
            let reason = format!(
                "no recovery backend reaches {}: set RECOVERY_BACKEND, or recovery_backend of this service, to docker, webhook or command",
                policy.name
            );
            Err(Refusal { guard: Guard::Backend, reason, until: None })
        }
    }
}

/// Cool-down and quarantine.
fn attempts(policy: &ServicePolicy, service: &Service, now: Timestamp) -> Result<(), Refusal> {
    let recent = service.attempts.within(now, ATTEMPTS_WITHIN);
    if service.attempts.quarantined_at.is_some() || recent >= policy.attempts_per_hour as usize {
        let reason = format!(
            "quarantined after {} attempts within an hour: find the cause; it ends when the service has been healthy for {} s, or use POST /trigger-heal/{}?force=true&reason=…",
            policy.attempts_per_hour,
            policy.stable_for.as_secs(),
            policy.name
        );
        return Err(Refusal { guard: Guard::Quarantine, reason, until: None });
    }
    match service.attempts.not_before {
        Some(until) if now < until => {
            let reason = format!("the last attempt is too recent; the next one is not made before {until}");
            Err(Refusal { guard: Guard::CoolDown, reason, until: Some(until) })
        }
        Some(_) | None => Ok(()),
    }
}

/// The refusal of a failure that a restart does not mend.
pub fn configuration(error: &str) -> Refusal {
    let reason = format!(
        "{error} is a matter of configuration that a restart does not mend: check the address and the access rules of the health endpoint"
    );
    Refusal { guard: Guard::Configuration, reason, until: None }
}

/// The refusal when the last look before acting says nothing about the service.
pub fn own_fault(error: &str, until: Timestamp) -> Refusal {
    let reason = format!("{error}; nothing is done before {until}");
    Refusal { guard: Guard::OwnFault, reason, until: Some(until) }
}

/// The refusal while the platform cannot be reached or has no such target.
pub fn unreachable(reason: String, until: Timestamp) -> Refusal {
    Refusal { guard: Guard::Backend, reason, until: Some(until) }
}

/// The refusal of a mode that does not act.
pub fn mode(policy: &ServicePolicy) -> Refusal {
    let reason = format!(
        "the healing mode is {}: set HEALING_MODE, or mode of this service, to enforce to act",
        policy.mode.as_str()
    );
    Refusal { guard: Guard::Mode, reason, until: None }
}

/// The refusal while an instance that somebody else changed is starting.
pub fn start_period(until: Timestamp) -> Refusal {
    let reason = format!("somebody else changed the instance; it has until {until} to start");
    Refusal { guard: Guard::StartPeriod, reason, until: Some(until) }
}

/// How long after an attempt the next one may come: the cool-down, doubled for each attempt before it, varied
/// by `chance` in 0..1, within the cool-down and its maximum.
pub fn back_off(policy: &ServicePolicy, attempts_before: u32, chance: f64) -> Duration {
    let doubled = policy.cool_down.as_secs_f64() * 2_f64.powi(attempts_before.min(30).cast_signed());
    let varied = doubled * (1.0 - JITTER + 2.0 * JITTER * chance);
    let bounded = varied
        .clamp(policy.cool_down.as_secs_f64(), policy.cool_down_max.max(policy.cool_down).as_secs_f64());
    Duration::from_secs_f64(bounded)
}
