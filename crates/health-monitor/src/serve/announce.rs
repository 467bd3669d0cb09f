//! What an operator is told of the daemon itself: the first log line, and the checks of its readiness.

use shared::elasticsearch::Shipping;
use shared::engine::Handle;
use shared::http::probes::Check;
use shared::leadership::Leadership;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::reachability::Reachability;
use super::reload::Reload;
use crate::config::Config;
use crate::domain::network::QUORUM;
use crate::domain::notification::channel::ChannelPolicy;
use crate::domain::supervisor::Supervisor;

/// The first line of the log.
pub(super) fn started(config: &Config, listener: &TcpListener, engine: &Handle<Supervisor>) {
    let address =
        listener.local_addr().map_or_else(|_| config.foundation.bind_address.to_string(), |a| a.to_string());
    let backends: std::collections::BTreeSet<&str> =
        config.policy.services.iter().map(|service| service.target.backend.as_str()).collect();
    let modes: std::collections::BTreeSet<&str> =
        config.policy.services.iter().map(|service| service.mode.as_str()).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address,
        services = config.policy.services.len(),
        backends = backends.into_iter().collect::<Vec<_>>().join(","),
        modes = modes.into_iter().collect::<Vec<_>>().join(","),
        healing_may_be_requested_by = config.foundation.access.requested_by(),
        data_dir = %config.foundation.data_dir.display(),
        journal_bytes = engine.journal().bytes,
        elasticsearch = %elasticsearch(config),
        "watching"
    );
}

/// Where recorded facts are shipped to.
fn elasticsearch(config: &Config) -> String {
    if config.foundation.elasticsearch_enabled {
        config.foundation.elasticsearch.url.to_string()
    } else {
        "off".to_owned()
    }
}

/// The checks of readiness.
pub(super) fn checks(
    engine: &Handle<Supervisor>,
    reachability: &Reachability,
    reload: &Reload,
    shipping: Option<&watch::Receiver<Shipping>>,
    leadership: &Leadership,
) -> Vec<Check> {
    let journal = engine.journal();
    let cursor = journal.cursor;
    let mut checks = vec![Check::of_journal(journal)];
    for (name, found) in [("docker", reachability.docker()), ("kubernetes", reachability.kubernetes())] {
        if let Some(found) = found {
            let ok = found.is_ok();
            let detail = Some(found.unwrap_or_else(|reason| reason));
            checks.push(Check { name, ok, is_required: false, detail });
        }
    }
    checks.extend(leadership.readiness());
    checks.push(reload.check());
    checks.extend(guards(engine));
    checks.extend(notifications(engine));
    checks.extend(shipping.map(|shipping| shared::shipping::check(&shipping.borrow(), cursor)));
    checks
}

/// Whether the guards across services let healing go on. None of them makes the daemon unready.
fn guards(engine: &Handle<Supervisor>) -> Vec<Check> {
    let view = engine.view();
    let fleet = &view.state.fleet;
    let check = |name, trouble: Option<String>, fine: String| Check {
        name,
        ok: trouble.is_none(),
        is_required: false,
        detail: Some(trouble.unwrap_or(fine)),
    };
    let isolation = fleet.isolation.as_ref();
    let storm = fleet.storm.as_ref();
    let tripped = fleet.tripped.as_ref();
    let pause = fleet.pause.as_ref().filter(|pause| view.at < pause.until);
    vec![
        check(
            "own_network",
            isolation.map(|one| format!("gone since {}: {} cannot be reached", one.since, one.lost())),
            match view.witnesses.len() {
                0 => "no reason to ask so far".to_owned(),
                few if few < QUORUM => format!("not judged: {few} witnesses, and it takes {QUORUM}"),
                many => format!("{many} witnesses asked"),
            },
        ),
        check(
            "storm",
            storm.map(|one| format!("{} of {} services went down at {}", one.down, one.eligible, one.since)),
            "calm".to_owned(),
        ),
        check(
            "budget",
            tripped.map(|one| format!("spent at {}: find the cause, then POST /reset/budget", one.since)),
            format!("{} actions allowed within ten minutes", view.policy.fleet.max_actions),
        ),
        check(
            "healing",
            pause.map(|one| format!("{} of all services until {}", one.kind.as_str(), one.until)),
            "not paused".to_owned(),
        ),
    ]
}

/// Whether people can be told. A channel that fails makes the daemon no less ready.
fn notifications(engine: &Handle<Supervisor>) -> Option<Check> {
    let view = engine.view();
    let channels = &view.policy.notifications.channels;
    let failing = |channel: &ChannelPolicy| {
        let queue = view.state.notifications.queues.get(&channel.name);
        let reason =
            queue.and_then(|queue| queue.failing.as_ref()).or_else(|| view.unrenewed.get(&channel.name))?;
        Some(format!("{}: {reason}", channel.name))
    };
    let failing: Vec<String> = channels.iter().filter_map(failing).collect();
    let detail = match failing.as_slice() {
        [] => format!("{} channels", channels.len()),
        some => some.join("; "),
    };
    let ok = failing.is_empty();
    (!channels.is_empty()).then_some(Check {
        name: "notifications",
        ok,
        is_required: false,
        detail: Some(detail),
    })
}
