//! What self-evolution answers, as any client would ask.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, Response};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The counter of what was reported.
const RECORDED: &str = "self_evolution_usage_events_recorded_total";

/// A recommendation, as far as the story tells it.
#[derive(Clone, Deserialize, Debug)]
pub(super) struct Recommendation {
    pub(super) id: String,
    pub(super) target_service: String,
    pub(super) priority: String,
    pub(super) description: String,
    pub(super) estimated_improvement: f64,
    pub(super) evidence: Vec<Evidence>,
    pub(super) confidence: String,
    changes: Vec<SettingChange>,
    is_executable: bool,
}

/// What was seen of an endpoint.
#[derive(Clone, Deserialize, Debug)]
pub(super) struct Evidence {
    pub(super) endpoint: String,
    pub(super) requests: u64,
    pub(super) mean_response_time: f64,
    pub(super) p95: f64,
}

#[derive(Clone, Deserialize, Debug)]
struct SettingChange {
    key: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Recommendation {
    /// Whether applying it would switch a cache on.
    pub(super) fn is_for_cache(&self) -> bool {
        let is_cache =
            |change: &SettingChange| change.key == "response-cache" && change.after == Some(true.into());
        self.is_executable && self.changes.iter().any(is_cache)
    }

    /// What it changes, from what to what.
    pub(super) fn changes(&self) -> String {
        let word =
            |value: &Option<Value>| value.as_ref().map_or_else(|| "unset".to_owned(), Value::to_string);
        let words = self
            .changes
            .iter()
            .map(|SettingChange { key, before, after }| format!("{key} {} -> {}", word(before), word(after)));
        words.collect::<Vec<_>>().join(", ")
    }
}

/// What a service is told, and who has fetched it.
#[derive(Clone, Deserialize, Debug)]
pub(super) struct Told {
    service: String,
    version: u64,
    pub(super) settings: BTreeMap<String, IgnoredAny>,
    deliveries: BTreeMap<String, Delivery>,
}

#[derive(Clone, Copy, Deserialize, Debug)]
struct Delivery {
    version: u64,
}

impl Told {
    /// How many instances have fetched what holds now.
    pub(super) fn fetched(&self) -> usize {
        self.deliveries.values().filter(|delivery| delivery.version == self.version).count()
    }
}

#[derive(Deserialize)]
struct Analysis {
    recommendations: Vec<Recommendation>,
}

/// A change, as far as it has come.
#[derive(Clone, Deserialize, Debug)]
pub(super) struct Change {
    pub(super) phase: String,
    ab_test: Option<AbTest>,
    pub(super) verdict: Option<Verdict>,
    pub(super) rollback: Option<Rollback>,
}

#[derive(Clone, Deserialize, Debug)]
struct AbTest {
    swapped: Option<IgnoredAny>,
}

/// How a change turned out.
#[derive(Clone, Deserialize, Debug)]
pub(super) struct Verdict {
    pub(super) outcome: String,
    pub(super) reason: String,
    comparison: Option<Comparison>,
}

#[derive(Clone, Copy, Deserialize, Debug)]
struct Comparison {
    improvement: f64,
}

/// That a change was taken back.
#[derive(Clone, Deserialize, Debug)]
pub(super) struct Rollback {
    pub(super) trigger: String,
}

impl Change {
    /// Whether only half of the instances have it.
    pub(super) fn is_ab_test(&self) -> bool {
        self.ab_test.is_some()
    }

    /// Whether the two groups of instances have changed places.
    pub(super) fn is_swapped(&self) -> bool {
        self.ab_test.as_ref().is_some_and(|test| test.swapped.is_some())
    }
}

impl Verdict {
    /// The part of the response time that went, from what was compared.
    pub(super) fn improvement(&self) -> Option<f64> {
        self.comparison.map(|comparison| comparison.improvement)
    }
}

/// Asks self-evolution.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    evolution: String,
}

impl Client {
    /// A client of the self-evolution at this URL.
    pub(super) fn new(evolution: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT).build()?;
        Ok(Self { http, evolution: evolution.to_owned() })
    }

    /// Something once it can work.
    pub(super) async fn is_ready(&self) -> Result<Option<()>> {
        let answer = self.http.get(format!("{}/readyz", self.evolution)).send().await;
        Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(()))
    }

    /// How many requests it was told of.
    pub(super) async fn recorded(&self) -> Result<Option<u64>> {
        let metrics = self.send(Method::GET, "metrics").await?.text().await?;
        Ok(counted(&metrics))
    }

    /// Has everything analysed that was reported so far.
    pub(super) async fn analyze(&self) -> Result<Vec<Recommendation>> {
        Ok(self.ask::<Analysis>(Method::POST, "analyze").await?.recommendations)
    }

    /// Has a recommendation carried out.
    pub(super) async fn apply(&self, id: &str) -> Result<()> {
        self.send(Method::POST, &format!("apply-optimization/{id}")).await.map(drop)
    }

    /// How far its change has come.
    pub(super) async fn change(&self, id: &str) -> Result<Change> {
        self.ask(Method::GET, &format!("changes/{id}")).await
    }

    /// What a service is told. Asked for all, because who asks for one counts as an instance of it.
    pub(super) async fn told(&self, service: &str) -> Result<Option<Told>> {
        let all: Vec<Told> = self.ask(Method::GET, "settings").await?;
        Ok(all.into_iter().find(|told| told.service == service))
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, route: &str) -> Result<T> {
        let what = format!("understand the answer of {method} {route} of self-evolution");
        self.send(method, route).await?.json().await.context(what)
    }

    async fn send(&self, method: Method, route: &str) -> Result<Response> {
        let url = format!("{}/{route}", self.evolution);
        let what = format!("{method} {url}");
        let answer = self.http.request(method, &url).send().await;
        answer.and_then(Response::error_for_status).context(what)
    }
}

/// The counter in the text of the metrics; none before it is shown.
fn counted(metrics: &str) -> Option<u64> {
    let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(RECORDED));
    lines.find_map(|rest| rest.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_among_the_metrics() {
        let metrics =
            format!("# HELP {RECORDED} events\n# TYPE x counter\n{RECORDED}_other 3\n{RECORDED} 32\n");
        assert_eq!(counted(&metrics), Some(32));
        assert_eq!(counted("# EOF\n"), None);
    }
}
