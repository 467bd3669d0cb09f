//! What happens to the services that the dashboards are about: faults that are healed, in vain, or left alone, and a change
//! that helps beside one that is taken back.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;
use tokio::time::Instant;

use crate::stories::daemon::{Daemon, PATIENCE, QUICK};
use crate::stories::evolution::judging::{QUICKLY, Service as Answering};
use crate::stories::evolution::{analysed, event, events, report};
use crate::stories::receivers::{self, Service};
use crate::stories::search_server::SearchServer;

/// What health-monitor says of what it did.
pub(super) struct Healed {
    pub(super) statistics: Value,
    /// Recoveries that are over.
    pub(super) recoveries: Vec<Value>,
}

/// `web` fails and is healed by an order, `vain` is not, nobody can restart `held`, and `well` is never down.
pub(super) async fn heal(server: &SearchServer, variables: &[(&str, &str)]) -> Healed {
    let (receiver, mut orders) = receivers::webhook(StatusCode::OK).await;
    let names = ["web", "vain", "held", "well"];
    let mut services = Vec::new();
    let mut configuration = format!(
        "{}storm_guard: false\nmax_fleet_percent: 100\nservices:\n",
        QUICK.replace("elasticsearch_enabled: false", "")
    );
    for name in names {
        let service = Service::start().await;
        let backend = match name {
            "web" => format!("recovery_webhook_url: 'http://{receiver}/orders'"),
            "held" => "recovery_backend: none".to_owned(),
            // It is carried out, and mends nothing.
            _ => "recovery_command: {restart: ['true']}, verification_timeout: 1".to_owned(),
        };
        writeln!(configuration, "  {name}: {{url: 'http://{}', {backend}}}", service.address).unwrap();
        services.push(service);
    }
    let [web, vain, held, _] = &services[..] else { panic!("four services") };
    let daemon = Daemon::start_with(&configuration, variables).await;
    for name in names {
        daemon.service_until(name, "health", |one| one["state"] == "healthy").await;
    }
    for service in [web, vain, held] {
        service.answers(500);
    }
    orders.recv().await.expect("an order for web");
    web.answers(200);
    daemon.recovery_until("web", "the proof", |one| one["outcome"] == "recovered").await;
    daemon.recovery_until("vain", "the end", |one| one["outcome"] == "not_recovered").await;
    daemon.recovery_until("held", "the guard", |one| one["guard"] == "backend").await;
    for service in [vain, held] {
        service.answers(200);
    }
    for name in names {
        daemon.service_until(name, "health again", |one| one["state"] == "healthy").await;
    }
    // The minute of the fault is over, or, without one, any.
    for name in names {
        let is_over = |statistics: &Value| {
            let uptime = statistics["availability"][name]["uptime_24h"].as_f64()?;
            (uptime < 1.0 || name == "well").then_some(())
        };
        daemon.until("/statistics", "the minute", is_over).await;
    }
    settled(&daemon, server).await
}

/// Waits until the server holds what the daemon says: each recovery, and each second that was observed. The daemon ends
/// behind it, so that nothing more comes.
async fn settled(daemon: &Daemon, server: &SearchServer) -> Healed {
    let began = Instant::now();
    loop {
        let (_, statistics) = daemon.get("/statistics").await;
        let (_, history) = daemon.get("/recovery-history").await;
        let recoveries = history["recoveries"].as_array().unwrap().clone();
        let told = &statistics["availability"];
        let minutes = minutes(server).await;
        let agree = |(service, minutes): (&String, &Vec<Minute>)| {
            let (up, observed) =
                minutes.iter().fold((0.0, 0.0), |(a, b), one| (a + one.up_seconds, b + one.observed));
            let near = |number: &Value, expected: f64| {
                number.as_f64().is_some_and(|one| (one - expected).abs() < 1e-3)
            };
            near(&told[service]["observed_seconds"], observed)
                && near(&told[service]["uptime_24h"], up / observed)
        };
        let is_all_there = server.documents("health-monitor-recovery").await.len() == recoveries.len();
        if is_all_there && minutes.len() == told.as_object().unwrap().len() && minutes.iter().all(agree) {
            return Healed { statistics, recoveries };
        }
        assert!(began.elapsed() < PATIENCE, "what is told does not arrive: {statistics:#}\n{history:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A minute of a service in the index.
pub(super) struct Minute {
    /// Which part of the observed time it was up.
    pub(super) up: f64,
    up_seconds: f64,
    observed: f64,
}

/// The minutes of all services that were observed.
pub(super) async fn minutes(server: &SearchServer) -> BTreeMap<String, Vec<Minute>> {
    let mut minutes: BTreeMap<String, Vec<Minute>> = BTreeMap::new();
    for (_, _, body) in server.documents("health-monitor-checks").await {
        let number = |member: &str| body[member].as_f64();
        let Some(up) = number("up") else { continue };
        let (up_seconds, observed) = (number("up_seconds").unwrap(), number("observed_seconds").unwrap());
        let service = body["service"].as_str().unwrap().to_owned();
        minutes.entry(service).or_default().push(Minute { up, up_seconds, observed });
    }
    minutes
}

/// What self-evolution says of what it did.
pub(super) struct Changed {
    pub(super) requests: f64,
    pub(super) errors: f64,
    pub(super) applied: f64,
    pub(super) rolled_back: f64,
    /// The change that was kept.
    pub(super) kept: Value,
}

/// `web` gets a cache that proves itself; `shop` gets one that a person takes back.
pub(super) async fn change(server: &SearchServer, variables: &[(&str, &str)]) -> Changed {
    let daemon = Daemon::evolution(QUICKLY, variables).await;
    let mut web = Answering::new(&daemon, 0.4, 0);
    let id = web.gets_a_cache().await;
    let kept = web.live_until(&id, |change| change["verdict"] != Value::Null).await;
    assert_eq!(kept["phase"], "kept", "{kept}");
    report(&daemon, &events(40, &event("shop", "/basket", 2.5, 200))).await;
    report(&daemon, &events(3, &event("shop", "/basket", 2.5, 503))).await;
    let mut taken_back = None;
    for id in analysed(&daemon).await {
        let (_, recommendation) = daemon.get(&format!("/recommendations/{id}")).await;
        if recommendation["target_service"] == "shop" {
            taken_back = Some(id);
        }
    }
    let id = taken_back.expect("a recommendation for shop");
    for path in [format!("/apply-optimization/{id}"), format!("/rollback/{id}")] {
        let (status, answer) = daemon.post(&path).await;
        assert_eq!(status, 200, "{answer}");
    }
    let metrics = daemon.text("/metrics").await;
    let recorded =
        metrics.lines().find_map(|l| l.strip_prefix("self_evolution_usage_events_recorded_total "));
    let (_, rollbacks) = daemon.get("/rollback-history").await;
    let requests: usize = recorded.unwrap().parse().unwrap();
    // Two were applied, one judged, one taken back.
    for (stream, wanted) in [("self-evolution-usage", requests), ("self-evolution-optimizations", 4)] {
        let began = Instant::now();
        while server.documents(stream).await.len() < wanted {
            assert!(began.elapsed() < PATIENCE, "{stream}: what is recorded does not arrive");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Changed {
        requests: f64::from(u32::try_from(requests).unwrap()),
        errors: 3.0,
        applied: 2.0,
        rolled_back: rollbacks["count"].as_f64().unwrap(),
        kept,
    }
}
