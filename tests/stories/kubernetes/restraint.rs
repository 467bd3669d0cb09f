//! What is left alone in a cluster: what somebody wants as it is, what does not get well, what others look after.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::daemon::Daemon;
use super::super::guards::says;
use super::cluster::{Cluster, Fault};
use super::shop::{RIGHTS, Shop, ended, healthy};

async fn held(daemon: &Daemon, service: &str, kind: &str) -> Value {
    let is_held =
        |one: &Value| one["held"]["guard"] == "intent" && one["held"]["inputs"]["intent"]["kind"] == kind;
    daemon.service_until(service, kind, is_held).await
}

#[tokio::test]
async fn what_is_rolled_out_scaled_to_zero_or_paused_is_left_alone() {
    let Some(cluster) = Cluster::start().await else { return };
    let shop = Shop::open(cluster, RIGHTS).await;
    for name in ["rolled", "scaled", "held"] {
        shop.deployment(name, 1, "  strategy: {type: Recreate}", "");
        shop.cluster.rolled_out("shop", name).await;
    }
    let daemon = shop.daemon("", &[("rolled", ""), ("scaled", ""), ("held", "")]).await;
    for name in ["rolled", "scaled", "held"] {
        healthy(&daemon, name).await;
    }
    let in_shop = |arguments: &[&str]| {
        shop.cluster.kubectl(&[&["--namespace", "shop"], arguments].concat());
    };
    // A version that takes its time to be ready, and nothing else runs meanwhile.
    let slow = json!({"spec": {"template": {"metadata": {"annotations": {"kwok.test/ready-after": "25s"}}}}});
    in_shop(&["patch", "deployment", "rolled", "--type", "merge", "--patch", &slow.to_string()]);
    in_shop(&["scale", "deployment", "scaled", "--replicas", "0"]);
    in_shop(&["rollout", "pause", "deployment", "held"]);
    shop.fail_silently("held").await;
    let status = held(&daemon, "rolled", "rolling_out").await;
    assert!(
        says(&status["held"]["reason"], &["a rollout of rolled is on its way", "?force=true"]),
        "{status:#}"
    );
    let status = held(&daemon, "scaled", "scaled_to_zero").await;
    assert!(says(&status["held"]["reason"], &["scaled to 0 replicas", "scale it up"]), "{status:#}");
    held(&daemon, "held", "paused").await;
    let (refused, body) = daemon.post("/trigger-heal/scaled").await;
    assert_eq!(refused, 423, "{body:#}");

    healthy(&daemon, "rolled").await;
    in_shop(&["scale", "deployment", "scaled", "--replicas", "1"]);
    healthy(&daemon, "scaled").await;
    assert_eq!(shop.writes(), [] as [String; 0], "{}", daemon.log());
    in_shop(&["rollout", "resume", "deployment", "held"]);
    ended(&daemon, "held", "the eviction", |one| one["outcome"] == "recovered").await;
    assert_eq!(shop.writes().len(), 1, "{:?}", shop.writes());
}

#[tokio::test]
async fn what_does_not_get_well_is_tried_in_two_ways_then_left_alone_with_the_reason() {
    let Some(cluster) = Cluster::start().await else { return };
    let shop = Shop::open(cluster, RIGHTS).await;
    let soon = "  progressDeadlineSeconds: 1";
    shop.deployment("sick", 1, soon, ", kwok.test/sick: 'true'");
    shop.cluster.apply(&super::shop::deployment("unpulled", 1, soon, "").replace("unpulled:1", "broken:1"));
    let settings = "verification_timeout: 3\nmax_recoveries_per_hour: 3\n";
    let daemon = shop.daemon(settings, &[("sick", ""), ("unpulled", "")]).await;
    for (name, reason) in [("sick", "not ready"), ("unpulled", "ErrImagePull")] {
        let is_quarantined = |one: &Value| one["guard"] == "quarantine";
        ended(&daemon, name, "the quarantine", is_quarantined).await;
        let (_, history) = daemon.get("/recovery-history").await;
        let all = history["recoveries"].as_array().unwrap().iter();
        let mut tried: Vec<&Value> =
            all.filter(|one| one["service"] == name && one["outcome"] == "not_recovered").collect();
        tried.sort_by_key(|one| one["attempt"].as_u64());
        let actions: Vec<&Value> = tried.iter().map(|one| &one["action"]).collect();
        assert_eq!(actions, ["restart", "recreate", "recreate"], "{history:#}");
        for one in tried {
            assert!(says(&one["reason"], &["0 of 1 available", reason]), "{one:#}");
        }
    }
    let writes = shop.writes();
    let of = |what: &str| writes.iter().filter(|one| one.contains(what)).count();
    assert_eq!(
        [of("pods/eviction"), of("deployments sick"), of("deployments unpulled")],
        [2, 2, 2],
        "{writes:?}"
    );
    // Probes go on, and nothing more is asked of the cluster.
    let failures = daemon.service_until("sick", "a failure", |_| true).await["failures"].as_u64();
    let (before, fails_on) =
        (shop.requests(), |one: &Value| one["failures"].as_u64() > failures.map(|n| n + 3));
    daemon.service_until("sick", "further failures", fails_on).await;
    assert!(shop.requests() <= before + 2, "{} then {}", before, shop.requests());
    assert_eq!(shop.writes(), writes);
}

