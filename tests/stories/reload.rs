//! The configuration is edited while the daemon runs, and SIGHUP has it read again.

use axum::http::StatusCode;

use super::daemon::{Daemon, PATIENCE, QUICK, free_port, signal};
use super::receivers::{self, Service};

impl Daemon {
    /// Edits the file and asks for it to be read again.
    fn edit(&self, configuration: &str) {
        let content = format!("{QUICK}{configuration}");
        std::fs::write(self.directory.path().join("monitor.yaml"), content).unwrap();
        signal(self.process_id(), "HUP");
    }

    pub(super) async fn readiness_until(&self, part: &str) -> String {
        let start = tokio::time::Instant::now();
        loop {
            let readiness = self.text("/readyz?verbose").await;
            if readiness.contains(part) {
                return readiness;
            }
            assert!(start.elapsed() < PATIENCE, "{part} did not come:\n{readiness}\n{}", self.log());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn services_means_and_tokens_of_the_edited_file_hold_without_a_restart() {
    let (web, api) = (Service::start().await, Service::start().await);
    let (before, mut of_before) = receivers::webhook(StatusCode::OK).await;
    let (after, mut of_after) = receivers::webhook(StatusCode::OK).await;
    let daemon = Daemon::start(&format!(
        "recovery_webhook_url: 'http://{before}/orders'\n\
         services:\n  web: {{url: 'http://{}'}}\n  gone: {{url: 'http://127.0.0.1:1', recovery_backend: none}}\n",
        web.address
    ))
    .await;
    daemon.service_until("web", "its health", |web| web["state"] == "healthy").await;
    daemon.service_until("gone", "its trouble", |gone| gone["held"]["guard"] == "backend").await;
    assert_eq!(daemon.post("/resume").await.0, 200);

    daemon.edit(&format!(
        "recovery_webhook_url: 'http://{after}/orders'\n\
         api_token: operator:0123456789\n\
         services:\n  web: {{url: 'http://{}', fall: 1}}\n  api: {{url: 'http://{}'}}\n",
        web.address, api.address
    ));
    daemon.service_until("api", "its health", |api| api["state"] == "healthy").await;
    let (_, all) = daemon.get("/service-status").await;
    assert!(all["gone"].is_null() && all["web"]["state"] == "healthy", "{all}");
    daemon.readiness_until("[+]configuration ok").await;
    assert_eq!(daemon.post("/resume").await.0, 401, "the token of the edited file is not asked for");

    web.answers(500);
    daemon.recovery_until("web", "an order", |one| one["has_acted"] == true).await;
    tokio::time::timeout(PATIENCE, of_after.recv()).await.unwrap().expect("an order");
    assert!(of_before.try_recv().is_err(), "an order went to the receiver of the old file");
    for part in ["another configuration holds", "service is no longer watched", "incident ended"] {
        assert!(daemon.log().contains(part), "{part} is not told:\n{}", daemon.log());
    }
}

#[tokio::test]
async fn a_file_with_faults_changes_nothing_and_every_fault_is_told() {
    let web = Service::start().await;
    let services = format!("recovery_backend: none\nservices:\n  web: {{url: 'http://{}'}}\n", web.address);
    let daemon = Daemon::start(&services).await;
    daemon.service_until("web", "its health", |web| web["state"] == "healthy").await;

    daemon
        .edit("recovery_timeot: 5\nservices:\n  web: {url: 'ftp://x'}\n  api: {url: 'http://127.0.0.1:1'}\n");
    let readiness = daemon.readiness_until("[-]configuration degraded").await;
    assert!(readiness.contains("recovery_timeot") && readiness.contains("services.web.url"), "{readiness}");
    assert!(readiness.ends_with("readyz check passed\n"), "{readiness}");
    for part in ["recovery_timeot", "did you mean", "ftp://x", "the configuration before is kept"] {
        assert!(daemon.log().contains(part), "{part} is not told:\n{}", daemon.log());
    }
    let (_, all) = daemon.get("/service-status").await;
    assert!(all["api"].is_null() && all["web"]["state"] == "healthy", "{all}");

    daemon.edit(&services);
    daemon.readiness_until("[+]configuration ok").await;
}

#[tokio::test]
async fn a_setting_that_is_fixed_keeps_its_value_and_the_others_are_applied() {
    let (port, other) = (free_port(), free_port());
    let web = Service::start().await;
    let services = |port: u16, name: &str| {
        format!(
            "bind_address: '127.0.0.1:{port}'\nrecovery_backend: none\nservices:\n  {name}: {{url: 'http://{}'}}\n",
            web.address
        )
    };
    let configuration = format!("{QUICK}{}", services(port, "web"));
    let daemon = Daemon::start_at(port, &configuration, &[("BIND_ADDRESS", "")]).await;
    daemon.edit(&services(other, "api"));
    let readiness = daemon.readiness_until("restart to apply BIND_ADDRESS").await;
    assert!(readiness.ends_with("readyz check passed\n"), "{readiness}");
    daemon.service_until("api", "its health", |api| api["state"] == "healthy").await;
    assert!(daemon.log().contains("fixed until a restart"), "{}", daemon.log());
    assert!(std::net::TcpStream::connect(("127.0.0.1", other)).is_err(), "it listens on the other port");
}

#[tokio::test]
async fn a_service_that_the_next_start_does_not_watch_leaves_no_open_incident() {
    let web = Service::start().await;
    let services = |name: &str, address: &str| {
        format!("{QUICK}recovery_backend: none\nservices:\n  {name}: {{url: 'http://{address}'}}\n")
    };
    let mut daemon = Daemon::start_with(&services("gone", "127.0.0.1:1"), &[]).await;
    daemon.service_until("gone", "its trouble", |gone| gone["held"]["guard"] == "backend").await;
    daemon.kill();
    let content = services("web", &web.address.to_string());
    std::fs::write(daemon.directory.path().join("monitor.yaml"), content).unwrap();
    daemon.restart().await;
    daemon.service_until("web", "its health", |web| web["state"] == "healthy").await;
    assert!(daemon.log().contains("incident ended"), "{}", daemon.log());
}
