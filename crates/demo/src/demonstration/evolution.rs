//! The second story: a service is slow, self-evolution finds what helps, makes the change and takes it back.

mod client;
mod load;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use shared::clock::Clock;

use super::api::State;
use super::follow::{Follower, STEP_LIMIT};
use super::narrator::seconds;
use super::report;
use crate::instance::Instance;
use crate::terminal::{Line, Tone};
use client::{Client, Recommendation};
use load::{Load, Measured, QUESTIONS};

/// The service that is slow.
const SERVICE: &str = "crypto-prediction";

/// Its route, and how many seconds its work takes. Above two seconds on average self-evolution calls it slow.
const ROUTE: &str = "predict";
const WORK_SECONDS: f64 = 2.5;

/// Who asks before the change: enough requests to be sure of, in two rounds.
const BEFORE: Load = Load { clients: 16, rounds: 2 };
/// Who asks with the change in effect: the first round still has to wait.
const AFTER: Load = Load { clients: 16, rounds: 30 };
/// Who asks once the change is taken back.
const TAKEN_BACK: Load = Load { clients: 16, rounds: 1 };

/// The pause between two looks at self-evolution.
const PAUSE: Duration = Duration::from_millis(100);

/// A change, and what came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) service: &'static str,
    pub(super) change: String,
    pub(super) before: Measured,
    pub(super) after: Measured,
    pub(super) taken_back: Measured,
    /// The part of the response time that was expected to go, from 0 to 1.
    pub(super) estimated: f64,
    /// Requests that self-evolution was told of.
    pub(super) recorded: u64,
}

impl Outcome {
    /// The part of the mean response time that went, up to 1; negative when it grew.
    pub(super) fn measured(&self) -> f64 {
        1.0 - self.after.mean() / self.before.mean()
    }
}

/// Waits until self-evolution can work.
pub(super) async fn meet(follower: &mut Follower<'_>) -> Result<()> {
    let evolution = &follower.daemons().evolution;
    let text = format!("started: pid {}, {}", evolution.pid(), evolution.url());
    let client = Client::new(evolution.url())?;
    follower.say(&Line::new("self-evolution", Tone::Plain, text))?;
    follower.during(until("self-evolution is ready", async || client.is_ready().await)).await
}

/// Makes a service slow, and follows what is done about it. An error says what did not come out right.
pub(super) async fn tell(follower: &mut Follower<'_>, clock: &Arc<Clock>) -> Result<()> {
    let client = Client::new(follower.daemons().evolution.url())?;
    let member = follower.fleet.member(SERVICE)?;
    let url = member.url();
    let instance = member.running().with_context(|| format!("{SERVICE} does not run"))?;
    let healings = healings(follower);
    let mut story = Story { follower, client, clock, url, instance };

    story.slow_down().await?;
    let before = story.measure(BEFORE).await?;
    story.collected(before.requests()).await?;
    let recommendation = story.recommended(&before).await?;
    story.apply(&recommendation).await?;
    let after = story.measure(AFTER).await?;
    story.take_back(&recommendation).await?;
    let taken_back = story.measure(TAKEN_BACK).await?;
    let recorded = story.collected(before.requests() + after.requests() + taken_back.requests()).await?;
    story.expect_left_alone(healings).await?;

    let estimated = recommendation.estimated_improvement;
    let change = recommendation.changes();
    let outcome = Outcome { service: SERVICE, change, before, after, taken_back, estimated, recorded };
    report::change(story.follower.terminal, &outcome)?;
    judge(&outcome)
}

/// Whether the change did what it was made for, and its end took that away again.
fn judge(outcome: &Outcome) -> Result<()> {
    let Outcome { service, before, taken_back, estimated, .. } = outcome;
    let measured = outcome.measured();
    ensure!(
        measured >= *estimated,
        "{service} became quicker by {:.0} %, and {:.0} % were expected",
        measured * 100.0,
        estimated * 100.0
    );
    ensure!(
        taken_back.mean() > before.mean() / 2.0,
        "{service} is still quick although the change was taken back: mean {}",
        seconds(Some(taken_back.mean()))
    );
    Ok(())
}

/// How often the service was healed, or tried to be.
fn healings(follower: &Follower<'_>) -> usize {
    follower.last().recoveries.iter().filter(|recovery| recovery.service == SERVICE).count()
}

/// What the steps of the story need.
struct Story<'a, 'b> {
    follower: &'a mut Follower<'b>,
    client: Client,
    clock: &'a Arc<Clock>,
    /// Where the service answers.
    url: String,
    /// The process of the service.
    instance: Instance,
}

impl Story<'_, '_> {
    fn say(&mut self, subject: &str, tone: Tone, text: String) -> Result<()> {
        self.follower.say(&Line::new(subject, tone, text))
    }

    async fn slow_down(&mut self) -> Result<()> {
        self.follower.client.turn_knob(&self.url, &format!("uncached?seconds={WORK_SECONDS}")).await?;
        let text = format!("takes {WORK_SECONDS} s for each request from now on; its health stays as it is");
        self.say(SERVICE, Tone::Bad, text)
    }

