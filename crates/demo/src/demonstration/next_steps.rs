//! What a person can do once the story is told.

use std::io;

use super::fleet::Fleet;
use super::process::Daemons;
use crate::terminal::Terminal;

/// The routes worth a look first. One with a question mark is quoted, because shells take it for a pattern.
const OF_MONITOR: [&str; 4] =
    ["/service-status", "/statistics", "/recovery-history", "/error-history?service=crypto-prediction"];
const OF_EVOLUTION: [&str; 4] = ["/recommendations", "/changes", "/settings", "/rollback-history"];

/// Shows what a person can do now.
pub(super) fn next_steps(terminal: &mut Terminal, fleet: &Fleet, daemons: &Daemons) -> io::Result<()> {
    let (monitor, evolution) = (daemons.monitor.url(), daemons.evolution.url());
    terminal.heading("Look around")?;
    for (daemon, routes) in [(monitor, OF_MONITOR), (evolution, OF_EVOLUTION)] {
        for route in routes {
            let quote = if route.contains('?') { "'" } else { "" };
            terminal.show(&format!("  curl {quote}{daemon}{route}{quote}"))?;
        }
    }
    terminal.heading("Heal by hand")?;
    terminal.show(&format!("  curl -X POST {monitor}/trigger-heal/video-generation"))?;
    make_slow(terminal, fleet, evolution)?;
    terminal.heading("Break something; what happens appears below")?;
    for (service, order) in [
        ("orchestrator", "kill"),
        ("fraud-detection", "errors?rate=1&status=503"),
        ("auto-scaler", "hang"),
        ("api-gateway", "refuse"),
        ("image-generation", "crash"),
    ] {
        let Ok(member) = fleet.member(service) else {
            continue;
        };
        let command = match member.running().filter(|_| order == "kill") {
            Some(instance) => format!("kill -9 {}", instance.pid),
            None => format!("curl -X POST '{}/fault/{order}'", member.url()),
        };
        terminal.show(&format!("  {command:70} # {service}"))?;
    }
    terminal.heading("Files, until the end")?;
    let directory = fleet.directory().display();
    terminal.show(&format!("  {directory}/"))?;
    for (name, what) in [
        ("health-monitor.yaml", "its configuration; likewise self-evolution.yaml"),
        ("health-monitor.log", "its log; self-evolution and each service have one beside it"),
        ("health-monitor/", "its data; likewise self-evolution/"),
    ] {
        terminal.show(&format!("    {name:22}{what}"))?;
    }
    terminal.heading("Ctrl-C ends all processes and removes the files.")?;
    terminal.show("")
}

/// How another service becomes slow, and quick again.
fn make_slow(terminal: &mut Terminal, fleet: &Fleet, evolution: &str) -> io::Result<()> {
    let Ok(member) = fleet.member("video-generation") else {
        return Ok(());
    };
    let url = member.url();
    terminal.heading("Make a service slow, and quick again")?;
    for command in [
        format!("curl -X POST {url}/fault/uncached"),
        format!(
            "seq 12 | xargs -P 12 -I{{}} curl -s -X POST {url}/generate -d a-cat   # once it is applied, quick from the second time on"
        ),
        format!("curl -X POST {evolution}/analyze   # a second later; it gives an id"),
        format!("curl -X POST {evolution}/apply-optimization/ID"),
        format!("curl -X POST {evolution}/rollback/ID"),
    ] {
        terminal.show(&format!("  {command}"))?;
    }
    Ok(())
}
