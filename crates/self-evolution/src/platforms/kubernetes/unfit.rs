//! What cannot be changed although it is nobody else's: because it would not take effect, or could not be taken back as it was.

use serde_json::Value;

use super::key::{Content, Key};
use super::scene::Scene;
use super::{KubernetesMeans, rollout};
use crate::domain::order::Values;

/// Why these values are not changed now, in a sentence.
pub(super) fn reason(means: &KubernetesMeans, scene: &Scene, values: &Values) -> Option<String> {
    finer_than_written(scene, values).or_else(|| without_effect(means, scene))
}

/// A change that no pod would see.
fn without_effect(means: &KubernetesMeans, scene: &Scene) -> Option<String> {
    let (workload, live) = (&scene.workload, &scene.live);
    match scene.keys.first()?.1.content() {
        Content::Map(_) if !means.rolls_out => None,
        Content::Template | Content::Map(_) => {
            rollout::held(live).map(|why| format!("{workload} would not be rolled out: {why}"))
        }
        Content::Bounds if live["spec"]["replicas"] == 0 => {
            Some(format!("{workload} is scaled to 0, where its autoscaler does nothing: scale it up"))
        }
        Content::Bounds | Content::Replicas => None,
    }
}

/// A value that would be put back as another one.
fn finer_than_written(scene: &Scene, values: &Values) -> Option<String> {
    let present = |name: &String| values.get(name).and_then(Option::as_ref).and_then(Value::as_f64);
    let is_finer =
        |(name, key): &&(String, Key)| present(name).is_some_and(|number| !key.form().keeps(number));
    let (name, _) = scene.keys.iter().find(is_finer)?;
    let object = &scene.object.name;
    Some(format!(
        "{name} of {object} has a fraction that could not be put back: set it to whole bytes, or thousandths of a processor"
    ))
}
