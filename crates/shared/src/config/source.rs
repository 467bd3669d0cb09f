//! Where values come from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::files::Files;

/// What configuration is read from. Nothing else is looked at, so a test gives what it likes.
#[derive(Clone, Default)]
pub struct Sources {
    /// Flags that were given: the key of the setting (or its `_FILE` form) and the value.
    pub flags: BTreeMap<String, String>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The texts of all files that were read.
    pub files: Files,
}

impl Sources {
    /// The same sources, of which every file is read anew. Otherwise each is read once, so that what is loaded again
    /// from the same sources is the same.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { files: Files::default(), ..self.clone() }
    }
}

/// Shows names only, because values can be secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("flags", &self.flags.keys())
            .field("environment", &self.environment.len())
            .field("file", &self.file)
            .finish()
    }
}

/// Where one value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A flag, with its dashes.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A file that a flag or variable named.
    NamedFile {
        /// The flag or variable.
        named_by: Box<Origin>,
        /// The file.
        path: String,
    },
    /// The configuration file.
    File {
        /// The file.
        path: Arc<str>,
        /// The line of the value, from 1; none where it is not known.
        line: Option<u64>,
    },
    /// A label of a container.
    Label {
        /// Name of the container.
        container: Arc<str>,
        /// The label.
        label: Arc<str>,
    },
    /// A setting of the root, which stands in for one below it.
    Inherited(&'static str),
    /// Nobody gave one.
    Default,
}

impl Origin {
    /// Whether somebody gave the value, instead of a default or another setting.
    pub fn is_given(&self) -> bool {
        match self {
            Self::Flag(_)
            | Self::Variable(_)
            | Self::NamedFile { .. }
            | Self::File { .. }
            | Self::Label { .. } => true,
            Self::Inherited(_) | Self::Default => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Variable(variable) => write!(f, "environment variable {variable}"),
            Self::NamedFile { named_by, path } => write!(f, "file {path:?}, named by {named_by}"),
            Self::File { path, line: Some(line) } => write!(f, "file {path:?}, line {line}"),
            Self::File { path, line: None } => write!(f, "file {path:?}"),
            Self::Label { container, label } => write!(f, "label {label} of container {container}"),
            Self::Inherited(key) => write!(f, "as {key}"),
            Self::Default => f.write_str("default"),
        }
    }
}
