//! The demonstration: services break and are healed, others are slow and are changed, and the terminal tells it.

mod api;
mod configuration;
mod evolution;
mod fleet;
mod follow;
mod incident;
mod interruption;
mod narrator;
mod next_steps;
mod ports;
mod process;
mod report;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Error, Result, bail};
use clap::Args;
use shared::clock::{Clock, Timestamp};
use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::terminal::{INTERRUPTED, Line, Terminal, Tone};
use fleet::Fleet;
use follow::Follower;
use interruption::Interruption;
use process::{Daemons, Place, Process};

/// The ports that the daemons have by default.
const MONITOR_PORT: u16 = 5006;
const EVOLUTION_PORT: u16 = 5007;

/// Added to them where the search for other ports starts.
const OFFSET: u16 = 10_000;

/// How the demonstration is given.
#[derive(Args, Clone, Copy, Debug)]
pub struct Options {
    /// End after the stories: exit code 0 if all came out right, else 1
    #[arg(long)]
    once: bool,
    /// Port of health-monitor [default: 5006, or another if that is taken]
    #[arg(long)]
    port: Option<u16>,
    /// Port of self-evolution [default: 5007, or another if that is taken]
    #[arg(long)]
    evolution_port: Option<u16>,
}

/// How the story ended.
enum Ending {
    /// It was told.
    Told,
    /// Somebody interrupted it after it was told.
    Left,
    /// Somebody interrupted it before.
    Interrupted,
    /// Something did not come out right, or something of ours went wrong.
    Failed(Error),
}

/// Gives the demonstration, and leaves neither processes nor files behind.
pub async fn run(options: Options) -> Result<ExitCode> {
    let mut interruption = Interruption::listen()?;
    let clock = Arc::new(Clock::starting_after(Timestamp::default()));
    let mut terminal = Terminal::standard_output(clock.clone());
    let mut stage = Stage::set(options, &mut terminal)?;
    let ending = give(options, &mut interruption, &mut stage, &mut terminal, &clock).await;
    let code = match &ending {
        Ending::Told | Ending::Left => ExitCode::SUCCESS,
        Ending::Interrupted => ExitCode::from(INTERRUPTED),
        Ending::Failed(_) => ExitCode::FAILURE,
    };
    let shown = stage.show_ending(&ending, &mut terminal);
    // Whatever else goes wrong, nothing is left behind.
    stage.clear(&mut terminal).await?;
    shown?;
    Ok(code)
}

async fn give(
    options: Options,
    interruption: &mut Interruption,
    stage: &mut Stage,
    terminal: &mut Terminal,
    clock: &Arc<Clock>,
) -> Ending {
    let mut follower = match interruption.or(story::tell(stage, terminal, clock)).await {
        None => return Ending::Interrupted,
        Some(Err(error)) => return Ending::Failed(error),
        Some(Ok(_)) if options.once => return Ending::Told,
        Some(Ok(follower)) => follower,
    };
    match interruption.or(follower.stay()).await {
        None | Some(Ok(())) => Ending::Left,
        Some(Err(error)) => Ending::Failed(error),
    }
}

/// Everything that exists only for the demonstration.
struct Stage {
    directory: TempDir,
    program: PathBuf,
    monitor_port: u16,
    evolution_port: u16,
    fleet: Fleet,
    daemons: Option<Daemons>,
}

impl Stage {
    /// Makes the directory and chooses the ports; no process is started.
    fn set(options: Options, terminal: &mut Terminal) -> Result<Self> {
        let program = std::env::current_exe().context("find this executable")?;
        let monitor = Port { daemon: Daemon::HealthMonitor, flag: "--port", usual: MONITOR_PORT };
        let monitor_port = monitor.choose(options.port, terminal)?;
        let evolution =
            Port { daemon: Daemon::SelfEvolution, flag: "--evolution-port", usual: EVOLUTION_PORT };
        let evolution_port = evolution.choose(options.evolution_port, terminal)?;
        if monitor_port == evolution_port {
            bail!(
                "both daemons cannot have port {monitor_port}; give another with --port or --evolution-port"
            );
        }
        let directory = tempfile::Builder::new().prefix("health-monitor-demo-").tempdir()?;
        let evolution_url = format!("http://127.0.0.1:{evolution_port}");
        let fleet = Fleet::install(&program, directory.path(), &evolution_url)?;
        Ok(Self { directory, program, monitor_port, evolution_port, fleet, daemons: None })
    }

    /// Starts the daemons; health-monitor is to be followed.
    fn start_daemons<'a>(&'a mut self, terminal: &'a mut Terminal) -> Result<Follower<'a>> {
        let place = |port| Place { program: &self.program, directory: self.directory.path(), port };
        let yaml = configuration::of_self_evolution(self.directory.path(), self.evolution_port);
        let evolution = Process::start(Daemon::SelfEvolution, place(self.evolution_port), &yaml)?;
        let yaml = configuration::of_health_monitor(&self.fleet, &self.program, self.monitor_port);
        let monitor = Process::start(Daemon::HealthMonitor, place(self.monitor_port), &yaml)?;
        let daemons = self.daemons.insert(Daemons { monitor, evolution });
        Follower::new(&self.fleet, daemons, terminal)
    }

    fn show_ending(&self, ending: &Ending, terminal: &mut Terminal) -> Result<()> {
        let Ending::Failed(error) = ending else {
            return Ok(());
        };
        terminal.say(&Line::new("demo", Tone::Bad, format!("failed: {error:#}")))?;
        let Some(Daemons { monitor, evolution }) = &self.daemons else {
            return Ok(());
        };
        for daemon in [monitor, evolution] {
            terminal.heading(&format!("The last lines of {}'s log", daemon.name()))?;
            for line in daemon.last_lines() {
                terminal.show(&format!("  {line}"))?;
            }
        }
        Ok(())
    }

    /// Ends all processes and removes the directory. The daemons go first: health-monitor would heal the services.
    async fn clear(mut self, terminal: &mut Terminal) -> Result<()> {
        let stopped = match &mut self.daemons {
            Some(daemons) => daemons.stop().await,
            None => Ok(()),
        };
        let removed = self.fleet.remove().await;
        let path = self.directory.path().to_owned();
        let closed = self.directory.close().with_context(|| format!("remove {}", path.display()));
        stopped.and(removed).and(closed)?;
        // A terminal that is gone cannot be told.
        let _ = terminal.show("");
        let text = format!("ended: no process of it runs any more, {} is removed", path.display());
        let _ = terminal.say(&Line::new("demo", Tone::Plain, text));
        Ok(())
    }
}

/// A port that is to be chosen.
struct Port {
    daemon: Daemon,
    /// How a person chooses it.
    flag: &'static str,
    usual: u16,
}

impl Port {
    /// The one that is wanted, else the usual one, else another that is free.
    fn choose(&self, wanted: Option<u16>, terminal: &mut Terminal) -> Result<u16> {
        let port = wanted.unwrap_or(self.usual);
        if ports::is_free(port) {
            return Ok(port);
        }
        if wanted.is_some() {
            bail!("port {port} is taken; give another with {}, or leave it out and one is found", self.flag);
        }
        let other = ports::free_from(self.usual + OFFSET)?;
        let text = format!("port {port} is taken, {} gets {other}", self.daemon.as_str());
        terminal.say(&Line::new("demo", Tone::Warning, text))?;
        Ok(other)
    }
}
