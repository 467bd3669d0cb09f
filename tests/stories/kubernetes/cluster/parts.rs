//! With which arguments the parts of a control plane are started.

use std::path::Path;

use super::super::super::daemon::free_port;

pub(super) const SERVICE_ACCOUNTS: &str = "https://kubernetes.default.svc.cluster.local";
/// Of the API server, which every certificate for it must name.
pub(super) const ADDRESSES: [&str; 6] = [
    "127.0.0.1",
    "10.96.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Where the parts listen, all on 127.0.0.1.
pub(super) struct Ports {
    pub(super) api_server: u16,
    pub(super) scheduler: u16,
    etcd: u16,
    peer: u16,
    controllers: u16,
    kubelets: u16,
}

impl Ports {
    pub(super) fn free() -> Self {
        let [api_server, scheduler, etcd, peer, controllers, kubelets] = std::array::from_fn(|_| free_port());
        Self { api_server, scheduler, etcd, peer, controllers, kubelets }
    }
}

/// Words that are separated by spaces, with `$name` for files in the folder.
fn arguments(folder: &Path, text: &str) -> Vec<String> {
    let folder = folder.display().to_string();
    text.split_whitespace().map(|word| word.replace('$', &format!("{folder}/"))).collect()
}

/// The data is thrown away, so nothing has to reach the disk.
pub(super) fn etcd(folder: &Path, ports: &Ports) -> Vec<String> {
    let (client, peer) = (ports.etcd, ports.peer);
    arguments(
        folder,
        &format!(
            "--name story --data-dir $etcd --unsafe-no-fsync --log-level warn
             --listen-client-urls https://127.0.0.1:{client} --advertise-client-urls https://127.0.0.1:{client}
             --listen-peer-urls https://127.0.0.1:{peer} --initial-advertise-peer-urls https://127.0.0.1:{peer}
             --initial-cluster story=https://127.0.0.1:{peer}
             --client-cert-auth --trusted-ca-file $ca.crt --cert-file $server.crt --key-file $server.key
             --peer-client-cert-auth --peer-trusted-ca-file $ca.crt --peer-cert-file $server.crt
             --peer-key-file $server.key"
        ),
    )
}

/// No Service may point at loopback, hence no endpoints of its own; pods leave a lost node after 5 s instead of 300.
pub(super) fn api_server(folder: &Path, ports: &Ports) -> Vec<String> {
    let (port, etcd) = (ports.api_server, ports.etcd);
    arguments(
        folder,
        &format!(
            "--bind-address 127.0.0.1 --secure-port {port} --advertise-address 127.0.0.1
             --tls-cert-file $server.crt --tls-private-key-file $server.key
             --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/16
             --etcd-servers https://127.0.0.1:{etcd} --etcd-cafile $ca.crt
             --etcd-certfile $api-server.crt --etcd-keyfile $api-server.key
             --client-ca-file $ca.crt --anonymous-auth=false --authorization-mode Node,RBAC
             --enable-admission-plugins NodeRestriction --allow-privileged
             --service-account-issuer {SERVICE_ACCOUNTS}
             --service-account-key-file $tokens.pub --service-account-signing-key-file $tokens.key
             --kubelet-preferred-address-types InternalIP --kubelet-certificate-authority $ca.crt
             --kubelet-client-certificate $api-server.crt --kubelet-client-key $api-server.key
             --default-not-ready-toleration-seconds 5 --default-unreachable-toleration-seconds 5
             --audit-policy-file $audit.yaml --audit-log-path $audit.log"
        ),
    )
}

/// At its usual 20 requests a second it would need 5 s to start its controllers; the folder of flexvolumes would be outside.
pub(super) fn controllers(folder: &Path, ports: &Ports) -> Vec<String> {
    arguments(
        folder,
        &format!(
            "--bind-address 127.0.0.1 --secure-port {} --leader-elect=false
             --tls-cert-file $server.crt --tls-private-key-file $server.key
             --kubeconfig $controllers.kubeconfig --kube-api-qps 500 --kube-api-burst 1000
             --use-service-account-credentials --service-account-private-key-file $tokens.key --root-ca-file $ca.crt
             --cluster-signing-cert-file $ca.crt --cluster-signing-key-file $ca.key
             --node-monitor-period 1s --horizontal-pod-autoscaler-sync-period 2s
             --flex-volume-plugin-dir $flexvolume",
            ports.controllers
        ),
    )
}

pub(super) fn scheduler(folder: &Path, ports: &Ports) -> Vec<String> {
    arguments(
        folder,
        &format!(
            "--bind-address 127.0.0.1 --secure-port {} --leader-elect=false
             --tls-cert-file $server.crt --tls-private-key-file $server.key --kubeconfig $scheduler.kubeconfig",
            ports.scheduler
        ),
    )
}

/// Without an address of its server it would listen on every interface.
pub(super) fn kwok(folder: &Path, ports: &Ports) -> Vec<String> {
    let kubelets = ports.kubelets;
    arguments(
        folder,
        &format!(
            "--kubeconfig $kwok.kubeconfig --config $kwok.yaml --config $further-kwok.yaml
             --manage-all-nodes --node-lease-duration-seconds 40 --cidr 10.64.0.1/16
             --node-ip 127.0.0.1 --node-port {kubelets} --server-address 127.0.0.1:{kubelets}
             --tls-cert-file $server.crt --tls-private-key-file $server.key"
        ),
    )
}
