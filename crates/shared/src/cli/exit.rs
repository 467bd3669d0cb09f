//! How the process ends.

use std::process::ExitCode;

/// What the exit code tells the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done.
    Ok,
    /// It did not work, or what was checked is not well.
    Failed,
    /// The command line was not understood.
    Usage,
    /// The configuration cannot be used.
    Configuration,
}

impl Exit {
    /// The number that the operating system gets.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Configuration => 64,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
