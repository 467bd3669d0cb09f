//! `config check`, `config print` and `config schema`.

use std::io::{self, Write};

use shared::config::{Sources, json_schema, print_json, print_text};

use super::{ConfigCommand, Exit, PrintFormat};
use crate::config::{Config, Loading, SETTINGS};

/// Names the schema in documents that refer to it; it is not an address.
const SCHEMA_ID: &str = "urn:health-monitor:configuration";

/// Carries out a look at the configuration. Results go to `out`, faults and warnings to `err`; the error is
/// one of writing.
pub fn run_config(
    command: ConfigCommand,
    sources: &Sources,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    if command == ConfigCommand::Schema {
        let schema = json_schema(&SETTINGS, SCHEMA_ID, "Configuration of health-monitor");
        writeln!(out, "{schema:#}")?;
        return Ok(Exit::Ok);
    }
    let loading = match Config::load(sources) {
        Ok(loading) => loading,
        Err(faults) => {
            writeln!(err, "{faults}")?;
            return Ok(Exit::Configuration);
        }
    };
    for warning in &loading.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    match command {
        ConfigCommand::Check => check(&loading, out)?,
        ConfigCommand::Print(PrintFormat::Text) => print_text(&SETTINGS, &loading.effective, out)?,
        ConfigCommand::Print(PrintFormat::Json) => {
            writeln!(out, "{:#}", print_json(&SETTINGS, &loading.effective))?;
        }
        ConfigCommand::Schema => {}
    }
    Ok(Exit::Ok)
}

fn check(loading: &Loading, out: &mut dyn Write) -> io::Result<()> {
    let services = loading.config.policy.services.len();
    writeln!(out, "the configuration can be used; services: {services}, warnings: {}", loading.warnings.len())
}
