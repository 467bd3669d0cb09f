//! Ten thousand services on one daemon: figures, printed and not asserted, by `tests/bench-scale`.
//!
//! They take minutes and a release build, so they run only when they are asked for.

mod latency;
mod process;
mod targets;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::daemon::Daemon;
use process::{Used, mebibytes};
use targets::{Behaviour, Targets};

const SERVICES: usize = 10_000;
const INTERVAL: Duration = Duration::from_secs(30);
/// Whole intervals, so that each holds the same work.
const WINDOW: Duration = Duration::from_secs(60);
const SETTINGS: &str = "
health_check_interval: 30
health_check_timeout: 10
recovery_backend: none
elasticsearch_enabled: false
";
/// A first sweep that takes longer than this is not waited for.
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: tests/bench-scale healthy"]
async fn scale_healthy() {
    measure("all healthy", Duration::ZERO, |_| Behaviour::Healthy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: tests/bench-scale hanging"]
async fn scale_hanging() {
    // Six silent probes of ten seconds each make a service unhealthy; a third of the services is probed at a time.
    measure("all hanging", Duration::from_secs(240), |_| Behaviour::Hanging).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: tests/bench-scale failing"]
async fn scale_failing() {
    measure("all failing", Duration::from_secs(60), |_| Behaviour::Failing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: tests/bench-scale flapping"]
async fn scale_flapping() {
    let tenth = |place| if place % 10 == 0 { Behaviour::Flapping } else { Behaviour::Healthy };
    measure("a tenth flapping", Duration::from_secs(30), tenth).await;
}

/// Measures the first sweep, then a window at once, then one after `settling` if that is not zero.
async fn measure(what: &str, settling: Duration, behaviour: impl Fn(usize) -> Behaviour) {
    let targets = Targets::start(SERVICES, behaviour).await;
    let configuration = format!("{SETTINGS}{}", targets.services(""));
    let mut daemon = Daemon::start_with(&configuration, &[("RUST_LOG", "info,shared=debug")]).await;
    let began = Instant::now();
    println!("== {what}: {SERVICES} services every {} s", INTERVAL.as_secs());
    println!("start until it serves: {} ms", daemon.answered_after.as_millis());
    while targets.asked(1) < SERVICES && began.elapsed() < PATIENCE {
        sleep(Duration::from_millis(100)).await;
    }
    let used = Used::by(daemon.process_id());
    println!(
        "first sweep: {} of {SERVICES} asked after {:.1} s, {:.2} s of processor time",
        targets.asked(1),
        began.elapsed().as_secs_f64(),
        used.processor.as_secs_f64()
    );
    window(&daemon, "right after it").await;
    if !settling.is_zero() {
        sleep(settling.saturating_sub(began.elapsed())).await;
        window(&daemon, "settled").await;
    }
    for line in daemon.log().lines().filter(|line| line.contains("checkpoint")).take(5) {
        println!("{line}");
    }
    again(&mut daemon).await;
}

/// One window of whole intervals.
async fn window(daemon: &Daemon, when: &str) {
    let (before, counted) = (Used::by(daemon.process_id()), counters(daemon).await);
    let began = Instant::now();
    sleep(WINDOW).await;
    let after = Used::by(daemon.process_id());
    let seconds = began.elapsed().as_secs_f64();
    let now = counters(daemon).await;
    let core = (after.processor - before.processor).as_secs_f64() / seconds;
    let per_second = |name: &str| (now[name] - counted.get(name).unwrap_or(&0.0)) / seconds;
    println!("{when}, over {seconds:.0} s:");
    println!(
        "  {core:.3} core, {} MiB resident, {} MiB at most",
        mebibytes(after.resident),
        mebibytes(after.peak)
    );
    println!(
        "  {:.1} probes/s, {:.1} missed slots/s, journal grows by {:.1} KiB/s",
        per_second("checks"),
        per_second("missed"),
        per_second("journal") / 1024.0
    );
}

/// Stops the daemon cleanly, then starts it again on what it has written.
async fn again(daemon: &mut Daemon) {
    let began = Instant::now();
    daemon.terminate();
    println!("clean stop: {} ms", began.elapsed().as_millis());
    daemon.restart().await;
    println!("start on this journal until it serves: {} ms", daemon.answered_after.as_millis());
}

async fn counters(daemon: &Daemon) -> BTreeMap<&'static str, f64> {
    let text = daemon.text("/metrics").await;
    let sum = |name: &str| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    BTreeMap::from([
        ("checks", sum("health_monitor_checks_total")),
        ("missed", sum("health_monitor_missed_checks_total")),
        ("journal", sum("health_monitor_journal_bytes")),
    ])
}
