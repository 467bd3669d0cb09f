//! Real Elasticsearch and OpenSearch servers, each with a directory of its own, killed and started again at will.
//!
//! `tests/run` puts their distributions into the folder that `TEST_COMPONENTS_DIR` names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use super::daemon::free_port;

/// A server takes half a minute to start on an idle machine.
const STARTING: Duration = Duration::from_secs(240);
/// One at a time: each takes 720 MB of memory and two processors while it starts.
pub(super) static ONE: Mutex<()> = Mutex::const_new(());

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Elasticsearch8,
    Elasticsearch9,
    OpenSearch,
}

impl Kind {
    fn distribution(self) -> &'static str {
        match self {
            Self::Elasticsearch8 => "elasticsearch-8.11.0",
            Self::Elasticsearch9 => "elasticsearch-9.1.0",
            Self::OpenSearch => "opensearch-3.4.0",
        }
    }

    fn program(self) -> &'static str {
        if self == Self::OpenSearch { "opensearch" } else { "elasticsearch" }
    }

    /// The releases of Java that it runs on.
    fn runs_on(self, java: u32) -> bool {
        match self {
            Self::Elasticsearch8 => (17..=21).contains(&java),
            Self::Elasticsearch9 | Self::OpenSearch => (21..=25).contains(&java),
        }
    }
}

/// A server that runs until it is dropped.
pub(super) struct SearchServer {
    kind: Kind,
    home: TempDir,
    java: PathBuf,
    port: u16,
    transport: u16,
    settings: Vec<String>,
    child: Option<Child>,
    client: reqwest::Client,
    credentials: Option<(&'static str, &'static str)>,
    scheme: &'static str,
    _one: MutexGuard<'static, ()>,
}

/// User, password and role of whom a server with security knows: one who may everything, one who may only write.
///
/// This distribution lacks the module that the index of API keys needs, so there are users only.
pub(super) const ADMIN: (&str, &str) = ("admin", "correct horse battery");
pub(super) const WRITER: (&str, &str) = ("writer", "staple of letters");
/// What `docs/elasticsearch.md` says that the daemon needs.
const WRITERS_ROLE: &str = "
writer:
  indices:
    - names: ['health-monitor-*']
      privileges: ['create_doc', 'create_index', 'view_index_metadata']
";

impl SearchServer {
    /// Starts one and waits until it answers; none where the distribution or its Java is missing, which is a failure
    /// where `CI` is set.
    pub(super) async fn start(kind: Kind) -> Option<Self> {
        let mut server = Self::prepare(kind, reqwest::Client::builder()).await?;
        if kind != Kind::OpenSearch {
            server.settings.push("xpack.security.enabled=false".into());
        }
        server.run().await;
        Some(server)
    }

    /// The same with users, and TLS by this certificate and key; `authority` is who signed it.
    pub(super) async fn start_secured(certificate: &str, key: &str, authority: &str) -> Option<Self> {
        let trusted = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        let client = reqwest::Client::builder().add_root_certificate(trusted);
        let mut server = Self::prepare(Kind::Elasticsearch8, client).await?;
        let config = server.path("config");
        std::fs::write(config.join("http.crt"), certificate).unwrap();
        std::fs::write(config.join("http.key"), key).unwrap();
        server.settings.extend(
            [
                "xpack.security.enabled=true",
                "xpack.security.http.ssl.enabled=true",
                "xpack.security.http.ssl.certificate=http.crt",
                "xpack.security.http.ssl.key=http.key",
            ]
            .map(str::to_owned),
        );
        std::fs::write(config.join("roles.yml"), WRITERS_ROLE).unwrap();
        for ((user, password), role) in [(ADMIN, "superuser"), (WRITER, "writer")] {
            let added = server
                .command("bin/elasticsearch-users")
                .args(["useradd", user, "-p", password, "-r", role])
                .output()
                .unwrap();
            assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        }
        (server.scheme, server.credentials) = ("https", Some(ADMIN));
        server.run().await;
        Some(server)
    }

