//! The self-evolution that a stand-in reports its requests to, and reads its settings from.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};

use super::routes::StandIn;
use super::usage::Usage;
use super::{flags, usage};

/// How long it may take for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Where it answers.
#[derive(Debug)]
pub(super) struct Evolution {
    client: Client,
    usage: Url,
    flags: Url,
}

impl Evolution {
    /// The one at this URL, whether it answers or not.
    pub(super) fn at(url: &Url) -> io::Result<Self> {
        let route = |path| url.join(path).map_err(|error| unusable(url, error));
        let client = Client::builder().no_proxy().timeout(ANSWER_LIMIT).build();
        let client = client.map_err(|error| unusable(url, error))?;
        Ok(Self { client, usage: route("collect-usage")?, flags: route("ofrep/v1/evaluate/flags")? })
    }

    /// Reports requests for as long as the process lives.
    pub(super) fn take_usage(&self) -> Usage {
        usage::report_to(self.usage.clone(), self.client.clone())
    }

    /// Does what it is told for as long as the process lives.
    pub(super) fn rule(self, stand_in: Arc<StandIn>) {
        let name = stand_in.name.clone();
        let told = move |told: &flags::Told| stand_in.obey(told);
        tokio::spawn(flags::follow(self.flags, self.client, name, told));
    }
}

fn unusable(url: &Url, error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("self-evolution cannot be asked at {url}: {error}"))
}
