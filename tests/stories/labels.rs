//! Containers that are watched because their labels say so.

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::daemon::{Daemon, QUICK, run, signal};
use super::docker::{self, Container};
use super::relay::Relay;

const ENABLED: [&str; 2] = ["--label", "health-monitor.enable=true"];
/// Other labelled containers of the same engine are not this daemon's to heal, and do not make a storm.
const ALONE: &str = "storm_guard: false\nmax_fleet_percent: 100\nmax_concurrent_recoveries: 9\n\
                     recovery_stop_timeout: 1\ndocker_labels_grace: 4\nhealing_mode: observe\n\
                     services:\n  other: {url: 'http://127.0.0.1:1'}\n";

/// Daemons that heal by labels would heal each other's containers, so there is one at a time.
static TURN: Mutex<()> = Mutex::const_new(());

const HEEDED: (&str, &str) = ("DOCKER_LABELS", "true");

async fn heeding_labels(settings: &str) -> Daemon {
    Daemon::start_with(&format!("{QUICK}{settings}"), &[HEEDED]).await
}

fn is_watched(all: &Value, container: &Container) -> bool {
    !all[&container.service].is_null()
}

#[tokio::test]
async fn a_labelled_container_is_found_watched_and_healed_by_its_labels_alone() {
    if !docker::is_there() {
        return;
    }
    let _turn = TURN.lock().await;
    let enforced = ["--label", "health-monitor.mode=enforce"];
    let labels = [&ENABLED[..], &enforced, &["--label", "health-monitor.rise=often"]].concat();
    let enabled = Container::start_with("labelled", &labels, &[]);
    let labels = [&enforced[..], &["--label", "autoheal=true"]].concat();
    let autoheal = Container::start_with("autoheal", &labels, &[]);
    let daemon = heeding_labels(ALONE).await;
    for container in [&enabled, &autoheal] {
        daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
    }
    let warning = "label health-monitor.rise of container";
    assert!(daemon.log().contains(warning), "{}", daemon.log());
    enabled.suffer("kill");
    autoheal.suffer("kill");
    let healed =
        daemon.recovery_until(&enabled.service, "the recovery", |one| one["outcome"] == "recovered").await;
    assert_eq!(healed["target"], json!({"backend": "docker", "name": enabled.service}), "{healed:#}");
    let left =
        daemon.service_until(&autoheal.service, "what is told of it", |one| one["class"] == "degraded").await;
    assert_eq!(
        (&left["error"], &left["state"]),
        (&json!("the container is exited (137)"), &json!("healthy"))
    );
    assert_eq!(autoheal.restarts(), 0, "only an unhealthy container is restarted");
}

#[tokio::test]
async fn reading_the_configuration_again_finds_new_labels_and_keeps_what_was_found() {
    if !docker::is_there() {
        return;
    }
    let before = Container::start_with("labelled-before", &ENABLED, &[]);
    let daemon = heeding_labels(ALONE).await;
    daemon.service_until(&before.service, "health", |one| one["state"] == "healthy").await;
    let after = Container::start_with("labelled-after", &ENABLED, &[]);
    signal(daemon.process_id(), "HUP");
    daemon.service_until(&after.service, "health", |one| one["state"] == "healthy").await;
    let (_, kept) = daemon.get("/service-status").await;
    assert_eq!(kept[&before.service]["state"], "healthy", "{kept:#}");
}

#[tokio::test]
async fn a_container_that_is_started_is_watched_and_healed_and_one_that_is_removed_is_forgotten_after_its_grace()
 {
    if !docker::is_there() {
        return;
    }
    let _turn = TURN.lock().await;
    let daemon = heeding_labels(ALONE).await;
    let labels =
        [&ENABLED[..], &["--label", "health-monitor.mode=enforce", "--label", "health-monitor.fal=2"]];
    let first = Container::start_with("come", &labels.concat(), &[]);
    daemon.service_until(&first.service, "health", |one| one["state"] == "healthy").await;
    let second = Container::alone("come", &labels.concat());
    daemon.service_until(&second.service, "health", |one| one["state"] == "healthy").await;
    let told = format!("label health-monitor.fal of container {}", first.name());
    assert_eq!(daemon.log().matches(&told).count(), 1, "a label is told more than once:\n{}", daemon.log());
    let (_, shown) = daemon.get(&format!("/config?service={}", first.service)).await;
    assert!(shown["warnings"].to_string().contains(&told), "{shown:#}");

    first.suffer("kill");
    daemon.recovery_until(&first.service, "the recovery", |one| one["outcome"] == "recovered").await;
    second.suffer("stop");
    daemon.recovery_until(&second.service, "the recovery", |one| one["outcome"] == "recovered").await;

    second.remove();
    daemon
        .service_until(&second.service, "the loss", |one| {
            one["error"].as_str().is_some_and(|error| error.contains("no container"))
        })
        .await;
    daemon.until("/service-status", "its end", |all| (!is_watched(all, &second)).then_some(())).await;
    let (_, all) = daemon.get("/service-status").await;
    assert!(is_watched(&all, &first), "{all:#}");
}

