//! Changes of Kubernetes objects: by server-side apply of the changed fields alone, under a name of our own.
//!
//! Every write has the version of the object that was looked at as its precondition, so that what was found of its values
//! and its owners is what is there when it is carried out.

mod key;
mod managed;
mod rollout;
mod scene;
mod settle;
mod unfit;

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use shared::order::Performed;
use shared::platform::kubernetes::locate::Wanted;
use shared::platform::kubernetes::{Access, Failure, Fault};

pub use self::key::{Content, Key, LEAST};
use self::scene::{Object, Scene, Unseen};
pub(super) use self::settle::settle;
use crate::domain::field::Field;
use crate::domain::order::{Inspection, Order, Sight, Stage, Written, is_same, shown};
use crate::domain::setting::SettingChange;

/// Under this name the API server keeps what we have written.
pub const FIELD_MANAGER: &str = "self-evolution";
/// An object that somebody changes at the same moment is looked at again, so often.
const TRIES: u32 = 3;
/// Which change a ConfigMap has its values from.
const CHANGE: &str = "self-evolution/change";
/// Before the name of a ConfigMap: of which change the pods have its values.
const ROLLED_OUT: &str = "self-evolution/configmap.";

/// A workload, and what of it or around it is changed.
#[derive(Clone, Debug)]
pub struct KubernetesMeans {
    /// The way to the API server.
    pub access: Access,
    /// Which workload it is.
    pub wanted: Wanted,
    /// Whether a change of a ConfigMap starts the pods anew.
    pub rolls_out: bool,
    /// How long a rollout may take.
    pub rollout_timeout: Duration,
}

/// What the cluster has.
pub(super) async fn see(means: &KubernetesMeans, look: &Inspection) -> Sight {
    let plans = look.change.is_none();
    match Scene::read(means, &look.keys, plans).await {
        Ok(scene) if plans => plan(means, &scene).unwrap_or_else(Sight::Unreachable),
        Ok(scene) => standing(means, &scene),
        Err(Unseen::Gone(what)) if !plans => Sight::Gone(what),
        Err(unseen) => Sight::Unreachable(unseen.reason()),
    }
}

/// What whoever wants to change something is shown; the error says why it cannot be changed now.
fn plan(means: &KubernetesMeans, scene: &Scene) -> Result<Sight, String> {
    let values = scene.values()?;
    let (object, workload) = (&scene.object, &scene.workload);
    if let Some((key, _)) = values.iter().find(|(_, value)| value.as_ref().is_some_and(Value::is_object)) {
        return Err(format!("{key} of {} comes from elsewhere (valueFrom): change it there", object.name));
    }
    if object.live["immutable"] == true {
        return Err(format!("{} is immutable", object.name));
    }
    let of_pods = || means.marked(scene).and_then(|_| Object::of_workload(workload, &scene.live).owner());
    if let Some(by) = object.owner().or_else(|| object.kept_by(&scene.keys)).or_else(of_pods) {
        return Ok(Sight::Owned(Box::new(scene.owned(values, by))));
    }
    if let Some(reason) = unfit::reason(means, scene, &values) {
        return Err(reason);
    }
    match rollout::unfinished(workload.kind, &scene.live) {
        Some(left) => Err(format!("{workload} is not as it is to be: {left}; ask again once it is")),
        None => Ok(Sight::Values(values)),
    }
}

/// What a change of ours has come to.
fn standing(means: &KubernetesMeans, scene: &Scene) -> Sight {
    // A container that was changed, and is not there any more.
    let values = match scene.values() {
        Ok(values) => values,
        Err(what) => return Sight::Gone(what),
    };
    let is_partial = match means.marked(scene) {
        Some(marked) => marked.has() != marked.wanted() || means.is_unfinished(scene),
        None => means.is_unfinished(scene),
    };
    if is_partial { Sight::Partial } else { Sight::Values(values) }
}

/// The mark by which pods are started anew when the values of a ConfigMap change: the identity of the change, on both.
struct Marked<'a> {
    map: &'a Value,
    workload: &'a Value,
    key: String,
}

impl Marked<'_> {
    /// Of which change the pods are.
    fn has(&self) -> Option<&str> {
        self.field().get(self.workload).and_then(Value::as_str)
    }

    /// Of which change the ConfigMap is.
    fn wanted(&self) -> Option<&str> {
        Field::of(&["metadata", "annotations", CHANGE]).get(self.map).and_then(Value::as_str)
    }

    fn field(&self) -> Field {
        Field::of(&["spec", "template", "metadata", "annotations", &self.key])
    }
}

