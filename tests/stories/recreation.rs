//! Real containers that are made anew: the old one is kept until the verdict, whatever comes between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use super::daemon::{Daemon, PATIENCE, QUICK};
use super::docker::{self, Container};

fn watching(container: &Container, settings: &str) -> String {
    format!(
        "recovery_backend: docker\nrecovery_stop_timeout: 1\nservices:\n  {}: {{url: '{}', {settings}}}\n",
        container.service,
        container.url()
    )
}

async fn finished(daemon: &Daemon, container: &Container) -> Value {
    daemon
        .recovery_until(&container.service, "the end", |one| {
            one["phase"] == "finished" && one["guard"].is_null()
        })
        .await
}

/// Only the container under its own name is left, and it runs.
fn is_alone(container: &Container, daemon: &Daemon) {
    let alone = [(container.name().to_owned(), "running".to_owned())];
    assert_eq!(container.all(), alone, "{}", daemon.log());
}

const ID: &str = "{{.Id}}";
/// What must be the same of the old container and of the new one.
const MADE_OF: &str = "{{.Config.Env}} {{.Config.Image}} {{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.Labels.colour}} \
    {{.HostConfig.RestartPolicy}} {{.HostConfig.NetworkMode}} {{.HostConfig.CapAdd}} {{.HostConfig.Memory}} \
    {{range .Mounts}}{{.Name}} {{.Destination}}{{end}}";

#[tokio::test]
async fn a_container_is_made_anew_with_all_that_it_had_and_the_old_one_goes_once_that_is_proven() {
    if !docker::is_there() {
        return;
    }
    let options = ["--env", "COLOUR=blue", "--label", "colour=blue", "--volume", "/data"];
    let limits = ["--restart", "on-failure:3", "--cap-add", "NET_ADMIN", "--memory", "100m"];
    let container = Container::start_with("anew", &[options, limits].concat(), &[]);
    let daemon = Daemon::start(&watching(&container, "steps: [recreate]")).await;
    daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
    let (id, made_of) = (container.inspect(ID), container.inspect(MADE_OF));
    container.suffer("pause");
    let recovery = finished(&daemon, &container).await;
    assert_eq!(
        (&recovery["outcome"], &recovery["action"]),
        (&json!("recovered"), &json!("recreate")),
        "{recovery:#}"
    );
    assert!(recovery["reason"].as_str().unwrap().contains("what it replaced was removed"), "{recovery:#}");
    assert_ne!(container.inspect(ID), id);
    assert_eq!(container.inspect(MADE_OF), made_of);
    let label = container.inspect("{{index .Config.Labels \"health-monitor.recovery\"}}");
    assert_eq!(json!(label), recovery["recovery_id"]);
    is_alone(&container, &daemon);
}

#[tokio::test]
async fn a_container_that_is_no_better_when_made_anew_is_put_back() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start_with("no-better", &["--restart", "always"], &["--broken"]);
    let (id, made_of) = (container.inspect(ID), container.inspect(MADE_OF));
    let daemon =
        Daemon::start(&watching(&container, "recovery_timeout: 60, steps: [recreate within 1]")).await;
    let recovery = finished(&daemon, &container).await;
    assert_eq!(
        (&recovery["outcome"], &recovery["verdict"]),
        (&json!("not_recovered"), &json!("not_recovered"))
    );
    assert!(recovery["reason"].as_str().unwrap().contains("was put back"), "{recovery:#}");
    assert_eq!((container.inspect(ID), container.inspect(MADE_OF)), (id, made_of));
    is_alone(&container, &daemon);
}

#[tokio::test]
async fn an_old_container_that_somebody_removes_meanwhile_cannot_be_put_back_and_the_new_one_stays() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("removed", &["--broken"]);
    let daemon =
        Daemon::start(&watching(&container, "recovery_timeout: 60, steps: [recreate within 4]")).await;
    let verifying =
        daemon.recovery_until(&container.service, "the new one", |one| one["phase"] == "verifying").await;
    let kept = format!("{}.kept-{}", container.name(), verifying["recovery_id"].as_str().unwrap());
    docker::docker(&["rm", "--force", &kept]);
    let recovery = finished(&daemon, &container).await;
    assert_eq!((&recovery["outcome"], &recovery["verdict"]), (&json!("superseded"), &json!("not_recovered")));
    assert!(recovery["reason"].as_str().unwrap().contains("nothing to put back"), "{recovery:#}");
    is_alone(&container, &daemon);
}

