//! Two instances on one journal: one acts, the other stands by.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::daemon::{Daemon, QUICK, signal};
use super::super::receivers::Service;
use super::cluster::Cluster;
use super::road::Road;
use super::shop::{RIGHTS, Shop, ended, healthy};

const ACCOUNTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: monitor, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: monitor, namespace: shop}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [health-monitor, self-evolution], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: monitor, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: monitor}
subjects: [{kind: ServiceAccount, name: monitor, namespace: shop}]
"#;

const LEASES: &str = "
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [health-monitor], verbs: [get, update]}
";

/// How long a lease that is not renewed holds, with a look more and the start on the journal.
const TAKE_OVER: Duration = Duration::from_secs(15 + 2 + 4);

/// Settings under which a service whose address this is is restarted by a program that notes each restart in `noted`, and
/// then takes so long to end.
fn restarting(service: &str, noted: &Path, seconds: u32) -> String {
    let program = format!("echo restarted >> {}; exec sleep {seconds}", noted.display());
    format!(
        "{QUICK}recovery_command_timeout: 30\nservices:\n  web:\n    url: http://{service}\n    \
         recovery_command: {{restart: [sh, -c, '{program}']}}\n"
    )
}

/// An instance of this name, on the journal in `data`.
async fn instance(name: &str, configuration: &str, data: &Path, kubeconfig: &Path) -> Daemon {
    let (data, kubeconfig) = (data.display().to_string(), kubeconfig.display().to_string());
    let variables =
        [("LEADER_ELECTION", "true"), ("POD_NAME", name), ("DATA_DIR", &data), ("KUBECONFIG", &kubeconfig)];
    Daemon::start_with(configuration, &variables).await
}

