//! Limits how often one token or peer may ask, in memory that does not grow.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::time::Instant;

/// Tokens and peers that are told apart at most; at about 100 bytes each this is 1 MB.
pub(super) const MOST_KEYS: usize = 10_000;

/// How often a full table is looked through for keys that can go.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Where a peer is: an IPv4 address, or the /64 network of an IPv6 address, because one host has all of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Network {
    /// One address or network.
    At(IpAddr),
    /// All peers that are unknown or for which there is no room.
    Other,
}

impl Network {
    pub(super) fn of(peer: Option<IpAddr>) -> Self {
        match peer.map(|peer| peer.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::At(IpAddr::V4(address)),
            Some(IpAddr::V6(address)) => {
                Self::At(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))))
            }
            None => Self::Other,
        }
    }
}

/// Whose requests are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Key {
    /// The holders of one token, by its digest.
    Token([u8; 32]),
    /// The peers of one network.
    Peer(Network),
}

impl Key {
    /// Only for a token that is accepted, or anybody could make keys.
    pub(super) fn token(digest: [u8; 32]) -> Self {
        Self::Token(digest)
    }

    pub(super) fn peer(peer: Option<IpAddr>) -> Self {
        Self::Peer(Network::of(peer))
    }
}

/// A rate per key: so many in a minute, a third of them at once.
pub(super) struct RateLimit {
    /// None when there is no limit.
    limiter: Option<DefaultKeyedRateLimiter<Key>>,
    clock: DefaultClock,
    swept: Mutex<Option<Instant>>,
}

impl RateLimit {
    /// Zero means no limit. The burst is a third, so that a script that does a few things in a row passes and
    /// one that loops is held back within the first 20 s of its minute.
    pub(super) fn per_minute(rate: u32) -> Self {
        let limiter = NonZeroU32::new(rate).map(|rate| {
            let burst = NonZeroU32::new(rate.get() / 3).unwrap_or(NonZeroU32::MIN);
            RateLimiter::keyed(Quota::per_minute(rate).allow_burst(burst))
        });
        Self { limiter, clock: DefaultClock::default(), swept: Mutex::new(None) }
    }

    /// Counts one request; the error is how long to wait until the next may come.
    pub(super) fn check(&self, key: Key) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        let key = self.with_room(limiter, key);
        limiter.check_key(&key).map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// The key itself, or in a full table the one that all further peers share.
    fn with_room(&self, limiter: &DefaultKeyedRateLimiter<Key>, key: Key) -> Key {
        if limiter.len() < MOST_KEYS {
            return key;
        }
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|last| last.elapsed() >= SWEEP_INTERVAL) {
            *swept = Some(Instant::now());
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        match key {
            Key::Token(_) => key,
            Key::Peer(_) if limiter.len() < MOST_KEYS => key,
            Key::Peer(_) => Key::Peer(Network::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(number: u32) -> Key {
        Key::peer(Some(IpAddr::from(number.to_be_bytes())))
    }

    #[test]
    fn a_third_of_the_rate_passes_at_once_and_the_next_is_told_when_to_come() {
        let limit = RateLimit::per_minute(6);
        assert_eq!(limit.check(v4(1)), Ok(()));
        assert_eq!(limit.check(v4(1)), Ok(()));
        let wait = limit.check(v4(1)).unwrap_err();
        assert!(wait > Duration::from_secs(8) && wait <= Duration::from_secs(10), "{wait:?}");
        assert_eq!(limit.check(v4(2)), Ok(()));
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let limit = RateLimit::per_minute(0);
        assert!((0..1_000).all(|_| limit.check(v4(1)).is_ok()));
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_and_a_mapped_ipv4_address_count_together() {
        let of = |text: &str| Network::of(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn the_number_of_keys_is_bounded_and_a_known_token_keeps_its_own() {
        let limit = RateLimit::per_minute(3);
        for number in 0..20_000 {
            let _ = limit.check(v4(number));
        }
        let limiter = limit.limiter.as_ref().unwrap();
        assert!(limiter.len() <= MOST_KEYS + 1, "{}", limiter.len());
        assert_eq!(limit.check(Key::token([7; 32])), Ok(()));
    }
}
