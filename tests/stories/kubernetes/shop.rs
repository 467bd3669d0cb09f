//! A shop in a cluster: its workloads, who may heal them, and the daemon that does. What a service answers follows from its
//! pods, as the cluster shows them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::Value;

use super::super::daemon::Daemon;
use super::super::receivers;
use super::cluster::{Asked, Cluster};

/// What the daemon needs, and not more.
pub(super) const RIGHTS: &str = r#"
- {apiGroups: [""], resources: [services], verbs: [get]}
- {apiGroups: [""], resources: [pods], verbs: [list, watch]}
- {apiGroups: [""], resources: [pods/log], verbs: [get]}
- {apiGroups: [""], resources: [pods/eviction], verbs: [create]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, patch]}
- {apiGroups: [apps], resources: [replicasets], verbs: [get]}
"#;

/// Settings with which a story in a cluster is told in seconds.
pub(super) const QUICK: &str = "
recovery_backend: kubernetes
health_check_interval: 1
health_check_fast_interval: 0.2
health_check_timeout: 2
start_period: 1
recovery_timeout: 2
recovery_timeout_max: 2
max_fleet_percent: 100
max_recoveries_per_ten_minutes: 100
elasticsearch_enabled: false
own_network_guard: false
";

/// Who the API server says that the daemon is.
const HEALER: &str = "system:serviceaccount:shop:healer";

pub(super) struct Shop {
    pub(super) cluster: Arc<Cluster>,
    services: SocketAddr,
}

impl Shop {
    /// A namespace with an account that has these rights, and nothing in it.
    pub(super) async fn open(cluster: Cluster, rights: &str) -> Self {
        let cluster = Arc::new(cluster);
        cluster.apply(&format!(
            "
apiVersion: v1
kind: Namespace
metadata: {{name: shop}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: healer, namespace: shop}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: healer, namespace: shop}}
rules:{rights}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: healer, namespace: shop}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: healer}}
subjects: [{{kind: ServiceAccount, name: healer, namespace: shop}}]
"
        ));
        let router = Router::new().route("/{app}", get(answer)).with_state(Arc::clone(&cluster));
        Self { services: receivers::serve(router).await, cluster }
    }

    /// A Deployment of this name whose pods have it as a label; `spec` and `template` are further lines of it.
    pub(super) fn deployment(&self, name: &str, replicas: u32, spec: &str, labels: &str) {
        self.cluster.apply(&deployment(name, replicas, spec, labels));
    }

    /// A daemon that watches these services, with settings of their own, and that is this account in the cluster.
    pub(super) async fn daemon(&self, settings: &str, services: &[(&str, &str)]) -> Daemon {
        Daemon::start_with(&self.configuration(settings, services), &[]).await
    }

    /// One of several such daemons on the same journal.
    pub(super) async fn instance(&self, name: &str, data: &str, services: &[(&str, &str)]) -> Daemon {
        let kubeconfig = self.cluster.kubeconfig_of("healer", "shop").display().to_string();
        let variables = [
            ("LEADER_ELECTION", "true"),
            ("POD_NAME", name),
            ("DATA_DIR", data),
            ("KUBECONFIG", &kubeconfig),
        ];
        Daemon::start_with(&self.configuration("", services), &variables).await
    }

    fn configuration(&self, settings: &str, services: &[(&str, &str)]) -> String {
        let kubeconfig = self.cluster.kubeconfig_of("healer", "shop");
        let of = |(name, own): &(&str, &str)| {
            format!("  {name}: {{url: 'http://{}', path: /{name}{own}}}\n", self.services)
        };
        let services: String = services.iter().map(of).collect();
        let kubeconfig = kubeconfig.display();
        format!("{QUICK}kubeconfig: {kubeconfig}\n{settings}services:\n{services}")
    }

    /// What the daemon has written beside its lease, oldest first: `create pods/eviction web-1 -> 201`.
    pub(super) fn writes(&self) -> Vec<String> {
        let reads = ["get", "list", "watch"];
        let is_write = |one: &Asked| {
            one.user == HEALER && one.resource != "leases" && !reads.contains(&one.verb.as_str())
        };
        let told = |one: Asked| {
            let of = if one.subresource.is_empty() { String::new() } else { format!("/{}", one.subresource) };
            format!("{} {}{of} {} -> {}", one.verb, one.resource, one.name, one.code)
        };
        self.cluster.audit(is_write).into_iter().map(told).collect()
    }

    /// How often the daemon has asked for anything.
    pub(super) fn requests(&self) -> usize {
        self.cluster.audit(|one| one.user == HEALER).len()
    }

    /// What the daemon was not allowed to do.
    pub(super) fn refused(&self) -> Vec<String> {
        self.cluster
            .audit(|one| one.user == HEALER && one.code == 403)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// The names of the pods of an app.
    pub(super) async fn pods(&self, app: &str) -> Vec<String> {
        let pods = self.cluster.pods("shop", &format!("app={app}")).await;
        pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Labels a pod: its service fails, although Kubernetes calls it ready.
    pub(super) async fn fail_silently(&self, app: &str) {
        for pod in self.pods(app).await {
            self.cluster.kubectl(&["--namespace", "shop", "label", "pod", &pod, "story/hangs=true"]);
        }
    }
}

pub(super) fn deployment(name: &str, replicas: u32, spec: &str, labels: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
{spec}
  template:
    metadata: {{labels: {{app: {name}{labels}}}}}
    spec: {{containers: [{{name: {name}, image: 'registry.invalid/{name}:1'}}]}}
"
    )
}

/// Whether all pods of an app that are to be there are ready, and none of them hangs.
async fn answer(State(cluster): State<Arc<Cluster>>, Path(app): Path<String>) -> StatusCode {
    let pods = cluster.pods("shop", &format!("app={app}")).await;
    let is_well = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        let is_ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
        pod["metadata"]["labels"]["story/hangs"].is_null() && conditions.into_iter().any(is_ready)
    };
    let living: Vec<&Value> = pods.iter().filter(|pod| pod["status"]["phase"] != "Failed").collect();
    if !living.is_empty() && living.iter().all(is_well) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// Waits until a recovery of a service has ended that is like this, and gives it.
pub(super) async fn ended(daemon: &Daemon, service: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    daemon
        .until("/recovery-history", what, |history| {
            let mut all = history["recoveries"].as_array()?.iter();
            all.find(|one| one["service"] == service && is(one)).cloned()
        })
        .await
}

/// Waits until a service is healthy, and nothing of it is under way.
pub(super) async fn healthy(daemon: &Daemon, service: &str) {
    daemon.service_until(service, "health", |one| one["state"] == "healthy").await;
}
