//! The commands of the executable, their output and their exit codes.

use std::path::Path;

use super::daemon::{Daemon, run};
use super::receivers::Service;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file(directory: &Path, content: &str) -> String {
    let path = directory.join("c.yaml");
    std::fs::write(&path, content).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn every_fault_of_a_configuration_is_told_at_once_and_nothing_starts() {
    let directory = tempfile::tempdir().unwrap();
    let config = file(directory.path(), "health_check_intervall: 5\nservices:\n  web: {url: 'ftp://x'}\n");
    let output = run(directory.path(), &["--config", &config], &[("MAX_FAILURES_BEFORE_RECOVERY", "many")]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{told}");
    for part in
        ["health_check_interval", "MAX_FAILURES_BEFORE_RECOVERY", "many", "services.web.url", "3 faults"]
    {
        assert!(told.contains(part), "{part} is not told:\n{told}");
    }
    assert!(!directory.path().join("data").exists(), "something was started");
}

#[test]
fn the_configuration_can_be_checked_printed_and_described() {
    let directory = tempfile::tempdir().unwrap();
    let checked = run(directory.path(), &["config", "check"], &[]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let printed = run(directory.path(), &["config", "print"], &[("API_TOKEN", "very-secret-token")]);
    let shown = text(&printed.stdout);
    assert!(shown.contains("health_check_interval: 30") && !shown.contains("very-secret"), "{shown}");
    let schema = run(directory.path(), &["config", "schema"], &[]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["services"].is_object(), "{schema}");
}

#[test]
fn help_and_version_need_no_configuration_and_a_slip_is_a_usage_error() {
    let directory = tempfile::tempdir().unwrap();
    let bad = [("HEALTH_CHECK_INTERVAL", "never")];
    for (arguments, code) in
        [(&["--help"][..], 0), (&["--version"], 0), (&["--no-such"], 2), (&["frobnicate"], 2)]
    {
        let output = run(directory.path(), arguments, &bad);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn the_executable_describes_itself_to_tools() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| run(directory.path(), arguments, &[("HEALTH_CHECK_INTERVAL", "never")]);
    let document: serde_json::Value = serde_json::from_slice(&run(&["openapi"]).stdout).unwrap();
    assert!(document["paths"]["/trigger-heal/{service}"]["post"].is_object(), "{document}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&run(&["completions", shell]).stdout);
        assert!(script.contains("healthcheck") && script.contains("bind-address"), "{shell}: {script}");
    }
    assert_eq!(run(&["completions", "cobol"]).status.code(), Some(2));
    assert!(text(&run(&["man"]).stdout).contains(".TH health-monitor 1"));
    let pages = directory.path().join("pages");
    assert_eq!(run(&["man", "pages"]).status.code(), Some(1), "the directory does not exist");
    std::fs::create_dir(&pages).unwrap();
    assert_eq!(run(&["man", "pages"]).status.code(), Some(0));
    let page = std::fs::read_to_string(pages.join("health-monitor-config-print.1")).unwrap();
    assert!(page.contains("health\\-monitor config print"), "{page}");
}

#[tokio::test]
async fn a_check_prints_a_table_and_fails_when_a_service_does() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start().await;
    let config = format!(
        "services:\n  web: {{url: 'http://{}'}}\n  gone: {{url: 'http://127.0.0.1:1'}}\n  report: {{probe: push}}\n",
        service.address
    );
    let config = file(directory.path(), &config);
    // The service answers on this runtime, so the check must not block it.
    let (all, one, pushes, none) = tokio::task::spawn_blocking(move || {
        let check = |arguments: &[&str]| {
            let arguments = [&["--config", &config, "check"], arguments].concat();
            run(directory.path(), &arguments, &[])
        };
        (check(&[]), check(&["web"]), check(&["report"]), check(&["no-such"]))
    })
    .await
    .unwrap();
    let table = text(&all.stdout);
    assert_eq!(all.status.code(), Some(1), "{table}");
    assert!(table.contains("web") && table.contains("connection refused"), "{table}");
    assert_eq!(one.status.code(), Some(0), "{}", text(&one.stdout));
    let table = text(&pushes.stdout);
    assert_eq!(pushes.status.code(), Some(0), "{table}");
    assert!(table.contains("not asked") && table.contains("heartbeats"), "{table}");
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("there are: "), "{}", text(&none.stderr));
}

#[tokio::test]
async fn a_healthcheck_tells_a_daemon_that_answers_from_none() {
    let daemon =
        Daemon::start("recovery_backend: none\nservices:\n  web: {url: 'http://127.0.0.1:1'}\n").await;
    let (address, directory) = (daemon.address(), daemon.directory.path().to_path_buf());
    let healthcheck =
        |address: &str| run(&directory, &["healthcheck"], &[("BIND_ADDRESS", address)]).status.code();
    assert_eq!(healthcheck(&address), Some(0));
    assert_eq!(healthcheck("127.0.0.1:1"), Some(1));
}

#[tokio::test]
async fn a_request_to_stop_ends_the_daemon_cleanly() {
    let mut daemon =
        Daemon::start("recovery_backend: none\nservices:\n  web: {url: 'http://127.0.0.1:1'}\n").await;
    assert_eq!(daemon.terminate(), Some(0), "{}", daemon.log());
    assert!(daemon.log().contains("stopped"), "{}", daemon.log());
}

#[tokio::test]
async fn a_hang_up_does_not_end_the_watching() {
    let daemon =
        Daemon::start("recovery_backend: none\nservices:\n  web: {url: 'http://127.0.0.1:1'}\n").await;
    super::daemon::signal(daemon.process_id(), "HUP");
    let start = tokio::time::Instant::now();
    while !daemon.log().contains("SIGHUP") {
        assert!(start.elapsed() < super::daemon::PATIENCE, "{}", daemon.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(daemon.get("/livez").await.0, 200);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_what_to_do() {
    let daemon =
        Daemon::start("recovery_backend: none\nservices:\n  web: {url: 'http://127.0.0.1:1'}\n").await;
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &[], &[("BIND_ADDRESS", &daemon.address())]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("already in use") && told.contains("BIND_ADDRESS"), "{told}");
}
