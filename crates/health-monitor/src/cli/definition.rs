//! What this daemon's command line has beside what both have.

use clap::{Arg, Command};
use shared::order::ServiceName;

use super::PROGRAM;

pub(super) const EXAMPLES: &str = "\
  health-monitor                                     watch the seven default services
  health-monitor --config monitor.yaml               watch what the file names
  health-monitor --healing-mode dry_run              record what would be done, and do nothing
  health-monitor check web                           probe one service now
  health-monitor config print                        every setting, its value and where it came from
  health-monitor setup --wait                        prepare Elasticsearch, once it is up
  health-monitor config schema > schema.json         for editors that complete and check YAML";

pub(super) const EXIT_CODES: &str = "\
0 done; 1 it failed, or a checked service is not healthy; 2 the command line was not understood;
64 the configuration cannot be used.";

/// The whole command line.
pub fn definition() -> Command {
    PROGRAM.definition([check()])
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
