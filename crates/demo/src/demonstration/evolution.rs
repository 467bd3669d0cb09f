//! The second story: three services are slow. self-evolution switches a cache on for each, proves what that did, and takes
//! back what did harm.

mod client;
mod experiment;
mod load;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use shared::clock::Clock;

use super::api::State;
use super::follow::{Follower, STEP_LIMIT};
use super::narrator::seconds;
use super::report;
use crate::terminal::{Line, Tone};
use client::{Change, Client, Recommendation};
use experiment::{Experiment, PLOTS};
use load::Load;

pub(super) use experiment::{Expected, Plot};
pub(super) use load::Measured;

/// How long the services are seen without a change: more than the 20 spans and 300 requests that a verdict needs.
const BEFORE: Duration = Duration::from_secs(32);
/// How long a verdict may take.
const VERDICT_LIMIT: Duration = Duration::from_secs(120);
/// The pause between two looks at self-evolution.
const PAUSE: Duration = Duration::from_millis(200);

/// A change, and what came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) plot: Plot,
    pub(super) change: String,
    pub(super) before: Measured,
    pub(super) with_it: Measured,
    /// The part of the response time that was expected to go, from 0 to 1.
    pub(super) estimated: f64,
    /// The part that went, where that was compared.
    pub(super) measured: Option<f64>,
    /// The verdict, in a sentence.
    pub(super) verdict: String,
}

/// Waits until self-evolution can work.
pub(super) async fn meet(follower: &mut Follower<'_>) -> Result<()> {
    let evolution = &follower.daemons().evolution;
    let text = format!("started: pid {}, {}", evolution.pid(), evolution.url());
    let client = Client::new(evolution.url())?;
    follower.say(&Line::new("self-evolution", Tone::Plain, text))?;
    follower.during(until("self-evolution is ready", async || client.is_ready().await)).await
}

/// Makes services slow, and follows what is done about it. An error says what did not come out right.
pub(super) async fn tell(follower: &mut Follower<'_>, clock: &Arc<Clock>) -> Result<()> {
    let client = Client::new(follower.daemons().evolution.url())?;
    let healings = healings(follower);
    let mut story = Story { follower, client };
    let mut experiments = story.slow_down(clock).await?;
    story.collect(&mut experiments).await?;
    story.recommend(&mut experiments).await?;
    for experiment in &mut experiments {
        story.apply(experiment).await?;
    }
    story.follow_to_the_verdicts(&mut experiments).await?;
    let mut outcomes = Vec::new();
    for experiment in &experiments {
        outcomes.push(outcome(experiment)?);
        story.check(experiment).await?;
    }
    story.end(experiments).await?;
    story.expect_left_alone(healings).await?;
    let recorded = story.recorded().await?;
    report::changes(story.follower.terminal, &outcomes, recorded)?;
    Ok(())
}

fn outcome(experiment: &Experiment) -> Result<Outcome> {
    let Experiment { plot, before, with_it, .. } = experiment;
    let recommendation = recommended(experiment)?;
    let verdict = experiment.verdict.as_ref().with_context(|| format!("{} has no verdict", plot.service))?;
    Ok(Outcome {
        plot: *plot,
        change: recommendation.changes(),
        before: *before,
        with_it: *with_it,
        estimated: recommendation.estimated_improvement,
        measured: verdict.improvement(),
        verdict: verdict.reason.clone(),
    })
}

fn recommended(experiment: &Experiment) -> Result<&Recommendation> {
    experiment.recommendation.as_ref().context("nothing is recommended")
}

/// How often the services were healed, or tried to be.
fn healings(follower: &Follower<'_>) -> usize {
    let is_one = |service: &str| PLOTS.iter().any(|plot| plot.service == service);
    follower.last().recoveries.iter().filter(|recovery| is_one(&recovery.service)).count()
}

/// What the steps of the story need.
struct Story<'a, 'b> {
    follower: &'a mut Follower<'b>,
    client: Client,
}

impl Story<'_, '_> {
    fn say(&mut self, subject: &str, tone: Tone, text: String) -> Result<()> {
        self.follower.say(&Line::new(subject, tone, text))
    }

