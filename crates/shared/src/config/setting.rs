//! The declaration of settings: what exists, what it means, what it may be.

/// What a value may be. Numbers carry their inclusive limits.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// Any text, a path included.
    Text,
    /// `true`, `false`, `1`, `0`, `yes`, `no`, `on`, `off`, in any case.
    Boolean,
    /// A whole number.
    Whole {
        /// The least that is taken.
        min: u64,
        /// The most that is taken.
        max: u64,
    },
    /// A number, decimals allowed.
    Number {
        /// The least that is taken.
        min: f64,
        /// The most that is taken.
        max: f64,
    },
    /// A length of time in seconds, decimals allowed.
    Seconds {
        /// The least that is taken.
        min: f64,
        /// The most that is taken.
        max: f64,
    },
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// An IP address with a port.
    Address,
    /// An `http` or `https` URL.
    Url,
    /// A URL with one of these schemes.
    UrlOf(&'static [&'static str]),
    /// An argument vector. Only the file can give one, so that nobody who can set a variable can choose what
    /// is executed.
    Words,
}

/// How much of a value may be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exposure {
    /// All of it, except a user name and password in a URL.
    Public,
    /// The scheme and host of a URL: its path or query may be a credential.
    HostOnly,
    /// Nothing, not even in a fault.
    Secret,
}

/// One setting. Its key is the name of the environment variable; in the file it is written in lower case, as a
/// flag in kebab case. Settings below the root (those of one service) exist in the file only; their keys are
/// lower case from the start.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name of it.
    pub key: &'static str,
    /// An older environment variable that is read when the one of the key is not set.
    pub fallback: Option<&'static str>,
    /// The value where nobody gives one, as it would be written.
    pub default: Option<&'static str>,
    /// Where the default is not a constant: what it is, for a person.
    pub default_doc: Option<&'static str>,
    /// The key of the root whose value stands in when this one, below the root, is not given.
    pub inherits: Option<&'static str>,
    /// The unit of a number.
    pub unit: Option<&'static str>,
    /// What it may be.
    pub kind: Kind,
    /// How much of it may be shown.
    pub exposure: Exposure,
    /// What it is for: one sentence without the full stop.
    pub doc: &'static str,
}

impl Setting {
    /// A public setting without a default.
    pub const fn new(key: &'static str, kind: Kind, doc: &'static str) -> Self {
        let unit = match kind {
            Kind::Seconds { .. } => Some("seconds"),
            Kind::Text
            | Kind::Boolean
            | Kind::Whole { .. }
            | Kind::Number { .. }
            | Kind::Choice(_)
            | Kind::Address
            | Kind::Url
            | Kind::UrlOf(_)
            | Kind::Words => None,
        };
        Self {
            key,
            fallback: None,
            default: None,
            default_doc: None,
            inherits: None,
            unit,
            kind,
            exposure: Exposure::Public,
            doc,
        }
    }

    /// The same with a default.
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same with a default that is worked out, described for a person.
    pub const fn or_derived(self, default_doc: &'static str) -> Self {
        Self { default_doc: Some(default_doc), ..self }
    }

    /// The same with a setting of the root to fall back to.
    pub const fn inherits(self, key: &'static str) -> Self {
        Self { inherits: Some(key), ..self }
    }

    /// The same with an older environment variable to fall back to.
    pub const fn formerly(self, variable: &'static str) -> Self {
        Self { fallback: Some(variable), ..self }
    }

    /// The same with a unit.
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// The same, not to be shown.
    pub const fn secret(self) -> Self {
        Self { exposure: Exposure::Secret, ..self }
    }

    /// The same, of which only the host may be shown.
    pub const fn host_only(self) -> Self {
        Self { exposure: Exposure::HostOnly, ..self }
    }

    /// How the file spells the key.
    pub fn file_key(&self) -> String {
        self.key.to_ascii_lowercase()
    }

    /// Whether the file spells the key like this.
    pub(super) fn is_in_file_as(&self, key: &str) -> bool {
        self.key.eq_ignore_ascii_case(key) && !key.bytes().any(|b| b.is_ascii_uppercase())
    }

    /// How the command line spells the key, without the dashes in front.
    pub fn flag(&self) -> String {
        self.key.to_ascii_lowercase().replace('_', "-")
    }

    /// The variable that names a file with the value; only for what is not public.
    pub fn file_variable(&self) -> Option<String> {
        match self.exposure {
            Exposure::Public => None,
            Exposure::HostOnly | Exposure::Secret => Some(format!("{}_FILE", self.key)),
        }
    }
}

/// Settings that belong together, under a heading for people.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// The heading.
    pub heading: &'static str,
    /// The settings, in the order in which they are shown.
    pub settings: &'static [Setting],
}

/// A mapping of the configuration file: its settings and the sections below it.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The key of it; empty for the root.
    pub key: &'static str,
    /// What it is for: one sentence without the full stop.
    pub doc: &'static str,
    /// Its settings.
    pub chapters: &'static [Chapter],
    /// What is below it.
    pub sections: &'static [Section],
    /// None for a section that exists once. Otherwise it maps names to groups of these settings, and this is
    /// how many there may be.
    pub members_at_most: Option<usize>,
}

impl Section {
    /// All settings of this section, without those of the sections below.
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        self.chapters.iter().flat_map(|chapter| chapter.settings)
    }

    /// All keys as documentation writes them: those of the root as variables, those below it as paths in the
    /// file (`services.<name>.url`).
    pub fn documented_keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        self.collect_keys("", &mut keys);
        keys
    }

    fn collect_keys(&self, path: &str, keys: &mut Vec<String>) {
        keys.extend(self.settings().map(|setting| format!("{path}{}", setting.key)));
        for section in self.sections {
            let name = if section.members_at_most.is_some() { "<name>." } else { "" };
            section.collect_keys(&format!("{path}{}.{name}", section.key), keys);
        }
    }
}
