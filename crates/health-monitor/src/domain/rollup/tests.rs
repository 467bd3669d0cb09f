use std::sync::Arc;

use super::super::reading::{Severity, Status};
use super::*;

const SEEN: Sight = Sight { is_excused: false, needs_network: true };
const EXCUSED: Sight = Sight { is_excused: true, needs_network: true };

/// One service whose minutes begin with those of the clock.
struct Watch(Rollups);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(0) + Duration::from_secs(seconds)
}

impl Watch {
    fn new() -> Self {
        let track = Track { offset: Duration::ZERO, holding: None, minute: None };
        Self(Rollups { tracks: vec![track], due: BTreeSet::new(), blind_at: None })
    }

    fn check(&mut self, second: u64, class: Class, sight: Sight) {
        let took = Duration::from_millis(second % 60);
        let reading = Reading {
            started_at: at(second),
            finished_at: at(second) + took,
            class,
            status: Status::Healthy,
            error: Some(Arc::from("")),
        };
        self.0.take(0, &reading, sight, Duration::from_secs(70), at(second) + took);
    }

    fn close(&mut self, sight: Sight) -> CheckRollup {
        let name = ServiceName::new("web").unwrap();
        self.0.close(0, &name, ServiceState::Healthy, sight).unwrap()
    }
}

const FAIL: Class = Class::Fail(Severity::Hard);

#[test]
fn down_is_from_the_first_failing_probe_to_the_first_passing_one() {
    let mut watch = Watch::new();
    for (second, class) in [(10, Class::Pass), (30, FAIL), (35, FAIL), (40, Class::Pass)] {
        watch.check(second, class, SEEN);
    }
    let minute = watch.close(SEEN);
    assert_eq!((minute.checks_total, minute.checks_failed, minute.checks_error), (4, 2, 0));
    assert_eq!((minute.observed_seconds, minute.up_seconds, minute.up), (50.0, 40.0, Some(0.8)));
}

#[test]
fn a_result_holds_into_the_next_minute_and_not_for_ever() {
    let mut watch = Watch::new();
    watch.check(10, Class::Pass, SEEN);
    assert_eq!(watch.close(SEEN).observed_seconds, 50.0);
    assert_eq!(watch.0.next(), None, "nothing is due before the next check");
    watch.check(200, Class::Pass, SEEN);
    let minute = watch.close(SEEN);
    assert_eq!(minute.from, at(180));
    // Until second 80, when the first result was 70 s old, and from second 200 on.
    assert_eq!((minute.observed_seconds, minute.up), (60.01, Some(1.0)));
}

#[test]
fn our_own_fault_maintenance_and_isolation_are_neither_up_nor_down() {
    let mut watch = Watch::new();
    watch.check(0, Class::Error, SEEN);
    watch.check(10, FAIL, EXCUSED);
    watch.check(20, FAIL, SEEN);
    // Maintenance begins before the next check.
    watch.check(30, FAIL, EXCUSED);
    watch.check(40, FAIL, SEEN);
    watch.0.blinded(at(45));
    watch.check(50, Class::Pass, SEEN);
    let minute = watch.close(SEEN);
    assert_eq!((minute.observed_seconds, minute.up), (10.0, Some(1.0)));
    assert_eq!((minute.checks_total, minute.checks_failed, minute.checks_error), (6, 4, 1));
}

#[test]
fn a_minute_in_which_nothing_was_known_has_no_share() {
    let mut watch = Watch::new();
    watch.check(0, Class::Error, SEEN);
    let minute = watch.close(SEEN);
    assert_eq!((minute.up, minute.response_time), (None, None));
}

#[test]
fn what_is_on_this_host_is_seen_without_our_network() {
    let mut watch = Watch::new();
    let local = Sight { needs_network: false, ..SEEN };
    watch.check(0, FAIL, local);
    watch.0.blinded(at(1));
    assert_eq!(watch.close(local).up, Some(0.0));
}

#[test]
fn response_times_are_those_of_the_passes() {
    let mut watch = Watch::new();
    for second in 1..=40 {
        watch.check(second, if second % 2 == 0 { Class::Pass } else { FAIL }, SEEN);
    }
    let times = watch.close(SEEN).response_time.unwrap();
    assert_eq!(times, ResponseTime { avg: 0.021, p95: 0.038, max: 0.040 });
}

#[test]
fn minutes_of_many_services_end_all_over_the_minute() {
    let mut ends = BTreeSet::new();
    for number in 0..1_000 {
        let name = ServiceName::new(&format!("service-{number}")).unwrap();
        ends.insert(hash(&name) % 60);
    }
    assert_eq!(ends.len(), 60);
}
