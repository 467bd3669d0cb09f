//! What an engine reports of the containers of a service, and how that is shown.

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum};

use super::choice::Listed;
use super::container::{Container, ContainerHealth};
use crate::clock::Timestamp;
use crate::order::Observed;

/// How many digits of a container's identity are shown, as `docker ps` does.
const SHORT_ID: usize = 12;

/// One container at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Instance {
    /// Full identity.
    pub(super) id: String,
    /// Name without the leading slash.
    pub(super) name: String,
    /// Whether it really runs: a paused one or one that waits for its next start does not.
    pub(super) running: bool,
    /// What a probe of the engine goes by.
    pub(super) container: Container,
    started: String,
    state: String,
}

impl Instance {
    /// What is needed of an inspected container.
    pub(super) fn new(listed: Listed, inspected: ContainerInspectResponse) -> Self {
        let state = inspected.state.unwrap_or_default();
        let running = state.status == Some(ContainerStateStatusEnum::RUNNING);
        let exit_code = state.exit_code.unwrap_or(0);
        let shown = match state.status {
            // It says so of a running one as well, when only some process in it was killed.
            Some(ContainerStateStatusEnum::EXITED) if state.oom_killed == Some(true) => {
                format!("oom-killed ({exit_code})")
            }
            Some(ContainerStateStatusEnum::EXITED) => format!("exited ({exit_code})"),
            Some(status) => status.to_string(),
            None => "unknown".into(),
        };
        let started = state.started_at.unwrap_or_default();
        let container = Container {
            name: listed.name.clone(),
            state: shown.clone(),
            is_running: running,
            health: ContainerHealth::of(state.health.and_then(|health| health.status)),
            restarts: inspected.restart_count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
            started_at: started_at(&started, running),
        };
        Self { id: listed.id, name: listed.name, running, container, started, state: shown }
    }

    fn identity(&self) -> String {
        format!("{}@{}", self.id.get(..SHORT_ID).unwrap_or(&self.id), self.started)
    }

    fn started_at(&self) -> Option<Timestamp> {
        started_at(&self.started, self.running)
    }
}

fn started_at(started: &str, running: bool) -> Option<Timestamp> {
    // A container that was never started says year 1.
    started.parse().ok().filter(|started: &Timestamp| running && started.as_micros() > 0)
}

/// All replicas as one target: it runs when all of them run, since the last of them was started.
pub(super) fn observed(instances: &[Instance]) -> Observed {
    let mut identities: Vec<_> = instances.iter().map(Instance::identity).collect();
    identities.sort();
    let running = instances.iter().all(|instance| instance.running);
    let detail = match instances {
        [only] => only.state.clone(),
        several => {
            let states = several.iter().map(|instance| format!("{} {}", instance.name, instance.state));
            states.collect::<Vec<_>>().join(", ")
        }
    };
    Observed {
        identity: Some(identities.join(",")),
        running: Some(running),
        started_at: if running { instances.iter().filter_map(Instance::started_at).max() } else { None },
        detail: Some(detail),
        ..Observed::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ContainerState;

    fn instance(name: &str, state: ContainerState) -> Instance {
        let listed = Listed::from_summary(bollard::models::ContainerSummary {
            id: Some(format!("{name}-0123456789abcdef")),
            names: Some(vec![format!("/{name}")]),
            ..Default::default()
        });
        Instance::new(listed.unwrap(), ContainerInspectResponse { state: Some(state), ..Default::default() })
    }

    fn running_since(started: &str) -> ContainerState {
        ContainerState {
            status: Some(ContainerStateStatusEnum::RUNNING),
            started_at: Some(started.into()),
            ..ContainerState::default()
        }
    }

    fn exited(exit_code: i64, oom_killed: bool) -> ContainerState {
        ContainerState {
            status: Some(ContainerStateStatusEnum::EXITED),
            started_at: Some("2026-11-24T01:00:00.5Z".into()),
            exit_code: Some(exit_code),
            oom_killed: Some(oom_killed),
            ..ContainerState::default()
        }
    }

    fn check(state: ContainerState, running: bool, detail: &str) {
        let seen = observed(&[instance("web", state)]);
        assert_eq!((seen.running, seen.detail.as_deref()), (Some(running), Some(detail)));
        assert_eq!(seen.started_at.is_some(), running);
    }

    #[test]
    fn a_state_is_shown_in_dockers_words() {
        let status =
            |status| ContainerState { status: Some(status), ..running_since("2026-11-24T01:00:00Z") };
        check(running_since("2026-11-24T01:00:00Z"), true, "running");
        check(exited(137, false), false, "exited (137)");
        check(exited(137, true), false, "oom-killed (137)");
        check(status(ContainerStateStatusEnum::PAUSED), false, "paused");
        check(status(ContainerStateStatusEnum::RESTARTING), false, "restarting");
        check(status(ContainerStateStatusEnum::CREATED), false, "created");
        check(ContainerState::default(), false, "unknown");
    }

    #[test]
    fn an_identity_changes_with_every_start() {
        let first = observed(&[instance("web", running_since("2026-11-24T01:00:00.123456789Z"))]);
        let second = observed(&[instance("web", running_since("2026-11-24T01:00:00.123456790Z"))]);
        assert_eq!(first.identity.as_deref(), Some("web-01234567@2026-11-24T01:00:00.123456789Z"));
        assert_ne!(first.identity, second.identity);
    }

    #[test]
    fn replicas_are_one_target_that_runs_only_when_all_run() {
        let one = instance("web-1", running_since("2026-11-24T01:00:00Z"));
        let two = instance("web-2", running_since("2026-11-24T02:00:00Z"));
        let both = observed(&[two.clone(), one.clone()]);
        assert_eq!(both.identity, observed(&[one.clone(), two]).identity);
        assert_eq!(both.started_at, "2026-11-24T02:00:00Z".parse().ok());
        let half = observed(&[one, instance("web-2", exited(1, false))]);
        assert_eq!(half.running, Some(false));
        assert_eq!(half.detail.as_deref(), Some("web-1 running, web-2 exited (1)"));
    }
}
