//! An empty cluster of a story's own: `tests/control-plane/build` makes its programs, which are kept outside the clone.
//!
//! Faults of pods and nodes come by label, see `tests/control-plane/kwok.yaml`.

mod audit;
mod certificates;
mod parts;
mod program;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(super) use self::audit::Asked;
use self::certificates::Authority;
use self::parts::{ADDRESSES, Ports};
use self::program::Program;
use super::super::daemon::PATIENCE;
use super::super::search_server::components;

/// Two at a time: each takes 430 MB of memory, and two processors while it starts.
static SEATS: Semaphore = Semaphore::const_new(2);
const MODULES: &str = include_str!("../../control-plane/go.mod");
const AUDIT: &str = include_str!("../../control-plane/audit.yaml");
const KWOK: &str = include_str!("../../control-plane/kwok.yaml");
const NODE: &str = include_str!("../../control-plane/node.yaml");
const NODES: u32 = 2;
/// The folder of the repository, from which published commands are run.
pub(super) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What befalls a pod, until the label is taken away.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Its readiness probe fails.
    Sick,
    /// Its container is in a crash loop.
    Crash,
    /// It ends for ever, and is replaced.
    Fail,
}

impl Fault {
    /// The label that brings it, as `kubectl label` and a pod's template take it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Sick => "kwok.test/sick",
            Self::Crash => "kwok.test/crash",
            Self::Fail => "kwok.test/fail",
        }
    }
}

/// A cluster that runs until it is dropped.
pub(super) struct Cluster {
    programs: PathBuf,
    ports: Ports,
    authority: Authority,
    client: reqwest::Client,
    // In the order in which they end.
    kwok: Option<Program>,
    scheduler: Option<Program>,
    controllers: Option<Program>,
    api_server: Option<Program>,
    etcd: Option<Program>,
    folder: TempDir,
    _seat: SemaphorePermit<'static>,
}

/// What `kubectl` prints without any cluster; none where it is missing, which is a failure where `CI` is set.
pub(super) fn kubectl_alone(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(programs()?.join("kubectl"));
    // Without the variable it would look for a cluster on this host.
    command.args(arguments).env("KUBECONFIG", "/dev/null").current_dir(ROOT);
    Some(printed(arguments, command.output().unwrap()))
}

/// Where the programs are kept; none where they are missing, which is a failure where `CI` is set.
fn programs() -> Option<PathBuf> {
    let version = MODULES.lines().find_map(|line| line.strip_prefix("\tk8s.io/kubernetes v"));
    let programs = components().join(format!("kubernetes-{}", version.expect("the version of Kubernetes")));
    if programs.join("kube-apiserver").exists() {
        return Some(programs);
    }
    let missing =
        format!("a control plane is needed in {}; tests/control-plane/build makes it", programs.display());
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("SKIPPED: {missing}");
    None
}

impl Cluster {
    /// Starts one with two nodes, and waits until pods can run; none where its programs are missing, which is a failure
    /// where `CI` is set.
    pub(super) async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// The same with further configuration of kwok: what pods log, and where forwarded ports lead.
    pub(super) async fn start_with(kwok: &str) -> Option<Self> {
        let programs = programs()?;
        let seat = SEATS.acquire().await.unwrap();
        let (folder, ports, authority) = (tempfile::tempdir().unwrap(), Ports::free(), Authority::new());
        write_files(folder.path(), &ports, &authority, kwok);
        let client = client_of(folder.path(), &authority);
        let mut cluster = Self {
            programs,
            ports,
            authority,
            client,
            kwok: None,
            scheduler: None,
            controllers: None,
            api_server: None,
            etcd: None,
            folder,
            _seat: seat,
        };
        cluster.run().await;
        Some(cluster)
    }

