//! Clients that ask a service the same questions over and over, and how long they wait for the answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::header::HeaderMap;
use shared::clock::Clock;
use tokio::task::JoinSet;

/// What is asked; each client has one question.
pub(super) const QUESTIONS: [&str; 4] =
    [r#"{"coin":"BTC"}"#, r#"{"coin":"ETH"}"#, r#"{"coin":"SOL"}"#, r#"{"coin":"ADA"}"#];

/// How long is asked at most; who is answered quickly is done far earlier.
const LONGEST: Duration = Duration::from_secs(8);

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Clients that ask at the same time.
    pub(super) clients: usize,
    /// Requests of each, one after the other; fewer where the answers take too long.
    pub(super) rounds: usize,
}

/// How long the answers took.
#[derive(Clone, Default, Debug)]
pub(in super::super) struct Measured {
    /// Seconds; in no order.
    times: Vec<f64>,
    /// Answers that the service had kept.
    pub(in super::super) kept: usize,
}

impl Measured {
    /// How many requests were answered.
    pub(in super::super) fn requests(&self) -> usize {
        self.times.len()
    }

    /// The mean response time in seconds; not a number without requests.
    pub(in super::super) fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
        let count = self.times.len() as f64;
        self.times.iter().sum::<f64>() / count
    }

    /// The time in seconds that 95 % of the requests did not exceed; 0 without requests.
    pub(in super::super) fn p95(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        let rank = (times.len() * 95).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.kept += other.kept;
    }
}

/// Asks at this URL, and waits for all answers. An error when one of them is not a success.
pub(super) async fn send(url: &str, load: Load, clock: &Arc<Clock>) -> Result<Measured> {
    let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT).build()?;
    // They end with the set, whoever drops it.
    let mut clients = JoinSet::new();
    for question in QUESTIONS.into_iter().cycle().take(load.clients) {
        let client = Asking { http: http.clone(), url: url.to_owned(), question, clock: Arc::clone(clock) };
        clients.spawn(client.ask(load.rounds));
    }
    let mut all = Measured::default();
    while let Some(measured) = clients.join_next().await {
        all.add(measured??);
    }
    Ok(all)
}

/// One client.
struct Asking {
    http: reqwest::Client,
    url: String,
    question: &'static str,
    clock: Arc<Clock>,
}

impl Asking {
    async fn ask(self, rounds: usize) -> Result<Measured> {
        let mut measured = Measured::default();
        let end = self.clock.now() + LONGEST;
        for _ in 0..rounds {
            let asked_at = self.clock.now();
            if asked_at > end {
                break;
            }
            let headers = self.answer().await.with_context(|| format!("POST {}", self.url))?;
            measured.times.push(self.clock.now().since(asked_at).as_secs_f64());
            measured.kept += usize::from(headers.get("x-cache").is_some_and(|cache| cache == "hit"));
        }
        Ok(measured)
    }

    async fn answer(&self) -> reqwest::Result<HeaderMap> {
        let answer = self.http.post(&self.url).body(self.question).send().await?.error_for_status()?;
        let headers = answer.headers().clone();
        answer.bytes().await?;
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_percentile_are_those_of_all_requests() {
        let mut measured = Measured { times: vec![3.0; 19], kept: 0 };
        measured.add(Measured { times: vec![1.0], kept: 1 });
        assert_eq!((measured.requests(), measured.kept), (20, 1));
        assert!((measured.mean() - 2.9).abs() < 1e-9);
        let measured = Measured { times: (1..=100).rev().map(f64::from).collect(), kept: 0 };
        assert!((measured.p95() - 95.0).abs() < f64::EPSILON);
    }
}
