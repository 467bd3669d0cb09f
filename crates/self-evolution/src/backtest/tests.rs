//! Whole files in, whole outputs out.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use shared::cli::Exit;
use shared::clock::Timestamp;

use super::{backtest, command};
use crate::domain::play::Playbook;
use crate::domain::policy::{JudgedChanges, Policy};
use crate::domain::window::shape::Shape;

fn policy() -> Policy {
    Policy {
        shape: Shape::default(),
        analysis_interval: Duration::from_secs(3_600),
        threshold: 0.15,
        auto_apply: false,
        judged: JudgedChanges::All,
        ab_tests: false,
        keep_inconclusive: false,
        playbook: Playbook::default(),
    }
}

/// The moment so many seconds after the beginning.
fn at(seconds: u64) -> Timestamp {
    "2026-11-24T10:00:00Z".parse::<Timestamp>().unwrap() + Duration::from_secs(seconds)
}

/// Usage as a file has it.
#[derive(Default)]
struct File(String);

impl File {
    /// A request so many seconds after the beginning.
    fn request(&mut self, second: u64, service: &str, response_time: f64, status_code: u16) {
        let event = json!({
            "service": service, "endpoint": "/x", "response_time": response_time, "status_code": status_code,
            "timestamp": at(second),
        });
        writeln!(self.0, "{event}").unwrap();
    }

    /// Requests of a service, 30 a minute, a little slower or quicker from one minute to the next.
    fn minutes(&mut self, minutes: std::ops::Range<u64>, service: &str, response_time: f64) {
        for minute in minutes {
            let wobble = 1.0 + f64::from(u32::try_from(minute * 7 % 11).unwrap()) / 50.0 - 0.1;
            for request in 0..30 {
                self.request(minute * 60 + request * 2, service, response_time * wobble, 200);
            }
        }
    }
}

fn run(usage: &str, changes: &str, policy: &Policy) -> (Exit, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (usage, changes) = (path("usage", usage), path("changes", changes));
    let arguments = [
        "backtest".as_ref(),
        "--usage".as_ref(),
        usage.as_os_str(),
        "--changes".as_ref(),
        changes.as_os_str(),
    ];
    let matches = command().try_get_matches_from(arguments).unwrap();
    let mut out = Vec::new();
    let exit = backtest(&matches, policy, &mut out).unwrap();
    (exit, String::from_utf8(out).unwrap())
}

