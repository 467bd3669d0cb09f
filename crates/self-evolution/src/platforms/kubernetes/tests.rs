//! What an order comes to with an API server that takes some of it, over HTTP.

mod server;

use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::order::{Backend, OrderId, Target};

use self::server::Server;
use super::*;
use crate::domain::order::{
    AfterApply, AfterRollback, Precondition, Standing, after_apply, after_rollback, precondition,
};
use crate::domain::recommendation::{Kind, RecommendationId};

const MAP: &str = "/api/v1/namespaces/shop/configmaps/web";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const SCALERS: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers";

fn map() -> Value {
    let metadata = json!({"name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "7"});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"cache": "off"}})
}

fn deployment() -> Value {
    let metadata =
        json!({"name": "web", "namespace": "shop", "uid": "2", "resourceVersion": "8", "generation": 1});
    let status =
        json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
    let container = json!({"name": "web", "image": "web:1"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "status": status,
        "spec": {"replicas": 2, "template": {"spec": {"containers": [container]}}}
    })
}

fn order(stage: Stage, key: &str, before: &Value, after: &Value) -> Order {
    let change =
        SettingChange { key: key.to_owned(), before: Some(before.clone()), after: Some(after.clone()) };
    let at = Timestamp::from_micros(1_000_000_000);
    Order {
        change: OrderId::at(at, 1),
        recommendation_id: RecommendationId::named("slow"),
        service: "web".into(),
        kind: Kind::Performance,
        target: Target { backend: Backend::Kubernetes, name: "deployment/web".to_owned() },
        stage,
        attempt: 1,
        changes: vec![change],
        is_kept: false,
        at,
        given_at: at,
    }
}

/// What somebody is shown who wants to change this.
async fn planned(key: &str, objects: &[(&str, Value)]) -> Sight {
    let server = Server::start(objects).await;
    let order = order(Stage::Apply, key, &json!(1), &json!(2));
    see(&server.means(), &Inspection { change: None, ..order.look() }).await
}

#[tokio::test]
async fn a_value_that_could_not_be_put_back_as_it_is_is_not_changed() {
    let with_limit = |memory: &str| {
        let mut changed = deployment();
        changed["spec"]["template"]["spec"]["containers"][0]["resources"] =
            json!({"limits": {"memory": memory}});
        [(DEPLOYMENT, changed)]
    };
    let key = "resources.limits.memory";
    let sight = planned(key, &with_limit("1181116006400m")).await;
    let Sight::Unreachable(reason) = &sight else { panic!("{sight:?}") };
    assert!(
        reason.starts_with("resources.limits.memory of deployment/web in shop has a fraction"),
        "{reason}"
    );
    assert!(matches!(planned(key, &with_limit("512Mi")).await, Sight::Values(_)));
}

#[tokio::test]
async fn what_no_pod_would_see_is_not_begun() {
    let held = |member: &str, value: Value| {
        let mut changed = deployment();
        changed["spec"][member] = value;
        let replicas = changed["spec"]["replicas"].clone();
        for count in ["replicas", "updatedReplicas", "availableReplicas"] {
            changed["status"][count] = replicas.clone();
        }
        changed
    };
    let scaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 4}
    });
    let (paused, asleep) = (held("paused", json!(true)), held("replicas", json!(0)));
    let [with_scaler, without] = [json!([scaler]), json!([])].map(|items| json!({"items": items}));
    let of = |deployment: &Value, scalers: &Value| {
        [(DEPLOYMENT, deployment.clone()), (MAP, map()), (SCALERS, scalers.clone())]
    };
    for (key, objects, why) in [
        ("env.CACHE", of(&paused, &without), "its rollouts are paused"),
        ("configmap.web.cache", of(&paused, &without), "its rollouts are paused"),
        ("hpa.max_replicas", of(&asleep, &with_scaler), "is scaled to 0"),
        ("replicas", of(&asleep, &with_scaler), "is scaled to 0"),
    ] {
        let sight = planned(key, &objects).await;
        let Sight::Unreachable(reason) = &sight else { panic!("{key}: {sight:?}") };
        assert!(reason.contains(why), "{key}: {reason}");
    }
    for (key, objects) in [
        ("env.CACHE", of(&deployment(), &without)),
        ("hpa.max_replicas", of(&deployment(), &with_scaler)),
        ("replicas", of(&paused, &without)),
        ("replicas", of(&asleep, &without)),
    ] {
        let sight = planned(key, &objects).await;
        assert!(matches!(sight, Sight::Values(_)), "{key}: {sight:?}");
    }
}

