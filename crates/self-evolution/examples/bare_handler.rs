//! What axum alone does with the same requests: reads an event and keeps nothing. Measured beside the daemon.

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Value, json};

async fn collect(axum::Json(event): axum::Json<Value>) -> axum::Json<Value> {
    axum::Json(json!({ "message": "Usage data collected", "service": event["service"] }))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "8080".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let router = Router::new().route("/collect-usage", post(collect)).route("/livez", get(async || "ok"));
    axum::serve(listener, router).await
}
