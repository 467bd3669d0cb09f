//! How the daemon of a simulated world is configured.

use std::sync::Arc;
use std::time::Duration;

use health_monitor::domain::dependency::Dependencies;
use health_monitor::domain::expected::Expected;
use health_monitor::domain::ladder::Step;
use health_monitor::domain::notification::channel::NotificationPolicy;
use health_monitor::domain::policy::{FleetPolicy, Mode, Policy, ProbeKind, ServicePolicy};
use health_monitor::domain::supervisor::Event;
use shared::order::{Action, Backend, ServiceName, Target};

use crate::host::Host;
use crate::world::{SENTINELS, World};

/// The default settings for services of these names: those of the documentation.
pub fn policy(names: &[&str]) -> Policy {
    let seconds = Duration::from_secs;
    let services = names
        .iter()
        .map(|name| ServicePolicy {
            name: service_name(name),
            url: format!("http://{name}:80"),
            probe: ProbeKind::Http,
            probe_url: format!("http://{name}:80/health"),
            interval: seconds(30),
            fast_interval: seconds(5),
            timeout: seconds(10),
            expected: Expected::default(),
            redirects: 0,
            ca_file: None,
            fall: 3,
            fall_soft: 6,
            rise: 2,
            start_period: seconds(30),
            order_limit: seconds(30),
            cool_down: seconds(60),
            cool_down_max: seconds(900),
            attempts_per_hour: 5,
            verification_timeout: seconds(120),
            stable_for: seconds(600),
            mode: Mode::Enforce,
            respects_operator_stop: false,
            target: Target { backend: Backend::Docker, name: (*name).into() },
            steps: [Step::new(Action::Restart)].into(),
            escalation: Some(Target { backend: Backend::Webhook, name: "on-call".into() }),
            depends_on: Vec::new(),
            failure_domain: None,
        })
        .collect();
    Policy {
        services,
        observe_first: seconds(30),
        max_in_flight: 100,
        max_in_flight_per_host: 16,
        dependencies: Dependencies::default(),
        fleet: FleetPolicy { sentinels: SENTINELS, ..FleetPolicy::default() },
        notifications: NotificationPolicy::default(),
    }
}

/// Follows again who needs whom, after the services have changed.
pub fn follow_dependencies(policy: &mut Policy) {
    let direct: Vec<_> = policy.services.iter().map(|one| (&one.name, one.depends_on.as_slice())).collect();
    policy.dependencies = Dependencies::new(&direct).unwrap_or_else(|fault| panic!("{fault}"));
}

/// A service name that is known to be well-formed.
pub fn service_name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

impl World {
    /// The configuration becomes another one; a daemon that runs reads it at once.
    pub fn reconfigure(&mut self, policy: Policy) {
        for service in &policy.services {
            self.hosts.entry(service.name.clone()).or_insert_with(Host::up);
        }
        let stays = |name: &ServiceName| policy.services.iter().any(|service| service.name == *name);
        let target = |of: &Policy, name: &ServiceName| {
            of.services.iter().find(|one| one.name == *name).map(|one| one.target.clone())
        };
        // What became of a container says nothing about another one.
        self.heard_stops.retain(|name| target(&self.policy, name) == target(&policy, name));
        // One that comes back may have other steps.
        self.ends.retain(|name, _| stays(name));
        for (_, host) in self.hosts.iter_mut().filter(|(name, _)| !stays(name)) {
            // A person has looked, as the end of the recovery asked for.
            host.replacement = None;
        }
        self.policy = policy.clone();
        self.deliver(Event::Reconfigured { policy: Arc::new(policy) });
        self.tell_again();
    }
}
