//! What keeps the daemon from making things worse. Each refusal has a reason and a way out.

use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::{Backend, Intent};

use super::attempts::ATTEMPTS_WITHIN;
use super::fleet::Tripped;
use super::intent::Intended;
use super::operator_stop::OperatorStop;
use super::policy::{Mode, ServicePolicy};
use super::recovery::{Guard, Recovery};
use super::state::Service;

mod company;
mod inputs;
pub use company::{Company, held, isolated, unmet};
pub use inputs::{BudgetInputs, GuardInputs, PauseInputs};

/// Part by which a back-off is varied either way, so that services that failed together do not return together.
const JITTER: f64 = 0.2;
/// So many changes of the instance by others, within this span, are churn.
const CHURN: usize = 3;
const CHURN_WITHIN: Duration = Duration::from_secs(600);

/// Why nothing is done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Which guard.
    pub guard: Guard,
    /// A sentence for a person: why, and what ends it.
    pub reason: String,
    /// What it was decided by; none for a refusal that an earlier version recorded.
    pub inputs: Option<Box<GuardInputs>>,
    /// When it ends by itself, if it does.
    pub until: Option<Timestamp>,
    /// The budget of actions is spent with it, which only a person ends.
    pub trips: Option<Tripped>,
}

impl Refusal {
    /// A refusal by what a guard went by, whose end is not known.
    pub fn by(inputs: GuardInputs, reason: String) -> Self {
        Self { guard: inputs.guard(), reason, inputs: Some(Box::new(inputs)), until: None, trips: None }
    }

    /// It ends by itself then.
    #[must_use]
    pub fn until(self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self }
    }
}

/// What a decision about one service looks at.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The settings of the service.
    pub policy: &'a ServicePolicy,
    /// Its durable state.
    pub service: &'a Service,
    /// All services together.
    pub company: Company<'a>,
    /// Until when the service is only observed, after the daemon's own start or after it was added.
    pub observe_until: Timestamp,
    /// The moment.
    pub now: Timestamp,
}

/// Whether failures may lead to an attempt now. Asked before the last look, and again after it.
pub fn automatic(situation: &Situation<'_>) -> Result<(), Refusal> {
    let Situation { policy, service, company, observe_until, now } = *situation;
    if now < observe_until {
        let reason = format!("watching has just begun, and nothing is done before {observe_until}");
        let inputs = GuardInputs::Observing { until: observe_until };
        return Err(Refusal::by(inputs, reason).until(observe_until));
    }
    if !service.health.calls_for_action(policy) {
        return Err(configuration(service.errors.last().unwrap_or("the answer")));
    }
    company.own_network(policy)?;
    company.storm()?;
    company.budget(policy, now)?;
    backend(policy)?;
    attempts(policy, service, now)?;
    instability(service, now)?;
    company.intent(service, now)?;
    operator_stop(policy, service)?;
    intended(policy, service.intent.as_ref(), now)?;
    company.dependency(now)?;
    match policy.mode {
        Mode::Observe => Err(mode(policy)),
        // A dry run goes as far as the last look before acting.
        Mode::Enforce | Mode::DryRun => Ok(()),
    }
}

/// Whether a request may lead to an attempt now. `force` skips what is a matter of judgement; never the limit of
/// recoveries at a time, nor what makes an attempt impossible.
pub fn manual(situation: &Situation<'_>, force: Option<&str>) -> Result<(), Refusal> {
    let Situation { policy, service, company, now, .. } = *situation;
    backend(policy)?;
    company.concurrency(policy)?;
    if force.is_none() {
        company.own_network(policy)?;
        company.storm()?;
        company.budget(policy, now)?;
        attempts(policy, service, now)?;
        instability(service, now)?;
        company.intent(service, now)?;
        operator_stop(policy, service)?;
        company.dependency(now)?;
    }
    match policy.mode {
        Mode::Enforce => Ok(()),
        Mode::DryRun | Mode::Observe => Err(mode(policy)),
    }
}