/// What is printed line by line, and the summary.
fn tried(usage: &File, changes: &[Value], policy: &Policy) -> (Vec<Value>, Value) {
    let changes: String = changes.iter().map(|change| format!("{change}\n")).collect();
    let (exit, out) = run(&usage.0, &changes, policy);
    assert_eq!(exit, Exit::Ok, "{out}");
    let mut lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    assert_eq!(summary["type"], "summary");
    (lines, summary)
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

fn change(minute: u64, service: &str, action: &str) -> Value {
    json!({"at": at(minute * 60), "service": service, "action": action})
}

/// A service that gets quicker or slower after 90 minutes.
fn from_to(before: f64, after: f64) -> File {
    let mut usage = File::default();
    usage.minutes(0..90, "web", before);
    usage.minutes(90..150, "web", after);
    usage
}

#[test]
fn what_is_slow_is_found_and_recommended_when_an_analysis_is_due_and_told_once() {
    let mut usage = File::default();
    usage.minutes(0..200, "web", 2.5);
    let (lines, summary) = tried(&usage, &[], &policy());
    let found: Vec<_> = lines.iter().map(|line| (line["type"].as_str().unwrap(), &line["at"])).collect();
    let hour = json!(at(3_600));
    let (end, third) = (json!(at(199 * 60 + 58)), json!(at(3 * 3_600)));
    // The first hour has 1,800 requests: slow and much traffic.
    let expected =
        [("finding", &hour), ("finding", &hour), ("recommendation", &hour), ("recommendation", &hour)];
    assert_eq!(found, expected, "nothing is new after {third}");
    let made: Vec<_> =
        lines[2..].iter().map(|line| line["recommendation"]["detector"].as_str().unwrap()).collect();
    assert_eq!(made, ["high_traffic", "slow_response"]);
    assert_eq!(lines[2]["recommendation"]["evidence"][0]["requests"], 1_800);
    assert_eq!((&summary["analyses"], &summary["findings"]), (&json!(4), &json!(2)));
    assert_eq!((&summary["from"], &summary["to"]), (&json!(at(0)), &end));
    assert_eq!(summary["recommendations"]["pending"], 2);
    assert_eq!(summary["settings"]["OPTIMIZATION_THRESHOLD"], 0.15);
}

#[test]
fn an_analysis_has_seen_what_was_before_it_and_nothing_of_what_comes_after() {
    let mut usage = File::default();
    for second in 3_580..3_620 {
        usage.request(second, "web", 3.0, 200);
    }
    usage.request(3_600 + 20, "web", 3.0, 200);
    let quick = Policy { analysis_interval: Duration::from_secs(20), ..policy() };
    let (lines, summary) = tried(&usage, &[], &quick);
    let first = of_type(&lines, "finding")[0];
    assert_eq!((&first["at"], &first["evidence"]["requests"]), (&json!(at(3_600)), &json!(20)));
    assert_eq!(summary["usage"]["taken"], 41);
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    let mut usage = File::default();
    for minute in 0..130 {
        for service in ["web", "api", "shop", "pay"] {
            usage.minutes(minute..minute + 1, service, 2.2);
        }
    }
    let policy = Policy { auto_apply: true, threshold: 0.0, ..policy() };
    let changes =
        format!("{}\n{}\n", change(61, "web", "enabled_caching"), change(62, "api", "triggered_scaling"));
    let first = run(&usage.0, &changes, &policy);
    assert!(first.1.lines().count() > 10, "{}", first.1);
    assert_eq!(first, run(&usage.0, &changes, &policy));
}

#[test]
fn a_bad_line_costs_only_itself_and_is_named_with_its_number_and_the_reason() {
    let mut usage = File::default();
    usage.request(0, "web", 0.1, 200);
    usage.0 += "{\"service\":\n\n[1]\n{\"service\":\"web\",\"endpoint\":\"/x\",\"response_time\":1,\"status_code\":200}\n";
    usage.0 += "{\"service\":\"web\",\"endpoint\":\"/x\",\"response_time\":-1,\"status_code\":200,\"timestamp\":\"2026-11-24T10:00:00Z\"}\n";
    usage.0 += &format!("{}\n", "x".repeat(70_000));
    usage.request(5, "web", 0.1, 200);
    let (_, summary) = tried(&usage, &[], &policy());
    let usage = &summary["usage"];
    assert_eq!((&usage["lines"], &usage["taken"], &usage["rejected"]), (&json!(7), &json!(2), &json!(5)));
    let named: Vec<_> = usage["bad"].as_array().unwrap().iter().map(|bad| &bad["line"]).collect();
    assert_eq!(named, [2, 4, 5, 6, 7]);
    for (place, part) in
        ["not JSON", "an array", "missing: timestamp", "not from 0 to 3600", "more than 65536 bytes"]
            .into_iter()
            .enumerate()
    {
        let reason = usage["bad"][place]["reason"].as_str().unwrap();
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn a_line_may_be_as_late_as_the_daemon_takes_it_and_one_far_ahead_moves_no_clock() {
    let mut usage = File::default();
    usage.request(1_000, "web", 0.1, 200);
    usage.request(400, "web", 0.1, 200);
    usage.request(399, "web", 0.1, 200);
    usage.request(90_000_000, "web", 0.1, 200);
    usage.request(1_001, "web", 0.1, 200);
    // A pause that what follows it confirms.
    usage.request(50_000, "web", 0.1, 200);
    usage.request(49_990, "web", 0.1, 200);
    usage.request(90_000_000, "web", 0.1, 200);
    let (_, summary) = tried(&usage, &[], &policy());
    let usage = &summary["usage"];
    assert_eq!((&usage["taken"], &usage["out_of_order"]), (&json!(5), &json!(3)), "{usage}");
    assert_eq!(summary["to"], json!(at(50_000)));
    let reasons: Vec<_> =
        usage["bad"].as_array().unwrap().iter().map(|bad| (&bad["line"], &bad["reason"])).collect();
    assert!(reasons[0].1.as_str().unwrap().contains("601 seconds before an earlier line's"), "{reasons:?}");
    assert!(reasons[1].1.as_str().unwrap().contains("ahead of the lines"), "{reasons:?}");
    assert_eq!(
        reasons.iter().map(|(line, _)| (*line).clone()).collect::<Vec<_>>(),
        [json!(3), json!(4), json!(8)]
    );
}

#[test]
fn a_pause_before_the_last_line_is_believed_where_the_window_reaches_over_it() {
    let mut usage = File::default();
    usage.request(0, "web", 0.1, 200);
    usage.request(80_000, "web", 0.1, 200);
    let (_, summary) = tried(&usage, &[], &policy());
    assert_eq!((&summary["usage"]["taken"], &summary["to"]), (&json!(2), &json!(at(80_000))));
}

#[test]
fn a_change_that_was_made_meanwhile_is_judged_by_what_came_before_and_after_it() {
    for (after, outcome, phase) in
        [(0.8, "better", "kept"), (2.5, "no_gain", "inconclusive"), (3.5, "worse", "inconclusive")]
    {
        let (lines, summary) =
            tried(&from_to(2.5, after), &[change(90, "web", "enabled_caching")], &policy());
        let applied = of_type(&lines, "change_applied")[0];
        assert_eq!((&applied["trigger"], &applied["at"]), (&json!("outside"), &json!(at(90 * 60))));
        assert_eq!(applied["recommendation"]["detector"], "slow_response", "it was recommended, and is done");
        let judged = of_type(&lines, "change_judged")[0];
        assert_eq!(
            (&judged["verdict"]["outcome"], &judged["phase"]),
            (&json!(outcome), &json!(phase)),
            "{judged}"
        );
        let reason = judged["verdict"]["reason"].as_str().unwrap();
        assert_eq!(
            reason.contains("it stays, because it was made without the daemon"),
            phase != "kept",
            "{reason}"
        );
        assert_eq!(of_type(&lines, "change_rolled_back").len(), 0, "nothing of the past is taken back");
        assert_eq!((&summary["verdicts"][outcome], &summary["changes"]["outside"]), (&json!(1), &json!(1)));
        assert_eq!(summary["recommendations"]["applied"], 1);
    }
}

#[test]
fn a_change_is_judged_although_nothing_was_recommended() {
    let (lines, _) = tried(&from_to(0.5, 0.2), &[change(90, "web", "enabled_caching")], &policy());
    let applied = of_type(&lines, "change_applied")[0];
    assert_eq!(applied["recommendation"]["detector"], "made_outside");
    let judged = of_type(&lines, "change_judged")[0];
    assert_eq!(judged["verdict"]["outcome"], "better", "{judged}");
    let harmed = tried(&from_to(0.2, 0.9), &[change(90, "web", "triggered_scaling")], &policy()).0;
    let judged = of_type(&harmed, "change_judged")[0];
    assert_eq!(
        (&judged["verdict"]["outcome"], &judged["at"]),
        (&json!("harmful"), &json!(at(96 * 60))),
        "{judged}"
    );
}

#[test]
fn what_cannot_be_judged_says_why() {
    let changes = [
        change(90, "web", "enabled_caching"),
        change(95, "web", "triggered_scaling"),
        change(100, "web", "made_coffee"),
        change(100, "", "enabled_caching"),
        change(500, "web", "enabled_caching"),
        json!({"service": "web", "action": "enabled_caching"}),
    ];
    let (lines, summary) = tried(&from_to(2.5, 2.5), &changes, &policy());
    let refused = of_type(&lines, "change_refused");
    assert_eq!((refused.len(), &refused[0]["action"]), (1, &json!("triggered_scaling")));
    assert!(refused[0]["reason"].as_str().unwrap().contains("another change of the service is being judged"));
    let made = &summary["made_outside"];
    assert_eq!((&made["taken"], &made["refused"], &made["after_the_end"]), (&json!(3), &json!(1), &json!(1)));
    let bad: Vec<_> =
        made["bad"].as_array().unwrap().iter().map(|bad| bad["reason"].as_str().unwrap()).collect();
    assert!(
        bad[0].contains("none of enabled_caching, improved_error_handling, triggered_scaling"),
        "{bad:?}"
    );
    assert!(bad[1].contains("service must have") && bad[2].contains("missing field `at`"), "{bad:?}");
}

#[test]
fn what_it_applies_by_itself_is_delivered_and_found_to_have_changed_nothing() {
    let mut usage = File::default();
    usage.minutes(0..115, "web", 6.0);
    // A window of a day would be waited for until there is one.
    let shape = Shape { window_hours: 23, ..policy().shape };
    let (lines, summary) = tried(&usage, &[], &Policy { auto_apply: true, shape, ..policy() });
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    let expected = ["change_applied", "trial_began", "change_judged", "change_rolled_back"];
    assert_eq!(kinds.iter().filter(|kind| expected.contains(kind)).count(), 4, "{kinds:?}");
    assert_eq!(summary["verdicts"]["no_gain"], 1);
    assert_eq!((&summary["changes"]["automatic"], &summary["rolled_back"]), (&json!(1), &json!(1)));
}
