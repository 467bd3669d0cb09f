//! From settled values to how each service is watched.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::config::{Fault, Faults, Group, HttpUrl, Member, Origin};
use shared::order::ServiceName;
use shared::platform::PlatformSettings;

use super::answer;
use super::backend::{Globals, target};
use super::{number, seconds, steps, update};
use crate::domain::policy::{Mode, ServicePolicy};

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
    let address = address(root, member, faults);
    let expected = answer::expected(group, faults);
    let steps = steps::of(root, group, faults);
    let mut platform = globals.platform(member, &steps, faults);
    let update = update::of(group, faults);
    if let (Some(platform), Some(update)) = (&mut platform, update) {
        update::attach(group, update, platform, faults);
    }
    let escalation = if steps::escalates(&steps) { globals.escalation(member, faults) } else { None };
    if let Some(platform) = &platform {
        steps::check(group, &steps, platform, faults);
    }
    let (name, (url, probe_url), platform) = (name?, address?, platform?);
    let interval = seconds(group, "interval");
    let policy = ServicePolicy {
        name,
        url,
        probe_url,
        interval,
        fast_interval: seconds(group, "fast_interval").min(interval),
        timeout: seconds(group, "timeout").min(interval),
        expected: expected?,
        redirects: number(group, "redirects"),
        ca_file: answer::ca_file(group, faults),
        fall: number(group, "fall"),
        fall_soft: number(group, "fall_soft"),
        rise: number(group, "rise"),
        start_period: seconds(group, "start_period"),
        cool_down: seconds(group, "recovery_timeout"),
        cool_down_max: seconds(group, "recovery_timeout_max"),
        attempts_per_hour: number(group, "max_recoveries_per_hour"),
        verification_timeout: seconds(group, "verification_timeout"),
        stable_for: seconds(group, "stable_after"),
        mode: mode(group),
        depends_on: group.words("depends_on").map(<[String]>::to_vec).unwrap_or_default(),
        failure_domain: group.text("failure_domain").map(str::to_owned),
        order_limit: escalation.as_ref().map_or(Duration::ZERO, order_limit).max(order_limit(&platform)),
        target: target(&platform),
        steps,
        escalation: escalation.as_ref().map(target),
    };
    Some(One { policy, platform, escalation })
}

/// How long an order to the platform may take: what the platform itself is bounded by.
fn order_limit(platform: &PlatformSettings) -> Duration {
    match platform {
        PlatformSettings::Docker(docker) => docker.stop_timeout + Duration::from_secs(20),
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

/// The address as shown, and the one that the probe asks.
fn address(root: &Group, member: &Member, faults: &mut Faults) -> Option<(String, String)> {
    let group = &member.group;
    let path = path(group, faults);
    if group.refused.contains("url") {
        return None;
    }
    let Some(url) = group.url("url") else {
        let fault = Fault::new(group.name_of("url"), "is required").from_origin(member.origin.clone());
        faults.push(fault.suggesting(Some(format!("add url: http://{}:8080", member.name))));
        return None;
    };
    let wrong = if url.has_userinfo() {
        Some("must not carry a user name or password: the addresses of services are shown")
    } else if url.has_query_or_fragment() {
        Some("must not have a query or fragment: the path is put behind it")
    } else {
        None
    };
    if let Some(reason) = wrong {
        faults.push(match group.origin("url") {
            Origin::Inherited(key) => root.fault(key, reason),
            Origin::Flag(_)
            | Origin::Variable(_)
            | Origin::NamedFile { .. }
            | Origin::File { .. }
            | Origin::Default => group.fault("url", reason),
        });
        return None;
    }
    Some((url.expose().to_owned(), format!("{}{}", url.expose(), path?)))
}

fn path<'a>(group: &'a Group, faults: &mut Faults) -> Option<&'a str> {
    let path = group.text("path")?;
    let reason = if !path.starts_with('/') {
        "must begin with /".to_owned()
    } else if path.contains('#') {
        "must not have a fragment".to_owned()
    } else {
        match HttpUrl::parse(&format!("http://host{path}")) {
            Ok(_) => return Some(path),
            Err(reason) => reason,
        }
    };
    faults.push(group.fault("path", reason));
    None
}

fn mode(group: &Group) -> Mode {
    match group.text("mode") {
        Some("dry_run") => Mode::DryRun,
        Some("observe") => Mode::Observe,
        Some(_) | None => Mode::Enforce,
    }
}
