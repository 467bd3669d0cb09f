//! The records that the API server keeps of who wrote which field: what we have applied, whose a field is, and giving one up.
//!
//! An apply by a manager replaces everything that it applied before: what it leaves out is taken away. So each of ours
//! has what the earlier ones had.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};
use shared::platform::kubernetes::ownership::field_managers;

use super::FIELD_MANAGER;
use crate::domain::field::{Field, Step};

/// Names under which `kubectl` writes for a person, with what it was told behind.
const KUBECTL: &str = "kubectl";
/// The owner of fields that were written before the API server kept records.
const BEFORE_RECORDS: &str = "before-first-apply";
/// Under this name the autoscaler writes, which is asked for itself where it matters.
const CONTROLLER: &str = "kube-controller-manager";

/// Who has written a field of those whom we do not take it from.
pub(super) fn keeper(metadata: &ObjectMeta, field: &Field) -> Option<String> {
    let is_person = |name: &str| name == KUBECTL || name.starts_with("kubectl-") || name == BEFORE_RECORDS;
    let is_kept = |name: &&str| !is_person(name) && ![FIELD_MANAGER, CONTROLLER].contains(name);
    writers(metadata, field).iter().map(String::as_str).find(is_kept).map(str::to_owned)
}

/// Who has written a field beside us, whoever it is.
pub(super) fn sharer(metadata: &ObjectMeta, field: &Field) -> Option<String> {
    writers(metadata, field).into_iter().find(|name| name != FIELD_MANAGER)
}

fn writers(metadata: &ObjectMeta, field: &Field) -> Vec<String> {
    let path: Vec<String> = field.steps().iter().map(in_query).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    field_managers(metadata, &path).into_iter().map(str::to_owned).collect()
}

fn in_query(step: &Step) -> String {
    match step {
        Step::Member(name) => name.clone(),
        Step::Named(name) => json!({"name": name}).to_string(),
    }
}

/// Everything that we have applied to an object so far, with the values that it has now.
pub(super) fn applied(object: &Value) -> Value {
    let ours = entry(object, None).and_then(|place| fields(object, place));
    ours.map_or_else(|| json!({}), |fields| extract(fields, object))
}

/// The place of our record among those of an object, or of its subresource.
fn entry(object: &Value, subresource: Option<&str>) -> Option<usize> {
    let all = object["metadata"]["managedFields"].as_array()?;
    all.iter().position(|one| {
        one["manager"] == FIELD_MANAGER
            && one["operation"] == "Apply"
            && one.get("subresource").and_then(Value::as_str) == subresource
    })
}

fn fields(object: &Value, place: usize) -> Option<&Map<String, Value>> {
    object["metadata"]["managedFields"][place]["fieldsV1"].as_object()
}

/// What of an object these records speak of. `f:` is a member, `k:` the element of a list that has these keys, `v:` an
/// element of a set, `.` the thing itself.
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>
fn extract(fields: &Map<String, Value>, live: &Value) -> Value {
    let below = |child: &Value, live: &Value| match child.as_object() {
        Some(fields) if !fields.is_empty() => extract(fields, live),
        Some(_) | None => live.clone(),
    };
    match live {
        Value::Object(members) => {
            let ours = fields.iter().filter_map(|(name, child)| {
                let name = name.strip_prefix("f:")?;
                Some((name.to_owned(), below(child, members.get(name)?)))
            });
            Value::Object(ours.collect())
        }
        Value::Array(all) => {
            let ours = fields.iter().filter_map(|(name, child)| {
                if let Some(value) = name.strip_prefix("v:") {
                    return serde_json::from_str(value).ok();
                }
                let keys: Map<String, Value> = serde_json::from_str(name.strip_prefix("k:")?).ok()?;
                let one =
                    all.iter().find(|one| keys.iter().all(|(key, value)| one.get(key) == Some(value)))?;
                let mut ours = below(child, one);
                if let Some(ours) = ours.as_object_mut() {
                    ours.extend(keys);
                }
                Some(ours)
            });
            Value::Array(ours.collect())
        }
        single @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => single.clone(),
    }
}

/// The JSON patch (RFC 6902) that takes fields out of our record and leaves their values: afterwards they are nobody's,
/// until somebody writes them. It does nothing where the record has changed meanwhile. None where they are not in it.
pub(super) fn release(object: &Value, subresource: Option<&str>, released: &[Field]) -> Option<Value> {
    let place = entry(object, subresource)?;
    let before = fields(object, place)?;
    let mut after = before.clone();
    for field in released {
        without(&mut after, field.steps());
    }
    if after == *before {
        return None;
    }
    let path = format!("/metadata/managedFields/{place}");
    let end = match after.is_empty() {
        true => json!({"op": "remove", "path": path}),
        false => json!({"op": "replace", "path": format!("{path}/fieldsV1"), "value": after}),
    };
    Some(json!([
        {"op": "test", "path": format!("{path}/manager"), "value": FIELD_MANAGER},
        {"op": "test", "path": format!("{path}/fieldsV1"), "value": before},
        end
    ]))
}

