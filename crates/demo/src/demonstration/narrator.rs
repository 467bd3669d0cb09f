//! What has happened between two looks at health-monitor, in words.

use std::collections::BTreeMap;

use super::api::{Outcome, Phase, Recovery, ServiceStatus, Snapshot, State, Trigger};
use super::configuration::{FALL, FALL_SOFT};
use crate::terminal::{Line, Tone};

/// Of the failures beyond the limit every tenth is told.
const TOLD_AGAIN: u32 = 10;

/// Remembers what was told and tells what is new.
#[derive(Default, Debug)]
pub(super) struct Narrator {
    services: BTreeMap<String, ServiceStatus>,
    recoveries: BTreeMap<String, Recovery>,
    pids: BTreeMap<String, u32>,
}

impl Narrator {
    /// Makes known which process answers for a service, without telling it.
    pub(super) fn introduce(&mut self, service: &str, pid: u32) {
        self.pids.insert(service.to_owned(), pid);
    }

    /// The process that last answered for a service.
    pub(super) fn pid(&self, service: &str) -> Option<u32> {
        self.pids.get(service).copied()
    }

    /// What is new, in the order in which it must have happened.
    pub(super) fn observe(&mut self, snapshot: &Snapshot) -> Vec<Line> {
        let services = snapshot.services.iter();
        let failures = services.flat_map(|(name, now)| health_lines(name, self.services.get(name), now));
        let recoveries =
            || snapshot.recoveries.iter().map(|now| (self.recoveries.get(&now.recovery_id), now));
        let orders = recoveries().filter_map(|(before, now)| order_line(before, now));
        let processes = snapshot.pids.iter().filter_map(|(name, pid)| self.process_line(name, *pid));
        let progress = recoveries().flat_map(|(before, now)| progress_lines(before, now));
        let lines = failures.chain(orders).chain(processes).chain(progress).collect();
        self.remember(snapshot);
        lines
    }

    fn process_line(&self, name: &str, pid: u32) -> Option<Line> {
        let before = self.pid(name).filter(|before| *before != pid)?;
        Some(Line::new(name, Tone::Action, format!("a new process answers: pid {pid}, was {before}")))
    }

    fn remember(&mut self, snapshot: &Snapshot) {
        self.services.clone_from(&snapshot.services);
        self.recoveries = snapshot
            .recoveries
            .iter()
            .map(|recovery| (recovery.recovery_id.clone(), recovery.clone()))
            .collect();
        self.pids.extend(snapshot.pids.iter().map(|(name, pid)| (name.clone(), *pid)));
    }
}

fn health_lines(name: &str, before: Option<&ServiceStatus>, now: &ServiceStatus) -> Vec<Line> {
    let mut lines = Vec::new();
    if now.failures > before.map_or(0, |before| before.failures) {
        lines.extend(failure_line(name, now));
    }
    let Some(was) = before.map(|before| before.state).filter(|was| *was != now.state) else {
        return lines;
    };
    // Other changes need no words: failures were told as they came, and a recovery tells its own progress.
    if now.state == State::Quarantined {
        lines.push(Line::new(name, Tone::Bad, "quarantined: restarts don't help, a human must look"));
    } else if now.state == State::Healthy && was.is_failing() {
        lines.push(Line::new(name, Tone::Good, "passes its checks again"));
    }
    lines
}

/// Up to the limit every failure is told, after it only now and then.
fn failure_line(name: &str, now: &ServiceStatus) -> Option<Line> {
    let error = now.error.as_deref().unwrap_or("a failure");
    let limit = if is_silence(error) { FALL_SOFT } else { FALL };
    let count = now.failures;
    let (tone, counted) = if count <= limit {
        let tone = if count < limit { Tone::Warning } else { Tone::Bad };
        (tone, format!("{count} of {limit}"))
    } else if count.is_multiple_of(TOLD_AGAIN) {
        (Tone::Bad, format!("{count} in a row"))
    } else {
        return None;
    };
    Some(Line::new(name, tone, format!("health-monitor sees: {error} ({counted})")))
}

/// Silence counts less than a refusal, see [`FALL_SOFT`].
fn is_silence(error: &str) -> bool {
    ["silent", "timed out", "timeout"].iter().any(|word| error.contains(word))
}

fn order_line(before: Option<&Recovery>, now: &Recovery) -> Option<Line> {
    let Recovery { action, trigger, attempt, target, .. } = now;
    if now.phase == Phase::Preflight && before.is_none() {
        let text =
            format!("{} recovery, attempt {attempt}: one last check before the {action}", trigger.as_str());
        return Some(Line::new(&now.service, Tone::Action, text));
    }
    if !now.is_ordered() || before.is_some_and(Recovery::is_ordered) {
        return None;
    }
    let text =
        format!("{action} ordered through {}, {}, attempt {attempt}", target.backend, trigger.as_str());
    Some(Line::new(&now.service, Tone::Action, text))
}

fn progress_lines(before: Option<&Recovery>, now: &Recovery) -> Vec<Line> {
    let mut lines = Vec::new();
    let is_accepted = |recovery: &Recovery| recovery.accepted_at.is_some();
    if is_accepted(now) && !before.is_some_and(is_accepted) {
        let took = seconds(
            now.accepted_at
                .zip(now.started_at)
                .map(|(accepted, started)| accepted.since(started).as_secs_f64()),
        );
        lines.push(Line::new(&now.service, Tone::Action, format!("{} done after {took}", now.action)));
    }
    let has_changed = |recovery: &Recovery| recovery.instance_changed_at.is_some();
    if has_changed(now) && !before.is_some_and(has_changed) {
        let text = "health-monitor sees another instance; now its checks must pass";
        lines.push(Line::new(&now.service, Tone::Plain, text));
    }
    if let Some(outcome) =
        now.outcome.filter(|outcome| before.and_then(|before| before.outcome) != Some(*outcome))
    {
        lines.push(outcome_line(now, outcome));
    }
    lines
}

fn outcome_line(recovery: &Recovery, outcome: Outcome) -> Line {
    let reason = recovery.reason.as_deref().unwrap_or("no reason given");
    let (tone, text) = match outcome {
        Outcome::Recovered => {
            let took = seconds(recovery.time_to_recover_seconds);
            let since = match recovery.trigger {
                Trigger::Automatic => "the first failed check",
                Trigger::Manual => "the request",
            };
            (Tone::Good, format!("verified and recovered, {took} after {since}"))
        }
        Outcome::SelfRecovered => (Tone::Good, format!("recovered by itself: {reason}")),
        Outcome::NotRecovered => (Tone::Bad, format!("not recovered: {reason}")),
        Outcome::ActionFailed => (Tone::Bad, format!("the {} failed: {reason}", recovery.action)),
        Outcome::Suppressed => (Tone::Warning, format!("no {}: {reason}", recovery.action)),
        Outcome::Superseded => (Tone::Warning, format!("superseded: {reason}")),
        Outcome::Unknown => (Tone::Bad, format!("unknown outcome: {reason}")),
    };
    Line::new(&recovery.service, tone, text)
}

/// Seconds as text, milliseconds where that says more; a dash where nothing was measured.
pub(super) fn seconds(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(short) if short < 0.095 => format!("{:.0} ms", short * 1_000.0),
        Some(seconds) => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
#[path = "narrator_tests.rs"]
mod tests;
