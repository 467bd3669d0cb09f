//! The daemon heals workloads of a real control plane, as an account that may do no more than that.

use serde_json::Value;

use super::cluster::{Cluster, Fault};
use super::shop::{RIGHTS, Shop, ended, healthy};

fn says(value: &Value, word: &str) -> bool {
    value.as_str().is_some_and(|text| text.contains(word))
}

#[tokio::test]
async fn a_sick_pod_is_evicted_and_what_hangs_is_rolled_out_anew() {
    let Some(cluster) = Cluster::start().await else { return };
    let shop = Shop::open(cluster, RIGHTS).await;
    shop.deployment("web", 2, "", "");
    shop.deployment("api", 2, "", "");
    for name in ["web", "api"] {
        shop.cluster.rolled_out("shop", name).await;
    }
    let daemon = shop.daemon("", &[("web", ""), ("api", "")]).await;
    for name in ["web", "api"] {
        healthy(&daemon, name).await;
    }
    let before = shop.pods("web").await;
    shop.cluster.fall_ill("shop", &before[0], Fault::Sick);
    let recovery = ended(&daemon, "web", "the eviction", |one| one["outcome"] == "recovered").await;
    assert_eq!(recovery["action"], "restart", "{recovery:#}");
    assert!(says(&recovery["reason"], &format!("evicted {}", before[0])), "{recovery:#}");
    healthy(&daemon, "web").await;
    let evicted = format!("create pods/eviction {} -> 201", before[0]);
    assert_eq!(shop.writes(), [evicted.as_str()]);
    let after = shop.pods("web").await;
    assert!(after.contains(&before[1]) && !after.contains(&before[0]), "{before:?} {after:?}");

    shop.fail_silently("api").await;
    let recovery = ended(&daemon, "api", "the rollout", |one| one["outcome"] == "recovered").await;
    assert_eq!(recovery["action"], "restart", "{recovery:#}");
    assert!(
        says(&recovery["reason"], "Kubernetes calls no pod of deployment/api in shop sick"),
        "{recovery:#}"
    );
    assert_eq!(shop.writes(), [evicted.as_str(), "patch deployments api -> 200"]);
    assert_eq!(shop.refused(), [] as [String; 0], "nothing is asked beyond the rights");
}