    async fn prepare(kind: Kind, client: reqwest::ClientBuilder) -> Option<Self> {
        let distribution = components().join(kind.distribution());
        let found = distribution.join("bin").is_dir().then(|| java(kind)).flatten();
        let Some(java) = found else {
            let missing =
                format!("{} with its Java is needed in {}", kind.distribution(), components().display());
            assert!(std::env::var_os("CI").is_none(), "{missing} where CI is set");
            eprintln!("SKIPPED: {missing}");
            return None;
        };
        let one = ONE.lock().await;
        let home = tempfile::tempdir().unwrap();
        // The server refuses to run as root, writes into its home, and shares the rest.
        let script = r#"
            set -eu
            cp -al "$1/." "$2" 2>/dev/null || cp -a "$1/." "$2"
            rm -rf "$2/config" "$2/logs"
            cp -r "$1/config" "$2/config"
            mkdir -p "$2/logs" "$2/data" "$2/tmp"
            if [ "$(id -u)" = 0 ]; then
                chmod 755 "$2"
                chown nobody "$2"
                chown -R nobody "$2/config" "$2/logs" "$2/data" "$2/tmp"
            fi
        "#;
        let made = Command::new("sh")
            .args(["-c", script, "sh"])
            .args([&distribution, home.path()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Self {
            kind,
            home,
            java,
            port: free_port(),
            transport: free_port(),
            settings: Vec::new(),
            child: None,
            client: client.no_proxy().build().unwrap(),
            credentials: None,
            scheme: "http",
            _one: one,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A program of the distribution, as the user that the server runs as.
    fn command(&self, program: &str) -> Command {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
            command.arg(self.path(program));
            command
        } else {
            Command::new(self.path(program))
        };
        command
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .stdin(Stdio::null());
        for prefix in ["ES", "OPENSEARCH"] {
            command
                .env(format!("{prefix}_JAVA_HOME"), &self.java)
                .env(format!("{prefix}_JAVA_OPTS"), "-Xms512m -Xmx512m")
                .env(format!("{prefix}_TMPDIR"), self.path("tmp"));
        }
        command
    }

    async fn run(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("out")).unwrap();
        let _ = std::fs::remove_file(self.path("data/pid"));
        let mut command = self.command(&format!("bin/{}", self.kind.program()));
        command.arg("-p").arg(self.path("data/pid"));
        let fixed = [
            "discovery.type=single-node".to_owned(),
            "http.host=127.0.0.1".to_owned(),
            format!("http.port={}", self.port),
            format!("transport.port={}", self.transport),
            format!("path.data={}", self.path("data").display()),
            // A test machine's disk may be fuller than a server likes.
            "cluster.routing.allocation.disk.threshold_enabled=false".to_owned(),
        ];
        command.args(fixed.iter().chain(&self.settings).map(|setting| format!("-E{setting}")));
        self.child = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        let start = tokio::time::Instant::now();
        loop {
            if let Ok(answer) = self.request(reqwest::Method::GET, "/_cluster/health", None).await
                && answer.0 == 200
            {
                return;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < STARTING,
                "{:?} does not start:\n{}",
                self.kind,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.path("out")).unwrap_or_default();
        let newest = log.lines().count().saturating_sub(30);
        log.lines().skip(newest).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// Ends the server as a power cut would, as far as a process can feel one.
    pub(super) fn kill(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(self.path("data/pid")) {
            // It may have ended by itself.
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).stderr(Stdio::null()).status();
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same directory and port.
    pub(super) async fn restart(&mut self) {
        self.run().await;
    }

    async fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(u16, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.url()));
        if let Some((user, password)) = self.credentials {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.json().await.unwrap_or(Value::Null)))
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.request(reqwest::Method::PUT, path, Some(body)).await.unwrap();
        assert!((200..300).contains(&status), "PUT {path}: {status} {answer}");
        answer
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.request(reqwest::Method::POST, path, Some(body)).await.unwrap();
        assert!((200..300).contains(&status), "POST {path}: {status} {answer}");
        answer
    }

    pub(super) async fn delete(&self, path: &str) {
        let (status, answer) = self.request(reqwest::Method::DELETE, path, None).await.unwrap();
        assert!((200..300).contains(&status), "DELETE {path}: {status} {answer}");
    }

    /// Names of the index templates that are ours.
    pub(super) async fn templates(&self) -> BTreeSet<String> {
        let (_, answer) = self.request(reqwest::Method::GET, "/_index_template", None).await.unwrap();
        let all = answer["index_templates"].as_array().cloned().unwrap_or_default();
        let names = all.iter().filter_map(|one| one["name"].as_str());
        let is_ours = |name: &&str| name.starts_with("health-monitor") || name.starts_with("self-evolution");
        names.filter(is_ours).map(str::to_owned).collect()
    }

    /// Lets searches see everything that arrived under a name.
    pub(super) async fn refresh(&self, name: &str) {
        self.request(reqwest::Method::POST, &format!("/{name}/_refresh"), None).await.unwrap();
    }

    /// The names of all indices.
    pub(super) async fn indices(&self) -> Vec<String> {
        let (_, found) = self.request(reqwest::Method::GET, "/_alias", None).await.unwrap();
        found.as_object().unwrap().keys().cloned().collect()
    }

    /// Index, identity and content of every document under a name, which must be fewer than a search gives at most.
    pub(super) async fn documents(&self, name: &str) -> Vec<(String, String, Value)> {
        self.refresh(name).await;
        let found = self.post(&format!("/{name}/_search?size=10000"), &json!({"sort": ["_doc"]})).await;
        let hits = found["hits"]["hits"].as_array().unwrap();
        assert!(hits.len() < 10_000, "more documents than one search gives");
        let text = |hit: &Value, member: &str| hit[member].as_str().unwrap().to_owned();
        hits.iter().map(|hit| (text(hit, "_index"), text(hit, "_id"), hit["_source"].clone())).collect()
    }
}

impl Drop for SearchServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// Where `tests/run` keeps what is costly to obtain.
pub(super) fn components() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = || {
        let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        cache.unwrap_or_default().join("health-monitor-tests")
    };
    variable("TEST_COMPONENTS_DIR").unwrap_or_else(cache)
}

/// The newest Java on this machine that the server runs on.
fn java(kind: Kind) -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/jvm").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let given = std::env::var_os("JAVA_HOME").map(PathBuf::from);
    let usable = installed.chain(given).filter_map(|home| {
        let release = java_release(&home)?;
        kind.runs_on(release).then_some((release, home))
    });
    usable.max().map(|(_, home)| home)
}

fn java_release(home: &Path) -> Option<u32> {
    let output = Command::new(home.join("bin/java")).arg("-version").output().ok()?;
    // `openjdk version "17.0.15" 2025-04-15`
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.split('"').nth(1)?.split(['.', '-']).next()?.parse().ok()
}
