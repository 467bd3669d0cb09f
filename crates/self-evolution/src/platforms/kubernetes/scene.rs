//! What an action of Kubernetes is about: the workload, the object that is written, and who has a say in it.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use shared::platform::kubernetes::ownership::{Owner, autoscaler};
use shared::platform::kubernetes::{Access, Failure, Workload, WorkloadKind};

use super::KubernetesMeans;
use super::key::{Content, Key, LEAST};
use super::managed::{keeper, sharer};
use crate::domain::order::Values;
use crate::domain::owned::Owned;

/// Everything that was read for a look or a write.
pub(super) struct Scene {
    /// The workload of the service.
    pub(super) workload: Workload,
    /// As it is.
    pub(super) live: Value,
    /// What is written.
    pub(super) object: Object,
    /// The keys as they were asked for, or those that govern them.
    pub(super) keys: Vec<(String, Key)>,
    /// The autoscaler that decides how many replicas there are.
    pub(super) autoscaler: Option<String>,
}

/// Why there is nothing to look at.
#[derive(Debug)]
pub(super) enum Unseen {
    /// It is not there: what, in words.
    Gone(String),
    /// It could not be read: why.
    Unread(String),
}

impl Unseen {
    /// In a sentence.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Gone(reason) | Self::Unread(reason) => reason,
        }
    }

    fn of(failure: &Failure) -> Self {
        let reason = failure.to_string();
        if failure.is_not_found() { Self::Gone(reason) } else { Self::Unread(reason) }
    }
}

impl From<String> for Unseen {
    fn from(reason: String) -> Self {
        Self::Unread(reason)
    }
}

/// An object that can be written.
pub(super) struct Object {
    /// As a person would name it: `deployment/web in shop`.
    pub(super) name: String,
    /// Where the API has it.
    pub(super) path: String,
    /// `scale`, where that is written and not the whole.
    pub(super) subresource: Option<&'static str>,
    /// `apps/v1`, of what is written.
    pub(super) version: String,
    /// `Deployment`, of what is written.
    pub(super) kind: String,
    /// As it is.
    pub(super) live: Value,
}

impl Object {
    /// The whole workload.
    pub(super) fn of_workload(workload: &Workload, live: &Value) -> Self {
        let text = |name: &str| live[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: workload.to_string(),
            path: workload.path(),
            subresource: None,
            version: text("apiVersion"),
            kind: text("kind"),
            live: live.clone(),
        }
    }

    fn of_scale(workload: &Workload, live: &Value) -> Self {
        Self {
            subresource: Some("scale"),
            version: "autoscaling/v1".to_owned(),
            kind: "Scale".to_owned(),
            ..Self::of_workload(workload, live)
        }
    }

    fn of_autoscaler(namespace: &str, name: &str, live: Value) -> Self {
        Self {
            name: format!("horizontalpodautoscaler/{name} in {namespace}"),
            path: format!("{}/{name}", autoscalers(namespace)),
            subresource: None,
            version: "autoscaling/v2".to_owned(),
            kind: "HorizontalPodAutoscaler".to_owned(),
            live,
        }
    }

    async fn of_map(access: &Access, namespace: &str, name: &str) -> Result<Self, Unseen> {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        let tried = format!("get the ConfigMap {name} in {namespace}");
        let live = access.get(&tried, &path).await.map_err(|failure| Unseen::of(&failure))?;
        let (version, kind) = ("v1".to_owned(), "ConfigMap".to_owned());
        Ok(Self {
            name: format!("configmap/{name} in {namespace}"),
            path,
            subresource: None,
            version,
            kind,
            live,
        })
    }

    /// Where the API takes what is written.
    pub(super) fn written_at(&self) -> String {
        self.subresource.map_or_else(|| self.path.clone(), |part| format!("{}/{part}", self.path))
    }

    /// The beginning of whatever is written: which object it is for.
    pub(super) fn head(&self) -> Value {
        let metadata = &self.live["metadata"];
        json!({
            "apiVersion": self.version, "kind": self.kind,
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]}
        })
    }

    /// Whose it is, where that is a tool that would undo what others write, or another object.
    pub(super) fn owner(&self) -> Option<String> {
        let metadata = self.metadata();
        let owner = Owner::of(&metadata).map(|owner| owner.to_string()).or_else(|| {
            let owners = metadata.owner_references.as_deref().unwrap_or_default();
            let made_by = owners.iter().find(|owner| owner.controller == Some(true))?;
            Some(format!("the {} {} that has made it (change it there)", made_by.kind, made_by.name))
        })?;
        Some(format!("{} belongs to {owner}", self.name))
    }

    /// Who else has written one of the fields of these keys and would write it again.
    pub(super) fn kept_by(&self, keys: &[(String, Key)]) -> Option<String> {
        let metadata = self.metadata();
        keys.iter().find_map(|(name, key)| {
            let keeper = keeper(&metadata, &key.field(&self.live).ok()?)?;
            Some(format!("{name} of {} is written by {keeper}: change it there", self.name))
        })
    }

    /// Who has set a value as well, so that it stays when we take ours away.
    pub(super) fn shared(&self, name: &str, key: &Key) -> Option<String> {
        let other = sharer(&self.metadata(), &key.field(&self.live).ok()?)?;
        Some(format!("{other} has set {name} of {} as well", self.name))
    }

    fn metadata(&self) -> ObjectMeta {
        serde_json::from_value(self.live["metadata"].clone()).unwrap_or_default()
    }
}