impl KubernetesMeans {
    fn marked<'a>(&self, scene: &'a Scene) -> Option<Marked<'a>> {
        match scene.keys.first()?.1.content() {
            Content::Map(name) if self.rolls_out => Some(Marked {
                map: &scene.object.live,
                workload: &scene.live,
                key: format!("{ROLLED_OUT}{name}"),
            }),
            Content::Map(_) | Content::Replicas | Content::Bounds | Content::Template => None,
        }
    }

    /// Whether pods are still to become as they are to be.
    fn is_unfinished(&self, scene: &Scene) -> bool {
        let content = scene.keys.first().map(|(_, key)| key.content());
        let is_without_pods = matches!(content, Some(Content::Map(_))) && !self.rolls_out;
        let least = scene.keys.iter().find(|(_, key)| *key == Key::Least);
        let least = least.and_then(|(_, key)| key.value(&scene.object.live).ok()??.as_i64());
        let waits_for_autoscaler =
            least.is_some_and(|least| scene.live["spec"]["replicas"].as_i64().unwrap_or(1) < least);
        let unfinished = || rollout::unfinished(scene.workload.kind, &scene.live).is_some();
        !is_without_pods && (waits_for_autoscaler || unfinished())
    }
}

/// Carries an order out. Where it is interrupted, doing it again does what is missing.
pub(super) async fn write(means: &KubernetesMeans, order: &Order) -> Written {
    let mut has_written = false;
    for _ in 0..TRIES {
        match write_once(means, order, &mut has_written).await {
            Ok(()) => return Written::Done,
            Err(Stopped::At(written)) => return after_all(written, has_written, order.stage),
            Err(Stopped::ChangedMeanwhile) => {}
        }
    }
    let reason =
        format!("change {}: somebody else changed it at the same moment, {TRIES} times", order.target);
    after_all(Written::NotRun(reason), has_written, order.stage)
}

/// What became of an order that stopped. Once a part of it is written, a change has failed, and is looked at and taken back:
/// it is not one that was never begun.
fn after_all(written: Written, has_written: bool, stage: Stage) -> Written {
    match (written, stage) {
        (Written::NotRun(reason), Stage::Apply) if has_written => Written::Failed(reason),
        (written, _) => written,
    }
}

/// Why an order went no further.
enum Stopped {
    /// This came of it.
    At(Written),
    /// The object is another one than was looked at, and nothing was written.
    ChangedMeanwhile,
}

/// One try. As soon as anything is written, `has_written` says so.
async fn write_once(means: &KubernetesMeans, order: &Order, has_written: &mut bool) -> Result<(), Stopped> {
    let not_run = |reason| Stopped::At(Written::NotRun(reason));
    let scene = Scene::read(means, &order.look().keys, false).await.map_err(|unseen| {
        match (unseen, order.stage) {
            // There is nothing to put back, and nothing to wait for.
            (Unseen::Gone(what), Stage::Rollback) => Stopped::At(Written::Foreign(what)),
            (unseen, _) => not_run(unseen.reason()),
        }
    })?;
    let left = left_to_write(&scene, order)?;
    if !left.is_empty() {
        match (owner_now(&scene, &left, order.stage), order.stage) {
            (None, _) => {}
            (Some(by), Stage::Apply) => return Err(Stopped::At(Written::NotRun(by))),
            // Who owns it now may not have when it was applied: then it is theirs, and there is nothing to retry.
            (Some(by), Stage::Rollback | Stage::Keep) => return Err(Stopped::At(Written::Foreign(by))),
        }
        let body = body(means, &scene, &left, order).map_err(not_run)?;
        let object = apply(means, &scene.object, body).await?;
        *has_written = true;
        if order.stage == Stage::Rollback {
            give_up(means, &scene.object, object, &left).await;
        }
    }
    match means.marked(&scene) {
        Some(marked) => roll_out(means, &scene, &marked, order).await,
        None => Ok(()),
    }
}

/// Whose it is that is left to write; nobody's else where it is ours to write.
fn owner_now(scene: &Scene, left: &[(&SettingChange, &Key)], stage: Stage) -> Option<String> {
    let keys: Vec<_> = left.iter().map(|(change, key)| (change.key.clone(), (*key).clone())).collect();
    let object = &scene.object;
    // Our apply has made us the only owner. Who owns it beside us at the way back has written the same since, and wants it.
    let shared = || match stage {
        Stage::Rollback => left.iter().find_map(|(change, key)| object.shared(&change.key, key)),
        Stage::Apply | Stage::Keep => None,
    };
    let owner = object.owner().or_else(|| object.kept_by(&keys)).or_else(shared);
    owner.or_else(|| scene.governed())
}

impl Scene {
    /// Who decides on the replicas in place of whoever is asked to change them.
    fn governed(&self) -> Option<String> {
        let name = self.autoscaler.as_ref().filter(|_| self.object.subresource.is_some())?;
        Some(format!("the HorizontalPodAutoscaler {name} decides on the replicas of {} now", self.workload))
    }
}

