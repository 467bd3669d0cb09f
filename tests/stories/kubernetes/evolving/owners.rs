//! What somebody else writes is not written: the change is handed out.

use serde_json::{Value, json};

use super::{Shop, WEB};

const SET: [&str; 1] = ["performance: {set: ['env.CACHE=on', 'resources.limits.memory=x2']}"];

/// The refusal to apply, which the recommendation shows as well.
async fn refused(shop: &Shop) -> Value {
    let id = shop.recommended().await;
    let (status, problem) = shop.apply(&id).await;
    assert_eq!(status, 409, "{problem}");
    let recommendation = shop.recommendation(&id).await;
    let shown =
        ["status", "is_executable", "not_executable_because", "patch"].map(|name| &recommendation[name]);
    let expected = [&json!("pending"), &json!(false), &problem["error"], &problem["patch"]];
    assert_eq!(shown, expected, "{recommendation}");
    let (_, changes) = shop.daemon.get("/changes").await;
    assert_eq!(changes["items"], json!([]), "{changes}");
    assert_eq!(shop.written(), [""; 0]);
    problem
}

#[tokio::test]
async fn what_argo_cd_keeps_is_handed_out_as_a_patch_that_can_be_applied() {
    let Some(shop) = Shop::open(WEB, "judged_changes: none", &SET).await else { return };
    let tracking = "argocd.argoproj.io/tracking-id=shop:apps/Deployment:shop/web";
    shop.cluster.kubectl(&["--namespace", "shop", "annotate", "deployment", "web", tracking]);
    let problem = refused(&shop).await;
    let error = problem["error"].as_str().unwrap();
    assert!(error.contains("belongs to the Argo CD application shop"), "{error}");
    let web = json!({
        "name": "web", "env": [{"name": "CACHE", "value": "on"}],
        "resources": {"limits": {"memory": "512Mi"}}
    });
    let patch = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [web]}}}
    });
    assert_eq!(problem["patch"], patch);
    let patch = problem["patch"].to_string();
    shop.cluster.kubectl(&["--namespace", "shop", "patch", "deployment", "web", "--patch", &patch]);
    let container = shop.container().await;
    assert_eq!(container["env"], json!([{"name": "CACHE", "value": "on"}]));
    assert_eq!(container["resources"]["limits"]["memory"], "512Mi");
}

#[tokio::test]
async fn a_field_that_a_tool_writes_is_its_own_and_it_is_named() {
    let Some(shop) = Shop::open(WEB, "judged_changes: none", &SET).await else { return };
    let applied = shop.cluster.kubectl_output(
        &["apply", "--server-side", "--force-conflicts", "--field-manager", "terraform", "-f", "-"],
        WEB,
    );
    assert!(applied.status.success(), "{applied:?}");
    let problem = refused(&shop).await;
    let error = problem["error"].as_str().unwrap();
    assert!(error.contains("env.CACHE of deployment/web in shop is written by terraform"), "{error}");
    assert_eq!(problem["patch"]["kind"], "Deployment", "{problem}");
}
