//! A stand-in with a real self-evolution: it reports its requests, and does what it is told.

use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use shared::clock::{Clock, Timestamp};
use tempfile::TempDir;

use crate::DEMO;
use crate::service::{Service, answer, eventually, free_port, request};

/// Requests of which self-evolution says something at last.
const ENOUGH: usize = 10;

/// A self-evolution that ends with the test.
struct Evolution {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Evolution {
    fn started_on(port: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let child = Self::command(directory.path(), port).spawn().unwrap();
        eventually("self-evolution is ready", || {
            request(port, "GET", "/readyz").filter(|ready| ready.0 == 200)
        });
        Self { child, port, _directory: directory }
    }

    fn command(directory: &Path, port: u16) -> Command {
        let mut command = Command::new(DEMO);
        command.args(["self-evolution", "--elasticsearch-enabled=false", "--data-dir"]).arg(directory);
        command.arg("--bind-address").arg(format!("{}:{port}", Ipv4Addr::LOCALHOST));
        command.env_clear().current_dir(directory).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn get(&self, path: &str) -> Value {
        request(self.port, "GET", path).unwrap().1
    }

    fn post(&self, path: &str) -> Value {
        let (status, body) = request(self.port, "POST", path).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Waits until it was told of so many requests.
    fn expect_recorded(&self, requests: usize) {
        let counter = format!("self_evolution_usage_events_recorded_total {requests}");
        eventually("all requests are reported", || {
            let (_, metrics) = answer(self.port, "GET", "/metrics")?;
            metrics.lines().any(|line| line == counter).then_some(())
        });
    }
}

impl Drop for Evolution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long the stand-in takes for its work.
fn work(service: &Service) -> Duration {
    let clock = Clock::starting_after(Timestamp::default());
    let asked_at = clock.now();
    assert_eq!(service.post("/predict").unwrap().0, 200);
    clock.now().since(asked_at)
}

#[test]
fn a_slow_stand_in_reports_it_and_keeps_its_answers_as_soon_and_as_long_as_it_is_told_to() {
    let port = free_port();
    let evolution = Evolution::started_on(port);
    let service = Service::started_with(Some(format!("http://127.0.0.1:{port}")));
    assert_eq!(service.post("/fault/uncached?seconds=2.1").unwrap().0, 200);
    std::thread::scope(|scope| {
        for _ in 0..ENOUGH {
            scope.spawn(|| assert!(work(&service) >= Duration::from_secs(2)));
        }
        let clock = Clock::starting_after(Timestamp::default());
        let asked_at = clock.now();
        assert_eq!(service.health(), 200);
        assert!(clock.now().since(asked_at) < Duration::from_secs(2), "its health waits for its work");
    });

    evolution.expect_recorded(ENOUGH);
    let recommended = &evolution.post("/analyze")["recommendations"][0];
    assert_eq!(recommended["target_service"], "crypto-prediction");
    let evidence = &recommended["evidence"][0];
    assert_eq!((&evidence["endpoint"], &evidence["requests"]), (&"/predict".into(), &ENOUGH.into()));
    assert!(evidence["mean_response_time"].as_f64().unwrap() >= 2.1, "{evidence}");

    let id = recommended["id"].as_str().unwrap();
    evolution.post(&format!("/apply-optimization/{id}"));
    let is_quick = || (work(&service) < Duration::from_secs(1)).then_some(());
    eventually("answers are kept", is_quick);
    let instance = service.running().to_string();
    assert!(evolution.get("/settings")[0]["deliveries"][&instance]["version"] == 1);

    evolution.post(&format!("/rollback/{id}"));
    eventually("answers are kept no more", || is_quick().is_none().then_some(()));
}

#[test]
fn a_stand_in_works_without_self_evolution_and_reports_once_that_is_there() {
    let port = free_port();
    let absent = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let service = Service::started_with(Some(format!("http://127.0.0.1:{port}")));
    assert_eq!(service.post("/predict").unwrap().0, 200);
    let is_report = |stream: io::Result<TcpStream>| {
        let mut begin = [0; b"POST /collect-usage".len()];
        stream.unwrap().read_exact(&mut begin).unwrap();
        begin == *b"POST /collect-usage"
    };
    // It asks for its settings as often as it reports.
    assert!(absent.incoming().take(20).any(is_report), "nothing is reported");
    drop(absent);
    Evolution::started_on(port).expect_recorded(1);
}
