//! Seeded random lives of a daemon, with crashes, and what must hold in all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::platforms::plant::{FAULTS, Fault, Plant, playbook};
use super::*;
use crate::domain::change::Phase;
use crate::domain::judge::{Design, Outcome};
use crate::domain::order::{Order, Stage};
use crate::domain::recommendation::Status;

/// How long a verdict takes at most: 115 minutes, and one for late reports.
const LONGEST: Duration = Duration::from_secs(117 * 60);
/// How long an A/B test takes at most: it settles, two halves of 60 minutes, and what lies between.
const LONGEST_TEST: Duration = Duration::from_secs(140 * 60);
const JUDGED: [JudgedChanges; 3] = [JudgedChanges::All, JudgedChanges::Automatic, JudgedChanges::None];
/// Steps of one life.
const STEPS: u32 = 100;

/// Numbers that look random and are the same for the same seed (SplitMix64; Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % limit
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let length = u64::try_from(from.len()).unwrap();
        (length > 0).then(|| from[usize::try_from(self.below(length)).unwrap()].clone())
    }
}

fn ids(daemon: &Daemon) -> Vec<RecommendationId> {
    daemon.core.state.recommendations.in_order().into_iter().map(|one| one.id.clone()).collect()
}

/// An instance of the service fetches what it is told.
fn fetch(daemon: &mut Daemon, service: &str) {
    fetch_as(daemon, service, &format!("{service}-1"));
}

fn fetch_as(daemon: &mut Daemon, service: &str, instance: &str) {
    let version = daemon.core.state.settings.of(service).map_or(0, |settings| settings.version);
    let event = Event::SettingsFetched { service: service.into(), instance: instance.into(), version };
    let decision = daemon.core.handle(event, daemon.now);
    daemon.take(decision);
}

/// Services whose changes a platform carries out.
const ON_PLATFORM: [&str; 8] =
    ["service-0", "service-1", "tried-0", "tried-1", "tried-2", "tried-3", "tried-4", "tried-5"];

/// The platform does what it is told, lies, refuses, is late, or is gone; the daemon may crash before it hears of it.
fn have_done(daemon: &mut Daemon, plant: &mut Plant, dice: &mut Dice) {
    if !daemon.work.iter().any(|work| matches!(work, Work::Carry(_) | Work::Inspect { .. })) {
        return;
    }
    plant.fault = if dice.below(3) > 0 { Fault::None } else { dice.pick(&FAULTS).unwrap() };
    let mut told = BTreeSet::new();
    let orders: Vec<Order> = daemon
        .work
        .iter()
        .filter_map(|work| match work {
            Work::Carry(order) => Some((**order).clone()),
            Work::Inspect { .. } | Work::Analyse { .. } => None,
        })
        .collect();
    for order in &orders {
        assert!(told.insert(order.change), "two orders for one change at once: {orders:?}");
    }
    match dice.below(8) {
        0 => {
            // It is carried out, and nobody hears of it.
            for order in &orders {
                daemon.assert_recorded(order);
                plant.carry(order);
            }
            daemon.restart();
        }
        1 => daemon.restart(),
        _ => {}
    }
    daemon.pass(0);
    daemon.have_done(plant);
    // What is late comes before anybody relies on what was seen.
    plant.catch_up();
    daemon.pass(0);
    let applying = daemon.core.state.changes.open().find(|change| change.phase == Phase::Applying);
    assert!(applying.is_none(), "whatever happens, applying ends: {applying:?}");
}

/// Minutes in which a service answers like this; the daemon may crash in any of them.
fn live(daemon: &mut Daemon, plant: &mut Plant, service: &str, minutes: u32, seconds: f64, dice: &mut Dice) {
    for minute in 0..minutes {
        daemon.see(service, "/lively", 20, seconds * (1.0 + f64::from(minute % 7) / 50.0), 200);
        daemon.pass(60);
        if dice.below(40) == 0 {
            daemon.restart();
            daemon.pass(0);
        }
        have_done(daemon, plant, dice);
        check(daemon);
    }
}

