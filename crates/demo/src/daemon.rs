//! The daemons as commands of this executable, so that the demonstration needs nothing else.

use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use rustix::process::getppid;

use crate::instance::Instance;
use crate::terminal;

/// How often the daemon looks whether the demonstration that started it still runs.
const PARENT_LOOK: Duration = Duration::from_secs(1);

/// How long the daemon may take to end by itself once it is orphaned.
const GRACE: Duration = Duration::from_secs(5);

/// A daemon that this executable can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Daemon {
    /// The one that heals.
    HealthMonitor,
    /// The one that learns.
    SelfEvolution,
}

impl Daemon {
    /// Its name, which is also the command.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HealthMonitor => "health-monitor",
            Self::SelfEvolution => "self-evolution",
        }
    }
}

/// Runs the daemon with these arguments, in this process and until it ends. It ends with its parent.
pub fn main(daemon: Daemon, arguments: Vec<OsString>) -> ExitCode {
    let started_by = getppid();
    thread::spawn(move || end_with(started_by));
    let arguments = std::iter::once(daemon.as_str().into()).chain(arguments);
    match daemon {
        Daemon::HealthMonitor => health_monitor::run(arguments),
        Daemon::SelfEvolution => self_evolution::run(arguments),
    }
}

/// An orphan gets another parent, whatever happened to the first.
fn end_with(parent: Option<rustix::process::Pid>) {
    while getppid() == parent {
        thread::sleep(PARENT_LOOK);
    }
    if let Some(own) = Instance::of(std::process::id()) {
        let _ = own.signal(rustix::process::Signal::TERM);
    }
    thread::sleep(GRACE);
    std::process::exit(terminal::INTERRUPTED.into());
}
