//! `config check`, `config print` and `config schema`.

use std::io::{self, Write};

use clap::ArgMatches;

use super::{Exit, Program};
use crate::config::{Faults, Group, Warning, json_schema, print_json, print_text};

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

impl ConfigCommand {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        match matches.subcommand() {
            Some(("print", matches)) => match matches.get_one::<String>("format").map(String::as_str) {
                Some("json") => Self::Print(PrintFormat::Json),
                Some(_) | None => Self::Print(PrintFormat::Text),
            },
            Some(("schema", _)) => Self::Schema,
            Some(_) | None => Self::Check,
        }
    }
}

/// A configuration as it is looked at.
#[derive(Debug)]
pub struct Looked {
    /// What is probably a mistake and did no harm.
    pub warnings: Vec<Warning>,
    /// Every value with where it came from.
    pub effective: Group,
    /// What it comes to, such as `services: 7`; may be empty.
    pub summary: String,
}

/// Carries out a look at the configuration that `load` reads. Results go to `out`, faults and warnings to `err`; the
/// error is one of writing.
pub fn run_config(
    program: &Program,
    command: ConfigCommand,
    load: impl FnOnce() -> Result<Looked, Faults>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let Program { name, settings, .. } = program;
    if command == ConfigCommand::Schema {
        // It names the schema in documents that refer to it; it is not an address.
        let id = format!("urn:{name}:configuration");
        let schema = json_schema(settings, &id, &format!("Configuration of {name}"));
        writeln!(out, "{schema:#}")?;
        return Ok(Exit::Ok);
    }
    let Looked { warnings, effective, summary } = match load() {
        Ok(looked) => looked,
        Err(faults) => {
            writeln!(err, "{faults}")?;
            return Ok(Exit::Configuration);
        }
    };
    for warning in &warnings {
        writeln!(err, "warning: {warning}")?;
    }
    match command {
        ConfigCommand::Check => {
            let separator = if summary.is_empty() { "" } else { ", " };
            writeln!(out, "the configuration can be used; {summary}{separator}warnings: {}", warnings.len())?;
        }
        ConfigCommand::Print(PrintFormat::Text) => print_text(settings, &effective, out)?,
        ConfigCommand::Print(PrintFormat::Json) => {
            writeln!(out, "{:#}", print_json(settings, &effective))?;
        }
        ConfigCommand::Schema => {}
    }
    Ok(Exit::Ok)
}
