//! One sweep on the command line: a table, and an exit code.

use std::io::{self, Write};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use shared::cli::Exit;
use shared::clock::{Clock, Timestamp};
use shared::order::ServiceName;

use crate::config::Config;
use crate::domain::policy::{ProbeKind, ServicePolicy};
use crate::domain::reading::Reading;
use crate::probe::Probes;

/// Probes every service, or the named one, once. Fails when one of them does not pass; one that is not asked but posts
/// heartbeats is only named.
pub(crate) async fn check(
    config: &Config,
    only: Option<&ServiceName>,
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let services: Vec<&ServicePolicy> = config
        .policy
        .services
        .iter()
        .filter(|service| only.is_none_or(|name| service.name == *name))
        .collect();
    if services.is_empty() {
        let names: Vec<&str> = config.policy.services.iter().map(|service| service.name.as_str()).collect();
        writeln!(io::stderr(), "no such service; there are: {}", names.join(", "))?;
        return Ok(Exit::Failed);
    }
    let clock = Arc::new(Clock::starting_after(Timestamp::default()));
    let probes = match Probes::new(&config.policy, clock) {
        Ok(probes) => probes,
        Err(error) => {
            writeln!(io::stderr(), "{error}")?;
            return Ok(Exit::Failed);
        }
    };
    let readings = sweep(&services, &probes).await;
    let is_heard = |service: &ServicePolicy| matches!(service.probe, ProbeKind::Push { .. });
    let width = services.iter().map(|service| service.name.as_str().len()).max().unwrap_or(0).max(7);
    writeln!(out, "{:width$}  {:11}  {:>9}  DETAIL", "SERVICE", "STATUS", "TOOK")?;
    for (service, reading) in services.iter().zip(&readings) {
        if is_heard(service) {
            let detail = "posts heartbeats, which only the running daemon hears";
            writeln!(out, "{:width$}  {:11}  {:>9}  {detail}", service.name.as_str(), "not asked", "")?;
            continue;
        }
        let status = format!("{:?}", reading.status).to_lowercase();
        let took = format!("{:.0} ms", reading.response_time().as_secs_f64() * 1_000.0);
        let detail = reading.error.as_deref().unwrap_or(&service.url);
        writeln!(out, "{:width$}  {status:11}  {took:>9}  {detail}", service.name.as_str())?;
    }
    let asked = services.iter().zip(&readings).filter(|(service, _)| !is_heard(service));
    let are_well = asked.into_iter().all(|(_, reading)| reading.passes());
    Ok(if are_well { Exit::Ok } else { Exit::Failed })
}

/// The readings in the order of the services. Draws a bar on a terminal, on standard error.
async fn sweep(services: &[&ServicePolicy], probes: &Probes) -> Vec<Reading> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} services")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(services.len() as u64).with_style(style);
    let mut probing: FuturesUnordered<_> = services
        .iter()
        .enumerate()
        .map(|(n, service)| async move {
            let measured = probes.measure(&service.name).await;
            (n, measured.map(|measured| Reading::judge(&measured, &service.expected, true)))
        })
        .collect();
    let mut readings = Vec::with_capacity(services.len());
    while let Some((n, reading)) = probing.next().await {
        bar.inc(1);
        readings.extend(reading.map(|reading| (n, reading)));
    }
    bar.finish_and_clear();
    readings.sort_by_key(|(n, _)| *n);
    readings.into_iter().map(|(_, reading)| reading).collect()
}
