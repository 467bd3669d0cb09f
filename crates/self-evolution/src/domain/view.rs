//! What the API, the metrics and the pages read: a snapshot that shares everything with the state.

use shared::clock::Timestamp;

use super::calibration::Calibration;
use super::change::Changes;
use super::fact::Analysed;
use super::pause::Pause;
use super::play::{Plans, Playbook};
use super::recommendation::Recommendations;
use super::setting::Settings;
use super::state::Totals;

/// A snapshot of everything but the window.
#[derive(Clone, Debug)]
pub struct View {
    /// When it was taken.
    pub at: Timestamp,
    /// What is recommended.
    pub recommendations: Recommendations,
    /// What was changed.
    pub changes: Changes,
    /// What services are told.
    pub settings: Settings,
    /// What the last analysis gave, and when.
    pub analysed: Option<(Timestamp, Analysed)>,
    /// The last analysis of this process that is over; they are numbered from 1.
    pub run: u64,
    /// What came of changes, by their kind.
    pub calibration: Calibration,
    /// Changes are held back.
    pub pause: Option<Pause>,
    /// Counts.
    pub totals: Totals,
    /// Endpoints that are told apart.
    pub endpoints: usize,
    /// Whether the daemon applies on its own what matters much.
    pub auto_apply: bool,
    /// What platforms do about which issue.
    pub playbook: Playbook,
    /// What that would be for what is recommended, as of the last look.
    pub plans: Plans,
}
