//! A real Prometheus that scrapes both daemons every second.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{WITHIN, documents};
use crate::stories::daemon::free_port;

const PROGRAM: &str = "prometheus";

/// A Prometheus that runs until it is dropped.
pub(super) struct Prometheus {
    child: Child,
    address: String,
    client: reqwest::Client,
    directory: TempDir,
}

/// Whether a program is there; where `CI` is set it has to be.
pub(super) fn is_installed(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let installed = version.is_ok_and(|status| status.success());
    assert!(installed || std::env::var_os("CI").is_none(), "{program} is needed where CI is set");
    if !installed {
        eprintln!("SKIPPED: {program} is not installed");
    }
    installed
}

impl Prometheus {
    /// Starts one with the project's configuration, but for the addresses and with every span a second; none where it is not
    /// installed.
    pub(super) async fn start(monitor: &str, evolution: &str) -> Option<Self> {
        if !is_installed(PROGRAM) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let given = documents().join("prometheus");
        let configuration = fs::read_to_string(given.join("prometheus.yml")).unwrap();
        let quick = configuration
            .replace("_interval: 15s", "_interval: 1s")
            .replace("localhost:5006", monitor)
            .replace("localhost:5007", evolution);
        fs::write(directory.path().join("prometheus.yml"), quick).unwrap();
        fs::copy(given.join("rules.yml"), directory.path().join("rules.yml")).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new(PROGRAM)
            .arg(format!("--config.file={}", directory.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let prometheus = Self { child, address, client, directory };
        prometheus.until("its start", async || prometheus.get("/api/v1/rules", &[]).await).await;
        Some(prometheus)
    }

    /// What an API call gives; none while the server is not there.
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = format!("http://{}{path}", self.address);
        let response = self.client.get(url).query(query).send().await.ok()?;
        let body: Value = response.json().await.ok()?;
        assert_ne!(body["status"], "error", "{query:?}: {body}");
        Some(body["data"].clone())
    }

    /// The values of all series that a query gives now.
    pub(super) async fn numbers(&self, query: &str) -> Vec<f64> {
        let found = self.get("/api/v1/query", &[("query", query)]).await.unwrap_or_default();
        let series = found["result"].as_array().map_or(&[][..], Vec::as_slice);
        series.iter().filter_map(|one| one["value"][1].as_str()?.parse().ok()).collect()
    }

    /// Waits until a query gives one number that is as wanted.
    pub(super) async fn number_until(&self, query: &str, what: &str, is_wanted: impl Fn(f64) -> bool) {
        self.until(what, async || {
            let numbers = self.numbers(query).await;
            numbers.first().copied().filter(|number| is_wanted(*number))
        })
        .await;
    }

    /// Waits until the rules are as wanted, and gives them.
    pub(super) async fn rules_until(&self, what: &str, are_wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.until(what, async || {
            let rules = self.get("/api/v1/rules", &[]).await?;
            let groups = rules["groups"].as_array()?.iter();
            let rules: Vec<Value> =
                groups.flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect();
            are_wanted(&rules).then_some(rules)
        })
        .await
    }

    async fn until<T>(&self, what: &str, find: impl AsyncFn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = find().await {
                return found;
            }
            let log = || fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < WITHIN, "{what} did not come\n{}", log());
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
