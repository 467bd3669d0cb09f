//! The demonstration: services break, health-monitor heals them, and the terminal tells it.

mod api;
mod configuration;
mod fleet;
mod follow;
mod incident;
mod interruption;
mod monitor;
mod narrator;
mod next_steps;
mod ports;
mod report;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Error, Result, bail};
use clap::Args;
use shared::clock::{Clock, Timestamp};
use tempfile::TempDir;

use crate::terminal::{INTERRUPTED, Line, Terminal, Tone};
use fleet::Fleet;
use follow::Follower;
use interruption::Interruption;
use monitor::Monitor;

/// The port that health-monitor has by default.
const PORT: u16 = 5006;

/// Where the search for another port starts.
const OTHER_PORTS: u16 = 15_006;

/// How the demonstration is given.
#[derive(Args, Clone, Copy, Debug)]
pub struct Options {
    /// End after the story: exit code 0 if everything recovered, else 1
    #[arg(long)]
    once: bool,
    /// Port of health-monitor [default: 5006, or another if that is taken]
    #[arg(long)]
    port: Option<u16>,
}

/// How the story ended.
enum Ending {
    /// It was told.
    Told,
    /// Somebody interrupted it after it was told.
    Left,
    /// Somebody interrupted it before.
    Interrupted,
    /// Something did not recover, or something of ours went wrong.
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
    clock: &Clock,
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
    port: u16,
    fleet: Fleet,
    monitor: Option<Monitor>,
}

impl Stage {
    /// Makes the directory and chooses the ports; no process is started.
    fn set(options: Options, terminal: &mut Terminal) -> Result<Self> {
        let program = std::env::current_exe().context("find this executable")?;
        let port = choose_port(options.port, terminal)?;
        let directory = tempfile::Builder::new().prefix("health-monitor-demo-").tempdir()?;
        let fleet = Fleet::install(&program, directory.path())?;
        Ok(Self { directory, program, port, fleet, monitor: None })
    }

    /// Starts health-monitor, to be followed.
    fn start_monitor<'a>(&'a mut self, terminal: &'a mut Terminal) -> Result<Follower<'a>> {
        let yaml = configuration::yaml(&self.fleet, &self.program, self.port);
        let monitor = Monitor::start(&self.program, self.directory.path(), &yaml, self.port)?;
        Follower::new(&self.fleet, self.monitor.insert(monitor), terminal)
    }

    fn show_ending(&self, ending: &Ending, terminal: &mut Terminal) -> Result<()> {
        let Ending::Failed(error) = ending else {
            return Ok(());
        };
        terminal.say(&Line::new("demo", Tone::Bad, format!("failed: {error:#}")))?;
        if let Some(monitor) = &self.monitor {
            terminal.heading("The last lines of health-monitor's log")?;
            for line in monitor.last_lines() {
                terminal.show(&format!("  {line}"))?;
            }
        }
        Ok(())
    }

    /// Ends all processes and removes the directory. health-monitor goes first: it would heal the services.
    async fn clear(mut self, terminal: &mut Terminal) -> Result<()> {
        let stopped = match &mut self.monitor {
            Some(monitor) => monitor.stop().await,
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

fn choose_port(wanted: Option<u16>, terminal: &mut Terminal) -> Result<u16> {
    let port = wanted.unwrap_or(PORT);
    if ports::is_free(port) {
        return Ok(port);
    }
    if wanted.is_some() {
        bail!("port {port} is taken; give another with --port, or leave it out and one is found");
    }
    let other = ports::free_from(OTHER_PORTS)?;
    let text = format!("port {port} is taken, health-monitor gets {other}");
    terminal.say(&Line::new("demo", Tone::Warning, text))?;
    Ok(other)
}
