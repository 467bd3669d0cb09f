//! Requests to the server, through the official client's transport: credentials, certificates, time limits.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use ::elasticsearch::auth::Credentials as ClientCredentials;
use ::elasticsearch::cert::{Certificate, CertificateValidation};
use ::elasticsearch::http::headers::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ::elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use ::elasticsearch::http::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::config::HttpUrl;

/// How long a question about the server may take.
const ASKING: Duration = Duration::from_secs(10);
/// How long a bulk request may take; the server may be busy with others.
const SENDING: Duration = Duration::from_secs(60);
/// How long the server may wait for a shard that is away before it answers for the documents of the others.
const SHARD: &str = "20s";

/// Where the server is, and who we are to it.
#[derive(Clone, Debug)]
pub struct ElasticsearchSettings {
    /// Its address, perhaps with a path in front of the routes.
    pub url: HttpUrl,
    /// Who we are; none where the server does not ask, or the address says it.
    pub credentials: Option<Credentials>,
    /// Certificates, as PEM, that are trusted beside the usual ones.
    pub ca: Option<String>,
    /// Indices of days that are over for more than so many days are deleted; none = never.
    pub retention_days: Option<u32>,
}

/// Who we are to the server.
#[derive(Clone)]
pub enum Credentials {
    /// An API key: `id:key`, or that in base64 as the server gives it.
    ApiKey(SecretString),
    /// A user and a password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: SecretString,
    },
}

/// Shows the user and no secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(_) => f.write_str("ApiKey(***)"),
            Self::Basic { username, .. } => write!(f, "Basic({username}:***)"),
        }
    }
}

/// Why no client can be made of the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// The key cannot be sent.
    #[error("the API key must be id:key, or that in base64, without white space or line breaks")]
    ApiKey,
    /// The certificates cannot be read.
    #[error("the certificates of ELASTICSEARCH_CA cannot be read as PEM ({0})")]
    Certificate(String),
    /// The client refuses the settings for another reason.
    #[error("no connection to Elasticsearch can be prepared ({0})")]
    Client(String),
}

/// The way to the server. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    /// How the server is named in messages: without credentials.
    name: String,
}

/// Shows the name alone: what the client holds is shown with its secrets.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.name)
    }
}

/// What the server answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The reason in the body of an error, as far as there is one; Kibana says it in a `message`.
    pub(crate) fn reason(&self) -> String {
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        let error = body.as_ref().and_then(|body| body.get("error"));
        let message = body.as_ref().and_then(|body| body.get("message"));
        let reason =
            error.and_then(|error| error.get("reason")).or(message).or(error).and_then(Value::as_str);
        match reason {
            Some(reason) => format!("status {}: {}", self.status, shortened(reason)),
            None => format!("status {}", self.status),
        }
    }
}

/// Reasons of servers can be pages long.
pub(crate) fn shortened(reason: &str) -> String {
    const MOST: usize = 300;
    let short: String = reason.chars().take(MOST).collect();
    if short.len() < reason.len() { format!("{short}…") } else { short }
}

impl Client {
    /// Prepares a client; nothing is connected yet.
    pub fn new(settings: &ElasticsearchSettings) -> Result<Self, InvalidSettings> {
        let refused = |error: &dyn fmt::Display| InvalidSettings::Client(error.to_string());
        let mut url: Url = settings.url.expose().parse().map_err(|error| refused(&error))?;
        let in_url = url.password().map(|password| {
            let decode = |text: &str| percent_decoded(text);
            ClientCredentials::Basic(decode(url.username()), decode(password))
        });
        // They go into a header, and must not be seen in an error.
        let _ = (url.set_username(""), url.set_password(None));
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let credentials = match &settings.credentials {
            Some(credentials) => Some(client_credentials(credentials)?),
            None => in_url,
        };
        let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url))
            .disable_proxy()
            .enable_meta_header(false);
        if let Some(credentials) = credentials {
            builder = builder.auth(credentials);
        }
        if let Some(ca) = &settings.ca {
            let unreadable = |error: ::elasticsearch::Error| InvalidSettings::Certificate(deepest(&error));
            let certificate = Certificate::from_pem(ca.as_bytes()).map_err(unreadable)?;
            builder = builder.cert_validation(CertificateValidation::Full(certificate));
        }
        let transport = builder.build().map_err(|error| match &settings.ca {
            // What stands between the lines of a certificate is looked at only here.
            Some(_) => InvalidSettings::Certificate(deepest(&error)),
            None => refused(&error),
        })?;
        Ok(Self { transport, name: settings.url.to_string() })
    }

    /// How the server is named in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks for something.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, String> {
        self.request(Method::Get, path, None, ASKING, "application/json").await
    }

    /// Asks for something that the server works out.
    pub(super) async fn post(&self, path: &str) -> Result<Answer, String> {
        self.request(Method::Post, path, None, ASKING, "application/json").await
    }

    /// Puts a JSON document somewhere.
    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let body = body.to_string().into_bytes();
        self.request(Method::Put, path, Some(body), ASKING, "application/json").await
    }

    /// Deletes an index.
    pub(super) async fn delete(&self, index: &str) -> Result<Answer, String> {
        self.request(Method::Delete, index, None, ASKING, "application/json").await
    }

    /// Sends the lines of a bulk request, and gives what `filter` lets through of the answer.
    pub(super) async fn bulk(&self, filter: &str, body: Vec<u8>) -> Result<Answer, String> {
        let path = format!("_bulk?timeout={SHARD}&filter_path={filter}");
        self.request(Method::Post, &path, Some(body), SENDING, "application/x-ndjson").await
    }

    /// Sends a form to a Kibana, which speaks as Elasticsearch does and wants this header from whoever changes something.
    pub(crate) async fn upload(&self, path: &str, content: &str, body: Vec<u8>) -> Result<Answer, String> {
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static("kbn-xsrf"), HeaderValue::from_static("true"))]);
        self.request_with(headers, Method::Post, path, Some(body), SENDING, content).await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
        content: &str,
    ) -> Result<Answer, String> {
        self.request_with(HeaderMap::new(), method, path, body, limit, content).await
    }

    async fn request_with(
        &self,
        mut headers: HeaderMap,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
        content: &str,
    ) -> Result<Answer, String> {
        let content = HeaderValue::from_str(content).map_err(|error| format!("{content:?}: {error}"))?;
        headers.insert(CONTENT_TYPE, content);
        let unreachable = |error: &dyn Error| format!("{} cannot be reached ({})", self.name, deepest(error));
        let response = self
            .transport
            .send(method, path, headers, None::<&()>, body, Some(limit))
            .await
            .map_err(|error| unreachable(&error))?;
        let status = response.status_code().as_u16();
        let body = response.bytes().await.map_err(|error| unreachable(&error))?;
        Ok(Answer { status, body: body.to_vec() })
    }
}

