//! How many probes may be under way at once.

use std::collections::BTreeMap;

use crate::domain::policy::ServicePolicy;

/// Below this a few slow answers would hold up a small fleet.
const LEAST: usize = 64;

/// Above this the sockets alone would take the default limit of 4,096 or more open files on most hosts.
const MOST: usize = 4_096;

/// A host always gets this many: several slow services on one host must not wait for each other.
const LEAST_PER_HOST: usize = 16;

/// Probes in flight when every service hangs until its timeout: the sum of timeout over interval. A lower
/// limit would miss slots exactly when the answers matter.
pub(super) fn in_flight(services: &[ServicePolicy]) -> usize {
    hanging(services).clamp(LEAST, MOST)
}

/// The same for the host with the most services, so that a host that hangs stays on schedule and still cannot
/// take the slots of the others.
pub(super) fn in_flight_per_host(services: &[ServicePolicy]) -> usize {
    let mut by_host: BTreeMap<&str, Vec<&ServicePolicy>> = BTreeMap::new();
    for service in services {
        by_host.entry(service.host()).or_default().push(service);
    }
    let most = by_host.into_values().map(hanging).max().unwrap_or_default();
    most.clamp(LEAST_PER_HOST, in_flight(services))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
fn hanging<'a>(services: impl IntoIterator<Item = &'a ServicePolicy>) -> usize {
    let load = |service: &ServicePolicy| service.timeout.as_secs_f64() / service.interval.as_secs_f64();
    services.into_iter().map(load).sum::<f64>().ceil() as usize
}
