//! Both daemons as the manifests install them. Their images cannot run where kubelets are simulated: what the API server makes of
//! the manifests is real, the pods are not.

use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::Cluster;

/// The file that is published, relative to the repository.
pub(super) const FILE: &str = "kubernetes/04-auto-healing-evolution.yaml";
/// Where everything in it is.
pub(super) const NAMESPACE: &str = "ai-orchestration";
/// Both Deployments, with the port of each.
pub(super) const DAEMONS: [(&str, u16); 2] = [("health-monitor", 5006), ("self-evolution", 5007)];

/// Has the cluster offer volumes, as the storage of a real one does.
pub(super) fn offer_volumes(cluster: &Cluster) {
    for number in 1..=2 {
        let volume = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": format!("volume-{number}")},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "10Gi"},
                "hostPath": {"path": format!("/volumes/{number}")},
            },
        });
        cluster.apply(&volume.to_string());
    }
}

/// Applies the file into the cluster, and waits until both daemons count as ready.
pub(super) async fn install(cluster: &Cluster) {
    offer_volumes(cluster);
    cluster.kubectl(&["apply", "-f", FILE]);
    for (name, _) in DAEMONS {
        cluster.rolled_out(NAMESPACE, name).await;
    }
}

/// The variables that a kubelet would give the container of a Deployment's pod, those of its fields included.
pub(super) async fn environment(cluster: &Cluster, deployment: &str) -> Vec<(String, String)> {
    let pods = cluster.pods(NAMESPACE, &format!("app={deployment}")).await;
    let [pod] = &pods[..] else { panic!("one pod of {deployment}: {pods:#?}") };
    let container = &pod["spec"]["containers"][0];
    let mut variables = Vec::new();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        let config = config_map(cluster, source["configMapRef"]["name"].as_str().unwrap()).await;
        let data = config["data"].as_object().unwrap();
        variables.extend(data.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())));
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let from = &variable["valueFrom"];
        let value = match from["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.name") => &pod["metadata"]["name"],
            Some("metadata.namespace") => &pod["metadata"]["namespace"],
            Some("status.podIP") => &pod["status"]["podIP"],
            Some(other) => panic!("no field {other} here"),
            None => {
                assert!(from.is_null(), "{from}");
                &variable["value"]
            }
        };
        let (name, value) = (variable["name"].as_str().unwrap(), value.as_str().unwrap());
        variables.retain(|(known, _)| known != name);
        variables.push((name.to_owned(), value.to_owned()));
    }
    variables
}

async fn config_map(cluster: &Cluster, name: &str) -> Value {
    cluster.get(&format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{name}")).await
}

/// Copies what a program logs, line by line, as the runtime of a container keeps it, until the task is dropped.
pub(super) async fn keep_log(from: std::path::PathBuf, to: std::path::PathBuf) {
    let mut copied = 0;
    loop {
        let text = std::fs::read_to_string(&from).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let lines = text[copied..whole].lines();
        let kept: String =
            lines.map(|line| format!("2026-01-01T00:00:00.000000000Z stdout F {line}\n")).collect();
        let mut file = std::fs::File::options().create(true).append(true).open(&to).unwrap();
        std::io::Write::write_all(&mut file, kept.as_bytes()).unwrap();
        copied = whole;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
