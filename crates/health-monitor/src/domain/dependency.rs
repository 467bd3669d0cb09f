//! Which service needs which: one whose need is not met is not to blame.

use std::collections::HashMap;

use shared::order::ServiceName;

/// All that each service needs, directly or through others, as positions in the list of services.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dependencies {
    needs: Vec<Vec<usize>>,
    needed_by: Vec<usize>,
}

/// The dependencies cannot be followed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unordered {
    /// A service needs one that is not watched.
    #[error("needs {needed}, which is not watched")]
    Unknown {
        /// Who needs it.
        service: ServiceName,
        /// What is not watched.
        needed: String,
    },
    /// A service needs itself, by way of others.
    #[error("needs itself, by way of {by_way_of}")]
    Cycle {
        /// Which service.
        service: ServiceName,
        /// The way round.
        by_way_of: String,
    },
}

impl Unordered {
    /// The service that the fault lies with.
    pub fn service(&self) -> &ServiceName {
        match self {
            Self::Unknown { service, .. } | Self::Cycle { service, .. } => service,
        }
    }
}

impl Dependencies {
    /// Follows what each service says that it needs directly.
    pub fn new(direct: &[(&ServiceName, &[String])]) -> Result<Self, Unordered> {
        let places: HashMap<&str, usize> =
            direct.iter().enumerate().map(|(place, (name, _))| (name.as_str(), place)).collect();
        let mut edges = Vec::with_capacity(direct.len());
        for (service, needs) in direct {
            let place = |needed: &String| {
                let unknown = || Unordered::Unknown { service: (*service).clone(), needed: needed.clone() };
                places.get(needed.as_str()).copied().ok_or_else(unknown)
            };
            edges.push(needs.iter().map(place).collect::<Result<Vec<_>, _>>()?);
        }
        let names: Vec<&ServiceName> = direct.iter().map(|(name, _)| *name).collect();
        let mut needs = Vec::with_capacity(direct.len());
        let mut needed_by = vec![0; direct.len()];
        for start in 0..direct.len() {
            let all = reach(start, &edges, &names)?;
            all.iter().for_each(|needed| needed_by[*needed] += 1);
            needs.push(all);
        }
        Ok(Self { needs, needed_by })
    }

    /// All that the service needs.
    pub fn of(&self, service: usize) -> &[usize] {
        self.needs.get(service).map_or(&[], Vec::as_slice)
    }

    /// How many services need this one.
    pub fn needed_by(&self, service: usize) -> usize {
        self.needed_by.get(service).copied().unwrap_or_default()
    }
}

/// Everything that can be reached from `start`, nearest first.
fn reach(start: usize, edges: &[Vec<usize>], names: &[&ServiceName]) -> Result<Vec<usize>, Unordered> {
    let mut found = Vec::new();
    let mut came_from = HashMap::from([(start, start)]);
    let mut next = 0;
    let mut at = start;
    loop {
        for needed in &edges[at] {
            if *needed == start {
                return Err(cycle(start, at, &came_from, names));
            }
            if !came_from.contains_key(needed) {
                came_from.insert(*needed, at);
                found.push(*needed);
            }
        }
        let Some(another) = found.get(next) else { return Ok(found) };
        at = *another;
        next += 1;
    }
}

fn cycle(start: usize, end: usize, came_from: &HashMap<usize, usize>, names: &[&ServiceName]) -> Unordered {
    let mut way = Vec::new();
    let mut at = end;
    while at != start {
        way.push(names[at].as_str());
        at = came_from[&at];
    }
    way.reverse();
    let by_way_of = if way.is_empty() { "itself".to_owned() } else { way.join(", ") };
    Unordered::Cycle { service: names[start].clone(), by_way_of }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependencies(services: &[(&str, &[&str])]) -> Result<Dependencies, String> {
        let names: Vec<ServiceName> =
            services.iter().map(|(name, _)| ServiceName::new(name).unwrap()).collect();
        let needs: Vec<Vec<String>> =
            services.iter().map(|(_, needs)| needs.iter().map(ToString::to_string).collect()).collect();
        let direct: Vec<_> = names.iter().zip(&needs).map(|(name, needs)| (name, needs.as_slice())).collect();
        Dependencies::new(&direct).map_err(|fault| format!("{} {fault}", fault.service()))
    }

    #[test]
    fn needs_are_followed_through_others() {
        let all = dependencies(&[("web", &["api"]), ("api", &["db"]), ("db", &[])]).unwrap();
        assert_eq!(all.of(0), [1, 2]);
        assert_eq!(all.needed_by(2), 2);
        assert!(all.of(2).is_empty());
    }

    #[test]
    fn a_circle_and_a_stranger_are_named() {
        let circle = dependencies(&[("web", &["api"]), ("api", &["db"]), ("db", &["web"])]).unwrap_err();
        assert_eq!(circle, "web needs itself, by way of api, db");
        assert_eq!(dependencies(&[("web", &["web"])]).unwrap_err(), "web needs itself, by way of itself");
        assert_eq!(dependencies(&[("web", &["db"])]).unwrap_err(), "web needs db, which is not watched");
    }
}