#[tokio::test]
async fn a_labelled_container_that_is_recreated_keeps_its_history_and_what_is_set_aside_is_no_service() {
    if !docker::is_there() {
        return;
    }
    let _turn = TURN.lock().await;
    // A grace of nothing: that it is gone would be seen at once.
    let settings =
        ALONE.replace("docker_labels_grace: 4", "docker_labels_grace: 0\nrecovery_steps: recreate");
    let daemon = heeding_labels(&settings).await;
    // The proof takes a while, and the old one is kept until then.
    let slow = ["health-monitor.mode=enforce", "health-monitor.rise=12", "health-monitor.fast_interval=0.5"];
    let slow = slow.map(|label| ["--label", label]).concat();
    let container = Container::alone("again", &[&ENABLED[..], &slow].concat());
    daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
    let before = container.inspect("{{.Id}}");
    let force = format!("/trigger-heal/{}?force=true&reason=story", container.service);
    let (status, triggered) = daemon.post(&force).await;
    assert_eq!(status, 200, "{triggered}");
    daemon.service_until(&container.service, "its proof", |one| one["state"] == "verifying").await;
    // What comes later is seen, so what is set aside has been seen.
    let later = Container::alone("later", &ENABLED);
    daemon.service_until(&later.service, "health", |one| one["state"] == "healthy").await;
    let states = container.all();
    assert!(states.iter().any(|(name, _)| name.contains(".kept-")), "nothing was set aside: {states:?}");
    let (_, all) = daemon.get("/service-status").await;
    let strange =
        all.as_object().unwrap().keys().find(|name| name.contains(".kept-") || name.contains(".new-"));
    assert_eq!(strange, None);
    daemon.recovery_until(&container.service, "its end", |one| one["outcome"] == "recovered").await;
    assert_ne!(container.inspect("{{.Id}}"), before, "it was not recreated");
    let (_, history) = daemon.get(&format!("/recoveries?service={}", container.service)).await;
    let outcomes: Vec<_> = history["items"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert_eq!(outcomes, ["recovered"], "{history:#}");
    for part in ["service is no longer watched", "health-monitor.recovery"] {
        let is_about_it = |line: &&str| line.contains(part) && line.contains(&container.service);
        assert_eq!(daemon.log().lines().find(is_about_it), None);
    }
}

#[tokio::test]
async fn what_came_and_went_while_the_engine_could_not_be_heard_is_found_when_it_can() {
    if !docker::is_there() {
        return;
    }
    let relay = Relay::start().await;
    let host = relay.variable();
    let goes = Container::start_with("goes", &ENABLED, &[]);
    let daemon = Daemon::start_with(&format!("{QUICK}{ALONE}"), &[("DOCKER_HOST", &host), HEEDED]).await;
    daemon.service_until(&goes.service, "health", |one| one["state"] == "healthy").await;
    relay.listened(1).await;
    relay.cut();
    goes.remove();
    let comes = Container::start_with("comes", &ENABLED, &[]);
    relay.mend();
    daemon.service_until(&comes.service, "health", |one| one["state"] == "healthy").await;
    daemon.until("/service-status", "its end", |all| (!is_watched(all, &goes)).then_some(())).await;
}

#[tokio::test]
async fn labels_change_nothing_but_what_labels_say() {
    if !docker::is_there() {
        return;
    }
    let daemon = heeding_labels(ALONE).await;
    // An edit that is not finished, and that nobody has asked to be read.
    let path = daemon.directory.path().join("monitor.yaml");
    std::fs::write(&path, format!("{QUICK}{ALONE}  half: {{url: 'http://127.0.0.1:1', fa")).unwrap();
    let container = Container::start_with("edited", &ENABLED, &[]);
    daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
    assert!(!daemon.log().contains("cannot be used"), "{}", daemon.log());
    // Somebody asks; from then on the file is at fault, and labels do not hide it.
    signal(daemon.process_id(), "HUP");
    let readiness = daemon.readiness_until("[-]configuration degraded").await;
    assert!(readiness.contains("not valid YAML"), "{readiness}");
    let late = Container::start_with("edited", &ENABLED, &[]);
    daemon.service_until(&late.service, "health", |one| one["state"] == "healthy").await;
    assert!(daemon.text("/readyz?verbose").await.contains("[-]configuration degraded"));
}

#[test]
fn commands_know_of_services_that_only_labels_name() {
    if !docker::is_there() {
        return;
    }
    let container = Container::alone("asked", &ENABLED);
    let folder = tempfile::tempdir().unwrap();
    let heeding = |arguments: &[&str], host: Option<&str>| {
        let host = host.map(|host| ("DOCKER_HOST", host));
        let output = run(folder.path(), arguments, &[&[HEEDED][..], host.as_slice()].concat());
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let checked = heeding(&["config", "check"], None);
    assert!(
        checked.contains("by labels of containers: ") && checked.contains(&container.service),
        "{checked}"
    );
    let printed = heeding(&["config", "print"], None);
    let named = format!("label health-monitor.enable of container {}", container.service);
    assert!(printed.contains(&named), "{printed}");
    let asked = heeding(&["check", &container.service], None);
    assert!(asked.contains("healthy"), "{asked}");
    let alone = heeding(&["config", "check"], Some("unix:///nowhere/docker.sock"));
    assert!(alone.contains("services: 7 (without those of labels") && alone.contains("/nowhere"), "{alone}");
}
