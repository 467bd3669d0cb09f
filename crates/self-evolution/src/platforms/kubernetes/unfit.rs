//! What cannot be changed although it is nobody else's: because it could not be taken back as it was.

use serde_json::Value;

use super::key::Key;
use super::scene::Scene;
use crate::domain::order::Values;

/// Why these values are not changed now, in a sentence.
pub(super) fn reason(scene: &Scene, values: &Values) -> Option<String> {
    finer_than_written(scene, values)
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
