//! The command line: what was asked for, and with which configuration.

mod config_commands;
mod definition;
mod documents;
mod exit;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap_complete::Shell;
use shared::config::{Sources, given_flags};
use shared::order::ServiceName;

use crate::config::SETTINGS;
use crate::setup::SetupOptions;

pub use config_commands::run_config;
pub use definition::{definition, version};
pub use documents::{print_completions, print_manual, print_openapi};
pub use exit::Exit;

/// What the daemon is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Watch and heal until told to stop.
    Serve,
    /// Probe once, all services or one, and show the result.
    Check {
        /// The one service; all where there is none.
        service: Option<ServiceName>,
    },
    /// Look at the configuration without starting anything.
    Config(ConfigCommand),
    /// Prepare Elasticsearch.
    Setup(SetupOptions),
    /// Ask the running daemon whether it is well, for a container's health check.
    Healthcheck,
    /// Print the OpenAPI document.
    OpenApi,
    /// Print the completions of a shell.
    Completions(Shell),
    /// Print the manual page, or write all pages.
    Manual {
        /// Where all pages are written to; the one page is printed where there is none.
        directory: Option<PathBuf>,
    },
}

/// How the configuration is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigCommand {
    /// Say whether it can be used.
    Check,
    /// Show every value with where it came from.
    Print(PrintFormat),
    /// Show the JSON Schema of the file.
    Schema,
}

/// How the configuration is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrintFormat {
    /// YAML with a comment on each line.
    Text,
    /// One JSON object.
    Json,
}

/// A command line that was understood.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// Settings that were given as flags: key and value. No secret can be among them.
    flags: BTreeMap<String, String>,
    /// The configuration file that a flag named.
    config: Option<PathBuf>,
}

impl Invocation {
    /// What the configuration is to be read from: the flags, this environment, and the file that `--config`
    /// or, weaker, `CONFIG_FILE` names.
    pub fn sources(&self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Sources {
        let environment: Vec<_> = environment.into_iter().collect();
        let named = environment.iter().find(|(name, value)| name == "CONFIG_FILE" && !value.is_empty());
        let file = self.config.clone().or_else(|| named.map(|(_, value)| PathBuf::from(value)));
        Sources { flags: self.flags.clone(), environment, file }
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
    Ok(Invocation {
        command: command(&matches),
        flags: given_flags(&SETTINGS, &matches),
        config: matches.get_one::<PathBuf>("config").cloned(),
    })
}

fn command(matches: &ArgMatches) -> Command {
    match matches.subcommand() {
        Some(("check", matches)) => Command::Check { service: matches.get_one("service").cloned() },
        Some(("config", matches)) => Command::Config(config_command(matches)),
        Some(("setup", matches)) => Command::Setup(SetupOptions {
            dry_run: matches.get_flag("dry-run"),
            wait: matches.get_one("wait").copied().map(Duration::from_secs),
        }),
        Some(("healthcheck", _)) => Command::Healthcheck,
        Some(("openapi", _)) => Command::OpenApi,
        Some(("completions", matches)) => {
            Command::Completions(matches.get_one("shell").copied().unwrap_or(Shell::Bash))
        }
        Some(("man", matches)) => Command::Manual { directory: matches.get_one("directory").cloned() },
        // `serve`, and nothing at all; the definition lets no other word through.
        Some(_) | None => Command::Serve,
    }
}

fn config_command(matches: &ArgMatches) -> ConfigCommand {
    match matches.subcommand() {
        Some(("print", matches)) => match matches.get_one::<String>("format").map(String::as_str) {
            Some("json") => ConfigCommand::Print(PrintFormat::Json),
            Some(_) | None => ConfigCommand::Print(PrintFormat::Text),
        },
        Some(("schema", _)) => ConfigCommand::Schema,
        Some(_) | None => ConfigCommand::Check,
    }
}

#[cfg(test)]
mod tests;
