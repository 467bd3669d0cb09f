//! Hints of the real engine: a container that dies is seen at once, although probes are half a minute apart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use shared::clock::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use super::daemon::Daemon;
use super::docker::{self, Container, docker};

/// A relay to the engine that can be cut, and counts who asks for events.
struct Relay {
    address: SocketAddr,
    listeners: Arc<AtomicUsize>,
    cut: watch::Sender<u32>,
}

impl Relay {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, cut) = (listener.local_addr().unwrap(), watch::Sender::new(0));
        let (listeners, cuts) = (Arc::new(AtomicUsize::new(0)), cut.clone());
        let counted = Arc::clone(&listeners);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (counted, mut cuts) = (Arc::clone(&counted), cuts.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        () = relay(stream, &counted) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { address, listeners, cut }
    }

    fn variable(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Waits until events were asked for so many times.
    async fn listened(&self, times: usize) {
        let start = tokio::time::Instant::now();
        while self.listeners.load(Ordering::SeqCst) < times {
            assert!(start.elapsed() < super::daemon::PATIENCE, "nobody listens to the engine");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

async fn relay(mut stream: TcpStream, listeners: &AtomicUsize) {
    let path = std::env::var("DOCKER_HOST").unwrap_or_default();
    let path = path.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
    let mut engine = UnixStream::connect(path).await.unwrap();
    let mut head = vec![0; 4_096];
    let read = stream.read(&mut head).await.unwrap_or(0);
    // The engine has the question before it counts.
    if engine.write_all(&head[..read]).await.is_ok()
        && String::from_utf8_lossy(&head[..read]).contains("/events")
    {
        listeners.fetch_add(1, Ordering::SeqCst);
    }
    // Either side may end it.
    let _ = copy_bidirectional(&mut stream, &mut engine).await;
}

/// When the engine saw the container die, by its own record.
fn died_at(name: &str, since: &str) -> Timestamp {
    let until = docker(&["info", "--format", "{{.SystemTime}}"]);
    let filters = ["--filter", "event=die", "--filter", name, "--format", "{{.TimeNano}}"];
    let told = docker(&[&["events", "--since", since, "--until", &until][..], &filters].concat());
    let nanos: i64 = told.lines().last().unwrap_or_else(|| panic!("it did not die")).parse().unwrap();
    Timestamp::from_micros(nanos / 1_000)
}

async fn first_error(daemon: &Daemon, service: &str, before: usize) -> Value {
    daemon
        .until(&format!("/error-history?service={service}"), "the failure", |history| {
            history["errors"].as_array()?.get(before).cloned()
        })
        .await
}

async fn killed_and_seen(daemon: &Daemon, container: &Container) -> f64 {
    let service = &container.service;
    daemon.service_until(service, "health", |one| one["state"] == "healthy").await;
    let (_, history) = daemon.get(&format!("/error-history?service={service}")).await;
    let before = history["errors"].as_array().map_or(0, Vec::len);
    let since = docker(&["info", "--format", "{{.SystemTime}}"]);
    container.suffer("kill");
    let error = first_error(daemon, service, before).await;
    let seen_at: Timestamp = error["timestamp"].as_str().unwrap().parse().unwrap();
    let died_at = died_at(&format!("label=com.docker.compose.service={service}"), &since);
    seen_at.since(died_at).as_secs_f64()
}

#[tokio::test]
async fn a_killed_container_is_seen_to_fail_within_a_second_although_probes_are_half_a_minute_apart() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("killed", &[]);
    let relay = Relay::start().await;
    let services = format!(
        "healing_mode: observe\nservices:\n  {}: {{url: '{}'}}\n",
        container.service,
        container.url()
    );
    let host = relay.variable();
    let daemon =
        Daemon::start_with(&services, &[("DOCKER_HOST", &host), ("ELASTICSEARCH_ENABLED", "false")]).await;
    relay.listened(1).await;
    // The first probe need not be waited for either.
    container.suffer("pause");
    container.suffer("unpause");
    let took = killed_and_seen(&daemon, &container).await;
    eprintln!("seen to fail {took:.3} s after it died");
    assert!(took < 1.0, "it took {took} s:\n{}", daemon.log());

    // A stream that was cut comes back, and so do the hints.
    relay.cut();
    relay.listened(2).await;
    container.suffer("start");
    let took = killed_and_seen(&daemon, &container).await;
    assert!(took < 1.0, "it took {took} s after the cut:\n{}", daemon.log());
}
