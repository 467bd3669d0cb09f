//! The command line that both daemons have: commands, settings as flags, help that teaches.

mod configuration;
mod definition;
mod documents;
mod exit;
mod healthcheck;
mod setup;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap_complete::Shell;

use crate::config::{Section, Sources, given_flags};

pub use configuration::{ConfigCommand, Looked, PrintFormat, run_config};
pub use documents::{print_completions, print_manual, print_openapi};
pub use exit::Exit;
pub use healthcheck::healthcheck;
pub use setup::{SetupOptions, WhatToSetUp, set_up};

/// A daemon's executable.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The revision that it was built from, where the build was told it.
    pub revision: Option<&'static str>,
    /// What it does: one sentence without the full stop.
    pub about: &'static str,
    /// What `serve` does.
    pub serve: &'static str,
    /// Command lines to learn from, each with what it does; shown by `--help`.
    pub examples: &'static str,
    /// What the exit codes say.
    pub exit_codes: &'static str,
    /// Everything that can be set.
    pub settings: &'static Section,
}

/// What every daemon can be asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Work until told to stop.
    Serve,
    /// Look at the configuration without starting anything.
    Config(ConfigCommand),
    /// Prepare Elasticsearch and Kibana.
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

impl Command {
    /// The command that was asked for; none where it is one of the daemon's own.
    pub fn of(matches: &ArgMatches) -> Option<Self> {
        Some(match matches.subcommand() {
            Some(("serve", _)) | None => Self::Serve,
            Some(("config", matches)) => Self::Config(ConfigCommand::of(matches)),
            Some(("setup", matches)) => Self::Setup(SetupOptions {
                dry_run: matches.get_flag("dry-run"),
                wait: matches.get_one("wait").copied().map(Duration::from_secs),
            }),
            Some(("healthcheck", _)) => Self::Healthcheck,
            Some(("openapi", _)) => Self::OpenApi,
            Some(("completions", matches)) => {
                Self::Completions(matches.get_one("shell").copied().unwrap_or(Shell::Bash))
            }
            Some(("man", matches)) => Self::Manual { directory: matches.get_one("directory").cloned() },
            Some(_) => return None,
        })
    }
}

impl Program {
    /// The version, with the revision in parentheses where the build was told it.
    pub fn version(&self) -> String {
        match self.revision {
            Some(revision) if !revision.is_empty() => format!("{} ({revision})", self.version),
            Some(_) | None => self.version.to_owned(),
        }
    }

    /// The whole command line, with commands of the daemon's own beside those that both have.
    pub fn definition(&self, own: impl IntoIterator<Item = clap::Command>) -> clap::Command {
        definition::definition(self, own)
    }

    /// What the configuration is to be read from: the flags, this environment, and the file that `--config` or, weaker,
    /// `CONFIG_FILE` names.
    pub fn sources(
        &self,
        matches: &ArgMatches,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Sources {
        let flags: BTreeMap<String, String> = given_flags(self.settings, matches);
        let environment: Vec<_> = environment.into_iter().collect();
        let named = environment.iter().find(|(name, value)| name == "CONFIG_FILE" && !value.is_empty());
        let flag = matches.get_one::<PathBuf>("config").cloned();
        let file = flag.or_else(|| named.map(|(_, value)| PathBuf::from(value)));
        Sources { flags, environment, file, ..Sources::default() }
    }
}
