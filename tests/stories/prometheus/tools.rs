//! Prometheus's own tool finds nothing wrong.

use std::io::Write;
use std::process::{Command, Stdio};

use super::server::is_installed;
use super::{Daemon, documents};

const PROGRAM: &str = "promtool";

/// What the tool says, and whether it is content.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(PROGRAM)
        .args(arguments)
        .current_dir(documents().join("prometheus"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), told.concat())
}

#[test]
fn every_alert_rule_is_valid_and_raised_by_what_it_is_about() {
    if !is_installed(PROGRAM) {
        return;
    }
    for arguments in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules_test.yml"],
    ] {
        let (is_content, told) = promtool(&arguments, "");
        assert!(is_content, "promtool {}: {told}", arguments.join(" "));
    }
    let files = ["rules.yml", "rules_test.yml"]
        .map(|name| std::fs::read_to_string(documents().join("prometheus").join(name)).unwrap());
    let names = files[0].lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    for name in names {
        let is_raised = files[1].contains(&format!("- alertname: {name}\n"));
        assert!(is_raised, "no test raises {name}");
    }
}

#[tokio::test]
async fn the_metrics_of_both_daemons_are_as_prometheus_wants_them() {
    if !is_installed(PROGRAM) {
        return;
    }
    let daemons = [
        Daemon::start("services:\n  web: {url: 'http://127.0.0.1:1'}\n").await,
        Daemon::evolution("elasticsearch_enabled: false\n", &[]).await,
    ];
    for daemon in &daemons {
        let (is_content, told) = promtool(&["check", "metrics"], &daemon.text("/metrics").await);
        assert!(is_content && told.trim().is_empty(), "{told}");
    }
}
