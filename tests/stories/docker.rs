//! Real containers of the stand-in service, on the Docker Engine that `DOCKER_HOST` or the usual socket names.

use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::daemon::{executable, free_port};

const IMAGE: &str = "health-monitor-tests/stand-in";

/// Whether there is an engine. Without one a story is skipped, which `tests/run` names at its end; where `CI` is
/// set that is a failure.
pub(super) fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    let there = *THERE.get_or_init(|| {
        let info = Command::new("docker").arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status();
        info.is_ok_and(|status| status.success())
    });
    assert!(there || std::env::var_os("CI").is_none(), "a Docker Engine is needed where CI is set");
    if !there {
        eprintln!("SKIPPED: no Docker Engine answers");
    }
    there
}

/// Runs a command of the Docker client.
pub(super) fn docker(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new("docker").args(arguments).output().unwrap();
    assert!(status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).trim().to_owned()
}

/// The image of the stand-in: its executable and the libraries that it names, nothing else.
fn image() -> &'static str {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"
            set -eu
            cp "$1" "$2/demo"
            strip "$2/demo" 2>/dev/null || true
            ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
                mkdir -p "$2$(dirname "$library")"
                cp -L "$library" "$2$library"
            done
            tar -C "$2" -c . | docker import --change 'ENTRYPOINT ["/demo","stand-in"]' - "$3" >/dev/null
        "#;
        let made = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(executable("demo"))
            .arg(folder.path())
            .arg(IMAGE)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    });
    IMAGE
}

/// A running stand-in in a container that shares the network of its host, because what is tested is the engine's
/// restarts and not its bridges; removed when dropped.
pub(super) struct Container {
    /// The name of its compose service.
    pub(super) service: String,
    name: String,
    port: u16,
}

impl Container {
    /// Starts the stand-in as the only container of a compose service, with further arguments.
    pub(super) fn start(service: &str, arguments: &[&str]) -> Self {
        Self::start_with(service, &[], arguments)
    }

    /// The same with further options of `docker run`.
    pub(super) fn start_with(service: &str, options: &[&str], arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        // The name of the service carries the process, so that runs side by side do not meet.
        let service = format!("{service}-{}-{number}", std::process::id());
        let name = format!("story_{service}_1");
        let port = free_port();
        let (listens, label) = (port.to_string(), format!("com.docker.compose.service={service}"));
        let fixed = ["run", "--detach", "--network", "host", "--name", &name, "--label", &label];
        let project = ["--label", "com.docker.compose.project=story", image(), "--name", &service];
        let listening = ["--host", "127.0.0.1", "--port", &listens];
        docker(&[&fixed[..], options, &project, &listening, arguments].concat());
        Self { service, name, port }
    }

    /// Starts the stand-in as a container that no Compose project has.
    pub(super) fn alone(name: &str, options: &[&str]) -> Self {
        let service = format!("{name}-{}-alone", std::process::id());
        let port = free_port();
        let listens = port.to_string();
        let network: &[&str] = if options.contains(&"--network") { &[] } else { &["--network", "host"] };
        let fixed = [&["run", "--detach", "--name", &service][..], network].concat();
        let listening = [image(), "--name", &service, "--host", "127.0.0.1", "--port", &listens];
        docker(&[&fixed[..], options, &listening].concat());
        Self { name: service.clone(), service, port }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One command of the Docker client on this container: `kill`, `stop`, `pause`.
    pub(super) fn suffer(&self, command: &str) {
        docker(&[command, &self.name]);
    }

    /// Sets a fault of the stand-in; a fault that breaks the connection is still set.
    pub(super) async fn fault(&self, fault: &str) {
        let client =
            reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(2)).build().unwrap();
        let _ = client.post(format!("{}/fault/{fault}", self.url())).send().await;
    }

    /// How often the engine has started this container again since it was first started.
    pub(super) fn restarts(&self) -> usize {
        let made = docker(&["inspect", "--format", "{{.Created}}", &self.name]);
        let filter = format!("container={}", self.name);
        let until = docker(&["info", "--format", "{{.SystemTime}}"]);
        let bounds = ["events", "--since", &made, "--until", &until];
        let arguments = [&bounds[..], &["--filter", &filter, "--filter", "event=start"]].concat();
        docker(&arguments).lines().count() - 1
    }

    /// What the engine tells of the container under this name, in the form of a template.
    pub(super) fn inspect(&self, template: &str) -> String {
        docker(&["inspect", "--format", template, &self.name])
    }

    /// Names and states of all containers of the service, those that are set aside included.
    pub(super) fn all(&self) -> Vec<(String, String)> {
        let filter = format!("name={}", self.name);
        let listed = docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}} {{.State}}"]);
        let pair = |line: &str| line.split_once(' ').map(|(name, state)| (name.to_owned(), state.to_owned()));
        listed.lines().filter_map(pair).collect()
    }

    /// The name of the container.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Removes the container, as somebody else would.
    pub(super) fn remove(&self) {
        docker(&["rm", "--force", &self.name]);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // A story may have removed it; nothing else is left to do.
        let aside = self.all().into_iter().map(|(name, _)| name);
        for name in aside.chain([self.name.clone()]) {
            let _ = Command::new("docker").args(["rm", "--force", "--volumes", &name]).output();
        }
    }
}
