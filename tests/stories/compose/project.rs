//! A Compose project of the repository's `docker-compose.yml`, on ports that are free, removed when dropped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::MutexGuard;

use super::super::daemon::{PATIENCE, free_port};
use super::super::docker::{docker, is_there};
use super::super::search_server::{ONE, components};

/// Every port that the file publishes: its variable, and what it is by default.
const PORTS: [(&str, u16); 11] = [
    ("HEALTH_MONITOR_PORT", 5006),
    ("SELF_EVOLUTION_PORT", 5007),
    ("ELASTICSEARCH_PORT", 9200),
    ("KIBANA_PORT", 5601),
    ("API_GATEWAY_PORT", 8000),
    ("IMAGE_GENERATION_PORT", 5000),
    ("VIDEO_GENERATION_PORT", 5001),
    ("CRYPTO_PREDICTION_PORT", 5002),
    ("ORCHESTRATOR_PORT", 5003),
    ("FRAUD_DETECTION_PORT", 5004),
    ("AUTO_SCALER_PORT", 5005),
];

/// Which Compose: `docker-compose` as Debian has it, or the second one, which `tests/run` builds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Compose {
    One,
    Two,
}

/// A project that may be up.
pub(super) struct Project {
    name: String,
    compose: String,
    ports: Vec<(u16, u16)>,
    variables: Vec<(String, String)>,
    client: reqwest::Client,
    _one: MutexGuard<'static, ()>,
}

impl Project {
    /// Prepares one, images included; none where the engine or something else is missing, which is a failure where `CI` is
    /// set.
    pub(super) async fn prepare(compose: Compose, variables: &[(&str, &str)]) -> Option<Self> {
        let compose = if is_there() { compose.program()? } else { return None };
        // Services of other projects with the same names are told apart only where the project is named, too.
        let one = ONE.lock().await;
        make_images();
        let name = format!("story{}", std::process::id());
        let ports: Vec<_> = PORTS.iter().map(|(_, usual)| (*usual, free_port())).collect();
        let published =
            PORTS.iter().zip(&ports).map(|((variable, _), (_, free))| (*variable, free.to_string()));
        let fixed = [
            ("COMPOSE_PROJECT_NAME", name.as_str()),
            ("PROFILE", "release"),
            ("ELASTIC_VERSION", "8.11.0"),
            ("DOCKER_SOCKET", &socket()),
        ];
        let given = fixed.iter().chain(variables).map(|(key, value)| (*key, (*value).to_owned()));
        let variables = published.chain(given).map(|(key, value)| (key.to_owned(), value)).collect();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Some(Self { name, compose, ports, variables, client, _one: one })
    }

    /// Carries a command line out as it is published, but for the ports, and gives what it printed. Whoever follows a log
    /// is stopped after some seconds.
    pub(super) fn shell(&self, line: &str) -> String {
        let Output { status, stdout, stderr } = self.run(line);
        let printed = String::from_utf8_lossy(&stdout).into_owned();
        let ended_well = status.success() || (is_followed(line) && status.code() == Some(124));
        assert!(ended_well, "{line}: {status}\n{printed}\n{}", String::from_utf8_lossy(&stderr));
        printed
    }

