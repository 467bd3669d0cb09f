//! What is wrong with a configuration, said so that a person can put it right.

use std::fmt;

use super::setting::Exposure;
use super::source::Origin;
use super::without_userinfo;

/// Faults beyond this many are counted but not kept: nobody reads more, and a hostile file could have a
/// hundred thousand.
const KEPT: usize = 100;

/// Characters of a value that a fault shows.
const SHOWN: usize = 80;

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The setting, as it is spelt where it came from: a variable, or a path in the file.
    pub key: String,
    /// Where the value came from; none where the fault is not about one value.
    pub origin: Option<Origin>,
    /// The value, when it may be shown.
    pub value: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// What to do about it.
    pub suggestion: Option<String>,
}

impl Fault {
    /// A fault of this setting.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), origin: None, value: None, reason: reason.into(), suggestion: None }
    }

    /// The same with where the value came from.
    pub fn from_origin(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// The same with the value, as far as its exposure allows.
    pub fn with_value(self, value: &str, exposure: Exposure) -> Self {
        let value = match exposure {
            Exposure::Public => Some(without_userinfo(value)),
            Exposure::HostOnly | Exposure::Secret => None,
        };
        Self { value, ..self }
    }

    /// The same with advice, when there is any.
    pub fn suggesting(self, suggestion: impl Into<Option<String>>) -> Self {
        Self { suggestion: suggestion.into(), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped, because keys and values can hold control characters that would act on a terminal.
        write!(f, "{}", self.key.chars().take(3 * SHOWN).collect::<String>().escape_debug())?;
        if let Some(value) = &self.value {
            let shortened: String = value.chars().take(SHOWN).collect();
            let more = if shortened.len() < value.len() { "…" } else { "" };
            write!(f, " = \"{}{more}\"", shortened.escape_debug())?;
        }
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        write!(f, "\n    {}", self.reason)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "\n    {suggestion}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    kept: Vec<Fault>,
    unkept: usize,
    /// What is probably a mistake; shown with the faults, because it may explain one.
    pub warnings: Vec<Warning>,
}

impl Faults {
    /// Adds one, unless the same is there already: what is wrong for all services is said once.
    pub fn push(&mut self, fault: Fault) {
        if self.kept.contains(&fault) {
            return;
        }
        if self.kept.len() < KEPT {
            self.kept.push(fault);
        } else {
            self.unkept += 1;
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.kept.len() + self.unkept
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The faults, in the order in which they were found; at most the first hundred.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.kept.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration cannot be used:\n")?;
        for fault in &self.kept {
            writeln!(f, "  {}\n", fault.to_string().replace('\n', "\n  "))?;
        }
        if self.unkept > 0 {
            writeln!(f, "  … and {} more\n", self.unkept)?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}\n")?;
        }
        let noun = if self.count() == 1 { "fault" } else { "faults" };
        write!(f, "{} {noun}; nothing was started", self.count())
    }
}

impl std::error::Error for Faults {}

/// Something that is probably a mistake, and harmless.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// What looks wrong.
    pub subject: String,
    /// Why, and what was probably meant.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject.escape_debug(), self.message)
    }
}
