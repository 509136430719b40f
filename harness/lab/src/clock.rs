//! The one clock of the project: everything that is stamped is stamped here, on the clock that the kernel
//! stamps captured packets with. It is not for waiting; that is `wait`.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use scandrill_model::Stamp;

/// The current time of `CLOCK_REALTIME`.
pub fn now() -> Stamp {
    // clock_gettime fails only for a clock that does not exist; this one always does.
    clock_gettime(ClockId::CLOCK_REALTIME)
        .map_or(Stamp::default(), |time| stamp(time.tv_sec(), time.tv_nsec()))
}

/// The time since the machine's start, as the kernel's own log counts it (`CLOCK_MONOTONIC`).
pub fn uptime() -> Duration {
    // As above.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default()
}

/// The stamp of a kernel time stamp given as seconds and nanoseconds since the Unix epoch.
pub fn stamp(seconds: i64, nanoseconds: i64) -> Stamp {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Stamp(seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(nanoseconds).unwrap_or(0)))
}

/// The time passed since `earlier`.
pub fn elapsed(earlier: Stamp) -> Duration {
    now().since(earlier)
}

/// The time left until `later`; zero once it has passed.
pub fn left_until(later: Stamp) -> Duration {
    later.since(now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_and_is_after_the_year_2020() {
        let first = now();
        assert!(first > stamp(1_577_836_800, 0));
        assert!(now() >= first);
        assert_eq!(left_until(first), Duration::ZERO);
    }
}
