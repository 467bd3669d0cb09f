//! Every published command of the manifests, answered by the real daemons: each runs as a process of this host with the variables
//! and the rights that its Deployment gives it, and the simulated kubelet leads logs and forwarded ports to it.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use super::super::daemon::{Daemon, PATIENCE, free_port};
use super::super::page;
use super::cluster::Cluster;
use super::installed::{DAEMONS, NAMESPACE, environment, keep_log, offer_volumes};

/// Where the simulated kubelet finds what the containers of both daemons log, and where it leads their ports.
fn leads(ports: [u16; 2], logs: &Path) -> String {
    let of = |kind: &str, name: &str, spec: Value| {
        let mut spec = spec;
        spec["selector"] = json!({"matchNamespaces": [NAMESPACE]});
        json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
    };
    let log =
        |(name, _): (&str, u16)| json!({"containers": [name], "logsFile": logs.join(name), "follow": true});
    let forward = |((_, port), to): ((&str, u16), u16)| json!({"ports": [port], "target": {"address": "127.0.0.1", "port": to}});
    let logs: Vec<_> = DAEMONS.into_iter().map(log).collect();
    let forwards: Vec<_> = DAEMONS.into_iter().zip(ports).map(forward).collect();
    let logs = of("ClusterLogs", "daemons", json!({"logs": logs}));
    let forwards = of("ClusterPortForward", "daemons", json!({"forwards": forwards}));
    format!("{logs}\n---\n{forwards}\n")
}

/// Starts a daemon in the place of its container.
async fn start(cluster: &Cluster, name: &'static str, port: u16) -> Daemon {
    let kubeconfig = cluster.kubeconfig_of(name, NAMESPACE);
    let of_container = environment(cluster, name).await;
    // A pod has the token of its ServiceAccount in a file; a process of this host has it in a kubeconfig.
    let of_host = [("KUBECONFIG", kubeconfig.to_str().unwrap())];
    let variables: Vec<_> =
        of_container.iter().map(|(k, v)| (k.as_str(), v.as_str())).chain(of_host).collect();
    Daemon::start_program(name, port, "", &variables).await
}

/// A command that goes on until it is dropped, and its output, which it would end without.
type Followed = (Child, Lines<BufReader<ChildStdout>>);

/// Follows what a command prints until a line has this in it.
async fn follow(cluster: &Cluster, line: &str, wanted: &str) -> Followed {
    let mut command = tokio::process::Command::from(cluster.shell(line));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = timeout(PATIENCE, async {
        while let Some(text) = printed.next_line().await.unwrap() {
            if text.contains(wanted) {
                return true;
            }
        }
        false
    });
    let found = found.await.unwrap_or(false);
    if !found {
        child.start_kill().unwrap();
        let ended = child.wait_with_output().await.unwrap();
        panic!("{line} printed no {wanted:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    (child, printed)
}

/// Carries a command out as it is published, and gives what it printed.
fn shell(cluster: &Cluster, line: &str) -> String {
    let ran = cluster.shell(line).output().unwrap();
    let (printed, told) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{line}: {printed}{told}");
    printed.into_owned()
}

/// Forwards a port as published, but from one that is free, and gives what a path answers through it.
async fn through(cluster: &Cluster, line: &str, port: u16, path: &str) -> Value {
    let own = free_port();
    let here = line.replace(&format!(" {port}:"), &format!(" {own}:"));
    assert_ne!(here, line, "the port of {line}");
    let _forwarding = follow(cluster, &here, &format!("Forwarding from 127.0.0.1:{own}")).await;
    let answer = shell(cluster, &format!("curl -sS http://localhost:{own}{path}"));
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error} in {answer}"))
}

#[tokio::test]
async fn every_published_command_of_the_manifests_is_answered_by_the_daemons() {
    let (ports, logs) = ([free_port(), free_port()], tempfile::tempdir().unwrap());
    let Some(cluster) = Cluster::start_with(&leads(ports, logs.path())).await else { return };
    offer_volumes(&cluster);
    let commands = page::commands("## With Kubernetes");
    let [apply, pods, monitor_log, evolution_log, monitor_port, evolution_port] = &commands[..] else {
        panic!("{commands:#?}")
    };
    assert_eq!(apply, "kubectl apply -f kubernetes/04-auto-healing-evolution.yaml");
    let applied = shell(&cluster, apply);
    assert!(applied.lines().all(|line| line.ends_with(" created")), "{applied}");
    let mut daemons = Vec::new();
    for ((name, _), port) in DAEMONS.into_iter().zip(ports) {
        cluster.rolled_out(NAMESPACE, name).await;
        let daemon = start(&cluster, name, port).await;
        let copying = keep_log(daemon.directory.path().join("log"), logs.path().join(name));
        daemons.push((daemon, tokio::spawn(copying)));
    }

    let pods = shell(&cluster, pods);
    for (name, _) in DAEMONS {
        let line = pods.lines().find(|line| line.starts_with(&format!("{name}-")));
        assert!(line.is_some_and(|line| line.contains("1/1") && line.contains("Running")), "{pods}");
    }
    for (line, (daemon, _)) in [monitor_log, evolution_log].into_iter().zip(&daemons) {
        // Its own folder is in what it says when it starts.
        drop(follow(&cluster, line, daemon.directory.path().to_str().unwrap()).await);
    }
    let health = through(&cluster, monitor_port, 5006, "/health").await;
    assert_eq!((&health["service"], &health["status"]), (&json!("health-monitor"), &json!("healthy")));
    let config = through(&cluster, monitor_port, 5006, "/config").await.to_string();
    assert!(config.contains("http://crypto-prediction-service:5002"), "{config}");
    let health = through(&cluster, evolution_port, 5007, "/health").await;
    assert_eq!((&health["service"], &health["status"]), (&json!("self-evolution"), &json!("healthy")));
    for (_, copying) in daemons {
        copying.abort();
    }
    let of_daemons = |name: &str| format!("system:serviceaccount:{NAMESPACE}:{name}");
    for (name, _) in DAEMONS {
        let asked = cluster.audit(|one| one.user == of_daemons(name));
        let refused: Vec<_> = asked.iter().filter(|one| one.code == 403).map(ToString::to_string).collect();
        assert_eq!(refused, [""; 0], "what {name} has no right to");
        assert!(asked.iter().any(|one| one.resource == "leases" && one.code == 201), "{name}: {asked:#?}");
    }
}
