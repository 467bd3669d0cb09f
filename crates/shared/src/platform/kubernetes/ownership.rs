//! Who owns an object or one of its fields: what a tool writes again and again is not for us to write.

use std::fmt;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::workload::Workload;

/// A tool that keeps an object as it is written elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owner {
    /// An Application of Argo CD.
    ArgoCd {
        /// Its name.
        application: String,
    },
    /// A Kustomization or a HelmRelease of Flux.
    Flux {
        /// Which of the two.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where it is.
        namespace: String,
    },
    /// A release of Helm.
    Helm {
        /// Its name.
        release: String,
    },
}

/// As a person would name it, with where to change what it owns.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ArgoCd { application } => {
                write!(f, "the Argo CD application {application} (change it in its Git repository)")
            }
            Self::Flux { kind, name, namespace } => {
                write!(f, "the Flux {kind} {name} in {namespace} (change it in its Git repository)")
            }
            Self::Helm { release } => {
                write!(f, "the Helm release {release} (change its values and upgrade it)")
            }
        }
    }
}

impl Owner {
    /// Who owns an object, by what it carries. Argo CD and Flux may render Helm charts, so they are asked first.
    pub fn of(metadata: &ObjectMeta) -> Option<Self> {
        argo_cd(metadata).or_else(|| flux(metadata)).or_else(|| helm(metadata))
    }
}

fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

fn label<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(key).map(String::as_str)
}

/// By the tracking annotation (`application:group/kind:namespace/name`); or by the label that it uses where it tracks by
/// labels, which others use too, so that only a field that it has written makes it certain.
fn argo_cd(metadata: &ObjectMeta) -> Option<Owner> {
    if let Some(tracking) = annotation(metadata, "argocd.argoproj.io/tracking-id") {
        let application = tracking.split(':').next().unwrap_or_default().to_owned();
        return Some(Owner::ArgoCd { application });
    }
    if let Some(application) = label(metadata, "argocd.argoproj.io/instance") {
        return Some(Owner::ArgoCd { application: application.to_owned() });
    }
    let instance = label(metadata, "app.kubernetes.io/instance")?;
    let mut managers = managers(metadata);
    managers
        .any(|manager| manager == "argocd-controller" || manager == "argocd-application-controller")
        .then(|| Owner::ArgoCd { application: instance.to_owned() })
}

fn flux(metadata: &ObjectMeta) -> Option<Owner> {
    [("Kustomization", "kustomize.toolkit.fluxcd.io"), ("HelmRelease", "helm.toolkit.fluxcd.io")]
        .into_iter()
        .find_map(|(kind, group)| {
            let name = label(metadata, &format!("{group}/name"))?.to_owned();
            let namespace = label(metadata, &format!("{group}/namespace")).unwrap_or_default().to_owned();
            Some(Owner::Flux { kind, name, namespace })
        })
}

fn helm(metadata: &ObjectMeta) -> Option<Owner> {
    let release = annotation(metadata, "meta.helm.sh/release-name");
    let is_managed = label(metadata, "app.kubernetes.io/managed-by") == Some("Helm");
    match release {
        Some(release) => Some(Owner::Helm { release: release.to_owned() }),
        None if is_managed => {
            let release = label(metadata, "app.kubernetes.io/instance").unwrap_or("(unnamed)").to_owned();
            Some(Owner::Helm { release })
        }
        None => None,
    }
}

fn managers(metadata: &ObjectMeta) -> impl Iterator<Item = &str> {
    metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.as_deref())
}

/// Under which names a field was written, by the records that the API server keeps. `path` is that of the field:
/// `["spec", "replicas"]`; an element of a list by its key: `["spec", "containers", "{\"name\":\"web\"}"]`.
pub fn field_managers<'a>(metadata: &'a ObjectMeta, path: &[&str]) -> Vec<&'a str> {
    let entries = metadata.managed_fields.iter().flatten();
    let owning = entries.filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| has(&fields.0, path)));
    owning.filter_map(|entry| entry.manager.as_deref()).collect()
}

