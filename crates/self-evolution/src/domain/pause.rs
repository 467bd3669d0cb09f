//! The kill switch: a person holds back all changes for a while.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use utoipa::ToSchema;

/// Changes are held back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Until when; none for until somebody resumes.
    pub until: Option<Timestamp>,
    /// Why, in the words of whoever wanted it.
    pub reason: Option<String>,
}

impl Pause {
    /// Whether it still holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}
