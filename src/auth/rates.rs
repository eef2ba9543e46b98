//! How often one may call: each caller, and each address with tokens that let nobody in (FAULTS T16, A24).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::Caller;
use crate::config::Limits;

/// Addresses, each with a client that is named there, that are counted at once. Whoever has more than these is not held off
/// by counting.
const MOST: usize = 100_000;

/// How often addresses are forgotten that have not failed for long, once there are so many.
const SWEEP: Duration = Duration::from_secs(1);

/// After this a bound for a minute is as good as never touched.
const IDLE: Duration = Duration::from_secs(60);

/// How often each may call. What has no bound is not counted.
#[derive(Debug)]
pub(super) struct Rates {
    /// As many as are registered, each with its registered tenants; those of others are forgotten.
    callers: Option<DefaultKeyedRateLimiter<Caller>>,
    failures: Option<Failures>,
}

/// Where tokens that let nobody in are counted: an address, and the registered client that they name, or none. By naming a
/// client nobody keeps others out, nor keeps that client out anywhere else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    network: IpAddr,
    named: Option<Caller>,
}

impl Lane {
    pub(super) fn of(address: IpAddr, named: Option<&Caller>) -> Self {
        Self { network: network(address), named: named.cloned() }
    }
}

/// Tokens that let nobody in, by where they are counted.
#[derive(Debug)]
struct Failures {
    quota: Quota,
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    lanes: HashMap<Lane, Counted>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Counted {
    counted: DefaultDirectRateLimiter,
    last: Instant,
    /// Until when it is not looked at, once it has used up what it may.
    barred: Option<Instant>,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        let limiter = |per_minute| NonZeroU32::new(per_minute).map(Quota::per_minute);
        Self {
            callers: limiter(limits.client_per_minute).map(RateLimiter::keyed),
            failures: limiter(limits.failures_per_minute).map(|quota| Failures::new(quota, MOST)),
        }
    }

    /// Whether a caller may call now; else the seconds after which it may.
    pub(super) fn caller(&self, caller: &Caller) -> Result<(), u64> {
        let Some(callers) = &self.callers else { return Ok(()) };
        if callers.len() >= MOST {
            callers.retain_recent();
        }
        callers.check_key(caller).map_err(|not| seconds(not.wait_time_from(DefaultClock::default().now())))
    }

    /// Whether what comes in a lane is looked at; else the seconds after which it is.
    pub(super) fn lane(&self, lane: &Lane) -> Result<(), u64> {
        self.failures.as_ref().map_or(Ok(()), |failures| failures.may(lane))
    }

    /// Counts a token that has let nobody in.
    pub(super) fn failed(&self, lane: &Lane) {
        if let Some(failures) = &self.failures {
            failures.count(lane);
        }
    }
}

impl Failures {
    fn new(quota: Quota, most: usize) -> Self {
        Self { quota, most, known: Mutex::default() }
    }

    fn may(&self, lane: &Lane) -> Result<(), u64> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let barred = known.lanes.get(lane).and_then(|known| known.barred);
        match barred.map(|until| until.saturating_duration_since(Instant::now())) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(left) => Err(seconds(left)),
        }
    }

    fn count(&self, lane: &Lane) {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.lanes.contains_key(lane) && known.lanes.len() >= self.most {
            if known.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP) {
                return;
            }
            known.swept = Some(now);
            known.lanes.retain(|_, counted| now.duration_since(counted.last) < IDLE);
            if known.lanes.len() >= self.most {
                return;
            }
        }
        let new = || Counted { counted: RateLimiter::direct(self.quota), last: now, barred: None };
        let counted = known.lanes.entry(lane.clone()).or_insert_with(new);
        counted.last = now;
        if let Err(not) = counted.counted.check() {
            counted.barred = Some(now + not.wait_time_from(DefaultClock::default().now()));
        }
    }
}

/// Whole seconds, and one at least.
fn seconds(left: Duration) -> u64 {
    left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

/// Who holds one address of IPv6 holds its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(text: &str) -> IpAddr {
        network(text.parse().unwrap())
    }

    /// Where nobody who is registered is named.
    fn lane(text: &str) -> Lane {
        Lane::of(text.parse().unwrap(), None)
    }

    fn failures(per_minute: u32, most: usize) -> Failures {
        Failures::new(Quota::per_minute(NonZeroU32::new(per_minute).unwrap()), most)
    }

    #[test]
    fn t16_an_address_of_ipv6_is_its_network_and_a_mapped_one_is_of_ipv4() {
        assert_eq!(address("2001:db8:1:2:3:4:5:6"), address("2001:db8:1:2::1"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
    }

    #[test]
    fn a24_an_address_that_fails_too_often_is_barred_and_no_other_is() {
        let failures = failures(2, 9);
        let (one, other) = (lane("192.0.2.1"), lane("192.0.2.2"));
        for _ in 0..2 {
            failures.count(&one);
            assert_eq!(failures.may(&one), Ok(()));
        }
        failures.count(&one);
        assert!((1..=30).contains(&failures.may(&one).unwrap_err()));
        assert_eq!(failures.may(&other), Ok(()));
    }

    #[test]
    fn a25_who_names_a_registered_client_is_barred_with_it_alone() {
        let (failures, from) = (failures(1, 9), "192.0.2.1".parse().unwrap());
        let [nobody, one, other] = [None, Some("one"), Some("other")]
            .map(|name| Lane::of(from, name.map(|it| Caller::of(it.into())).as_ref()));
        for lane in [&nobody, &one] {
            for _ in 0..2 {
                assert_eq!(failures.may(lane), Ok(()));
                failures.count(lane);
            }
            assert!(failures.may(lane).is_err());
            assert_eq!(failures.may(&other), Ok(()));
        }
        let elsewhere = Lane::of("192.0.2.2".parse().unwrap(), one.named.as_ref());
        assert_eq!(failures.may(&elsewhere), Ok(()));
    }

    #[test]
    fn a24_addresses_without_end_take_no_memory_without_end() {
        let failures = failures(1, 3);
        for last in 0..200 {
            for _ in 0..2 {
                failures.count(&lane(&format!("192.0.2.{last}")));
            }
        }
        assert_eq!(failures.known.lock().unwrap().lanes.len(), 3);
        for known in ["192.0.2.0", "192.0.2.1", "192.0.2.2"] {
            assert!(failures.may(&lane(known)).is_err());
        }
        assert_eq!(failures.may(&lane("192.0.2.199")), Ok(()));
    }

    #[test]
    fn t16_what_has_no_bound_is_not_counted() {
        let rates = Rates::new(&Limits::of_text(0, 0));
        for _ in 0..1000 {
            assert_eq!(rates.caller(&Caller::of("one".into())), Ok(()));
            rates.failed(&lane("192.0.2.1"));
        }
        assert_eq!(rates.lane(&lane("192.0.2.1")), Ok(()));
    }
}
