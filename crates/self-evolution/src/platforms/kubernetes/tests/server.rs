//! An API server with a few objects: it gives them, takes what is applied to them, and refuses what it is told to.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use shared::platform::kubernetes::Access;
use shared::platform::kubernetes::locate::Wanted;
use tempfile::NamedTempFile;

use super::super::{FIELD_MANAGER, KubernetesMeans};

/// Bytes of a request at most.
const MOST: usize = 1_000_000;

/// What it has, and which writes it refuses, by path.
#[derive(Default)]
struct Known {
    objects: BTreeMap<String, Value>,
    refused: BTreeMap<String, u16>,
}

/// One that runs until its test ends.
pub(super) struct Server {
    known: Arc<Mutex<Known>>,
    kubeconfig: NamedTempFile,
}

impl Server {
    pub(super) async fn start(objects: &[(&str, Value)]) -> Self {
        let objects = objects.iter().map(|(path, object)| ((*path).to_owned(), object.clone())).collect();
        let known = Arc::new(Mutex::new(Known { objects, ..Known::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&known));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut kubeconfig = NamedTempFile::new().unwrap();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             contexts: [{{name: test, context: {{cluster: test, user: test, namespace: shop}}}}]\n\
             clusters: [{{name: test, cluster: {{server: \"http://{address}\"}}}}]\n\
             users: [{{name: test, user: {{token: token}}}}]\n"
        );
        kubeconfig.write_all(text.as_bytes()).unwrap();
        Self { known, kubeconfig }
    }

    /// From now on writes to this path are answered like this.
    pub(super) fn refuse(&self, path: &str, code: u16) {
        self.known.lock().unwrap().refused.insert(path.to_owned(), code);
    }

    /// The way to it, for `deployment/web`.
    pub(super) fn means(&self) -> KubernetesMeans {
        KubernetesMeans {
            access: Access::new(self.kubeconfig.path().to_str(), None).writing_as(FIELD_MANAGER),
            wanted: Wanted { service: "web".to_owned(), workload: None, host: None },
            rolls_out: true,
            rollout_timeout: Duration::from_secs(1),
        }
    }
}

async fn answer(State(known): State<Arc<Mutex<Known>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST).await.unwrap();
    let path = head.uri.path();
    let mut known = known.lock().unwrap();
    let refused = known.refused.get(path).copied().filter(|_| head.method != Method::GET);
    match (refused, known.objects.get_mut(path)) {
        (Some(code), _) => status(code),
        (None, None) => status(404),
        (None, Some(object)) => {
            if head.method == Method::PATCH {
                merge(object, &serde_json::from_slice(&body).unwrap());
            }
            Json(object.clone()).into_response()
        }
    }
}

/// Puts what is applied over what there is.
fn merge(object: &mut Value, applied: &Value) {
    match (object.as_object_mut(), applied.as_object()) {
        (Some(members), Some(applied)) => {
            for (name, value) in applied {
                merge(members.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        _ => *object = applied.clone(),
    }
}

fn status(code: u16) -> Response {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": format!("answered {code}"),
        "reason": "", "code": code
    });
    (StatusCode::from_u16(code).unwrap(), Json(body)).into_response()
}
