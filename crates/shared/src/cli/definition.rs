//! The commands and flags that exist.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::Shell;

use super::Program;
use crate::config::arguments;

const PRECEDENCE: &str = "\
Every setting is a flag, an environment variable and a key of the file. The strongest wins: flag, variable,
file named by a variable that ends in _FILE, configuration file, default.";

const AFTER_SHORT_HELP: &str = "Use --help for all settings, examples and exit codes.";

pub(super) fn definition(program: &Program, own: impl IntoIterator<Item = Command>) -> Command {
    let Program { name, about, serve, examples, exit_codes, settings, .. } = *program;
    let after_help = format!(
        "Examples:\n{examples}\n\n{PRECEDENCE}\n\nExit codes: {exit_codes}\n\nRead more: docs/configuration.md"
    );
    Command::new(name)
        .version(program.version())
        .about(about)
        .after_help(AFTER_SHORT_HELP)
        .after_long_help(after_help)
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
        .args(arguments(settings))
        .subcommand(Command::new("serve").about(format!("{serve}; the default")))
        .subcommands(own)
        .subcommand(config())
        .subcommand(setup(name))
        .subcommand(
            Command::new("healthcheck")
                .about("Ask the running daemon whether it is well; for a container's health check"),
        )
        .subcommand(Command::new("openapi").about("Print the OpenAPI document of the API, as JSON"))
        .subcommand(completions(name))
        .subcommand(man(name))
}

fn setup(name: &str) -> Command {
    Command::new("setup")
        .about("Prepare Elasticsearch (index templates and aliases) and Kibana (dashboards); doing it again does no harm")
        .after_help(format!(
            "Example:\n  {name} setup --wait 300 --elasticsearch-url http://localhost:9200 --kibana-url http://localhost:5601"
        ))
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
                .help("Wait for them to come up, so long at most; 300 where no number is given")
                .num_args(0..=1)
                .default_missing_value("300")
                .value_parser(value_parser!(u64).range(0..=86_400)),
        )
}

fn completions(name: &str) -> Command {
    let path = format!("~/.local/share/bash-completion/completions/{name}");
    Command::new("completions")
        .about("Print the completions of a shell; install them as it wants them")
        .after_help(format!("Example:\n  {name} completions bash > {path}"))
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .help("The shell")
                .required(true)
                .value_parser(value_parser!(Shell)),
        )
}

fn man(name: &str) -> Command {
    Command::new("man")
        .about("Print the manual page, or write the pages of all commands into a directory")
        .after_help(format!("Example:\n  {name} man | man -l -"))
        .arg(
            Arg::new("directory")
                .value_name("DIRECTORY")
                .help("An existing directory; gets one page for each command")
                .value_parser(value_parser!(PathBuf)),
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
