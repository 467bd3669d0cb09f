//! Containers that ask by their labels to be watched.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::choice::{Listed, PROJECT_LABEL, SERVICE_LABEL};
use super::events::DockerEvents;
use super::failure::Failure;
use super::recreate::name_before;
use super::{INSPECT_LIMIT, within};
use crate::order::Unreachable;

/// Containers that are looked at most; an engine with more of them is not meant to be watched by labels alone.
const AT_MOST: usize = 2_000;

/// A container with its labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Labelled {
    /// Its name; of one that a recovery has set aside the name that it had or will have.
    pub name: String,
    /// Its Compose project.
    pub project: Option<String>,
    /// Its Compose service.
    pub service: Option<String>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it has ever been started.
    pub has_run: bool,
}

impl Labelled {
    /// What is needed of a listed container; none of a task beside the service.
    fn from_summary(summary: ContainerSummary) -> Option<Self> {
        let labels = BTreeMap::from_iter(summary.labels.clone().unwrap_or_default());
        let has_run = summary.state != Some(ContainerSummaryStateEnum::CREATED);
        let listed = Listed::from_summary(summary).filter(|listed| !listed.one_off)?;
        let name = name_before(&listed.name).unwrap_or(&listed.name).to_owned();
        let of = |label: &str| labels.get(label).cloned();
        Some(Self { name, project: of(PROJECT_LABEL), service: of(SERVICE_LABEL), labels, has_run })
    }
}

/// One entry for each name: while a container is recreated, two of them have the same.
fn by_name(listed: impl Iterator<Item = ContainerSummary>) -> BTreeMap<String, Labelled> {
    let mut found = BTreeMap::<String, Labelled>::new();
    for one in listed.filter_map(Labelled::from_summary) {
        let has_run = one.has_run || found.get(&one.name).is_some_and(|known| known.has_run);
        found.insert(one.name.clone(), Labelled { has_run, ..one });
    }
    found
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
                found.extend(by_name(summaries.into_iter().take(AT_MOST)));
            }
            Ok(found.into_values().collect())
        };
        within(INSPECT_LIMIT, asked).await.map_err(|failure: Failure| Unreachable {
            reason: format!("list containers by their labels: {}", failure.sentence(&self.address)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(name: &str, state: ContainerSummaryStateEnum, labels: &[(&str, &str)]) -> ContainerSummary {
        ContainerSummary {
            id: Some(format!("id-of-{name}")),
            names: Some(vec![format!("/{name}")]),
            state: Some(state),
            labels: Some(labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn a_container_that_is_being_recreated_is_one_and_has_run() {
        use ContainerSummaryStateEnum::{CREATED, EXITED};
        let id = "0190a0b0-0000-7000-8000-000000000001";
        let aside = [
            summary(&format!("web.kept-{id}"), EXITED, &[]),
            summary(&format!("web.new-{id}"), CREATED, &[]),
            summary("job", CREATED, &[]),
        ];
        let found = by_name(aside.into_iter());
        let told: Vec<_> = found.values().map(|one| (one.name.as_str(), one.has_run)).collect();
        assert_eq!(told, [("job", false), ("web", true)]);
    }

    #[test]
    fn a_task_beside_a_service_is_not_watched() {
        let task = [("com.docker.compose.oneoff", "True"), (SERVICE_LABEL, "web")];
        let found = by_name([summary("run", ContainerSummaryStateEnum::RUNNING, &task)].into_iter());
        assert!(found.is_empty());
    }
}