fn backend(policy: &ServicePolicy) -> Result<(), Refusal> {
    match policy.target.backend {
        Backend::Docker | Backend::Kubernetes | Backend::Webhook | Backend::Command => Ok(()),
        Backend::None => {
            let reason = format!(
                "no recovery backend reaches {}: set RECOVERY_BACKEND, or recovery_backend of this service, to docker, kubernetes, webhook or command",
                policy.name
            );
            Err(Refusal::by(GuardInputs::Backend { error: None }, reason))
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
        let inputs = GuardInputs::Quarantine {
            since: service.attempts.quarantined_at,
            attempts: recent,
            allowed: policy.attempts_per_hour,
            within_seconds: ATTEMPTS_WITHIN.as_secs(),
        };
        return Err(Refusal::by(inputs, reason));
    }
    match service.attempts.not_before {
        Some(until) if now < until => {
            let reason = format!("the last attempt is too recent; the next one is not made before {until}");
            Err(Refusal::by(cooling_down(service, until), reason).until(until))
        }
        Some(_) | None => Ok(()),
    }
}

fn cooling_down(service: &Service, until: Timestamp) -> GuardInputs {
    let last_attempt_at = service.attempts.last;
    let wait_seconds = last_attempt_at.map_or(0, |last| until.since(last).as_secs());
    GuardInputs::CoolDown { last_attempt_at, attempts: service.attempts.consecutive, wait_seconds, until }
}

/// Flapping, and an instance that others keep replacing: a restart more would not help.
fn instability(service: &Service, now: Timestamp) -> Result<(), Refusal> {
    if let Some(flapping) = &service.flapping {
        let reason = format!(
            "it has been changing between passing and failing since {} ({} % of its last results), which restarts do not mend; it ends when the results are steady",
            flapping.since, flapping.percent
        );
        let inputs = GuardInputs::Flapping { since: flapping.since, percent: flapping.percent };
        return Err(Refusal::by(inputs, reason));
    }
    let recent: Vec<Timestamp> =
        service.foreign_changes.iter().copied().filter(|at| *at + CHURN_WITHIN > now).collect();
    if recent.len() >= CHURN {
        let until = recent[recent.len() - CHURN] + CHURN_WITHIN;
        let reason = format!(
            "somebody else has replaced its instance {} times within {} s, and one restart more would not help; it is held back until {until}",
            recent.len(),
            CHURN_WITHIN.as_secs()
        );
        let (changes, within_seconds) = (recent.len(), CHURN_WITHIN.as_secs());
        let inputs = GuardInputs::Churn { changes, allowed: CHURN - 1, within_seconds, until };
        return Err(Refusal::by(inputs, reason).until(until));
    }
    Ok(())
}

/// What somebody had stopped stays so, where that is wanted.
fn operator_stop(policy: &ServicePolicy, service: &Service) -> Result<(), Refusal> {
    let stop = service.operator_stop.as_ref().filter(|_| policy.respects_operator_stop);
    let Some(OperatorStop { stopped_at, containers, .. }) = stop else { return Ok(()) };
    let reason = format!(
        "stopped by its operator at {stopped_at}, and RESPECT_OPERATOR_STOP is on: docker start {} ends it, POST /trigger-heal/{}?force=true&reason=… heals it nevertheless",
        containers.join(" "),
        policy.name
    );
    let (stopped_at, containers) = (*stopped_at, containers.clone());
    Err(Refusal::by(GuardInputs::OperatorStop { stopped_at, containers }, reason))
}

/// What the platform is told to keep as it is stays so.
pub fn intended(policy: &ServicePolicy, intended: Option<&Intended>, now: Timestamp) -> Result<(), Refusal> {
    let Some(known) = intended.filter(|known| known.holds(now)) else { return Ok(()) };
    let (target, until) = (&policy.target.name, known.until());
    let why = match (&known.intent, until) {
        (Intent::RollingOut { .. }, Some(until)) => {
            format!("a rollout of {target} is on its way, which has until {until}")
        }
        (Intent::ScaledToZero, _) => {
            format!("{target} is scaled to 0 replicas, so nothing of it is to run: scale it up")
        }
        (Intent::Paused | Intent::RollingOut { .. }, _) => {
            format!("the rollouts of {target} are paused: kubectl rollout resume ends it")
        }
    };
    let reason =
        format!("{why}; POST /trigger-heal/{}?force=true&reason=… heals it nevertheless", policy.name);
    let inputs = GuardInputs::Intent { intent: known.intent.clone(), since: known.since, until };
    let refusal = Refusal::by(inputs, reason);
    Err(until.map_or(refusal.clone(), |until| refusal.until(until)))
}

/// The refusal of a failure that a restart does not mend.
pub fn configuration(error: &str) -> Refusal {
    let reason = format!(
        "{error} is a matter of configuration that a restart does not mend: check the address, the access rules and the certificate of the health endpoint, and what is expected of its answer"
    );
    Refusal::by(GuardInputs::Configuration { error: error.to_owned() }, reason)
}

/// The refusal when the last look before acting says nothing about the service.
pub fn own_fault(error: &str, until: Timestamp) -> Refusal {
    let reason = format!("{error}; nothing is done before {until}");
    Refusal::by(GuardInputs::OwnFault { error: error.to_owned(), until }, reason).until(until)
}

/// The refusal while the platform cannot be reached or has no such target.
pub fn unreachable(reason: String) -> Refusal {
    Refusal::by(GuardInputs::Backend { error: Some(reason.clone()) }, reason)
}

/// The refusal of a mode that does not act.
pub fn mode(policy: &ServicePolicy) -> Refusal {
    let reason = format!(
        "the healing mode is {}: set HEALING_MODE, or mode of this service, to enforce to act",
        policy.mode.as_str()
    );
    Refusal::by(GuardInputs::Mode { mode: policy.mode }, reason)
}

/// The refusal while an instance that somebody else changed is starting.
pub fn start_period(until: Timestamp) -> Refusal {
    let reason = format!("somebody else changed the instance; it has until {until} to start");
    Refusal::by(GuardInputs::StartPeriod { until }, reason).until(until)
}

/// The refusal of a request while a recovery of the service is under way.
pub fn in_flight(recovery: &Recovery) -> Refusal {
    let reason = "a recovery of it is under way already".to_owned();
    let inputs = GuardInputs::InFlight { recovery_id: recovery.recovery_id, phase: recovery.phase };
    Refusal::by(inputs, reason)
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
