//! What an operator is told of the daemon itself: the first log line, and the checks of its readiness.

use shared::engine::Handle;
use shared::http::probes::Check;
use tokio::net::TcpListener;

use super::reachability::Reachability;
use crate::config::Config;
use crate::domain::supervisor::Supervisor;

/// Why nothing reaches Elasticsearch.
const NOT_SHIPPED: &str = "this version keeps its whole history in the journal and sends nothing to Elasticsearch; set ELASTICSEARCH_ENABLED=false to say that this is as it should be";

/// The first line of the log.
pub(super) fn started(config: &Config, listener: &TcpListener, engine: &Handle<Supervisor>) {
    let address = listener.local_addr().map_or_else(|_| config.bind_address.to_string(), |a| a.to_string());
    let backends: std::collections::BTreeSet<&str> =
        config.policy.services.iter().map(|service| service.target.backend.as_str()).collect();
    let modes: std::collections::BTreeSet<&str> =
        config.policy.services.iter().map(|service| service.mode.as_str()).collect();
    let access = if !config.access.tokens.is_empty() {
        "token"
    } else if config.access.allow_unauthenticated {
        "anybody"
    } else {
        "this host"
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address,
        services = config.policy.services.len(),
        backends = backends.into_iter().collect::<Vec<_>>().join(","),
        modes = modes.into_iter().collect::<Vec<_>>().join(","),
        healing_may_be_requested_by = access,
        data_dir = %config.data_dir.display(),
        journal_bytes = engine.journal().bytes,
        "watching"
    );
    if config.elasticsearch_enabled {
        tracing::warn!("{NOT_SHIPPED}");
    }
}

/// The checks of readiness.
pub(super) fn checks(
    engine: &Handle<Supervisor>,
    reachability: &Reachability,
    elasticsearch_enabled: bool,
) -> Vec<Check> {
    let journal = engine.journal();
    let used = format!("{} of {} bytes used", journal.bytes, journal.max_bytes);
    let mut checks = vec![Check {
        name: "journal",
        ok: journal.failure.is_none(),
        is_required: true,
        detail: Some(journal.failure.or(journal.salvaged).unwrap_or(used)),
    }];
    if let Some(docker) = reachability.docker() {
        let ok = docker.is_ok();
        let detail = Some(docker.unwrap_or_else(|reason| reason));
        checks.push(Check { name: "docker", ok, is_required: false, detail });
    }
    if elasticsearch_enabled {
        let detail = Some(NOT_SHIPPED.to_owned());
        checks.push(Check { name: "elasticsearch", ok: false, is_required: false, detail });
    }
    checks
}
