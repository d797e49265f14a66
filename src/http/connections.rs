//! Limits of connections: not more in all than there are file descriptors for, and not all of them for one client network.

use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;

/// File descriptors kept for everything but connections of clients: databases, logs, the embedded Fauna, connections to Fauna.
const RESERVED_DESCRIPTORS: usize = 256;
/// The most connections, however many descriptors there are.
const CONNECTIONS_MAX: usize = 20_000;
/// The least, so that a very small limit still lets a site start.
const CONNECTIONS_MIN: usize = 64;
#[cfg(not(target_os = "linux"))]
const DESCRIPTORS_ASSUMED: u64 = 1024;

/// Raises the limit of file descriptors as far as the system allows, and returns how many connections that leaves for clients.
pub fn raise_descriptor_limit() -> usize {
    let descriptors = usize::try_from(raised_limit()).unwrap_or(usize::MAX);
    (descriptors / 2).min(descriptors.saturating_sub(RESERVED_DESCRIPTORS)).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)
}

#[cfg(target_os = "linux")]
fn raised_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let effective = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    // `None` means unlimited.
    effective.unwrap_or(u64::MAX)
}

#[cfg(not(target_os = "linux"))]
fn raised_limit() -> u64 {
    DESCRIPTORS_ASSUMED
}

/// Counts connections per client network and closes those beyond the limit as soon as they are accepted.
#[derive(Clone)]
pub struct ConnectionLimit {
    per_network: usize,
    /// Connections of these addresses are not limited per network.
    trusted_proxies: Arc<[IpAddr]>,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Stored with a connection; counts it until it ends.
struct CountedConnection {
    network: IpAddr,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl ConnectionLimit {
    /// One network may have half of all connections.
    pub fn new(connections_max: usize, trusted_proxies: &[IpAddr]) -> Self {
        Self {
            per_network: connections_max.div_ceil(2),
            trusted_proxies: trusted_proxies.into(),
            counts: Arc::default(),
        }
    }

    /// Counts a new connection, or shuts it down if its network has its share. For `HttpServer::on_connect`.
    pub fn admit(&self, connection: &dyn Any, extensions: &mut Extensions) {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
        let Ok(peer) = stream.peer_addr() else { return };
        if self.trusted_proxies.contains(&peer.ip()) {
            return;
        }
        match self.count(peer.ip()) {
            Some(counted) => _ = extensions.insert(counted),
            None => close(stream),
        }
    }

    fn count(&self, address: IpAddr) -> Option<CountedConnection> {
        let network = network_of(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_default();
        if *count >= self.per_network {
            return None;
        }
        *count = count.saturating_add(1);
        Some(CountedConnection { network, counts: Arc::clone(&self.counts) })
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

/// An IPv4 address, or the /64 of an IPv6 address, which is what one customer has at least.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Ends reading and writing; the server then sees the end of the connection and drops it.
#[cfg(target_os = "linux")]
fn close(stream: &TcpStream) {
    let _already_closed = rustix::net::shutdown(stream, rustix::net::Shutdown::Both);
}

/// Only the limit of all connections applies.
#[cfg(not(target_os = "linux"))]
fn close(_: &TcpStream) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_gets_half_and_places_come_back() {
        let limit = ConnectionLimit::new(4, &[]);
        let places = |address: &str| limit.count(address.parse().unwrap());
        let (one, two) = (places("2001:db8::1").unwrap(), places("2001:db8::2").unwrap());
        assert!(places("2001:db8::3").is_none());
        let other = places("2001:db8:0:1::1").unwrap();
        drop(one);
        let again = places("2001:db8::3").unwrap();
        assert!(places("2001:db8::4").is_none());
        drop((two, other, again));
        assert!(limit.counts.lock().unwrap().is_empty());
        assert!(places("::ffff:192.0.2.1").is_some_and(|place| place.network.is_ipv4()));
    }
}
