//! How much of the time the services were up, as the real daemon measures and remembers it.

use std::fmt::Write;

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::receivers::Service;

/// The minutes of services end all over the minute, so with this many the story need not wait for long.
const SERVICES: usize = 40;

#[tokio::test]
async fn availability_is_measured_by_the_minute_and_survives_a_kill() {
    let service = Service::start().await;
    let mut configuration = "recovery_backend: none\nservices:\n".to_owned();
    for number in 0..SERVICES {
        writeln!(configuration, "  up-{number}: {{url: 'http://{}'}}", service.address).unwrap();
    }
    let mut daemon = Daemon::start(&configuration).await;
    let (_, before) = daemon.get("/statistics").await;
    let unknown = &before["availability"]["up-0"];
    assert_eq!((&unknown["uptime_24h"], &unknown["observed_seconds"]), (&Value::Null, &json!(0.0)));

    let measured = |statistics: &Value| {
        let services = statistics["availability"].as_object()?;
        let (name, one) = services.iter().find(|(_, one)| one["observed_seconds"].as_f64() > Some(0.0))?;
        Some((name.clone(), one.clone()))
    };
    let (name, one) = daemon.until("/statistics", "the first minute", measured).await;
    for window in ["uptime_24h", "uptime_7d", "uptime_30d"] {
        assert_eq!(one[window], json!(1.0), "{one}");
    }
    assert_eq!(
        (&one["failures"], &one["mtbf_seconds"], &one["mttr_seconds"]),
        (&json!(0), &Value::Null, &Value::Null)
    );

    daemon.kill();
    daemon.restart().await;
    let (_, after) = daemon.get("/statistics").await;
    let seconds = |value: &Value| value["observed_seconds"].as_f64().unwrap();
    assert!(seconds(&after["availability"][&name]) >= seconds(&one), "{after}");
    assert!(seconds(&after["availability_total"]) >= seconds(&one), "{after}");
    let metrics = daemon.text("/metrics").await;
    let ratio = format!("health_monitor_availability_ratio{{service=\"{name}\",window=\"24h\"}} 1");
    assert!(metrics.contains(&ratio), "{metrics}");
    assert!(metrics.contains("health_monitor_fleet_availability_ratio{window=\"30d\"} 1"), "{metrics}");

    // The service goes down and stays down: an incident that lasts is a failure without a repair.
    service.answers(500);
    let failed = |statistics: &Value| {
        let one = &statistics["availability"][&name];
        Some(one.clone()).filter(|one| one["failures"] == 1)
    };
    let failed = daemon.until("/statistics", "the failure", failed).await;
    assert!(failed["mtbf_seconds"].is_f64() && failed["mttr_seconds"].is_null(), "{failed}");
    service.answers(200);
    let mended = |statistics: &Value| statistics["availability"][&name]["mttr_seconds"].as_f64();
    let seconds = daemon.until("/statistics", "the repair", mended).await;
    assert!(seconds > 0.0 && seconds < 60.0, "{seconds}");
}
