use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000 * 1_000_000);

fn report(events: &[&str]) -> Report {
    let mut reporting = Reporting::new(NOW, Duration::from_secs(600));
    for event in events {
        reporting.push(&serde_json::from_str(event).unwrap());
    }
    reporting.finish()
}

fn reason(event: &str) -> String {
    let report = report(&[event]);
    assert_eq!((report.events.len(), report.rejected), (0, 1), "{event}");
    report.rejections[0].reason.clone()
}

fn with(member: &str) -> String {
    format!(r#"{{"service":"web","endpoint":"/x","response_time":0.5,"status_code":200,{member}}}"#)
}

#[test]
fn a_good_event_is_taken() {
    let report = report(&[&with(r#""method":"GET","timestamp":"2027-01-15T08:00:00Z","unknown":{}"#)]);
    assert_eq!(report.keys, [("web".into(), "/x".into())]);
    let event = &report.events[0];
    assert_eq!((event.response_time, event.status_code, event.at), (0.5, 200, Some(NOW)));
    assert_eq!(event.details.as_ref().unwrap().method.as_deref(), Some("GET"));
}

#[test]
fn a_bad_event_is_named_with_its_place_and_the_others_are_taken() {
    let report =
        report(&[&with(r#""method":"GET""#), "7", r#"{"service":"web"}"#, &with(r#""variant":"on""#)]);
    assert_eq!(report.events.len(), 2);
    let named: Vec<_> = report.rejections.iter().map(|r| (r.index, r.reason.as_str())).collect();
    let missing = "missing: endpoint, response_time, status_code";
    assert_eq!(named, [(1, "an event is an object, this is a number"), (2, missing)]);
}

#[test]
fn every_limit_has_its_reason() {
    for (member, expected) in [
        (r#""response_time":-1"#, "response_time is not from 0 to 3600 seconds"),
        (r#""response_time":3600.1"#, "response_time is not from 0 to 3600 seconds"),
        (r#""response_time":true"#, "response_time is not a number of seconds"),
        (r#""response_time":"0.5""#, "response_time is a text, and must be a number of seconds"),
        (r#""status_code":99"#, "status_code is not a whole number from 100 to 599"),
        (r#""status_code":200.5"#, "status_code is not a whole number from 100 to 599"),
        (r#""status_code":18446744073709551615"#, "status_code is not a whole number from 100 to 599"),
        (r#""service":" ""#, "service is empty"),
        (r#""service":"a\u0000b""#, "service is a text with control characters"),
        (r#""endpoint":9"#, "endpoint is a number, and must be a text"),
        (r#""endpoint":{"a":1}"#, "endpoint is not a text"),
        (r#""timestamp":"yesterday""#, "timestamp is no time such as 2026-11-24T10:00:00Z"),
        (r#""timestamp":"2027-01-15T08:10:01Z""#, "timestamp is more than 600 seconds from now"),
        (r#""timestamp":"1970-01-01T00:00:00Z""#, "timestamp is more than 600 seconds from now"),
        (r#""method":7"#, "method is a number, and must be a text"),
    ] {
        assert_eq!(reason(&with(member)), expected, "{member}");
    }
    let long = "x".repeat(257);
    assert_eq!(reason(&with(&format!(r#""trace_id":"{long}""#))), "trace_id has more than 256 bytes");
}

#[test]
fn events_of_one_endpoint_share_a_key_whatever_their_identities() {
    let event = |path: &str| with(&format!(r#""endpoint":"{path}""#));
    let report = report(&[&event("/u/1"), &event("/o?q=1"), &event("/u/2"), &event("/o"), &event("/u/3")]);
    assert_eq!(report.keys, [("web".into(), "/u/{id}".into()), ("web".into(), "/o".into())]);
    let keys: Vec<_> = report.events.iter().map(|event| event.key).collect();
    assert_eq!(keys, [0, 1, 0, 1, 0]);
}

#[test]
fn only_so_many_rejections_are_named_and_all_are_counted() {
    let report = report(&vec!["null"; 250]);
    assert_eq!((report.rejections.len(), report.rejected), (MOST_REJECTIONS, 250));
}
