//! What is shown when a story is told: what happened, as a table.

use std::io;
use std::time::Duration;

use super::api::Statistics;
use super::evolution::{Expected, Outcome};
use super::incident::Incident;
use super::narrator::seconds;
use crate::terminal::Terminal;

/// Shows a row per incident, and the mean time to recover.
pub(super) fn incidents(terminal: &mut Terminal, incidents: &[Incident], now: Statistics) -> io::Result<()> {
    terminal.heading("What happened")?;
    let heads = ["service", "fault", "detected after", "action took", "time to recover", "process"];
    terminal.show(&row(heads.map(str::to_owned)))?;
    for incident in incidents {
        terminal.show(&row(cells(incident)))?;
    }
    let measured = mean(incidents.iter().filter_map(time_to_recover));
    let reported = mean(incidents.iter().filter_map(|incident| incident.recovery.time_to_recover_seconds));
    for line in [
        format!("\nMean time to recover (MTTR) {}, from the fault to the proof.", seconds(measured)),
        format!("health-monitor counts from its first failed check and reports {}.", seconds(reported)),
        "An action is counted from the decision, with the last check before it.".to_owned(),
        format!("{} of {} services are healthy.", now.healthy_services, now.total_services),
    ] {
        terminal.show(&line)?;
    }
    Ok(())
}

/// Shows how services fared without a change and with it, and what was said of it.
pub(super) fn changes(terminal: &mut Terminal, outcomes: &[Outcome], recorded: u64) -> io::Result<()> {
    terminal.heading("What was changed")?;
    let heads = ["before", "with it", "failed", "expected", "measured"].map(|head| format!("{head:>10}"));
    terminal.show(&format!("  {:19}{:30}{}  {}", "service", "change", heads.concat(), "verdict"))?;
    for outcome in outcomes {
        let Outcome { plot, change, before, with_it, estimated, measured, .. } = outcome;
        let verdict = match plot.expected {
            Expected::Kept => "kept",
            Expected::Harmful => "taken back",
            Expected::KeptByTest => "kept, by a test of its instances",
        };
        let percent = |part: f64| format!("{:.0} %", part * 100.0);
        let figures = [
            seconds(Some(before.mean())),
            seconds(Some(with_it.mean())),
            with_it.failed.to_string(),
            percent(*estimated),
            measured.map_or_else(|| "-".to_owned(), percent),
        ]
        .map(|figure| format!("{figure:>10}"));
        terminal.show(&format!("  {:19}{change:30}{}  {verdict}", plot.service, figures.concat()))?;
    }
    terminal.show("\nMean response times and failed requests as the users saw them; of the third service those with the cache and those\nwithout it together.")?;
    for Outcome { plot, verdict, .. } in outcomes {
        terminal.show(&format!("  {:19}{verdict}", plot.service))?;
    }
    terminal
        .show(&format!("\nself-evolution has recorded {recorded} requests, as the services reported them."))
}

fn cells(incident: &Incident) -> [String; 6] {
    let recovery = &incident.recovery;
    let since = |from: Option<_>, to: Option<_>| from.zip(to).map(|(from, to)| in_seconds(to, from));
    let detected = since(Some(incident.broken_at), recovery.detected_at);
    let took = since(recovery.started_at, recovery.accepted_at);
    [
        incident.service.clone(),
        incident.fault.as_str().to_owned(),
        seconds(detected),
        seconds(took),
        seconds(time_to_recover(incident)),
        format!("{} -> {}", incident.old_pid, incident.new_pid),
    ]
}

fn row([service, fault, detected, took, recovered, process]: [String; 6]) -> String {
    format!("  {service:19}{fault:19}{detected:>14}{took:>14}{recovered:>17}   {process}")
}

fn time_to_recover(incident: &Incident) -> Option<f64> {
    incident.recovery.verified_at.map(|verified_at| in_seconds(verified_at, incident.broken_at))
}

fn in_seconds(to: shared::clock::Timestamp, from: shared::clock::Timestamp) -> f64 {
    Duration::as_secs_f64(&to.since(from))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
