//! The services of the demonstration: seven, and one of them with further instances.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use shared::order::ServiceName;
use tokio::task::JoinSet;

use super::ports;
use crate::instance::Instance;
use crate::unit::{Unit, UnitFile};

/// The services that health-monitor watches by default, with their ports.
const SERVICES: [(&str, u16); 7] = [
    ("api-gateway", 8000),
    ("image-generation", 5000),
    ("video-generation", 5001),
    ("crypto-prediction", 5002),
    ("orchestrator", 5003),
    ("fraud-detection", 5004),
    ("auto-scaler", 5005),
];

/// Added to the ports, so that a real deployment on this machine is left in peace.
const OFFSET: u16 = 10_000;

/// The service that has further instances, and how many.
pub(super) const SEVERAL: &str = "fraud-detection";
const FURTHER: u16 = 3;
/// Where their ports are looked for.
const FURTHER_PORT: u16 = 15_100;

/// One service, or a further instance of one.
#[derive(Clone, Debug)]
pub(super) struct Member {
    name: ServiceName,
    port: u16,
    unit: Unit,
}

impl Member {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Where it answers.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process that runs now.
    pub(super) fn running(&self) -> Option<Instance> {
        self.unit.running()
    }
}

/// All services, in one state directory.
#[derive(Debug)]
pub(super) struct Fleet {
    members: Vec<Member>,
    further: Vec<Member>,
    directory: PathBuf,
}

impl Fleet {
    /// Finds free ports and writes the unit files; nothing is started yet. self-evolution answers at this URL.
    pub(super) fn install(program: &Path, directory: &Path, evolution_url: &str) -> Result<Self> {
        let install = |name: &str, directory: &Path, port: u16| -> Result<Member> {
            let name = ServiceName::new(name)?;
            let unit = Unit::new(name.clone(), directory);
            let port = ports::free_from(port)?;
            unit.install(&UnitFile {
                program: program.to_owned(),
                host: std::net::Ipv4Addr::LOCALHOST.into(),
                port,
                parent: Instance::of(std::process::id()),
                evolution_url: Some(evolution_url.to_owned()),
                broken: None,
            })?;
            Ok(Member { name, port, unit })
        };
        let services = SERVICES.into_iter().map(|(name, port)| install(name, directory, port + OFFSET));
        let members = services.collect::<Result<_>>()?;
        let further = (0..FURTHER).map(|number| {
            let place = directory.join(format!("{SEVERAL}-{}", number + 2));
            std::fs::create_dir(&place)?;
            // Ports are only taken once they start.
            install(SEVERAL, &place, FURTHER_PORT + 10 * number)
        });
        Ok(Self { members, further: further.collect::<Result<_>>()?, directory: directory.to_owned() })
    }

    /// Starts all at once and waits until all listen.
    pub(super) async fn start(&self) -> Result<()> {
        // Tasks of their own run on when the story is interrupted, so that no process is left half started.
        let units = self.members.iter().chain(&self.further).map(|member| member.unit.clone());
        let starting: Vec<_> = units.map(|unit| tokio::spawn(async move { unit.restart().await })).collect();
        for started in starting {
            started.await??;
        }
        Ok(())
    }

    /// The service of this name.
    pub(super) fn member(&self, name: &str) -> Result<&Member> {
        self.members.iter().find(|member| member.name() == name).ok_or_else(|| anyhow!("there is no {name}"))
    }

    /// Where all instances of a service answer.
    pub(super) fn instances(&self, name: &str) -> Vec<String> {
        let all = self.members.iter().chain(&self.further);
        all.filter(|member| member.name() == name).map(Member::url).collect()
    }

    /// All services.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Where the files are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Ends all processes for good. An error names the first that still runs.
    pub(super) async fn remove(&self) -> Result<()> {
        let mut removing = JoinSet::new();
        for member in self.members.iter().chain(&self.further).cloned() {
            removing.spawn(async move {
                member.unit.remove().await.with_context(|| format!("end {}", member.name))
            });
        }
        let results = removing.join_all().await;
        results.into_iter().collect::<Result<()>>()?;
        match self.members.iter().chain(&self.further).find(|member| member.running().is_some()) {
            Some(member) => Err(io::Error::other(format!("{} still runs", member.name)).into()),
            None => Ok(()),
        }
    }
}
