//! All layers together.

use super::fault::{Faults, Warning};
use super::group::Group;
use super::overlay::{Defaults, inherit, overlay};
use super::setting::Section;
use super::source::Sources;
use super::suggest::is_misspelling;
use super::walk::Walk;
use super::yaml;

/// Misspelt variables that are named; a crowded environment must not fill the log.
const MAX_WARNINGS: usize = 20;

/// What the layers say, before the daemon's own checks.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The settled values.
    pub root: Group,
    /// What is wrong so far.
    pub faults: Faults,
    /// What is probably a mistake.
    pub warnings: Vec<Warning>,
}

/// Reads all layers. `derive` settles the values that are worked out from others, after the constant defaults
/// and before anything below the root inherits from it. Faults do not stop the reading: a value that cannot
/// be used is replaced by its default, so that checks of several values still have something to look at.
pub fn load(section: &Section, sources: &Sources, derive: impl FnOnce(&mut Group)) -> Loaded {
    let mut loaded = Loaded::default();
    if let Some(path) = &sources.file {
        match yaml::read(path, &sources.files) {
            Ok(node) => {
                let file = path.display().to_string().into();
                let mut walk = Walk { file, faults: &mut loaded.faults };
                loaded.root = walk.group(section, String::new(), node);
            }
            Err(fault) => loaded.faults.push(*fault),
        }
    }
    overlay(section, sources, &mut loaded.root, &mut loaded.faults);
    let defaults = Defaults::of(section, &mut loaded.faults);
    defaults.fill(&mut loaded.root);
    derive(&mut loaded.root);
    // Once more, for the groups that were derived.
    defaults.fill(&mut loaded.root);
    let values = loaded.root.values.clone();
    inherit(section, &values, &mut loaded.root);
    loaded.warnings = misspelt_variables(section, sources);
    loaded
}

fn misspelt_variables(section: &Section, sources: &Sources) -> Vec<Warning> {
    let mut ours: Vec<String> = Vec::new();
    for setting in section.settings() {
        ours.push(setting.key.to_owned());
        ours.extend(setting.fallback.map(str::to_owned));
        ours.extend(setting.file_variable());
    }
    let names = sources.environment.iter().filter_map(|(name, _)| name.to_str());
    names
        .filter(|name| is_variable(name) && !ours.iter().any(|our| our == name))
        .filter_map(|name| ours.iter().find(|our| is_misspelling(name, our)).map(|our| (name, our)))
        .take(MAX_WARNINGS)
        .map(|(name, our)| Warning {
            subject: format!("environment variable {name}"),
            message: format!("is not read; did you mean {our}?"),
        })
        .collect()
}

fn is_variable(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
