//! Services that are no longer watched, and what is kept of them.

use std::sync::Arc;

use shared::order::ServiceName;

use super::health::Health;
use super::state::{Service, State};

/// So many are remembered. One that comes back must not begin with fresh attempts, and the state must not grow with
/// each name that was ever watched.
const KEPT: usize = 1_000;

impl State {
    /// Takes in that a service is no longer watched, or is again.
    pub(super) fn set_watched(&mut self, name: &ServiceName, is_watched: bool) {
        let retired = Arc::make_mut(&mut self.retired);
        retired.retain(|known| known != name);
        if is_watched {
            return;
        }
        retired.push_back(name.clone());
        let forgotten = if retired.len() > KEPT { retired.pop_front() } else { None };
        if self.services.get(name).is_some() {
            Arc::make_mut(self.services.entry(name)).retire();
        }
        forgotten.and_then(|name| self.services.remove(&name));
    }
}

impl Service {
    /// What probes have seen says nothing about a service that comes back much later; what was done to it does.
    fn retire(&mut self) {
        self.health = Health::default();
        self.flapping = None;
        self.operator_stop = None;
        self.intent = None;
        self.refusal = None;
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::Timestamp;

    use super::super::fact::Fact;
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_those_that_come_back_are_not() {
        let mut state = State::default();
        let name = |number: usize| ServiceName::new(&format!("service-{number}")).unwrap();
        let at = Timestamp::default();
        for number in 0..KEPT + 10 {
            let service = name(number);
            state.apply(at, &Fact::ServiceStable { service: service.clone() });
            state.apply(at, &Fact::ServiceWatched { service, is_watched: false });
            if number == 5 {
                state.apply(at, &Fact::ServiceWatched { service: name(0), is_watched: true });
            }
        }
        assert_eq!(state.retired.len(), KEPT);
        assert!(state.service(&name(0)).is_some(), "it is watched");
        assert!(state.service(&name(1)).is_none() && state.service(&name(KEPT)).is_some());
    }
}
