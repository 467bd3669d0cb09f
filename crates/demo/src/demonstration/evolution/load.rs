//! Users who ask a service at a steady pace, whatever it answers, and how long they wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use shared::clock::Clock;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// What is asked; over and over.
const QUESTIONS: [&str; 4] =
    [r#"{"coin":"BTC"}"#, r#"{"coin":"ETH"}"#, r#"{"coin":"SOL"}"#, r#"{"coin":"ADA"}"#];

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Requests that wait for their answers at once; none is sent beyond them.
const MOST_UNDER_WAY: usize = 500;

/// How the answers were.
#[derive(Clone, Copy, Default, Debug)]
pub(in super::super) struct Measured {
    /// Requests that were answered, or not at all.
    pub(in super::super) requests: usize,
    /// Of these, those that failed.
    pub(in super::super) failed: usize,
    seconds: f64,
}

impl Measured {
    /// The mean response time in seconds; not a number without requests.
    pub(in super::super) fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
        let count = self.requests as f64;
        self.seconds / count
    }
}

/// Users who ask until it is dropped.
pub(super) struct Load {
    measured: Arc<Mutex<Measured>>,
    _asking: JoinSet<()>,
}

impl Load {
    /// Asks at these URLs in turn, so many times a second.
    pub(super) fn start(urls: Vec<String>, per_second: u32, clock: &Arc<Clock>) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT).build()?;
        let measured = Arc::default();
        let asking = ask(http, urls, per_second, Arc::clone(clock), Arc::clone(&measured));
        let mut set = JoinSet::new();
        set.spawn(asking);
        Ok(Self { measured, _asking: set })
    }

    /// What was answered since the last time that it was asked for.
    pub(super) fn take(&self) -> Measured {
        std::mem::take(&mut self.measured.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn ask(
    http: reqwest::Client,
    urls: Vec<String>,
    per_second: u32,
    clock: Arc<Clock>,
    measured: Arc<Mutex<Measured>>,
) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    // Every instance is asked every question.
    let turns = urls.iter().cycle().zip((0..).map(|turn| QUESTIONS[turn / urls.len() % QUESTIONS.len()]));
    for (url, question) in turns {
        ticks.tick().await;
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= MOST_UNDER_WAY {
            continue;
        }
        let request = http.post(url).body(question);
        let (clock, measured) = (Arc::clone(&clock), Arc::clone(&measured));
        under_way.spawn(async move {
            let asked_at = clock.now();
            let answer = request.send().await.and_then(reqwest::Response::error_for_status);
            let failed = match answer {
                Ok(answer) => answer.bytes().await.is_err(),
                Err(_) => true,
            };
            let seconds = clock.now().since(asked_at).as_secs_f64();
            let mut measured = measured.lock().unwrap_or_else(PoisonError::into_inner);
            measured.requests += 1;
            measured.failed += usize::from(failed);
            measured.seconds += seconds;
        });
    }
}
