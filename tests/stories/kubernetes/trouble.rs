//! What is in the way of healing in a cluster is named, and asked about again at a measured pace.

use serde_json::Value;

use super::super::daemon::{Daemon, PATIENCE};
use super::super::guards::says;
use super::super::receivers::Service;
use super::cluster::{Cluster, Fault};
use super::shop::{QUICK, RIGHTS, Shop, ended, healthy};

#[tokio::test]
async fn a_missing_right_and_a_namespace_that_is_not_there_are_named_with_what_to_do() {
    let Some(cluster) = Cluster::start().await else { return };
    let shop = Shop::open(
        cluster,
        &RIGHTS.replace("- {apiGroups: [\"\"], resources: [pods/eviction], verbs: [create]}\n", ""),
    )
    .await;
    for name in ["web", "lost"] {
        shop.deployment(name, 1, "", "");
        shop.cluster.rolled_out("shop", name).await;
    }
    let lost = ("lost", ", workload: nowhere/deployment/lost");
    let daemon = shop.daemon("recovery_steps: restart\n", &[("web", ""), lost]).await;
    healthy(&daemon, "web").await;
    let pods = shop.pods("web").await;
    shop.cluster.fall_ill("shop", &pods[0], Fault::Sick);
    shop.fail_silently("lost").await;
    let refused = ended(&daemon, "web", "the refusal", |one| one["outcome"] == "action_failed").await;
    let words =
        ["system:serviceaccount:shop:healer may not create pods/eviction in the namespace shop", "its Role"];
    assert!(says(&refused["reason"], &words), "{refused:#}");
    let held = |one: &Value| one["held"]["guard"] == "backend";
    let status = daemon.service_until("lost", "the refusal", held).await;
    let words = ["may not get deployments in the namespace nowhere", "correct the namespace"];
    assert!(says(&status["held"]["reason"], &words), "{status:#}");
    let ready = daemon.text("/readyz?verbose").await;
    assert!(ready.contains("Kubernetes v1."), "{ready}");
    assert!(shop.writes().iter().all(|one| one.ends_with("-> 403")), "{:?}", shop.writes());
    // With the right, the same thing is healed.
    let role = shop.cluster.kubectl(&["--namespace", "shop", "get", "role", "healer", "--output", "json"]);
    let mut role: Value = serde_json::from_str(&role).unwrap();
    let right = serde_json::json!({"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]});
    role["rules"].as_array_mut().unwrap().push(right);
    shop.cluster.apply(&role.to_string());
    ended(&daemon, "web", "the eviction", |one| one["outcome"] == "recovered").await;
}

#[tokio::test]
async fn an_api_server_that_goes_away_is_named_and_healing_goes_on_when_it_is_back() {
    let Some(mut cluster) = Cluster::start().await else { return };
    cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
    cluster.apply(&super::shop::deployment("web", 1, "", ""));
    cluster.apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: healer, namespace: shop}}");
    cluster.kubectl(&[
        "--namespace",
        "shop",
        "create",
        "role",
        "healer",
        "--verb",
        "get,list,watch,patch,create",
        "--resource",
        "pods,pods/eviction,pods/log,deployments.apps,replicasets.apps,services",
    ]);
    cluster.kubectl(&[
        "--namespace",
        "shop",
        "create",
        "rolebinding",
        "healer",
        "--role",
        "healer",
        "--serviceaccount",
        "shop:healer",
    ]);
    cluster.rolled_out("shop", "web").await;
    let service = Service::start().await;
    let kubeconfig = cluster.kubeconfig_of("healer", "shop");
    let configuration = format!(
        "{QUICK}kubeconfig: {}\nservices: {{web: {{url: 'http://{}'}}}}\n",
        kubeconfig.display(),
        service.address
    );
    let daemon = Daemon::start_with(&configuration, &[]).await;
    healthy(&daemon, "web").await;
    cluster.stop_api_server();
    service.answers(503);
    let held = |one: &Value| one["held"]["guard"] == "backend";
    let status = daemon.service_until("web", "the refusal", held).await;
    let words = ["Kubernetes is not reachable at", &cluster.server_url(), "check the address"];
    assert!(says(&status["held"]["reason"], &words), "{status:#}");
    let (ready, _) = daemon.get("/readyz").await;
    assert_eq!(ready, 200, "an API server that is away makes the daemon no less ready");
    cluster.start_api_server().await;
    daemon
        .until("/recovery-history", "an action", |history| {
            let mut all = history["recoveries"].as_array()?.iter();
            all.any(|one| !one["accepted_at"].is_null()).then_some(())
        })
        .await;
    service.answers(200);
    ended(&daemon, "web", "the recovery", |one| one["outcome"] == "recovered").await;
    let of_healer = cluster.audit(|one| one.user.ends_with(":healer"));
    let writes = of_healer.iter().filter(|one| one.verb == "create" || one.verb == "patch").count();
    assert_eq!(writes, 1, "{of_healer:?}");
}

#[tokio::test]
async fn a_pod_that_dies_is_seen_at_once_by_the_watch() {
    let Some(cluster) = Cluster::start().await else { return };
    let shop = Shop::open(cluster, RIGHTS).await;
    shop.deployment("web", 1, "", "");
    shop.cluster.rolled_out("shop", "web").await;
    // The next slot of the probe is minutes away.
    let daemon = shop.daemon("", &[("web", ", interval: 300, workload: deployment/web")]).await;
    healthy(&daemon, "web").await;
    let pods = shop.pods("web").await;
    shop.cluster.fall_ill("shop", &pods[0], Fault::Sick);
    // Whatever happens to the pod once it is watched makes the daemon look.
    let start = tokio::time::Instant::now();
    for number in 0.. {
        let change = format!("story/number={number}");
        shop.cluster.kubectl(&["--namespace", "shop", "annotate", "--overwrite", "pod", &pods[0], &change]);
        let (_, all) = daemon.get("/service-status").await;
        if all["web"]["failures"].as_u64() > Some(0) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{all:#}\n{}", daemon.log());
    }
}