/// Takes a field out, and what is empty without it.
fn without(fields: &mut Map<String, Value>, steps: &[Step]) {
    let Some((first, rest)) = steps.split_first() else { return };
    let name = match first {
        Step::Member(_) => format!("f:{}", in_query(first)),
        Step::Named(_) => format!("k:{}", in_query(first)),
    };
    let is_empty = match fields.get_mut(&name).and_then(Value::as_object_mut) {
        Some(below) if !rest.is_empty() => {
            without(below, rest);
            // Of an element the name is left, which tells only which one it was.
            below.keys().all(|key| key == "." || (key == "f:name" && matches!(first, Step::Named(_))))
        }
        Some(_) => true,
        None => false,
    };
    if is_empty {
        fields.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an API server of 1.37 shows it after two applies of ours over what `kubectl apply` had made.
    fn live() -> Value {
        let ours = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
            ".": {}, "f:name": {},
            "f:env": {"k:{\"name\":\"CACHE\"}": {".": {}, "f:name": {}, "f:value": {}}, "k:{\"name\":\"NEW\"}": {".": {}, "f:name": {}, "f:value": {}}},
            "f:resources": {"f:limits": {"f:memory": {}}}
        }}}}}});
        let scale = json!({"f:spec": {"f:replicas": {}}});
        let theirs = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}}}}});
        let record = |manager: &str, operation: &str, fields: Value| json!({"manager": manager, "operation": operation, "fieldsV1": fields});
        let mut of_scale = record(FIELD_MANAGER, "Apply", scale);
        of_scale["subresource"] = json!("scale");
        let web = json!({
            "name": "web", "image": "web:1", "env": [{"name": "CACHE", "value": "on"}, {"name": "NEW", "value": "1"}, {"name": "X", "value": "y"}],
            "resources": {"limits": {"memory": "512Mi", "cpu": "1"}}
        });
        let all = [of_scale, record("terraform", "Apply", theirs), record(FIELD_MANAGER, "Apply", ours)];
        json!({"metadata": {"name": "web", "managedFields": all}, "spec": {"replicas": 3, "template": {"spec": {"containers": [web]}}}})
    }

    fn of_web() -> Field {
        Field::of(&["spec", "template", "spec", "containers"]).named("web")
    }

    #[test]
    fn an_apply_has_what_the_earlier_ones_had_and_nothing_of_others() {
        let web = json!({
            "name": "web", "env": [{"name": "CACHE", "value": "on"}, {"name": "NEW", "value": "1"}],
            "resources": {"limits": {"memory": "512Mi"}}
        });
        assert_eq!(applied(&live()), json!({"spec": {"template": {"spec": {"containers": [web]}}}}));
        assert_eq!(applied(&json!({"metadata": {}, "spec": {}})), json!({}));
    }

    #[test]
    fn a_field_is_taken_from_persons_and_kept_by_tools() {
        let metadata = |name: &str| -> ObjectMeta {
            let fields = json!({"f:spec": {"f:replicas": {}}});
            let entry = json!({"manager": name, "operation": "Update", "fieldsV1": fields});
            serde_json::from_value(json!({"managedFields": [entry]})).unwrap()
        };
        let replicas = Field::of(&["spec", "replicas"]);
        for name in
            ["kubectl", "kubectl-client-side-apply", "kubectl-edit", "before-first-apply", FIELD_MANAGER]
        {
            assert_eq!(keeper(&metadata(name), &replicas), None, "{name}");
            let shares = (name != FIELD_MANAGER).then(|| name.to_owned());
            assert_eq!(sharer(&metadata(name), &replicas), shares, "what we take away stays then");
        }
        assert_eq!(keeper(&metadata("terraform"), &replicas).as_deref(), Some("terraform"));
        assert_eq!(keeper(&metadata("terraform"), &Field::of(&["spec", "paused"])), None);
        let image: ObjectMeta = serde_json::from_value(live()["metadata"].clone()).unwrap();
        assert_eq!(keeper(&image, &of_web().member("image")).as_deref(), Some("terraform"));
    }

    #[test]
    fn what_is_given_up_leaves_the_record_and_nothing_empty_behind() {
        let live = live();
        let cache = of_web().member("env").named("CACHE").member("value");
        let patch = release(&live, None, std::slice::from_ref(&cache)).unwrap();
        let path = "/metadata/managedFields/2";
        assert_eq!(
            patch[0],
            json!({"op": "test", "path": format!("{path}/manager"), "value": FIELD_MANAGER})
        );
        assert_eq!(patch[2]["path"], format!("{path}/fieldsV1"));
        let left =
            &patch[2]["value"]["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"web\"}"];
        assert_eq!(left["f:env"], json!({"k:{\"name\":\"NEW\"}": {".": {}, "f:name": {}, "f:value": {}}}));
        let all = [
            cache,
            of_web().member("env").named("NEW").member("value"),
            of_web().member("resources").member("limits").member("memory"),
        ];
        assert_eq!(release(&live, None, &all).unwrap()[2], json!({"op": "remove", "path": path}));
        let replicas = [Field::of(&["spec", "replicas"])];
        assert_eq!(release(&live, Some("scale"), &replicas).unwrap()[2]["path"], "/metadata/managedFields/0");
        assert_eq!(release(&live, None, &replicas), None, "it is not in that record");
    }
}
