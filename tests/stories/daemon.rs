//! A daemon under test: the real executable, on a free port, with a directory of its own.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Nothing that a story waits for takes longer on a busy machine, unless the story says so.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The executables of the workspace, built once.
pub(super) fn executable(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "health-monitor", "--package", "self-evolution"])
            .args(["--package", "demo", "--bins"])
            .args(if cfg!(debug_assertions) { None } else { Some("--release") })
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(built.success(), "the executables cannot be built");
        let tests = std::env::current_exe().unwrap();
        tests.ancestors().nth(2).unwrap().to_path_buf()
    });
    folder.join(name)
}

/// The soft limit of open files that daemons are started with: fewer than they want, as on most systems.
pub(super) const FILES: u32 = 1_000;

/// A port that is free, and that nobody who asks the kernel for any port gets while its owner is away: whoever is killed
/// wants it back. The kernel gives ports from 32768 on.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(97);
    let ports =
        std::iter::repeat_with(|| first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000 + 11_000);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.take(20_000).filter_map(|port| u16::try_from(port).ok()).find(free).expect("a free port")
}

/// A daemon that runs until it is dropped: health-monitor, unless a story says otherwise.
pub(super) struct Daemon {
    program: &'static str,
    pub(super) directory: TempDir,
    port: u16,
    child: Child,
    client: reqwest::Client,
    variables: Vec<(String, String)>,
    /// How long the last start took until it answered.
    pub(super) answered_after: Duration,
}

/// The name of the configuration file in the daemon's directory.
const CONFIGURATION: &str = "monitor.yaml";

/// Settings with which a story is told in seconds; what comes later in the file wins nothing, so a story names
/// each key once.
pub(super) const QUICK: &str = "
health_check_interval: 1
health_check_fast_interval: 0.2
health_check_timeout: 0.5
start_period: 1
recovery_timeout: 2
verification_timeout: 15
elasticsearch_enabled: false
";

impl Daemon {
    /// Starts a daemon with this configuration beside the quick settings, and waits until it answers.
    pub(super) async fn start(configuration: &str) -> Self {
        Self::start_with(&format!("{QUICK}{configuration}"), &[]).await
    }

    /// Starts a daemon with exactly this configuration and these variables.
    pub(super) async fn start_with(configuration: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_at(free_port(), configuration, variables).await
    }

    /// The same on a port that the configuration or a variable may name too.
    pub(super) async fn start_at(port: u16, configuration: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_program("health-monitor", port, configuration, variables).await
    }

    /// Starts self-evolution with exactly this configuration and these variables.
    pub(super) async fn evolution(configuration: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_program("self-evolution", free_port(), configuration, variables).await
    }

    /// The same on a port that somebody else knows already.
    pub(super) async fn evolution_at(port: u16, configuration: &str) -> Self {
        Self::start_program("self-evolution", port, configuration, &[]).await
    }

    /// Starts one of both on this port with exactly this configuration and these variables.
    pub(super) async fn start_program(
        program: &'static str,
        port: u16,
        configuration: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(CONFIGURATION), configuration).unwrap();
        let variables: Vec<_> = variables.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let child = spawn(program, directory.path(), port, &variables);
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let mut daemon =
            Self { program, directory, port, child, client, variables, answered_after: Duration::ZERO };
        daemon.wait_until_it_answers().await;
        daemon
    }

    async fn wait_until_it_answers(&mut self) {
        let start = tokio::time::Instant::now();
        while self.client.get(self.url("/livez")).send().await.is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}:\n{}", self.log());
            }
            assert!(start.elapsed() < PATIENCE, "the daemon does not answer:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.answered_after = start.elapsed();
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The status and the JSON body of a GET.
    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    /// The text of a GET.
    pub(super) async fn text(&self, path: &str) -> String {
        self.client.get(self.url(path)).send().await.unwrap().text().await.unwrap()
    }

    /// The status and the JSON body of a POST.
    pub(super) async fn post(&self, path: &str) -> (u16, Value) {
        let response = self.client.post(self.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    /// The status and the JSON body of a POST with a JSON body.
    pub(super) async fn post_json(&self, path: &str, body: &Value) -> (u16, Value) {
        let response = self.client.post(self.url(path)).json(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    /// Ends the daemon as a power cut would, as far as a process can feel one.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts the daemon again on the same directory.
    pub(super) async fn restart(&mut self) {
        self.child = spawn(self.program, self.directory.path(), self.port, &self.variables);
        self.wait_until_it_answers().await;
    }

    /// The same with other variables.
    pub(super) async fn restart_with(&mut self, variables: &[(&str, &str)]) {
        self.variables = variables.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self.restart().await;
    }

    /// Asks the daemon to stop, and gives its exit code.
    pub(super) fn terminate(&mut self) -> Option<i32> {
        signal(self.process_id(), "TERM");
        self.child.wait().unwrap().code()
    }

    /// Waits until the daemon ends by itself, and gives its exit code.
    pub(super) async fn ended(&mut self) -> Option<i32> {
        let start = tokio::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "the daemon goes on:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the status of a service satisfies the condition.
    pub(super) async fn service_until(
        &self,
        service: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        self.until("/service-status", what, |all| Some(&all[service]).filter(|one| holds(one)).cloned()).await
    }

    /// Waits until a recovery of the service satisfies the condition.
    pub(super) async fn recovery_until(
        &self,
        service: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        self.until("/recovery-history", what, |history| {
            let recoveries = history["recoveries"].as_array()?;
            recoveries.iter().find(|one| one["service"] == service && holds(one)).cloned()
        })
        .await
    }

    /// Waits until something is found in what a GET answers.
    pub(super) async fn until<T>(&self, path: &str, what: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        let start = tokio::time::Instant::now();
        loop {
            let (_, body) = self.get(path).await;
            if let Some(found) = find(&body) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "{what} did not come:\n{body:#}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &str, directory: &Path, port: u16, variables: &[(String, String)]) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
    let mut command = bare("sh", directory);
    command
        .args(["-c", "ulimit -Sn \"$0\"; exec \"$@\"", &FILES.to_string()])
        .arg(executable(program))
        .arg("--config")
        .arg(directory.join(CONFIGURATION))
        .env("BIND_ADDRESS", format!("127.0.0.1:{port}"))
        .env("DATA_DIR", directory.join("data"))
        // A story may give another directory.
        .envs(variables.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command.spawn().unwrap()
}

/// A program with no environment but what the daemon needs.
fn bare(program: impl AsRef<OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    let kept = std::env::vars_os().filter(|(key, _)| key == "PATH" || key == "HOME" || key == "DOCKER_HOST");
    // Labelled containers of other stories are not this one's.
    command.env_clear().envs(kept).env("DOCKER_LABELS", "false").current_dir(directory);
    command
}

/// Runs the executable to its end.
pub(super) fn run(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    run_program("health-monitor", directory, arguments, variables)
}

/// The same with another daemon.
pub(super) fn run_program(
    program: &str,
    directory: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Output {
    bare(executable(program), directory)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Sends a signal to one process, by its id.
pub(super) fn signal(process: u32, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{signal} {process}");
}
