//! What Prometheus and Grafana are given works with a real Prometheus.

mod server;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::daemon::{Daemon, QUICK, free_port};
use super::receivers::{Service, webhook};
use server::Prometheus;

/// Where the project's files for them are.
fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs")
}

/// A query of a panel, and the title of the panel.
struct Query {
    panel: String,
    expression: String,
}

/// Every query of a dashboard.
fn queries(dashboard: &str) -> Vec<Query> {
    let text = fs::read_to_string(documents().join("grafana").join(dashboard)).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
        targets.iter().map(|target| Query {
            panel: panel["title"].as_str().unwrap().to_owned(),
            // As Grafana fills its variables in for the last quarter of an hour of all services.
            expression: target["expr"]
                .as_str()
                .unwrap()
                .replace("$__rate_interval", "1m")
                .replace("$__interval", "15m")
                .replace("$__range", "15m")
                .replace("$service", ".*"),
        })
    });
    targets.collect()
}

/// Both daemons, and what they watch.
struct World {
    monitor: Daemon,
    evolution: Daemon,
    prometheus: Prometheus,
    /// It is healed.
    web: Service,
    /// It is only observed.
    lone: Service,
    orders: tokio::sync::mpsc::UnboundedReceiver<super::receivers::Received>,
}

impl World {
    /// None where there is no Prometheus.
    async fn start() -> Option<Self> {
        let (web, lone) = (Service::start().await, Service::start().await);
        let (receiver, orders) = webhook(StatusCode::OK).await;
        // A server that nobody reaches: what waits for it can be seen.
        let nobody = format!("elasticsearch_url: 'http://127.0.0.1:{}'\n", free_port());
        let monitor = Daemon::start_with(
            &format!(
                "{}{nobody}recovery_webhook_url: 'http://{receiver}/orders'\nnotify_webhook_url: 'http://{receiver}/orders'\n\
                 services:\n  web: {{url: 'http://{}'}}\n  lone: {{url: 'http://{}', mode: observe}}\n",
                QUICK.replace("elasticsearch_enabled: false\n", ""),
                web.address,
                lone.address
            ),
            &[],
        )
        .await;
        let evolution =
            Daemon::evolution(&format!("{nobody}analysis_bucket_seconds: 1\nanalysis_interval: 3600\n"), &[])
                .await;
        let prometheus = Prometheus::start(&monitor.address(), &evolution.address()).await?;
        for service in ["web", "lone"] {
            monitor.service_until(service, "its health", |one| one["state"] == "healthy").await;
        }
        prometheus.number_until("sum(up)", "both daemons", |up| up == 2.0).await;
        Some(Self { monitor, evolution, prometheus, web, lone, orders })
    }

    /// A service fails and is healed, another one stays down; a change is made and taken back, another one waits.
    async fn goes_through_something(&mut self) {
        self.web.answers(500);
        self.lone.answers(500);
        self.orders.recv().await.unwrap();
        self.web.answers(200);
        self.monitor.recovery_until("web", "its recovery", |one| one["outcome"] == "recovered").await;
        for (service, seconds, status) in [("shop", 2.5, 200), ("bank", 0.1, 503)] {
            let event = json!({"service": service, "endpoint": "/x", "response_time": seconds, "status_code": status});
            let answer = self.evolution.post_json("/collect-usage", &Value::Array(vec![event; 40])).await;
            assert_eq!(answer.0, 200, "{}", answer.1);
        }
        let (_, analysed) = self.evolution.post("/analyze").await;
        let found = analysed["recommendations"].as_array().unwrap();
        let shop = found.iter().find(|one| one["target_service"] == "shop").unwrap();
        let id = shop["id"].as_str().unwrap();
        let (status, applied) = self.evolution.post(&format!("/apply-optimization/{id}")).await;
        assert_eq!(status, 200, "{applied}");
        // Nobody fetches it.
        let taken_back = |change: &Value| (change["phase"] == "rolled_back").then_some(());
        self.evolution.until(&format!("/changes/{id}"), "the rollback", taken_back).await;
    }

    async fn number(&self, query: &Query) -> Option<f64> {
        self.prometheus.numbers(&query.expression).await.first().copied()
    }
}

#[tokio::test]
async fn every_panel_of_the_grafana_dashboards_shows_what_a_real_prometheus_has_scraped() {
    let Some(mut world) = World::start().await else { return };
    world.goes_through_something().await;
    // What became of it has been scraped.
    world.prometheus.number_until("self_evolution_rollbacks_total", "the rollback", |n| n == 1.0).await;
    world
        .prometheus
        .number_until("sum(health_monitor_notifications_total{outcome=\"delivered\"})", "messages", |n| {
            n > 0.0
        })
        .await;
    let both: Vec<Query> =
        ["health-monitor.json", "self-evolution.json"].into_iter().flat_map(queries).collect();
    assert!(both.len() > 40, "{}", both.len());
    for query in &both {
        let numbers = world.prometheus.numbers(&query.expression).await;
        let shown = numbers.iter().any(|number| number.is_finite());
        assert!(shown, "{} shows nothing: {} gave {numbers:?}", query.panel, query.expression);
    }
    let (_, statistics) = world.monitor.get("/statistics").await;
    let (_, pending) = world.evolution.get("/recommendations?status=pending").await;
    for (panel, expected) in [
        ("Services down", statistics["unhealthy_services"].as_f64()),
        ("Healed", Some(1.0)),
        ("Not healed", Some(0.0)),
        ("Pending", pending["count"].as_f64()),
        ("Taken back", Some(1.0)),
        ("Cannot be taken back", Some(0.0)),
        ("Kept", Some(0.0)),
        ("Endpoints", Some(2.0)),
    ] {
        let query = both.iter().find(|query| query.panel == panel).unwrap();
        assert_eq!(world.number(query).await, expected, "{panel}: {}", query.expression);
    }
}

#[tokio::test]
async fn the_alert_rules_are_evaluated_and_see_what_is_wrong() {
    let Some(mut world) = World::start().await else { return };
    world.lone.answers(500);
    let is_pending = |rules: &[Value], name: &str, labels: Value| {
        let alerts = rules.iter().filter(|rule| rule["name"] == name);
        let mut alerts = alerts.flat_map(|rule| rule["alerts"].as_array().unwrap());
        let has = |alert: &Value| labels.as_object().unwrap().iter().all(|(k, v)| alert["labels"][k] == *v);
        alerts.any(|alert| alert["state"] == "pending" && has(alert))
    };
    // At its start Prometheus had scraped nothing, and missed both daemons.
    let down = |rules: &[Value]| {
        is_pending(rules, "ServiceStaysDown", json!({"service": "lone"}))
            && !is_pending(rules, "SelfEvolutionGone", json!({}))
    };
    let rules = world.prometheus.rules_until("the service that stays down", down).await;
    for rule in &rules {
        assert_eq!((&rule["health"], &rule["lastError"]), (&json!("ok"), &Value::Null), "{rule}");
    }
    assert!(!is_pending(&rules, "ServiceStaysDown", json!({"service": "web"})), "it is up");

    world.evolution.kill();
    let gone = |rules: &[Value]| is_pending(rules, "SelfEvolutionGone", json!({"job": "self-evolution"}));
    world.prometheus.rules_until("the daemon that is gone", gone).await;
}

/// Nothing that a rule or a panel waits for takes longer than this to be scraped and evaluated.
const WITHIN: Duration = Duration::from_secs(60);
