//! From a watched service to the workload that it runs as.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::ObjectList;

use super::access::Access;
use super::failure::Failure;
use super::workload::{Workload, WorkloadKind, is_name};
use crate::order::Unreachable;

/// Names the workload of a Kubernetes Service where its selector does not tell: `deployment/web`.
pub const WORKLOAD_ANNOTATION: &str = "health-monitor/workload";
/// Pods that are looked at to find their owner.
const PODS: u32 = 50;

/// What is known of a service before anybody is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Its name.
    pub service: String,
    /// The workload that the settings name: `deployment/web` or `shop/deployment/web`.
    pub workload: Option<String>,
    /// The host of its address: of `web`, `web.shop` and `web.shop.svc.cluster.local` the Kubernetes Service is asked.
    pub host: Option<String>,
}

/// A workload, and how certain it is.
pub(super) enum Found {
    /// Named, or owner of the pods that the address leads to.
    Certain(Workload),
    /// Called like the service, for want of anything better.
    Guessed(Workload),
}

impl Wanted {
    /// Finds the workload: the one that is set; else what the Kubernetes Service of the address names by its annotation or
    /// owns by its selector; else the Deployment that is called like the service. The error names what there is to choose
    /// from, or what to set.
    pub async fn locate(&self, access: &Access) -> Result<Workload, Unreachable> {
        match self.find(access).await? {
            Found::Certain(workload) | Found::Guessed(workload) => Ok(workload),
        }
    }

    pub(super) async fn find(&self, access: &Access) -> Result<Found, Unreachable> {
        let own = access.namespace().await?;
        if let Some(text) = &self.workload {
            return parse(text, &own).map(Found::Certain);
        }
        let Some((name, namespace)) = self.host.as_deref().and_then(|host| service_of(host, &own)) else {
            return Ok(Found::Guessed(by_name(&self.service, &own)));
        };
        let tried = format!("find the workload of {}: get the Service {name} in {namespace}", self.service);
        let path = format!("/api/v1/namespaces/{namespace}/services/{name}");
        match access.get::<Service>(&tried, &path).await {
            Ok(service) => self.of_service(access, &service, &name, &namespace).await,
            // A host outside of the cluster may be called like that too; one of another namespace is not in ours.
            Err(failure) if failure.is_not_found() && namespace == own => {
                Ok(Found::Guessed(by_name(&self.service, &own)))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn of_service(
        &self,
        access: &Access,
        service: &Service,
        name: &str,
        namespace: &str,
    ) -> Result<Found, Unreachable> {
        let annotations = service.metadata.annotations.as_ref();
        if let Some(text) = annotations.and_then(|annotations| annotations.get(WORKLOAD_ANNOTATION)) {
            return parse(text, namespace).map(Found::Certain);
        }
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
        if selector.is_empty() {
            let reason = format!(
                "find the workload of {}: the Service {name} in {namespace} has no selector; set workload of this service, or \
                 the annotation {WORKLOAD_ANNOTATION} of the Service",
                self.service
            );
            return Err(Unreachable { reason });
        }
        let owners = owners(access, &selector, namespace).await?;
        match owners.iter().collect::<Vec<_>>().as_slice() {
            [only] => Ok(Found::Certain((*only).clone())),
            [] => Ok(Found::Guessed(by_name(&self.service, namespace))),
            several => {
                let several: Vec<String> = several.iter().map(|one| one.to_string()).collect();
                let reason = format!(
                    "find the workload of {}: the Service {name} in {namespace} sends to the pods of several: {}; set workload \
                     of this service to the one that is meant",
                    self.service,
                    several.join(", ")
                );
                Err(Unreachable { reason })
            }
        }
    }
}

fn parse(text: &str, namespace: &str) -> Result<Workload, Unreachable> {
    Workload::parse(text, namespace).map_err(|error| Unreachable { reason: error.to_string() })
}

fn by_name(name: &str, namespace: &str) -> Workload {
    Workload { namespace: namespace.to_owned(), kind: WorkloadKind::Deployment, name: name.to_owned() }
}

/// The Kubernetes Service and its namespace that a host names, as the resolver of a pod would take it.
fn service_of(host: &str, own_namespace: &str) -> Option<(String, String)> {
    if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let parts: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    let (name, namespace) = match *parts.as_slice() {
        [name] => (name, own_namespace),
        [name, namespace] => (name, namespace),
        [name, namespace, "svc", ..] => (name, namespace),
        _ => return None,
    };
    (is_name(name) && is_name(namespace)).then(|| (name.to_owned(), namespace.to_owned()))
}

/// A selector as a query has it.
pub(super) fn query_of(selector: &BTreeMap<String, String>) -> String {
    // `/` is the only character of labels that a query would have to escape, and servers take it as it is.
    selector.iter().map(|(key, value)| format!("{key}%3D{value}")).collect::<Vec<_>>().join("%2C")
}

/// The workloads whose pods these labels select.
async fn owners(
    access: &Access,
    selector: &BTreeMap<String, String>,
    namespace: &str,
) -> Result<BTreeSet<Workload>, Failure> {
    let query = query_of(selector);
    let path = format!("/api/v1/namespaces/{namespace}/pods?limit={PODS}&labelSelector={query}");
    let pods: ObjectList<Pod> =
        access.get(&format!("list the pods of a Service in {namespace}"), &path).await?;
    let (mut found, mut sets) = (BTreeSet::new(), BTreeSet::new());
    for owner in pods.items.iter().filter_map(|pod| controller(&pod.metadata)) {
        match WorkloadKind::of_reference(&owner.kind) {
            Some(kind) => {
                found.insert(Workload { namespace: namespace.into(), kind, name: owner.name.clone() });
            }
            None if owner.kind == "ReplicaSet" => {
                sets.insert(owner.name.clone());
            }
            None => {}
        }
    }
    for set in sets {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/replicasets/{set}");
        let tried = format!("find the owner of the ReplicaSet {set} in {namespace}");
        let set: ReplicaSet = match access.get(&tried, &path).await {
            Ok(set) => set,
            // It went while we looked.
            Err(failure) if failure.is_not_found() => continue,
            Err(failure) => return Err(failure),
        };
        let owner = controller(&set.metadata);
        let kind = owner.and_then(|owner| WorkloadKind::of_reference(&owner.kind));
        if let (Some(owner), Some(kind)) = (owner, kind) {
            found.insert(Workload { namespace: namespace.into(), kind, name: owner.name.clone() });
        }
    }
    Ok(found)
}

/// Who keeps an object as it should be.
pub(super) fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(host: &str) -> Option<String> {
        service_of(host, "shop").map(|(name, namespace)| format!("{name} in {namespace}"))
    }

    #[test]
    fn an_address_names_a_service_as_a_pod_would_take_it() {
        assert_eq!(told("web").as_deref(), Some("web in shop"));
        assert_eq!(told("web.infra").as_deref(), Some("web in infra"));
        assert_eq!(told("web.infra.svc").as_deref(), Some("web in infra"));
        assert_eq!(told("web.infra.svc.cluster.local.").as_deref(), Some("web in infra"));
    }

    #[test]
    fn other_hosts_name_none() {
        for host in ["127.0.0.1", "::1", "localhost", "www.example.org", "web.infra.example.org", "Web_1"] {
            assert_eq!(told(host), None, "{host}");
        }
    }

    #[test]
    fn labels_become_a_query() {
        let selector = [("app", "web"), ("app.kubernetes.io/part-of", "shop")];
        let selector = selector.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(query_of(&selector), "app%3Dweb%2Capp.kubernetes.io/part-of%3Dshop");
    }
}