#[tokio::test]
async fn a_daemon_killed_at_any_instant_of_a_recreation_leaves_one_container_that_runs() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("killed-anew", &[]);
    let settings = "recovery_timeout: 0.5, verification_timeout: 10, stable_after: 0.1, steps: [recreate], max_recoveries_per_hour: 99";
    let mut daemon =
        Daemon::start(&format!("{}max_recoveries_per_ten_minutes: 99\n", watching(&container, settings)))
            .await;
    for round in 1..=8_u64 {
        daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
        container.suffer("kill");
        daemon
            .recovery_until(&container.service, "the attempt", |one| {
                one["has_acted"] == true && one["phase"] != "finished"
            })
            .await;
        tokio::time::sleep(Duration::from_millis(round * 97 % 700)).await;
        daemon.kill();
        daemon.restart().await;
        daemon
            .service_until(&container.service, "its end", |one| {
                one["state"] == "healthy" && one["recovery_id"].is_null()
            })
            .await;
        is_alone(&container, &daemon);
    }
}

#[tokio::test]
async fn an_engine_that_falls_silent_in_the_middle_is_looked_at_and_the_old_container_put_back() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("silent-engine", &[]);
    let id = container.inspect(ID);
    let (proxy, is_cutting) = proxy_that_can_cut("/rename".to_owned()).await;
    let settings = format!("{QUICK}{}", watching(&container, "recovery_timeout: 60, steps: [recreate]"));
    let daemon = Daemon::start_with(&settings, &[("DOCKER_HOST", &format!("tcp://{proxy}"))]).await;
    daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
    is_cutting.store(true, Ordering::SeqCst);
    container.suffer("pause");
    let recovery = finished(&daemon, &container).await;
    assert_eq!(recovery["outcome"], json!("action_failed"), "{recovery:#}");
    let reason = recovery["reason"].as_str().unwrap();
    assert!(reason.contains("done in part") && reason.contains("was put back"), "{reason}");
    assert_eq!(container.inspect(ID), id);
    is_alone(&container, &daemon);
}

#[tokio::test]
async fn whatever_call_of_putting_back_is_the_last_of_a_daemon_the_next_one_puts_the_old_container_back() {
    if !docker::is_there() {
        return;
    }
    // Each is cut off before it reaches the engine, so that all calls before it are done.
    let calls = ["/stop?", "/rename?", "/rename?name=NAME ", "/update ", "/restart?", "DELETE "];
    let mut rounds = tokio::task::JoinSet::new();
    for (number, call) in calls.into_iter().enumerate() {
        rounds.spawn(async move { is_put_back_after_a_crash_before(number, call).await });
    }
    while let Some(round) = rounds.join_next().await {
        round.unwrap();
    }
}

