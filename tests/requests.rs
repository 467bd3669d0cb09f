//! Requests of people, as the pure core answers and records them.

use std::time::Duration;

use health_monitor::domain::recovery::{Guard, Outcome, Trigger};
use shared::clock::Timestamp;
use tests::world::{World, policy, service_name};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(0) + Duration::from_secs(seconds)
}

fn watching(names: &[&str]) -> World {
    let mut world = World::new(policy(names));
    world.start_monitor();
    world.run_until(at(60));
    world
}

#[test]
fn a_request_that_is_refused_again_and_again_takes_one_place_in_the_history() {
    let mut world = watching(&["web", "db"]);
    world.request("web", None);
    world.run_until(at(100));
    for _ in 0..50 {
        world.request("web", None);
    }
    world.check_replay();
    let state = world.state().unwrap();
    let refused: Vec<_> = state.recoveries.iter().filter(|one| one.trigger == Trigger::Manual).collect();
    let outcomes: Vec<_> = refused.iter().map(|one| (one.outcome, one.guard)).collect();
    assert_eq!(
        outcomes,
        [(Some(Outcome::Recovered), None), (Some(Outcome::Suppressed), Some(Guard::CoolDown))]
    );
    assert_eq!(state.totals.suppressed[&Guard::CoolDown], 50, "each of them counts");
    let web = state.service(&service_name("web")).unwrap();
    assert!(web.refusal.is_none() && web.incident.is_none(), "nothing is held against a healthy service");
}
