//! Seeded random lives of a daemon, with crashes, and what must hold in all of them.

use std::collections::BTreeMap;

use super::*;
use crate::domain::recommendation::Status;

/// Steps of one life.
const STEPS: u32 = 150;

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

fn step(daemon: &mut Daemon, dice: &mut Dice) {
    let service = format!("service-{}", dice.below(4));
    let id = dice.pick(&ids(daemon)).unwrap_or_else(|| RecommendationId::named("none"));
    match dice.below(14) {
        0..=3 => {
            let path = format!("/path/{}", ["a", "b", "7", "x9y"][usize::try_from(dice.below(4)).unwrap()]);
            let requests = usize::try_from(dice.below(300)).unwrap() + 1;
            let status = [200, 200, 200, 404, 500][usize::try_from(dice.below(5)).unwrap()];
            daemon.see(&service, &path, requests, dice.below(80) as f64 / 10.0, status);
        }
        4 => drop(daemon.analyse()),
        5 => drop(daemon.send(Event::AnalysisRequested)),
        6 | 7 => drop(daemon.apply(&id)),
        8 => drop(daemon.roll_back(&id)),
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
        _ => daemon.restart(),
    }
}

/// What each service is told, worked out from the changes that were not taken back.
fn told(daemon: &Daemon) -> BTreeMap<(String, String), Value> {
    let mut told = BTreeMap::new();
    for change in daemon.core.state.changes.iter().filter(|change| change.rollback.is_none()) {
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
        let in_effect = state.changes.of(&recommendation.id).is_some_and(|change| change.rollback.is_none());
        assert_eq!(recommendation.status == Status::Applied, in_effect, "{recommendation:?}");
    }
    let due = daemon.core.next_wakeup();
    assert!(!daemon.work.is_empty() || due.is_none_or(|due| due >= daemon.now), "nothing due is left undone");
}

#[test]
fn whatever_happens_what_is_published_is_what_was_applied_and_not_taken_back() {
    for seed in 0..12 {
        let auto_apply = seed % 2 == 0;
        let mut daemon = Daemon::new(Policy { auto_apply, ..policy() });
        let mut dice = Dice(seed);
        for _ in 0..STEPS {
            step(&mut daemon, &mut dice);
            // Whatever is due now is done before anything else happens, as the engine does it.
            daemon.pass(0);
            check(&daemon);
        }
        assert!(daemon.core.state.totals.analyses > 0, "seed {seed}");
    }
}
