use serde_json::{Value, json};

use super::*;

fn line(fact: Value) -> Vec<u8> {
    let mut line = json!({"_id": "00000abc-000000000007-0002", "@timestamp": "2026-11-24T10:00:00.000000Z"});
    line.as_object_mut().unwrap().extend(fact.as_object().unwrap().clone());
    line.to_string().into_bytes()
}

fn bodies(line: &[u8]) -> Vec<(String, &'static str, Value)> {
    let read =
        |document: Document| (document.id, document.stream, serde_json::from_slice(&document.body).unwrap());
    documents(line).into_iter().map(read).collect()
}

#[test]
fn each_reported_event_is_one_document_with_an_identity_of_its_own() {
    let fact = json!({
        "type": "usage",
        "keys": [["web", "/x"], ["web", "/y"]],
        "events": [[0, 0.5, 200, 0], [1, 2.5, 503, 60_000_000]],
        "details": [[1, {"trace_id": "t1"}]]
    });
    let bodies = bodies(&line(fact));
    let ids: Vec<_> = bodies.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(ids, ["00000abc-000000000007-0002-0000", "00000abc-000000000007-0002-0001"]);
    let (_, stream, second) = &bodies[1];
    assert_eq!(*stream, "self-evolution-usage");
    for (name, expected) in [
        ("type", json!("usage_data")),
        ("service", json!("web")),
        ("endpoint", json!("/y")),
        ("response_time", json!(2.5)),
        ("status_code", json!(503)),
        ("is_error", json!(true)),
        ("errors", json!(1)),
        ("trace_id", json!("t1")),
        ("@timestamp", json!("2026-11-24T09:59:00.000000Z")),
        ("timestamp", json!("2026-11-24T09:59:00.000000Z")),
    ] {
        assert_eq!(second[name], expected, "{name}");
    }
    assert!(bodies[0].2.get("trace_id").is_none());
}

#[test]
fn an_event_belongs_to_the_day_on_which_it_happened() {
    let fact =
        json!({"type": "usage", "keys": [["web", "/x"]], "events": [[0, 0.5, 200, 40_000_000_000_i64]]});
    let documents = documents(&line(fact));
    assert_eq!(documents[0].at.to_string(), "2026-11-23T22:53:20.000000Z");
}

#[test]
fn a_fact_of_another_version_is_kept_as_the_text_that_it_is() {
    let bodies = bodies(&line(json!({"type": "dreamt", "of": 7})));
    let (id, stream, body) = &bodies[0];
    assert_eq!((id.as_str(), *stream), ("00000abc-000000000007-0002", "self-evolution-events"));
    assert!(body["payload"].as_str().unwrap().contains("dreamt"));
    assert!(documents(b"not a line").is_empty());
}

#[test]
fn every_other_fact_is_an_event_with_its_members() {
    let fact = json!({"type": "settings_delivered", "service": "web", "instance": "web-1", "version": 3});
    let (_, stream, body) = bodies(&line(fact)).remove(0);
    assert_eq!(stream, "self-evolution-events");
    assert_eq!((&body["type"], &body["instance"]), (&json!("settings_delivered"), &json!("web-1")));
    assert_eq!(body["event"]["action"], "settings_delivered");
}

#[test]
fn a_verdict_is_a_document_beside_changes_and_rollbacks() {
    for (phase, outcome) in [("kept", "success"), ("rolled_back", "failure"), ("inconclusive", "unknown")] {
        let fact = json!({
            "type": "change_judged", "recommendation_id": "abc", "service": "web", "phase": phase,
            "verdict": {
                "outcome": "better", "reason": "because", "judged_at": "2026-11-24T10:00:00Z",
                "objective": "response_time", "comparison": null, "surroundings": null,
                "significance": 0.01, "least_improvement": 0.15
            }
        });
        let (_, stream, body) = bodies(&line(fact)).remove(0);
        assert_eq!(stream, "self-evolution-optimizations");
        let members =
            ["type", "action", "service", "phase", "reason"].map(|name| body[name].as_str().unwrap());
        assert_eq!(members, ["optimization", "verdict", "web", phase, "because"]);
        assert_eq!(
            (&body["verdict"]["outcome"], &body["event"]["outcome"]),
            (&json!("better"), &json!(outcome))
        );
    }
}

#[test]
fn a_verdict_tells_what_was_expected_beside_what_was_measured() {
    let comparison = json!({
        "buckets_before": 20, "buckets_after": 20, "requests_before": 400, "requests_after": 400,
        "mean_before": 2.5, "mean_after": 0.5, "error_rate_before": 0.0, "error_rate_after": 0.0,
        "improvement": 0.8, "improvement_low": 0.7, "improvement_high": 0.9, "p_better": 0.001, "p_worse": 1.0,
        "autocorrelation": 0.0, "variance_inflation": 1.0, "load_ratio": 1.0
    });
    let mut fact = json!({
        "type": "change_judged", "recommendation_id": "abc", "service": "web", "phase": "kept",
        "kind": "performance", "estimated_improvement": 0.3,
        "verdict": {
            "outcome": "better", "reason": "because", "judged_at": "2026-11-24T10:00:00Z",
            "objective": "response_time", "comparison": comparison, "surroundings": null,
            "significance": 0.01, "least_improvement": 0.15
        }
    });
    let (_, _, body) = bodies(&line(fact.clone())).remove(0);
    assert_eq!(body["estimated_improvement_percent"], 30.0);
    assert_eq!(body["measured_improvement_percent"], 80.0);
    assert_eq!(body["recommendation"]["type"], "performance");
    assert_eq!(body["verdict"]["comparison"]["mean_after"], 0.5);
    // An older version did not record it.
    fact.as_object_mut().unwrap().retain(|member, _| member != "kind" && member != "estimated_improvement");
    let (_, _, body) = bodies(&line(fact)).remove(0);
    assert_eq!(body["estimated_improvement_percent"], Value::Null);
}
