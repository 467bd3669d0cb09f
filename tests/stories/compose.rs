//! The compose file, its images and the proxy of the engine's socket, on a real engine with real networks and ports.
//!
//! Kibana is published as an image only; where it cannot be pulled, everything else is started, and that is said.

mod project;
mod proxy;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::project::{Compose, Project, root};
use super::daemon::PATIENCE;
use super::page;

/// With these a story is told in seconds.
const QUICK: [(&str, &str); 2] = [("HEALTH_CHECK_INTERVAL", "2"), ("RECOVERY_TIMEOUT", "2")];

/// The watched services.
const WATCHED: [&str; 7] = [
    "api-gateway",
    "image-generation",
    "video-generation",
    "crypto-prediction",
    "orchestrator",
    "fraud-detection",
    "auto-scaler",
];

/// What Compose is told where there is no Kibana to import dashboards into.
const NO_KIBANA: (&str, &str) = ("KIBANA_URL", "");

/// Starts everything; without its image everything but Kibana.
fn up() -> String {
    if project::is_image_there("kibana:8.11.0") {
        return "docker-compose up -d".into();
    }
    eprintln!("Kibana's image is not there: everything else is started");
    let others =
        "health-monitor self-evolution health-monitor-setup self-evolution-setup socket-proxy elasticsearch";
    format!("docker-compose up -d {others} {}", WATCHED.join(" "))
}

#[tokio::test]
async fn every_published_command_of_the_compose_file_does_what_it_says() {
    let without: &[_] = if project::is_image_there("kibana:8.11.0") { &[] } else { &[NO_KIBANA] };
    let Some(project) = Project::prepare(Compose::One, &[&QUICK, without].concat()).await else { return };
    let commands = page::commands("## With Docker Compose");
    let [start, monitor_log, evolution_log, services, recommendations] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(start, "docker-compose up -d");
    project.shell(&up());
    assert!(project.shell(monitor_log).contains("health-monitor"), "no log of health-monitor");
    assert!(project.shell(evolution_log).contains("self-evolution"), "no log of self-evolution");
    let all_healthy = |text: &str| {
        let status: Value = serde_json::from_str(text).unwrap();
        WATCHED.iter().all(|name| status[name]["status"] == "healthy")
    };
    project.shell_until(services, "the health of all seven", all_healthy).await;
    assert_eq!(project.json(recommendations)["count"], json!(0));
    everything_is_well_and_hardened(&project).await;
    a_stopped_service_comes_back(&project).await;
    usage_is_analysed(&project).await;
    a_slow_service_is_changed(&project).await;
}

async fn everything_is_well_and_hardened(project: &Project) {
    for service in ["health-monitor", "self-evolution", "socket-proxy", "elasticsearch"] {
        wait_until_well(project, service).await;
    }
    for service in WATCHED.into_iter().chain(["health-monitor", "self-evolution", "socket-proxy"]) {
        let container = project.inspect(service);
        let host = &container["HostConfig"];
        assert_eq!(host["ReadonlyRootfs"], json!(true), "{service}");
        assert_eq!(host["CapDrop"], json!(["ALL"]), "{service}");
        assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]), "{service}");
        assert!(host["Memory"].as_u64() > Some(0) && host["PidsLimit"].as_u64() > Some(0), "{service}");
        let user = if service == "socket-proxy" { "0:0" } else { "65532:65532" };
        assert_eq!(container["Config"]["User"], json!(user), "{service}");
        let holds_socket = host["Binds"].to_string().contains("docker.sock");
        assert_eq!(holds_socket, service == "socket-proxy", "{service}");
        let published = host["PortBindings"].as_object().unwrap().values().flat_map(|all| all.as_array());
        assert!(published.flatten().all(|one| one["HostIp"] == "127.0.0.1"), "{service}: {host:#}");
    }
    for setup in ["health-monitor-setup", "self-evolution-setup"] {
        let start = tokio::time::Instant::now();
        while project.inspect(setup)["State"]["Status"] != "exited" {
            assert!(start.elapsed() < PATIENCE, "{setup} does not end:\n{}", project.log());
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        let state = &project.inspect(setup)["State"];
        assert_eq!(
            (&state["Status"], &state["ExitCode"]),
            (&json!("exited"), &json!(0)),
            "{}",
            project.log()
        );
    }
}

