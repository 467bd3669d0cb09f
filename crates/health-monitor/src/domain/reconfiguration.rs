//! What another configuration changes, told in a few words.

use serde::{Deserialize, Serialize};
use shared::order::ServiceName;

use super::policy::{Policy, ServicePolicy};

/// Names that are told; of more the number says how many there are.
const TOLD: usize = 20;

/// The settings were changed while the daemon ran.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reconfiguration {
    /// Services that are watched from now on.
    pub services: usize,
    /// Those among them that were not watched before.
    pub added: Names,
    /// Those that are no longer watched.
    pub removed: Names,
    /// Those that are watched or healed in another way.
    pub changed: Names,
    /// Whether what holds for all services together is another.
    pub is_fleet_changed: bool,
    /// Whether others are told, or of something else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub are_notifications_changed: bool,
}

/// Names of services, the first few of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub first: Vec<ServiceName>,
}

impl Names {
    fn of<'a>(services: impl Iterator<Item = &'a ServicePolicy>) -> Self {
        let mut names = Self::default();
        for service in services {
            names.count += 1;
            if names.first.len() < TOLD {
                names.first.push(service.name.clone());
            }
        }
        names
    }

    /// The names as a person reads them; empty when there is none.
    pub fn told(&self) -> String {
        let mut told: Vec<String> = self.first.iter().map(ToString::to_string).collect();
        let untold = self.count.saturating_sub(told.len());
        if untold > 0 {
            told.push(format!("{untold} more"));
        }
        told.join(", ")
    }
}

impl Reconfiguration {
    /// The way from one policy to another. `was` gives the place that each service of `after` had in `before`.
    pub(super) fn between(before: &Policy, after: &Policy, was: &[Option<usize>]) -> Self {
        let pairs = || after.services.iter().zip(was);
        let mut stays = vec![false; before.services.len()];
        was.iter().flatten().for_each(|place| stays[*place] = true);
        let is_another = |(service, was): &(&ServicePolicy, &Option<usize>)| {
            was.is_some_and(|place| before.services[place] != **service)
        };
        let gone = before.services.iter().zip(&stays).filter(|(_, stays)| !**stays);
        Self {
            services: after.services.len(),
            added: Names::of(pairs().filter(|(_, was)| was.is_none()).map(|(service, _)| service)),
            removed: Names::of(gone.map(|(service, _)| service)),
            changed: Names::of(pairs().filter(is_another).map(|(service, _)| service)),
            is_fleet_changed: before.fleet != after.fleet || before.observe_first != after.observe_first,
            are_notifications_changed: before.notifications != after.notifications,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_told_by_their_number() {
        let first = vec![ServiceName::new("web").unwrap(), ServiceName::new("db").unwrap()];
        assert_eq!(Names { count: 2, first: first.clone() }.told(), "web, db");
        assert_eq!(Names { count: 9_000, first }.told(), "web, db, 8998 more");
        assert_eq!(Names::default().told(), "");
    }
}
