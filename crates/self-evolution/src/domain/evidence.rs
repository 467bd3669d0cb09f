//! What was seen that speaks for a recommendation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use utoipa::ToSchema;

use super::window::bucket::Bucket;

/// What was seen of one endpoint that speaks for a recommendation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The endpoint, with parameters in place of identities.
    #[schema(value_type = String)]
    pub endpoint: Arc<str>,
    /// Which detector found it; empty where a version before this one did.
    #[serde(default)]
    pub detector: String,
    /// What was seen: over the window, or over the last `buckets` of it.
    #[serde(flatten)]
    pub now: Figures,
    /// How many buckets that is, where it is not the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u32>,
    /// What it is compared with: the buckets before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Figures>,
    /// Which part of the response time has come on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<Interval>,
    /// The chance that it looks so bad, or worse, by accident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// How quickly errors use up what a 99 % objective allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn: Option<Burn>,
    /// When it began, as far as that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<Timestamp>,
}

/// What was counted over a span.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// Requests.
    pub requests: u64,
    /// Of these, answered with a status from 400 on.
    pub errors: u64,
    /// Their part of all requests.
    pub error_rate: f64,
    /// Mean response time, in seconds.
    pub mean_response_time: f64,
    /// Median response time, in seconds, to within 1.6 %.
    pub p50: f64,
    /// The time that 95 % of the requests did not exceed.
    pub p95: f64,
    /// The time that 99 % of the requests did not exceed.
    pub p99: f64,
}

impl From<Bucket> for Figures {
    fn from(Bucket { counters, times }: Bucket) -> Self {
        let quantile = |part| times.quantile(part).unwrap_or_default();
        Self {
            requests: counters.requests,
            errors: counters.errors(),
            error_rate: counters.error_rate().unwrap_or_default(),
            mean_response_time: counters.mean().unwrap_or_default(),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

/// A number that is not known exactly, with its interval of 95 % confidence.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// How the mean response time of a service goes with its load, over buckets.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoadSensitivity {
    /// Spearman's rank correlation, from −1 to 1.
    pub spearman: f64,
    /// The chance of so much, or more, if answers do not take longer under load.
    pub p: f64,
    /// Buckets with requests that were looked at.
    pub buckets: usize,
}

/// Errors as a multiple of what the objective allows, over two spans that end now.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Burn {
    /// The multiple from which on it is too many.
    pub threshold: f64,
    /// Buckets of the long span.
    pub long_buckets: u32,
    /// The multiple over it.
    pub long: f64,
    /// Buckets of the short span.
    pub short_buckets: u32,
    /// The multiple over it.
    pub short: f64,
}