async fn wait_until_well(project: &Project, service: &str) {
    let start = tokio::time::Instant::now();
    while project.inspect(service)["State"]["Health"]["Status"] != "healthy" {
        assert!(start.elapsed() < PATIENCE, "{service} is not well:\n{}", project.log());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

async fn a_stopped_service_comes_back(project: &Project) {
    let commands = page::commands("### See a service being healed");
    let [stop, log, errors, start] = &commands[..] else { panic!("{commands:?}") };
    project.shell(stop);
    let history = "curl -s http://localhost:5006/recovery-history";
    let recovered = |text: &str| recovery(text, "crypto-prediction")["outcome"] == "recovered";
    let text = project.shell_until(history, "the recovery", recovered).await;
    let recovery = recovery(&text, "crypto-prediction");
    assert_eq!(recovery["target"], json!({"backend": "docker", "name": "crypto-prediction"}), "{recovery:#}");
    assert!(project.shell(log).contains("crypto-prediction"));
    let errors = project.json(errors);
    assert_eq!(errors["service"], json!("crypto-prediction"));
    assert!(!errors["errors"].as_array().unwrap().is_empty(), "{errors}");
    project.shell(start);
    assert_eq!(project.inspect("crypto-prediction")["State"]["Running"], json!(true));
    for (index, document) in
        [("health-monitor-recovery", "outcome:recovered"), ("health-monitor-errors", "*")]
    {
        let search = format!(
            "curl -s 'http://localhost:9200/{index}/_search?q=service:crypto-prediction+AND+{document}'"
        );
        let found = |text: &str| text.contains("\"_source\"");
        project.shell_until(&search, "the document", found).await;
    }
}

/// The newest recovery of a service that a guard did not hold back.
fn recovery(history: &str, service: &str) -> Value {
    let history: Value = serde_json::from_str(history).unwrap();
    let recoveries = history["recoveries"].as_array().unwrap();
    let of_it = recoveries.iter().rev().find(|one| one["service"] == service && one["guard"].is_null());
    of_it.cloned().unwrap_or(Value::Null)
}

async fn usage_is_analysed(project: &Project) {
    let commands = page::commands("### See usage being analysed");
    let [generate, analyse, view] = &commands[..] else { panic!("{commands:?}") };
    let answers = project.shell(generate);
    assert_eq!(answers.matches("Usage data collected").count(), 100, "{answers}");
    assert_eq!(project.json(analyse)["recommendations_generated"], json!(1));
    let recommendations = project.json(view);
    let recommendation = &recommendations["recommendations"][0];
    assert_eq!(
        (&recommendation["target_service"], &recommendation["type"]),
        (&json!("test-service"), &json!("performance")),
        "{recommendations:#}"
    );
}

/// Makes crypto-prediction slow, and has what is recommended applied: the service gets its new setting and obeys.
async fn a_slow_service_is_changed(project: &Project) {
    let (_, turned) = project.post(5002, "/fault/uncached?seconds=2.5", &Value::Null).await;
    assert_eq!(turned["fault"], json!("uncached"), "{turned}");
    let requests = (0..12).map(async |number| project.post(5002, "/predict", &json!({"coin": number})).await);
    for (status, answer) in futures_util::future::join_all(requests).await {
        assert_eq!(status, 200, "{answer}");
    }
    let search = "curl -s 'http://localhost:9200/self-evolution-usage/_search?q=service:crypto-prediction'";
    project.shell_until(search, "the usage of crypto-prediction", |text| text.contains("/predict")).await;
    project.shell("curl -s -X POST http://localhost:5007/analyze");
    let pending = project.json("curl -s http://localhost:5007/recommendations?status=pending");
    let all = pending["recommendations"].as_array().unwrap();
    let ours = all.iter().find(|one| one["target_service"] == "crypto-prediction");
    let id = ours.unwrap_or_else(|| panic!("{pending:#}"))["id"].as_str().unwrap();
    let applied = project.json(&format!("curl -s -X POST http://localhost:5007/apply-optimization/{id}"));
    assert_eq!(applied["success"], json!(true), "{applied:#}");
    let ask = "curl -s -i -X POST http://localhost:5002/predict -d again";
    project.shell_until(ask, "an answer from the cache", |text| text.contains("x-cache: hit")).await;
}

#[test]
fn both_dockerfiles_compile_in_the_same_stages_and_with_the_manifest_of_every_package() {
    let stages = |name: &str| {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        let (_, stages) = text.split_once("\nARG RUST_IMAGE").expect("the image that compiles");
        stages.split_once("\nFROM ${RUNTIME_IMAGE}").expect("the image that runs").0.to_owned()
    };
    let stages = ["Dockerfile.health-monitor", "Dockerfile.self-evolution"].map(stages);
    assert_eq!(stages[0], stages[1]);
    let copied: BTreeSet<_> =
        stages[0].lines().filter_map(|line| line.strip_prefix("COPY crates/")).collect();
    let packages = std::fs::read_dir(root().join("crates")).unwrap();
    let packages = packages.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let wanted = packages.map(|name| format!("{name}/Cargo.toml crates/{name}/"));
    assert_eq!(copied, wanted.collect::<Vec<_>>().iter().map(String::as_str).collect());
}

#[test]
fn every_variable_of_the_compose_file_is_documented() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let (file, page) = (read("docker-compose.yml"), read("docs/operations.md"));
    let variables: BTreeSet<_> =
        file.split("${").skip(1).filter_map(|rest| rest.split_once(":-")).map(|(name, _)| name).collect();
    assert!(variables.len() > 20, "{variables:?}");
    for variable in variables {
        assert!(page.contains(&format!("`{variable}`")), "docs/operations.md does not tell of {variable}");
    }
}

#[tokio::test]
async fn an_image_holds_one_program_and_a_place_for_its_data_and_says_where_it_comes_from() {
    let Some(_project) = Project::prepare(Compose::One, &[]).await else { return };
    for (program, port) in [("health-monitor", "5006/tcp"), ("self-evolution", "5007/tcp")] {
        let image = format!("{program}:local");
        let listed = project::files_of(&image);
        assert_eq!(listed, BTreeSet::from(["app".to_owned(), "data/".to_owned()]), "{program}");
        let told: Value =
            serde_json::from_str(&super::docker::docker(&["image", "inspect", &image])).unwrap();
        let config = &told[0]["Config"];
        assert_eq!(config["User"], json!("65532:65532"));
        assert_eq!(config["Healthcheck"]["Test"], json!(["CMD", "/app", "healthcheck"]));
        assert_eq!(config["ExposedPorts"], json!({port: {}}));
        assert_eq!(config["Labels"]["org.opencontainers.image.title"], json!(program));
        assert_eq!(config["Labels"]["org.opencontainers.image.revision"], json!("test"));
        let version = super::docker::docker(&["run", "--rm", "--read-only", &image, "--version"]);
        assert!(version.starts_with(program) && version.contains("(test)"), "{version}");
    }
}
