//! Actions that change workloads of Kubernetes.

use std::sync::Arc;

use shared::config::{Faults, Group};
use shared::platform::kubernetes::locate::Wanted;
use shared::platform::kubernetes::workload::is_name;
use shared::platform::kubernetes::{Access, Workload};

use super::{Made, no_secrets};
use crate::domain::play::Want;
use crate::platforms::{FIELD_MANAGER, Key, KubernetesContent, KubernetesMeans, Means};

/// What can be set, for a person.
const KEYS: &str = "replicas, hpa.min_replicas, hpa.max_replicas, resources.CONTAINER.limits.memory (or requests, or cpu), \
                    env.CONTAINER.NAME, image.CONTAINER, configmap.NAME.KEY; without a container it is the only one";
/// The longest name of an annotation, behind its prefix.
const LONGEST_NAME: usize = 63;
/// What stands before the name of a ConfigMap in an annotation.
const BEFORE_MAP: usize = "configmap.".len();

/// The way to the API server, which all actions share.
pub(super) fn access(root: &Group, faults: &mut Faults) -> Access {
    let namespace = root.text("KUBERNETES_NAMESPACE");
    if let Some(wrong) = namespace.filter(|namespace| !is_name(namespace)) {
        let reason = format!("{wrong:?} cannot be the name of a namespace");
        faults.push(root.fault("KUBERNETES_NAMESPACE", reason));
    }
    Access::new(root.text("KUBECONFIG"), namespace).writing_as(FIELD_MANAGER)
}

/// One object that is changed, and the way to it.
pub(super) fn means(access: &Access, service: &str, group: &Group, wants: &[Want]) -> Made {
    let keys: Option<Vec<Key>> = wants.iter().map(|want| Key::parse(&want.key)).collect();
    let Some(keys) = keys else { return Err(("set", format!("sets something else than {KEYS}"))) };
    let contents: Vec<KubernetesContent> = keys.iter().map(Key::content).collect();
    if let [first, others @ ..] = contents.as_slice()
        && others.iter().any(|other| other != first)
    {
        let reason = "sets one of these for the backend kubernetes: replicas, the bounds of the autoscaler, the containers \
                      of the workload, or the values of one ConfigMap";
        return Err(("set", reason.to_owned()));
    }
    let rolls_out = group.boolean("rolls_out");
    if let Some(KubernetesContent::Map(name)) = contents.first()
        && rolls_out
        && BEFORE_MAP + name.len() > LONGEST_NAME
    {
        let most = LONGEST_NAME - BEFORE_MAP;
        let reason = format!(
            "names a ConfigMap with more than {most} characters, whose change cannot be noted: set rolls_out: false"
        );
        return Err(("set", reason));
    }
    no_secrets(wants, secret_name)?;
    let workload = group.text("workload").map(str::to_owned);
    if let Some(workload) = &workload {
        Workload::parse(workload, "default").map_err(|invalid| ("workload", invalid.to_string()))?;
    }
    let target = workload.clone().unwrap_or_else(|| format!("deployment/{service}"));
    let means = KubernetesMeans {
        access: access.clone(),
        wanted: Wanted { service: service.to_owned(), workload, host: None },
        rolls_out,
        rollout_timeout: group.seconds("rollout_timeout").unwrap_or_default(),
    };
    Ok((target, Means::Kubernetes(Arc::new(means)), true))
}

/// The part of a key that would tell a secret.
fn secret_name(key: &str) -> Option<&str> {
    ["env.", "configmap."].into_iter().find_map(|kind| key.strip_prefix(kind))
}
