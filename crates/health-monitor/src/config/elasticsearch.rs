//! Where Elasticsearch is, and who we are to it.

use secrecy::ExposeSecret;
use shared::config::{Faults, Group};
use shared::elasticsearch::{Client, Credentials, ElasticsearchSettings, InvalidSettings};

/// Reads the settings and tries whether a connection can be prepared with them; none after a fault.
pub(super) fn build(root: &Group, faults: &mut Faults) -> Option<ElasticsearchSettings> {
    let url = root.url("ELASTICSEARCH_URL")?;
    if url.has_query_or_fragment() {
        faults.push(root.fault("ELASTICSEARCH_URL", "must not have a query or fragment"));
        return None;
    }
    let ca = root.secret("ELASTICSEARCH_CA").map(|pem| pem.expose_secret().to_owned());
    let credentials = credentials(root, faults)?;
    let settings = ElasticsearchSettings { url: url.clone(), credentials, ca };
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
