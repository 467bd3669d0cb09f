//! What cannot be done is said with the reason, tried no more often than it helps, and taken back where it was begun.

use serde_json::{Value, json};

use super::{RIGHTS, Shop, WEB};

const SCALING: [&str; 1] = ["performance: {set: ['replicas=+1 up to 4']}"];

#[tokio::test]
async fn a_right_that_is_missing_is_named_with_its_verb() {
    let rights = RIGHTS.replace("[deployments/scale], verbs: [patch]", "[deployments/scale], verbs: [get]");
    let Some(shop) = Shop::open_with(&rights, WEB, "", &SCALING).await else { return };
    let id = shop.recommended().await;
    let (status, problem) = shop.apply(&id).await;
    assert_eq!((status, &problem["phase"]), (409, &json!("failed")), "{problem}");
    let error = problem["error"].as_str().unwrap();
    let missing =
        "system:serviceaccount:shop:self-evolution may not patch deployments/scale in the namespace shop";
    assert!(error.contains(missing), "{error}");
    assert_eq!(shop.written(), ["patch deployments/scale shop/web -> 403"], "it is not tried again");

    let rights = RIGHTS.replace("[deployments], verbs: [get, patch]", "[deployments], verbs: [patch]");
    let Some(shop) = Shop::open_with(&rights, WEB, "", &SCALING).await else { return };
    let id = shop.recommended().await;
    let (status, problem) = shop.apply(&id).await;
    assert_eq!(status, 409, "{problem}");
    let recommendation = shop.recommendation(&id).await;
    assert_eq!(recommendation["not_executable_because"], problem["error"], "{recommendation}");
    assert!(problem["error"].as_str().unwrap().contains("may not get deployments in the namespace shop"));
}

#[tokio::test]
async fn an_api_server_that_is_away_at_the_rollback_is_waited_for_with_pauses() {
    let settings = "judged_changes: none\nanalysis_bucket_seconds: 1";
    let Some(mut shop) = Shop::open(WEB, settings, &SCALING).await else { return };
    let id = shop.recommended().await;
    shop.applied(&id).await;
    shop.cluster.stop_api_server();
    let (status, problem) = shop.daemon.post(&format!("/rollback/{id}")).await;
    assert_eq!((status, &problem["phase"]), (409, &json!("rollback_failed")), "{problem}");
    assert!(problem["error"].as_str().unwrap().contains("Kubernetes is not reachable at"), "{problem}");
    assert!(shop.daemon.text("/readyz?verbose").await.contains("[-]rollbacks degraded"));
    let before = shop.asked(|_| true).len();
    shop.cluster.start_api_server().await;
    shop.phase(&id, "rolled_back").await;
    assert_eq!(shop.deployment().await["spec"]["replicas"], 2);
    let after = shop.asked(|_| true).len();
    assert!(after - before < 30, "{:?}", shop.asked(|_| true));
}

#[tokio::test]
async fn a_rollout_that_never_completes_is_taken_back_with_what_its_pod_says() {
    let actions = ["performance: {set: ['image=registry.invalid/broken:2'], rollout_timeout: 4}"];
    let settings = "judged_changes: none\nanalysis_bucket_seconds: 1";
    let Some(shop) = Shop::open(WEB, settings, &actions).await else { return };
    let id = shop.recommended().await;
    let (status, problem) = shop.apply(&id).await;
    assert_eq!(status, 409, "{problem}");
    let error = problem["error"].as_str().unwrap();
    assert!(error.contains("deployment/web in shop was not rolled out within 4 s"), "{error}");
    assert!(error.contains("container web: ErrImagePull: no such image"), "{error}");
    shop.phase(&id, "rolled_back").await;
    let deployment = shop.cluster.rolled_out("shop", "web").await;
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "registry.invalid/web:1");
    let asked = shop.asked(|_| true);
    assert!(asked.len() < 60, "{} requests: {asked:#?}", asked.len());
}

#[tokio::test]
async fn a_daemon_killed_at_any_instant_of_a_rollout_finishes_or_undoes_it() {
    // Its pods take a while to be ready.
    let slow = WEB.replace(
        "metadata: {labels: {app: web}}\n    spec",
        "metadata: {labels: {app: web}, annotations: {kwok.test/ready-after: 1s}}\n    spec",
    );
    assert_ne!(slow, WEB);
    let actions = ["performance: {set: ['configmap.web.cache=on']}"];
    let Some(mut shop) = Shop::open(&slow, "analysis_bucket_seconds: 10", &actions).await else { return };
    let mut ends = Vec::new();
    for instant in [5, 20, 40, 80, 700] {
        let id = shop.recommended().await;
        let path = format!("/apply-optimization/{id}");
        let asked = shop.daemon.post(&path);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(instant), asked).await;
        shop.daemon.kill();
        shop.daemon.restart().await;
        let end = end_of(&shop, &id).await;
        let map = shop.cluster.get(super::MAP).await;
        let expected = if end == "settling" { "on" } else { "off" };
        assert_eq!(map["data"]["cache"], expected, "{instant} ms: {end}");
        let deployment = shop.cluster.rolled_out("shop", "web").await;
        let marks =
            &deployment["spec"]["template"]["metadata"]["annotations"]["self-evolution/configmap.web"];
        assert_eq!(marks.is_null(), end != "settling", "{instant} ms: {end}: {deployment:#}");
        eprintln!("killed {instant} ms after it was asked: {end}");
        ends.push(end);
        if ends.last().is_some_and(|end| end == "settling") {
            shop.rolled_back(&id).await;
        }
        shop = anew(shop, &slow, &actions).await;
    }
    assert!(ends.iter().any(|end| end == "rolled_back"), "{ends:?}");
}

/// The same cluster with a daemon that remembers nothing.
async fn anew(shop: Shop, manifests: &str, actions: &[&str]) -> Shop {
    shop.cluster.apply(manifests);
    shop.cluster.rolled_out("shop", "web").await;
    let daemon = Shop::daemon(&shop.cluster, "analysis_bucket_seconds: 10", actions).await;
    Shop { cluster: shop.cluster, daemon }
}

async fn end_of(shop: &Shop, id: &str) -> String {
    let (_, changes) = shop.daemon.get("/changes").await;
    if changes["items"] == json!([]) {
        return "not begun".to_owned();
    }
    let is_over = |change: &Value| {
        let over = ["settling", "rolled_back", "failed"];
        over.iter().find(|phase| change["phase"] == **phase).map(|phase| (*phase).to_owned())
    };
    shop.daemon.until(&format!("/changes/{id}"), "the end", is_over).await
}
