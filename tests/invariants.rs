//! What must hold in every world, at every moment.

use std::collections::VecDeque;
use std::time::Duration;

use health_monitor::domain::attempts::ATTEMPTS_WITHIN;
use health_monitor::domain::availability::Window;
use health_monitor::domain::expected::Mismatch;
use health_monitor::domain::fact::Fact;
use health_monitor::domain::health::HealthState;
use health_monitor::domain::reading::Answer;
use health_monitor::domain::recovery::{Outcome, Phase, Trigger};
use shared::clock::Timestamp;
use shared::engine::Decider;
use shared::order::{Order, Stage};

use crate::world::World;

/// The minutes of one service that were recorded.
#[derive(Clone, Copy, Default)]
pub struct Minutes {
    /// When the next one begins at the earliest.
    next: Option<Timestamp>,
    observed: Duration,
    up: Duration,
}

impl World {
    /// Slots that came while a probe was under way or held back, over all services.
    pub fn missed_slots(&self) -> u64 {
        let view = self.monitor.as_ref().map(|monitor| monitor.view(self.now));
        view.map_or(0, |view| view.latest.iter().map(|latest| latest.missed).sum())
    }

    /// No minute is rolled up twice, not even across a crash, nor before it is over; and no time is counted twice.
    pub(super) fn must_be_new(&mut self, fact: &Fact) {
        let Fact::CheckRollup(minute) = fact else { return };
        let seconds = |seconds: f64| Duration::from_millis((seconds * 1_000.0).round() as u64);
        let end = minute.from + Duration::from_secs(minute.seconds.into());
        let known = self.minutes.entry(minute.service.clone()).or_default();
        let is_new = known.next.is_none_or(|next| minute.from >= next);
        assert!(is_new, "{}: the minute of {} was counted before", minute.service, minute.from);
        assert!(end <= self.now, "{}: the minute of {} is not over", minute.service, minute.from);
        assert!(minute.checks_total >= minute.checks_failed + minute.checks_error && minute.checks_total > 0);
        *known = Minutes {
            next: Some(end),
            observed: known.observed + seconds(minute.observed_seconds),
            up: known.up + seconds(minute.up_seconds),
        };
        assert!(known.up <= known.observed, "{}: more time up than observed", minute.service);
        let elapsed = end.since(Timestamp::from_micros(0));
        assert!(known.observed <= elapsed, "{}: more time observed than has passed", minute.service);
    }

    /// Within a day a key begins one recovery, whatever crashes in between.
    pub(super) fn must_use_its_key_once(&mut self, fact: &Fact) {
        let Fact::RequestKeyed(request) = fact else { return };
        let before = self.keys.insert(request.key.as_str().to_owned(), self.now);
        let is_over = before.is_none_or(|at| at + Duration::from_secs(86_400) <= self.now);
        assert!(is_over, "{}: the key {} began two recoveries", request.service, request.key.as_str());
    }

    /// Whatever a guard holds back says what the guard went by.
    pub(super) fn must_say_by_what(&self, fact: &Fact) {
        let Fact::Recovery(recovery) = fact else { return };
        let inputs = recovery.guard_inputs.as_ref().map(|inputs| inputs.guard());
        assert_eq!(recovery.guard, inputs, "{}: the inputs are another guard's", recovery.service);
        assert_eq!(
            recovery.outcome == Some(Outcome::Suppressed),
            recovery.guard.is_some() && recovery.outcome != Some(Outcome::Superseded),
            "{}: a refusal without a guard",
            recovery.service
        );
    }

    /// What the state tells of availability is the sum of the recorded minutes.
    pub(super) fn must_add_up(&self) {
        let Some(state) = self.state() else { return };
        for (name, minutes) in &self.minutes {
            let service = state.service(name).unwrap_or_else(|| panic!("{name} was forgotten"));
            let seen = service.availability.within(Window::Month, self.now);
            assert_eq!(
                (seen.observed, seen.up),
                (minutes.observed, minutes.up),
                "{name}: minutes are missing"
            );
        }
    }

    /// Record before act.
    pub(super) fn must_be_recorded(&self, order: &Order) {
        let id = order.id.to_string();
        let phase = match order.stage {
            Stage::Act => r#""phase":"acting""#,
            Stage::Keep | Stage::Revert => r#""phase":"concluding""#,
        };
        let is_recorded = self
            .journal
            .iter()
            .rev()
            .take(200)
            .any(|(_, document)| document.contains(&id) && document.contains(phase));
        assert!(is_recorded, "order {id} for {} was given before it was recorded", order.service);
    }

    /// One order for a service at a time.
    pub(super) fn must_be_the_only_one(&mut self, order: &Order) {
        let is_only = self.at_the_platform.insert(order.service.clone());
        assert!(is_only, "{}: {:?} was ordered over another order", order.service, order.stage);
    }

    /// Nothing is done to a service that passes, answers that it is misconfigured, or could not be looked at; nor
    /// while an order for it is still with the platform.
    pub(super) fn must_be_needed(&self, order: &Order) {
        let Some(service) = self.state().and_then(|state| state.service(&order.service)) else { return };
        let is_automatic = service.recovery.as_ref().is_some_and(|r| r.trigger == Trigger::Automatic);
        if !is_automatic {
            return;
        }
        let health = &service.health;
        assert_eq!(
            (health.state, health.passes),
            (HealthState::Unhealthy, 0),
            "{} needs no help",
            order.service
        );
        let (at, answer) = &self.last_looks[&order.service];
        let is_failure = match answer {
            Answer::Status(200 | 404) | Answer::OwnFault(_) | Answer::Misconfigured(_) => false,
            Answer::Examined(examined) => examined.body.as_ref().is_err_and(Mismatch::is_about_health),
            _ => true,
        };
        assert!(is_failure, "{} was last seen to answer {answer:?} at {at}", order.service);
        self.must_be_allowed(order);
        self.must_respect_stops(&order.service);
    }

