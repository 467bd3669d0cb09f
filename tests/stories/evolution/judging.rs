//! A change proves itself on live traffic, or is taken back; by the daemon that a user runs, with spans of a second.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::{analysed, event, events, report, started};
use crate::stories::daemon::Daemon;

/// Buckets of a second, so that a verdict takes less than a minute.
pub(in crate::stories) const QUICKLY: &str = "analysis_bucket_seconds: 1\nanalysis_interval: 3600\n";
const PATIENCE: Duration = Duration::from_secs(90);

/// A service that answers 20 requests a second, as slowly as its settings let it.
pub(in crate::stories) struct Service<'a> {
    daemon: &'a Daemon,
    ticks: Interval,
    /// Seconds with the cache.
    cached: f64,
    /// How many of the requests fail with the cache.
    failing: usize,
}

impl<'a> Service<'a> {
    pub(in crate::stories) fn new(daemon: &'a Daemon, cached: f64, failing: usize) -> Self {
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { daemon, ticks, cached, failing }
    }

    /// Half a second of its life: it asks for its settings and reports what it has answered.
    async fn live(&mut self) {
        self.ticks.tick().await;
        let context = json!({"context": {"service": "web", "targetingKey": "web-1"}});
        let (status, flag) = self.daemon.post_json("/ofrep/v1/evaluate/flags/response-cache", &context).await;
        let is_cached = status == 200 && flag["value"] == true;
        let (seconds, failing) = if is_cached { (self.cached, self.failing) } else { (2.5, 0) };
        let mut usage = events(10 - failing, &event("web", "/x", seconds, 200));
        if let (Value::Array(all), Value::Array(more)) =
            (&mut usage, events(failing, &event("web", "/x", seconds, 503)))
        {
            all.extend(more);
        }
        report(self.daemon, &usage).await;
    }

    /// Lives until the change has come so far.
    pub(in crate::stories) async fn live_until(
        &mut self,
        id: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let began = Instant::now();
        loop {
            self.live().await;
            let (_, change) = self.daemon.get(&format!("/changes/{id}")).await;
            if wanted(&change) {
                return change;
            }
            assert!(began.elapsed() < PATIENCE, "{change}");
        }
    }

    /// Lives for 25 seconds without a cache, and then gets one.
    pub(in crate::stories) async fn gets_a_cache(&mut self) -> String {
        for _ in 0..50 {
            self.live().await;
        }
        let id = analysed(self.daemon).await.remove(0);
        let (status, applied) = self.daemon.post(&format!("/apply-optimization/{id}")).await;
        assert_eq!(status, 200, "{applied}");
        id
    }
}

#[tokio::test]
async fn a_change_that_helps_is_kept_although_the_daemon_is_killed_in_between() {
    let mut daemon = started(QUICKLY).await;
    let id = Service::new(&daemon, 0.4, 0).gets_a_cache().await;
    let mut service = Service::new(&daemon, 0.4, 0);
    let settling = service.live_until(&id, |change| change["delivered_to"] == 1).await;
    assert_eq!(settling["phase"], "settling", "{settling}");
    daemon.kill();
    daemon.restart().await;
    let mut service = Service::new(&daemon, 0.4, 0);
    service.live_until(&id, |change| change["phase"] == "verifying").await;
    daemon.kill();
    daemon.restart().await;
    let mut service = Service::new(&daemon, 0.4, 0);
    let kept = service.live_until(&id, |change| change["verdict"] != Value::Null).await;
    assert_eq!((&kept["phase"], &kept["verdict"]["outcome"]), (&json!("kept"), &json!("better")), "{kept}");
    let comparison = &kept["verdict"]["comparison"];
    assert!((comparison["improvement"].as_f64().unwrap() - 0.84).abs() < 0.01, "{comparison}");
    assert!(comparison["p_better"].as_f64().unwrap() < 0.01, "{comparison}");
    let (_, recommendation) = daemon.get(&format!("/recommendations/{id}")).await;
    assert_eq!((&recommendation["status"], &recommendation["phase"]), (&json!("applied"), &json!("kept")));
    assert!(daemon.text("/metrics").await.contains("self_evolution_changes{phase=\"kept\"} 1"));
}

#[tokio::test]
async fn a_change_that_harms_is_taken_back_by_itself_before_its_trial_is_over() {
    let daemon = started(QUICKLY).await;
    let mut service = Service::new(&daemon, 0.4, 3);
    let id = service.gets_a_cache().await;
    let change = service.live_until(&id, |change| change["verdict"] != Value::Null).await;
    assert_eq!(change["phase"], "rolled_back", "{change}");
    assert_eq!(change["verdict"]["outcome"], "harmful", "{change}");
    assert_eq!(change["rollback"]["trigger"], "automatic", "{change}");
    assert!(change["rollback"]["reason"].as_str().unwrap().starts_with("harmful: errors rose from 0.0 %"));
    let (_, settings) = daemon.get("/settings/web").await;
    assert_eq!((&settings["version"], &settings["settings"]), (&json!(2), &json!({})));
}

#[tokio::test]
async fn a_change_that_nobody_fetches_is_taken_back_and_said_so() {
    let daemon = started(QUICKLY).await;
    let id = Service::new(&daemon, 0.4, 0).gets_a_cache().await;
    let change = daemon
        .until(&format!("/changes/{id}"), "a verdict", |change| {
            (change["verdict"] != Value::Null).then(|| change.clone())
        })
        .await;
    assert_eq!(change["verdict"]["outcome"], "not_delivered", "{change}");
    let (_, history) = daemon.get("/rollback-history").await;
    assert_eq!(history["rollbacks"][0]["reason"], change["verdict"]["reason"], "{history}");
}
