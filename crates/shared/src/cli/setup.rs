//! Prepares Elasticsearch from the command line: templates and aliases, as often as one likes.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use super::Exit;
use crate::clock::{Clock, Timestamp};
use crate::elasticsearch::{Client, ElasticsearchSettings, Planned, SetupError, Stream, plan, setup};
use indicatif::{ProgressBar, ProgressStyle};

/// Pause between two attempts to reach the server.
const AGAIN: Duration = Duration::from_secs(1);

/// How Elasticsearch is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SetupOptions {
    /// Only shows what would be done.
    pub dry_run: bool,
    /// Waits so long for the server to come up; none = not at all.
    pub wait: Option<Duration>,
}

/// Sets Elasticsearch up for these streams, and shows each thing that was made, renewed or there already.
pub async fn set_up(
    settings: &ElasticsearchSettings,
    streams: &[Stream],
    options: SetupOptions,
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let client = match Client::new(settings) {
        Ok(client) => client,
        Err(error) => return failed(&error.to_string()),
    };
    let clock = Arc::new(Clock::starting_after(Timestamp::default()));
    let outcome = patiently(&client, streams, &clock, options).await;
    let planned = match outcome {
        Ok(planned) => planned,
        Err(error) => return failed(&error.to_string()),
    };
    for one in &planned {
        writeln!(out, "{}{one}", if options.dry_run { "would " } else { "" })?;
    }
    Ok(Exit::Ok)
}

fn failed(reason: &str) -> io::Result<Exit> {
    writeln!(io::stderr(), "{reason}")?;
    Ok(Exit::Failed)
}

/// Tries again while the server is not there, as long as it may take.
async fn patiently(
    client: &Client,
    streams: &[Stream],
    clock: &Clock,
    options: SetupOptions,
) -> Result<Vec<Planned>, SetupError> {
    let until = clock.now() + options.wait.unwrap_or_default();
    let waiting = waiting(client.name());
    loop {
        let now = clock.now();
        let outcome = match options.dry_run {
            true => plan(client, streams, now).await,
            false => setup(client, streams, now).await,
        };
        match outcome {
            Err(SetupError::Down(reason)) if clock.now() < until => {
                waiting.set_message(reason);
                tokio::time::sleep(AGAIN).await;
            }
            other => {
                waiting.finish_and_clear();
                return other;
            }
        }
    }
}

/// Shows on a terminal that something is waited for, and for what.
fn waiting(server: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} waiting for {prefix} ({elapsed}): {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style).with_prefix(server.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
