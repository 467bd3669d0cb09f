//! The settings that both daemons have, and what they come to.

mod fixed;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use secrecy::ExposeSecret;

use super::fault::Faults;
use super::group::Group;
use super::http_url::HttpUrl;
use super::setting::{Chapter, Kind, Setting};
use crate::elasticsearch::{Client, Credentials, ElasticsearchSettings, InvalidSettings};
use crate::http::access::{AccessSettings, Token};
use crate::journal::Durability;
use crate::telemetry::LogFormat;

/// What a recorded fact survives.
pub const DURABILITY: Setting = Setting::new(
    "DURABILITY",
    Kind::Choice(&["disk", "os"]),
    "What a recorded fact survives: disk = a power cut, os = a crash of the daemon only",
)
.or("disk");

/// How large the journal may become.
pub const JOURNAL_MAX_BYTES: Setting = Setting::new(
    "JOURNAL_MAX_BYTES",
    Kind::Whole { min: 1 << 20, max: 1 << 50 },
    "Size of the journal above which the oldest facts are dropped",
)
.unit("bytes")
.or("2147483648");

/// Who may change something.
pub const ACCESS: Chapter = Chapter {
    heading: "Access",
    settings: &[
        Setting::new(
            "API_TOKEN",
            Kind::Text,
            "Bearer tokens with their roles: operator:SECRET,viewer:SECRET; without a role = operator",
        )
        .secret(),
        Setting::new(
            "ALLOW_UNAUTHENTICATED",
            Kind::Boolean,
            "Takes changes from everybody although no token is set",
        )
        .or("false"),
        Setting::new(
            "MUTATIONS_PER_MINUTE",
            Kind::Whole { min: 1, max: 100_000 },
            "Changes that one token or peer may ask for in a minute",
        )
        .or("60"),
    ],
};

/// Which of several instances acts.
pub const LEADERSHIP: Chapter = Chapter {
    heading: "Standing by",
    settings: &[
        Setting::new(
            "LEADER_ELECTION",
            Kind::Boolean,
            "Whether this instance acts only while it holds the lease of its name in its Kubernetes namespace",
        )
        .or("false"),
        Setting::new("POD_NAME", Kind::Text, "The name of this instance, which no other one has"),
        Setting::new("POD_IP", Kind::Text, "Where other instances reach this one, on the port of BIND_ADDRESS"),
    ],
};

/// Where the log and the documents go.
pub const OUTPUT: Chapter = Chapter {
    heading: "Logs and Elasticsearch",
    settings: &[
        Setting::new(
            "LOG_FORMAT",
            Kind::Choice(&["auto", "text", "json", "ecs"]),
            "Format of the log; auto = text on a terminal, else json",
        )
        .or("auto"),
        Setting::new(
            "ELASTICSEARCH_ENABLED",
            Kind::Boolean,
            "Whether everything that is recorded is sent to Elasticsearch",
        )
        .or("true"),
        Setting::new("ELASTICSEARCH_URL", Kind::Url, "Where Elasticsearch answers")
            .or("http://elasticsearch:9200"),
        Setting::new("ELASTICSEARCH_API_KEY", Kind::Text, "API key for it: id:key, or that in base64")
            .secret(),
        Setting::new("ELASTICSEARCH_USERNAME", Kind::Text, "User for it, instead of a key"),
        Setting::new("ELASTICSEARCH_PASSWORD", Kind::Text, "Password of that user").secret(),
        Setting::new(
            "ELASTICSEARCH_CA",
            Kind::Text,
            "Certificates that are trusted beside the usual ones, as PEM",
        )
        .secret(),
        Setting::new("KIBANA_URL", Kind::Url, "Where `setup` imports the dashboards"),
        Setting::new(
            "ELASTICSEARCH_RETENTION_DAYS",
            Kind::Whole { min: 0, max: 36_500 },
            "Indices of days that are over for longer are deleted; 0 = never",
        )
        .or("0"),
    ],
};

/// What the settings that both daemons have come to.
#[derive(Clone, Debug)]
pub struct Foundation {
    /// Where the API listens.
    pub bind_address: SocketAddr,
    /// Directory of the journal.
    pub data_dir: PathBuf,
    /// What a recorded fact survives.
    pub durability: Durability,
    /// Size of the journal, in bytes, above which the oldest facts are dropped.
    pub journal_max_bytes: u64,
    /// Who may change something.
    pub access: AccessSettings,
    /// Whether this instance acts only while it holds a lease; as whom, where it does.
    pub leader_election: Option<Pod>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Whether documents are sent to Elasticsearch.
    pub elasticsearch_enabled: bool,
    /// Where Elasticsearch is, and who we are to it.
    pub elasticsearch: ElasticsearchSettings,
    /// Where Kibana is, which `setup` gives the dashboards; none where there is none.
    pub kibana_url: Option<HttpUrl>,
}

/// An instance among others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pod {
    /// Its name, which no other one has.
    pub name: String,
    /// Its address, as other instances reach it.
    pub ip: IpAddr,
    /// The file that says how the API server is reached; none for a pod of its cluster.
    pub kubeconfig: Option<String>,
}

