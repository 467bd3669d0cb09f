//! What the operator wants.

use std::time::Duration;

use super::change::{Phase, Trigger};
use super::play::Playbook;
use super::window::shape::Shape;

/// How usage is analysed, and what is done about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// How the window divides time.
    pub shape: Shape,
    /// Time between two analyses.
    pub analysis_interval: Duration,
    /// The least improvement that is worth a recommendation, from 0 to 1.
    pub threshold: f64,
    /// Whether the daemon applies on its own what matters much.
    pub auto_apply: bool,
    /// Which changes are judged.
    pub judged: JudgedChanges,
    /// Whether changes are judged by an A/B test of the instances where a service can be tested so.
    pub ab_tests: bool,
    /// Whether a change of which nobody can say whether it is better stays.
    pub keep_inconclusive: bool,
    /// What platforms do about which issue, in place of published settings.
    pub playbook: Playbook,
}

/// Which changes are judged, and taken back when they are not better.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JudgedChanges {
    /// All.
    All,
    /// Those that the daemon made on its own.
    Automatic,
    /// None.
    None,
}

impl JudgedChanges {
    /// Every choice, as it is spelt in the configuration.
    pub const CHOICES: [&'static str; 3] = ["all", "automatic", "none"];

    /// The choice of this word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "automatic" => Self::Automatic,
            "none" => Self::None,
            _ => Self::All,
        }
    }

    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Automatic => "automatic",
            Self::None => "none",
        }
    }

    /// The phase of a change that has just taken effect, wanted by this one.
    pub fn first_phase(self, trigger: Trigger) -> Phase {
        if self.includes(trigger) { Phase::Settling } else { Phase::Unjudged }
    }

    /// Whether a change that was wanted by this one is judged.
    pub fn includes(self, trigger: Trigger) -> bool {
        match self {
            Self::All => true,
            Self::Automatic => trigger == Trigger::Automatic,
            Self::None => false,
        }
    }
}