    async fn run(&mut self) {
        self.etcd = Some(self.program("etcd", parts::etcd));
        self.start_api_server().await;
        self.controllers = Some(self.program("kube-controller-manager", parts::controllers));
        self.scheduler = Some(self.program("kube-scheduler", parts::scheduler));
        self.kwok = Some(self.program("kwok", parts::kwok));
        for number in 1..=NODES {
            self.apply(&NODE.replace("NODE", &format!("node-{number}")));
        }
        self.ready("/api/v1/namespaces/default/serviceaccounts/default", |_| true).await;
        let scheduler = format!("https://127.0.0.1:{}/readyz", self.ports.scheduler);
        self.ready(&scheduler, |_| true).await;
        let is_ready = |node: &Value| {
            let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        let all = |nodes: &Value| nodes["items"].as_array().is_some_and(|all| all.iter().all(is_ready));
        self.ready("/api/v1/nodes", all).await;
    }

    fn program(&self, name: &str, arguments: fn(&Path, &Ports) -> Vec<String>) -> Program {
        Program::start(&self.programs, name, &arguments(self.folder.path(), &self.ports), self.folder.path())
    }

    /// Waits for an answer that shows that a part is ready.
    async fn ready(&mut self, path: &str, holds: impl Fn(&Value) -> bool) {
        let url = if path.starts_with('/') { self.url(path) } else { path.to_owned() };
        let start = tokio::time::Instant::now();
        loop {
            if let Ok(answer) = self.client.get(&url).send().await
                && answer.status().is_success()
                && holds(&answer.json().await.unwrap_or(Value::Null))
            {
                return;
            }
            let parts = [
                &mut self.etcd,
                &mut self.api_server,
                &mut self.controllers,
                &mut self.scheduler,
                &mut self.kwok,
            ];
            for part in parts.into_iter().flatten() {
                assert!(!part.has_ended(), "a part of the cluster ended:\n{}", part.log());
                let is_late = start.elapsed() > PATIENCE;
                assert!(!is_late, "{url} is not ready; a part says:\n{}", part.log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the API server as a crash would; everything else goes on.
    pub(super) fn stop_api_server(&mut self) {
        self.api_server = None;
    }

    /// Starts the API server again, on the same port and data, and waits until it is ready.
    pub(super) async fn start_api_server(&mut self) {
        self.api_server = Some(self.program("kube-apiserver", parts::api_server));
        self.ready("/readyz", |_| true).await;
    }

    /// Where the API server listens.
    pub(super) fn server_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api_server)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server_url())
    }

    /// What `kubectl` prints; it has to end well.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> String {
        printed(arguments, self.kubectl_output(arguments, ""))
    }

    /// How `kubectl` ends, which reads this from its standard input.
    pub(super) fn kubectl_output(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.bare(self.programs.join("kubectl"));
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Carries out a line of the documentation, in which `kubectl` speaks to this cluster as its administrator.
    pub(super) fn shell(&self, line: &str) -> Command {
        let mut command = self.bare("bash");
        command.args(["-euo", "pipefail", "-c", line]).stdin(Stdio::null());
        command
    }

    /// A program that knows this cluster and no other.
    fn bare(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path));
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.folder.path().join("admin.kubeconfig"))
            .env("KUBECACHEDIR", self.folder.path().join("cache"))
            .current_dir(ROOT);
        command
    }

    /// Has the administrator apply these manifests, and gives what `kubectl` says of each.
    pub(super) fn apply(&self, yaml: &str) -> String {
        printed(&["apply"], self.kubectl_output(&["apply", "-f", "-"], yaml))
    }

    /// The status and the body of an administrator's request. A PATCH is a merge patch.
    pub(super) async fn request(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = self.client.request(method, self.url(path));
        let request = if body.is_null() {
            request
        } else {
            request.header("content-type", kind).body(body.to_string())
        };
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    /// What is at a path of the API, such as `/apis/apps/v1/namespaces/shop/deployments/web`; null where nothing is.
    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.request(Method::GET, path, &Value::Null).await;
        if status == 200 { body } else { Value::Null }
    }

    /// Waits until something is found in what is at a path of the API.
    pub(super) async fn until<T>(&self, path: &str, what: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        let start = tokio::time::Instant::now();
        loop {
            let body = self.get(path).await;
            if let Some(found) = find(&body) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "{what} did not come:\n{body:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a Deployment has as many ready pods as it wants, all of its newest template.
    pub(super) async fn rolled_out(&self, namespace: &str, deployment: &str) -> Value {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}");
        self.until(&path, &format!("the rollout of {deployment}"), |it| {
            let (wanted, status) = (&it["spec"]["replicas"], &it["status"]);
            let seen = status["observedGeneration"] == it["metadata"]["generation"];
            let all = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"];
            (seen && wanted.is_u64() && all.iter().all(|key| &status[*key] == wanted)).then(|| it.clone())
        })
        .await
    }

    /// Pods of a namespace with this label (`app=web`) that nobody has ordered to be deleted.
    pub(super) async fn pods(&self, namespace: &str, label: &str) -> Vec<Value> {
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={label}");
        let all = self.get(&path).await["items"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).collect()
    }

    /// Makes a pod fall ill.
    pub(super) fn fall_ill(&self, namespace: &str, pod: &str, fault: Fault) {
        let label = format!("{}=true", fault.label());
        self.kubectl(&["--namespace", namespace, "label", "--overwrite", "pod", pod, &label]);
    }

    /// Makes a pod well again.
    pub(super) fn get_well(&self, namespace: &str, pod: &str, fault: Fault) {
        let label = format!("{}-", fault.label());
        self.kubectl(&["--namespace", namespace, "label", "pod", pod, &label]);
    }

    /// A kubeconfig with a token of this ServiceAccount, good for an hour.
    pub(super) fn kubeconfig_of(&self, account: &str, namespace: &str) -> PathBuf {
        self.kubeconfig_through(&self.server_url(), account, namespace)
    }

    /// The same by way of another address of 127.0.0.1 that leads to the API server.
    pub(super) fn kubeconfig_through(&self, server: &str, account: &str, namespace: &str) -> PathBuf {
        let token = self.token_of(account, namespace);
        let text = self.authority.kubeconfig(server, namespace, &json!({"token": token}));
        let port = server.rsplit(':').next().unwrap_or_default();
        let file = self.folder.path().join(format!("{namespace}.{account}.{port}.kubeconfig"));
        std::fs::write(&file, text).unwrap();
        file
    }

    /// A token of this ServiceAccount, good for an hour.
    pub(super) fn token_of(&self, account: &str, namespace: &str) -> String {
        let token = self.kubectl(&["create", "token", account, "--namespace", namespace, "--duration", "1h"]);
        token.trim().to_owned()
    }

    /// What the API server was asked by anybody but its own parts and this story, oldest first.
    pub(super) fn audit(&self, wanted: impl Fn(&Asked) -> bool) -> Vec<Asked> {
        audit::read(&self.folder.path().join("audit.log")).into_iter().filter(|one| wanted(one)).collect()
    }
}

