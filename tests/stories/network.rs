//! The cable to all services is cut, for real: the daemon orders nothing, and says why.

mod cable;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::daemon::Daemon;
use super::receivers::Service;
use cable::{Cable, Cut, FAR};

const NAMES: [&str; 5] = ["web", "db", "queue", "cache", "auth"];
/// Many intervals, and more failing probes than it takes to heal.
const CUT_FOR: Duration = Duration::from_secs(8);
const SETTINGS: &str = "
health_check_interval: 1
health_check_fast_interval: 1
health_check_timeout: 0.5
max_failures_before_recovery: 3
start_period: 1
recovery_timeout: 2
verification_timeout: 15
elasticsearch_enabled: false
";

#[test]
fn a_link_that_goes_down_restarts_nothing() {
    tell(Cut::FarEnd);
}

#[test]
fn a_network_that_swallows_everything_restarts_nothing() {
    tell(Cut::Silent);
}

#[test]
fn an_interface_of_ours_that_goes_down_restarts_nothing() {
    tell(Cut::OurEnd);
}

fn tell(how: Cut) {
    if !Cable::can_be_laid() {
        return;
    }
    let cable = Arc::new(Cable::lay());
    let (stop, stopped) = oneshot::channel::<()>();
    let (send, services) = std::sync::mpsc::channel();
    let serving = cable.at_the_far_end(move || async move {
        for address in FAR {
            send.send(Service::start_at(address).await).unwrap();
        }
        // Told to stop, or left alone by a story that failed.
        let _ = stopped.await;
    });
    let services: Vec<Service> = services.iter().take(FAR.len()).collect();
    let near = Arc::clone(&cable);
    let told = near.at_the_near_end(move || async move { story(&cable, &services, how).await }).join();
    drop(stop);
    serving.join().unwrap();
    told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

async fn story(cable: &Cable, services: &[Service], how: Cut) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let restart = format!("[sh, -c, 'echo {{service}} >> {}']", file.display());
    let sentinel = services[0].address;
    let mut configuration =
        format!("{SETTINGS}sentinels: '{sentinel}'\nrecovery_command: {{restart: {restart}}}\nservices:\n");
    for (name, service) in NAMES.iter().zip(services) {
        writeln!(configuration, "  {name}: {{url: 'http://{}'}}", service.address).unwrap();
    }
    let daemon = Daemon::start_with(&configuration, &[]).await;
    for name in NAMES {
        daemon.service_until(name, "health", |one| one["state"] == "healthy").await;
    }
    // The daemon only observes at first; what holds it back from now on is the guard.
    sleep(Duration::from_secs(1)).await;

    cable.cut(how);
    daemon.statistics_until("isolation", |all| !all["guards"]["own_network"].is_null()).await;
    sleep(CUT_FOR).await;
    let cut = daemon.get("/statistics").await.1;
    assert!(!cut["guards"]["own_network"].is_null(), "{cut:#}");
    assert_eq!(cut["open_incidents"], json!(0), "{cut:#}\n{}", daemon.log());
    assert!(!file.exists(), "{how:?}: restarted {:?}", std::fs::read_to_string(&file));

    cable.mend(how);
    daemon.statistics_until("the end of it", |all| all["guards"]["own_network"].is_null()).await;
    for name in NAMES {
        daemon.service_until(name, "health", |one| one["state"] == "healthy" && one["failures"] == 0).await;
    }
    let (_, history) = daemon.get("/recovery-history").await;
    assert_eq!(history["recoveries"], json!([]), "{history:#}");
    let log = daemon.log();
    assert_eq!(log.matches("our own network is gone").count(), 1, "{log}");
    assert_eq!(log.matches("our own network is back").count(), 1, "{log}");
    assert!(!log.contains("incident opened") && !file.exists(), "{log}");

    services[1].answers(503);
    daemon.recovery_until("db", "the order", |one| one["phase"] == "verifying").await;
    services[1].answers(200);
    let healed = daemon.recovery_until("db", "the recovery", |one| one["outcome"] == "recovered").await;
    assert_eq!(healed["attempt"], json!(1), "{healed:#}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "db\n");
}

impl Daemon {
    /// Waits until the statistics satisfy the condition.
    async fn statistics_until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until("/statistics", what, |all| Some(all.clone()).filter(|all| holds(all))).await
    }
}