    /// Makes every service slow, and sends its users.
    async fn slow_down(&mut self, clock: &Arc<Clock>) -> Result<Vec<Experiment>> {
        let mut experiments = Vec::new();
        for plot in PLOTS {
            let urls = self.follower.fleet.instances(plot.service);
            for url in &urls {
                self.follower.client.turn_knob(url, plot.knob).await?;
            }
            let per_second = plot.per_second;
            let text =
                format!("takes 2.5 s from now on, for {per_second} requests a second; {}", plot.in_words);
            self.say(plot.service, Tone::Bad, text)?;
            let asked = urls.iter().map(|url| format!("{url}/{}", plot.route)).collect();
            experiments.push(Experiment {
                plot,
                urls,
                load: Load::start(asked, per_second, clock)?,
                recommendation: None,
                before: Measured::default(),
                with_it: Measured::default(),
                phase: String::new(),
                is_swapped: false,
                verdict: None,
            });
        }
        Ok(experiments)
    }

    async fn collect(&mut self, experiments: &mut [Experiment]) -> Result<()> {
        let text = format!("users ask for {} seconds; the services report every request", BEFORE.as_secs());
        self.say("demo", Tone::Plain, text)?;
        self.follower.rest(BEFORE).await?;
        let recorded = self.recorded().await?;
        self.say("self-evolution", Tone::Plain, format!("has recorded {recorded} requests"))?;
        for experiment in experiments {
            experiment.before = experiment.load.take();
        }
        Ok(())
    }

    async fn recorded(&mut self) -> Result<u64> {
        let client = &self.client;
        let recorded = async || client.recorded().await;
        self.follower.during(until("self-evolution says how many requests it has recorded", recorded)).await
    }

