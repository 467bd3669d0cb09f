//! A service that stands in for a real one, and misbehaves on demand.

mod cache;
mod evolution;
mod fault;
mod flags;
mod listen;
mod routes;
mod usage;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::{Args, ValueEnum};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use shared::clock::{Clock, Timestamp};
use shared::order::ServiceName;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::instance::Instance;
use crate::whole_file::replace_file;
use evolution::Evolution;
use fault::Fault;
use routes::StandIn;
use usage::Usage;

/// How often it looks whether its parent still runs.
const PARENT_LOOK: Duration = Duration::from_secs(1);

/// What a stand-in is to be.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Name of the service that it stands in for
    #[arg(long, env = "STAND_IN_NAME", value_parser = ServiceName::new)]
    pub name: ServiceName,
    /// Port that it listens on
    #[arg(long, env = "STAND_IN_PORT")]
    pub port: u16,
    /// Address that it listens on
    #[arg(long, env = "STAND_IN_HOST", default_value = "0.0.0.0")]
    pub host: IpAddr,
    /// File that gets its identity as soon as it listens
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Process to end with: `<pid>` or `<pid>@<start time>`
    #[arg(long, value_name = "PID")]
    pub parent: Option<Instance>,
    /// Where self-evolution answers, to report usage to it and to read settings from it; without it neither is done
    #[arg(long, env = "EVOLUTION_SERVICE_URL", value_name = "URL")]
    pub evolution_url: Option<Url>,
    /// Start broken: `errors` answers 500 to everything, `exit` ends at once with exit code 1
    #[arg(long, env = "STAND_IN_BROKEN", value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "errors")]
    pub broken: Option<Broken>,
    /// Let other machines use the fault knobs too; needed in containers
    #[arg(long, env = "STAND_IN_ALLOW_REMOTE_FAULTS")]
    pub allow_remote_faults: bool,
}

/// How a stand-in is broken from its start.
#[derive(ValueEnum, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// It answers 500 to everything but the fault knobs.
    Errors,
    /// It ends with exit code 1 before it listens.
    Exit,
}

impl Broken {
    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Exit => "exit",
        }
    }
}

/// Serves until it is told to end, its parent is gone, or a fault ends it.
pub async fn run(settings: &Settings, log: &mut dyn Write) -> io::Result<ExitCode> {
    if settings.broken == Some(Broken::Exit) {
        writeln!(log, "{} is broken and ends", settings.name)?;
        return Ok(ExitCode::FAILURE);
    }
    let evolution = settings.evolution_url.as_ref().map(Evolution::at).transpose()?;
    // As process 1 of a container it would be deaf to signals that it does not ask for.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;

    let (listener, address) = bind(settings).await?;
    if let Some(pid_file) = &settings.pid_file {
        let own =
            Instance::of(std::process::id()).ok_or_else(|| io::Error::other("/proc has no entry of us"))?;
        replace_file(pid_file, &format!("{own}\n"))?;
    }
    writeln!(log, "{} listens on {address}, pid {}", settings.name, std::process::id())?;

    let (faults, current) = watch::channel(Fault::at_start(settings.broken));
    let clock = Clock::starting_after(Timestamp::default());
    let stand_in = Arc::new(StandIn {
        name: settings.name.clone(),
        started_at: clock.now(),
        allow_remote_faults: settings.allow_remote_faults,
        faults,
        variant: Mutex::new(flags::DEFAULT.into()),
        cache: Mutex::default(),
        kept_answers: std::sync::atomic::AtomicU32::new(0),
        usage: evolution.as_ref().map_or_else(Usage::unreported, Evolution::take_usage),
        clock,
    });
    if let Some(evolution) = evolution {
        evolution.rule(Arc::clone(&stand_in));
    }
    let reason = tokio::select! {
        served = listen::serve(listener, routes::router(stand_in), current) => match served? {},
        _ = terminated.recv() => "told to end",
        _ = interrupted.recv() => "interrupted",
        () = gone(settings.parent) => "its parent is gone",
    };
    writeln!(log, "{} ends: {reason}", settings.name)?;
    Ok(ExitCode::SUCCESS)
}

async fn bind(settings: &Settings) -> io::Result<(TcpListener, SocketAddr)> {
    let wanted = SocketAddr::new(settings.host, settings.port);
    let listener = TcpListener::bind(wanted)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("listen on {wanted}: {error}")))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Waits until the parent is gone; for ever where there is none.
async fn gone(parent: Option<Instance>) {
    let Some(parent) = parent else {
        return std::future::pending().await;
    };
    while parent.is_running() {
        tokio::time::sleep(PARENT_LOOK).await;
    }
}
