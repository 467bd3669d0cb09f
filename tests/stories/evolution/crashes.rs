//! Nothing that was answered is lost when the daemon is killed.

use serde_json::Value;

use super::{analysed, event, events, report, started};
use crate::stories::daemon::Daemon;

/// Everything that a client can see.
async fn seen(daemon: &Daemon) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "/recommendations",
        "/applied-optimizations",
        "/rollback-history",
        "/performance-baselines",
        "/settings",
        "/changes",
    ] {
        seen.push(daemon.get(path).await.1);
    }
    seen
}

#[tokio::test]
async fn window_recommendations_changes_settings_and_histories_outlive_the_process() {
    let mut daemon = started("").await;
    report(&daemon, &events(40, &event("web", "/x", 2.5, 200))).await;
    report(&daemon, &events(40, &event("api", "/users/7", 0.1, 500))).await;
    daemon.kill();
    daemon.restart().await;
    let ids = analysed(&daemon).await;
    assert_eq!(ids.len(), 2, "the window is what it was");
    for id in &ids {
        assert_eq!(daemon.post(&format!("/apply-optimization/{id}")).await.0, 200);
    }
    assert_eq!(daemon.post(&format!("/rollback/{}", ids[0])).await.0, 200);
    daemon.get("/settings/web?instance=web-1").await;
    let before = seen(&daemon).await;
    for _ in 0..3 {
        daemon.kill();
        daemon.restart().await;
        assert_eq!(seen(&daemon).await, before);
    }
    assert_eq!(analysed(&daemon).await, ids, "and still is");
    assert_eq!(daemon.post(&format!("/rollback/{}", ids[1])).await.0, 200);
}

#[tokio::test]
async fn every_event_that_was_acknowledged_is_counted_however_often_the_daemon_is_killed() {
    let mut daemon = started("").await;
    let mut acknowledged = 0;
    for round in 0..5 {
        let mut posting = Vec::new();
        for number in 0..20 {
            let (url, usage) =
                (daemon.url("/collect-usage"), event("web", &format!("/x/{number}"), 0.1, 200));
            posting.push(tokio::spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                let sent = client.post(url).json(&usage).send().await;
                sent.is_ok_and(|answer| answer.status() == 200)
            }));
        }
        // In the middle of it, at another moment each time.
        tokio::time::sleep(std::time::Duration::from_millis(3 * round)).await;
        daemon.kill();
        for one in posting {
            acknowledged += u64::from(one.await.unwrap());
        }
        daemon.restart().await;
    }
    report(&daemon, &events(10, &event("web", "/x/0", 0.1, 200))).await;
    let recorded = "self_evolution_usage_events_recorded_total ";
    let metrics = daemon.text("/metrics").await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(recorded)).unwrap();
    let recorded: u64 = line.parse().unwrap();
    // An answer can be lost after the record; a record is never lost after the answer.
    assert!(recorded >= acknowledged + 10, "{recorded} recorded, {acknowledged} acknowledged");
    assert!(recorded <= 5 * 20 + 10);
}
