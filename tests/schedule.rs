//! The schedule of probes: spread, rate, no overlap, caps.

use std::collections::BTreeSet;
use std::time::Duration;

use health_monitor::domain::policy::Policy;
use health_monitor::domain::schedule::Schedule;
use shared::clock::Timestamp;
use tests::host::Behaviour;
use tests::world::{World, policy};

const START: Timestamp = Timestamp::from_micros(0);

/// This many services, each on a host of its own.
fn many(services: usize) -> Policy {
    let names: Vec<String> = (0..services).map(|n| format!("service-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Policy { max_in_flight: 1_000, ..policy(&names) }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Runs the schedule, each probe taking `takes`, and gives the times at which probes of each service began.
fn run(policy: &Policy, takes: Duration, span: Duration) -> (Vec<Vec<Timestamp>>, Schedule, usize) {
    let mut schedule = Schedule::new(policy, START);
    let mut begun = vec![Vec::new(); policy.services.len()];
    let mut ends = BTreeSet::new();
    let (mut now, mut most) = (START, 0);
    while now < START + span {
        let mut started = Vec::new();
        while let Some((_, service)) = ends.first().copied().filter(|(at, _)| *at <= now) {
            ends.pop_first();
            started.extend(schedule.finished(service, now));
        }
        started.extend(schedule.start_due(now, |service| policy.services[service].interval));
        for service in started {
            begun[service].push(now);
            ends.insert((now + takes, service));
        }
        most = most.max(schedule.in_flight());
        let next_end = ends.first().map(|(at, _)| *at);
        now = schedule.next().into_iter().chain(next_end).min().unwrap();
    }
    (begun, schedule, most)
}

#[test]
fn the_first_sweep_is_spread_over_one_interval() {
    let policy = many(200);
    let (begun, ..) = run(&policy, seconds(1), seconds(31));
    let first: Vec<_> = begun.iter().map(|times| times[0].since(START).as_secs()).collect();
    assert!(first.iter().all(|second| *second < 30));
    assert!((0..30).all(|second| first.iter().filter(|s| **s == second).count() < 30), "{first:?}");
}

#[test]
fn each_service_keeps_its_rate_with_jitter() {
    let (begun, schedule, _) = run(&many(20), seconds(1), seconds(3_000));
    for (service, times) in begun.iter().enumerate() {
        assert!((97..=103).contains(&times.len()), "{} probes", times.len());
        assert_eq!(schedule.missed(service), 0);
    }
}

#[test]
fn a_slow_probe_is_never_doubled_and_its_missed_slots_are_counted() {
    let (begun, schedule, most) = run(&many(1), seconds(75), seconds(900));
    assert_eq!(most, 1);
    assert!(begun[0].windows(2).all(|pair| pair[1].since(pair[0]) >= seconds(75)));
    assert!(schedule.missed(0) >= 15, "{}", schedule.missed(0));
}

#[test]
fn the_caps_hold_when_everything_hangs() {
    let mut capped = many(300);
    capped.max_in_flight = 40;
    capped.max_in_flight_per_host = 1_000;
    let (_, _, most) = run(&capped, seconds(10), seconds(120));
    assert_eq!(most, 40);
    for service in &mut capped.services {
        service.probe_url = "http://one-host:80/health".into();
    }
    capped.max_in_flight_per_host = 7;
    let (begun, _, most) = run(&capped, seconds(10), seconds(1_200));
    assert_eq!(most, 7);
    assert!(begun.iter().all(|times| !times.is_empty()), "a capped host starves nobody for ever");
}

#[test]
fn a_lost_probe_does_not_end_the_watching() {
    let policy = many(1);
    let mut schedule = Schedule::new(&policy, START);
    let at = schedule.next().unwrap();
    assert_eq!(schedule.start_due(at, |_| seconds(30)).len(), 1);
    let later = at + seconds(600);
    assert_eq!(schedule.start_due(later, |_| seconds(30)).len(), 1);
    assert_eq!(schedule.in_flight(), 1);
}

#[test]
fn a_storm_of_hints_brings_two_probes_a_second_and_a_single_one_brings_it_now() {
    let policy = many(1);
    let mut schedule = Schedule::new(&policy, START);
    let first = schedule.next().unwrap();
    assert_eq!(schedule.start_due(first, |_| seconds(30)), [0]);
    schedule.finished(0, first);
    let quiet = first + seconds(5);
    schedule.hint(0, quiet);
    assert_eq!(schedule.next(), Some(quiet));
    let (mut begun, milli) = (0, Duration::from_millis(1));
    let mut now = quiet;
    while now < quiet + seconds(10) {
        schedule.hint(0, now);
        begun += schedule.start_due(now, |_| seconds(30)).len();
        schedule.finished(0, now);
        now = now + milli;
    }
    assert_eq!(begun, 20);
}

#[test]
fn a_hint_during_a_probe_is_kept_until_it_has_come_back() {
    let policy = many(1);
    let mut schedule = Schedule::new(&policy, START);
    let at = schedule.next().unwrap();
    schedule.start_due(at, |_| seconds(30));
    schedule.hint(0, at);
    assert!(schedule.start_due(at + seconds(1), |_| seconds(30)).is_empty(), "never two probes at once");
    schedule.finished(0, at + seconds(2));
    assert!(schedule.take_hint(0));
    assert!(!schedule.take_hint(0));
}

#[test]
fn a_fleet_that_hangs_is_watched_on_schedule() {
    let policy = many(60);
    // As many places as it takes when every probe lasts for its whole time limit.
    let hanging: f64 =
        policy.services.iter().map(|s| s.timeout.as_secs_f64() / s.interval.as_secs_f64()).sum();
    let mut world = World::new(Policy { max_in_flight: hanging.ceil() as usize, ..policy });
    world.hosts.values_mut().for_each(|host| host.behaviour = Behaviour::Silent);
    world.start_monitor();
    world.run_until(START + seconds(600));
    let missed = world.missed_slots();
    // Jitter lets some slots of a service come close together; each of the 60 has had twenty.
    assert!(missed < 12, "{missed} of 1,200 slots were missed");
}

#[test]
fn another_order_of_the_services_starts_no_second_probe_and_frees_the_places_of_those_that_go() {
    let before = Policy { max_in_flight: 2, ..many(4) };
    let mut schedule = Schedule::new(&before, START);
    let interval = |_| seconds(30);
    let under_way = schedule.start_due(START + seconds(29), interval);
    let [stays, goes] = under_way[..] else { panic!("{under_way:?} are under way") };
    let mut after = before.clone();
    after.services.reverse();
    let was: Vec<Option<usize>> = (0..4).rev().filter(|old| *old != goes).map(Some).collect();
    after.services.remove(3 - goes);
    let mut schedule = schedule.rearranged(&after, &was, START + seconds(29));
    assert_eq!(schedule.in_flight(), 1);
    let place = was.iter().position(|old| *old == Some(stays)).unwrap();
    let started = schedule.start_due(START + seconds(90), interval);
    assert!(started.len() == 1 && started[0] != place, "{started:?}");
    assert_eq!(schedule.finished(place, START + seconds(91)).len(), 1, "the next one in the queue");
}
