//! The command line: what was asked for, and with which configuration.

use shared::cli::{Looked, Program};
use shared::config::{Faults, Sources};

use crate::config::{Config, Loading, SETTINGS};
use crate::{backtest, ingest};

/// The daemon's executable.
pub const PROGRAM: Program = Program {
    name: "self-evolution",
    version: env!("CARGO_PKG_VERSION"),
    revision: option_env!("GIT_REVISION"),
    about: "Learns from the usage of services, changes what is slow or failing, and takes back what does not help",
    serve: "Take usage in, analyse and recommend until told to stop",
    examples: EXAMPLES,
    exit_codes: EXIT_CODES,
    settings: &SETTINGS,
};

const EXAMPLES: &str = "\
  self-evolution                                     listen on port 5007
  self-evolution --auto-apply-optimizations          apply what matters without asking
  self-evolution --analysis-interval 300             analyse every five minutes
  self-evolution ingest --follow --service shop access.log
                                                     report what an access log tells
  self-evolution backtest --usage usage.ndjson       try the settings on usage of the past
  self-evolution config print                        every setting, its value and where it came from
  self-evolution setup --wait                        prepare Elasticsearch, once it is up";

const EXIT_CODES: &str = "\
0 done; 1 it failed; 2 the command line was not understood; 64 the configuration
cannot be used.";

/// The whole command line.
pub fn definition() -> clap::Command {
    PROGRAM.definition([ingest::command(), backtest::command()])
}

/// The configuration as the commands that look at it show it.
pub(crate) fn look(sources: &Sources) -> Result<Looked, Faults> {
    let Loading { warnings, effective, .. } = Config::load(sources)?;
    Ok(Looked { warnings, effective, summary: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        definition().debug_assert();
    }

    #[test]
    fn help_teaches_examples_exit_codes_and_every_setting() {
        let mut definition = definition();
        let help = definition.render_long_help().to_string();
        for part in ["Examples:", "Exit codes:", "docs/configuration.md", "Analysis:"] {
            assert!(help.contains(part), "{part}");
        }
        for setting in SETTINGS.settings() {
            assert!(help.contains(&format!("--{}", setting.flag())), "{}", setting.key);
        }
    }
}
