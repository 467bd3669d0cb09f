//! The labelled containers that are heeded: those that there are, and those that were there a moment ago.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::clock::Timestamp;
use shared::platform::Labelled;

use crate::config::service_of;

/// Labelled containers by name. A pure function of what the engine lists, and when.
#[derive(Default)]
pub(super) struct Roster {
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    container: Labelled,
    /// When it was first missed.
    gone_since: Option<Timestamp>,
}

impl Roster {
    /// Takes in what the engine lists.
    ///
    /// One that is gone stays for `grace`, because whoever recreates a container removes it first, unless another
    /// container has taken its service over. One that has never run is not taken in: nobody has started it yet.
    pub(super) fn listed(&mut self, listed: Vec<Labelled>, now: Timestamp, grace: Duration) {
        let services: BTreeSet<_> = listed.iter().map(service_and_project).collect();
        let names: BTreeSet<&str> = listed.iter().map(|one| one.name.as_str()).collect();
        for (_, entry) in self.entries.iter_mut().filter(|(name, _)| !names.contains(name.as_str())) {
            entry.gone_since.get_or_insert(now);
        }
        self.entries.retain(|_, entry| match entry.gone_since {
            None => true,
            Some(since) => {
                now.since(since) < grace && !services.contains(&service_and_project(&entry.container))
            }
        });
        for container in listed {
            if container.has_run || self.entries.contains_key(&container.name) {
                self.entries.insert(container.name.clone(), Entry { container, gone_since: None });
            }
        }
    }

    /// The containers that are heeded, by name.
    pub(super) fn containers(&self) -> Vec<Labelled> {
        self.entries.values().map(|entry| entry.container.clone()).collect()
    }

    /// When the first of those that are gone is no longer heeded.
    pub(super) fn next_end(&self, grace: Duration) -> Option<Timestamp> {
        self.entries.values().filter_map(|entry| Some(entry.gone_since? + grace)).min()
    }
}

fn service_and_project(container: &Labelled) -> (String, Option<String>) {
    (service_of(container), container.project.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn container(name: &str) -> Labelled {
        Labelled { name: name.into(), project: None, service: None, labels: BTreeMap::new(), has_run: true }
    }

    fn replica(name: &str, service: &str) -> Labelled {
        Labelled { project: Some("shop".into()), service: Some(service.into()), ..container(name) }
    }

    fn names(roster: &Roster) -> Vec<String> {
        roster.containers().into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn a_container_that_is_gone_is_heeded_until_its_grace_is_over() {
        let mut roster = Roster::default();
        roster.listed(vec![container("db"), container("web")], at(0), GRACE);
        assert_eq!(roster.next_end(GRACE), None);
        roster.listed(vec![container("db")], at(10), GRACE);
        roster.listed(vec![container("db")], at(69), GRACE);
        assert_eq!((names(&roster), roster.next_end(GRACE)), (vec!["db".into(), "web".into()], Some(at(70))));
        roster.listed(vec![container("db")], at(70), GRACE);
        assert_eq!((names(&roster), roster.next_end(GRACE)), (vec!["db".to_owned()], None));
    }

    #[test]
    fn one_that_comes_back_within_its_grace_was_never_gone() {
        let mut roster = Roster::default();
        roster.listed(vec![container("web")], at(0), GRACE);
        roster.listed(Vec::new(), at(10), GRACE);
        roster.listed(vec![container("web")], at(20), GRACE);
        roster.listed(Vec::new(), at(65), GRACE);
        assert_eq!(roster.next_end(GRACE), Some(at(125)), "the grace begins anew");
    }

    #[test]
    fn one_whose_service_another_container_has_taken_over_is_not_waited_for() {
        let mut roster = Roster::default();
        roster.listed(vec![replica("shop_web_1", "web")], at(0), GRACE);
        roster.listed(vec![replica("shop-web-1", "web")], at(1), GRACE);
        assert_eq!(names(&roster), ["shop-web-1"]);
        let stranger = Labelled { project: Some("blog".into()), ..replica("blog-web-1", "web") };
        roster.listed(vec![stranger], at(2), GRACE);
        assert_eq!(names(&roster), ["blog-web-1", "shop-web-1"], "it is of another project");
    }

    #[test]
    fn one_that_has_never_run_is_not_taken_in_and_does_not_take_out() {
        let never = |name| Labelled { has_run: false, ..container(name) };
        let mut roster = Roster::default();
        roster.listed(vec![never("job"), container("web")], at(0), GRACE);
        assert_eq!(names(&roster), ["web"]);
        roster.listed(vec![never("job"), never("web")], at(90), GRACE);
        assert_eq!((names(&roster), roster.next_end(GRACE)), (vec!["web".to_owned()], None));
        roster.listed(vec![container("job"), never("web")], at(91), GRACE);
        assert_eq!(names(&roster), ["job", "web"]);
    }
}