#[tokio::test]
async fn a_disruption_budget_is_respected_and_named_until_it_allows_the_eviction() {
    let Some(cluster) = Cluster::start().await else { return };
    let shop = Shop::open(cluster, RIGHTS).await;
    shop.deployment("web", 2, "", "");
    shop.cluster.rolled_out("shop", "web").await;
    shop.cluster.kubectl(&[
        "--namespace",
        "shop",
        "create",
        "poddisruptionbudget",
        "careful",
        "--selector",
        "app=web",
        "--min-available",
        "2",
    ]);
    let daemon = shop.daemon("recovery_steps: restart\n", &[("web", "")]).await;
    healthy(&daemon, "web").await;
    let pods = shop.pods("web").await;
    shop.cluster.fall_ill("shop", &pods[0], Fault::Sick);
    let refused = ended(&daemon, "web", "the refusal", |one| one["outcome"] == "action_failed").await;
    assert!(
        says(&refused["reason"], &["the disruption budget careful does not allow it now", &pods[0]]),
        "{refused:#}"
    );
    shop.cluster.kubectl(&["--namespace", "shop", "delete", "poddisruptionbudget", "careful"]);
    ended(&daemon, "web", "the eviction", |one| one["outcome"] == "recovered").await;
    let writes = shop.writes();
    let refused = format!("create pods/eviction {} -> 429", pods[0]);
    let evicted = format!("create pods/eviction {} -> 201", pods[0]);
    assert_eq!(writes.last(), Some(&evicted), "{writes:?}");
    assert!(writes[..writes.len() - 1].iter().all(|one| *one == refused), "{writes:?}");
}

/// What the node controller writes of a pod when it hears nothing more from its node.
async fn loses_its_node(shop: &Shop, pod: &str) {
    let path = format!("/api/v1/namespaces/shop/pods/{pod}");
    let mut status = shop.cluster.get(&path).await["status"].clone();
    for condition in status["conditions"].as_array_mut().unwrap() {
        if condition["type"] == "Ready" {
            condition["status"] = "False".into();
        }
    }
    let patch = json!({"status": {"conditions": status["conditions"]}});
    let (code, body) = shop.cluster.request(Method::PATCH, &format!("{path}/status"), &patch).await;
    assert_eq!(code, 200, "{body:#}");
}

#[tokio::test]
async fn pods_of_a_node_that_is_gone_are_not_evicted_and_nothing_is_done_twice() {
    let Some(cluster) = Cluster::start().await else { return };
    let shop = Shop::open(cluster, RIGHTS).await;
    let names = ["one", "two", "three", "four"];
    for name in names {
        // They run on the node that is about to go, stay there for a while, and may run on the other one afterwards.
        let on_one = "spec: {tolerations: [{key: node.kubernetes.io/not-ready, effect: NoExecute, operator: Exists, \
                      tolerationSeconds: 10}], affinity: {nodeAffinity: \
                      {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, preference: \
                      {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]}}]}}, \
                      containers:";
        let deployment = super::shop::deployment(name, 2, "", "");
        shop.cluster.apply(&deployment.replace("spec: {containers:", on_one));
        shop.cluster.rolled_out("shop", name).await;
    }
    let daemon = shop.daemon("", &names.map(|name| (name, ""))).await;
    for name in names {
        healthy(&daemon, name).await;
    }
    let before = shop.requests();
    shop.cluster.kubectl(&["label", "node", "node-1", "kwok.test/down=true"]);
    for name in names {
        for pod in shop.pods(name).await {
            loses_its_node(&shop, &pod).await;
        }
    }
    let told =
        |one: &Value| says(&one["reason"], &["on nodes that are gone: the node controller replaces them"]);
    daemon
        .until("/recovery-history", "what is told of the node", |history| {
            history["recoveries"].as_array()?.iter().any(told).then_some(())
        })
        .await;
    for name in names {
        let is_elsewhere = |all: &Value| {
            let pods = all["items"].as_array()?;
            let ready = pods.iter().filter(|pod| pod["spec"]["nodeName"] == "node-2");
            (ready.count() == 2).then_some(())
        };
        let path = format!("/api/v1/namespaces/shop/pods?labelSelector=app={name}");
        shop.cluster.until(&path, "the move to the other node", is_elsewhere).await;
        healthy(&daemon, name).await;
    }
    // Nothing is evicted. Where the cluster had not replaced the pods by the second attempt they were made anew, each
    // workload once.
    let mut writes = shop.writes();
    assert!(writes.iter().all(|one| one.starts_with("patch deployments ")), "{writes:?}");
    let all = writes.len();
    writes.sort();
    writes.dedup();
    assert_eq!(writes.len(), all, "{writes:?}\n{}", daemon.log());
    let asked = shop.requests() - before;
    assert!(asked < 300, "{asked} requests");
}
