//! Containers that ask by their labels to be watched.

use std::collections::{BTreeMap, HashMap};

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::choice::{Listed, PROJECT_LABEL, SERVICE_LABEL};
use super::events::DockerEvents;
use super::failure::Failure;
use super::{INSPECT_LIMIT, within};
use crate::order::Unreachable;

/// Containers that are looked at most; an engine with more of them is not meant to be watched by labels alone.
const AT_MOST: usize = 2_000;

/// A container with its labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Labelled {
    /// Its name.
    pub name: String,
    /// Its Compose project.
    pub project: Option<String>,
    /// Its Compose service.
    pub service: Option<String>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

impl Labelled {
    fn from_summary(summary: ContainerSummary) -> Option<Self> {
        let labels = BTreeMap::from_iter(summary.labels.clone().unwrap_or_default());
        let listed = Listed::from_summary(summary)?;
        let of = |label: &str| labels.get(label).cloned();
        Some(Self { name: listed.name, project: of(PROJECT_LABEL), service: of(SERVICE_LABEL), labels })
    }
}

impl DockerEvents {
    /// The containers, stopped ones too, that have one of these labels (`label=value`); by name, within 3 s.
    pub async fn labelled(&self, wanted: &[&str]) -> Result<Vec<Labelled>, Unreachable> {
        let asked = async {
            let client = self.address.client()?;
            let mut found = BTreeMap::new();
            for label in wanted {
                let filters = HashMap::from([("label", vec![(*label).to_owned()])]);
                let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
                let summaries = client.list_containers(Some(options)).await?;
                let labelled = summaries.into_iter().take(AT_MOST).filter_map(Labelled::from_summary);
                found.extend(labelled.map(|one| (one.name.clone(), one)));
            }
            Ok(found.into_values().collect())
        };
        within(INSPECT_LIMIT, asked).await.map_err(|failure: Failure| Unreachable {
            reason: format!("list containers by their labels: {}", failure.sentence(&self.address)),
        })
    }
}
