//! Following what health-monitor sees and does, and telling it as it happens.

use std::future::Future;
use std::time::Duration;

use anyhow::{Error, Result, anyhow};

use super::api::{Client, Outcome, Snapshot, State};
use super::fleet::Fleet;
use super::narrator::Narrator;
use super::next_steps;
use super::process::Daemons;
use crate::terminal::{Line, Terminal};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a step of the story may take.
pub(super) const STEP_LIMIT: Duration = Duration::from_secs(45);

/// Looks at health-monitor again and again, and tells what is new.
pub(super) struct Follower<'a> {
    pub(super) client: Client,
    pub(super) narrator: Narrator,
    pub(super) fleet: &'a Fleet,
    pub(super) terminal: &'a mut Terminal,
    daemons: &'a mut Daemons,
    last: Snapshot,
    /// Why the last look saw nothing.
    blind: Option<Error>,
}

impl<'a> Follower<'a> {
    /// Nothing is known yet.
    pub(super) fn new(
        fleet: &'a Fleet,
        daemons: &'a mut Daemons,
        terminal: &'a mut Terminal,
    ) -> Result<Self> {
        let client = Client::new(daemons.monitor.url())?;
        let (narrator, last) = (Narrator::default(), Snapshot::default());
        Ok(Self { client, narrator, fleet, terminal, daemons, last, blind: None })
    }

    /// What was last seen.
    pub(super) fn last(&self) -> &Snapshot {
        &self.last
    }

    /// The daemons' processes.
    pub(super) fn daemons(&self) -> &Daemons {
        self.daemons
    }

    /// Tells one line.
    pub(super) fn say(&mut self, line: &Line) -> Result<()> {
        Ok(self.terminal.say(line)?)
    }

    /// Follows until this is seen; an error when it takes too long or a daemon ends.
    pub(super) async fn until(&mut self, what: &str, is_seen: impl Fn(&Snapshot) -> bool) -> Result<()> {
        let seen = tokio::time::timeout(STEP_LIMIT, async {
            loop {
                if self.look().await? && is_seen(&self.last) {
                    return Ok(());
                }
            }
        });
        match seen.await {
            Ok(result) => result,
            Err(_) => Err(anyhow!("not within {STEP_LIMIT:?}: {what}{}", self.why_not())),
        }
    }

    /// Follows for some time.
    pub(super) async fn rest(&mut self, duration: Duration) -> Result<()> {
        let resting = async {
            tokio::time::sleep(duration).await;
            Ok(())
        };
        self.during(resting).await
    }

    /// Follows while something else is done; an error when a daemon ends meanwhile.
    pub(super) async fn during<T>(&mut self, done: impl Future<Output = Result<T>>) -> Result<T> {
        let looking = async {
            loop {
                if let Err(error) = self.look().await {
                    return error;
                }
            }
        };
        tokio::select! {
            biased;
            result = done => result,
            error = looking => Err(error),
        }
    }

    /// Shows what to do next and follows until a daemon ends or health-monitor stops answering.
    pub(super) async fn stay(&mut self) -> Result<()> {
        next_steps::next_steps(self.terminal, self.fleet, self.daemons)?;
        loop {
            self.until("health-monitor answers", |_| true).await?;
        }
    }

    /// Looks once; false when health-monitor did not answer.
    async fn look(&mut self) -> Result<bool> {
        tokio::time::sleep(PAUSE).await;
        self.daemons.expect_running()?;
        let snapshot = match self.client.snapshot(&self.to_ask()).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.blind = Some(error);
                return Ok(false);
            }
        };
        for line in self.narrator.observe(&snapshot) {
            self.terminal.say(&line)?;
        }
        self.last = snapshot;
        self.blind = None;
        Ok(true)
    }

    /// Services in whose process something may be changing.
    fn to_ask(&self) -> Vec<(String, String)> {
        let is_changing = |name: &str| {
            let is_unwell = self.last.services.get(name).is_some_and(|now| now.state != State::Healthy);
            let is_recovering = self.last.recoveries.iter().any(|r| r.service == name && r.outcome.is_none());
            is_unwell || is_recovering
        };
        let members = self.fleet.members().iter().filter(|member| is_changing(member.name()));
        members.map(|member| (member.name().to_owned(), member.url())).collect()
    }

    fn why_not(&self) -> String {
        if let Some(error) = &self.blind {
            return format!(": {error:#}");
        }
        let mut reasons = String::new();
        for (name, now) in self.last.services.iter().filter(|(_, now)| now.state != State::Healthy) {
            let attempts = self.last.recoveries.iter().filter(|recovery| recovery.service == *name);
            let tried = attempts.filter(|recovery| recovery.outcome != Some(Outcome::Suppressed)).count();
            let error = now.error.as_deref().unwrap_or("no error");
            reasons += &format!("; {name} is {} ({error}), attempts: {tried}", now.state.as_str());
        }
        reasons
    }
}
