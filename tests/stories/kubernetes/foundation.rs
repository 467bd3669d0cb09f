//! What the stories of Kubernetes stand on: the cluster does what they ask of it.

use reqwest::Method;
use serde_json::{Value, json};

use super::cluster::{Cluster, Fault};

const SHOP: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.invalid/web:1"}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: healer, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: healer, namespace: shop}
rules: [{apiGroups: [""], resources: [pods/eviction], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: healer, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: healer}
subjects: [{kind: ServiceAccount, name: healer, namespace: shop}]
"#;

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap()
}

/// Has the administrator evict a pod, and gives the status of the answer.
async fn evict(cluster: &Cluster, pod: &str) -> u16 {
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": "shop"},
    });
    cluster.request(Method::POST, &format!("/api/v1/namespaces/shop/pods/{pod}/eviction"), &eviction).await.0
}

#[tokio::test]
async fn a_deployment_rolls_out_and_a_budget_refuses_to_let_its_last_ready_pod_be_evicted() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.apply(SHOP);
    cluster.rolled_out("shop", "web").await;
    let first = name(&cluster.pods("shop", "app=web").await[0]).to_owned();
    assert_eq!(evict(&cluster, &first).await, 201);
    cluster.rolled_out("shop", "web").await;
    let pods = cluster.pods("shop", "app=web").await;
    assert!(pods.len() == 2 && pods.iter().all(|pod| name(pod) != first), "{pods:#?}");

    let (sick, well) = (name(&pods[0]), name(&pods[1]));
    cluster.fall_ill("shop", sick, Fault::Sick);
    let one_ready = |it: &Value| (it["status"]["readyReplicas"] == 1).then_some(());
    cluster.until("/apis/apps/v1/namespaces/shop/deployments/web", "one ready pod", one_ready).await;
    let none_allowed = |it: &Value| (it["status"]["disruptionsAllowed"] == 0).then_some(());
    let budget = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/web";
    cluster.until(budget, "the budget's end", none_allowed).await;
    assert_eq!(evict(&cluster, well).await, 429);
    cluster.get_well("shop", sick, Fault::Sick);
    cluster.rolled_out("shop", "web").await;
}

#[tokio::test]
async fn pods_fall_ill_and_the_api_server_goes_away_and_comes_back() {
    let Some(mut cluster) = Cluster::start().await else { return };
    cluster.apply(SHOP);
    cluster.rolled_out("shop", "web").await;
    let pods = cluster.pods("shop", "app=web").await;
    let [crashing, failing] = [name(&pods[0]), name(&pods[1])];
    cluster.fall_ill("shop", crashing, Fault::Crash);
    let path = |pod: &str| format!("/api/v1/namespaces/shop/pods/{pod}");
    let in_a_loop = |pod: &Value| {
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
        (waiting == "CrashLoopBackOff").then_some(())
    };
    cluster.until(&path(crashing), "the crash loop", in_a_loop).await;
    cluster.get_well("shop", crashing, Fault::Crash);
    cluster.fall_ill("shop", failing, Fault::Fail);
    let failed = |pod: &Value| (pod["status"]["phase"] == "Failed").then_some(());
    cluster.until(&path(failing), "the end of the pod", failed).await;
    cluster.rolled_out("shop", "web").await;
    cluster.kubectl(&["label", "node", "node-1", "kwok.test/down=true"]);
    let elsewhere = |all: &Value| {
        let pods = all["items"].as_array()?.iter().filter(|pod| pod["status"]["phase"] == "Running");
        let mut pods = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        pods.all(|pod| pod["spec"]["nodeName"] == "node-2").then_some(())
    };
    cluster.until("/api/v1/namespaces/shop/pods", "the move to the other node", elsewhere).await;
    cluster.rolled_out("shop", "web").await;

    cluster.stop_api_server();
    let unreachable = cluster.kubectl_output(&["get", "pods", "--request-timeout", "2s"], "");
    assert!(!unreachable.status.success());
    cluster.start_api_server().await;
    cluster.rolled_out("shop", "web").await;
    cluster.kubectl(&["--namespace", "shop", "scale", "deployment", "web", "--replicas", "3"]);
    cluster.rolled_out("shop", "web").await;
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_the_log_tells_what_it_asked() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.apply(SHOP);
    cluster.rolled_out("shop", "web").await;
    let kubeconfig = cluster.kubeconfig_of("healer", "shop");
    let asks = |arguments: &[&str]| {
        let of_healer = ["--kubeconfig", kubeconfig.to_str().unwrap()];
        cluster.kubectl_output(&[&of_healer, arguments].concat(), "")
    };
    let pods = asks(&["get", "pods"]);
    assert!(String::from_utf8_lossy(&pods.stderr).contains("Forbidden"), "{pods:?}");
    let pod = name(&cluster.pods("shop", "app=web").await[0]).to_owned();
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}).to_string();
    let path = format!("/api/v1/namespaces/shop/pods/{pod}/eviction");
    let of_healer = ["--kubeconfig", kubeconfig.to_str().unwrap(), "create", "--raw", &path, "-f", "-"];
    let evicted = cluster.kubectl_output(&of_healer, &eviction);
    assert!(evicted.status.success(), "{evicted:?}");
    let asked =
        cluster.audit(|one| one.user == "system:serviceaccount:shop:healer" && one.resource == "pods");
    let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
    assert_eq!(
        asked,
        [
            "system:serviceaccount:shop:healer: list pods shop/ -> 403".to_owned(),
            format!("system:serviceaccount:shop:healer: create pods/eviction shop/{pod} -> 201"),
        ]
    );
}
