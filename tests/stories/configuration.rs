//! Changes of a configuration on the real daemon: kept when they help, put back when they do not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::daemon::Daemon;
use super::docker::{self, Container};

/// A service that is well while the configuration that it was last started with has four threads.
struct Service {
    folder: TempDir,
    address: std::net::SocketAddr,
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir_in(std::env::temp_dir().canonicalize().unwrap()).unwrap();
        fs::write(folder.path().join("app.conf"), "threads = 4\n").unwrap();
        fs::copy(folder.path().join("app.conf"), folder.path().join("running.conf")).unwrap();
        let answer = |State(running): State<PathBuf>| async move {
            let is_well = fs::read_to_string(running).is_ok_and(|text| text.contains("threads = 4"));
            if is_well { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
        };
        let router =
            Router::new().route("/health", get(answer)).with_state(folder.path().join("running.conf"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { folder, address }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("app.conf")
    }

    /// Somebody deploys a configuration that does not work, and restarts.
    fn is_misconfigured(&self) {
        fs::write(self.file(), "threads = 8\n").unwrap();
        fs::copy(self.file(), self.folder.path().join("running.conf")).unwrap();
    }

    fn running(&self) -> String {
        fs::read_to_string(self.folder.path().join("running.conf")).unwrap()
    }

    /// A restart is that the service takes its configuration over.
    fn watched(&self, replace: &str, settings: &str) -> String {
        let (file, running) = (self.file(), self.folder.path().join("running.conf"));
        let (file, running) = (file.display(), running.display());
        format!(
            "services:\n  web:\n    url: 'http://{}'\n    recovery_timeout: 60\n    steps: [{settings}]\n    \
             configuration_update: {{file: '{file}', replace: ['{replace}']}}\n    \
             recovery_command: {{restart: [cp, '{file}', '{running}'], inspect: [stat, --format, '%y', '{running}']}}\n",
            self.address
        )
    }
}

async fn finished(daemon: &Daemon, service: &str) -> Value {
    daemon
        .recovery_until(service, "the end", |one| one["phase"] == "finished" && one["guard"].is_null())
        .await
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn a_file_is_changed_and_the_previous_version_goes_once_that_has_helped() {
    let service = Service::start().await;
    let daemon = Daemon::start(&service.watched("threads = 8 => threads = 4", "update_configuration")).await;
    daemon.service_until("web", "health", |one| one["state"] == "healthy").await;
    service.is_misconfigured();
    let recovery = finished(&daemon, "web").await;
    assert_eq!(
        (&recovery["outcome"], &recovery["action"]),
        (&json!("recovered"), &json!("update_configuration"))
    );
    assert_eq!(recovery["change"]["path"], json!(service.file()));
    assert_ne!(recovery["change"]["previous"], recovery["change"]["next"]);
    assert_eq!(fs::read_to_string(service.file()).unwrap(), "threads = 4\n");
    assert_eq!(names(service.folder.path()), 2, "something was left behind");
}

#[tokio::test]
async fn a_file_whose_change_has_not_helped_is_put_back_and_the_service_started_with_it() {
    let service = Service::start().await;
    let change = service.watched("threads = 8 => threads = 5", "update_configuration within 1");
    let daemon = Daemon::start(&change).await;
    daemon.service_until("web", "health", |one| one["state"] == "healthy").await;
    service.is_misconfigured();
    let recovery = finished(&daemon, "web").await;
    assert_eq!(recovery["outcome"], json!("not_recovered"), "{recovery:#}");
    assert!(recovery["reason"].as_str().unwrap().contains("was put back"), "{recovery:#}");
    assert_eq!(fs::read_to_string(service.file()).unwrap(), "threads = 8\n");
    assert_eq!(service.running(), "threads = 8\n");
    assert_eq!(names(service.folder.path()), 2, "something was left behind");
}

#[tokio::test]
async fn a_file_that_somebody_changes_meanwhile_is_not_overwritten() {
    let service = Service::start().await;
    let change = service.watched("threads = 8 => threads = 5", "update_configuration within 4");
    let daemon = Daemon::start(&change).await;
    daemon.service_until("web", "health", |one| one["state"] == "healthy").await;
    service.is_misconfigured();
    daemon.recovery_until("web", "the change", |one| one["phase"] == "verifying").await;
    fs::write(service.file(), "threads = 6\n").unwrap();
    let recovery = finished(&daemon, "web").await;
    assert_eq!(recovery["outcome"], json!("superseded"), "{recovery:#}");
    let reason = recovery["reason"].as_str().unwrap();
    assert!(reason.contains("somebody else has changed") && reason.contains(".app.conf.kept-"), "{reason}");
    assert_eq!(fs::read_to_string(service.file()).unwrap(), "threads = 6\n");
}

#[tokio::test]
async fn a_daemon_killed_at_any_instant_of_a_change_leaves_it_proven_or_put_back() {
    let service = Service::start().await;
    let change = service.watched("threads = 8 => threads = 4", "update_configuration");
    let change = change.replace("recovery_timeout: 60", "recovery_timeout: 0.2\n    verification_timeout: 3");
    let mut daemon = Daemon::start(&change).await;
    for round in 0..4_u64 {
        daemon
            .service_until("web", "health", |one| one["state"] == "healthy" && one["recovery_id"].is_null())
            .await;
        service.is_misconfigured();
        daemon
            .recovery_until("web", "the attempt", |one| {
                one["has_acted"] == true && one["phase"] != "finished"
            })
            .await;
        tokio::time::sleep(Duration::from_millis(round * 61)).await;
        daemon.kill();
        daemon.restart().await;
        daemon
            .service_until("web", "its end", |one| one["state"] == "healthy" && one["recovery_id"].is_null())
            .await;
        assert_eq!(fs::read_to_string(service.file()).unwrap(), "threads = 4\n", "{}", daemon.log());
        assert_eq!(names(service.folder.path()), 2, "something was left behind");
    }
}

#[tokio::test]
async fn a_container_gets_its_variables_changed_and_back_when_that_does_not_help() {
    if !docker::is_there() {
        return;
    }
    let options = ["--env", "THREADS=8", "--env", "OLD=1"];
    let helped = Container::start_with("helped", &options, &[]);
    let not_helped = Container::start_with("not-helped", &options, &["--broken"]);
    let mut configuration =
        "recovery_backend: docker\nrecovery_stop_timeout: 1\nmax_concurrent_recoveries: 9\nservices:\n"
            .to_owned();
    for container in [&helped, &not_helped] {
        configuration += &format!(
            "  {}:\n    url: '{}'\n    recovery_timeout: 60\n    steps: [update_configuration within 3]\n    \
             configuration_update: {{set: [THREADS=4], remove: [OLD]}}\n",
            container.service,
            container.url()
        );
    }
    let daemon = Daemon::start(&configuration).await;
    daemon.service_until(&helped.service, "health", |one| one["state"] == "healthy").await;
    let before = not_helped.inspect("{{.Id}} {{.Config.Env}}");
    helped.suffer("pause");
    assert_eq!(finished(&daemon, &helped.service).await["outcome"], json!("recovered"));
    let variables = helped.inspect("{{.Config.Env}}");
    assert!(variables.contains("THREADS=4") && !variables.contains("OLD"), "{variables}");
    assert_eq!(finished(&daemon, &not_helped.service).await["outcome"], json!("not_recovered"));
    assert_eq!(not_helped.inspect("{{.Id}} {{.Config.Env}}"), before);
}