    async fn recommend(&mut self, experiments: &mut [Experiment]) -> Result<()> {
        let all = self.follower.during(self.client.analyze()).await?;
        for experiment in experiments {
            let service = experiment.plot.service;
            let is_it = |one: &&Recommendation| one.target_service == service && one.is_for_cache();
            let found = all.iter().find(is_it).with_context(|| {
                let (requests, mean) = (experiment.before.requests, seconds(Some(experiment.before.mean())));
                format!(
                    "self-evolution recommends no cache for {service} after {requests} requests of {mean}"
                )
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
            experiment.recommendation = Some(found.clone());
        }
        Ok(())
    }

    async fn apply(&mut self, experiment: &mut Experiment) -> Result<()> {
        let recommendation = recommended(experiment)?.clone();
        self.follower.during(self.client.apply(&recommendation.id)).await?;
        let change = self.follower.during(self.client.change(&recommendation.id)).await?;
        let service = experiment.plot.service;
        let whom = if change.is_ab_test() { "half of the instances of " } else { "" };
        let (changes, percent) = (recommendation.changes(), recommendation.estimated_improvement * 100.0);
        let text = format!("applied for {whom}{service}: {changes}; it expects {percent:.0} % less");
        self.say("self-evolution", Tone::Action, text)?;
        let is_tested = experiment.plot.expected == Expected::KeptByTest;
        ensure!(change.is_ab_test() == is_tested, "{service} is to be tested by instances: {is_tested}");
        self.slow_all_down(experiment).await
    }

    /// Whoever compares with what was before takes this for the change.
    async fn slow_all_down(&mut self, experiment: &Experiment) -> Result<()> {
        let Some(knob) = experiment.plot.slowdown else { return Ok(()) };
        for url in &experiment.urls {
            self.follower.client.turn_knob(url, knob).await?;
        }
        let text = "at the same time all four instances become twice as slow, with a cache or without";
        self.say(experiment.plot.service, Tone::Bad, text.to_owned())
    }

    async fn follow_to_the_verdicts(&mut self, experiments: &mut [Experiment]) -> Result<()> {
        self.say("demo", Tone::Plain, "now it is watched what that does, for about a minute".to_owned())?;
        let clock = tokio::time::Instant::now();
        while experiments.iter().any(|experiment| experiment.verdict.is_none()) {
            if clock.elapsed() > VERDICT_LIMIT {
                bail!("not every change was judged within {VERDICT_LIMIT:?}");
            }
            self.follower.rest(PAUSE).await?;
            for experiment in experiments.iter_mut().filter(|experiment| experiment.verdict.is_none()) {
                let id = recommended(experiment)?.id.clone();
                let change = self.follower.during(self.client.change(&id)).await?;
                self.tell_what_is_new(experiment, change).await?;
            }
        }
        Ok(())
    }

    async fn tell_what_is_new(&mut self, experiment: &mut Experiment, change: Change) -> Result<()> {
        let service = experiment.plot.service;
        if change.phase == "verifying" && experiment.phase != change.phase {
            self.say(
                "self-evolution",
                Tone::Plain,
                format!("the cache of {service} has settled, and is tried"),
            )?;
            experiment.load.take();
        }
        if change.is_swapped() && !experiment.is_swapped {
            let text = format!("the two groups of instances of {service} change places");
            self.say("self-evolution", Tone::Plain, text)?;
        }
        experiment.is_swapped = change.is_swapped();
        if let Some(verdict) = &change.verdict {
            experiment.with_it = experiment.load.take();
            let is_kept = change.phase == "kept";
            let (tone, what) = if is_kept { (Tone::Good, "kept") } else { (Tone::Warning, "taken back") };
            self.say("self-evolution", tone, format!("{what}, the cache of {service}: {}", verdict.reason))?;
            expect(experiment.plot, &change, verdict)?;
            experiment.verdict = Some(verdict.clone());
        }
        experiment.phase = change.phase;
        Ok(())
    }

    /// What was kept is told to every instance, and what was taken back to none.
    async fn check(&mut self, experiment: &Experiment) -> Result<()> {
        let (service, instances) = (experiment.plot.service, experiment.urls.len());
        let client = &self.client;
        let what = format!("all instances of {service} have fetched what holds now");
        let fetched = async || {
            let told = client.told(service).await?;
            Ok(told.filter(|told| told.fetched() >= instances))
        };
        let told = self.follower.during(until(&what, fetched)).await?;
        let is_on = told.settings.contains_key("response-cache");
        let stays = experiment.plot.expected != Expected::Harmful;
        ensure!(is_on == stays, "{service} is told response-cache: {is_on}, and should be: {stays}");
        Ok(())
    }

    /// Sends the users away, and makes the services quick again.
    async fn end(&mut self, experiments: Vec<Experiment>) -> Result<()> {
        for experiment in experiments {
            for url in &experiment.urls {
                self.follower.client.turn_knob(url, "none").await?;
            }
        }
        Ok(())
    }

    /// A slow service is not down: health-monitor has to leave it alone.
    async fn expect_left_alone(&mut self, healings_before: usize) -> Result<()> {
        for plot in PLOTS {
            let is_healthy = |service: &super::api::ServiceStatus| service.state == State::Healthy;
            let what = format!("{} is healthy at the end", plot.service);
            self.follower.until(&what, |now| now.services.get(plot.service).is_some_and(is_healthy)).await?;
        }
        if healings(self.follower) > healings_before {
            bail!("health-monitor took a service for broken that was only slow");
        }
        self.say("health-monitor", Tone::Good, "left all three alone: slow is not down".to_owned())
    }
}

/// Whether a change came out as it had to.
fn expect(plot: Plot, change: &Change, verdict: &client::Verdict) -> Result<()> {
    let service = plot.service;
    match plot.expected {
        Expected::Kept | Expected::KeptByTest => {
            ensure!(
                change.phase == "kept" && verdict.outcome == "better",
                "{service} has become quicker, and its cache is {}: {}",
                change.phase,
                verdict.reason
            );
        }
        Expected::Harmful => {
            let is_ours = change.rollback.as_ref().is_some_and(|rollback| rollback.trigger == "automatic");
            ensure!(
                is_ours && verdict.outcome == "harmful",
                "the cache of {service} does harm, and it is {}: {}",
                change.phase,
                verdict.reason
            );
        }
    }
    ensure!(
        change.is_swapped() == (plot.expected == Expected::KeptByTest),
        "whether the groups of instances of {service} have changed places: {}",
        change.is_swapped()
    );
    Ok(())
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
