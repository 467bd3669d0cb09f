//! One trouble of one service, from the first failure to its end.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{OrderId, ServiceName};

/// What an incident was opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Probes failed.
    Failure,
    /// Somebody asked for a recovery of a service that passed its probes.
    Request,
}

/// One trouble of one service. Errors, attempts and the end share its identity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Incident {
    /// Identity.
    #[schema(value_type = String, format = Uuid)]
    pub incident_id: OrderId,
    /// Which service.
    #[schema(value_type = String)]
    pub service: ServiceName,
    /// Why it was opened.
    pub cause: Cause,
    /// When the first failing probe began; null for a request.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failed_at: Option<Timestamp>,
    /// When the failures were enough, or the request came.
    #[schema(value_type = String, format = DateTime)]
    pub detected_at: Timestamp,
    /// When the service was verified as healthy again; null while it lasts.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Attempts that were started.
    pub attempts: u32,
}
