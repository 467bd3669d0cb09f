//! Where nobody tells who has stopped a service, it cannot be respected: the configuration says so.

use shared::config::{Group, Warning};
use shared::platform::PlatformSettings;

use super::services::Watched;
use crate::domain::policy::{ProbeKind, ServicePolicy};

/// Where `RESPECT_OPERATOR_STOP` is on and nobody tells who stops a service.
pub(super) fn unheard(root: &Group, watched: &Watched) -> Vec<Warning> {
    let is_heard = |policy: &&ServicePolicy| {
        let is_docker = matches!(watched.platforms.get(&policy.name), Some(PlatformSettings::Docker(_)));
        is_docker || matches!(policy.probe, ProbeKind::Docker(_))
    };
    let members = root.members.get("services").map(Vec::as_slice).unwrap_or_default();
    let said = members.iter().filter(|one| one.group.is_given("respect_operator_stop"));
    let said = said.filter(|one| one.group.boolean("respect_operator_stop"));
    let policy = |name: &str| watched.policies.iter().find(|one| one.name.as_str() == name);
    let deaf = said.filter(|one| policy(&one.name).is_some_and(|policy| !is_heard(&policy)));
    let of_one = deaf.map(|one| Warning {
        subject: one.group.name_of("respect_operator_stop"),
        message: "has no effect: only the Docker Engine tells who stops a container, and this service is neither asked of it (probe) nor restarted by it (recovery_backend)".to_owned(),
    });
    let is_for_nobody =
        root.boolean("RESPECT_OPERATOR_STOP") && !watched.policies.iter().any(|one| is_heard(&one));
    let of_all = is_for_nobody.then(|| Warning {
        subject: "RESPECT_OPERATOR_STOP".to_owned(),
        message: "has no effect: only the Docker Engine tells who stops a container, and no service is asked of it or restarted by it".to_owned(),
    });
    of_one.chain(of_all).collect()
}
