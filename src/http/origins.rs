//! Where requests come from: one private address behind which all the world seems to be is a proxy that nobody
//! named in `trusted_proxies`, and its clients share their limits.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many requests are looked at together.
const WINDOW: u32 = 1_000;
/// How many of them must come from one address: nine tenths.
const MOST: u32 = 900;
/// How often it is said.
const AGAIN: Duration = Duration::from_hours(1);

/// Watches where requests come from.
#[derive(Default)]
pub(super) struct Origins(Mutex<Window>);

/// Whoever has a majority in one window is found by a vote (Boyer and Moore), and counted in the next: no more
/// than two addresses are kept.
#[derive(Default)]
struct Window {
    requests: u32,
    /// The one that leads the vote, and by how many.
    leader: Option<IpAddr>,
    lead: u32,
    /// The one that won the last vote, and what came from it since.
    watched: Option<IpAddr>,
    seen: u32,
    /// How many of those said that they are forwarded.
    forwarded: u32,
    said: Option<Instant>,
}

impl Origins {
    /// Takes a request in, and warns where nine tenths of the last come from one private address.
    pub(super) fn note(&self, address: IpAddr, is_forwarded: bool) {
        let proxy = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(address, is_forwarded);
        if let Some(address) = proxy {
            tracing::warn!(
                %address,
                "nine tenths of the requests come from one private address: if it is a proxy, name it in \
                 trusted_proxies; until then its clients are counted as one"
            );
        }
    }
}

impl Window {
    fn take(&mut self, address: IpAddr, is_forwarded: bool) -> Option<IpAddr> {
        self.requests += 1;
        if self.watched == Some(address) {
            self.seen += 1;
            self.forwarded += u32::from(is_forwarded);
        }
        match self.leader {
            Some(leader) if leader == address => self.lead += 1,
            Some(_) if self.lead > 0 => self.lead -= 1,
            _ => (self.leader, self.lead) = (Some(address), 1),
        }
        if self.requests < WINDOW {
            return None;
        }
        let found = self.watched.filter(|address| {
            let is_local = address.is_loopback();
            // A program on this machine is a client as any other, unless it says that it speaks for others.
            self.seen >= MOST && is_private(*address) && (!is_local || self.forwarded >= MOST)
        });
        let found = found.filter(|_| self.said.is_none_or(|at| at.elapsed() > AGAIN));
        let said = if found.is_some() { Some(Instant::now()) } else { self.said };
        *self = Self { watched: self.leader, said, ..Self::default() };
        found
    }
}

/// Whether an address is of a network that is nobody's alone (RFC 1918, RFC 4193), of this machine or this link.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_private() || four.is_loopback() || four.is_link_local(),
        IpAddr::V6(six) => six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of requests, nine in ten of them from one address.
    fn said(address: &str, forwarded: bool, others: u32) -> usize {
        let (mut window, address) = (Window::default(), address.parse().unwrap());
        let from = |n: u32| if n % 10 < others { IpAddr::from(n.to_be_bytes()) } else { address };
        (0..WINDOW * 4).filter(|n| window.take(from(*n), forwarded).is_some()).count()
    }

    #[test]
    fn a_proxy_that_nobody_named_is_said_once() {
        assert_eq!(said("10.0.0.7", false, 1), 1);
        assert_eq!(said("fd00::", true, 0), 1);
        assert_eq!(said("127.0.0.1", true, 0), 1);
    }

    #[test]
    fn of_others_nothing_is_said() {
        assert_eq!(said("10.0.0.7", true, 2), 0, "it is not nine tenths");
        assert_eq!(said("203.0.113.9", true, 0), 0, "it is not private");
        assert_eq!(said("127.0.0.1", false, 0), 0, "it is a client of this machine");
    }
}