/// A service is slow for an hour, gets a change, and is as slow, slower or quicker with it.
fn try_a_change(daemon: &mut Daemon, plant: &mut Plant, service: &str, dice: &mut Dice) {
    let seconds = 2.5 + dice.below(30) as f64 / 10.0;
    live(daemon, plant, service, 60, seconds, dice);
    let found = daemon.analyse().into_iter().find(|one| one.is_like(service, "slow_response"));
    if let Some(recommendation) = found {
        apply(daemon, plant, &recommendation.id, dice);
    }
    fetch(daemon, service);
    let factor = [0.5, 1.0, 1.4, 2.5][usize::try_from(dice.below(4)).unwrap()];
    live(daemon, plant, service, 45, seconds * factor, dice);
}

/// A person wants it applied.
fn apply(daemon: &mut Daemon, plant: &mut Plant, id: &RecommendationId, dice: &mut Dice) {
    plant.fault = if dice.below(4) == 0 { Fault::IsGone } else { Fault::None };
    drop(daemon.begin(id, plant));
}

/// Two instances of a service, one slower than the other, report which variant they had; a change is tested on half of them.
fn try_by_halves(daemon: &mut Daemon, service: &str, dice: &mut Dice) {
    let factor = [0.5, 1.0, 1.4, 2.5][usize::try_from(dice.below(4)).unwrap()];
    let own = [1.0, 1.0 + dice.below(10) as f64 / 10.0];
    let seconds = 2.5 + dice.below(30) as f64 / 10.0;
    for minute in 0..70 + dice.below(60) {
        if minute == 20 {
            let found = daemon.analyse().into_iter().find(|one| one.is_like(service, "slow_response"));
            if let Some(recommendation) = found {
                drop(daemon.apply(&recommendation.id));
            }
        }
        for (number, own) in own.iter().enumerate() {
            let name = format!("{service}-{number}");
            fetch_as(daemon, service, &name);
            let told = daemon.core.state.settings.of(service).cloned();
            let variant = told.as_ref().and_then(|told| told.variant_of(&name));
            let is_on = told.is_some_and(|told| told.told_to(&name, "response-cache").is_some());
            let seconds =
                seconds * own * if is_on { factor } else { 1.0 } * (1.0 + (minute % 7) as f64 / 50.0);
            let event = json!({
                "service": service, "endpoint": "/lively", "response_time": seconds, "status_code": 200,
                "variant": variant.unwrap_or_else(|| "default".into())
            });
            daemon.report(vec![event; 15]);
        }
        daemon.pass(60);
        if dice.below(40) == 0 {
            daemon.restart();
            daemon.pass(0);
        }
        check(daemon);
    }
}

fn step(daemon: &mut Daemon, plant: &mut Plant, dice: &mut Dice) {
    let service = format!("service-{}", dice.below(4));
    let id = dice.pick(&ids(daemon)).unwrap_or_else(|| RecommendationId::named("none"));
    match dice.below(17) {
        15 => try_a_change(daemon, plant, &format!("tried-{}", dice.below(20)), dice),
        0..=3 => {
            let path = format!("/path/{}", ["a", "b", "7", "x9y"][usize::try_from(dice.below(4)).unwrap()]);
            let requests = usize::try_from(dice.below(300)).unwrap() + 1;
            let status = [200, 200, 200, 404, 500][usize::try_from(dice.below(5)).unwrap()];
            daemon.see(&service, &path, requests, dice.below(80) as f64 / 10.0, status);
        }
        4 => drop(daemon.analyse()),
        5 => drop(daemon.send(Event::AnalysisRequested)),
        6 | 7 => apply(daemon, plant, &id, dice),
        8 => {
            daemon.send(Event::RollbackRequested { id, reason: "because".into() });
        }
        9 => drop(daemon.send(Event::ApprovalRequested { id })),
        10 => drop(daemon.send(Event::DismissalRequested { id, reason: None })),
        11 => {
            let until = Some(daemon.now + Duration::from_secs(dice.below(7_200)));
            let event = match dice.below(2) {
                0 => Event::PauseRequested(Pause { since: daemon.now, until, reason: None }),
                _ => Event::ResumeRequested,
            };
            daemon.send(event);
        }
        12 => daemon.pass(dice.below(6 * 3_600)),
        16 => {
            // A person changes the same by hand.
            plant.values.insert(service.as_str().into(), json!(2 + dice.below(6)));
            plant.touched.insert(service.as_str().into());
        }
        13 => fetch(daemon, &service),
        _ => daemon.restart(),
    }
}

