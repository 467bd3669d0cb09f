//! A service that was broken on purpose, and what became of it.

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use shared::clock::{Clock, Timestamp};

use super::api::{Outcome, Recovery, State};
use super::follow::Follower;
use crate::terminal::{Line, Tone};

/// How a service is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Break {
    /// Its process is killed.
    Kill,
    /// Its process lives and answers nothing.
    Hang,
}

impl Break {
    /// The words for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "killed (SIGKILL)",
            Self::Hang => "hung (silent)",
        }
    }
}

/// A fault and its recovery.
#[derive(Debug)]
pub(super) struct Incident {
    pub(super) service: String,
    pub(super) fault: Break,
    pub(super) broken_at: Timestamp,
    pub(super) old_pid: u32,
    pub(super) new_pid: u32,
    pub(super) recovery: Recovery,
}

/// Breaks a service and follows until health-monitor has proven that it is well again, in another process.
pub(super) async fn break_and_follow(
    follower: &mut Follower<'_>,
    clock: &Clock,
    (service, fault): (&str, Break),
) -> Result<Incident> {
    let old: Vec<_> =
        follower.last().recoveries.iter().map(|recovery| recovery.recovery_id.clone()).collect();
    let is_proven = |recovery: &&Recovery| {
        recovery.service == service
            && recovery.outcome == Some(Outcome::Recovered)
            && !old.contains(&recovery.recovery_id)
    };
    let broken_at = clock.now();
    let old_pid = carry_out(follower, service, fault).await?;
    let what = format!("{service} recovers");
    follower
        .until(&what, |now| {
            let is_well = now.services.get(service).is_some_and(|service| service.state == State::Healthy);
            is_well && now.recoveries.iter().any(|recovery| is_proven(&recovery))
        })
        .await?;
    let recovery = follower.last().recoveries.iter().rfind(is_proven).cloned();
    let recovery = recovery.context("the recovery has disappeared from the history")?;
    let url = follower.fleet.member(service)?.url();
    let new_pid = follower.client.pid(&url).await?;
    if new_pid == old_pid {
        bail!("{service} is said to have recovered, but it is still process {old_pid}");
    }
    Ok(Incident { service: service.to_owned(), fault, broken_at, old_pid, new_pid, recovery })
}

async fn carry_out(follower: &mut Follower<'_>, service: &str, fault: Break) -> Result<u32> {
    let member = follower.fleet.member(service)?;
    let instance = member.running().with_context(|| format!("{service} does not run"))?;
    let text = match fault {
        Break::Kill => {
            instance.signal(Signal::KILL)?;
            format!("killed: SIGKILL to pid {}", instance.pid)
        }
        Break::Hang => {
            follower.client.turn_knob(&member.url(), "hang").await?;
            format!("hangs: pid {} accepts connections and answers nothing", instance.pid)
        }
    };
    follower.say(&Line::new(service, Tone::Bad, text))?;
    Ok(instance.pid)
}
