//! Who is asked how a service is, and by which means.

use shared::config::{Fault, Faults, Group, HttpUrl, Member, Origin};

use super::settings::PER_SERVICE;
use crate::domain::policy::{Containers, ProbeKind};

/// Settings that only an answer over HTTP can meet.
const HTTP_ONLY: [&str; 7] =
    ["path", "expected_status", "body_contains", "body_json", "certificate_days", "ca_file", "redirects"];
const GRPC_ONLY: [&str; 1] = ["grpc_service"];
const PUSH_ONLY: [&str; 1] = ["grace"];
const DOCKER_ONLY: [&str; 1] = ["unhealthy_only"];

/// Who is asked, and how.
pub(super) struct Asked {
    /// The address of the service, as shown.
    pub(super) url: String,
    /// What the probe asks.
    pub(super) probe_url: String,
    /// How it is asked.
    pub(super) probe: ProbeKind,
}

/// Who is asked, and how; none after a fault.
pub(super) fn asked(root: &Group, member: &Member, faults: &mut Faults) -> Option<Asked> {
    let group = &member.group;
    let path = path(group, faults);
    if group.refused.contains("url") || group.refused.contains("probe") {
        return None;
    }
    match group.text("probe") {
        Some("docker") => return docker(root, member, faults),
        Some("push") => return Some(push(member, faults)),
        Some(_) | None => {}
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
            | Origin::Label { .. }
            | Origin::Default => group.fault("url", reason),
        });
        return None;
    }
    let path = path?;
    let shown = url.expose().to_owned();
    match url.scheme().as_str() {
        "tcp" | "grpc" if !url.is_host_and_port() => {
            faults.push(group.fault("url", "must name a host and a port, and nothing else"));
            None
        }
        "tcp" => {
            only(group, "a tcp probe", &[&HTTP_ONLY, &GRPC_ONLY, &PUSH_ONLY, &DOCKER_ONLY], faults);
            Some(Asked { probe_url: shown.clone(), url: shown, probe: ProbeKind::Tcp })
        }
        "grpc" => {
            only(group, "a grpc probe", &[&HTTP_ONLY, &PUSH_ONLY, &DOCKER_ONLY], faults);
            let service = group.text("grpc_service").unwrap_or_default().to_owned();
            Some(Asked { probe_url: shown.clone(), url: shown, probe: ProbeKind::Grpc { service } })
        }
        _ => {
            only(group, "an http probe", &[&GRPC_ONLY, &PUSH_ONLY, &DOCKER_ONLY], faults);
            Some(Asked { probe_url: format!("{shown}{path}"), url: shown, probe: ProbeKind::Http })
        }
    }
}

/// The containers that recoveries would be aimed at, whatever the service is healed by.
fn docker(root: &Group, member: &Member, faults: &mut Faults) -> Option<Asked> {
    let group = &member.group;
    only(group, "a docker probe", &[&HTTP_ONLY, &GRPC_ONLY, &PUSH_ONLY, &["url"]], faults);
    let container = group.text("container").unwrap_or(&member.name).to_owned();
    let text = |key| root.text(key).map(str::to_owned);
    Some(Asked {
        url: format!("docker://{container}"),
        probe_url: format!("docker://engine/{container}"),
        probe: ProbeKind::Docker(Containers {
            host: text("DOCKER_HOST"),
            project: text("COMPOSE_PROJECT_NAME"),
            container,
        }),
    })
}

/// Nobody is asked.
fn push(member: &Member, faults: &mut Faults) -> Asked {
    let group = &member.group;
    only(
        group,
        "a push probe",
        &[&HTTP_ONLY, &GRPC_ONLY, &DOCKER_ONLY, &["url", "timeout", "latency_limit"]],
        faults,
    );
    let url = format!("heartbeat://{}", member.name);
    let grace = group.seconds("grace").or_else(|| group.seconds("interval")).unwrap_or_default();
    Asked { probe_url: url.clone(), url, probe: ProbeKind::Push { grace } }
}

/// What belongs to another kind of probe would be ignored silently: it is a fault, unless it only spells a default
/// out, as the printed configuration does.
fn only(group: &Group, probe: &str, others: &[&[&'static str]], faults: &mut Faults) {
    let others = others.iter().flat_map(|keys| keys.iter());
    for key in others.filter(|key| group.is_given(key) && !is_default(group, key)) {
        faults.push(group.fault(key, format!("means nothing to {probe}")));
    }
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

fn is_default(group: &Group, key: &str) -> bool {
    let setting = PER_SERVICE.settings().find(|setting| setting.key == key);
    let default = setting.and_then(|setting| setting.parse(setting.default?).ok());
    let given = group.values.get(key);
    default.zip(given).is_some_and(|(default, given)| default.shown() == given.value.shown())
}