fn client_credentials(credentials: &Credentials) -> Result<ClientCredentials, InvalidSettings> {
    match credentials {
        Credentials::ApiKey(key) => {
            let key = key.expose_secret();
            // The client makes a header of it without asking.
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(InvalidSettings::ApiKey);
            }
            Ok(match key.split_once(':') {
                Some((id, key)) => ClientCredentials::ApiKey(id.to_owned(), key.to_owned()),
                None => ClientCredentials::EncodedApiKey(key.to_owned()),
            })
        }
        Credentials::Basic { username, password } => {
            Ok(ClientCredentials::Basic(username.clone(), password.expose_secret().to_owned()))
        }
    }
}

/// Bytes behind `%` signs, as user and password stand in an address.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The innermost cause: the others repeat the address.
fn deepest(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, credentials: Option<Credentials>) -> ElasticsearchSettings {
        ElasticsearchSettings {
            url: HttpUrl::parse(url).unwrap(),
            credentials,
            ca: None,
            retention_days: None,
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let password = SecretString::from("hunter2");
        let basic = Credentials::Basic { username: "elastic".into(), password };
        let settings = settings("http://me:topsecret@host:9200", Some(basic));
        let client = Client::new(&settings).unwrap();
        let shown = format!("{settings:?} {client:?} {}", client.name());
        assert!(!shown.contains("hunter2") && !shown.contains("topsecret"), "{shown}");
    }

    #[test]
    fn a_key_that_cannot_be_sent_and_certificates_that_are_none_are_refused() {
        for key in ["", "a b", "line\nbreak", "kéy"] {
            let key = Some(Credentials::ApiKey(SecretString::from(key)));
            assert_eq!(Client::new(&settings("http://host", key)).unwrap_err(), InvalidSettings::ApiKey);
        }
        let mut settings = settings("https://host", None);
        settings.ca = Some("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----".into());
        assert!(matches!(Client::new(&settings).unwrap_err(), InvalidSettings::Certificate(_)));
    }

    #[test]
    fn what_is_escaped_in_an_address_is_sent_as_it_was_meant() {
        assert_eq!(percent_decoded("p%40ss%3Aw%c3%b6rd%"), "p@ss:wörd%");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_with_the_cause() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client::new(&settings(&url, None)).unwrap();
        let reason = client.get("_alias").await.unwrap_err();
        assert!(reason.starts_with(&url) && reason.to_lowercase().contains("refused"), "{reason}");
    }

    /// The `authorization` that a server is sent.
    async fn authorization(key: Option<&str>, userinfo: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{userinfo}{}", listener.local_addr().unwrap());
        let client = Client::new(&settings(&url, key.map(|key| Credentials::ApiKey(key.into())))).unwrap();
        let asking = tokio::spawn(async move { client.get("_alias").await });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4_096];
        let length = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        assert_eq!(asking.await.unwrap().unwrap().status, 200);
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization"));
        line.and_then(|line| line.split_once(": ")).unwrap().1.to_owned()
    }

    #[tokio::test]
    async fn a_key_is_sent_in_either_form_and_a_user_in_the_address_as_such() {
        // printf 'id:key' | base64
        assert_eq!(authorization(Some("id:key"), "").await, "ApiKey aWQ6a2V5");
        assert_eq!(authorization(Some("aWQ6a2V5"), "").await, "ApiKey aWQ6a2V5");
        // printf 'me:p@ss' | base64
        assert_eq!(authorization(None, "me:p%40ss@").await, "Basic bWU6cEBzcw==");
    }
}
