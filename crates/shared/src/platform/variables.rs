//! Changes of the variables of an instance.

use std::fmt;

/// Variables to set and to remove.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Variables {
    /// Name and value.
    pub set: Vec<(String, String)>,
    /// Names.
    pub remove: Vec<String>,
}

/// Leaves out the values: they may be secrets.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<&str> = self.set.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Variables").field("set", &set).field("remove", &self.remove).finish()
    }
}

impl Variables {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Whether these variables would be others after the change.
    pub fn would_change(&self, variables: &[String]) -> bool {
        let (mut before, mut after) = (variables.to_vec(), self.applied_to(variables.to_vec()));
        before.sort();
        after.sort();
        before != after
    }

    /// These variables, `NAME=value` each, after the change. A name alone is a variable without a value.
    pub fn applied_to(&self, mut variables: Vec<String>) -> Vec<String> {
        let name_of = |one: &str| one.split('=').next().unwrap_or_default().to_owned();
        let is_changed =
            |name: &String| self.remove.contains(name) || self.set.iter().any(|(set, _)| set == name);
        variables.retain(|one| !is_changed(&name_of(one)));
        variables.extend(self.set.iter().map(|(name, value)| format!("{name}={value}")));
        variables
    }
}
