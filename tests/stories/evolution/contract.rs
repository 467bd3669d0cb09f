//! Every route that clients of the system before know, with the members that they know.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::stories::daemon::PATIENCE;

use super::{event, events, names, recommending, report, started};

/// Whether a body has these members, whatever others it has.
fn has(body: &Value, members: &[&str]) {
    for member in members {
        assert!(body.get(member).is_some(), "no {member} in {body}");
    }
}

#[tokio::test]
async fn a_hundred_reports_of_a_slow_service_end_in_a_recommendation() {
    let daemon = started("").await;
    for number in 0..100 {
        let usage = event("test-service", "/test", f64::from(number % 5 + 1), 200);
        let (status, answer) = daemon.post_json("/collect-usage", &usage).await;
        assert_eq!((status, &answer["message"]), (200, &json!("Usage data collected")));
        has(&answer, &["timestamp"]);
    }
    let (status, analysis) = daemon.post("/analyze").await;
    assert_eq!(status, 200);
    assert_eq!(
        (&analysis["patterns_analyzed"], &analysis["recommendations_generated"]),
        (&json!(1), &json!(1))
    );
    let one = &analysis["recommendations"][0];
    for (member, expected) in [
        ("type", json!("performance")),
        ("target_service", json!("test-service")),
        ("priority", json!("medium")),
        ("estimated_improvement", json!(0.3)),
        ("status", json!("pending")),
        ("applied_at", Value::Null),
        (
            "description",
            json!("High response time detected (3.00s). Consider adding caching or optimizing queries."),
        ),
    ] {
        assert_eq!(one[member], expected, "{member}");
    }
    has(one, &["id", "created_at"]);
    assert_eq!(one["id"].as_str().unwrap().len(), 12);
    let (_, listed) = daemon.get("/recommendations?status=pending").await;
    assert_eq!((&listed["count"], &listed["recommendations"][0]), (&json!(1), one));
    assert_eq!(daemon.get("/recommendations?status=applied").await.1["count"], 0);
}

#[tokio::test]
async fn health_says_what_it_always_said() {
    let daemon = started("auto_apply_optimizations: true\n").await;
    let (status, health) = daemon.get("/health").await;
    assert_eq!(status, 200);
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("self-evolution")));
    assert_eq!(
        (&health["elasticsearch_enabled"], &health["auto_apply_enabled"]),
        (&json!(false), &json!(true))
    );
}

#[tokio::test]
async fn applying_and_rolling_back_answer_and_are_remembered_as_clients_expect() {
    let (daemon, id) = recommending().await;
    let (status, applied) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(
        (status, &applied["success"], &applied["action"]),
        (200, &json!(true), &json!("enabled_caching"))
    );
    assert_eq!(applied["details"], "Published for web: response-cache: unset -> true");

    let (_, history) = daemon.get("/applied-optimizations").await;
    let one = &history["optimizations"][0];
    assert_eq!((&history["count"], &one["recommendation_id"]), (&json!(1), &json!(id)));
    assert_eq!(one["recommendation"]["status"], "applied");
    has(one, &["applied_at"]);
    has(&one["result"], &["success", "action", "details"]);
    let metrics = &one["baseline"]["metrics"];
    assert_eq!(metrics, &json!({"avg_response_time": 2.5, "error_rate": 0.0, "throughput": 40}));
    let (_, baselines) = daemon.get("/performance-baselines").await;
    assert_eq!(baselines["web"], one["baseline"]);

    let (status, back) = daemon.post(&format!("/rollback/{id}")).await;
    assert_eq!(status, 200);
    let expected =
        ["recommendation_id", "service", "rollback_time", "baseline_restored", "reason", "trigger"];
    assert_eq!(names(&back), expected);
    assert_eq!((&back["service"], &back["reason"]), (&json!("web"), &json!("Manual rollback requested")));
    assert_eq!(back["baseline_restored"], one["baseline"]);
    let (_, history) = daemon.get("/rollback-history").await;
    assert_eq!(history, json!({"count": 1, "rollbacks": [back]}));
    assert_eq!(daemon.get("/recommendations?status=rolled_back").await.1["count"], 1);
}

#[tokio::test]
async fn what_cannot_be_done_says_so_in_the_words_that_clients_know_and_with_a_status_that_is_true() {
    let (daemon, id) = recommending().await;
    let refused = async |path: String| {
        let (status, answer) = daemon.post(&path).await;
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    let not_found = (404, "Recommendation not found".to_owned());
    let processed = (409, "Recommendation already processed".to_owned());
    let not_applied = "Optimization not found or not applied".to_owned();
    assert_eq!(refused("/apply-optimization/000000000000".into()).await, not_found);
    assert_eq!(refused("/rollback/000000000000".into()).await, (404, not_applied.clone()));
    assert_eq!(refused(format!("/rollback/{id}")).await, (409, not_applied.clone()));
    daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(refused(format!("/apply-optimization/{id}")).await, processed);
    daemon.post(&format!("/rollback/{id}")).await;
    assert_eq!(refused(format!("/rollback/{id}")).await, (409, not_applied));
    assert_eq!(refused(format!("/apply-optimization/{id}")).await, processed);
    let (status, answer) = daemon.post_json("/collect-usage", &json!({"service": "web"})).await;
    assert_eq!((status, &answer["error"]), (400, &json!("Missing required fields")));
}

#[tokio::test]
async fn what_matters_is_applied_by_itself_where_the_operator_wants_that() {
    let daemon =
        started("auto_apply_optimizations: true\nanalysis_interval: 1\nanalysis_window_hours: 1\nanalysis_bucket_seconds: 1\n")
            .await;
    // Until there was enough in enough spans of a second to judge it by.
    let began = Instant::now();
    let change = loop {
        report(&daemon, &events(10, &event("web", "/x", 0.1, 500))).await;
        report(&daemon, &events(10, &event("slow", "/x", 2.5, 200))).await;
        let (_, applied) = daemon.get("/applied-optimizations").await;
        if let Some(change) = applied["optimizations"].get(0) {
            break change.clone();
        }
        assert!(began.elapsed() < PATIENCE, "nothing is applied: {}", daemon.log());
        sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(
        (&change["trigger"], &change["result"]["action"]),
        (&json!("automatic"), &json!("improved_error_handling"))
    );
    let (_, pending) = daemon.get("/recommendations?status=pending").await;
    assert_eq!(pending["recommendations"][0]["target_service"], "slow", "medium priority waits for a person");
}

#[tokio::test]
async fn a_pause_holds_everything_back_but_rollbacks() {
    let (daemon, id) = recommending().await;
    assert_eq!(daemon.post("/pause?ttl=600&reason=release").await.0, 200);
    let (status, answer) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(status, 423, "{answer}");
    assert!(answer["error"].as_str().unwrap().starts_with("changes are paused until "), "{answer}");
    assert!(daemon.text("/readyz?verbose").await.contains("paused until"));
    assert_eq!(daemon.post("/resume").await.0, 200);
    assert_eq!(daemon.post(&format!("/apply-optimization/{id}")).await.0, 200);
    daemon.post("/pause").await;
    assert_eq!(daemon.post(&format!("/rollback/{id}")).await.0, 200);
}
