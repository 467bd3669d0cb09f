//! What holds from the start of the process to its end.

use secrecy::ExposeSecret;

use super::Foundation;
use crate::elasticsearch::Credentials;

impl Foundation {
    /// These settings with what cannot change while the daemon runs as it is in `running`. Gives the settings
    /// that ask for something else, by name.
    #[must_use]
    pub fn keeping_what_is_fixed(self, running: &Self) -> (Self, Vec<&'static str>) {
        let (wanted, present) = (credentials(&self), credentials(running));
        let [key, user, password] = std::array::from_fn(|which| wanted[which] != present[which]);
        let asked = [
            ("BIND_ADDRESS", self.bind_address != running.bind_address),
            ("DATA_DIR", self.data_dir != running.data_dir),
            ("DURABILITY", self.durability != running.durability),
            ("JOURNAL_MAX_BYTES", self.journal_max_bytes != running.journal_max_bytes),
            ("LEADER_ELECTION, POD_NAME, POD_IP", self.leader_election != running.leader_election),
            ("LOG_FORMAT", self.log_format != running.log_format),
            ("ELASTICSEARCH_ENABLED", self.elasticsearch_enabled != running.elasticsearch_enabled),
            ("ELASTICSEARCH_URL", self.elasticsearch.url != running.elasticsearch.url),
            ("ELASTICSEARCH_API_KEY", key),
            ("ELASTICSEARCH_USERNAME", user),
            ("ELASTICSEARCH_PASSWORD", password),
            ("ELASTICSEARCH_CA", self.elasticsearch.ca != running.elasticsearch.ca),
            (
                "ELASTICSEARCH_RETENTION_DAYS",
                self.elasticsearch.retention_days != running.elasticsearch.retention_days,
            ),
        ];
        let kept = Self {
            bind_address: running.bind_address,
            data_dir: running.data_dir.clone(),
            durability: running.durability,
            journal_max_bytes: running.journal_max_bytes,
            leader_election: running.leader_election.clone(),
            log_format: running.log_format,
            elasticsearch_enabled: running.elasticsearch_enabled,
            elasticsearch: running.elasticsearch.clone(),
            ..self
        };
        (kept, asked.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect())
    }
}

/// The key, the user and the password for Elasticsearch, to be compared and shown nowhere.
fn credentials(settings: &Foundation) -> [Option<&str>; 3] {
    match &settings.elasticsearch.credentials {
        None => [None; 3],
        Some(Credentials::ApiKey(key)) => [Some(key.expose_secret()), None, None],
        Some(Credentials::Basic { username, password }) => {
            [None, Some(username), Some(password.expose_secret())]
        }
    }
}
