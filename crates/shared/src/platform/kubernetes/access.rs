//! How the API server is reached: by a kubeconfig, or as a pod of the cluster.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::{Client, Config};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::failure::{Failure, Fault};

/// How long a look may take.
pub const LOOK_LIMIT: Duration = Duration::from_secs(3);
/// How long a write may take. With a lease of 15 s that is given up after 10 s without renewal, a write that began under
/// it has ended before another instance can lead.
pub const WRITE_LIMIT: Duration = Duration::from_secs(4);
/// Bytes of an answer at most.
const ANSWER: usize = 16 * 1024 * 1024;
/// By this name the API server remembers which fields we have written.
pub const FIELD_MANAGER: &str = "health-monitor";

/// A way to one API server, with one client that is made when it is first needed. Clones share it.
#[derive(Clone)]
pub struct Access {
    kubeconfig: Option<PathBuf>,
    namespace: Option<String>,
    field_manager: &'static str,
    connected: Arc<Mutex<Option<Connected>>>,
}

/// A client, and what its configuration says beside.
#[derive(Clone)]
struct Connected {
    client: Client,
    server: String,
    namespace: String,
}

impl Access {
    /// By the current context of a kubeconfig; without one, as a pod by the files of its ServiceAccount. The namespace is
    /// the given one, else the pod's own, else that of the context. Connects to nothing.
    pub fn new(kubeconfig: Option<&str>, namespace: Option<&str>) -> Self {
        let given = |text: &&str| !text.is_empty();
        Self {
            kubeconfig: kubeconfig.filter(given).map(PathBuf::from),
            namespace: namespace.filter(given).map(str::to_owned),
            field_manager: FIELD_MANAGER,
            connected: Arc::default(),
        }
    }

    /// Writes fields under this name.
    #[must_use]
    pub fn writing_as(self, field_manager: &'static str) -> Self {
        Self { field_manager, ..self }
    }

    /// The name under which fields are written.
    pub fn field_manager(&self) -> &'static str {
        self.field_manager
    }

    /// The namespace that is meant where none is named.
    pub async fn namespace(&self) -> Result<String, Failure> {
        match &self.namespace {
            Some(namespace) => Ok(namespace.clone()),
            None => Ok(self.connected("find the own namespace").await?.namespace),
        }
    }

    /// Asks the API server for its version, within 3 s: `Kubernetes v1.36.2 at https://10.96.0.1`.
    pub async fn ping(&self) -> Result<String, Failure> {
        let version: Value = self.get("ask Kubernetes for its version", "/version").await?;
        let version = version["gitVersion"].as_str().unwrap_or("of unknown version").to_owned();
        let server = self.connected("ask Kubernetes for its version").await?.server;
        Ok(format!("Kubernetes {version} at {server}"))
    }

    /// A client for what this does not offer, such as watching. It retries nothing by itself.
    pub async fn client(&self, tried: &str) -> Result<Client, Failure> {
        Ok(self.connected(tried).await?.client)
    }

    /// Reads an object or a list, within 3 s. `path` is that of the API, its query included; `tried` says for a person what
    /// is done.
    pub async fn get<T: DeserializeOwned>(&self, tried: &str, path: &str) -> Result<T, Failure> {
        let text = self.text(tried, path).await?;
        read(tried, &text)
    }

    /// Reads a text, within 3 s.
    pub async fn text(&self, tried: &str, path: &str) -> Result<String, Failure> {
        self.call(tried, LOOK_LIMIT, Method::GET, path, None).await
    }

    /// Writes once, within 4 s, and gives what the API server answers. `kind` is the media type of the body.
    pub async fn write(
        &self,
        tried: &str,
        (method, path): (Method, &str),
        kind: &'static str,
        body: &Value,
    ) -> Result<Value, Failure> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}fieldManager={}", self.field_manager);
        let body = Some((kind, body.to_string().into_bytes()));
        let text = self.call(tried, WRITE_LIMIT, method, &path, body).await?;
        read(tried, &text)
    }

    /// Creates an object, or asks for what a subresource does.
    pub async fn create(&self, tried: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        self.write(tried, (Method::POST, path), "application/json", body).await
    }

    /// Changes an object by a JSON merge patch (RFC 7396). With `metadata.resourceVersion` in it, only the version that was
    /// read is changed.
    pub async fn merge(&self, tried: &str, path: &str, patch: &Value) -> Result<Value, Failure> {
        self.write(tried, (Method::PATCH, path), "application/merge-patch+json", patch).await
    }

    /// Changes an object by a strategic merge patch: elements of lists are told by their names.
    pub async fn merge_strategically(
        &self,
        tried: &str,
        path: &str,
        patch: &Value,
    ) -> Result<Value, Failure> {
        self.write(tried, (Method::PATCH, path), "application/strategic-merge-patch+json", patch).await
    }

    async fn call(
        &self,
        tried: &str,
        limit: Duration,
        method: Method,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<String, Failure> {
        let Connected { client, server, .. } = self.connected(tried).await?;
        let failed = |fault: Fault| Failure::new(tried, &server, fault);
        let request = Request::builder().method(method).uri(path);
        let request = match body {
            Some((kind, bytes)) => request.header(header::CONTENT_TYPE, kind).body(Body::from(bytes)),
            None => request.body(Body::empty()),
        };
        let request = request.map_err(|error| failed(Fault::NoAccess(error.to_string())))?;
        let answered = timeout(limit, async {
            let response = client.send(request).await.map_err(|error| Fault::of_client(&error))?;
            answer(response).await
        });
        let result = answered.await.unwrap_or_else(|_| Err(Fault::timed_out(limit)));
        if let Err(Fault::Unauthorized(_)) = &result {
            // Credentials in a file may have been renewed: the next call reads them again.
            *self.connected.lock().await = None;
        }
        result.map_err(failed)
    }

    async fn connected(&self, tried: &str) -> Result<Connected, Failure> {
        let mut connected = self.connected.lock().await;
        if let Some(known) = &*connected {
            return Ok(known.clone());
        }
        let made = match timeout(LOOK_LIMIT, self.connect()).await {
            Ok(made) => made,
            Err(_) => Err("its credentials were not there in time".to_owned()),
        };
        let made = made.map_err(|reason| Failure::new(tried, &self.source(), Fault::NoAccess(reason)))?;
        *connected = Some(made.clone());
        Ok(made)
    }

    async fn connect(&self) -> Result<Connected, String> {
        let mut config = match &self.kubeconfig {
            Some(path) => of_kubeconfig(path).await?,
            None => Config::incluster().map_err(|error| error.to_string())?,
        };
        config.default_retry = false;
        config.connect_timeout = Some(LOOK_LIMIT);
        let server = config.cluster_url.to_string();
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|error| error.to_string())?;
        Ok(Connected { client, server: server.trim_end_matches('/').to_owned(), namespace })
    }

    /// Where the way to the API server is written.
    fn source(&self) -> String {
        match &self.kubeconfig {
            Some(path) => format!("KUBECONFIG ({})", path.display()),
            None => "the ServiceAccount of this pod".to_owned(),
        }
    }
}

