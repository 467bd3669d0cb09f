//! A real Alertmanager is told, and asked what it knows.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::stories::daemon::{Daemon, PATIENCE, free_port};
use crate::stories::receivers::Service;

const PROGRAM: &str = "prometheus-alertmanager";

/// An Alertmanager that runs until it is dropped.
struct Alertmanager {
    child: Child,
    address: String,
    client: reqwest::Client,
    directory: TempDir,
}

impl Alertmanager {
    /// Starts one and waits until it answers; none where it is not installed, which is a failure where `CI` is set.
    async fn start() -> Option<Self> {
        let version =
            Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "{PROGRAM} is needed where CI is set");
            eprintln!("SKIPPED: {PROGRAM} is not installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let configuration = directory.path().join("alertmanager.yml");
        std::fs::write(&configuration, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n").unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new(PROGRAM)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let alertmanager = Self { child, address, client, directory };
        alertmanager.until("its start", |_| Some(())).await;
        Some(alertmanager)
    }

    /// Waits until something is found in the alerts that it knows to be active.
    async fn until<T>(&self, what: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        let url = format!("http://{}/api/v2/alerts", self.address);
        let start = tokio::time::Instant::now();
        loop {
            let alerts = match self.client.get(&url).send().await {
                Ok(response) => response.json().await.unwrap_or(Value::Null),
                Err(_) => Value::Null,
            };
            if let Some(found) = alerts.as_array().and_then(|_| find(&alerts)) {
                return found;
            }
            let log = || std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "{what} did not come: {alerts:#}\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Microseconds and milliseconds of one moment begin alike.
fn milliseconds(time: &Value) -> String {
    time.as_str().unwrap().trim_end_matches('Z').chars().take("2026-11-24T09:00:00.000".len()).collect()
}

#[tokio::test]
async fn an_alertmanager_has_the_alert_with_its_labels_while_it_lasts() {
    let Some(alertmanager) = Alertmanager::start().await else { return };
    let web = Service::start().await;
    let mut daemon = Daemon::start(&format!(
        "notify_alertmanager_url: 'http://{}/'\nservices:\n  web: {{url: 'http://{}', mode: observe}}\n",
        alertmanager.address, web.address
    ))
    .await;
    let (status, tested) = daemon.post("/notifications/test").await;
    assert_eq!(status, 200, "{tested}");
    let is_of = |alert: &&Value, name: &str| alert["labels"]["alertname"] == name;
    alertmanager
        .until("the test", |all| all.as_array()?.iter().find(|one| is_of(one, "NotificationTest")).map(drop))
        .await;

    daemon.service_until("web", "its health", |web| web["state"] == "healthy").await;
    web.answers(404);
    let down = |all: &Value| all.as_array()?.iter().find(|one| is_of(one, "ServiceDown")).cloned();
    let alert = alertmanager.until("the alert", down).await;
    let labels = serde_json::json!({
        "alertname": "ServiceDown", "job": "health-monitor", "service": "web", "severity": "critical",
        "instance": format!("http://{}", web.address),
    });
    assert_eq!(alert["labels"], labels);
    assert_eq!(alert["status"]["state"], "active");
    assert_eq!(alert["annotations"]["summary"], "web is down");
    let (_, incidents) = daemon.get("/incidents").await;
    let incident = &incidents["items"][0];
    assert_eq!(milliseconds(&alert["startsAt"]), milliseconds(&incident["failed_at"]));
    assert_eq!(alert["annotations"]["incident_id"], incident["incident_id"]);
    let seconds_ahead = alert["endsAt"].as_str() > incident["detected_at"].as_str();
    assert!(seconds_ahead, "it would be over at once: {alert:#}");

    // After a crash it is the same alert, told again.
    daemon.kill();
    daemon.restart().await;
    let again = alertmanager
        .until("a renewal", |all| down(all).filter(|one| one["updatedAt"] != alert["updatedAt"]))
        .await;
    assert_eq!((&again["startsAt"], &again["fingerprint"]), (&alert["startsAt"], &alert["fingerprint"]));

    web.answers(200);
    alertmanager.until("the end of the alert", |all| down(all).is_none().then_some(())).await;
    let (_, told) = daemon.get("/notifications").await;
    assert_eq!(told["items"][0]["kind"], "resolved", "{told}");
}