fn has(fields: &Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    // Fields are `f:name`, elements of a list `k:{"name":"web"}`.
    ["f:", "k:"].iter().any(|kind| fields.get(format!("{kind}{first}")).is_some_and(|below| has(below, rest)))
}

/// The autoscaler that decides how many replicas a workload has, of those in its namespace.
pub fn autoscaler<'a>(
    autoscalers: &'a [HorizontalPodAutoscaler],
    workload: &Workload,
) -> Option<&'a HorizontalPodAutoscaler> {
    autoscalers.iter().find(|one| {
        let target = &one.spec.scale_target_ref;
        target.kind.eq_ignore_ascii_case(workload.kind.as_str()) && target.name == workload.name
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(value: Value) -> ObjectMeta {
        serde_json::from_value(value).unwrap()
    }

    fn told(value: Value) -> Option<String> {
        Owner::of(&metadata(value)).map(|owner| owner.to_string())
    }

    #[test]
    fn argo_cd_is_known_by_its_tracking_annotation_or_by_what_it_wrote() {
        let tracked =
            json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}});
        let argo = "the Argo CD application shop (change it in its Git repository)";
        assert_eq!(told(tracked).as_deref(), Some(argo));
        let labelled = json!({"labels": {"app.kubernetes.io/instance": "shop"}});
        assert_eq!(told(labelled.clone()), None);
        let mut written = labelled;
        written["managedFields"] = json!([{"manager": "argocd-controller", "operation": "Apply"}]);
        assert_eq!(told(written).as_deref(), Some(argo));
    }

    #[test]
    fn flux_is_known_by_its_labels() {
        let labels = json!({"labels": {
            "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"
        }});
        let flux = "the Flux Kustomization apps in flux-system (change it in its Git repository)";
        assert_eq!(told(labels).as_deref(), Some(flux));
        let release = json!({"labels": {"helm.toolkit.fluxcd.io/name": "web",
            "helm.toolkit.fluxcd.io/namespace": "shop", "app.kubernetes.io/managed-by": "Helm"}});
        assert!(told(release).unwrap().starts_with("the Flux HelmRelease web in shop"));
    }

    #[test]
    fn helm_is_known_by_its_release_and_by_its_label() {
        let release = json!({"annotations": {"meta.helm.sh/release-name": "web"}});
        let helm = "the Helm release web (change its values and upgrade it)";
        assert_eq!(told(release).as_deref(), Some(helm));
        let label =
            json!({"labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "web"}});
        assert_eq!(told(label).as_deref(), Some(helm));
        assert_eq!(told(json!({"labels": {"app.kubernetes.io/managed-by": "kustomize"}})), None);
    }

    #[test]
    fn a_field_is_owned_by_whoever_wrote_it() {
        let metadata = metadata(json!({"managedFields": [
            {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "helm", "fieldsV1": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}}}}
        ]}));
        assert_eq!(field_managers(&metadata, &["spec", "replicas"]), ["kubectl"]);
        let image = ["spec", "containers", "{\"name\":\"web\"}", "image"];
        assert_eq!(field_managers(&metadata, &image), ["helm"]);
        assert_eq!(field_managers(&metadata, &["spec"]), ["kubectl", "helm"]);
        assert!(field_managers(&metadata, &["spec", "paused"]).is_empty());
    }

    #[test]
    fn an_autoscaler_is_found_by_what_it_scales() {
        let of = |kind: &str, name: &str| -> HorizontalPodAutoscaler {
            let target = json!({"apiVersion": "apps/v1", "kind": kind, "name": name});
            let spec = json!({"maxReplicas": 3, "scaleTargetRef": target});
            serde_json::from_value(json!({"metadata": {"name": format!("{name}-scaler")}, "spec": spec}))
                .unwrap()
        };
        let all = [of("StatefulSet", "web"), of("Deployment", "web")];
        let web = Workload::parse("deployment/web", "shop").unwrap();
        let found = autoscaler(&all, &web).unwrap();
        assert_eq!(found.spec.scale_target_ref.kind, "Deployment");
        assert!(autoscaler(&all, &Workload::parse("deployment/db", "shop").unwrap()).is_none());
    }
}
