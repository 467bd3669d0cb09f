//! Ports that are free.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Where the search ends: from here on the kernel gives ports to outgoing connections, and one of those could
/// take the port of a service that is down.
const END: u16 = 32_000;

/// The distance between two tries; the last two digits stay the same.
const STEP: usize = 100;

/// Whether nobody listens on this port.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The first of `first`, `first + 100`, … that is free.
pub(super) fn free_from(first: u16) -> io::Result<u16> {
    let free = (first..END).step_by(STEP).find(|port| is_free(*port));
    free.ok_or_else(|| io::Error::other(format!("no free port among {first}, {}, … {END}", first + 100)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, free_from(19_000).unwrap())).unwrap();
        let port = taken.local_addr().unwrap().port();
        let next = free_from(port).unwrap();
        assert!(next > port);
        assert_eq!(next % 100, port % 100);
    }
}
