//! Changes that are made, shown, and taken back.

use serde_json::{Value, json};

use super::{DEPLOYMENT, MAP, Shop, WEB, change, managers};
use crate::stories::evolution::{analysed, event, events, report};

const UNJUDGED: &str = "judged_changes: none";

#[tokio::test]
async fn replicas_are_raised_judged_and_taken_back_with_two_writes_each_way() {
    let actions = ["performance: {set: ['replicas=+1 up to 4']}"];
    let Some(shop) = Shop::open(WEB, "analysis_bucket_seconds: 1", &actions).await else { return };
    let id = shop.recommended().await;
    let (status, plan) = shop.daemon.post(&format!("/apply-optimization/{id}?dry_run=true")).await;
    assert_eq!(status, 200, "{plan}");
    assert_eq!(plan["changes"], json!([change("replicas", json!(2), json!(3))]), "{plan}");
    assert_eq!(plan["target"], json!({"backend": "kubernetes", "name": "deployment/web"}), "{plan}");
    assert_eq!(shop.written(), [""; 0], "a dry run writes nothing");
    shop.applied(&id).await;
    let deployment = shop.deployment().await;
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(deployment["status"]["availableReplicas"], 3, "it is in effect once it is rolled out");
    assert_eq!(shop.pods().await.len(), 3);

    // Nobody knows how the service fared before, so that the verdict takes it back once it has settled.
    let change = shop.phase(&id, "rolled_back").await;
    assert_eq!(change["verdict"]["outcome"], "inconclusive", "{change}");
    assert_eq!(change["rollback"]["trigger"], "automatic", "{change}");
    let deployment = shop.cluster.rolled_out("shop", "web").await;
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert!(!managers(&deployment).contains(&"self-evolution".to_owned()), "it is given up: {deployment:#}");
    let expected = [
        "patch deployments/scale shop/web -> 200",
        "patch deployments/scale shop/web -> 200",
        "patch deployments shop/web -> 200",
    ];
    assert_eq!(shop.written(), expected, "each once; the third gives the field up");
    assert_eq!(shop.asked(|one| one.code == 403), [""; 0], "nothing beyond its rights");
}

#[tokio::test]
async fn a_template_changes_by_one_apply_and_a_second_change_leaves_the_first() {
    let actions = [
        "performance: {set: ['env.CACHE=off => on', 'env.web.NEW=1', 'resources.limits.memory=x2 up to 1Gi']}",
        "reliability: {set: ['resources.web.requests.cpu=+100m']}",
    ];
    let Some(shop) = Shop::open(WEB, UNJUDGED, &actions).await else { return };
    let before = shop.container().await;
    let id = shop.recommended().await;
    let cost = |it: &Value| (it["changes"] != json!([])).then(|| it["cost_delta"].clone());
    let cost = shop.daemon.until(&format!("/recommendations/{id}"), "a look", cost).await;
    assert_eq!(cost, json!({"memory": 268_435_456.0}));
    let applied = shop.applied(&id).await;
    let memory = change("resources.limits.memory", json!(268_435_456), json!(536_870_912));
    let expected = [
        change("env.CACHE", json!("off"), json!("on")),
        change("env.web.NEW", Value::Null, json!("1")),
        memory,
    ];
    assert_eq!(applied["changes"], json!(expected), "{applied}");
    let container = shop.container().await;
    let variables = json!([{"name": "CACHE", "value": "on"}, {"name": "NEW", "value": "1"}]);
    assert_eq!(
        (&container["env"], &container["resources"]["limits"]),
        (&variables, &json!({"memory": "512Mi"}))
    );

    report(&shop.daemon, &events(40, &event("web", "/y", 0.1, 503))).await;
    let second = analysed(&shop.daemon).await;
    let second = second.into_iter().find(|one| *one != id).unwrap();
    shop.applied(&second).await;
    let container = shop.container().await;
    assert_eq!(container["resources"]["requests"], json!({"cpu": "200m", "memory": "128Mi"}), "{container}");
    assert_eq!(container["env"], variables, "what was applied before stays: {container}");
    shop.rolled_back(&second).await;
    assert_eq!(shop.container().await["env"], variables);

    shop.rolled_back(&id).await;
    assert_eq!(shop.container().await, before, "all is as it was");
    let deployment = shop.cluster.rolled_out("shop", "web").await;
    assert!(!managers(&deployment).contains(&"self-evolution".to_owned()), "{deployment:#}");
    shop.cluster.apply(WEB);
    assert_eq!(shop.deployment().await["metadata"]["generation"], deployment["metadata"]["generation"]);
    let wrong: Vec<_> =
        shop.written().into_iter().filter(|one| one != "patch deployments shop/web -> 200").collect();
    assert_eq!((wrong.as_slice(), shop.written().len()), (&[] as &[String], 6), "{:?}", shop.written());
}

