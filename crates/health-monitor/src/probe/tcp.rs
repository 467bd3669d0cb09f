//! A connection over TCP: whoever takes it serves.

use std::time::Duration;

use super::dial::Dialer;
use super::failure::unless_late;
use crate::domain::reading::Answer;

/// Probes one port.
pub(super) struct TcpProbe(pub(super) Dialer);

impl TcpProbe {
    /// Asks once. `elapsed` gives the time since the probe began.
    pub(super) async fn ask(&self, elapsed: impl Fn() -> Duration) -> Answer {
        match self.0.connect().await {
            Ok(_) => Answer::Serving,
            Err(answer) => unless_late(answer, self.0.timeout, elapsed()),
        }
    }
}
