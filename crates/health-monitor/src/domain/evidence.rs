//! What was seen of a service right before it was acted upon, for whoever looks for the cause afterwards.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{OrderId, ServiceName};

/// Evidence that is kept in memory and shown, of all services; the journal has more.
pub const KEPT: usize = 20;

/// What was seen, redacted. Everything is best effort: what could not be had says why.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Seen {
    /// What the platform says of the instance: `exited (137)`.
    pub platform: Option<String>,
    /// The last lines that the instance wrote: at most 200, and 64 KiB.
    pub logs: Option<String>,
    /// Bodies of the last probes that failed, oldest first: at most three, of 4 KiB each.
    pub probe_bodies: Vec<String>,
    /// What could not be had, and why.
    pub missing: Vec<String>,
}

/// The evidence of one recovery.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// Of which recovery; also its identity.
    #[schema(value_type = String, format = Uuid)]
    pub recovery_id: OrderId,
    /// Of which service.
    #[schema(value_type = String)]
    pub service: ServiceName,
    /// When it was taken in.
    #[schema(value_type = String, format = DateTime)]
    pub taken_at: Timestamp,
    /// What was seen.
    #[serde(flatten)]
    pub seen: Seen,
}

/// The evidence as its recovery names it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EvidenceLink {
    /// Its identity, as `GET /recoveries/{id}/evidence` finds it.
    #[schema(value_type = String, format = Uuid)]
    pub evidence_id: OrderId,
    /// What there is, in a sentence.
    pub summary: String,
}

impl Seen {
    /// What there is, in a sentence; the newest line of the log included, since it often says it all.
    pub fn summary(&self) -> String {
        const LINE: usize = 200;
        let lines = self.logs.as_deref().map_or(0, |logs| logs.lines().count());
        let platform = self.platform.as_deref().unwrap_or("state of the platform unknown");
        let bodies = self.probe_bodies.len();
        let last =
            self.logs.as_deref().and_then(|logs| logs.lines().rev().find(|line| !line.trim().is_empty()));
        let last = last.map(|line| line.chars().take(LINE).collect::<String>());
        let last = last.map(|line| format!("; the last line: {line}")).unwrap_or_default();
        format!("{platform}; {lines} log lines, {bodies} bodies of failing probes{last}")
    }
}
