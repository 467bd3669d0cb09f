//! Bad input is told what is wrong with it, costs nobody else anything, and does not make the daemon grow.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::{analysed, event, events, report, started};
use crate::stories::daemon::Daemon;

async fn refused(daemon: &Daemon, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(daemon.url("/collect-usage")).header("Content-Type", content_type).body(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: serde_json::Value = answer.json().await.unwrap();
    (status, body["error"].as_str().unwrap_or_else(|| panic!("no error in {body}")).to_owned())
}

#[tokio::test]
async fn every_kind_of_bad_body_is_answered_with_a_sentence_and_changes_nothing() {
    let daemon = started("").await;
    let json = "application/json";
    for (content_type, body, status, part) in [
        (json, "".to_owned(), 400, "not JSON"),
        (json, "not json".to_owned(), 400, "not JSON"),
        (json, "[".repeat(100_000), 400, "not JSON"),
        (json, format!("{{\"service\":{}", "[".repeat(100_000)), 400, "not JSON"),
        (
            json,
            r#"{"service":"a","endpoint":"/","response_time":NaN,"status_code":200}"#.to_owned(),
            400,
            "not JSON",
        ),
        (
            json,
            r#"{"service":"a","endpoint":"/","response_time":1e999,"status_code":200}"#.to_owned(),
            400,
            "",
        ),
        (
            json,
            r#"{"service":"a","endpoint":"/","response_time":-1,"status_code":200}"#.to_owned(),
            400,
            "response_time",
        ),
        (
            json,
            r#"{"service":"a","endpoint":"/","response_time":true,"status_code":200}"#.to_owned(),
            400,
            "response_time",
        ),
        (
            json,
            r#"{"service":"a","endpoint":"/","response_time":1,"status_code":99999999999999999999}"#
                .to_owned(),
            400,
            "status_code",
        ),
        (
            json,
            r#"{"service":[],"endpoint":"/","response_time":1,"status_code":200}"#.to_owned(),
            400,
            "service",
        ),
        (json, "7".to_owned(), 400, "an object"),
        (json, "[7]".to_owned(), 400, "an object"),
        ("text/plain", "{}".to_owned(), 415, "Content-Type"),
        ("application/x-ndjson", "{\n".to_owned(), 400, "not JSON"),
    ] {
        let (answered, error) = refused(&daemon, content_type, body.clone()).await;
        let shown: String = body.chars().take(80).collect();
        assert_eq!(answered, status, "{shown}: {error}");
        assert!(error.contains(part), "{shown}: {error}");
    }
    let (status, _) = refused(&daemon, json, b"{\"service\":\"\xff\"}".to_vec()).await;
    assert_eq!(status, 400, "text that is not UTF-8");
    assert!(analysed(&daemon).await.is_empty());
    assert!(daemon.text("/metrics").await.contains("self_evolution_usage_events_recorded_total 0"));
}

#[tokio::test]
async fn too_large_is_too_large_and_nothing_of_it_is_taken() {
    let daemon = started("").await;
    let (status, error) = refused(&daemon, "application/json", vec![b' '; 64 << 20]).await;
    assert_eq!(status, 413, "{error}");
    let many = events(10_001, &event("web", "/x", 2.5, 200)).to_string();
    let (status, error) = refused(&daemon, "application/json", many.clone()).await;
    assert_eq!((status, error.contains("10000 events")), (413, true), "{error}");
    let lines = many.trim_matches(['[', ']']).replace("},{", "}\n{");
    assert_eq!(refused(&daemon, "application/x-ndjson", lines).await.0, 413);
    assert!(daemon.text("/metrics").await.contains("self_evolution_usage_events_recorded_total 0"));
    report(&daemon, &events(10_000, &event("web", "/x", 2.5, 200))).await;
}

#[tokio::test]
async fn of_a_batch_the_good_events_are_taken_and_the_bad_ones_named() {
    let daemon = started("").await;
    let good = event("web", "/x", 2.5, 200);
    let (status, answer) =
        daemon.post_json("/collect-usage", &json!([good, 7, {"service": "web"}, good])).await;
    assert_eq!((status, &answer["accepted"], &answer["rejected"]), (200, &json!(2), &json!(2)));
    let expected = json!([
        {"index": 1, "reason": "an event is an object, this is a number"},
        {"index": 2, "reason": "missing: endpoint, response_time, status_code"}
    ]);
    assert_eq!(answer["rejections"], expected);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let lines = format!("{good}\n\nnonsense\n{good}\n");
    let request =
        client.post(daemon.url("/collect-usage")).header("Content-Type", "application/x-ndjson").body(lines);
    let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((&answer["accepted"], &answer["rejections"][0]["index"]), (&json!(2), &json!(1)), "{answer}");
}

#[tokio::test]
async fn hostile_paths_do_not_make_the_daemon_grow() {
    let daemon = started("durability: os\n").await;
    let batch = |batch: u32| {
        let of = |number: u32| {
            let scattered = number.wrapping_mul(2_654_435_761);
            let path = format!("/q{scattered}w/{number}x{scattered}/y");
            event(&format!("service-{}", scattered % 1_000), &path, 0.1, 200)
        };
        serde_json::Value::Array((batch * 10_000..(batch + 1) * 10_000).map(of).collect())
    };
    for number in 0..10 {
        report(&daemon, &batch(number)).await;
    }
    let metrics = daemon.text("/metrics").await;
    assert!(metrics.contains("self_evolution_usage_events_recorded_total 100000"), "{metrics}");
    let endpoints = metrics.lines().find_map(|line| line.strip_prefix("self_evolution_endpoints ")).unwrap();
    assert!(endpoints.parse::<u32>().unwrap() <= 2_400, "{endpoints}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process_id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kibibytes < 150 * 1_024, "{kibibytes} KiB");
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_leaves_nothing_behind() {
    let daemon = started("").await;
    let mut stream = TcpStream::connect(daemon.address()).unwrap();
    let head = "POST /collect-usage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(br#"[{"service":"web","endpoint":"/x","response_time":1,"status_code":200},"#).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // The connection may be closed without an answer; there is nobody to read it.
    let _ = stream.read_to_end(&mut answer);
    report(&daemon, &event("web", "/x", 2.5, 200)).await;
    assert!(daemon.text("/metrics").await.contains("self_evolution_usage_events_recorded_total 1\n"));
}

#[tokio::test]
async fn an_element_that_cannot_be_read_costs_the_others_of_its_array_nothing() {
    let daemon = started("").await;
    let good = event("web", "/x", 0.1, 200).to_string();
    for bad in [
        r#"{"service":"\ud800","endpoint":"/","response_time":1,"status_code":200}"#,
        r#"{"service":"a","endpoint":"/","response_time":1e999,"status_code":200}"#,
    ] {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(daemon.url("/collect-usage")).header("Content-Type", "application/json");
        let answer = request.body(format!("[{good},{bad},{good}]")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{bad}");
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(1)), "{answer}");
        assert_eq!(answer["rejections"][0]["index"], 1);
        assert!(answer["rejections"][0]["reason"].as_str().unwrap().contains("cannot be read"), "{answer}");
    }
    assert!(daemon.text("/metrics").await.contains("self_evolution_usage_events_recorded_total 4"));
}

#[tokio::test]
async fn reports_leave_no_lines_in_the_log_taken_or_not() {
    let daemon = started("").await;
    report(&daemon, &event("web", "/x", 0.1, 200)).await;
    refused(&daemon, "application/json", "7").await;
    assert_eq!(daemon.post("/pause").await.0, 200);
    let log = daemon.log();
    let answered = log.lines().filter(|line| line.contains("request answered")).collect::<Vec<_>>();
    assert!(answered.iter().any(|line| line.contains("/pause")), "{log}");
    assert!(!answered.iter().any(|line| line.contains("/collect-usage")), "{log}");
}
