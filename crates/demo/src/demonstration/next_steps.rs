//! What a person can do once the story is told.

use std::io;

use super::fleet::Fleet;
use crate::terminal::Terminal;

/// Shows what a person can do now.
pub(super) fn next_steps(terminal: &mut Terminal, fleet: &Fleet, monitor: &str) -> io::Result<()> {
    terminal.heading("Look around")?;
    for route in
        ["service-status", "statistics", "recovery-history", "'error-history?service=crypto-prediction'"]
    {
        let url = match route.strip_prefix('\'') {
            Some(rest) => format!("'{monitor}/{rest}"),
            None => format!("{monitor}/{route}"),
        };
        terminal.show(&format!("  curl {url}"))?;
    }
    terminal.heading("Heal by hand")?;
    terminal.show(&format!("  curl -X POST {monitor}/trigger-heal/video-generation"))?;
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
    terminal.show(&format!("  {directory}/health-monitor.yaml   its configuration"))?;
    terminal.show(&format!("  {directory}/health-monitor.log    its log; each service has one beside it"))?;
    terminal.show(&format!("  {directory}/health-monitor/       its data"))?;
    terminal.heading("Ctrl-C ends all processes and removes the files.")?;
    terminal.show("")
}
