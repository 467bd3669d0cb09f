//! The process of health-monitor.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};

use crate::instance::Instance;

/// How long it may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// The variables of our environment that it gets. All others stay out: its settings come from the file alone.
const ENVIRONMENT: [&str; 6] = ["PATH", "HOME", "TMPDIR", "LANG", "RUST_LOG", "RUST_BACKTRACE"];

/// How many of its last lines are shown when something went wrong.
const LAST_LINES: usize = 15;

/// health-monitor as a process.
#[derive(Debug)]
pub(super) struct Monitor {
    child: Child,
    pid: u32,
    log: PathBuf,
    url: String,
}

impl Monitor {
    /// Starts it: this executable again, with a configuration file and a log file in this directory.
    pub(super) fn start(program: &Path, directory: &Path, yaml: &str, port: u16) -> Result<Self> {
        let configuration = directory.join("health-monitor.yaml");
        fs::write(&configuration, yaml).with_context(|| format!("write {}", configuration.display()))?;
        let log = directory.join("health-monitor.log");
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let mut command = Command::new(program);
        command.args(["health-monitor", "--config"]).arg(configuration).current_dir(directory);
        command.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // A Ctrl-C in the terminal is for the demonstration, which ends all others in order.
        let child = command.process_group(0).kill_on_drop(true).spawn().context("start health-monitor")?;
        let pid = child.id().context("health-monitor ended at once")?;
        Ok(Self { child, pid, log, url: format!("http://127.0.0.1:{port}") })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it answers.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How it ended; none while it runs.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
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
            instance.stop(GRACE).await.context("stop health-monitor")?;
        }
        self.child.wait().await?;
        Ok(())
    }
}
