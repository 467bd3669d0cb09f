use serde_json::json;

use super::*;

fn body_of(fact: &Value) -> (Document, Value) {
    let mut line = json!({"_id": "00000abc-000000000007-0000", "@timestamp": "2026-11-24T10:00:00.000000Z"});
    line.as_object_mut().unwrap().extend(fact.as_object().unwrap().clone());
    let document = document(line.to_string().as_bytes()).expect("the fact cannot be read");
    let body = serde_json::from_slice(&document.body).unwrap();
    (document, body)
}

fn failure() -> Value {
    json!({"type": "service_error", "service": "web", "status": "unhealthy", "error": "HTTP 500",
        "severity": "hard", "is_counted": true, "is_repeated": false,
        "health": {"state": "suspect", "since": "2026-11-24T09:00:00Z", "failures": 2, "hard": 2, "soft": 0,
            "configuration": 0, "passes": 0, "failed_at": null}})
}

#[test]
fn a_failing_probe_is_the_document_of_the_contract() {
    let (document, body) = body_of(&failure());
    assert_eq!((document.stream, document.id.as_str()), (ERRORS, "00000abc-000000000007-0000"));
    let at = "2026-11-24T10:00:00.000000Z";
    for (member, expected) in [
        ("type", json!("service_error")),
        ("service", json!("web")),
        ("status", json!("unhealthy")),
        ("error", json!("HTTP 500")),
        ("timestamp", json!(at)),
        ("@timestamp", json!(at)),
    ] {
        assert_eq!(body[member], expected, "{member}");
    }
    assert_eq!((&body["failures"], &body["event"]["action"]), (&json!(2), &json!("probe_failed")));
    assert!(body.get("_id").is_none(), "Elasticsearch refuses documents that hold their identity");
}

#[test]
fn a_fact_without_a_stream_of_its_own_is_an_event_with_its_members() {
    let (document, body) = body_of(&json!({"type": "guard_reset", "guard": "budget", "service": null,
        "reason": "mended"}));
    assert_eq!(document.stream, EVENTS);
    assert_eq!(
        (&body["type"], &body["guard"], &body["reason"]),
        (&json!("guard_reset"), &json!("budget"), &json!("mended"))
    );
    assert_eq!(body["event"]["dataset"], "health-monitor.events");
}

#[test]
fn a_fact_of_another_version_is_shipped_as_the_text_that_it_is() {
    let (document, body) = body_of(&json!({"type": "unheard_of", "n": 1}));
    assert_eq!((document.stream, &body["type"]), (EVENTS, &json!("unreadable")));
    let payload: Value = serde_json::from_str(body["payload"].as_str().unwrap()).unwrap();
    assert_eq!(payload["n"], 1);
    assert_eq!(super::document(b"{\"type\":\"service_error\"}"), None, "no line of a journal");
}
