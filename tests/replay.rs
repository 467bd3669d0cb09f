//! The journal of the world, read again.

use health_monitor::domain::fact::Fact;
use health_monitor::domain::supervisor::Supervisor;
use shared::engine::Decider;

use crate::world::World;

impl World {
    /// Rebuilds the state of a daemon from checkpoint and journal.
    pub(super) fn replay_into(&self, monitor: &mut Supervisor) {
        let parse =
            |text: &String| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        monitor.restore(self.checkpoint.as_ref().map(parse));
        for (at, document) in &self.journal {
            let fact: Fact =
                serde_json::from_str(document).unwrap_or_else(|error| panic!("{error}: {document}"));
            monitor.apply(*at, &fact);
        }
    }

    /// Checks that replaying the journal gives the state of the running daemon, then writes a checkpoint.
    pub fn check_replay(&mut self) {
        let Some(live) = self.state().cloned() else { return };
        let mut replayed = Supervisor::new(self.policy.clone(), self.now);
        self.replay_into(&mut replayed);
        assert_eq!(*replayed.state(), live, "the replayed state differs from the live one");
        self.must_add_up();
        self.checkpoint = serde_json::to_string(&live).ok();
        self.journal.clear();
    }
}
