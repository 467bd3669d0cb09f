//! The command line.

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use shared::order::ServiceName;

use crate::daemon::Daemon;
use crate::unit::Unit;
use crate::{daemon, demonstration, stand_in};

const LONG_ABOUT: &str = "\
Shows health-monitor and self-evolution at work on this machine, in about two minutes.

It starts seven stand-in services as ten real processes on 127.0.0.1, and both daemons. First it kills one service \
with SIGKILL, lets another accept connections without ever answering, and tells with times what health-monitor \
sees and does about it.

Then three services take long for their work. They report their requests to self-evolution and read their settings \
from it: it finds what is slow, recommends a cache, publishes the setting, and judges what that did. For the first \
service it helps, and stays. For the second it does harm, and is taken back by itself. The third has four instances, \
which all become slower at the moment of the change: half of them get it, then the other half, and it stays all the same.

Nothing is staged: a restart ends one process and starts another, and every figure is measured.

At the end everything stays up until Ctrl-C, with commands to look around and to break more. Then all \
processes are ended and all files removed.";

const AFTER_HELP: &str = "\
Examples:
  cargo demo                      watch it, then play with it
  cargo demo --once               only the stories; exit code 0 if all came out right, else 1
  cargo demo --port 9000          health-monitor on a port of your choice
  cargo demo --evolution-port 9001
                                  self-evolution on a port of your choice
  cargo demo stand-in --help      a service with fault knobs, for experiments of your own

Colours are left out when the output is not a terminal or NO_COLOR is set.";

/// Shows both daemons at work: services break and are healed, others are slow and are changed, all of it for real.
#[derive(Parser, Debug)]
#[command(name = "demo", bin_name = "demo", version, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(flatten)]
    options: demonstration::Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Be a service that misbehaves on demand, until told to end
    #[command(after_help = STAND_IN_HELP)]
    StandIn(stand_in::Settings),
    /// Replace the process of a stand-in; what health-monitor calls to heal it
    Restart(Place),
    /// Print which process of a stand-in runs, as `<pid>@<start time>`; nothing if none does
    Identity(Place),
    /// Run health-monitor itself
    #[command(hide = true, disable_help_flag = true)]
    HealthMonitor {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run self-evolution itself
    #[command(hide = true, disable_help_flag = true)]
    SelfEvolution {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

const STAND_IN_HELP: &str = "\
Routes:
  GET  /health                          200 with name, pid and start time
  POST /generate, /predict, ...         pretended work: an echo of the body

With --evolution-url it reports how its work was answered, about once a second, and asks as often for its settings
(OFREP); response-cache is the one that it obeys.

Fault knobs, for this machine only unless --allow-remote-faults:
  POST /fault/crash                     the process ends abruptly, exit code 137
  POST /fault/hang                      accepts connections, never answers; only a restart helps
  POST /fault/slow?seconds=3            answers late
  POST /fault/errors?rate=0.5&status=503
                                        this fraction of the answers are errors
  POST /fault/refuse?seconds=20         closes its port; without seconds until a restart
  POST /fault/uncached?seconds=2.5      work takes this long; while the setting response-cache is true,
                                        the same request is answered at once the second time, or in
                                        kept_seconds=1; rate=0.5 makes this fraction of these errors
  POST /fault/none                      back to normal";

/// Which stand-in.
#[derive(Args, Debug)]
struct Place {
    /// Its name
    #[arg(long, value_parser = ServiceName::new)]
    name: ServiceName,
    /// Directory with its unit, pid and log files
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

impl Place {
    fn unit(self) -> Unit {
        Unit::new(self.name, &self.state)
    }
}

/// Runs the command that the arguments ask for; the program's name comes first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command_line = match CommandLine::try_parse_from(arguments) {
        Ok(command_line) => command_line,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let result = match command_line.command {
        Some(Command::HealthMonitor { arguments }) => return daemon::main(Daemon::HealthMonitor, arguments),
        Some(Command::SelfEvolution { arguments }) => return daemon::main(Daemon::SelfEvolution, arguments),
        Some(Command::StandIn(settings)) => stand_in(&settings),
        Some(Command::Restart(place)) => restart(place),
        Some(Command::Identity(place)) => identity(place),
        None => demonstrate(command_line.options),
    };
    result.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr().lock(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

fn demonstrate(options: demonstration::Options) -> Result<ExitCode> {
    block_on(demonstration::run(options))?
}

fn stand_in(settings: &stand_in::Settings) -> Result<ExitCode> {
    Ok(block_on(stand_in::run(settings, &mut io::stdout()))??)
}

fn restart(place: Place) -> Result<ExitCode> {
    let instance = block_on(async { place.unit().restart().await })??;
    writeln!(io::stdout().lock(), "{instance}")?;
    Ok(ExitCode::SUCCESS)
}

fn identity(place: Place) -> Result<ExitCode> {
    if let Some(instance) = place.unit().running() {
        writeln!(io::stdout().lock(), "{instance}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let output = runtime.block_on(future);
    // Requests that are never answered must not keep the process.
    runtime.shutdown_background();
    Ok(output)
}
