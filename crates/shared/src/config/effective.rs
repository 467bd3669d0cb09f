//! The effective configuration in little room, for a process that shows it while it runs.

use std::collections::BTreeMap;

use super::fault::Faults;
use super::group::{Group, Member, Settled};
use super::overlay::{Defaults, inherit};
use super::print::print_json;
use super::setting::{Section, Setting};
use super::source::Origin;
use super::value::Value;

/// Settled values without those that follow from the table or the root: of thousands of members the whole would be
/// larger than the rest of a daemon.
pub(super) struct Effective {
    section: &'static Section,
    defaults: Defaults,
    root: Group,
    members: BTreeMap<&'static str, Vec<Named>>,
}

/// A member as it is kept.
struct Named {
    name: Box<str>,
    origin: Origin,
    kept: Kept,
}

/// What somebody gave, or was worked out.
#[derive(Default)]
struct Kept {
    values: Box<[(&'static str, Settled)]>,
    sections: Box<[(&'static str, Kept)]>,
}

impl Effective {
    /// Keeps these values of this table.
    pub(super) fn new(section: &'static Section, mut root: Group) -> Self {
        // What they may find has been told when the configuration was read.
        let defaults = Defaults::of(section, &mut Faults::default());
        let mut members = BTreeMap::new();
        for (key, defaults) in defaults.all_below() {
            let Some(all) = root.members.remove(key) else { continue };
            let named = all.into_iter().map(|member| Named {
                name: member.name.into(),
                origin: member.origin,
                kept: Kept::of(defaults, member.group),
            });
            members.insert(key, named.collect());
        }
        Self { section, defaults, root, members }
    }

    /// The same with these settings of the root as they are in another one.
    #[must_use]
    pub(super) fn keeping(mut self, settings: &[&'static str], of: &Self) -> Self {
        for key in settings {
            match of.root.values.get(key) {
                Some(settled) => drop(self.root.values.insert(key, settled.clone())),
                None => drop(self.root.values.remove(key)),
            }
        }
        self
    }

    /// The names of the members of a section, in the order of the file.
    pub(super) fn names(&self, section: &str) -> impl Iterator<Item = &str> {
        self.members.get(section).into_iter().flatten().map(|named| named.name.as_ref())
    }

    /// The values with their origins, as [`print_json`] shows them, with those members that `wanted` takes by section,
    /// place and name.
    pub(super) fn to_json(&self, wanted: impl Fn(&str, usize, &str) -> bool) -> serde_json::Value {
        let mut shown = self.root.clone();
        for below in self.section.sections {
            let Some(all) = self.members.get(below.key) else { continue };
            let chosen =
                all.iter().enumerate().filter(|(place, named)| wanted(below.key, *place, &named.name));
            let members = chosen.map(|(_, named)| self.whole(below, named)).collect();
            shown.members.insert(below.key, members);
        }
        print_json(self.section, &shown)
    }

    /// The member with what was left out.
    fn whole(&self, section: &Section, named: &Named) -> Member {
        let mut group = named.kept.to_group();
        if let Some(defaults) = self.defaults.below(section.key) {
            defaults.fill(&mut group);
        }
        inherit(section, &self.root.values, &mut group);
        Member { name: named.name.to_string(), origin: named.origin.clone(), group }
    }
}

impl Kept {
    fn of(defaults: &Defaults, mut group: Group) -> Self {
        let values = defaults.values.iter().filter_map(|(setting, default)| {
            let (key, settled) = group.values.remove_entry(setting.key)?;
            (!follows(setting, default.as_ref(), &settled)).then_some((key, settled))
        });
        let values = values.collect();
        let mut sections = group.sections;
        let below = defaults.all_below();
        let below =
            below.filter_map(|(key, defaults)| Some((key, Self::of(defaults, sections.remove(key)?))));
        Self { values, sections: below.collect() }
    }

    fn to_group(&self) -> Group {
        Group {
            values: self.values.iter().cloned().collect(),
            sections: self.sections.iter().map(|(key, kept)| (*key, kept.to_group())).collect(),
            ..Group::default()
        }
    }
}

/// Whether the table or the root gives this value again.
fn follows(setting: &Setting, default: Option<&Value>, settled: &Settled) -> bool {
    match settled.origin {
        Origin::Inherited(key) => setting.inherits == Some(key),
        Origin::Default => default.is_some_and(|default| default.is(&settled.value)),
        Origin::Flag(_)
        | Origin::Variable(_)
        | Origin::NamedFile { .. }
        | Origin::File { .. }
        | Origin::Label { .. } => false,
    }
}
