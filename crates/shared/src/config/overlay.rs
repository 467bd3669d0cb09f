//! Flags and environment variables, laid over what the file says.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::fault::{Fault, Faults};
use super::files::Files;
use super::group::{Group, Settled};
use super::setting::{Section, Setting};
use super::source::{Origin, Sources};
use super::value::{Value, parse};

/// Names a folder with secrets, each in a file that is called like its setting. Whoever starts the daemon sets it: systemd for
/// `LoadCredential=`, a manifest for a mounted Secret. Nothing has to be in it.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Lays one layer after the other over the group, weakest first.
pub(super) fn overlay(section: &Section, sources: &Sources, group: &mut Group, faults: &mut Faults) {
    for layer in [environment(section, sources, faults), flags(sources)] {
        for setting in section.settings() {
            match layer.value_of(setting, &sources.files) {
                None => {}
                Some(Ok(settled)) => {
                    group.values.insert(setting.key, settled);
                }
                Some(Err(fault)) => {
                    group.refused.insert(setting.key);
                    faults.push(*fault);
                }
            }
        }
    }
}

/// Names and values of one layer. The names are in lower case, which is how `envy` gives them.
struct Layer {
    given: BTreeMap<String, String>,
    origin: fn(&str) -> Origin,
}

fn flags(sources: &Sources) -> Layer {
    Layer {
        given: sources.flags.iter().map(|(key, value)| (key.to_ascii_lowercase(), value.clone())).collect(),
        origin: |key| Origin::Flag(format!("--{}", key.to_ascii_lowercase().replace('_', "-"))),
    }
}

fn environment(section: &Section, sources: &Sources, faults: &mut Faults) -> Layer {
    let origin = |key: &str| Origin::Variable(key.to_owned());
    let mut ours = Vec::new();
    for (name, value) in &sources.environment {
        let Some(name) = name.to_str().filter(|name| is_ours(section, name)) else {
            continue;
        };
        match value.to_str() {
            Some(value) if value.trim().is_empty() => {}
            Some(value) => ours.push((name.to_owned(), value.to_owned())),
            None => faults.push(Fault::new(name, "must be UTF-8 text").from_origin(origin(name))),
        }
    }
    let given = envy::from_iter(ours).unwrap_or_else(|error| {
        faults.push(Fault::new("environment", error.to_string()));
        BTreeMap::new()
    });
    Layer { given, origin }
}

fn is_ours(section: &Section, name: &str) -> bool {
    let of_a_setting = |setting: &Setting| {
        setting.key == name
            || setting.fallback == Some(name)
            || setting.file_variable().as_deref() == Some(name)
    };
    name == CREDENTIALS || section.settings().any(of_a_setting)
}

impl Layer {
    /// What this layer says about a setting; none where it says nothing.
    fn value_of(&self, setting: &Setting, files: &Files) -> Option<Result<Settled, Box<Fault>>> {
        let own = self.get(setting.key);
        let direct = own.or_else(|| setting.fallback.and_then(|name| self.get(name)));
        let file_variable = setting.file_variable();
        let file = file_variable.as_deref().and_then(|name| self.get(name));
        match (direct, file) {
            (None, None) => self.credential(setting, files),
            (Some((name, text)), None) => Some(settle(setting, text, (self.origin)(name))),
            (None, Some((name, path))) => Some(from_file(setting, path, (self.origin)(name), files)),
            (Some((name, _)), Some((file_name, _))) => {
                let (name, file_name) = ((self.origin)(name), (self.origin)(file_name));
                let fault = Fault::new(setting.key, format!("is given twice, by {name} and by {file_name}"));
                Some(Err(Box::new(fault.suggesting(Some("remove one of them".to_owned())))))
            }
        }
    }

    /// The secret in the folder of credentials.
    fn credential(&self, setting: &Setting, files: &Files) -> Option<Result<Settled, Box<Fault>>> {
        let (name, folder) = self.get(CREDENTIALS).filter(|_| setting.file_variable().is_some())?;
        let path = format!("{folder}/{}", setting.key);
        let text = files.value_if_there(&path)?;
        Some(settle_text(setting, path, (self.origin)(name), text))
    }

