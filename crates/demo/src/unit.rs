//! A stand-in as a supervised process: the small init script that every host has in some form.
//!
//! A state directory has four files per service: `<name>.unit` says how it is started, `<name>.pid` which
//! instance listens, `<name>.log` what it wrote, and `<name>.lock` lets one supervisor at a time change it.

mod launch;

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use shared::order::ServiceName;

use crate::instance::Instance;
use crate::stand_in::Broken;
use crate::whole_file::replace_file;

/// How long a process may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(1);

/// How long another supervisor of the same service is waited for: longer than a restart takes at worst.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
const LOCK_LOOK: Duration = Duration::from_millis(10);

/// How a service is started, as the unit file has it.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct UnitFile {
    /// The executable: this one.
    pub program: PathBuf,
    /// Address that the service listens on.
    #[serde(default = "loopback")]
    pub host: IpAddr,
    /// Port that the service listens on.
    pub port: u16,
    /// The process that it must not outlive.
    #[serde(default)]
    pub parent: Option<Instance>,
    /// Where it finds self-evolution, if it is to.
    #[serde(default)]
    pub evolution_url: Option<String>,
    /// How it is broken from its start, if it is.
    #[serde(default)]
    pub broken: Option<Broken>,
}

fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

/// One service in a state directory.
#[derive(Clone, Debug)]
pub struct Unit {
    name: ServiceName,
    directory: PathBuf,
}

impl Unit {
    /// The service of this name in this directory; whether it exists shows when it is used.
    pub fn new(name: ServiceName, directory: &Path) -> Self {
        Self { name, directory: directory.to_owned() }
    }

    /// Writes the unit file, so that the service can be started.
    pub fn install(&self, file: &UnitFile) -> io::Result<()> {
        let text = serde_json::to_string(file)?;
        replace_file(&self.path("unit"), &text)
    }

    /// The instance that listens; none while the service is down or on its way up.
    pub fn running(&self) -> Option<Instance> {
        let text = fs::read_to_string(self.path("pid")).ok()?;
        let instance: Instance = text.trim().parse().ok()?;
        instance.is_running().then_some(instance)
    }

    /// Ends the instance that runs, if one does, and returns as soon as a new one listens on the same port.
    pub async fn restart(&self) -> Result<Instance> {
        let _lock = self.lock().await?;
        let file = self.read()?;
        self.stop().await?;
        launch::launch(self, &file).await
    }

    /// Removes the service: nobody can start it again, and its instance has ended.
    pub async fn remove(&self) -> Result<()> {
        let _lock = self.lock().await?;
        remove_if_there(&self.path("unit"))?;
        self.stop().await
    }

    /// Where the output of its instances goes.
    pub fn log(&self) -> PathBuf {
        self.path("log")
    }

    async fn stop(&self) -> Result<()> {
        if let Some(instance) = self.running() {
            instance.stop(GRACE).await.with_context(|| format!("stop {}", self.name))?;
        }
        remove_if_there(&self.path("pid"))?;
        Ok(())
    }

    fn read(&self) -> Result<UnitFile> {
        let path = self.path("unit");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("understand {}", path.display()))
    }

    /// Held until the file is dropped; the kernel releases it too when its holder is killed.
    async fn lock(&self) -> Result<File> {
        let path = self.path("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("open {}", path.display()))?;
        let locked = tokio::time::timeout(LOCK_LIMIT, async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_LOOK).await,
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
        });
        match locked.await {
            Ok(result) => result.with_context(|| format!("lock {}", path.display()))?,
            Err(_) => bail!("somebody else has been changing {} for {LOCK_LIMIT:?}", self.name),
        }
        Ok(file)
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.directory.join(format!("{}.{kind}", self.name))
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