fn printed(arguments: &[&str], output: Output) -> String {
    let Output { status, stdout, stderr } = output;
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "kubectl {arguments:?}: {stderr}");
    String::from_utf8_lossy(&stdout).into_owned()
}

/// Certificates, keys, kubeconfigs and configuration, as the parts name them.
fn write_files(folder: &Path, ports: &Ports, authority: &Authority, kwok: &str) {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("ca.crt", &authority.certificate);
    write("ca.key", &authority.key);
    for (name, addresses) in [("server", &ADDRESSES[..]), ("api-server", &[])] {
        let identity = authority.certify(name, None, addresses);
        write(&format!("{name}.crt"), &identity.certificate);
        write(&format!("{name}.key"), &identity.key);
    }
    let server = format!("https://127.0.0.1:{}", ports.api_server);
    for (name, user, group) in [
        ("admin", "admin", Some("system:masters")),
        ("kwok", "kwok", Some("system:masters")),
        ("controllers", "system:kube-controller-manager", None),
        ("scheduler", "system:kube-scheduler", None),
    ] {
        let identity = authority.certify(user, group, &[]);
        let kubeconfig = authority.kubeconfig(&server, "default", &identity.credentials());
        write(&format!("{name}.kubeconfig"), &kubeconfig);
        write(&format!("{name}.pem"), &format!("{}{}", identity.key, identity.certificate));
    }
    let tokens = rcgen::KeyPair::generate().unwrap();
    write("tokens.key", &tokens.serialize_pem());
    write("tokens.pub", &tokens.public_key_pem());
    write("audit.yaml", AUDIT);
    write("kwok.yaml", KWOK);
    write("further-kwok.yaml", kwok);
}

fn client_of(folder: &Path, authority: &Authority) -> reqwest::Client {
    let admin = std::fs::read(folder.join("admin.pem")).unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .tls_built_in_root_certs(false)
        .add_root_certificate(reqwest::Certificate::from_pem(authority.certificate.as_bytes()).unwrap())
        .identity(reqwest::Identity::from_pem(&admin).unwrap())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}
