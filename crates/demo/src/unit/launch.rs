//! Starting an instance, up to the moment at which it listens.

use std::fs::File;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use super::{Unit, UnitFile};
use crate::instance::Instance;

/// How long a new instance may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(5);
const START_LOOK: Duration = Duration::from_millis(5);

/// Starts an instance and waits until it listens. One that does not is ended again.
pub(super) async fn launch(unit: &Unit, file: &UnitFile) -> Result<Instance> {
    let mut child = spawn(unit, file).with_context(|| format!("start {}", unit.name))?;
    match tokio::time::timeout(START_LIMIT, listening(unit, &mut child)).await {
        Ok(instance) => instance,
        Err(_) => {
            child.kill().await.with_context(|| format!("kill {}", unit.name))?;
            bail!("{} did not listen within {START_LIMIT:?}; see {}", unit.name, unit.log().display());
        }
    }
}

/// It gets a process group of its own, so that neither a Ctrl-C in the terminal nor the end of the command that
/// starts it reaches it, and none of our environment.
fn spawn(unit: &Unit, file: &UnitFile) -> io::Result<Child> {
    let log = File::options().create(true).append(true).open(unit.log())?;
    let mut command = Command::new(&file.program);
    command.arg("stand-in").args(["--name", unit.name.as_str()]);
    command.args(["--host", &file.host.to_string(), "--port", &file.port.to_string()]);
    command.arg("--pid-file").arg(unit.path("pid"));
    if let Some(parent) = file.parent {
        command.args(["--parent", &parent.to_string()]);
    }
    if let Some(url) = &file.evolution_url {
        command.args(["--evolution-url", url]);
    }
    if let Some(broken) = file.broken {
        command.arg(format!("--broken={}", broken.as_str()));
    }
    command.env_clear().process_group(0);
    command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log).spawn()
}

/// The instance writes its pid file when it listens.
async fn listening(unit: &Unit, child: &mut Child) -> Result<Instance> {
    let pid = child.id();
    loop {
        if let Some(instance) = unit.running().filter(|instance| Some(instance.pid) == pid) {
            return Ok(instance);
        }
        if let Some(status) = child.try_wait()? {
            let log = std::fs::read_to_string(unit.log()).unwrap_or_default();
            let last = log.lines().last().unwrap_or("it wrote nothing");
            bail!("{} ended with {status} before it listened: {last}", unit.name);
        }
        tokio::time::sleep(START_LOOK).await;
    }
}
