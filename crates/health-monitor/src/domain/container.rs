//! What the state of a service's containers says about the service.

use std::time::Duration;

use shared::clock::Timestamp;
use shared::platform::{Container, ContainerHealth};

/// A container that its restart policy has started again and that runs for less than this is still crashing. Docker
/// draws the same line: only then does it take a start for a success.
const STANDS_AFTER: Duration = Duration::from_secs(10);

/// Why the service is not well, if it is not: each of its containers has to run, to stay up, and not to be called
/// unhealthy by the health check of its image.
pub fn trouble(containers: &[Container], now: Timestamp) -> Option<String> {
    let in_trouble = containers.iter().filter_map(|one| {
        let what = match one.health {
            _ if !one.is_running => format!("is {}", one.state),
            ContainerHealth::Unhealthy => "is unhealthy by its health check".into(),
            ContainerHealth::None | ContainerHealth::Starting | ContainerHealth::Healthy => {
                crash_loop(one, now)?
            }
        };
        Some(told(containers, one, &what))
    });
    let in_trouble: Vec<String> = in_trouble.collect();
    (!in_trouble.is_empty()).then(|| in_trouble.join(", "))
}

/// Which of the containers that run the health check of its image calls unhealthy.
pub fn unhealthy(containers: &[Container]) -> Option<String> {
    let mut running = containers.iter().filter(|one| one.is_running);
    let sick = running.find(|one| one.health == ContainerHealth::Unhealthy)?;
    Some(told(containers, sick, "is unhealthy by its health check"))
}

/// What is not certain, or not as usual, about a service that is not in trouble.
pub fn reservation(containers: &[Container]) -> Option<String> {
    if let Some(idle) = containers.iter().find(|one| !one.is_running) {
        return Some(told(containers, idle, &format!("is {}", idle.state)));
    }
    let starting = containers.iter().find(|one| one.health == ContainerHealth::Starting)?;
    Some(told(containers, starting, "runs, and its health check has not come to a result"))
}

fn crash_loop(one: &Container, now: Timestamp) -> Option<String> {
    // The engine's clock may be ahead of ours; then nothing can be said.
    let started_at = one.started_at.filter(|started_at| *started_at <= now)?;
    let runs_for = now.since(started_at);
    let crashes = one.restarts > 0 && runs_for < STANDS_AFTER;
    crashes.then(|| format!("was restarted {} s ago", runs_for.as_secs()))
}

fn told(containers: &[Container], one: &Container, what: &str) -> String {
    let name = if containers.len() > 1 { &one.name } else { "the container" };
    match one.restarts {
        0 => format!("{name} {what}"),
        1 => format!("{name} {what}, restarted once by the engine"),
        times => format!("{name} {what}, restarted {times} times by the engine"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(state: &str, health: ContainerHealth, restarts: u64, started: i64) -> Container {
        Container {
            name: "web-1".into(),
            state: state.into(),
            is_running: state == "running",
            health,
            restarts,
            started_at: Some(Timestamp::from_micros(started * 1_000_000)),
        }
    }

    fn trouble_of(containers: &[Container]) -> Option<String> {
        trouble(containers, Timestamp::from_micros(100_000_000))
    }

    #[test]
    fn a_container_is_well_when_it_runs_stays_up_and_is_not_called_unhealthy() {
        use ContainerHealth::{Healthy, None as Without, Starting, Unhealthy};
        let well = [container("running", Without, 0, 99), container("running", Healthy, 9, 80)];
        assert_eq!((trouble_of(&well), reservation(&well)), (None, None));
        let starting = [container("running", Starting, 0, 99)];
        assert_eq!(trouble_of(&starting), None);
        let told = "the container runs, and its health check has not come to a result";
        assert_eq!(reservation(&starting).as_deref(), Some(told));
        for (one, told) in [
            (container("exited (137)", Without, 0, 0), "the container is exited (137)"),
            (container("paused", Healthy, 0, 0), "the container is paused"),
            (
                container("restarting", Without, 4, 0),
                "the container is restarting, restarted 4 times by the engine",
            ),
            (container("running", Unhealthy, 0, 0), "the container is unhealthy by its health check"),
            (
                container("running", Without, 1, 97),
                "the container was restarted 3 s ago, restarted once by the engine",
            ),
        ] {
            assert_eq!(trouble_of(&[one]).as_deref(), Some(told));
        }
        let ahead = container("running", Without, 1, 200);
        assert_eq!(trouble_of(&[ahead]), None);
    }

    #[test]
    fn where_only_the_health_check_counts_a_stopped_container_is_told_and_left_alone() {
        let stopped = [container("exited (0)", ContainerHealth::Unhealthy, 0, 0)];
        assert_eq!(unhealthy(&stopped), None);
        assert_eq!(reservation(&stopped).as_deref(), Some("the container is exited (0)"));
        let sick = [container("running", ContainerHealth::Unhealthy, 0, 0)];
        assert_eq!(unhealthy(&sick).as_deref(), Some("the container is unhealthy by its health check"));
    }

    #[test]
    fn one_replica_that_is_down_is_named() {
        let other = Container { name: "web-2".into(), ..container("dead", ContainerHealth::None, 0, 0) };
        let both = [container("running", ContainerHealth::None, 0, 0), other];
        assert_eq!(trouble_of(&both).as_deref(), Some("web-2 is dead"));
    }
}
