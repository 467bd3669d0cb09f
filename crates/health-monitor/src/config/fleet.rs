//! The guards across services.

use shared::config::{Fault, Faults, Group};

use super::number;
use crate::domain::dependency::Dependencies;
use crate::domain::network::is_local;
use crate::domain::policy::{FleetPolicy, ServicePolicy};

/// Witnesses at most: each is a connection at every doubt.
const MOST_SENTINELS: usize = 10;
/// Where name servers listen; RFC 7766 has them answer over TCP too.
const DNS: u16 = 53;

/// What holds for all services together, and who bears witness of our own network, as `host:port`.
pub(super) fn build(root: &Group, faults: &mut Faults) -> (FleetPolicy, Vec<String>) {
    let sentinels = match root.text("SENTINELS") {
        Some(list) => listed(list, root, faults),
        None => usual(root),
    };
    let policy = FleetPolicy {
        guards_own_network: root.boolean("OWN_NETWORK_GUARD"),
        sentinels: sentinels.len(),
        guards_storm: root.boolean("STORM_GUARD"),
        max_concurrent: number(root, "MAX_CONCURRENT_RECOVERIES") as usize,
        max_actions: number(root, "MAX_RECOVERIES_PER_TEN_MINUTES") as usize,
        max_percent: number(root, "MAX_FLEET_PERCENT"),
        ..FleetPolicy::default()
    };
    (policy, sentinels)
}

fn listed(list: &str, root: &Group, faults: &mut Faults) -> Vec<String> {
    let sentinels: Vec<String> =
        list.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
    let is_address = |one: &String| {
        one.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if let Some(wrong) = sentinels.iter().find(|one| !is_address(one)) {
        faults.push(root.fault("SENTINELS", format!("{wrong} is not host:port")));
    }
    if sentinels.len() > MOST_SENTINELS {
        faults.push(root.fault("SENTINELS", format!("names more than {MOST_SENTINELS}")));
    }
    sentinels
}

/// Name servers, Elasticsearch, a Docker Engine and the API server of the own cluster, as far as the network is needed to reach them.
fn usual(root: &Group) -> Vec<String> {
    let elasticsearch = root.url("ELASTICSEARCH_URL").filter(|_| root.boolean("ELASTICSEARCH_ENABLED"));
    let docker = root.text("DOCKER_HOST").and_then(|host| host.strip_prefix("tcp://"));
    let urls = elasticsearch.map(|url| url.expose().to_owned()).into_iter();
    let kubernetes = root.text("KUBERNETES_SERVICE_HOST").map(|host| format!("https://{host}:443"));
    let urls = urls.chain(kubernetes).chain(docker.map(|address| format!("http://{address}")));
    let of_urls = urls.filter_map(|url| {
        let url = reqwest::Url::parse(&url).ok()?;
        let host = url.host_str().filter(|host| !is_local(host))?;
        Some(format!("{host}:{}", url.port_or_known_default()?))
    });
    // Without that file there is no name server to ask; peers take its place.
    let resolver = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    name_servers(&resolver).into_iter().chain(of_urls).collect()
}

fn name_servers(resolver: &str) -> Vec<String> {
    let servers = resolver.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let servers = servers.map(str::trim).filter_map(|server| server.parse::<std::net::IpAddr>().ok());
    let remote = servers.filter(|server| !server.is_loopback());
    remote.map(|server| std::net::SocketAddr::new(server, DNS).to_string()).take(3).collect()
}

/// Who needs whom; a circle or a stranger is a fault.
pub(super) fn dependencies(services: &[ServicePolicy], faults: &mut Faults) -> Dependencies {
    let direct: Vec<_> =
        services.iter().map(|service| (&service.name, service.depends_on.as_slice())).collect();
    Dependencies::new(&direct).unwrap_or_else(|fault| {
        let subject = format!("services.{}.depends_on", fault.service());
        faults.push(Fault::new(subject, fault.to_string()));
        Dependencies::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_on_this_host_is_no_witness() {
        let resolver = "# comment\nnameserver 127.0.0.11\nnameserver 192.0.2.53\nnameserver 2001:db8::1\n";
        assert_eq!(name_servers(resolver), ["192.0.2.53:53", "[2001:db8::1]:53"]);
    }
}
