//! What a person sees while a log is reported.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Sentences on the error output, above a bar where that is a terminal and the end is known.
#[derive(Clone)]
pub(crate) struct Terminal(ProgressBar);

impl Terminal {
    /// A bar of so many bytes; none without an end.
    pub(crate) fn new(length: Option<u64>) -> Self {
        let Some(length) = length.filter(|_| io::stderr().is_terminal()) else {
            return Self(ProgressBar::hidden());
        };
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {eta} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(length).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Says something.
    pub(crate) fn tell(&self, sentence: &str) {
        // Nobody is left to tell when the terminal is gone.
        self.0.suspend(|| drop(writeln!(io::stderr(), "{sentence}")));
    }

    /// Shows how far it is.
    pub(crate) fn reached(&self, bytes: u64, events: u64) {
        self.0.set_position(bytes);
        self.0.set_message(format!("{events} events"));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
