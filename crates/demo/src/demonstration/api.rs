//! What health-monitor and the services answer, as any client would ask.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shared::clock::Timestamp;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// How long the services are asked within a snapshot: one that hangs must not hold up the story.
const GLANCE_LIMIT: Duration = Duration::from_millis(100);

/// A service as `/service-status` shows it.
#[derive(Clone, PartialEq, Deserialize, Debug)]
pub(super) struct ServiceStatus {
    pub(super) state: State,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) failures: u32,
}

/// The state of a service.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Unknown,
    Healthy,
    Suspect,
    Unhealthy,
    Recovering,
    Verifying,
    Quarantined,
}

impl State {
    /// Whether it fails and nothing is being done about it.
    pub(super) fn is_failing(self) -> bool {
        matches!(self, Self::Suspect | Self::Unhealthy | Self::Quarantined)
    }

    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::Unhealthy => "unhealthy",
            Self::Recovering => "recovering",
            Self::Verifying => "verifying",
            Self::Quarantined => "quarantined",
        }
    }
}

/// One entry of `/recovery-history`.
#[derive(Clone, PartialEq, Deserialize, Debug)]
pub(super) struct Recovery {
    pub(super) recovery_id: String,
    pub(super) service: String,
    pub(super) trigger: Trigger,
    pub(super) action: String,
    pub(super) target: Target,
    pub(super) phase: Phase,
    pub(super) outcome: Option<Outcome>,
    pub(super) reason: Option<String>,
    pub(super) detected_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) accepted_at: Option<Timestamp>,
    pub(super) instance_changed_at: Option<Timestamp>,
    pub(super) verified_at: Option<Timestamp>,
    pub(super) time_to_recover_seconds: Option<f64>,
    pub(super) attempt: u32,
}

impl Recovery {
    /// Whether anything was ordered; a guard or a last check may have kept it from that.
    pub(super) fn is_ordered(&self) -> bool {
        match self.phase {
            Phase::Preflight => false,
            Phase::Acting | Phase::Verifying | Phase::Concluding => true,
            Phase::Finished => self.accepted_at.is_some() || self.outcome == Some(Outcome::ActionFailed),
        }
    }
}

/// What a recovery acts on.
#[derive(Clone, PartialEq, Deserialize, Debug)]
pub(super) struct Target {
    pub(super) backend: String,
}

/// Who wanted a recovery.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trigger {
    Automatic,
    Manual,
}

impl Trigger {
    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }
}

/// How far a recovery is.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    Preflight,
    Acting,
    Verifying,
    Concluding,
    Finished,
}

/// How a recovery ended.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Recovered,
    NotRecovered,
    ActionFailed,
    SelfRecovered,
    Suppressed,
    Superseded,
    #[serde(rename = "unknown_outcome")]
    Unknown,
}

/// What the story needs of `/statistics`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize, Debug)]
pub(super) struct Statistics {
    pub(super) total_services: usize,
    pub(super) healthy_services: usize,
}

/// Everything that is known at one moment.
#[derive(Clone, Default, Debug)]
pub(super) struct Snapshot {
    pub(super) services: BTreeMap<String, ServiceStatus>,
    pub(super) recoveries: Vec<Recovery>,
    pub(super) statistics: Statistics,
    /// The process that answers for a service, by service; only of those that were asked and answered.
    pub(super) pids: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct RecoveryHistory {
    recoveries: Vec<Recovery>,
}

#[derive(Deserialize)]
struct Health {
    pid: u32,
}

/// Asks health-monitor and the services.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    monitor: String,
}

impl Client {
    /// A client of the health-monitor at this URL.
    pub(super) fn new(monitor: &str) -> Result<Self> {
        // Every question gets a connection of its own, as a new user's would: a closed port must show.
        let http =
            reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(ANSWER_LIMIT).build()?;
        Ok(Self { http, monitor: monitor.to_owned() })
    }

    /// What health-monitor knows now, and which processes answer at these URLs.
    pub(super) async fn snapshot(&self, services: &[(String, String)]) -> Result<Snapshot> {
        let (services_now, history, statistics, pids) = tokio::join!(
            self.ask("service-status"),
            self.ask::<RecoveryHistory>("recovery-history"),
            self.ask("statistics"),
            self.pids(services),
        );
        Ok(Snapshot {
            services: services_now?,
            recoveries: history?.recoveries,
            statistics: statistics?,
            pids,
        })
    }

    /// The process that answers at this URL.
    pub(super) async fn pid(&self, url: &str) -> Result<u32> {
        let health: Health = self.get(&format!("{url}/health")).await?;
        Ok(health.pid)
    }

    /// Turns a fault knob of the service at this URL.
    pub(super) async fn turn_knob(&self, url: &str, knob: &str) -> Result<()> {
        let url = format!("{url}/fault/{knob}");
        let answer = self.http.post(&url).send().await.and_then(reqwest::Response::error_for_status);
        answer.map(drop).with_context(|| format!("POST {url}"))
    }

    async fn pids(&self, services: &[(String, String)]) -> BTreeMap<String, u32> {
        let mut asked = tokio::task::JoinSet::new();
        for (name, url) in services.iter().cloned() {
            let client = self.clone();
            asked.spawn(async move {
                let pid = tokio::time::timeout(GLANCE_LIMIT, client.pid(&url)).await;
                Some((name, pid.ok()?.ok()?))
            });
        }
        asked.join_all().await.into_iter().flatten().collect()
    }

    async fn ask<T: DeserializeOwned>(&self, route: &str) -> Result<T> {
        self.get(&format!("{}/{route}", self.monitor)).await
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T> {
        let answer = self.http.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let answer = answer.with_context(|| format!("GET {url}"))?;
        answer.json().await.with_context(|| format!("understand the answer of GET {url}"))
    }
}
