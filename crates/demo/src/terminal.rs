//! The person who watches: lines with the time since the start, coloured where that helps.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use shared::clock::{Clock, Timestamp};

/// The exit code of a command that was interrupted before it was done, as shells show it.
pub const INTERRUPTED: u8 = 130;

/// How wide the column of the services is: the longest name of the seven and two spaces.
const SUBJECT_WIDTH: usize = 19;

/// What a line means, shown as its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// Something is well again.
    Good,
    /// Something is suspicious.
    Warning,
    /// Something is broken.
    Bad,
    /// Somebody does something.
    Action,
}

impl Tone {
    fn colour(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Action => "\x1b[36m",
        }
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Who it is about: a service, health-monitor or the demonstration.
    pub subject: String,
    /// What happened.
    pub text: String,
    /// What it means.
    pub tone: Tone,
}

impl Line {
    /// A line about this subject.
    pub fn new(subject: impl Into<String>, tone: Tone, text: impl Into<String>) -> Self {
        Self { subject: subject.into(), text: text.into(), tone }
    }
}

/// Where the lines go.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    is_coloured: bool,
    clock: Arc<Clock>,
    started_at: Timestamp,
}

impl Terminal {
    /// Standard output; in colour when a person looks at it and has not asked otherwise (<https://no-color.org>).
    pub fn standard_output(clock: Arc<Clock>) -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_coloured = io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb;
        Self { out: Box::new(io::stdout()), is_coloured, started_at: clock.now(), clock }
    }

    /// Shows what has just happened.
    pub fn say(&mut self, line: &Line) -> io::Result<()> {
        let elapsed = self.clock.now().since(self.started_at).as_secs_f64();
        let Line { subject, text, tone } = line;
        if self.is_coloured {
            let colour = tone.colour();
            writeln!(
                self.out,
                "\x1b[2m+{elapsed:04.1}s\x1b[0m  \x1b[1m{subject:SUBJECT_WIDTH$}\x1b[0m{colour}{text}\x1b[0m"
            )?;
        } else {
            writeln!(self.out, "+{elapsed:04.1}s  {subject:SUBJECT_WIDTH$}{text}")?;
        }
        self.out.flush()
    }

    /// Shows text without a time.
    pub fn show(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Shows a heading.
    pub fn heading(&mut self, text: &str) -> io::Result<()> {
        if self.is_coloured {
            return self.show(&format!("\n\x1b[1m{text}\x1b[0m"));
        }
        self.show(&format!("\n{text}"))
    }
}
