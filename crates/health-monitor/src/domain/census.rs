//! Who is down, who is being recovered, and who waits for others: kept up to date with each fact, so that no
//! decision has to walk through all services. Follows from the state, and is made anew from it after a restart.

use std::collections::BTreeSet;

use shared::clock::Timestamp;

use super::health::HealthState;
use super::state::Service;

/// Services by their places in the policy.
#[derive(Debug, Default)]
pub struct Census {
    services: usize,
    down: BTreeSet<(Timestamp, usize)>,
    down_since: Vec<Option<Timestamp>>,
    recovering: BTreeSet<usize>,
    waiting: BTreeSet<usize>,
}

impl Census {
    /// Of this many services, of which nothing is known.
    pub fn new(services: usize) -> Self {
        Self { services, down_since: vec![None; services], ..Self::default() }
    }

    /// Takes in what has become of one service. Gives whether its recovery is over, so that its turn is another's.
    pub fn update(&mut self, place: usize, service: &Service) -> bool {
        let is_down = service.health.state == HealthState::Unhealthy;
        let since = is_down.then_some(service.health.since);
        if let Some(old) = std::mem::replace(&mut self.down_since[place], since) {
            self.down.remove(&(old, place));
        }
        self.down.extend(since.map(|since| (since, place)));
        let was_recovering = self.recovering.contains(&place);
        set(&mut self.recovering, place, service.recovery.is_some());
        let is_held =
            service.refusal.as_ref().and_then(|refusal| refusal.guard).is_some_and(|g| g.is_shared());
        set(&mut self.waiting, place, is_held && service.recovery.is_none());
        was_recovering && service.recovery.is_none()
    }

    /// Services that went down after `since`.
    pub fn down_after(&self, since: Timestamp) -> usize {
        self.down.range((since + std::time::Duration::from_micros(1), 0)..).count()
    }

    /// Services that are down.
    pub fn down(&self) -> usize {
        self.down.len()
    }

    /// The services that went down first, at most so many.
    pub fn first_down(&self, most: usize) -> impl Iterator<Item = usize> {
        self.down.iter().take(most).map(|(_, place)| *place)
    }

    /// Services that shares are taken of.
    pub fn eligible(&self) -> usize {
        self.services
    }

    /// How many services have a recovery under way.
    pub fn recovering(&self) -> usize {
        self.recovering.len()
    }

    /// Services with a recovery under way, without the given one.
    pub fn others_recovering(&self, place: usize) -> impl Iterator<Item = usize> {
        self.recovering.iter().copied().filter(move |other| *other != place)
    }

    /// Services that a guard holds back whose end comes from elsewhere.
    pub fn waiting(&self) -> &BTreeSet<usize> {
        &self.waiting
    }
}

fn set(places: &mut BTreeSet<usize>, place: usize, is_in: bool) {
    if is_in {
        places.insert(place);
    } else {
        places.remove(&place);
    }
}
