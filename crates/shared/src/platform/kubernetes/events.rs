//! What happens to the pods of a namespace, as the API server tells it.

use std::time::Duration;

use axum::http::{Request, header};
use futures_util::{Stream, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, ObjectMeta};
use kube::core::WatchEvent;
use serde::Deserialize;
use tokio::time::timeout;

use super::access::{Access, LOOK_LIMIT};
use super::failure::{Failure, Fault};
use super::locate::controller;
use super::workload::{Workload, WorkloadKind};

/// After this long the API server ends a watch by itself: a connection that has died without a word tells nothing.
pub const WATCH: Duration = Duration::from_secs(300);
/// Only what is needed of each pod is sent.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// The label by which a Deployment tells its versions apart; it is the end of the name of a ReplicaSet.
pub(super) const VERSION: &str = "pod-template-hash";

#[derive(Clone, Debug, Deserialize)]
struct Changed {
    metadata: ObjectMeta,
}

#[derive(Deserialize)]
struct Listed {
    metadata: ListMeta,
}

impl Access {
    /// The workloads of this namespace to a pod of which something happens from now on, one entry a change, until the
    /// stream ends; an expired watch ends like any other. The error says why there is none.
    pub async fn pod_changes(
        &self,
        namespace: &str,
    ) -> Result<impl Stream<Item = Workload> + Send + use<>, Failure> {
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let tried = format!("watch the pods in {namespace}");
        let listed: Listed = self.get(&tried, &format!("{pods}?limit=1")).await?;
        let version = listed.metadata.resource_version.unwrap_or_default();
        let path = format!(
            "{pods}?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={}",
            // The watcher lets go of it first, so that a quiet one is not taken for one that broke off.
            WATCH.as_secs() + 10
        );
        let client = self.client(&tried).await?;
        let failed = |fault| Failure::new(&tried, "the API server", fault);
        let request = Request::get(path).header(header::ACCEPT, METADATA).body(Vec::new());
        let request = request.map_err(|error| failed(Fault::NoAccess(error.to_string())))?;
        let asked = timeout(LOOK_LIMIT, client.request_events::<Changed>(request)).await;
        let asked = asked.map_err(|_| failed(Fault::timed_out(LOOK_LIMIT)))?;
        let events = asked.map_err(|error| failed(Fault::of_client(&error)))?;
        let namespace = namespace.to_owned();
        let told = events.map(move |event| meaning(event.ok(), &namespace));
        Ok(told.take_while(|told| std::future::ready(!matches!(told, Told::End))).filter_map(|told| {
            std::future::ready(match told {
                Told::Change(workload) => Some(workload),
                Told::Nothing | Told::End => None,
            })
        }))
    }
}

/// What a line of a watch says.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    Change(Workload),
    Nothing,
    End,
}

fn meaning(event: Option<WatchEvent<Changed>>, namespace: &str) -> Told {
    match event {
        Some(WatchEvent::Added(pod) | WatchEvent::Modified(pod) | WatchEvent::Deleted(pod)) => {
            workload_of(&pod.metadata, namespace).map_or(Told::Nothing, Told::Change)
        }
        Some(WatchEvent::Bookmark(_)) => Told::Nothing,
        // 410: it is begun anew.
        Some(WatchEvent::Error(_)) | None => Told::End,
    }
}

fn workload_of(pod: &ObjectMeta, namespace: &str) -> Option<Workload> {
    let owner = controller(pod)?;
    let (kind, name) = match WorkloadKind::of_reference(&owner.kind) {
        Some(kind) => (kind, owner.name.clone()),
        None => {
            let version = pod.labels.as_ref()?.get(VERSION)?;
            let name = owner.name.strip_suffix(version)?.strip_suffix('-')?;
            (WorkloadKind::Deployment, name.to_owned())
        }
    };
    Some(Workload { namespace: namespace.to_owned(), kind, name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(owner: &str, name: &str) -> Option<String> {
        let owners =
            json!([{"apiVersion": "apps/v1", "kind": owner, "name": name, "uid": "u", "controller": true}]);
        let metadata = json!({"labels": {VERSION: "5d6f"}, "ownerReferences": owners});
        workload_of(&serde_json::from_value(metadata).unwrap(), "shop").map(|one| one.to_string())
    }

    #[test]
    fn a_pod_belongs_to_the_workload_behind_its_controller() {
        assert_eq!(told("ReplicaSet", "web-api-5d6f").as_deref(), Some("deployment/web-api in shop"));
        assert_eq!(told("StatefulSet", "db").as_deref(), Some("statefulset/db in shop"));
        assert_eq!(told("ReplicaSet", "by-hand"), None);
        assert_eq!(told("Job", "clean"), None);
    }

    #[test]
    fn a_watch_that_expired_ends_and_a_bookmark_tells_nothing() {
        let of = |event| meaning(serde_json::from_value(event).ok(), "shop");
        let expired =
            json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}});
        assert_eq!(of(expired), Told::End);
        let bookmark = json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"resourceVersion": "7"}}});
        assert_eq!(of(bookmark), Told::Nothing);
    }
}
