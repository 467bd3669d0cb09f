//! The commands and flags that exist.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::Shell;
use shared::config::arguments;
use shared::order::ServiceName;

use crate::config::SETTINGS;

/// The version of the daemon, with the revision in parentheses where the build was told it.
pub fn version() -> String {
    match option_env!("GIT_REVISION") {
        Some(revision) if !revision.is_empty() => format!("{} ({revision})", env!("CARGO_PKG_VERSION")),
        Some(_) | None => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

const AFTER_HELP: &str = "\
Examples:
  health-monitor                                     watch the seven default services
  health-monitor --config monitor.yaml               watch what the file names
  health-monitor --healing-mode dry_run              record what would be done, and do nothing
  health-monitor check web                           probe one service now
  health-monitor config print                        every setting, its value and where it came from
  health-monitor setup --wait                        prepare Elasticsearch, once it is up
  health-monitor config schema > schema.json         for editors that complete and check YAML

Every setting is a flag, an environment variable and a key of the file. The strongest wins: flag, variable,
file named by a variable that ends in _FILE, configuration file, default.

Exit codes: 0 done; 1 it failed, or a checked service is not healthy; 2 the command line was not understood;
64 the configuration cannot be used.

Read more: docs/configuration.md";

const AFTER_SHORT_HELP: &str = "Use --help for all settings, examples and exit codes.";

/// The whole command line. Flags for settings come from the table of settings.
pub fn definition() -> Command {
    Command::new("health-monitor")
        .version(version())
        .about("Watches services, heals the ones that fail, and proves the recovery")
        .after_help(AFTER_SHORT_HELP)
        .after_long_help(AFTER_HELP)
        .subcommand_help_heading("Commands")
        .disable_help_subcommand(true)
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .help("Configuration file, YAML [env: CONFIG_FILE]")
                .value_parser(value_parser!(PathBuf))
                .global(true),
        )
        .args(arguments(&SETTINGS))
        .subcommand(Command::new("serve").about("Watch and heal until told to stop; the default"))
        .subcommand(check())
        .subcommand(config())
        .subcommand(setup())
        .subcommand(
            Command::new("healthcheck")
                .about("Ask the running daemon whether it is well; for a container's health check"),
        )
        .subcommand(Command::new("openapi").about("Print the OpenAPI document of the API, as JSON"))
        .subcommand(completions())
        .subcommand(man())
}

fn setup() -> Command {
    Command::new("setup")
        .about("Prepare Elasticsearch: index templates and aliases; doing it again does no harm")
        .after_help("Example:\n  health-monitor setup --wait 300 --elasticsearch-url http://localhost:9200")
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .help("Only show what would be done")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("wait")
                .long("wait")
                .value_name("SECONDS")
                .help("Wait for Elasticsearch to come up, so long at most; 300 where no number is given")
                .num_args(0..=1)
                .default_missing_value("300")
                .value_parser(value_parser!(u64).range(0..=86_400)),
        )
}

fn completions() -> Command {
    Command::new("completions")
        .about("Print the completions of a shell; install them as it wants them")
        .after_help("Example:\n  health-monitor completions bash > ~/.local/share/bash-completion/completions/health-monitor")
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .help("The shell")
                .required(true)
                .value_parser(value_parser!(Shell)),
        )
}

fn man() -> Command {
    Command::new("man")
        .about("Print the manual page, or write the pages of all commands into a directory")
        .after_help("Example:\n  health-monitor man | man -l -")
        .arg(
            Arg::new("directory")
                .value_name("DIRECTORY")
                .help("An existing directory; gets one page for each command")
                .value_parser(value_parser!(PathBuf)),
        )
}

fn check() -> Command {
    Command::new("check")
        .about("Probe once and show the result; exit code 1 when a service is not healthy")
        .arg(
            Arg::new("service")
                .value_name("SERVICE")
                .help("The one service to probe; all where it is left out")
                .value_parser(|name: &str| ServiceName::new(name)),
        )
}

fn config() -> Command {
    Command::new("config")
        .about("Look at the configuration without starting anything")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(Command::new("check").about("Say whether it can be used, and everything that is wrong"))
        .subcommand(
            Command::new("print").about("Show every value with where it came from; secrets as ***").arg(
                Arg::new("format")
                    .long("format")
                    .value_name("FORMAT")
                    .help("How it is shown")
                    .value_parser(["text", "json"])
                    .default_value("text"),
            ),
        )
        .subcommand(Command::new("schema").about("Show the JSON Schema of the configuration file"))
}
