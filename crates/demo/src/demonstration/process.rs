//! The process of a daemon.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::daemon::Daemon;
use crate::instance::Instance;

/// How long it may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// The variables of our environment that it gets. All others stay out: its settings come from the file alone.
const ENVIRONMENT: [&str; 6] = ["PATH", "HOME", "TMPDIR", "LANG", "RUST_LOG", "RUST_BACKTRACE"];

/// How many of its last lines are shown when something went wrong.
const LAST_LINES: usize = 15;

/// Where a daemon runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The executable.
    pub(super) program: &'a Path,
    /// For its files.
    pub(super) directory: &'a Path,
    /// Where it listens, on 127.0.0.1.
    pub(super) port: u16,
}

/// A daemon as a process.
#[derive(Debug)]
pub(super) struct Process {
    daemon: Daemon,
    child: Child,
    pid: u32,
    log: PathBuf,
    url: String,
}

impl Process {
    /// Starts it: this executable again, with a configuration file and a log file in this directory.
    pub(super) fn start(daemon: Daemon, place: Place<'_>, yaml: &str) -> Result<Self> {
        let Place { program, directory, port } = place;
        let name = daemon.as_str();
        let configuration = directory.join(format!("{name}.yaml"));
        fs::write(&configuration, yaml).with_context(|| format!("write {}", configuration.display()))?;
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let mut command = Command::new(program);
        command.args([name, "--config"]).arg(configuration).current_dir(directory);
        command.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // A Ctrl-C in the terminal is for the demonstration, which ends all others in order.
        let spawned = command.process_group(0).kill_on_drop(true).spawn();
        let child = spawned.with_context(|| format!("start {name}"))?;
        let pid = child.id().with_context(|| format!("{name} ended at once"))?;
        Ok(Self { daemon, child, pid, log, url: format!("http://127.0.0.1:{port}") })
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.daemon.as_str()
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it answers.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// An error once it has ended.
    pub(super) fn expect_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended with {status}", self.name()),
            None => Ok(()),
        }
    }

    /// The last lines that it wrote.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let text = fs::read(&self.log).unwrap_or_default();
        let mut last = VecDeque::with_capacity(LAST_LINES + 1);
        for line in String::from_utf8_lossy(&text).lines() {
            last.push_back(line.to_owned());
            if last.len() > LAST_LINES {
                last.pop_front();
            }
        }
        last.into()
    }

    /// Ends it and waits for its end.
    pub(super) async fn stop(&mut self) -> Result<()> {
        if let Some(instance) = Instance::of(self.pid) {
            instance.stop(GRACE).await.with_context(|| format!("stop {}", self.name()))?;
        }
        self.child.wait().await?;
        Ok(())
    }
}

/// Both daemons.
#[derive(Debug)]
pub(super) struct Daemons {
    /// health-monitor.
    pub(super) monitor: Process,
    /// self-evolution.
    pub(super) evolution: Process,
}

impl Daemons {
    /// An error once one of them has ended.
    pub(super) fn expect_running(&mut self) -> Result<()> {
        self.monitor.expect_running()?;
        self.evolution.expect_running()
    }

    /// Ends both. health-monitor goes first: it would heal what ends after it.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let stopped = self.monitor.stop().await;
        stopped.and(self.evolution.stop().await)
    }
}