    /// The guards across services, counted by the world and not by the daemon.
    fn must_be_allowed(&self, order: &Order) {
        let Some(state) = self.state() else { return };
        let limits = &self.policy.fleet;
        assert!(state.fleet.isolation.is_none(), "{}: healed while our own network is gone", order.service);
        let others =
            state.services.iter().filter(|(name, one)| **name != order.service && one.recovery.is_some());
        let under_way = others.count();
        assert!(
            under_way < limits.max_concurrent,
            "{}: {under_way} others are being recovered",
            order.service
        );
        assert!(state.fleet.storm.is_none() || under_way == 0, "{}: not alone in a storm", order.service);
        let since = self.now - limits.budget_within;
        let lately: Vec<_> = self
            .orders
            .iter()
            .filter(|(at, one)| *at > since && *at > self.budget_reset_at && !self.not_run.contains(&one.id))
            .collect();
        assert!(lately.len() < limits.max_actions, "{}: {} actions lately", order.service, lately.len());
        let mut services: Vec<_> = lately.iter().map(|(_, one)| &one.service).collect();
        services.sort();
        services.dedup();
        let most = limits.most_services(self.policy.services.len());
        let is_within = most.is_none_or(|most| services.len() < most || services.contains(&&order.service));
        assert!(is_within, "{}: {} services were acted upon lately", order.service, services.len());
    }

    /// The next step is taken only after the one before was tried and did not help, or was passed over for a reason
    /// that is said; a step back only after lasting health.
    pub(super) fn must_climb_step_by_step(&mut self, fact: &Fact) {
        let Fact::Recovery(recovery) = fact else { return };
        let last = self.ends.get(&recovery.service).copied();
        match (recovery.phase, recovery.verdict.or(recovery.outcome)) {
            (Phase::Acting, _) => {
                let from = last.map_or(1, |(step, _)| step);
                let has_failed =
                    last.is_some_and(|(_, end)| matches!(end, Outcome::NotRecovered | Outcome::ActionFailed));
                let most = from + usize::from(has_failed);
                assert!(recovery.step >= from, "{}: a step back to {}", recovery.service, recovery.step);
                let is_explained = recovery.step <= most || !recovery.skipped.is_empty();
                assert!(is_explained, "{}: from step {from} to {}", recovery.service, recovery.step);
            }
            (
                Phase::Finished,
                Some(outcome @ (Outcome::Recovered | Outcome::NotRecovered | Outcome::ActionFailed)),
            ) => {
                self.ends.insert(recovery.service.clone(), (recovery.step, outcome));
            }
            (Phase::Preflight | Phase::Verifying | Phase::Concluding | Phase::Finished, _) => {}
        }
    }

    /// Checks what must hold at every moment between two turns.
    pub fn check_now(&self) {
        self.must_stay_few();
        let Some(state) = self.state() else { return };
        for (name, service) in state.services.iter() {
            let is_watched = self.policy.services.iter().any(|policy| policy.name == *name);
            let is_open = service.incident.is_some() || service.recovery.is_some();
            assert!(is_watched || !is_open, "{name}: nobody watches it, and something is open");
            assert!(is_watched != state.retired.contains(name), "{name}: watched and retired, or neither");
            let Some(recovery) = &service.recovery else { continue };
            assert!(service.incident.is_some(), "{name}: a recovery without an incident");
            assert!(recovery.phase != Phase::Finished, "{name}: a finished recovery is still under way");
            let until = recovery.verify_until.filter(|_| recovery.phase == Phase::Verifying);
            assert!(until.is_none_or(|until| until >= self.now), "{name}: a deadline was missed");
        }
    }

    /// Checks that no service was acted upon more often than its guard allows.
    pub fn check_orders(&self) {
        for policy in &self.policy.services {
            let orders: VecDeque<Timestamp> = self
                .orders
                .iter()
                .filter(|(_, order)| order.service == policy.name)
                .map(|(at, _)| *at)
                .collect();
            let is_cleared = |first: Timestamp, last: Timestamp| {
                self.stable.iter().any(|(at, name)| *name == policy.name && first < *at && *at <= last)
            };
            for pair in orders.iter().zip(orders.iter().skip(1)) {
                let gap = pair.1.since(*pair.0);
                let is_spaced = gap >= policy.cool_down || is_cleared(*pair.0, *pair.1);
                assert!(is_spaced, "{}: two orders within {gap:?}", policy.name);
            }
            let acted: Vec<Timestamp> = self
                .orders
                .iter()
                .filter(|(_, order)| order.service == policy.name && !self.not_run.contains(&order.id))
                .map(|(at, _)| *at)
                .collect();
            let limit = policy.attempts_per_hour as usize;
            for window in acted.windows(limit + 1) {
                let (first, last) = (window[0], window[limit]);
                let span = last.since(first);
                let is_too_often = span < ATTEMPTS_WITHIN && !is_cleared(first, last);
                assert!(!is_too_often, "{}: {} orders within {span:?}", policy.name, limit + 1);
            }
        }
    }
}
