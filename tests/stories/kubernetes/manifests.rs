//! The manifests: the published file is what its base says, and a cluster takes them all.

use serde_json::Value;

use super::cluster::{Cluster, ROOT, kubectl_alone};
use super::installed::{DAEMONS, FILE, NAMESPACE, install};

/// What the published file begins with.
const HEAD: &str = "\
# health-monitor and self-evolution on Kubernetes: kubectl apply -f kubernetes/04-auto-healing-evolution.yaml
#
# Made of kubernetes/base by `kubectl kustomize kubernetes/base`; what is changed here is lost. Where the namespace or its
# ConfigMap ai-config is there already, take an overlay instead: docs/operations.md tells which.
";

fn overlays() -> Vec<String> {
    let folders = std::fs::read_dir(format!("{ROOT}/kubernetes/overlays")).unwrap();
    let mut names: Vec<_> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() > 1, "{names:?}");
    names
}

/// What `kubectl` prints on both channels; it has to end well and to warn of nothing.
fn without_warning(cluster: &Cluster, arguments: &[&str]) -> String {
    let ran = cluster.kubectl_output(arguments, "");
    let (printed, told) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && told.is_empty(), "kubectl {arguments:?}: {printed}{told}");
    printed.into_owned()
}

#[test]
fn the_published_file_is_what_its_base_says() {
    let Some(built) = kubectl_alone(&["kustomize", "kubernetes/base"]) else { return };
    let (file, built) = (format!("{ROOT}/{FILE}"), format!("{HEAD}{built}"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &built).unwrap();
    }
    let published = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(published == built, "{FILE} is another; UPDATE_GOLDEN=1 writes it anew");
}

#[tokio::test]
async fn the_file_applies_to_an_empty_cluster_twice_and_meets_the_restricted_standard() {
    let Some(cluster) = Cluster::start().await else { return };
    install(&cluster).await;
    let versions =
        "-o=jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation}{\"\\n\"}{end}";
    let state = || cluster.kubectl(&["get", "-f", FILE, versions]);
    let (before, again) = (state(), without_warning(&cluster, &["apply", "-f", FILE]));
    // `kubectl` says "configured" of every budget, because their selectors are replaced and not merged; it changes nothing.
    let unchanged = |line: &str| line.ends_with(" unchanged") || line.starts_with("poddisruptionbudget");
    assert!(again.lines().count() > 15 && again.lines().all(unchanged), "{again}");
    assert_eq!(state(), before);

    // The API server warns of pods that are there and would not be let in.
    let enforce = "pod-security.kubernetes.io/enforce=restricted";
    without_warning(&cluster, &["label", "namespace", NAMESPACE, enforce]);
    for (name, _) in DAEMONS {
        let deployment = format!("deployment/{name}");
        without_warning(&cluster, &["--namespace", NAMESPACE, "rollout", "restart", &deployment]);
        cluster.rolled_out(NAMESPACE, name).await;
        let pods = cluster.pods(NAMESPACE, &format!("app={name}")).await;
        let [pod] = &pods[..] else { panic!("one pod of {name}: {pods:#?}") };
        let spec = &pod["spec"];
        // As long as a daemon takes to end at most (its drain, then the journal and the lease).
        let grace = if name == "self-evolution" { 45 } else { 30 };
        assert_eq!(spec["terminationGracePeriodSeconds"], grace, "{name}");
        assert_eq!(spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
        let budget = format!("/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{name}");
        let may_go = |budget: &Value| (budget["status"]["disruptionsAllowed"] == 1).then_some(());
        cluster.until(&budget, "a budget that lets a node be drained", may_go).await;
    }
}

#[tokio::test]
async fn every_overlay_is_taken_by_the_api_server() {
    let Some(cluster) = Cluster::start().await else { return };
    install(&cluster).await;
    for overlay in overlays() {
        let folder = format!("kubernetes/overlays/{overlay}");
        let built = cluster.kubectl(&["kustomize", &folder]);
        // Nothing can be tried in a namespace that is not there.
        let namespace = built.split("\n---\n").filter(|one| one.contains("kind: Namespace\n"));
        namespace.for_each(|one| drop(cluster.apply(one)));
        let tried = without_warning(&cluster, &["apply", "--dry-run=server", "-k", &folder]);
        let taken = tried.lines().all(|line| line.ends_with("(server dry run)"));
        assert!(taken && tried.contains("deployment.apps/health-monitor "), "{overlay}: {tried}");
    }
}

/// What of a VoBee matters here: its namespace, and a ConfigMap with more in it than ours.
const VOBEE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: ai-orchestration, labels: {name: ai-orchestration}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ai-config, namespace: ai-orchestration}
data: {REDIS_HOST: redis-service, IMAGE_SERVICE_URL: 'http://image-generation-service:5000'}
";

#[tokio::test]
async fn beside_a_vobee_its_namespace_and_its_configuration_stay_as_they_are() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.apply(VOBEE);
    let (namespace, config) = ("/api/v1/namespaces/ai-orchestration", "configmaps/ai-config");
    let state = async || {
        let config = cluster.get(&format!("{namespace}/{config}")).await;
        (cluster.get(namespace).await["metadata"]["labels"].clone(), config["data"].clone())
    };
    let before = state().await;
    assert_eq!(before.1["REDIS_HOST"], "redis-service");
    without_warning(&cluster, &["apply", "-k", "kubernetes/overlays/vobee"]);
    assert_eq!(state().await, before);
}
