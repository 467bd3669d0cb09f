//! `self-evolution backtest`, the real executable: it says what the daemon would have said.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::{Clock, Timestamp};

use super::started;
use crate::stories::daemon::executable;

fn now() -> Timestamp {
    Clock::starting_after(Timestamp::default()).now()
}

/// Eight minutes of three services until now, as a daemon takes them: slow, failing, busy and well, with identities in paths.
/// Sums of these response times are exact, whatever the order.
fn usage() -> Vec<Value> {
    let begin = now() - Duration::from_secs(8 * 60);
    let of_second = |second: u64| {
        let at = begin + Duration::from_secs(second);
        let event = |service: &str, endpoint: String, response_time: f64, status_code: u16| {
            json!({"service": service, "endpoint": endpoint, "response_time": response_time,
                "status_code": status_code, "timestamp": at, "method": "GET"})
        };
        let late = if second.is_multiple_of(3) { 0.125 } else { 0.0 };
        [
            event("shop", format!("/orders/{second}?page=2"), 5.5 + late, 200),
            event("shop", "/cart".into(), 2.5 + late, if second.is_multiple_of(7) { 500 } else { 200 }),
            event(
                "api",
                format!("/v1/users/{}", second % 50),
                0.25,
                if second.is_multiple_of(3) { 503 } else { 200 },
            ),
            event("api", "/v1/busy".into(), 0.0625, 200),
            event("api", "/v1/busy".into(), 0.125, 200),
            event("api", "/v1/busy".into(), 0.25, 404),
            event("web", "/".into(), 0.125, 200),
        ]
    };
    (0..8 * 60).flat_map(of_second).collect()
}

fn backtest(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(executable("self-evolution"));
    command.env_clear().current_dir(directory).arg("backtest").args(arguments).stdin(Stdio::null());
    command
}

fn lines(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// When it was made and confirmed depends on the clock, and when it will be over follows from that.
fn without_moments(mut recommendation: Value) -> Value {
    for moment in ["created_at", "confirmed_at", "expires_at"] {
        recommendation.as_object_mut().unwrap().remove(moment).unwrap();
    }
    recommendation
}

/// Usage of the last minutes, what a daemon that is given it recommends, and the minute of its analysis.
async fn recommended() -> (Vec<Value>, Vec<Value>, String) {
    let daemon = started("optimization_threshold: 0.1").await;
    let usage = usage();
    for events in usage.chunks(500) {
        let (status, answer) = daemon.post_json("/collect-usage", &json!(events)).await;
        assert_eq!((status, &answer["accepted"]), (200, &json!(events.len())), "{answer}");
    }
    let (status, answer) = daemon.post("/analyze").await;
    assert_eq!(status, 200, "{answer}");
    let minute = answer["timestamp"].as_str().unwrap()[..16].to_owned();
    let all = answer["recommendations"].as_array().unwrap().iter().cloned();
    // What the API adds is about the present, of which a file knows nothing.
    let recorded = all.map(|mut one| {
        let added = [
            "phase",
            "is_executable",
            "not_executable_because",
            "is_revertable",
            "preconditions",
            "cost_delta",
        ];
        for added in added {
            one.as_object_mut().unwrap().remove(added).unwrap();
        }
        without_moments(one)
    });
    (usage, recorded.collect(), minute)
}

#[tokio::test]
async fn a_backtest_recommends_what_the_daemon_recommends_that_was_given_the_same_events() {
    let (usage, expected) = loop {
        let (usage, expected, minute) = recommended().await;
        // The last minutes are looked at by themselves, and are others a minute later; at midnight so is the day.
        if usage.last().unwrap()["timestamp"].as_str().unwrap().starts_with(&minute) {
            break (usage, expected);
        }
    };
    let kinds: Vec<_> = expected.iter().map(|one| one["detector"].as_str().unwrap()).collect();
    for kind in ["slow_response", "high_errors", "high_traffic"] {
        assert!(kinds.contains(&kind), "the story has something of each kind: {kinds:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let text: String = usage.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(directory.path().join("usage.ndjson"), text).unwrap();
    let run = || {
        let arguments = ["--usage", "usage.ndjson", "--optimization-threshold", "0.1"];
        backtest(directory.path(), &arguments).output().unwrap()
    };
    let output = run();
    let told = lines(&output);
    let of_type = |kind: &str| told.iter().filter(|line| line["type"] == kind).cloned().collect::<Vec<_>>();
    let found: Vec<_> = of_type("recommendation")
        .into_iter()
        .map(|mut line| without_moments(line["recommendation"].take()))
        .collect();
    assert_eq!(found, expected);
    let summary = told.last().unwrap();
    assert_eq!(summary["usage"]["taken"], usage.len());
    assert_eq!(summary["settings"]["OPTIMIZATION_THRESHOLD"], 0.1);
    assert_eq!(run().stdout, output.stdout, "the same bytes");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is kept");
}

#[tokio::test]
async fn an_access_log_of_any_age_can_be_tried() {
    let directory = tempfile::tempdir().unwrap();
    let line = |second: u64| {
        let (minute, second) = (second / 60, second % 60);
        format!(
            "10.0.0.1 - - [03/Feb/2021:10:{minute:02}:{second:02} +0000] \"GET /cart HTTP/1.1\" 200 5 \"-\" \"curl\" 3.250\n"
        )
    };
    let log: String = (0..600).map(line).collect();
    std::fs::write(directory.path().join("access.log"), log).unwrap();
    let mut ingest = Command::new(executable("self-evolution"))
        .env_clear()
        .current_dir(directory.path())
        .args(["ingest", "--dry-run", "--all", "--service", "shop", "access.log"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let events = ingest.stdout.take().unwrap();
    let output = backtest(directory.path(), &["--usage", "-"]).stdin(events).output().unwrap();
    assert!(ingest.wait().unwrap().success());
    let told = lines(&output);
    let kinds: Vec<_> = told.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["finding", "recommendation", "summary"]);
    assert_eq!(told[2]["usage"]["taken"], 600);
    assert!(told[1]["at"].as_str().unwrap().starts_with("2021-02-03T10:09:59"), "{}", told[1]);
}

#[tokio::test]
async fn what_cannot_be_tried_says_what_to_do_and_by_which_code() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("empty"), "").unwrap();
    std::fs::write(directory.path().join("log"), "GET /\n").unwrap();
    for (arguments, code, part) in [
        (&[][..], 2, "--usage"),
        (&["--usage", "-", "--changes", "-"], 2, "cannot both be the standard input"),
        (&["--usage", "nowhere"], 1, "nowhere cannot be read"),
        (&["--usage", "empty", "--changes", "nowhere"], 1, "nowhere cannot be read"),
        (&["--usage", "empty"], 1, "there is no usage"),
        (&["--usage", "log"], 1, "log, line 1: not JSON"),
        (&["--usage", "empty", "--optimization-threshold", "7"], 64, "OPTIMIZATION_THRESHOLD"),
    ] {
        let output = backtest(directory.path(), arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(part), "{arguments:?}: {told}");
    }
}
