//! Places of open connections, so that neither all clients nor one address can open too many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use super::activity::Activity;
use crate::settings::Limits;

/// Bits of an IPv6 address that one client chooses freely.
const INTERFACE_BITS: u32 = 64;

pub struct Connections {
    limit: usize,
    limit_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, OpenConnection>,
}

struct OpenConnection {
    /// `None` for loopback, which is limited only by the number of all connections.
    client: Option<IpAddr>,
    activity: Arc<Activity>,
    /// `None` until its task runs; until then it cannot be closed.
    abort: Option<AbortHandle>,
}

impl Open {
    /// Closes an idle connection, of one client if it is given: of those with the lowest trust the one that has been idle
    /// longest. `None` if none is idle.
    fn close_idle(&mut self, client: Option<IpAddr>) -> Option<()> {
        let candidates = self.connections.iter().filter(|(_, known)| client.is_none() || known.client == client);
        let idle = candidates.filter(|(_, known)| known.abort.is_some());
        let idle = idle.filter_map(|(number, known)| Some((known.activity.idle_since()?, *number)));
        let (_, oldest) = idle.min()?;
        if let Some(OpenConnection { abort: Some(abort), .. }) = self.connections.remove(&oldest) {
            abort.abort();
        }
        Some(())
    }
}

/// A place among the open connections, until it is dropped.
pub struct Slot {
    connections: Arc<Connections>,
    number: u64,
}

impl Slot {
    pub const fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.lock().connections.remove(&self.number);
    }
}

impl Connections {
    pub fn new(limits: &Limits) -> Arc<Self> {
        let limit = limits.connections.max(1);
        let limit_per_address = limits.connections_per_address.max(1);
        Arc::new(Self { limit, limit_per_address, open: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection. If all are taken, or all of its address, an idle connection is closed for it. `None` if none
    /// is idle.
    pub fn slot(self: &Arc<Self>, address: IpAddr, activity: &Arc<Activity>) -> Option<Slot> {
        let client = client_of(address);
        let mut open = self.lock();
        let of_client = open.connections.values().filter(|known| known.client == client).count();
        if client.is_some() && of_client >= self.limit_per_address {
            open.close_idle(client)?;
        } else if open.connections.len() >= self.limit {
            open.close_idle(None)?;
        }
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, OpenConnection { client, activity: Arc::clone(activity), abort: None });
        drop(open);
        Some(Slot { connections: Arc::clone(self), number })
    }

    pub fn set_abort(&self, number: u64, abort: AbortHandle) {
        if let Some(known) = self.lock().connections.get_mut(&number) {
            known.abort = Some(abort);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lock().connections.is_empty()
    }
}

/// The address whose connections are counted together; `None` for loopback.
fn client_of(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> INTERFACE_BITS << INTERFACE_BITS).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Arc<Connections> {
        Connections::new(&Limits { connections: 5, connections_per_address: 2, ..Limits::default() })
    }

    fn open(connections: &Arc<Connections>, address: &str) -> Option<Slot> {
        connections.slot(address.parse().unwrap(), &Activity::new())
    }

    #[test]
    fn one_address_has_few_connections() {
        let connections = connections();
        let mut kept = Vec::new();
        for address in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2"] {
            kept.push(open(&connections, address).unwrap());
        }
        assert!(open(&connections, "192.0.2.1").is_none());
        assert!(open(&connections, "2001:db8::3:4").is_none());
        let other = open(&connections, "192.0.2.2");
        assert!(other.is_some());
        assert!(open(&connections, "192.0.2.3").is_none(), "all places are taken");
        drop(kept);
        assert!(open(&connections, "192.0.2.1").is_some());
    }

    #[test]
    fn loopback_is_limited_only_by_the_number_of_all_connections() {
        let connections = connections();
        let kept: Vec<_> = ["127.0.0.1", "127.0.0.1", "127.0.0.2", "::1", "127.0.0.1"]
            .iter()
            .map(|address| open(&connections, address))
            .collect();
        assert!(kept.iter().all(Option::is_some));
        assert!(open(&connections, "127.0.0.1").is_none());
    }

    #[tokio::test]
    async fn an_idle_connection_of_the_same_address_is_closed_for_a_new_one() {
        let connections = connections();
        let (other, first, second) =
            (open(&connections, "192.0.2.9"), open(&connections, "192.0.2.1"), open(&connections, "192.0.2.1"));
        let mut tasks = Vec::new();
        for slot in [&other, &first].into_iter().flatten() {
            let task = tokio::spawn(std::future::pending::<()>());
            connections.set_abort(slot.number(), task.abort_handle());
            tasks.push(task);
        }
        assert!(open(&connections, "192.0.2.1").is_some());
        assert!(tasks.pop().unwrap().await.unwrap_err().is_cancelled());
        assert!(!tasks.pop().unwrap().is_finished(), "the idle connection of another address stays");
        drop(second);
    }
}