    async fn measure(&mut self, load: Load) -> Result<Measured> {
        let (clients, requests) = (load.clients, load.clients * load.rounds);
        let text = format!(
            "{clients} clients send {requests} requests, with {} questions among them",
            QUESTIONS.len()
        );
        self.say("demo", Tone::Plain, text)?;
        let url = format!("{}/{ROUTE}", self.url);
        let measured = self.follower.during(load::send(&url, load, self.clock)).await?;
        let mut text = format!(
            "answered {} requests: mean {}, p95 {}",
            measured.requests(),
            seconds(Some(measured.mean())),
            seconds(Some(measured.p95()))
        );
        let tone = if measured.kept > 0 { Tone::Good } else { Tone::Warning };
        if measured.kept > 0 {
            text += &format!("; {} from its cache", measured.kept);
        }
        self.say(SERVICE, tone, text)?;
        Ok(measured)
    }

    /// Waits until self-evolution was told of so many requests since the start.
    async fn collected(&mut self, expected: usize) -> Result<u64> {
        let client = &self.client;
        let expected = u64::try_from(expected)?;
        let what = format!("self-evolution is told of {expected} requests");
        let all = async || Ok(client.recorded().await?.filter(|recorded| *recorded >= expected));
        let recorded = self.follower.during(until(&what, all)).await?;
        let text = format!("has recorded {recorded} requests, as the service reported them");
        self.say("self-evolution", Tone::Plain, text)?;
        Ok(recorded)
    }

    async fn recommended(&mut self, seen: &Measured) -> Result<Recommendation> {
        let recommendations = self.follower.during(self.client.analyze()).await?;
        let is_it = |one: &Recommendation| one.target_service == SERVICE && one.is_for_cache();
        let found = recommendations.into_iter().find(is_it).with_context(|| {
            let (requests, mean) = (seen.requests(), seconds(Some(seen.mean())));
            format!("self-evolution recommends no cache for {SERVICE} after {requests} requests of {mean}")
        })?;
        let text = format!("recommends {} ({}): {}", found.id, found.priority, found.description);
        self.say("self-evolution", Tone::Action, text)?;
        for evidence in &found.evidence {
            let text = format!(
                "evidence: {}, {} requests, mean {}, p95 {}; confidence {}",
                evidence.endpoint,
                evidence.requests,
                seconds(Some(evidence.mean_response_time)),
                seconds(Some(evidence.p95)),
                found.confidence
            );
            self.say("self-evolution", Tone::Plain, text)?;
        }
        Ok(found)
    }

    async fn apply(&mut self, recommendation: &Recommendation) -> Result<()> {
        let applied = self.follower.during(self.client.apply(&recommendation.id)).await?;
        let text = format!(
            "applied: {}; it expects {:.0} % less",
            recommendation.changes(),
            recommendation.estimated_improvement * 100.0
        );
        self.say("self-evolution", Tone::Action, text)?;
        self.delivered(applied.version, "true").await?;
        let delivered_to = self.follower.during(self.client.delivered_to(&recommendation.id)).await?;
        ensure!(delivered_to > 0, "/changes/{} says that nobody has fetched it", recommendation.id);
        Ok(())
    }

    async fn take_back(&mut self, recommendation: &Recommendation) -> Result<()> {
        self.follower.during(self.client.roll_back(&recommendation.id)).await?;
        let now = self.follower.during(self.client.told(SERVICE)).await?;
        let now = now.with_context(|| format!("{SERVICE} is not among the settings any more"))?;
        ensure!(!now.settings.contains_key("response-cache"), "{SERVICE} is still told response-cache");
        let text = format!("took it back: {}", recommendation.changes_back());
        self.say("self-evolution", Tone::Action, text)?;
        self.delivered(now.version, "unset").await
    }

    /// Waits until the service's process has fetched this version of its settings.
    async fn delivered(&mut self, version: u64, value: &str) -> Result<()> {
        let (client, instance) = (&self.client, self.instance.to_string());
        let what = format!("{SERVICE}, {instance}, fetches version {version} of its settings");
        let fetched = async || {
            let now = client.told(SERVICE).await?;
            let fetched = now.and_then(|now| now.deliveries.get(&instance).map(|delivery| delivery.version));
            Ok((fetched >= Some(version)).then_some(()))
        };
        self.follower.during(until(&what, fetched)).await?;
        let text = format!(
            "pid {} has fetched version {version} of its settings: response-cache {value}",
            self.instance.pid
        );
        self.say(SERVICE, Tone::Plain, text)
    }

    /// A slow service is not down: health-monitor has to leave it alone.
    async fn expect_left_alone(&mut self, healings_before: usize) -> Result<()> {
        let is_healthy = |service: &super::api::ServiceStatus| service.state == State::Healthy;
        let what = format!("{SERVICE} is healthy at the end");
        self.follower.until(&what, |now| now.services.get(SERVICE).is_some_and(is_healthy)).await?;
        if healings(self.follower) > healings_before {
            bail!("health-monitor took {SERVICE} for broken, although it was only slow");
        }
        self.say("health-monitor", Tone::Good, format!("left {SERVICE} alone: slow is not down"))
    }
}

/// Looks until there is something to see.
async fn until<T>(what: &str, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let looking = async {
        loop {
            if let Some(seen) = look().await? {
                return Ok(seen);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let seen = tokio::time::timeout(STEP_LIMIT, looking).await;
    seen.unwrap_or_else(|_| Err(anyhow!("not within {STEP_LIMIT:?}: {what}")))
}
