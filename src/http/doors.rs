//! How many connections one address has at once: no one may take them all from others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The connections that are open, by address.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection that is open. Its address may have another once it is gone.
#[derive(Debug)]
pub(super) struct Door {
    address: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Doors {
    /// At most so many connections for an address; 0 for any number.
    pub(super) fn of(most: usize) -> Self {
        Self { most: if most == 0 { usize::MAX } else { most }, open: Arc::default() }
    }

    /// Opens one for an address, unless it has as many as it may.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Door> {
        let address = whose(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Door { address, open: self.open.clone() })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Who an address belongs to: of IPv6 whoever has one has a whole network of 64 bits.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Doors;

    #[test]
    fn b04_an_address_has_so_many_connections_and_others_have_theirs() {
        let doors = Doors::of(2);
        let open = |address: &str| doors.enter(address.parse().unwrap());
        let (one, _other) = (open("10.0.0.1").unwrap(), open("::ffff:10.0.0.1").unwrap());
        assert!(open("10.0.0.1").is_none());
        let _elsewhere = open("10.0.0.2").unwrap();
        drop(one);
        let _again = open("10.0.0.1").unwrap();
        // Of IPv6 a network is one.
        let _net = (open("2001:db8:1:2::1").unwrap(), open("2001:db8:1:2::2").unwrap());
        assert!(open("2001:db8:1:2:3:4:5:6").is_none() && open("2001:db8:1:3::1").is_some());
        let any = Doors::of(0);
        let many: Vec<_> = (0..1000).map(|_| any.enter("10.0.0.1".parse().unwrap()).unwrap()).collect();
        drop(many);
        assert!(any.open.lock().unwrap().is_empty());
    }
}
