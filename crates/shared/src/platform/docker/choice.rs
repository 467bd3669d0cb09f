//! Which of the containers that an engine lists are meant by a service: pure choice, no I/O.

use std::collections::BTreeSet;

use bollard::models::ContainerSummary;

/// Compose's label for the service that a container is a replica of.
pub(super) const SERVICE_LABEL: &str = "com.docker.compose.service";

/// Compose's label for the project that a container belongs to.
pub(super) const PROJECT_LABEL: &str = "com.docker.compose.project";

/// Compose's label for a container that `run` made: a task beside the service, no replica of it.
const ONE_OFF_LABEL: &str = "com.docker.compose.oneoff";

/// A container as a listing shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Listed {
    /// Its name without the leading slash.
    pub(super) name: String,
    /// Its full identity.
    pub(super) id: String,
    project: Option<String>,
    service: Option<String>,
    /// Whether it is a task beside the service.
    pub(super) one_off: bool,
}

impl Listed {
    /// What is needed of a listed container; none when it lacks an identity.
    pub(super) fn from_summary(summary: ContainerSummary) -> Option<Self> {
        let mut labels = summary.labels.unwrap_or_default();
        // With links a container has further names, `/other/alias`; its own has one slash only.
        let names = summary.names.unwrap_or_default();
        let name = names.iter().filter_map(|name| name.strip_prefix('/')).find(|name| !name.contains('/'));
        Some(Self {
            name: name.unwrap_or_default().into(),
            id: summary.id?,
            project: labels.remove(PROJECT_LABEL),
            service: labels.remove(SERVICE_LABEL),
            one_off: labels.remove(ONE_OFF_LABEL).is_some_and(|one_off| one_off.eq_ignore_ascii_case("true")),
        })
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Compose service or container name.
    pub(super) container: &'a str,
    /// The Compose project that it must belong to, if one is named.
    pub(super) project: Option<&'a str>,
}

impl Wanted<'_> {
    /// The replicas of the Compose service, by name; empty when there are none. Fails when several projects have
    /// such a service and none is named.
    pub(super) fn replicas(self, listed: &[Listed]) -> Result<Vec<Listed>, String> {
        let mut replicas: Vec<_> = listed
            .iter()
            .filter(|listed| !listed.one_off && listed.service.as_deref() == Some(self.container))
            .filter(|listed| self.project.is_none() || listed.project.as_deref() == self.project)
            .cloned()
            .collect();
        replicas.sort();
        let projects: BTreeSet<_> =
            replicas.iter().map(|replica| replica.project.as_deref().unwrap_or("(none)")).collect();
        if projects.len() > 1 {
            let projects = Vec::from_iter(projects).join(", ");
            return Err(format!(
                "several Compose projects have a service {}: {projects}; set COMPOSE_PROJECT_NAME to the right one",
                self.container
            ));
        }
        Ok(replicas)
    }

    /// The container of exactly this name, unless it belongs to another project than the one that is named.
    pub(super) fn named(self, listed: &[Listed]) -> Option<Listed> {
        let stranger = |listed: &Listed| {
            self.project.is_some() && listed.project.is_some() && listed.project.as_deref() != self.project
        };
        listed
            .iter()
            .find(|listed| listed.name == self.container && !listed.one_off && !stranger(listed))
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, project: &str, service: &str) -> Listed {
        let known = |label: &str| (!label.is_empty()).then(|| label.to_owned());
        Listed {
            name: name.into(),
            id: format!("id-of-{name}"),
            project: known(project),
            service: known(service),
            one_off: false,
        }
    }

    fn names(found: &[Listed]) -> Vec<&str> {
        found.iter().map(|listed| listed.name.as_str()).collect()
    }

    const WEB: Wanted<'_> = Wanted { container: "web", project: None };
    const WEB_OF_SHOP: Wanted<'_> = Wanted { container: "web", project: Some("shop") };

    #[test]
    fn without_a_project_the_only_one_that_has_the_service_is_meant_with_all_its_replicas() {
        let there =
            [listed("shop_web_2", "shop", "web"), listed("shop_web_1", "shop", "web"), listed("db", "", "")];
        assert_eq!(names(&WEB.replicas(&there).unwrap()), ["shop_web_1", "shop_web_2"]);
    }

    #[test]
    fn several_projects_are_named_and_none_is_chosen() {
        let there = [listed("b_web_1", "blog", "web"), listed("s_web_1", "shop", "web")];
        assert_eq!(
            WEB.replicas(&there).unwrap_err(),
            "several Compose projects have a service web: blog, shop; set COMPOSE_PROJECT_NAME to the right one"
        );
        assert_eq!(names(&WEB_OF_SHOP.replicas(&there).unwrap()), ["s_web_1"]);
    }

    #[test]
    fn a_one_off_container_is_neither_a_replica_nor_found_by_name() {
        let there = [Listed { one_off: true, ..listed("web", "shop", "web") }];
        assert_eq!(WEB.replicas(&there).unwrap(), []);
        assert_eq!(WEB.named(&there), None);
    }

    #[test]
    fn only_the_whole_name_counts() {
        let there = [listed("web-2", "", ""), listed("my-web", "", ""), listed("web", "", "")];
        assert_eq!(WEB.named(&there).map(|found| found.name).as_deref(), Some("web"));
        assert_eq!(WEB.named(&there[..2]), None);
    }

    #[test]
    fn a_container_of_another_project_is_not_taken_by_its_name() {
        assert_eq!(WEB_OF_SHOP.named(&[listed("web", "blog", "frontend")]), None);
        assert!(WEB_OF_SHOP.named(&[listed("web", "", "")]).is_some());
        assert!(WEB.named(&[listed("web", "blog", "frontend")]).is_some());
    }

    #[test]
    fn a_container_is_known_by_its_own_name_not_by_a_links_alias() {
        let summary = ContainerSummary {
            id: Some("4f2a".into()),
            names: Some(vec!["/proxy/web".into(), "/shop_web_1".into()]),
            labels: Some([(ONE_OFF_LABEL.to_owned(), "True".to_owned())].into()),
            ..ContainerSummary::default()
        };
        let listed = Listed::from_summary(summary).unwrap();
        assert_eq!((listed.name.as_str(), listed.one_off), ("shop_web_1", true));
    }
}
