//! The witnesses of our own network: whether anything out there answers.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

use shared::order::ServiceName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::domain::network::Witness;
use crate::domain::policy::Policy;

/// A witness that takes longer is as good as none.
const WITHIN: Duration = Duration::from_secs(1);

/// Who is asked.
pub struct Sentinels {
    /// Host and port of each configured witness.
    configured: Vec<String>,
    /// Host and port of each watched service.
    peers: HashMap<ServiceName, String>,
}

impl Sentinels {
    /// The configured witnesses, as `host:port`, and the watched services.
    pub fn new(configured: Vec<String>, policy: &Policy) -> Self {
        let peers = policy.services.iter().filter_map(|service| {
            let url = reqwest::Url::parse(&service.probe_url).ok()?;
            let address = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
            Some((service.name.clone(), address))
        });
        Self { configured, peers: peers.collect() }
    }

    /// Asks the configured witnesses and these services, all at once.
    pub async fn ask(&self, peers: &[ServiceName]) -> Vec<Witness> {
        let of_peers =
            peers.iter().filter_map(|peer| Some((peer.to_string(), self.peers.get(peer)?.clone())));
        let configured = self.configured.iter().map(|address| (address.clone(), address.clone()));
        let mut asked = tokio::task::JoinSet::new();
        for (place, (name, address)) in configured.chain(of_peers).enumerate() {
            asked.spawn(async move { (place, ask(name, &address).await) });
        }
        let mut witnesses = asked.join_all().await;
        witnesses.sort_by_key(|(place, _)| *place);
        witnesses.into_iter().map(|(_, witness)| witness).collect()
    }
}

/// A refusal is an answer: it has crossed the network both ways.
async fn ask(name: String, address: &str) -> Witness {
    let error = match timeout(WITHIN, TcpStream::connect(address)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) if is_an_answer(&error) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {} s", WITHIN.as_secs())),
    };
    Witness { name, reached: error.is_none(), error }
}

fn is_an_answer(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}