/// What each service is told, worked out from the changes that were not taken back.
fn told(daemon: &Daemon) -> BTreeMap<(String, String), Value> {
    let mut told = BTreeMap::new();
    for change in daemon.core.state.changes.iter().filter(|change| change.rollback.is_none()) {
        if change.platform.is_some() {
            continue;
        }
        for one in &change.changes {
            let key = (change.baseline.service.to_string(), one.key.clone());
            told.insert(key, one.after.clone().unwrap());
        }
    }
    told
}

fn check(daemon: &Daemon) {
    let state = &daemon.core.state;
    let published: BTreeMap<_, _> = state
        .settings
        .iter()
        .flat_map(|(service, settings)| {
            let of = |(key, setting): (&String, &crate::domain::setting::Setting)| {
                ((service.to_string(), key.clone()), setting.value.clone())
            };
            settings.settings.iter().map(of).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(published, told(daemon), "what is published is what was applied and not taken back");
    for recommendation in state.recommendations.iter() {
        let in_effect = state.changes.of(&recommendation.id).is_some_and(|change| {
            change.rollback.is_none() && change.took_effect() && !change.phase.has_failed()
        });
        assert_eq!(recommendation.status == Status::Applied, in_effect, "{recommendation:?}");
    }
    for change in state.changes.iter() {
        assert_eq!(change.phase == Phase::RolledBack, change.rollback.is_some(), "{change:?}");
        let is_open = state.changes.open().any(|open| open.recommendation_id == change.recommendation_id);
        assert!(!change.phase.is_open() || is_open, "{change:?}");
        let age = daemon.now.since(change.applied_at);
        let longest = if change.ab_test.is_some() { LONGEST_TEST } else { LONGEST };
        assert!(!change.phase.is_unverified() || age <= longest, "open for {age:?}: {change:?}");
        let is_judged_well =
            change.verdict.as_ref().is_some_and(|verdict| verdict.outcome == Outcome::Better);
        let was_to_go = change.platform.as_ref().is_some_and(|platform| platform.undo.is_some());
        let stays = change.rollback.is_none() && !was_to_go;
        assert_eq!(change.phase == Phase::Kept, is_judged_well && stays, "{change:?}");
    }
    for (service, settings) in state.settings.iter() {
        let tested = state.changes.open_of(service).filter(|open| open.ab_test.is_some());
        let split = settings.split.as_ref().map(|split| (&split.recommendation_id, Some(split.test)));
        assert_eq!(
            split,
            tested.map(|open| (&open.recommendation_id, open.ab_test)),
            "{service} is divided while it is tested"
        );
        assert_eq!(
            tested.is_some(),
            tested.is_some_and(|open| state.variants.treated(&open.recommendation_id).is_some())
        );
    }
    let services: Vec<_> = state.changes.open().map(|change| &change.baseline.service).collect();
    let distinct: BTreeSet<_> = services.iter().collect();
    assert_eq!(distinct.len(), services.len(), "one change of a service is judged at a time");
    let due = daemon.core.next_wakeup();
    assert!(!daemon.work.is_empty() || due.is_none_or(|due| due >= daemon.now), "nothing due is left undone");
}

/// Once the platform is well again, everything that is to be taken back is, and what it has is what is in effect.
fn come_to_rest(daemon: &mut Daemon, plant: &mut Plant) {
    plant.fault = Fault::None;
    for _ in 0..120 {
        daemon.pass(60);
        daemon.have_done(plant);
    }
    let unfinished = daemon.core.state.changes.open().find(|change| !change.phase.is_unverified());
    assert!(unfinished.is_none(), "{unfinished:?}");
    for service in ON_PLATFORM.iter().filter(|service| !plant.touched.contains(**service)) {
        let of_it = |change: &&Arc<Change>| {
            &*change.baseline.service == *service
                && change.platform.is_some()
                && change.took_effect()
                && change.rollback.is_none()
                && !change.phase.has_failed()
        };
        let in_effect = daemon.core.state.changes.iter().rev().find(of_it);
        let expected = in_effect.map_or(json!(2), |change| change.changes[0].after.clone().unwrap());
        let present = plant.values.get(*service).cloned().unwrap_or(json!(2));
        assert_eq!(present, expected, "{service}: {in_effect:?}");
    }
    let mut applied = BTreeSet::new();
    for order in plant.written.iter().filter(|order| order.stage == Stage::Apply) {
        assert!(applied.insert(order.change), "applied twice: {order:?}");
    }
}

#[test]
fn whatever_happens_what_is_published_is_what_was_applied_and_not_taken_back() {
    let (mut outcomes, mut phases) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..16 {
        let (auto_apply, judged) = (seed % 2 == 0, JUDGED[usize::try_from(seed % 3).unwrap()]);
        let playbook = playbook(&ON_PLATFORM);
        let shape = if seed % 4 < 2 { Shape::default() } else { hardly_a_day() };
        let mut daemon = Daemon::new(Policy { auto_apply, judged, playbook, shape, ..policy() });
        let mut plant = Plant::new(Fault::None);
        let mut dice = Dice(seed);
        for _ in 0..STEPS {
            step(&mut daemon, &mut plant, &mut dice);
            // Whatever is due now is done before anything else happens, as the engine does it.
            daemon.pass(0);
            have_done(&mut daemon, &mut plant, &mut dice);
            check(&daemon);
        }
        come_to_rest(&mut daemon, &mut plant);
        let platform = daemon.core.state.changes.iter().filter(|change| change.platform.is_some());
        phases.extend(platform.map(|change| change.phase.as_str()));
        assert!(daemon.core.state.totals.analyses > 0, "seed {seed}");
        let verdicts = daemon.core.state.changes.iter().filter_map(|change| change.verdict.as_ref());
        outcomes.extend(verdicts.map(|verdict| verdict.outcome.as_str()));
    }
    assert_eq!(outcomes.len(), 6, "every outcome was seen: {outcomes:?}");
    for phase in ["failed", "rolled_back", "superseded", "unjudged"] {
        assert!(phases.contains(phase), "{phase} was not seen of platforms: {phases:?}");
    }
}

#[test]
fn whatever_happens_during_a_test_on_halves_instances_are_divided_only_while_it_lasts() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..6 {
        let mut daemon = Daemon::new(Policy { judged: JudgedChanges::All, ..policy() });
        let mut dice = Dice(seed);
        for number in 0..3 {
            try_by_halves(&mut daemon, &format!("halved-{number}"), &mut dice);
        }
        let verdicts = daemon.core.state.changes.iter().filter_map(|change| change.verdict.as_ref());
        let of_tests = verdicts.filter(|verdict| verdict.design == Design::AbTest);
        outcomes.extend(of_tests.map(|verdict| verdict.outcome.as_str()));
    }
    for outcome in ["better", "no_gain", "harmful"] {
        assert!(outcomes.contains(outcome), "{outcome} was not seen: {outcomes:?}");
    }
}
