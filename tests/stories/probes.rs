//! The ways to ask a service that are not HTTP, each against a real peer.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

use super::daemon::{Daemon, free_port};
use super::docker::{self, Container};

/// A gRPC server with a health service, and the hand that sets what it reports.
async fn grpc_server() -> (std::net::SocketAddr, HealthReporter) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (reporter, service) = health_reporter();
    let server = Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (address, reporter)
}

/// A peer that takes connections and says nothing.
async fn silent() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {} });
        }
    });
    address
}

fn is(seen: &Value, name: &str, status: &str, severity: Option<&str>, error: &str) {
    let one = &seen[name];
    assert_eq!((&one["status"], &one["severity"]), (&json!(status), &json!(severity)), "{one:#}");
    let told = one["error"].as_str().unwrap_or_default();
    assert!(told.starts_with(error) && (!error.is_empty() || told.is_empty()), "{one:#}");
}

#[tokio::test]
async fn a_port_and_a_grpc_server_are_asked_and_their_failures_told_apart() {
    let (grpc, reporter) = grpc_server().await;
    reporter.set_service_status("orders", ServingStatus::Serving).await;
    reporter.set_service_status("bills", ServingStatus::NotServing).await;
    let (silent, refusing) = (silent().await, free_port());
    let services = [
        ("port", format!("url: 'tcp://{silent}'")),
        ("no-port", format!("url: 'tcp://127.0.0.1:{refusing}'")),
        ("no-host", "url: 'tcp://no-such-name.invalid:1'".into()),
        ("server", format!("url: 'grpc://{grpc}'")),
        ("orders", format!("url: 'grpc://{grpc}', grpc_service: orders")),
        ("bills", format!("url: 'grpc://{grpc}', grpc_service: bills")),
        ("strange", format!("url: 'grpc://{grpc}', grpc_service: strange")),
        ("mute", format!("url: 'grpc://{silent}'")),
        ("no-server", format!("url: 'grpc://127.0.0.1:{refusing}'")),
    ];
    let lines = services.map(|(name, settings)| format!("  {name}: {{{settings}}}\n"));
    let daemon = Daemon::start(&format!("recovery_backend: none\nservices:\n{}", lines.concat())).await;
    let (_, seen) = daemon.get("/check-services").await;
    for name in ["port", "server", "orders"] {
        is(&seen, name, "healthy", None, "");
    }
    is(&seen, "no-port", "unreachable", Some("hard"), "connection refused");
    assert_eq!(seen["no-host"]["status"], "unreachable", "{seen:#}");
    is(&seen, "bills", "unhealthy", Some("hard"), "gRPC NOT_SERVING");
    is(&seen, "strange", "unhealthy", Some("configuration"), "the gRPC server does not know the service");
    is(&seen, "mute", "unreachable", Some("soft"), "accepted the connection, then silent for");
    is(&seen, "no-server", "unreachable", Some("hard"), "connection refused");
    reporter.set_service_status("bills", ServingStatus::Serving).await;
    daemon.service_until("bills", "health", |one| one["state"] == "healthy").await;
}

#[tokio::test]
async fn a_container_is_judged_by_its_state() {
    if !docker::is_there() {
        return;
    }
    let unhealthy = ["--health-cmd", "/nothing", "--health-interval", "200ms", "--health-retries", "1"];
    let containers = [
        Container::start("running", &[]),
        Container::start("paused", &[]),
        Container::start("exited", &[]),
        Container::start_with("unhealthy", &unhealthy, &[]),
    ];
    let lines =
        containers.iter().map(|one| format!("  {0}: {{probe: docker, recovery_timeout: 60}}\n", one.service));
    let configuration = format!(
        "recovery_stop_timeout: 1\nrecovery_backend: docker\nhealing_mode: observe\nservices:\n{}  gone: {{probe: docker}}\n",
        lines.collect::<String>()
    );
    let daemon = Daemon::start(&configuration).await;
    let [running, paused, exited, unhealthy] = &containers;
    paused.suffer("pause");
    exited.suffer("kill");
    daemon.service_until(&running.service, "health", |one| one["state"] == "healthy").await;
    for (container, told) in [
        (paused, "the container is paused"),
        (exited, "the container is exited (137)"),
        (unhealthy, "the container is unhealthy by its health check"),
    ] {
        let seen = daemon.service_until(&container.service, told, |one| one["error"] == told).await;
        assert_eq!((&seen["status"], &seen["severity"]), (&json!("unhealthy"), &json!("hard")), "{seen:#}");
        assert_eq!(seen["url"], format!("docker://{}", container.service));
    }
    let gone = daemon.service_until("gone", "its absence", |one| one["status"] == "unhealthy").await;
    assert!(gone["error"].as_str().unwrap().contains("no container"), "{gone:#}");
    paused.suffer("unpause");
    daemon.service_until(&paused.service, "health again", |one| one["state"] == "healthy").await;
}

#[tokio::test]
async fn a_crash_looping_container_is_seen_although_it_runs_now_and_then() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start_with("looping", &["--restart", "always"], &["--host", "256.0.0.1"]);
    let configuration =
        format!("healing_mode: observe\nservices:\n  {}: {{probe: docker}}\n", container.service);
    let daemon = Daemon::start(&configuration).await;
    let looping = daemon
        .service_until(&container.service, "trouble", |one| {
            one["state"] == "unhealthy"
                && one["error"].as_str().is_some_and(|told| told.contains("restarted"))
        })
        .await;
    assert!(looping["failures"].as_u64() >= Some(3), "{looping:#}");
}

#[tokio::test]
async fn an_engine_that_cannot_be_reached_is_our_own_fault() {
    let nowhere = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];
    let configuration = format!("{}services:\n  web: {{probe: docker}}\n", super::daemon::QUICK);
    let daemon = Daemon::start_with(&configuration, &nowhere).await;
    let web = daemon.service_until("web", "a reading", |web| web["class"] == "error").await;
    assert!(web["error"].as_str().unwrap().contains("/nowhere/docker.sock"), "{web:#}");
    let many = |all: &Value| all["own_faults"].as_u64().filter(|faults| *faults >= 4).map(Value::from);
    daemon.until("/statistics", "more readings", many).await;
    let (_, all) = daemon.get("/service-status").await;
    assert_eq!((&all["web"]["failures"], &all["web"]["state"]), (&json!(0), &json!("unknown")), "{all:#}");
}
