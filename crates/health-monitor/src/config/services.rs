//! From settled values to how each service is watched.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::config::{Fault, Faults, Group, Member};
use shared::order::ServiceName;
use shared::platform::PlatformSettings;
use shared::platform::kubernetes::ORDER_LIMIT;

use super::answer;
use super::backend::{Globals, target};
use super::probed::{self, Asked};
use super::{number, seconds, steps, update};
use crate::domain::policy::{Mode, ProbeKind, ServicePolicy};

/// The services and the means to heal them.
#[derive(Default)]
pub(super) struct Watched {
    pub(super) policies: Vec<ServicePolicy>,
    pub(super) platforms: BTreeMap<ServiceName, PlatformSettings>,
    pub(super) escalations: BTreeMap<ServiceName, PlatformSettings>,
}

/// One service and the means to heal it.
struct One {
    policy: ServicePolicy,
    platform: PlatformSettings,
    escalation: Option<PlatformSettings>,
}

/// Checks every service; one with a fault is left out, and the fault makes the whole configuration unusable.
pub(super) fn build(root: &Group, faults: &mut Faults) -> Watched {
    let pairs_of_all = [
        ("MAX_FAILURES_BEFORE_RECOVERY", "MAX_SOFT_FAILURES_BEFORE_RECOVERY"),
        ("RECOVERY_TIMEOUT", "RECOVERY_TIMEOUT_MAX"),
    ];
    check_pairs(root, pairs_of_all, faults);
    let members = root.members.get("services").map(Vec::as_slice).unwrap_or_default();
    if members.is_empty() && faults.is_empty() {
        let fault = Fault::new("services", "names no service to watch");
        faults.push(fault.suggesting(Some("leave it out to watch the seven default services".to_owned())));
    }
    let globals = Globals::of(root, faults);
    steps::check_all(root, faults);
    let mut watched = Watched::default();
    for member in members {
        let Some(One { policy, platform, escalation }) = service(root, member, &globals, faults) else {
            continue;
        };
        watched.escalations.extend(escalation.map(|escalation| (policy.name.clone(), escalation)));
        watched.platforms.insert(policy.name.clone(), platform);
        watched.policies.push(policy);
    }
    watched
}

fn service(root: &Group, member: &Member, globals: &Globals<'_>, faults: &mut Faults) -> Option<One> {
    let group = &member.group;
    check_pairs(group, [("fall", "fall_soft"), ("recovery_timeout", "recovery_timeout_max")], faults);
    let name = ServiceName::new(&member.name)
        .map_err(|error| {
            faults.push(Fault::new(&group.path, error.to_string()).from_origin(member.origin.clone()))
        })
        .ok();
    let asked = probed::asked(root, member, faults);
    let expected = answer::expected(group, faults);
    let mut steps = steps::of(root, group, faults);
    let mut platform = globals.platform(member, &steps, faults);
    if matches!(platform, Some(PlatformSettings::Kubernetes(_))) && !steps::are_given(root, group) {
        steps = steps::of_kubernetes();
    }
    let update = update::of(group, faults);
    if let (Some(platform), Some(update)) = (&mut platform, update) {
        update::attach(group, update, platform, faults);
    }
    let escalation = if steps::escalates(&steps) { globals.escalation(member, faults) } else { None };
    if let Some(platform) = &platform {
        steps::check(group, &steps, platform, faults);
    }
    let (name, Asked { url, probe_url, probe }, platform) = (name?, asked?, platform?);
    let (interval, rise) = (seconds(group, "interval"), number(group, "rise"));
    let verification = seconds(group, "verification_timeout").max(beats_of_a_proof(&probe, interval, rise));
    let policy = ServicePolicy {
        name,
        url,
        probe,
        probe_url,
        interval,
        fast_interval: seconds(group, "fast_interval").min(interval),
        timeout: seconds(group, "timeout").min(interval),
        expected: expected?,
        redirects: number(group, "redirects"),
        ca_file: answer::ca_file(group, faults),
        fall: number(group, "fall"),
        fall_soft: number(group, "fall_soft"),
        rise,
        start_period: seconds(group, "start_period"),
        cool_down: seconds(group, "recovery_timeout"),
        cool_down_max: seconds(group, "recovery_timeout_max"),
        attempts_per_hour: number(group, "max_recoveries_per_hour"),
        verification_timeout: verification,
        stable_for: seconds(group, "stable_after"),
        mode: mode(group),
        depends_on: group.words("depends_on").map(<[String]>::to_vec).unwrap_or_default(),
        failure_domain: group.text("failure_domain").map(str::to_owned),
        order_limit: escalation.as_ref().map_or(Duration::ZERO, order_limit).max(order_limit(&platform)),
        respects_operator_stop: group.boolean("respect_operator_stop"),
        target: target(&platform, &member.name),
        steps,
        escalation: escalation.as_ref().map(|escalation| target(escalation, &member.name)),
    };
    Some(One { policy, platform, escalation })
}

/// How long the heartbeats take that prove a recovery: a shorter verification could never succeed.
fn beats_of_a_proof(probe: &ProbeKind, interval: Duration, rise: u32) -> Duration {
    match probe {
        ProbeKind::Http | ProbeKind::Tcp | ProbeKind::Grpc { .. } | ProbeKind::Docker(_) => Duration::ZERO,
        ProbeKind::Push { grace } => (interval + *grace) * rise,
    }
}

/// How long an order to the platform may take: what the platform itself is bounded by.
fn order_limit(platform: &PlatformSettings) -> Duration {
    match platform {
        PlatformSettings::Docker(docker) => docker.stop_timeout + Duration::from_secs(20),
        PlatformSettings::Kubernetes(_) => ORDER_LIMIT,
        PlatformSettings::Webhook(webhook) => webhook.timeout,
        PlatformSettings::Command(command) => command.timeout,
        PlatformSettings::None => Duration::ZERO,
    }
}

/// The second of a pair must not be less than the first. Only a level that gives one of them is checked, so
/// that a fault of all services is not repeated for each.
fn check_pairs(group: &Group, pairs: [(&'static str, &'static str); 2], faults: &mut Faults) {
    for (least, most) in pairs {
        let is_ours = group.is_given(least) || group.is_given(most);
        if !is_ours || group.refused.contains(least) || group.refused.contains(most) {
            continue;
        }
        if group.whole(most) < group.whole(least) || group.seconds(most) < group.seconds(least) {
            let reason = format!("must not be less than {}", group.name_of(least));
            faults.push(group.fault(most, reason));
        }
    }
}

fn mode(group: &Group) -> Mode {
    match group.text("mode") {
        Some("dry_run") => Mode::DryRun,
        Some("observe") => Mode::Observe,
        Some(_) | None => Mode::Enforce,
    }
}