#[tokio::test]
async fn a_value_of_a_config_map_changes_and_the_pods_are_made_anew() {
    let actions = ["performance: {set: ['configmap.web.cache=on', 'configmap.web.size=2']}"];
    let Some(shop) = Shop::open(WEB, UNJUDGED, &actions).await else { return };
    let (before, pods) = (shop.deployment().await, shop.pods().await);
    let id = shop.recommended().await;
    shop.applied(&id).await;
    let map = shop.cluster.get(MAP).await;
    assert_eq!(map["data"], json!({"cache": "on", "other": "stays", "size": "2"}));
    let others = shop.pods().await;
    assert!(others.len() == 2 && others.iter().all(|pod| !pods.contains(pod)), "{others:?}");
    shop.rolled_back(&id).await;
    let map = shop.cluster.get(MAP).await;
    assert_eq!(map["data"], json!({"cache": "off", "other": "stays"}));
    assert!(!managers(&map).contains(&"self-evolution".to_owned()), "{map:#}");
    let after = shop.cluster.rolled_out("shop", "web").await;
    assert_eq!(after["spec"]["template"], before["spec"]["template"], "the pods are of the old template");
    assert!(shop.pods().await.iter().all(|pod| !others.contains(pod)), "with the old values");
}

#[tokio::test]
async fn where_an_autoscaler_decides_it_is_told_the_least() {
    let scaler = r#"
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web-scaler, namespace: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 4}
"#;
    let actions = ["performance: {set: ['replicas=+1 up to 6']}"];
    let Some(shop) = Shop::open(&format!("{WEB}{scaler}"), UNJUDGED, &actions).await else { return };
    let id = shop.recommended().await;
    let shown = |it: &Value| it["changes"].get(0).cloned();
    let shown = shop.daemon.until(&format!("/recommendations/{id}"), "a look", shown).await;
    assert_eq!(shown, change("hpa.min_replicas", json!(2), json!(3)));
    let recommendation = shop.recommendation(&id).await;
    assert_eq!(recommendation["cost_delta"], json!({"replicas": 1.0}), "{recommendation}");
    let applied = shop.applied(&id).await;
    assert!(applied["details"].as_str().unwrap().contains("hpa.min_replicas: 2 -> 3"), "{applied}");
    let scaler = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web-scaler";
    assert_eq!(shop.cluster.get(scaler).await["spec"]["minReplicas"], 3);
    assert_eq!(
        shop.deployment().await["spec"]["replicas"],
        3,
        "it is in effect once the autoscaler has obeyed"
    );
    shop.rolled_back(&id).await;
    let autoscaler = shop.cluster.get(scaler).await;
    assert_eq!(autoscaler["spec"]["minReplicas"], 2);
    assert!(!managers(&autoscaler).contains(&"self-evolution".to_owned()), "{autoscaler:#}");
    let of_scaler = "patch horizontalpodautoscalers shop/web-scaler -> 200";
    assert_eq!(shop.written(), [of_scaler; 3], "replicas are the autoscaler's");
}

#[tokio::test]
async fn what_a_person_has_changed_meanwhile_is_left_alone() {
    let actions = ["performance: {set: ['replicas=+1 up to 4']}"];
    let Some(shop) = Shop::open(WEB, UNJUDGED, &actions).await else { return };
    let id = shop.recommended().await;
    shop.applied(&id).await;
    shop.cluster.kubectl(&["--namespace", "shop", "scale", "deployment", "web", "--replicas", "5"]);
    let (status, problem) = shop.daemon.post(&format!("/rollback/{id}")).await;
    assert_eq!((status, &problem["phase"]), (409, &json!("superseded")), "{problem}");
    assert_eq!(problem["error"], "somebody else has changed it: replicas is 5", "{problem}");
    assert_eq!(shop.cluster.get(DEPLOYMENT).await["spec"]["replicas"], 5);
    assert_eq!(shop.written().len(), 1, "{:?}", shop.written());
}