    fn run(&self, line: &str) -> Output {
        let mut here = line.replace("docker-compose ", &format!("{} -p {} ", self.compose, self.name));
        for (usual, port) in &self.ports {
            here = here.replace(&format!("localhost:{usual}"), &format!("localhost:{port}"));
        }
        let mut command = Command::new("timeout");
        command.args([if is_followed(line) { "10" } else { "600" }, "bash", "-euo", "pipefail", "-c", &here]);
        command
            .current_dir(root())
            .envs(self.variables.iter().map(|(key, value)| (key, value)))
            .env("DOCKER_BUILDKIT", "0")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The answer to a curl line, as JSON.
    pub(super) fn json(&self, line: &str) -> Value {
        let answer = self.shell(line);
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{line}: {error} in {answer}"))
    }

    /// Carries a command line out until it ends well and what it prints satisfies the condition.
    pub(super) async fn shell_until(&self, line: &str, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let start = tokio::time::Instant::now();
        loop {
            let Output { status, stdout, .. } = self.run(line);
            let printed = String::from_utf8_lossy(&stdout).into_owned();
            // What has only just been started may not listen yet.
            if status.success() && holds(&printed) {
                return printed;
            }
            assert!(start.elapsed() < 2 * PATIENCE, "{what} did not come: {printed}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The end of what all containers have logged.
    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&self.run("docker-compose logs --no-color --tail=40").stdout).into_owned()
    }

    /// Where a port that is usually this one is published.
    pub(super) fn url(&self, usual: u16, path: &str) -> String {
        let port = self.ports.iter().find(|(one, _)| *one == usual).expect("a published port").1;
        format!("http://127.0.0.1:{port}{path}")
    }

    /// The status and the JSON body of a POST with a JSON body.
    pub(super) async fn post(&self, usual: u16, path: &str, body: &Value) -> (u16, Value) {
        let response = self.client.post(self.url(usual, path)).json(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    /// Names of the containers of a service, stopped ones too.
    pub(super) fn containers(&self, service: &str) -> Vec<String> {
        let (project, service) = (
            format!("label=com.docker.compose.project={}", self.name),
            format!("label=com.docker.compose.service={service}"),
        );
        let listed =
            docker(&["ps", "--all", "--filter", &project, "--filter", &service, "--format", "{{.Names}}"]);
        listed.lines().map(str::to_owned).collect()
    }

    /// What the engine tells of the only container of a service.
    pub(super) fn inspect(&self, service: &str) -> Value {
        let containers = self.containers(service);
        let [only] = &containers[..] else { panic!("containers of {service}: {containers:?}") };
        let all: Value = serde_json::from_str(&docker(&["inspect", only])).unwrap();
        all[0].clone()
    }

    /// The network that only the proxy and the daemons are in.
    pub(super) fn engine_network(&self) -> String {
        format!("{}_engine", self.name)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the containers said is the only trace of why.
            eprintln!("{}", self.log());
        }
        self.run("docker-compose down --volumes --remove-orphans --timeout 2");
    }
}

/// Whether this command line follows a log, and so ends only when it is stopped.
fn is_followed(line: &str) -> bool {
    line.contains(" logs -f ")
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The socket of the engine that the tests use.
pub(super) fn socket() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned()
}

impl Compose {
    /// The program; none where it is not there, which is a failure where `CI` is set.
    fn program(self) -> Option<String> {
        let program = match self {
            Self::One => "docker-compose".to_owned(),
            Self::Two => components().join("compose-2.40.3/docker-compose").display().to_string(),
        };
        let there = Command::new(&program).arg("version").output().is_ok_and(|ran| ran.status.success());
        assert!(there || std::env::var_os("CI").is_none(), "{program} is needed where CI is set");
        if !there {
            eprintln!("SKIPPED: {program} does not answer");
        }
        there.then_some(program)
    }
}

/// Whether the engine has this image.
pub(super) fn is_image_there(image: &str) -> bool {
    let inspected = Command::new("docker").args(["image", "inspect", image]).output();
    inspected.is_ok_and(|inspected| inspected.status.success())
}

/// Has `tests/images` build what is not there yet.
fn make_images() {
    let made = Command::new(root().join("tests/images")).stdin(Stdio::null()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// What an image holds, without what the engine itself adds to a container.
pub(super) fn files_of(image: &str) -> BTreeSet<String> {
    let script = "id=$(docker create \"$0\"); docker export \"$id\" | tar -t; docker rm \"$id\" >/dev/null";
    let listed = Command::new("sh").args(["-c", script, image]).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let of_engine =
        |name: &&str| !["dev/", "etc/", "proc/", "sys/", ".dockerenv"].iter().any(|of| name.starts_with(of));
    String::from_utf8_lossy(&listed.stdout).lines().filter(of_engine).map(str::to_owned).collect()
}
