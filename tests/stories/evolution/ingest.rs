//! `self-evolution ingest`, the real executable, on logs that grow, are renamed and cut, against the real daemon.

mod receiver;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use shared::clock::{Clock, Timestamp};
use tempfile::TempDir;

use super::started;
use crate::stories::daemon::{Daemon, PATIENCE, executable, free_port, signal};
use receiver::Receiver;

/// Logs and state of one story.
struct Logs(TempDir);

impl Logs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = File::options().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn ingest(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable("self-evolution"));
        command.env_clear().current_dir(self.0.path()).args(["ingest", "--service", "shop", "--url", url]);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, daemon: &Daemon, arguments: &[&str]) -> Output {
        self.ingest(&daemon.url(""), arguments).output().unwrap()
    }

    /// Follows `log` until it is dropped.
    fn follow(&self, url: &str) -> Following {
        let error = File::options().create(true).append(true).open(self.path("errors")).unwrap();
        let mut command = self.ingest(url, &["--follow", "log"]);
        Following(command.stdout(Stdio::piped()).stderr(error).spawn().unwrap())
    }
}

struct Following(Child);

impl Following {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to end, and gives its exit code and summary.
    fn end(mut self) -> (Option<i32>, String) {
        signal(self.0.id(), "TERM");
        let code = self.0.wait().unwrap().code();
        (code, std::io::read_to_string(self.0.stdout.take().unwrap()).unwrap())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The present second, as servers log it.
fn time() -> String {
    common(Clock::starting_after(Timestamp::default()).now())
}

fn common(at: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.to_string();
    let month = MONTHS[text[5..7].parse::<usize>().unwrap() - 1];
    format!("{}/{month}/{}:{} +0000", &text[8..10], &text[..4], &text[11..19])
}

/// A line of nginx.
fn line(time: &str, request: &str, status: u16, seconds: &str) -> String {
    format!("2001:db8::7 - - [{time}] \"{request}\" {status} 512 \"-\" \"curl/8 (\\\"x\\\")\" {seconds}\n")
}

fn lines(number: usize) -> String {
    let time = time();
    (0..number).map(|n| line(&time, &format!("GET /items/{n}?token=secret HTTP/1.1"), 200, "0.012")).collect()
}

/// How many events the daemon has recorded.
async fn recorded(daemon: &Daemon) -> usize {
    let metrics = daemon.text("/metrics").await;
    let name = "self_evolution_usage_events_recorded_total ";
    metrics.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap()
}

async fn until_recorded(daemon: &Daemon, number: usize, logs: &Logs) {
    let errors = || fs::read_to_string(logs.path("errors")).unwrap_or_default();
    until(&format!("{number} events are not recorded"), errors, async || recorded(daemon).await >= number)
        .await;
    assert_eq!(recorded(daemon).await, number, "more than there are");
}

async fn until(what: &str, told: impl Fn() -> String, holds: impl AsyncFn() -> bool) {
    let start = tokio::time::Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "{what}: {}", told());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn an_access_log_is_reported_counted_and_analysed() {
    let (daemon, logs) = (started("").await, Logs::new());
    let (now, old) = (time(), common(Timestamp::from_micros(1_700_000_000_000_000)));
    logs.append("log", &lines(2_500));
    for _ in 0..30 {
        logs.append("log", &line(&now, "GET /slow HTTP/1.1", 200, "6.5"));
    }
    logs.append("log", &line(&now, "\\x16\\x03\\x01", 400, "0.0"));
    logs.append("log", &line(&now, "GET /websocket HTTP/1.1", 101, "4000.0"));
    logs.append("log", &line(&old, "GET /old HTTP/1.1", 200, "0.1"));
    logs.append("log", &format!("{}\n\nnot a line of this log\n", "x".repeat(100_000)));
    logs.append("log", line(&now, "GET /last HTTP/1.1", 200, "0.1").trim_end());
    let output = logs.run(&daemon, &["log"]);
    let summary = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{summary}{}", text(&output.stderr));
    assert_eq!(recorded(&daemon).await, 2_531);
    for part in [
        "lines read   2536",
        "events sent  2532",
        "accepted     2531",
        "rejected     1\n             1: response_time is not from 0 to 3600 seconds",
        "skipped      4",
        "1: longer than 64 KiB",
        "1: no request that could be read",
        "1: too old for the daemon",
        "1: not of this format",
    ] {
        assert!(summary.contains(part), "{part}:\n{summary}");
    }
    let (_, analysis) = daemon.post("/analyze").await;
    assert_eq!(analysis["recommendations"][0]["evidence"][0]["endpoint"], "/slow", "{analysis:#}");
    assert!(!logs.path("log.ingested").exists(), "a log that is read once keeps no state");
    let output = logs.run(&daemon, &["--now", "log"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(recorded(&daemon).await, 2 * 2_531 + 1, "and the old line as if it happened now");
}

#[tokio::test]
async fn what_comes_by_a_pipe_compressed_or_as_json_is_reported_too() {
    let (daemon, logs) = (started("").await, Logs::new());
    logs.append("log", &lines(40));
    let gzip = Command::new("gzip").arg("--keep").arg(logs.path("log")).status().unwrap();
    assert!(gzip.success());
    assert_eq!(logs.run(&daemon, &["log.gz"]).status.code(), Some(0));
    assert_eq!(recorded(&daemon).await, 40);
    let piped =
        logs.ingest(&daemon.url(""), &["-"]).stdin(File::open(logs.path("log")).unwrap()).output().unwrap();
    assert_eq!(piped.status.code(), Some(0), "{}", text(&piped.stderr));
    assert_eq!(recorded(&daemon).await, 80);
    logs.append("json", "{\"http\":{\"route\":\"/a\",\"took\":12},\"code\":\"200\"}\n");
    let fields = ["--field", "endpoint=http.route", "--field", "response_time=http.took"];
    let more = ["--field", "status_code=code", "--unit", "milliseconds"];
    let output = logs.run(&daemon, &[&["json"], &fields[..], &more[..], &["--dry-run"]].concat());
    let expected = "{\"service\":\"shop\",\"endpoint\":\"/a\",\"response_time\":0.012,\"status_code\":200";
    assert!(text(&output.stdout).starts_with(expected), "{}", text(&output.stdout));
    assert_eq!(recorded(&daemon).await, 80, "a dry run sends nothing");
    assert_eq!(logs.run(&daemon, &[&["json"], &fields[..], &more[..]].concat()).status.code(), Some(0));
    assert_eq!(recorded(&daemon).await, 81);
}

#[tokio::test]
async fn a_followed_log_loses_and_doubles_nothing_when_it_is_renamed_and_cut() {
    let (daemon, logs) = (started("").await, Logs::new());
    let following = logs.follow(&daemon.url(""));
    logs.append("log", &lines(10));
    until_recorded(&daemon, 10, &logs).await;
    let whole = lines(1);
    let (begin, end) = whole.split_at(50);
    logs.append("log", begin);
    logs.append("other", &lines(1));
    fs::rename(logs.path("log"), logs.path("log.1")).unwrap();
    logs.append("log.1", &format!("{end}{}", lines(4)));
    until_recorded(&daemon, 15, &logs).await;
    logs.append("log", &lines(20));
    until_recorded(&daemon, 35, &logs).await;
    File::options().write(true).truncate(true).open(logs.path("log")).unwrap();
    logs.append("log", &lines(7));
    until_recorded(&daemon, 42, &logs).await;
    logs.append("log", &lines(3));
    until_recorded(&daemon, 45, &logs).await;
    let (code, summary) = following.end();
    assert_eq!(code, Some(0), "{summary}");
    assert!(summary.contains("accepted     45"), "{summary}");
    logs.append("log", &lines(5));
    let following = logs.follow(&daemon.url(""));
    until_recorded(&daemon, 50, &logs).await;
    assert_eq!(following.end().0, Some(0), "it has gone on where it was");
}

#[tokio::test]
async fn a_kill_loses_nothing_and_repeats_one_batch_at_most_with_the_same_identities() {
    const LINES: usize = 5_000;
    let (receiver, logs) = (Receiver::start().await, Logs::new());
    logs.append("log", &lines(LINES));
    // The third request has arrived, and its answer never does.
    receiver.hold_from(3);
    let mut following = logs.follow(&receiver.url);
    until("the third request has not come", String::new, async || receiver.requests() == 3).await;
    following.kill();
    let before = receiver.identities();
    assert!(before.len() < LINES, "it was killed in the middle");
    receiver.hold_from(usize::MAX);
    let following = logs.follow(&receiver.url);
    let all = || receiver.identities().into_iter().collect::<HashSet<_>>();
    until("lines are lost", String::new, async || all().len() == LINES).await;
    let repeated = receiver.identities().len() - LINES;
    assert!((1..=1_000).contains(&repeated), "{repeated} events were repeated");
    assert_eq!(following.end().0, Some(0));
    logs.append("log", &lines(1));
    let following = logs.follow(&receiver.url);
    until("the last line has not come", String::new, async || all().len() == LINES + 1).await;
    assert_eq!(receiver.identities().len(), LINES + 1 + repeated, "what was answered is not sent again");
    following.end();
}

#[tokio::test]
async fn a_daemon_that_is_full_is_asked_again_when_it_says() {
    let (receiver, logs) = (Receiver::start().await, Logs::new());
    receiver.refuse_once(503, 1);
    logs.append("log", &lines(5));
    let start = tokio::time::Instant::now();
    let command = logs.ingest(&receiver.url, &["log"]);
    let output = tokio::process::Command::from(command).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After is heeded");
    assert_eq!((receiver.requests(), receiver.identities().len()), (2, 5));
}

#[tokio::test]
async fn a_daemon_that_is_down_is_waited_for_and_without_patience_that_is_a_failure() {
    let logs = Logs::new();
    logs.append("log", &lines(5));
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let output = logs.ingest(&url, &["--wait", "0", "log"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot be reached"), "{}", text(&output.stderr));
    let following = logs.follow(&url);
    let errors = || fs::read_to_string(logs.path("errors")).unwrap_or_default();
    until("it does not say that it waits", errors, async || errors().contains("it is tried again")).await;
    let daemon = Daemon::evolution_at(port, "elasticsearch_enabled: false\n").await;
    until_recorded(&daemon, 5, &logs).await;
    assert_eq!(following.end().0, Some(0));
    assert!(errors().contains("takes usage again"), "{}", errors());
}

#[tokio::test]
async fn what_cannot_work_says_what_to_do_and_ends_with_its_code() {
    let daemon =
        Daemon::evolution("elasticsearch_enabled: false\n", &[("API_TOKEN", "ingest:abcdefgh")]).await;
    let logs = Logs::new();
    logs.append("log", &lines(5));
    logs.append("plain", &line(&time(), "GET / HTTP/1.1", 200, ""));
    logs.append("whole", &line(&time(), "GET / HTTP/1.1", 200, "3"));
    logs.append(
        "old",
        &line(&common(Timestamp::from_micros(1_700_000_000_000_000)), "GET / HTTP/1.1", 200, "0.1"),
    );
    for (arguments, code, part) in [
        (&["log"][..], 1, "--token-file"),
        (&["missing"], 1, "missing: No such file"),
        (&["old"], 1, "--now"),
        (&["plain"], 1, "$request_time"),
        (&["whole"], 2, "--unit seconds"),
        (&["log", "--field", "uri=x"], 2, "must be MEMBER=WHERE"),
        (&["log", "--token-file", "missing"], 2, "--token-file missing"),
    ] {
        let output = logs.run(&daemon, arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(part) && !told.contains("abcdefgh"), "{arguments:?}: {told}");
    }
    assert_eq!(recorded(&daemon).await, 0);
    fs::write(logs.path("token"), "abcdefgh\n").unwrap();
    assert_eq!(logs.run(&daemon, &["log", "--token-file", "token"]).status.code(), Some(0));
    let mut command = logs.ingest(&daemon.url(""), &["log"]);
    assert_eq!(
        command.env("API_TOKEN", "operator:ijklmnop,ingest:abcdefgh").status().unwrap().code(),
        Some(0)
    );
    assert_eq!(recorded(&daemon).await, 10);
    assert!(Path::new(&logs.path("log")).exists());
}
