//! self-evolution changes objects of a cluster, with the rights of its own ServiceAccount alone.

mod changing;
mod failing;
mod owners;

use serde_json::{Value, json};

use super::cluster::{Asked, Cluster};
use crate::stories::daemon::Daemon;
use crate::stories::evolution::{analysed, event, events, report};

/// What the daemon may do; a story may take one of these away.
const RIGHTS: &str = r#"
- {apiGroups: [apps], resources: [deployments], verbs: [get, patch]}
- {apiGroups: [apps], resources: [deployments/scale], verbs: [patch]}
- {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [list, patch]}
- {apiGroups: [""], resources: [configmaps], verbs: [get, patch], resourceNames: [web]}
- {apiGroups: [""], resources: [pods], verbs: [list]}
"#;

const ACCOUNT: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: self-evolution, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: self-evolution, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: self-evolution}
subjects: [{kind: ServiceAccount, name: self-evolution, namespace: shop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: self-evolution, namespace: shop}
rules:
";

const WEB: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: shop}
data: {cache: "off", other: stays}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.invalid/web:1
        envFrom: [{configMapRef: {name: web}}]
        env: [{name: CACHE, value: "off"}]
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
"#;
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const MAP: &str = "/api/v1/namespaces/shop/configmaps/web";
const ACCOUNT_NAME: &str = "system:serviceaccount:shop:self-evolution";

/// A cluster with a Deployment, which a daemon may change.
struct Shop {
    cluster: Cluster,
    daemon: Daemon,
}

impl Shop {
    /// The manifests as a person applies them; the daemon with these settings and these actions of `web`, each as
    /// `performance: {set: [...]}`.
    async fn open(manifests: &str, settings: &str, actions: &[&str]) -> Option<Self> {
        Self::open_with(RIGHTS, manifests, settings, actions).await
    }

    async fn open_with(rights: &str, manifests: &str, settings: &str, actions: &[&str]) -> Option<Self> {
        let cluster = Cluster::start().await?;
        cluster.apply(&format!("{ACCOUNT}{rights}"));
        cluster.apply(manifests);
        cluster.rolled_out("shop", "web").await;
        let daemon = Self::daemon(&cluster, settings, actions).await;
        Some(Self { cluster, daemon })
    }

    /// A daemon with a ServiceAccount of this cluster.
    async fn daemon(cluster: &Cluster, settings: &str, actions: &[&str]) -> Daemon {
        let kubeconfig = cluster.kubeconfig_of("self-evolution", "shop");
        let actions: String = actions
            .iter()
            .map(|one| format!("      {}\n", one.replacen('{', "{backend: kubernetes, ", 1)))
            .collect();
        let configuration = format!(
            "elasticsearch_enabled: false\nkubeconfig: {}\n{settings}\nservices:\n  web:\n    actions:\n{actions}",
            kubeconfig.display()
        );
        Daemon::evolution(&configuration, &[]).await
    }

    /// What is recommended because `web` is slow.
    async fn recommended(&self) -> String {
        report(&self.daemon, &events(40, &event("web", "/x", 2.5, 200))).await;
        analysed(&self.daemon).await.remove(0)
    }

    async fn apply(&self, id: &str) -> (u16, Value) {
        self.daemon.post(&format!("/apply-optimization/{id}")).await
    }

    async fn applied(&self, id: &str) -> Value {
        let (status, applied) = self.apply(id).await;
        assert_eq!(status, 200, "{applied}\n{}", self.daemon.log());
        applied
    }

    async fn rolled_back(&self, id: &str) {
        let (status, rollback) = self.daemon.post(&format!("/rollback/{id}")).await;
        assert_eq!(status, 200, "{rollback}\n{}", self.daemon.log());
    }

    async fn phase(&self, id: &str, wanted: &str) -> Value {
        let find = |change: &Value| (change["phase"] == wanted).then(|| change.clone());
        self.daemon.until(&format!("/changes/{id}"), wanted, find).await
    }

    async fn recommendation(&self, id: &str) -> Value {
        self.daemon.get(&format!("/recommendations/{id}")).await.1
    }

    async fn deployment(&self) -> Value {
        self.cluster.get(DEPLOYMENT).await
    }

    /// The container of the Deployment.
    async fn container(&self) -> Value {
        self.deployment().await["spec"]["template"]["spec"]["containers"][0].clone()
    }

    /// The names of the pods that there are.
    async fn pods(&self) -> Vec<String> {
        let pods = self.cluster.pods("shop", "app=web").await;
        pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What the daemon has asked of the API server.
    fn asked(&self, wanted: impl Fn(&Asked) -> bool) -> Vec<String> {
        let of_daemon = self.cluster.audit(|one| one.user == ACCOUNT_NAME && wanted(one));
        let told = |one: &Asked| one.to_string().replacen(&format!("{ACCOUNT_NAME}: "), "", 1);
        of_daemon.iter().map(told).collect()
    }

    /// What it has written.
    fn written(&self) -> Vec<String> {
        self.asked(|one| !["get", "list", "watch"].contains(&one.verb.as_str()))
    }
}

/// Under which names an object was written.
fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect()
}

fn change(key: &str, before: Value, after: Value) -> Value {
    json!({"key": key, "before": before, "after": after})
}
