//! Prepares Elasticsearch and Kibana from the command line, as often as one likes.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use super::Exit;
use crate::clock::{Clock, Timestamp};
use crate::config::foundation::Foundation;
use crate::elasticsearch::{Client, InvalidSettings, Planned, SetupError, Stream, plan, setup};
use crate::kibana::Kibana;
use indicatif::{ProgressBar, ProgressStyle};

/// Pause between two attempts to reach a server.
const AGAIN: Duration = Duration::from_secs(1);

/// How Elasticsearch and Kibana are set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SetupOptions {
    /// Only shows what would be done.
    pub dry_run: bool,
    /// Waits so long for the servers to come up; none = not at all.
    pub wait: Option<Duration>,
}

/// What is set up, and where.
#[derive(Clone, Copy, Debug)]
pub struct WhatToSetUp<'a> {
    /// The daemon's name, which its dashboard has too.
    pub daemon: &'a str,
    /// Where the servers are.
    pub foundation: &'a Foundation,
    /// The streams of its documents.
    pub streams: &'a [Stream],
}

/// Sets Elasticsearch up for these streams, and imports the dashboards where Kibana is named. Shows each thing that was
/// made, renewed, imported or there already. Both servers are looked at before anything is changed.
pub async fn set_up(what: WhatToSetUp<'_>, options: SetupOptions, out: &mut dyn Write) -> io::Result<Exit> {
    let (client, kibana) = match connections(what) {
        Ok(connections) => connections,
        Err(error) => return failed(&error.to_string()),
    };
    let clock = Arc::new(Clock::starting_after(Timestamp::default()));
    let patience = Patience { until: clock.now() + options.wait.unwrap_or_default(), clock };
    match prepared(&client, kibana.as_ref(), what.streams, options, &patience, out).await {
        Ok(shown) => shown.map(|()| Exit::Ok),
        Err(error) => failed(&error.to_string()),
    }
}

fn connections(what: WhatToSetUp<'_>) -> Result<(Client, Option<Kibana>), InvalidSettings> {
    let Foundation { elasticsearch, kibana_url, .. } = what.foundation;
    let kibana = kibana_url.as_ref().map(|url| Kibana::new(url, elasticsearch, what.daemon));
    Ok((Client::new(elasticsearch)?, kibana.transpose()?))
}

fn failed(reason: &str) -> io::Result<Exit> {
    writeln!(io::stderr(), "{reason}")?;
    Ok(Exit::Failed)
}

/// What was done is shown as soon as it is, so that it is known also where something after it fails.
async fn prepared(
    client: &Client,
    kibana: Option<&Kibana>,
    streams: &[Stream],
    options: SetupOptions,
    patience: &Patience,
    out: &mut dyn Write,
) -> Result<io::Result<()>, SetupError> {
    let now = || patience.clock.now();
    let planned = patience.with(client.name(), || plan(client, streams, now())).await?;
    if let Some(kibana) = kibana {
        patience.with(kibana.name(), || kibana.look()).await?;
    }
    if !options.dry_run {
        patience.with(client.name(), || setup(client, streams, now())).await?;
    }
    let would = if options.dry_run { "would " } else { "" };
    let shown = show(&planned, would, out);
    let Some(kibana) = kibana else { return Ok(shown) };
    if !options.dry_run {
        patience.with(kibana.name(), || kibana.import()).await?;
    }
    let imported = kibana.objects().try_for_each(|object| writeln!(out, "{would}import  {object}"));
    Ok(shown.and(imported))
}

fn show(planned: &[Planned], would: &str, out: &mut dyn Write) -> io::Result<()> {
    planned.iter().try_for_each(|one| writeln!(out, "{would}{one}"))
}

/// How long servers are waited for, all in all.
struct Patience {
    clock: Arc<Clock>,
    until: Timestamp,
}

impl Patience {
    /// Tries again while the server is not there, as long as it may take.
    async fn with<T, F: Future<Output = Result<T, SetupError>>>(
        &self,
        server: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, SetupError> {
        let waiting = waiting(server);
        loop {
            match attempt().await {
                Err(SetupError::Down(reason)) if self.clock.now() < self.until => {
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