/// Where the way to the API server is written.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source())
    }
}

/// Leaves out whatever could be a secret.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, namespace) = (self.source(), &self.namespace);
        f.debug_struct("Access")
            .field("source", &source)
            .field("namespace", namespace)
            .finish_non_exhaustive()
    }
}

/// The same way, whoever made it.
impl PartialEq for Access {
    fn eq(&self, other: &Self) -> bool {
        (&self.kubeconfig, &self.namespace) == (&other.kubeconfig, &other.namespace)
    }
}

impl Eq for Access {}

async fn of_kubeconfig(path: &Path) -> Result<Config, String> {
    let told = |error: kube::config::KubeconfigError| error.to_string();
    // Like that of `kubectl`, it may be several files, the first of which is the strongest.
    let mut kubeconfig = Kubeconfig::default();
    for path in std::env::split_paths(path) {
        kubeconfig = kubeconfig.merge(Kubeconfig::read_from(path).map_err(told)?).map_err(told)?;
    }
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(told)
}

async fn answer(response: Response<Body>) -> Result<String, Fault> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER).collect().await;
    let body = body.map_err(|error| Fault::NoAnswer(format!("the answer broke off: {error}")))?.to_bytes();
    if head.status.is_success() {
        return String::from_utf8(body.to_vec())
            .map_err(|_| Fault::NoAnswer("the answer is no text".to_owned()));
    }
    Err(refused(head.status, &body))
}

fn refused(code: StatusCode, body: &[u8]) -> Fault {
    // A proxy before the API server may answer with anything.
    let status = serde_json::from_slice::<Status>(body)
        .unwrap_or_else(|_| Status::failure(&crate::platform::one_line(body), "").with_code(code.as_u16()));
    Fault::of_status(&Status { code: code.as_u16(), ..status })
}

fn read<T: DeserializeOwned>(tried: &str, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let fault = Fault::NoAnswer(format!("the answer cannot be read: {error}"));
        Failure::new(tried, "the API server", fault)
    })
}

#[cfg(test)]
mod tests;
