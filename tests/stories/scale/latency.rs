//! From the decision to act, as it is recorded, to the arrival of the order, while ten thousand services are probed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Json, State};
use axum::routing::post;
use serde_json::Value;
use shared::clock::{Clock, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::super::daemon::Daemon;
use super::super::receivers;
use super::targets::{Behaviour, Targets, place};
use super::{INTERVAL, SERVICES};

/// Incidents, one after the other at this pace, so that some meet each other.
const INCIDENTS: usize = 500;
const PACE: Duration = Duration::from_millis(100);

/// Every failure is an incident, and no guard holds an order back.
const SETTINGS: &str = "
health_check_interval: 30
health_check_timeout: 10
max_failures_before_recovery: 1
storm_guard: false
max_concurrent_recoveries: 1000
max_recoveries_per_ten_minutes: 1000
max_fleet_percent: 100
elasticsearch_enabled: false
";

struct Arrivals {
    clock: Clock,
    targets: Targets,
    sender: mpsc::UnboundedSender<Duration>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: tests/bench-scale latency"]
async fn scale_latency() {
    let targets = Targets::start(SERVICES, |_| Behaviour::Healthy).await;
    let services = targets.services("");
    let (sender, mut latencies) = mpsc::unbounded_channel();
    let clock = Clock::starting_after(Timestamp::default());
    let arrivals = Arc::new(Arrivals { clock, targets, sender });
    let router = Router::new().route("/orders", post(arrived)).with_state(Arc::clone(&arrivals));
    let receiver = receivers::serve(router).await;
    let webhook = format!("recovery_webhook_url: 'http://{receiver}/orders'\n");
    let daemon = Daemon::start_with(&format!("{SETTINGS}{webhook}{services}"), &[]).await;
    // Nothing is done within the first interval.
    sleep(INTERVAL + Duration::from_secs(2)).await;
    for incident in 0..INCIDENTS {
        arrivals.targets.behave(incident * 19, Behaviour::Failing);
        sleep(PACE).await;
    }
    let mut taken = Vec::new();
    while taken.len() < INCIDENTS {
        let arrived = timeout(INTERVAL * 2, latencies.recv()).await;
        taken.push(arrived.unwrap_or_else(|_| panic!("no further order:\n{}", daemon.log())).unwrap());
    }
    taken.sort();
    let at = |percent: usize| taken[(taken.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1_000.0;
    println!(
        "== from the decision to the arrival of the order, {INCIDENTS} incidents among {SERVICES} services"
    );
    println!("p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, most {:.1} ms", at(50), at(90), at(99), at(100));
}

/// An order has come: its service is mended.
async fn arrived(State(arrivals): State<Arc<Arrivals>>, Json(order): Json<Value>) {
    let now = arrivals.clock.now();
    let decided_at: Timestamp = order["timestamp"].as_str().unwrap().parse().unwrap();
    let service = order["service"].as_str().unwrap();
    arrivals.targets.behave(place(service), Behaviour::Healthy);
    // The measurement may be over.
    let _ = arrivals.sender.send(now.since(decided_at));
}