    fn get<'a>(&'a self, name: &'a str) -> Option<(&'a str, &'a str)> {
        self.given.get(&name.to_ascii_lowercase()).map(|value| (name, value.as_str()))
    }
}

fn settle(setting: &Setting, text: &str, origin: Origin) -> Result<Settled, Box<Fault>> {
    match parse(text, setting) {
        Ok(value) => Ok(Settled { value, origin }),
        Err(refusal) => Err(Box::new(
            Fault::new(setting.key, refusal.reason)
                .from_origin(origin)
                .with_value(text, setting.exposure)
                .suggesting(refusal.suggestion),
        )),
    }
}

fn from_file(setting: &Setting, path: &str, named_by: Origin, files: &Files) -> Result<Settled, Box<Fault>> {
    settle_text(setting, path.to_owned(), named_by, files.value(path))
}

fn settle_text(
    setting: &Setting,
    path: String,
    named_by: Origin,
    text: Result<SecretString, String>,
) -> Result<Settled, Box<Fault>> {
    let origin = Origin::NamedFile { named_by: Box::new(named_by), path };
    match text {
        Ok(text) => settle(setting, text.expose_secret(), origin),
        Err(reason) => Err(Box::new(Fault::new(setting.key, reason).from_origin(origin))),
    }
}

/// The constant defaults of a section and of those below it, read once: there may be thousands of groups.
pub(super) struct Defaults {
    pub(super) values: Vec<(&'static Setting, Option<Value>)>,
    below: Vec<(&'static str, Defaults)>,
}

impl Defaults {
    /// Reads them; one that is no value of its setting is a fault.
    pub(super) fn of(section: &Section, faults: &mut Faults) -> Self {
        let mut read = |setting: &'static Setting| {
            let settled = settle(setting, setting.default?, Origin::Default);
            settled.map_err(|fault| faults.push(*fault)).ok().map(|settled| settled.value)
        };
        let values = section.settings().map(|setting| (setting, read(setting))).collect();
        let below = section.sections.iter().map(|below| (below.key, Self::of(below, faults))).collect();
        Self { values, below }
    }

    /// Those of the sections below, by their keys.
    pub(super) fn all_below(&self) -> impl Iterator<Item = (&'static str, &Self)> {
        self.below.iter().map(|(key, defaults)| (*key, defaults))
    }

    /// Those of a section below.
    pub(super) fn below(&self, key: &str) -> Option<&Self> {
        self.below.iter().find(|(below, _)| *below == key).map(|(_, defaults)| defaults)
    }

    /// Fills them in, in this group and in every one below it.
    pub(super) fn fill(&self, group: &mut Group) {
        for (setting, default) in &self.values {
            let Some(value) = default.as_ref().filter(|_| !group.values.contains_key(setting.key)) else {
                continue;
            };
            group.settle(setting.key, value.clone(), Origin::Default);
        }
        for (key, defaults) in &self.below {
            let one = group.sections.get_mut(key).into_iter();
            let members = group.members.get_mut(key).into_iter().flatten().map(|member| &mut member.group);
            one.chain(members).for_each(|group| defaults.fill(group));
        }
    }
}

/// Lets settings below the root take the value of the root that they inherit.
pub(super) fn inherit(section: &Section, root: &BTreeMap<&'static str, Settled>, group: &mut Group) {
    for setting in section.settings() {
        let Some(key) = setting.inherits.filter(|_| !group.values.contains_key(setting.key)) else {
            continue;
        };
        if let Some(value) = root.get(key).map(|settled| settled.value.clone()) {
            group.settle(setting.key, value, Origin::Inherited(key));
        }
    }
    for_each_below(section, group, &mut |section, group| inherit(section, root, group));
}

fn for_each_below(section: &Section, group: &mut Group, visit: &mut dyn FnMut(&Section, &mut Group)) {
    for below in section.sections {
        if let Some(group) = group.sections.get_mut(below.key) {
            visit(below, group);
        }
        for member in group.members.get_mut(below.key).into_iter().flatten() {
            visit(below, &mut member.group);
        }
    }
}
