//! The guards across services, on the real daemon: what it does not do, and how it says so.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::daemon::Daemon;

/// Nothing listens there.
pub(super) const NOBODY: &str = "http://127.0.0.1:1";

/// A configuration with these services, each with further settings, all refusing connections; a restart leaves a
/// line with the name of the service in the file, and mends nothing.
pub(super) fn refusing(services: &[(&str, &str)], orders: &Path) -> String {
    let mut configuration = format!(
        "recovery_command:\n  restart: [sh, -c, 'echo {{service}} >> {}']\nservices:\n",
        orders.display()
    );
    for (name, settings) in services {
        writeln!(configuration, "  {name}: {{url: '{NOBODY}', verification_timeout: 1{settings}}}").unwrap();
    }
    configuration
}

pub(super) fn orders(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Whether the reason names the words that a person looks for.
pub(super) fn says(reason: &Value, words: &[&str]) -> bool {
    reason.as_str().is_some_and(|reason| words.iter().all(|word| reason.contains(word)))
}

#[tokio::test]
async fn services_that_go_down_together_are_healed_one_at_a_time_and_few_of_the_fleet() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let names = ["web", "db", "queue", "cache", "auth"];
    let services = names.map(|name| (name, ", recovery_timeout: 600"));
    let daemon = Daemon::start(&refusing(&services, &file)).await;
    let stormed = daemon.guarded_until("storm").await;
    assert!(says(&stormed["reason"], &["went down together", "one at a time", "turn of"]), "{stormed:#}");
    let spent = daemon.guarded_until("budget").await;
    assert!(says(&spent["reason"], &["1 of 5 services", "MAX_FLEET_PERCENT"]), "{spent:#}");
    let acted_upon = orders(&file);
    assert_eq!(acted_upon.len(), 1, "{acted_upon:?}");
    let (_, statistics) = daemon.get("/statistics").await;
    assert_eq!(statistics["guards"]["storm"]["eligible"], json!(5), "{statistics:#}");
    assert_eq!(statistics["guards"]["actions_within_ten_minutes"], json!(1));
    let ready = daemon.text("/readyz?verbose").await;
    assert!(ready.contains("[-]storm degraded") && ready.contains("[+]budget ok"), "{ready}");
}

#[tokio::test]
async fn a_spent_budget_waits_for_a_person_over_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let settings = ", recovery_timeout: 0, recovery_timeout_max: 0";
    let configuration = refusing(&[("web", settings), ("db", settings)], &file);
    let mut daemon = Daemon::start(&format!("max_recoveries_per_ten_minutes: 3\n{configuration}")).await;
    let spent = daemon.guarded_until("budget").await;
    assert!(says(&spent["reason"], &["3 actions", "POST /reset/budget"]), "{spent:#}");
    daemon.kill();
    daemon.restart().await;
    let (_, statistics) = daemon.get("/statistics").await;
    assert_eq!(statistics["guards"]["budget_tripped"]["actions"], json!(3), "{statistics:#}");
    assert_eq!(orders(&file).len(), 3);
    let (status, _) = daemon.post("/reset/budget?reason=found").await;
    assert_eq!(status, 200);
    daemon
        .service_until("web", "healing", |web| web["held"].is_null() || web["held"]["guard"] != "budget")
        .await;
    let (_, statistics) = daemon.get("/statistics").await;
    assert_eq!(statistics["guards"]["budget_tripped"], Value::Null, "{statistics:#}");
}

#[tokio::test]
async fn what_needs_a_service_that_is_down_is_blocked_and_not_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let services = [("web", ", depends_on: [db]"), ("db", ", recovery_timeout: 600")];
    let daemon = Daemon::start(&refusing(&services, &file)).await;
    let blocked = daemon.service_until("web", "the block", |web| web["state"] == "blocked").await;
    assert_eq!(blocked["held"]["guard"], "dependency", "{blocked:#}");
    assert!(says(&blocked["held"]["reason"], &["needs db", "which is down"]), "{blocked:#}");
    daemon.recovery_until("db", "the attempt", |one| one["outcome"] == "not_recovered").await;
    assert_eq!(orders(&file), ["db"]);
}

