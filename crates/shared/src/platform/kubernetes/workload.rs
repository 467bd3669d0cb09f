//! Which workload of a cluster is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kinds of workloads that keep pods running.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadKind {
    /// Pods that are alike.
    Deployment,
    /// Pods with names and storage of their own.
    StatefulSet,
    /// One pod a node.
    DaemonSet,
}

impl WorkloadKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// The word by which it is written: `deployment`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
        }
    }

    /// The kind of an owner reference: `Deployment`.
    pub fn of_reference(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(kind))
    }

    /// As a path of the API has it: `deployments`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
        }
    }

    /// The kind by the words that people and `kubectl` use for it.
    fn of_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "deployment" | "deployments" | "deploy" => Some(Self::Deployment),
            "statefulset" | "statefulsets" | "sts" => Some(Self::StatefulSet),
            "daemonset" | "daemonsets" | "ds" => Some(Self::DaemonSet),
            _ => None,
        }
    }
}

/// One workload.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Workload {
    /// Where it is.
    pub namespace: String,
    /// What it is.
    pub kind: WorkloadKind,
    /// What it is called.
    pub name: String,
}

impl Workload {
    /// Reads `deployment/web`, in the given namespace, or `shop/deployment/web`.
    pub fn parse(text: &str, namespace: &str) -> Result<Self, InvalidWorkload> {
        let parts: Vec<&str> = text.split('/').collect();
        let (namespace, kind, name) = match *parts.as_slice() {
            [kind, name] => (namespace, kind, name),
            [namespace, kind, name] => (namespace, kind, name),
            _ => return Err(InvalidWorkload(text.to_owned())),
        };
        let is_fine = is_name(name) && is_name(namespace);
        let kind = WorkloadKind::of_word(kind).filter(|_| is_fine);
        let kind = kind.ok_or_else(|| InvalidWorkload(text.to_owned()))?;
        Ok(Self { namespace: namespace.to_owned(), kind, name: name.to_owned() })
    }

    /// Where the API has it.
    pub fn path(&self) -> String {
        format!("/apis/apps/v1/namespaces/{}/{}/{}", self.namespace, self.kind.plural(), self.name)
    }
}

/// `deployment/web in shop`.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} in {}", self.kind.as_str(), self.name, self.namespace)
    }
}

/// A text that names no workload.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} names no workload: write deployment/web, statefulset/web or daemonset/web, after its namespace and a slash where \
     it is in another one"
)]
pub struct InvalidWorkload(String);

/// Whether an object can have this name: a DNS subdomain (RFC 1123).
pub fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        ends(label.chars().next())
            && ends(label.chars().last())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_read_with_or_without_its_namespace_and_by_short_words() {
        let told = |text: &str| Workload::parse(text, "shop").map(|one| one.to_string());
        assert_eq!(told("deployment/web").unwrap(), "deployment/web in shop");
        assert_eq!(told("sts/db").unwrap(), "statefulset/db in shop");
        assert_eq!(told("infra/DaemonSet/agent").unwrap(), "daemonset/agent in infra");
        let path = Workload::parse("ds/agent", "infra").unwrap().path();
        assert_eq!(path, "/apis/apps/v1/namespaces/infra/daemonsets/agent");
    }

    #[test]
    fn what_names_no_workload_is_refused_with_examples() {
        for text in
            ["web", "pod/web", "deployment/", "deployment/../x", "a/b/c/d", "deployment/Web", "x//web"]
        {
            let error = Workload::parse(text, "shop").unwrap_err().to_string();
            assert!(error.contains("write deployment/web"), "{text}: {error}");
        }
    }
}
