//! The command line of `backtest`.

use std::path::PathBuf;

use clap::{Arg, Command, value_parser};

/// The command.
pub(crate) const NAME: &str = "backtest";

const EXAMPLES: &str = r#"What would have been recommended, and with another threshold?
  self-evolution backtest --usage usage.ndjson
  self-evolution backtest --usage usage.ndjson --optimization-threshold 0.25 --analysis-interval 900

The usage has a line for each request, as POST /collect-usage takes it; here it needs its time
  {"service":"shop","endpoint":"/cart","response_time":0.31,"status_code":200,"timestamp":"2026-11-24T10:00:00Z"}

From an access log, whatever its age
  self-evolution ingest --dry-run --all --service shop access.log | self-evolution backtest --usage -

Was it worth it? Changes that were made meanwhile are judged as the daemon judges its own
  echo '{"at":"2026-11-24T12:00:00Z","service":"shop","action":"enabled_caching"}' > changes.ndjson
  self-evolution backtest --usage usage.ndjson --changes changes.ndjson | jq 'select(.type == "change_judged")'

How often would it be wrong? What it applies by itself changes nothing in a log, so that a verdict of better is false
  self-evolution backtest --usage usage.ndjson --auto-apply-optimizations | jq 'select(.type == "summary").verdicts'

It prints one JSON object a line: findings, recommendations, changes, trials and verdicts with their time, as GET /events of
the daemon has them, and a summary at the end. The same file gives the same bytes. Nothing is sent, changed or kept anywhere.
The settings of the analysis are flags, variables and keys of the file as the daemon has them.
Exit codes: 0 done; 1 it failed, or no line could be used; 2 the command line was not understood; 64 the configuration cannot
be used. Read more: docs/self-evolution.md, Backtest."#;

/// What `backtest` takes.
pub(crate) fn command() -> Command {
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").help(help).value_parser(value_parser!(PathBuf))
    };
    Command::new(NAME)
        .about("Try the settings on usage of the past: what would be found, recommended, changed and judged")
        .after_help("Use --help for examples, and for all settings.")
        .after_long_help(EXAMPLES)
        .arg(
            file(
                "usage",
                "Usage, one JSON object a line, compressed with gzip or not; - for the standard input",
            )
            .required(true),
        )
        .arg(file("changes", "Changes that were made meanwhile, one {at, service, action} a line"))
}
