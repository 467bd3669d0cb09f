//! A ConfigMap is changed to heal a service: kept when that helps, and put back when it does not.

use super::super::guards::says;
use super::cluster::Cluster;
use super::shop::{RIGHTS, Shop, ended, healthy};

const MAPS: &str = "- {apiGroups: [\"\"], resources: [configmaps], resourceNames: [web, sick, owned], verbs: [get, patch]}\n";

fn map(name: &str, annotations: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}, \
         data: {{mode: fast, other: x}}}}"
    )
}

#[tokio::test]
async fn a_config_map_is_changed_and_kept_or_put_back_and_what_a_tool_owns_is_handed_out() {
    let Some(cluster) = Cluster::start().await else { return };
    let shop = Shop::open(cluster, &format!("{RIGHTS}{MAPS}")).await;
    for name in ["web", "owned"] {
        shop.deployment(name, 1, "", "");
        shop.cluster.rolled_out("shop", name).await;
    }
    shop.deployment("sick", 1, "  progressDeadlineSeconds: 1", ", kwok.test/sick: 'true'");
    shop.cluster.apply(&map("web", ""));
    shop.cluster.apply(&map("sick", ""));
    shop.cluster.apply(&map("owned", "argocd.argoproj.io/tracking-id: 'shop:/ConfigMap:shop/owned'"));
    let update = |name: &str| {
        format!(
            ", steps: [update_configuration within 4], configuration_update: {{config_map: {name}, set: [mode=safe, new=1], remove: [other]}}"
        )
    };
    let (web, sick, owned) = (update("web"), update("sick"), update("owned"));
    let services = [("web", web.as_str()), ("sick", sick.as_str()), ("owned", owned.as_str())];
    let daemon = shop.daemon("max_recoveries_per_hour: 1\n", &services).await;
    healthy(&daemon, "web").await;
    shop.fail_silently("web").await;
    shop.fail_silently("owned").await;

    let recovery = ended(&daemon, "web", "the recovery", |one| one["outcome"] == "recovered").await;
    assert!(says(&recovery["reason"], &["the ConfigMap web stays as it was changed"]), "{recovery:#}");
    let data = |name: &'static str| {
        let path = format!("/api/v1/namespaces/shop/configmaps/{name}");
        let cluster = &shop.cluster;
        async move {
            let map = cluster.get(&path).await;
            let is_kept = !map["metadata"]["annotations"]["health-monitor/previous"].is_null();
            (map["data"].clone(), is_kept)
        }
    };
    assert_eq!(data("web").await, (serde_json::json!({"mode": "safe", "new": "1"}), false));

    let recovery = ended(&daemon, "sick", "the end", |one| one["outcome"] == "not_recovered").await;
    assert!(says(&recovery["reason"], &["not ready", "what was there before was put back"]), "{recovery:#}");
    let before = serde_json::json!({"mode": "fast", "other": "x"});
    assert_eq!(data("sick").await, (before.clone(), false));

    let refused = ended(&daemon, "owned", "the refusal", |one| one["outcome"] == "action_failed").await;
    let words = ["the Argo CD application shop", "kubectl -n shop patch configmap owned", "\"mode\":\"***\""];
    assert!(says(&refused["reason"], &words), "{refused:#}");
    assert_eq!(data("owned").await, (before, false));

    let writes = shop.writes();
    let of = |name: &str| -> Vec<&str> {
        writes.iter().filter(|one| one.contains(&format!(" {name} "))).map(String::as_str).collect()
    };
    let (change, roll) = (
        |name: &str| format!("patch configmaps {name} -> 200"),
        |name: &str| format!("patch deployments {name} -> 200"),
    );
    assert_eq!(of("web"), [change("web"), roll("web"), change("web")]);
    let [map, rollout] = [change("sick"), roll("sick")];
    assert_eq!(of("sick"), [&map, &rollout, &map, &rollout, &map]);
    assert_eq!(of("owned"), [] as [&str; 0]);
}
