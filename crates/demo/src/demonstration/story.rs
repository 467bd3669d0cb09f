//! What is told, in which order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use shared::clock::Clock;

use super::follow::Follower;
use super::incident::{Break, Incident, break_and_follow};
use super::{Stage, evolution, report};
use crate::terminal::{Line, Terminal, Tone};

/// Time to read between two incidents.
const BREATH: Duration = Duration::from_secs(2);

/// Who is broken, and how.
const INCIDENTS: [(&str, Break); 2] = [("crypto-prediction", Break::Kill), ("image-generation", Break::Hang)];

/// Starts everything and tells both stories: two services break and are healed, and three are slow and are changed.
pub(super) async fn tell<'a>(
    stage: &'a mut Stage,
    terminal: &'a mut Terminal,
    clock: &Arc<Clock>,
) -> Result<Follower<'a>> {
    let directory = stage.fleet.directory().display();
    let text = format!("starting seven services as ten real processes; files in {directory}");
    terminal.say(&Line::new("demo", Tone::Plain, text))?;
    stage.fleet.start().await?;
    let mut follower = stage.start_daemons(terminal)?;
    introduce(&mut follower).await?;
    evolution::meet(&mut follower).await?;
    meet_the_monitor(&mut follower).await?;

    follower.terminal.heading("Services break, and health-monitor heals them")?;
    break_services(&mut follower, clock).await?;
    follower.terminal.heading("Services are slow, and self-evolution finds out what helps them")?;
    evolution::tell(&mut follower, clock).await?;
    Ok(follower)
}

/// Breaks two services, follows their recovery and shows the balance.
async fn break_services(follower: &mut Follower<'_>, clock: &Clock) -> Result<()> {
    let mut incidents: Vec<Incident> = Vec::new();
    for incident in INCIDENTS {
        follower.rest(BREATH).await?;
        incidents.push(break_and_follow(follower, clock, incident).await?);
    }
    follower.until("all services are healthy at the end", |now| is_all_well(now.statistics)).await?;
    let statistics = follower.last().statistics;
    report::incidents(follower.terminal, &incidents, statistics)?;
    Ok(())
}

async fn introduce(follower: &mut Follower<'_>) -> Result<()> {
    for member in follower.fleet.members() {
        let pid = follower.client.pid(&member.url()).await?;
        follower.narrator.introduce(member.name(), pid);
        follower.say(&Line::new(member.name(), Tone::Plain, format!("up: pid {pid}, {}", member.url())))?;
    }
    Ok(())
}

async fn meet_the_monitor(follower: &mut Follower<'_>) -> Result<()> {
    let monitor = &follower.daemons().monitor;
    let text = format!("started: pid {}, {}", monitor.pid(), monitor.url());
    follower.say(&Line::new("health-monitor", Tone::Plain, text))?;
    follower.until("all services are healthy", |now| is_all_well(now.statistics)).await?;
    let text = format!("finds all {} services healthy", follower.last().statistics.total_services);
    follower.say(&Line::new("health-monitor", Tone::Good, text))
}

fn is_all_well(statistics: super::api::Statistics) -> bool {
    statistics.total_services > 0 && statistics.healthy_services == statistics.total_services
}
