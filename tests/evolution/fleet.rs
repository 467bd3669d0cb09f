//! The instances of services: what each was told when it last fetched, and how it is by itself.

use std::collections::BTreeMap;

use self_evolution::domain::setting::ServiceSettings;

/// What instances say that had no variant of a test.
const NO_VARIANT: &str = "published";

/// One instance.
#[derive(Clone, PartialEq, Debug)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Whether it asks for what it is told.
    pub fetches: bool,
    /// Whether it was told any setting.
    pub has_it: bool,
    /// Which variant it had.
    pub variant: String,
    /// How many times as long it takes as others.
    pub slowness: f64,
}

/// All instances, by service.
#[derive(Default)]
pub struct Fleet(BTreeMap<String, Vec<Instance>>);

impl Fleet {
    /// From now on a service has these instances.
    pub fn set(&mut self, service: &str, names: &[&str]) {
        let known = self.0.remove(service).unwrap_or_default();
        let of_name = |name: &&str| {
            let known = known.iter().find(|one| one.name == **name).cloned();
            let new = Instance {
                name: (*name).to_owned(),
                fetches: true,
                has_it: false,
                variant: NO_VARIANT.to_owned(),
                slowness: 1.0,
            };
            Instance { fetches: true, ..known.unwrap_or(new) }
        };
        self.0.insert(service.to_owned(), names.iter().map(of_name).collect());
    }

    /// From now on these instances of a service do not ask what they are told; none of it where none is named.
    pub fn fetches_nothing(&mut self, service: &str, names: &[&str]) {
        for instance in self.0.get_mut(service).into_iter().flatten() {
            instance.fetches &= !names.is_empty() && !names.contains(&&*instance.name);
        }
    }

    /// From now on an instance takes so many times as long as others.
    pub fn slow_down(&mut self, service: &str, name: &str, slowness: f64) {
        let of_service = self.0.get_mut(service).into_iter().flatten();
        for instance in of_service.filter(|one| one.name == name) {
            instance.slowness = slowness;
        }
    }

    /// The instances of a service.
    pub fn of(&self, service: &str) -> &[Instance] {
        self.0.get(service).map_or(&[], |instances| instances)
    }

    /// Every instance that asks what it is told, with its service.
    pub fn fetching(&self) -> Vec<(String, String)> {
        let of_service = |(service, instances): (&String, &Vec<Instance>)| {
            let fetching = instances.iter().filter(|one| one.fetches);
            fetching.map(|one| (service.clone(), one.name.clone())).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of_service).collect()
    }

    /// An instance was told this. Whether it has any setting now, where that is news.
    pub fn was_told(&mut self, service: &str, name: &str, told: Option<&ServiceSettings>) -> Option<bool> {
        let instance = self.0.get_mut(service)?.iter_mut().find(|one| one.name == name)?;
        let has_it =
            told.is_some_and(|told| told.settings.keys().any(|key| told.told_to(name, key).is_some()));
        let variant = told.and_then(|told| told.variant_of(name));
        instance.variant = variant.unwrap_or_else(|| NO_VARIANT.to_owned());
        (std::mem::replace(&mut instance.has_it, has_it) != has_it).then_some(has_it)
    }
}