#[tokio::test]
async fn a_person_holds_healing_back_and_lets_it_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let daemon = Daemon::start(&refusing(&[("web", ""), ("db", "")], &file)).await;
    let (status, paused) = daemon.post("/pause/web?ttl=600&reason=looking+into+it").await;
    assert_eq!((status, paused["until"].is_string()), (200, true), "{paused}");
    assert_eq!(daemon.post("/maintenance/db?ttl=600").await.0, 200);
    let held = daemon.service_until("web", "the pause", |web| web["held"]["guard"] == "paused").await;
    assert!(says(&held["held"]["reason"], &["looking into it", "POST /resume/web"]), "{held:#}");
    let maintained = daemon.service_until("db", "the work", |db| db["held"]["guard"] == "maintenance").await;
    assert_eq!((&maintained["state"], &maintained["failures"]), (&json!("maintenance"), &json!(0)));
    let (status, problem) = daemon.post("/trigger-heal/web").await;
    assert_eq!((status, says(&problem["error"], &["looking into it"])), (423, true), "{problem}");
    assert!(orders(&file).is_empty());
    assert_eq!(daemon.post("/resume/web").await.0, 200);
    daemon.recovery_until("web", "the attempt", |one| one["has_acted"] == true).await;
    assert!(orders(&file).iter().all(|name| name == "web"));
    assert_eq!(daemon.post("/maintenance").await.0, 200);
    let (_, statistics) = daemon.get("/statistics").await;
    assert_eq!(statistics["guards"]["pause"]["kind"], json!("maintenance"), "{statistics:#}");
    assert!(daemon.text("/readyz?verbose").await.contains("[-]healing degraded"));
}

#[tokio::test]
async fn a_wrong_word_to_the_guards_is_answered_with_the_right_one() {
    let daemon = Daemon::start(&format!("services:\n  web: {{url: '{NOBODY}', mode: observe}}\n")).await;
    for (path, expected, words) in [
        ("/pause/nope", 404, "Service not found"),
        ("/pause/web?ttl=0", 400, "1 to 604800"),
        ("/pause/web?ttl=soon", 400, "ttl"),
        ("/resume/nope", 404, "Service not found"),
        ("/reset/everything", 404, "own_network, storm, budget"),
        ("/reset/quarantine", 400, "?service="),
        ("/reset/quarantine?service=nope", 404, "Service not found"),
        ("/reset/storm?service=web", 400, "leave service out"),
    ] {
        let (status, problem) = daemon.post(path).await;
        assert_eq!(status, expected, "{path}: {problem}");
        assert!(says(&problem["error"], &[words]), "{path}: {problem}");
    }
    assert_eq!(daemon.post("/reset/flapping?service=web").await.0, 200);
}

#[test]
fn a_circle_of_needs_is_refused_with_the_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let circle = format!(
        "services:\n  web: {{url: '{NOBODY}', depends_on: [api]}}\n  api: {{url: '{NOBODY}', depends_on: [web]}}\n"
    );
    std::fs::write(folder.path().join("monitor.yaml"), circle).unwrap();
    let refused = super::daemon::run(folder.path(), &["config", "check", "--config", "monitor.yaml"], &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(said.contains("services.web.depends_on") && said.contains("by way of api"), "{said}");
}

impl Daemon {
    /// Waits until a guard has held some recovery back.
    pub(super) async fn guarded_until(&self, guard: &str) -> Value {
        let start = tokio::time::Instant::now();
        loop {
            let (_, history) = self.get("/recovery-history").await;
            let recoveries = history["recoveries"].as_array().cloned().unwrap_or_default();
            if let Some(held) = recoveries.into_iter().find(|one| one["guard"] == guard) {
                return held;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{guard} held nothing back:\n{history:#}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
