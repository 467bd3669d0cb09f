//! What the operator wants.

use std::time::Duration;

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
}
