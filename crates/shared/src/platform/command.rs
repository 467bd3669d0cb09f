//! Orders carried out by programs on this host: argument vectors, never a shell of ours.

mod run;

use std::time::Duration;

pub use self::run::{Ended, Program, run};
use super::{CommandSettings, FileUpdate, INSPECT_LIMIT, InvalidPlatform, one_line};
use crate::order::{Action, Observed, Order, Performed, ServiceName, Unreachable};
use crate::redact::redact;

/// The longest identity that an inspection may print: enough for a process id with its start time, little
/// enough to be recorded with every reading.
const IDENTITY_LIMIT: usize = 256;

/// How much of a program's output is quoted, from its end: the last lines are the ones that say why.
const QUOTED: usize = 2 * 1024;

/// Programs that restart and identify a service.
///
/// They see `PATH`, `HOME` and `LANG` of this process, and `SERVICE`, `ACTION` and `RECOVERY_ID`; nothing else,
/// so that no secret of ours reaches them. A program that leaves a daemon behind should give it an output of its
/// own: once this process ends nobody reads what was inherited.
#[derive(Debug)]
pub struct Command {
    restart: Vec<String>,
    inspect: Option<Vec<String>>,
    timeout: Duration,
    pub(super) update: Option<FileUpdate>,
}

impl Command {
    /// Checks that there is something to run; whether it exists shows when it is run.
    pub fn new(settings: &CommandSettings) -> Result<Self, InvalidPlatform> {
        for (purpose, argv) in [("restart", Some(&settings.restart)), ("inspect", settings.inspect.as_ref())]
        {
            let Some(argv) = argv else { continue };
            if argv.first().is_none_or(|program| program.trim().is_empty()) {
                return Err(InvalidPlatform { reason: format!("the {purpose} command names no program") });
            }
        }
        let CommandSettings { restart, inspect, timeout, update } = settings.clone();
        if let Some(file) = &update {
            file.check()?;
        }
        Ok(Self { restart, inspect, timeout, update })
    }

    /// The program that restarts, without its arguments.
    pub(super) fn program(&self) -> &str {
        self.restart.first().map_or("", String::as_str)
    }

    /// Carries an order out.
    pub(super) async fn perform(&self, order: &Order) -> Performed {
        match order.action {
            Action::Restart => self.restart(order).await,
            Action::Recreate | Action::UpdateConfiguration | Action::Webhook => {
                super::not_ours("a recovery command", order.action)
            }
        }
    }

    async fn restart(&self, order: &Order) -> Performed {
        let action = order.action.as_str();
        let tried = format!("{action} {} by running {}", order.service, self.program());
        let recovery_id = order.id.to_string();
        let program = Program {
            argv: filled_in(&self.restart, &order.service),
            environment: &[
                ("SERVICE", order.service.as_str()),
                ("ACTION", action),
                ("RECOVERY_ID", &recovery_id),
            ],
            limit: self.timeout,
        };
        match run(program).await {
            Ended::NotStarted { cause } => Performed::NotRun {
                reason: format!("{tried}: {cause}; check the restart command and the PATH of this process"),
            },
            Ended::Exited { status, .. } if status.success() => Performed::Accepted,
            Ended::Exited { status, stdout, stderr } => Performed::Failed {
                reason: format!("{tried}: it ended with {status}{}", quoted(&stdout, &stderr)),
            },
            Ended::Killed { stdout, stderr } => Performed::Unknown {
                reason: format!(
                    "{tried}: killed after {} s, it may have had an effect{}",
                    self.timeout.as_secs_f32(),
                    quoted(&stdout, &stderr)
                ),
            },
            Ended::Lost { cause } => Performed::Unknown {
                reason: format!("{tried}: its end could not be awaited: {cause}; it may have had an effect"),
            },
        }
    }

    /// Runs the program that identifies the instance; without one nothing is known of it.
    pub(super) async fn inspect(&self, service: &ServiceName) -> Result<Observed, Unreachable> {
        let Some(inspect) = &self.inspect else {
            return Ok(Observed::default());
        };
        let tried = format!("inspect {service} by running {}", inspect.first().map_or("", String::as_str));
        let limit = self.timeout.min(INSPECT_LIMIT);
        let program = Program {
            argv: filled_in(inspect, service),
            environment: &[("SERVICE", service.as_str()), ("ACTION", "inspect")],
            limit,
        };
        let reason = match run(program).await {
            Ended::Exited { status, stdout, .. } if status.success() => match observed(&stdout) {
                Ok(observed) => return Ok(observed),
                Err(fault) => format!("{tried}: {fault}"),
            },
            Ended::Exited { status, stdout, stderr } => {
                format!("{tried}: it ended with {status}{}", quoted(&stdout, &stderr))
            }
            Ended::NotStarted { cause } => {
                format!("{tried}: {cause}; check the inspect command and the PATH of this process")
            }
            Ended::Killed { stdout, stderr } => {
                format!("{tried}: killed after {} s{}", limit.as_secs_f32(), quoted(&stdout, &stderr))
            }
            Ended::Lost { cause } => format!("{tried}: its end could not be awaited: {cause}"),
        };
        Err(Unreachable { reason })
    }
}

/// The arguments with the service's name in them. Its form is checked and no shell reads it.
fn filled_in(argv: &[String], service: &ServiceName) -> Vec<String> {
    argv.iter().map(|argument| argument.replace("{service}", service.as_str())).collect()
}

fn observed(stdout: &[u8]) -> Result<Observed, String> {
    let printed = one_line(stdout);
    if printed.len() > IDENTITY_LIMIT {
        // A cut identity could hide the very part that changes.
        return Err(format!("it printed {} bytes, an identity has at most {IDENTITY_LIMIT}", printed.len()));
    }
    let running = !printed.is_empty();
    Ok(Observed {
        identity: running.then_some(printed),
        running: Some(running),
        started_at: None,
        detail: None,
        ..Observed::default()
    })
}

/// The end of what a program wrote as `: text`, of its errors rather than of its output; empty if it was silent.
/// Secrets are taken out before it is cut, or the rest of one could be left.
fn quoted(stdout: &[u8], stderr: &[u8]) -> String {
    let [stdout, stderr] = [stdout, stderr].map(|written| {
        let text = one_line(redact(&String::from_utf8_lossy(written)).as_bytes());
        let cut = text.ceil_char_boundary(text.len().saturating_sub(QUOTED));
        text[cut..].to_owned()
    });
    let text = if stderr.is_empty() { stdout } else { stderr };
    if text.is_empty() { text } else { format!(": {text}") }
}

impl Ended {
    /// The end of what the program wrote as `: text`, without secrets; empty if it was silent.
    pub fn said(&self) -> String {
        match self {
            Self::Exited { stdout, stderr, .. } | Self::Killed { stdout, stderr } => quoted(stdout, stderr),
            Self::NotStarted { .. } | Self::Lost { .. } => String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
