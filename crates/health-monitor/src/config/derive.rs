//! Values that are worked out from others: derived defaults, the default services, overriding addresses.

use std::time::Duration;

use shared::config::{Group, Member, Origin, Value, Warning};
use shared::platform::Labelled;

use super::backend::takes_kubernetes;
use super::labels::{self, Ignored};
use super::number;
use super::settings::DEFAULT_SERVICES;

/// How long a recovery may take to be verified by default.
const PROOF: Duration = Duration::from_secs(120);
/// The same where a workload is rolled out for it: as long as Kubernetes gives a rollout.
const PROOF_OF_ROLLOUT: Duration = Duration::from_secs(600);

/// Where the doubling of the cool-down ends by default, in seconds.
const COOL_DOWN_MAX: u64 = 900;

/// Most failures that a setting can ask for; a doubled number must not exceed it.
const COUNT_MAX: u32 = 1_000;

/// Settles what can be worked out, before the services inherit.
pub(super) fn derive(root: &mut Group, containers: &[Labelled], ignored: &mut Ignored) {
    soft_failures(root, "MAX_FAILURES_BEFORE_RECOVERY", "MAX_SOFT_FAILURES_BEFORE_RECOVERY");
    let least = Duration::from_secs(COOL_DOWN_MAX);
    cool_down_max(root, "RECOVERY_TIMEOUT", "RECOVERY_TIMEOUT_MAX", least);

    if root.seconds("VERIFICATION_TIMEOUT").is_none() {
        let proof =
            if heals_by_kubernetes(root, "RECOVERY_BACKEND", None) { PROOF_OF_ROLLOUT } else { PROOF };
        root.settle("VERIFICATION_TIMEOUT", Value::Seconds(proof), Origin::Default);
    }
    let mut members = root.members.remove("services").unwrap_or_else(default_services);
    labels::add(&mut members, containers, ignored);
    let cool_down_max_of_all = super::seconds(root, "RECOVERY_TIMEOUT_MAX");
    for member in &mut members {
        address(root, member);
        let service = &mut member.group;
        if service.text("container").is_none() {
            service.settle("container", Value::Text(member.name.clone()), Origin::Default);
        }
        if !root.is_given("VERIFICATION_TIMEOUT") && service.seconds("verification_timeout").is_none() {
            let by_kubernetes = heals_by_kubernetes(root, "recovery_backend", Some(service));
            let proof = if by_kubernetes { PROOF_OF_ROLLOUT } else { PROOF };
            service.settle("verification_timeout", Value::Seconds(proof), Origin::Default);
        }
        // A service that sets the first of a pair must not be left with the second of all the others.
        if service.is_given("fall") {
            soft_failures(service, "fall", "fall_soft");
        }
        if service.is_given("recovery_timeout") {
            cool_down_max(service, "recovery_timeout", "recovery_timeout_max", cool_down_max_of_all);
        }
    }
    root.members.insert("services", members);
}

/// Whether a service, or any that says nothing of its own, is healed through Kubernetes.
fn heals_by_kubernetes(root: &Group, key: &str, service: Option<&Group>) -> bool {
    let own = service.and_then(|service| service.text(key));
    match own.or_else(|| root.text("RECOVERY_BACKEND")).unwrap_or("auto") {
        "kubernetes" => true,
        "auto" => takes_kubernetes(root, service),
        _ => false,
    }
}

fn soft_failures(group: &mut Group, hard: &str, soft: &'static str) {
    if group.whole(soft).is_none() {
        let doubled = number(group, hard).saturating_mul(2).min(COUNT_MAX);
        group.settle(soft, Value::Whole(doubled.into()), Origin::Default);
    }
}

fn cool_down_max(group: &mut Group, cool_down: &str, max: &'static str, least: Duration) {
    if group.seconds(max).is_none() {
        let longest = super::seconds(group, cool_down).max(least);
        group.settle(max, Value::Seconds(longest), Origin::Default);
    }
}

fn default_services() -> Vec<Member> {
    DEFAULT_SERVICES
        .iter()
        .map(|(name, _)| Member {
            name: (*name).to_owned(),
            origin: Origin::Default,
            group: Group { path: format!("services.{name}"), ..Group::default() },
        })
        .collect()
}

/// A flag or variable with the address of a service is stronger than what the file says about the service;
/// anything else stands in where the service has no address.
fn address(root: &Group, member: &mut Member) {
    let Some((_, key)) = DEFAULT_SERVICES.iter().find(|(name, _)| *name == member.name) else {
        return;
    };
    let Some(url) = root.url(key) else { return };
    let is_absent = member.group.url("url").is_none() && !member.group.refused.contains("url");
    if is_absent || overrides_the_file(&root.origin(key)) {
        member.group.settle("url", Value::Url(url.clone()), Origin::Inherited(key));
    }
}

fn overrides_the_file(origin: &Origin) -> bool {
    match origin {
        Origin::Flag(_) | Origin::Variable(_) | Origin::NamedFile { .. } => true,
        Origin::File { .. } | Origin::Label { .. } | Origin::Inherited(_) | Origin::Default => false,
    }
}

/// Addresses that are given for a service that is not watched.
pub(super) fn unused_urls(root: &Group) -> Vec<Warning> {
    let watched = root.members.get("services");
    let is_watched = |name: &str| watched.is_some_and(|members| members.iter().any(|one| one.name == name));
    DEFAULT_SERVICES
        .iter()
        .filter(|(name, key)| root.is_given(key) && !is_watched(name))
        .map(|(name, key)| Warning {
            subject: (*key).to_owned(),
            message: format!("is not used, because the services of the file do not include {name}"),
        })
        .collect()
}
