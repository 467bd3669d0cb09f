//! Counts the wrong tokens of a peer, so that guessing one is hopeless.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::rate_limit::{MOST_KEYS, Network};

/// Wrong tokens that one network may send in a window: enough for a person who mistypes.
const MOST: u32 = 10;
/// How long a wrong token counts.
const WINDOW: Duration = Duration::from_secs(60);

/// The recent wrong tokens by network.
#[derive(Default)]
pub(super) struct Guesses(Mutex<HashMap<Network, Window>>);

struct Window {
    started: Instant,
    wrong: u32,
}

impl Guesses {
    /// Whether this peer may present a token; the error is how long it has to wait.
    pub(super) fn check(&self, peer: Option<IpAddr>) -> Result<(), Duration> {
        let windows = self.lock();
        let Some(window) = windows.get(&Network::of(peer)) else {
            return Ok(());
        };
        let left = WINDOW.saturating_sub(window.started.elapsed());
        if window.wrong < MOST || left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// Counts a wrong token.
    pub(super) fn record(&self, peer: Option<IpAddr>) {
        let mut windows = self.lock();
        let mut network = Network::of(peer);
        if windows.len() >= MOST_KEYS && !windows.contains_key(&network) {
            windows.retain(|_, window| window.started.elapsed() < WINDOW);
            if windows.len() >= MOST_KEYS {
                network = Network::Other;
            }
        }
        let fresh = || Window { started: Instant::now(), wrong: 0 };
        let window = windows.entry(network).or_insert_with(fresh);
        if window.started.elapsed() >= WINDOW {
            *window = fresh();
        }
        window.wrong = window.wrong.saturating_add(1);
        if window.wrong == MOST {
            tracing::warn!(
                ?network,
                "tokens of this network are not looked at for a minute: too many were wrong"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_guesses_is_shut_out_until_the_window_ends() {
        let guesses = Guesses::default();
        let peer = Some(IpAddr::from([192, 0, 2, 1]));
        for _ in 0..MOST {
            assert_eq!(guesses.check(peer), Ok(()));
            guesses.record(peer);
        }
        assert_eq!(guesses.check(peer), Err(WINDOW));
        assert_eq!(guesses.check(Some(IpAddr::from([192, 0, 2, 2]))), Ok(()));
        tokio::time::advance(WINDOW).await;
        assert_eq!(guesses.check(peer), Ok(()));
    }
}