fn autoscalers(namespace: &str) -> String {
    format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers")
}

impl Scene {
    /// Reads what these keys are about. Who only plans is shown what governs the replicas in their place.
    pub(super) async fn read(means: &KubernetesMeans, names: &[String], plans: bool) -> Result<Self, Unseen> {
        let access = &means.access;
        let key = |name: &String| Some((name.clone(), Key::parse(name)?));
        let mut keys: Vec<_> = names.iter().filter_map(key).collect();
        let content = keys.first().map(|(_, key)| key.content());
        let content = content.ok_or_else(|| format!("{} is nothing of Kubernetes", names.join(", ")))?;
        let workload = means.wanted.locate(access).await.map_err(|unreachable| unreachable.reason)?;
        let live: Value = access
            .get(&format!("get {workload}"), &workload.path())
            .await
            .map_err(|failure| Unseen::of(&failure))?;
        let (mut autoscaler, is_of_bounds) = (None, content == Content::Bounds);
        let object = match content {
            Content::Template => Object::of_workload(&workload, &live),
            Content::Map(name) => Object::of_map(access, &workload.namespace, &name).await?,
            Content::Replicas | Content::Bounds => {
                let is_of_replicas = content == Content::Replicas;
                match find_autoscaler(access, &workload).await? {
                    Some((name, found)) if !is_of_replicas || plans => {
                        if is_of_replicas {
                            keys = vec![(LEAST.to_owned(), Key::Least)];
                        }
                        autoscaler = Some(name.clone());
                        Object::of_autoscaler(&workload.namespace, &name, found)
                    }
                    found => {
                        autoscaler = found.map(|(name, _)| name);
                        Object::of_scale(&workload, &live)
                    }
                }
            }
        };
        let scene = Self { workload, live, object, keys, autoscaler };
        scene.is_possible(is_of_bounds)?;
        Ok(scene)
    }

    fn is_possible(&self, is_of_bounds: bool) -> Result<(), Unseen> {
        let workload = &self.workload;
        if is_of_bounds && self.autoscaler.is_none() {
            let reason =
                format!("no HorizontalPodAutoscaler scales {workload}: make one, or change its replicas");
            return Err(Unseen::Gone(reason));
        }
        if workload.kind == WorkloadKind::DaemonSet && self.object.subresource.is_some() {
            return Err(format!("{workload} has a pod on each node, and no number of replicas").into());
        }
        Ok(())
    }

    /// The present values.
    pub(super) fn values(&self) -> Result<Values, String> {
        let value = |(name, key): &(String, Key)| {
            let value =
                key.value(&self.object.live).map_err(|reason| format!("{}: {reason}", self.object.name))?;
            Ok((name.clone(), value))
        };
        self.keys.iter().map(value).collect()
    }

    /// The values with whose they are, to hand a change of them out.
    pub(super) fn owned(&self, values: Values, by: String) -> Owned {
        let field = |(name, key): &(String, Key)| {
            Some((name.clone(), (key.field(&self.object.live).ok()?, key.form())))
        };
        let fields: BTreeMap<_, _> = self.keys.iter().filter_map(field).collect();
        let object = Object { subresource: None, ..self.object.plain() };
        Owned { values, by: format!("{by}; the patch shows what to change"), object: object.head(), fields }
    }
}

impl Object {
    /// The object itself where only a part of it is written.
    fn plain(&self) -> Self {
        let of = |name: &str, otherwise: &str| {
            let own = self.live[name].as_str().map(str::to_owned);
            own.filter(|_| self.subresource.is_some()).unwrap_or_else(|| otherwise.to_owned())
        };
        Self {
            name: self.name.clone(),
            path: self.path.clone(),
            subresource: None,
            version: of("apiVersion", &self.version),
            kind: of("kind", &self.kind),
            live: self.live.clone(),
        }
    }
}

/// The autoscaler of a workload, by its name.
async fn find_autoscaler(access: &Access, workload: &Workload) -> Result<Option<(String, Value)>, String> {
    let tried = format!("see whether an autoscaler decides on the replicas of {workload}");
    let list: Value =
        access.get(&tried, &autoscalers(&workload.namespace)).await.map_err(|failure| failure.to_string())?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let known: Result<Vec<HorizontalPodAutoscaler>, _> =
        items.iter().map(|one| serde_json::from_value(one.clone())).collect();
    let known = known.map_err(|error| format!("{tried}: the answer cannot be read: {error}"))?;
    let Some(name) = autoscaler(&known, workload).and_then(|one| one.metadata.name.clone()) else {
        return Ok(None);
    };
    let found = items.into_iter().find(|one| one["metadata"]["name"] == name.as_str());
    Ok(found.map(|found| (name, found)))
}