/// The changes that are not there yet; a value that is neither before nor after is somebody else's.
fn left_to_write<'a>(
    scene: &'a Scene,
    order: &'a Order,
) -> Result<Vec<(&'a SettingChange, &'a Key)>, Stopped> {
    let values = scene.values().map_err(|reason| Stopped::At(Written::NotRun(reason)))?;
    let mut left = Vec::new();
    for change in &order.changes {
        let present = values.get(&change.key).and_then(Option::as_ref);
        let key = scene.keys.iter().find(|(name, _)| *name == change.key).map(|(_, key)| key);
        match key {
            _ if is_same(present, change.after.as_ref()) => {}
            Some(key) if is_same(present, change.before.as_ref()) => left.push((change, key)),
            Some(_) | None => {
                let what = format!("somebody else has changed it: {} is {}", change.key, shown(present));
                return Err(Stopped::At(Written::Foreign(what)));
            }
        }
    }
    Ok(left)
}

/// What is applied: everything that was before, with these values.
fn body(
    means: &KubernetesMeans,
    scene: &Scene,
    left: &[(&SettingChange, &Key)],
    order: &Order,
) -> Result<Value, String> {
    let live = &scene.object.live;
    let mut body = match scene.object.subresource {
        Some(_) => json!({}),
        None => managed::applied(live),
    };
    for (change, key) in left {
        match &change.after {
            Some(value) => key.field(live)?.set(&mut body, key.form().written(value)),
            None => key.whole(live)?.remove(&mut body),
        }
    }
    if means.marked(scene).is_some() {
        mark(&mut body, &Field::of(&["metadata", "annotations", CHANGE]), order);
    }
    Ok(body)
}

/// The identity of a change while it is in effect.
fn mark(body: &mut Value, field: &Field, order: &Order) {
    match order.stage {
        Stage::Apply => field.set(body, json!(order.change.to_string())),
        Stage::Rollback | Stage::Keep => field.remove(body),
    }
}

/// Writes what is ours of an object as it was looked at, and gives what the API server made of it.
async fn apply(means: &KubernetesMeans, object: &Object, mut body: Value) -> Result<Value, Stopped> {
    let metadata = &object.live["metadata"];
    let text = |name: &str| Field::of(&["metadata", name]);
    for (name, value) in [("apiVersion", &object.version), ("kind", &object.kind)] {
        body[name] = json!(value);
    }
    // With its identity, what was removed meanwhile is not made anew.
    for name in ["name", "namespace", "uid", "resourceVersion"] {
        text(name).set(&mut body, metadata[name].clone());
    }
    let tried = format!("apply to {}", object.name);
    // Whose the fields are was looked at in this version of the object.
    let path = format!("{}?force=true", object.written_at());
    let request = (Method::PATCH, path.as_str());
    means.access.write(&tried, request, "application/apply-patch+yaml", &body).await.map_err(stopped)
}

fn stopped(failure: Failure) -> Stopped {
    if matches!(failure.fault, Fault::Conflict { .. }) {
        return Stopped::ChangedMeanwhile;
    }
    Stopped::At(match failure.of_order() {
        Performed::Accepted | Performed::AcceptedAs { .. } => Written::Done,
        Performed::NotRun { reason } => Written::NotRun(reason),
        Performed::Failed { reason } => Written::Failed(reason),
        Performed::Unknown { reason } => Written::Unknown(reason),
        Performed::Superseded { reason } => Written::Foreign(reason),
    })
}

/// What has its old value again is not ours any more: the next who writes it finds it free. Nothing depends on it.
async fn give_up(means: &KubernetesMeans, object: &Object, written: Value, left: &[(&SettingChange, &Key)]) {
    let back = left.iter().filter(|(change, _)| change.after.is_some());
    let fields: Vec<Field> = back.filter_map(|(_, key)| key.field(&object.live).ok()).collect();
    let tried = format!("give up the fields of {}", object.name);
    let live = match object.subresource {
        // The answer is the part, without the records.
        Some(_) => means.access.get(&tried, &object.path).await.unwrap_or(written),
        None => written,
    };
    let Some(patch) = managed::release(&live, object.subresource, &fields) else { return };
    let request = (Method::PATCH, object.path.as_str());
    let given_up = means.access.write(&tried, request, "application/json-patch+json", &patch).await;
    if let Err(failure) = given_up {
        tracing::warn!(%failure, "fields stay with {FIELD_MANAGER} although they have their old values");
    }
}

/// Has pods made with the values that a ConfigMap has now.
async fn roll_out(
    means: &KubernetesMeans,
    scene: &Scene,
    marked: &Marked<'_>,
    order: &Order,
) -> Result<(), Stopped> {
    let id = order.change.to_string();
    let wanted = (order.stage == Stage::Apply).then_some(id.as_str());
    if marked.has() == wanted {
        return Ok(());
    }
    let object = Object::of_workload(&scene.workload, &scene.live);
    if let Some(by) = object.owner() {
        return Err(Stopped::At(Written::Failed(by)));
    }
    let mut body = managed::applied(&object.live);
    mark(&mut body, &marked.field(), order);
    apply(means, &object, body).await.map(|_| ())
}

#[cfg(test)]
mod tests;