/// Waits until the check of the lease says this.
async fn says(instance: &Daemon, sentence: &str) {
    let start = Instant::now();
    loop {
        let text = instance.text("/readyz?verbose").await;
        if text.contains(sentence) {
            return;
        }
        let log = || instance.log();
        assert!(start.elapsed() < 2 * TAKE_OVER, "{sentence:?} is not in {text:?}\n{}", log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn holder(cluster: &Cluster, lease: &str) -> Value {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/shop/leases/{lease}");
    cluster.get(&path).await["spec"]["holderIdentity"].clone()
}

fn restarts(noted: &Path) -> usize {
    std::fs::read_to_string(noted).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn of_two_instances_one_acts_and_when_it_is_killed_the_other_finishes_what_it_had_begun() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.apply(ACCOUNTS);
    let kubeconfig = cluster.kubeconfig_of("monitor", "shop");
    let folder = tempfile::tempdir().unwrap();
    let (data, noted) = (folder.path().join("data"), folder.path().join("noted"));
    let service = Service::start().await;
    let configuration = restarting(&service.address.to_string(), &noted, 20);
    let mut first = instance("monitor-a", &configuration, &data, &kubeconfig).await;
    says(&first, "[+]lease ok: this instance leads since").await;
    let mut second = instance("monitor-b", &configuration, &data, &kubeconfig).await;
    says(&second, "[+]lease ok: standing by: monitor-a leads").await;
    assert_eq!(holder(&cluster, "health-monitor").await, json!("monitor-a"));
    assert!(second.text("/metrics").await.contains("\nhealth_monitor_leading 0\n"));
    assert!(first.text("/metrics").await.contains("\nhealth_monitor_leading 1\n"));

    // Reads are answered by the leader, whomever one asks; changes need a token.
    second.service_until("web", "the leader's answer", Value::is_object).await;
    let read = reqwest::get(second.url("/service-status")).await.unwrap();
    assert_eq!((read.status().as_u16(), &read.headers()["x-leader"]), (200, &"monitor-a".parse().unwrap()));
    let (status, refused) = second.post_json("/trigger-heal", &json!({"service": "web"})).await;
    assert_eq!(status, 403, "{refused}");

    // Who stands by can be stopped at any time.
    assert_eq!(second.terminate(), Some(0), "{}", second.log());
    second.restart().await;
    says(&second, "[+]lease ok: standing by: monitor-a leads").await;

    // It is killed while its order is being carried out, and the other one does not give it again.
    service.answers(500);
    first.until("/recovery-history", "the order", |_| (restarts(&noted) == 1).then_some(())).await;
    let killed = Instant::now();
    first.kill();
    service.answers(200);
    says(&second, "[+]lease ok: this instance leads since").await;
    assert!(killed.elapsed() < TAKE_OVER, "it took {:?}", killed.elapsed());
    println!("taken over {:.1} s after a kill", killed.elapsed().as_secs_f64());
    let closed =
        second.recovery_until("web", "the end of what was begun", |one| !one["outcome"].is_null()).await;
    assert_eq!(closed["action"], json!("restart"), "{closed:#}");
    assert_eq!(restarts(&noted), 1, "{closed:#}");

    // Who comes back stands by; who is asked to stop gives the lease up.
    first.restart().await;
    says(&first, "standing by: monitor-b leads").await;
    let stopped = Instant::now();
    assert_eq!(second.terminate(), Some(0), "{}", second.log());
    says(&first, "this instance leads since").await;
    assert!(stopped.elapsed() < Duration::from_secs(8), "it took {:?}", stopped.elapsed());
    assert_eq!(restarts(&noted), 1);
}

#[tokio::test]
async fn an_instance_that_is_cut_off_acts_no_more_and_lets_go_of_the_journal() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.apply(ACCOUNTS);
    let road = Road::to(&cluster.server_url()).await;
    let of_first = cluster.kubeconfig_through(&road.server_url(), "monitor", "shop");
    let folder = tempfile::tempdir().unwrap();
    let (data, noted) = (folder.path().join("data"), folder.path().join("noted"));
    let service = Service::start().await;
    let configuration = restarting(&service.address.to_string(), &noted, 0);
    let mut first = instance("monitor-a", &configuration, &data, &of_first).await;
    says(&first, "this instance leads since").await;

    // Alone it goes on with watching, and says why it does nothing.
    road.close();
    says(&first, "[-]lease degraded: the lease could not be renewed for more than 10 s").await;
    service.answers(500);
    let held = first.recovery_until("web", "a refusal", |one| !one["outcome"].is_null()).await;
    assert_eq!(held["outcome"], json!("action_failed"), "{held:#}");
    assert!(held["reason"].as_str().unwrap().contains("the lease could not be renewed"), "{held:#}");
    assert_eq!(restarts(&noted), 0);
    service.answers(200);
    road.open();
    says(&first, "[+]lease ok: this instance leads since").await;

    // With another one beside it, that one takes over, and it ends.
    let second =
        instance("monitor-b", &configuration, &data, &cluster.kubeconfig_of("monitor", "shop")).await;
    says(&second, "standing by: monitor-a leads").await;
    let cut = Instant::now();
    road.close();
    says(&second, "this instance leads since").await;
    assert!(cut.elapsed() < TAKE_OVER + Duration::from_secs(4), "it took {:?}", cut.elapsed());
    println!("taken over {:.1} s after a cut", cut.elapsed().as_secs_f64());
    let code = first.ended().await;
    assert_eq!(code, Some(1), "{}", first.log());
    assert!(first.log().contains("monitor-b leads now"), "{}", first.log());
    service.answers(500);
    second.until("/recovery-history", "the restart", |_| (restarts(&noted) == 1).then_some(())).await;
    service.answers(200);
    second.recovery_until("web", "a recovery by the new leader", |one| one["outcome"] == "recovered").await;
}

#[tokio::test]
async fn an_instance_that_slept_through_its_lease_does_nothing_when_it_wakes_up() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.apply(ACCOUNTS);
    let kubeconfig = cluster.kubeconfig_of("monitor", "shop");
    let folder = tempfile::tempdir().unwrap();
    let (data, noted) = (folder.path().join("data"), folder.path().join("noted"));
    let service = Service::start().await;
    let configuration = restarting(&service.address.to_string(), &noted, 0);
    let mut first = instance("monitor-a", &configuration, &data, &kubeconfig).await;
    says(&first, "this instance leads since").await;
    let second = instance("monitor-b", &configuration, &data, &kubeconfig).await;
    says(&second, "standing by: monitor-a leads").await;

    signal(first.process_id(), "STOP");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/health-monitor";
    cluster
        .until(lease, "another holder", |it| (it["spec"]["holderIdentity"] == "monitor-b").then_some(()))
        .await;
    says(&second, "[-]lease failed: this instance leads as soon as it has opened the journal").await;
    // It still has the journal open, and wakes up to a service that calls for a restart.
    service.answers(500);
    signal(first.process_id(), "CONT");
    assert_eq!(first.ended().await, Some(1), "{}", first.log());
    assert!(first.log().contains("monitor-b leads now"), "{}", first.log());
    assert!(!first.log().contains("\"acting\""), "{}", first.log());
    second.until("/recovery-history", "the restart", |_| (restarts(&noted) == 1).then_some(())).await;
}

#[tokio::test]
async fn a_rollout_that_a_killed_leader_has_ordered_is_seen_to_its_end_and_not_ordered_again() {
    let Some(cluster) = Cluster::start().await else { return };
    let rights = format!("{}{LEASES}", RIGHTS.trim_end());
    let shop = Shop::open(cluster, &rights).await;
    // The rollout takes longer than the lease.
    shop.deployment("web", 2, "  minReadySeconds: 12", "");
    shop.cluster.rolled_out("shop", "web").await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let mut first = shop.instance("monitor-a", &data, &[("web", "")]).await;
    healthy(&first, "web").await;
    let second = shop.instance("monitor-b", &data, &[("web", "")]).await;
    says(&second, "standing by: monitor-a leads").await;

    shop.fail_silently("web").await;
    first.until("/recovery-history", "the order", |_| (!shop.writes().is_empty()).then_some(())).await;
    first.kill();
    says(&second, "[+]lease ok: this instance leads since").await;
    let (_, status) = second.get("/service-status").await;
    let recovery = ended(&second, "web", "the end of the rollout", |one| !one["outcome"].is_null()).await;
    assert_eq!(recovery["outcome"], json!("recovered"), "{recovery:#}\nat the take-over: {status:#}");
    assert_eq!(shop.writes(), ["patch deployments web -> 200"], "{recovery:#}");
    assert_eq!(shop.refused(), [] as [String; 0], "nothing is asked beyond the rights");
}

#[tokio::test]
async fn usage_that_is_reported_to_an_instance_that_stands_by_is_counted_once_and_stays() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.apply(ACCOUNTS);
    let kubeconfig = cluster.kubeconfig_of("monitor", "shop").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let variables = |name| {
        [("LEADER_ELECTION", "true"), ("POD_NAME", name), ("DATA_DIR", &*data), ("KUBECONFIG", &*kubeconfig)]
    };
    let configuration = "elasticsearch_enabled: false\n";
    let mut first = Daemon::evolution(configuration, &variables("evolution-a")).await;
    says(&first, "this instance leads since").await;
    let second = Daemon::evolution(configuration, &variables("evolution-b")).await;
    says(&second, "standing by: evolution-a leads").await;
    let event = json!({"service": "web", "endpoint": "/pay", "response_time": 0.1, "status_code": 200});
    for _ in 0..7 {
        let (status, answer) = second.post_json("/collect-usage", &event).await;
        assert_eq!(status, 200, "{answer}");
    }
    let counted = "\nself_evolution_usage_events_recorded_total 7\n";
    assert!(first.text("/metrics").await.contains(counted));
    assert_eq!(first.terminate(), Some(0), "{}", first.log());
    says(&second, "this instance leads since").await;
    assert!(second.text("/metrics").await.contains(counted));
}
