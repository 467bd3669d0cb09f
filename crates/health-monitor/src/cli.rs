//! The command line: what was asked for, and with which configuration.

mod definition;

use std::ffi::OsString;

use clap::ArgMatches;
use shared::cli::{Command as Common, Looked, Program};
use shared::config::{Faults, Sources};
use shared::order::ServiceName;

use crate::config::{Loading, SETTINGS};
use crate::labels;

pub use definition::definition;

/// The daemon's executable.
pub const PROGRAM: Program = Program {
    name: "health-monitor",
    version: env!("CARGO_PKG_VERSION"),
    revision: option_env!("GIT_REVISION"),
    about: "Watches services, heals the ones that fail, and proves the recovery",
    serve: "Watch and heal until told to stop",
    examples: definition::EXAMPLES,
    exit_codes: definition::EXIT_CODES,
    settings: &SETTINGS,
};

/// What the daemon is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// What every daemon can be asked to do.
    Common(Common),
    /// Probe once, all services or one, and show the result.
    Check {
        /// The one service; all where there is none.
        service: Option<ServiceName>,
    },
}

/// A command line that was understood.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    matches: ArgMatches,
}

impl Invocation {
    /// What the configuration is to be read from, this environment among it.
    pub fn sources(&self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Sources {
        PROGRAM.sources(&self.matches, environment)
    }
}

/// Reads a command line, the program's name first. The error is also what `--help` and `--version` give:
/// print it and exit with its own code, 0 or 2.
pub fn parse<I, T>(args: I) -> Result<Invocation, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let matches = definition().try_get_matches_from(args)?;
    let command = match matches.subcommand() {
        Some(("check", matches)) => Command::Check { service: matches.get_one("service").cloned() },
        // The definition lets no other word through.
        Some(_) | None => Command::Common(Common::of(&matches).unwrap_or(Common::Serve)),
    };
    Ok(Invocation { command, matches })
}

/// The configuration as the commands that look at it show it, with what labels ask for.
pub(crate) fn look(sources: &Sources) -> Result<Looked, Faults> {
    let labels::Labelling { loading, services, unread } = labels::load(sources)?;
    let Loading { config, warnings, effective } = loading;
    let watched = &config.policy.services;
    let by_labels: Vec<&str> =
        watched.iter().skip(watched.len() - services).map(|service| service.name.as_str()).collect();
    let labels = match (unread, by_labels.as_slice()) {
        (Some(reason), _) => format!(" (without those of labels, which could not be read: {reason})"),
        (None, []) => String::new(),
        (None, names) => format!(" ({} by labels of containers: {})", names.len(), names.join(", ")),
    };
    Ok(Looked { warnings, effective, summary: format!("services: {}{labels}", watched.len()) })
}

#[cfg(test)]
mod tests;