async fn is_put_back_after_a_crash_before(number: usize, call: &str) {
    let policies = ["always", "unless-stopped", "on-failure:3"];
    let policy = ["--restart", policies[number % policies.len()]];
    let container = Container::start_with(&format!("half-back-{number}"), &policy, &["--broken"]);
    let (id, made_of) = (container.inspect(ID), container.inspect(MADE_OF));
    let (proxy, is_cutting) = proxy_that_can_cut(call.replace("NAME", container.name())).await;
    let steps = "recovery_timeout: 60, steps: [recreate within 4]";
    let settings = format!("{QUICK}{}", watching(&container, steps));
    let mut daemon = Daemon::start_with(&settings, &[("DOCKER_HOST", &format!("tcp://{proxy}"))]).await;
    daemon.recovery_until(&container.service, "the new one", |one| one["phase"] == "verifying").await;
    is_cutting.store(true, Ordering::SeqCst);
    daemon.recovery_until(&container.service, "the verdict", |one| one["phase"] == "concluding").await;
    let start = tokio::time::Instant::now();
    while is_cutting.load(Ordering::SeqCst) {
        assert!(start.elapsed() < PATIENCE, "{call} never came:\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    daemon.kill();
    daemon.restart().await;
    let recovery = finished(&daemon, &container).await;
    assert_eq!(recovery["outcome"], json!("not_recovered"), "before {call}: {recovery:#}");
    assert!(recovery["reason"].as_str().unwrap().contains("was put back"), "before {call}: {recovery:#}");
    assert_eq!((container.inspect(ID), container.inspect(MADE_OF)), (id, made_of), "before {call}");
    is_alone(&container, &daemon);
}

#[tokio::test]
async fn what_an_engine_makes_too_late_for_a_recovery_is_removed_by_the_next_one_of_whatever_kind() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("late", &[]);
    let orphan = format!("{}.new-0190a0b0-0000-7000-8000-000000000001", container.name());
    docker::docker(&["create", "--name", &orphan, &container.inspect("{{.Config.Image}}")]);
    let daemon = Daemon::start(&watching(&container, "steps: [restart]")).await;
    daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
    container.suffer("kill");
    assert_eq!(finished(&daemon, &container).await["outcome"], json!("recovered"));
    is_alone(&container, &daemon);
}

#[tokio::test]
async fn a_container_whose_network_another_one_uses_is_not_recreated_by_whatever_name_that_knows_it() {
    if !docker::is_there() {
        return;
    }
    let container = Container::alone("shared", &[]);
    let network = format!("container:{}", container.service);
    let sharer = Container::alone("sharer", &["--network", &network]);
    let daemon = Daemon::start(&watching(&container, "steps: [recreate]")).await;
    let (_, triggered) = daemon.post(&format!("/trigger-heal/{}", container.service)).await;
    assert!(triggered["recovery_id"].is_string(), "{triggered}");
    let refused = finished(&daemon, &container).await;
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains(&sharer.service) && reason.contains("uses its network"), "{refused:#}");
}

#[tokio::test]
async fn a_container_that_an_earlier_recovery_has_kept_is_not_removed_by_the_next() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("still-kept", &["--broken"]);
    let kept = format!("{}.kept-0190a0b0-0000-7000-8000-000000000001", container.name());
    let (service, image) = (&container.service, container.inspect("{{.Config.Image}}"));
    let label = format!("com.docker.compose.service={service}");
    docker::docker(&["create", "--name", &kept, "--label", &label, &image]);
    let daemon =
        Daemon::start(&watching(&container, "recovery_timeout: 60, steps: [recreate within 4]")).await;
    let recovery = finished(&daemon, &container).await;
    assert_eq!(recovery["outcome"], json!("action_failed"), "{recovery:#}");
    let reason = recovery["reason"].as_str().unwrap();
    assert!(
        reason.contains(&format!("container {kept} is kept")) && reason.contains("docker rm"),
        "{reason}"
    );
    let left = container.all().into_iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(left, [container.name().to_owned(), kept].into());
}

/// A way to the engine that drops the connection, once, when a request for this path comes and the switch is set.
async fn proxy_that_can_cut(path: String) -> (std::net::SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, is_cutting) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
    let switch = Arc::clone(&is_cutting);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (switch, path) = (Arc::clone(&switch), path.clone());
            tokio::spawn(async move {
                let socket = std::env::var("DOCKER_HOST").unwrap_or_default();
                let socket = socket.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned();
                let mut engine = UnixStream::connect(socket).await.unwrap();
                let (mut from_client, mut to_client) = client.split();
                let (mut from_engine, mut to_engine) = engine.split();
                let forth = async {
                    let mut chunk = vec![0; 64 * 1024];
                    loop {
                        let length = from_client.read(&mut chunk).await.unwrap_or(0);
                        let text = String::from_utf8_lossy(&chunk[..length]);
                        let is_meant = text.contains(&path) && switch.swap(false, Ordering::SeqCst);
                        if length == 0 || is_meant || to_engine.write_all(&chunk[..length]).await.is_err() {
                            return;
                        }
                    }
                };
                let back = async { drop(tokio::io::copy(&mut from_engine, &mut to_client).await) };
                tokio::select! {
                    () = forth => {}
                    () = back => {}
                }
            });
        }
    });
    (address, is_cutting)
}