#[tokio::test]
async fn a_config_map_that_is_changed_is_taken_back_where_its_pods_cannot_be_made_anew() {
    for code in [403, 409, 422, 429] {
        let server = Server::start(&[(MAP, map()), (DEPLOYMENT, deployment())]).await;
        server.refuse(DEPLOYMENT, code);
        let means = server.means();
        let order = order(Stage::Apply, "configmap.web.cache", &json!("off"), &json!("on"));
        let written = write(&means, &order).await;
        assert!(matches!(written, Written::Failed(_)), "{code}: {written:?}");
        let standing = Standing::of(&order.changes, &see(&means, &order.look()).await);
        let then = after_apply(&written, &standing);
        assert!(matches!(then, AfterApply::TakeBack(_)), "{code}: {then:?}");
    }
}

#[tokio::test]
async fn nothing_is_taken_back_where_nothing_was_written() {
    let server = Server::start(&[(MAP, map()), (DEPLOYMENT, deployment())]).await;
    server.refuse(MAP, 403);
    let order = order(Stage::Apply, "configmap.web.cache", &json!("off"), &json!("on"));
    let written = write(&server.means(), &order).await;
    assert!(matches!(written, Written::NotRun(_)), "{written:?}");
}

#[tokio::test]
async fn the_way_back_ends_where_what_was_changed_is_gone() {
    let none = json!({"items": []});
    let without = [
        ("env.CACHE", json!([])),
        ("configmap.web.cache", json!([[DEPLOYMENT, deployment()]])),
        ("hpa.min_replicas", json!([[DEPLOYMENT, deployment()], [SCALERS, none]])),
        ("env.old.CACHE", json!([[DEPLOYMENT, deployment()]])),
    ];
    for (key, objects) in without {
        let objects: Vec<(String, Value)> = serde_json::from_value(objects).unwrap();
        let objects: Vec<_> = objects.iter().map(|(path, object)| (path.as_str(), object.clone())).collect();
        let server = Server::start(&objects).await;
        let order = order(Stage::Rollback, key, &json!("on"), &json!("off"));
        let standing = Standing::of(&order.changes, &see(&server.means(), &order.look()).await);
        let written = match precondition(Stage::Rollback, &standing) {
            Precondition::Fails(written) => written,
            Precondition::Holds | Precondition::IsNeedless => panic!("{key}: {standing:?}"),
        };
        let then = after_rollback(&written, &standing);
        assert!(matches!(then, AfterRollback::Superseded(_)), "{key}: {then:?}");
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_not_taken_for_gone() {
    let means = KubernetesMeans {
        access: Access::new(Some("/nowhere/kubeconfig"), Some("shop")),
        ..Server::start(&[]).await.means()
    };
    let order = order(Stage::Rollback, "env.CACHE", &json!("on"), &json!("off"));
    let sight = see(&means, &order.look()).await;
    assert!(matches!(sight, Sight::Unreachable(_)), "{sight:?}");
}

#[tokio::test]
async fn what_a_person_has_confirmed_since_stays() {
    let with = |managers: &[&str]| {
        let mut changed = deployment();
        changed["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "CACHE", "value": "on"}]);
        let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
            ".": {}, "f:name": {}, "f:env": {"k:{\"name\":\"CACHE\"}": {".": {}, "f:name": {}, "f:value": {}}}
        }}}}}});
        let record = |name: &&str| json!({"manager": name, "operation": "Apply", "fieldsV1": fields});
        changed["metadata"]["managedFields"] = managers.iter().map(record).collect();
        changed
    };
    let order = order(Stage::Rollback, "env.CACHE", &json!("on"), &json!("off"));
    let server = Server::start(&[(DEPLOYMENT, with(&[FIELD_MANAGER, "kubectl"]))]).await;
    let written = write(&server.means(), &order).await;
    let reason = "kubectl has set env.CACHE of deployment/web in shop as well";
    assert_eq!(written, Written::Foreign(reason.to_owned()));
    let server = Server::start(&[(DEPLOYMENT, with(&[FIELD_MANAGER]))]).await;
    assert_eq!(write(&server.means(), &order).await, Written::Done, "nobody has");
}