impl Foundation {
    /// Takes them out; none after a fault that leaves something out.
    pub fn build(root: &Group, faults: &mut Faults) -> Option<Self> {
        let access = access(root, faults);
        let elasticsearch = elasticsearch(root, faults);
        let kibana_url = root.url("KIBANA_URL").cloned();
        if kibana_url.as_ref().is_some_and(HttpUrl::has_query_or_fragment) {
            faults.push(root.fault("KIBANA_URL", "must not have a query or fragment"));
        }
        let leader_election = pod(root, faults);
        Some(Self {
            leader_election,
            bind_address: root.address("BIND_ADDRESS")?,
            data_dir: root.text("DATA_DIR").unwrap_or_default().into(),
            durability: if root.text("DURABILITY") == Some("os") { Durability::Os } else { Durability::Disk },
            journal_max_bytes: root.whole("JOURNAL_MAX_BYTES").unwrap_or_default(),
            access,
            log_format: LogFormat::from_word(root.text("LOG_FORMAT").unwrap_or_default()),
            elasticsearch_enabled: root.boolean("ELASTICSEARCH_ENABLED"),
            elasticsearch: elasticsearch?,
            kibana_url,
        })
    }
}

/// As whom this instance stands for election; none where it does not, or after a fault.
fn pod(root: &Group, faults: &mut Faults) -> Option<Pod> {
    if !root.boolean("LEADER_ELECTION") {
        return None;
    }
    let bound = root.address("BIND_ADDRESS").map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
    let ip = match root.text("POD_IP").map(|text| text.parse::<IpAddr>()) {
        Some(Ok(ip)) => Some(ip),
        None if bound.is_some() => bound,
        Some(Err(error)) => {
            faults.push(root.fault("POD_IP", format!("is no address: {error}")));
            None
        }
        None => {
            let reason =
                "needs POD_IP, by which other instances reach this one: BIND_ADDRESS names no address";
            faults.push(root.fault("LEADER_ELECTION", reason));
            None
        }
    };
    let Some(name) = root.text("POD_NAME") else {
        faults.push(root.fault("LEADER_ELECTION", "needs POD_NAME, a name that no other instance has"));
        return None;
    };
    let kubeconfig = root.text("KUBECONFIG").map(str::to_owned);
    Some(Pod { name: name.to_owned(), ip: ip?, kubeconfig })
}

fn access(root: &Group, faults: &mut Faults) -> AccessSettings {
    let tokens = match root.secret("API_TOKEN").map(|text| Token::parse_list(text.expose_secret())) {
        None => Vec::new(),
        Some(Ok(tokens)) if tokens.is_empty() => {
            faults.push(root.fault("API_TOKEN", "holds no token"));
            tokens
        }
        Some(Ok(tokens)) => tokens,
        Some(Err(invalid)) => {
            faults.push(root.fault("API_TOKEN", invalid.to_string()));
            Vec::new()
        }
    };
    AccessSettings {
        tokens,
        allow_unauthenticated: root.boolean("ALLOW_UNAUTHENTICATED"),
        mutations_per_minute: root
            .whole("MUTATIONS_PER_MINUTE")
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or_default(),
    }
}

/// Reads the settings and tries whether a connection can be prepared with them; none after a fault.
fn elasticsearch(root: &Group, faults: &mut Faults) -> Option<ElasticsearchSettings> {
    let url = root.url("ELASTICSEARCH_URL")?;
    if url.has_query_or_fragment() {
        faults.push(root.fault("ELASTICSEARCH_URL", "must not have a query or fragment"));
        return None;
    }
    let ca = root.secret("ELASTICSEARCH_CA").map(|pem| pem.expose_secret().to_owned());
    let credentials = credentials(root, faults)?;
    let days = root.whole("ELASTICSEARCH_RETENTION_DAYS").and_then(|days| u32::try_from(days).ok());
    let retention_days = days.filter(|days| *days > 0);
    let settings = ElasticsearchSettings { url: url.clone(), credentials, ca, retention_days };
    let key = match Client::new(&settings) {
        Ok(_) => return Some(settings),
        Err(InvalidSettings::ApiKey) => ("ELASTICSEARCH_API_KEY", InvalidSettings::ApiKey),
        Err(invalid @ InvalidSettings::Certificate(_)) => ("ELASTICSEARCH_CA", invalid),
        Err(invalid @ InvalidSettings::Client(_)) => ("ELASTICSEARCH_URL", invalid),
    };
    faults.push(root.fault(key.0, key.1.to_string()));
    None
}

/// The credentials, if there are any; nothing after a fault.
fn credentials(root: &Group, faults: &mut Faults) -> Option<Option<Credentials>> {
    let key = root.secret("ELASTICSEARCH_API_KEY");
    let username = root.text("ELASTICSEARCH_USERNAME");
    let password = root.secret("ELASTICSEARCH_PASSWORD");
    let (setting, reason) = match (key, username, password) {
        (None, None, None) => return Some(None),
        (Some(key), None, None) => return Some(Some(Credentials::ApiKey(key.clone()))),
        (None, Some(username), Some(password)) => {
            let (username, password) = (username.to_owned(), password.clone());
            return Some(Some(Credentials::Basic { username, password }));
        }
        (Some(_), _, _) => {
            ("ELASTICSEARCH_API_KEY", "is set beside a user or password, and one has to be chosen")
        }
        (None, Some(_), None) => ("ELASTICSEARCH_USERNAME", "needs ELASTICSEARCH_PASSWORD"),
        (None, None, Some(_)) => ("ELASTICSEARCH_PASSWORD", "needs ELASTICSEARCH_USERNAME"),
    };
    if !root.refused.contains(setting) {
        faults.push(root.fault(setting, reason));
    }
    None
}
