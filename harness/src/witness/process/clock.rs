//! The kernel's start ticks on the clock that all events are stamped with.

/// A stretch of CLOCK_MONOTONIC, in nanoseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Not earlier than this.
    pub lo_ns: u64,
    /// Not later than this.
    pub hi_ns: u64,
}

/// CLOCK_MONOTONIC now, in nanoseconds. Allocation-free: the warden stamps its events with it.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// When a process with this start field was forked, as an interval on CLOCK_MONOTONIC.
///
/// The field counts clock ticks (USER_HZ, commonly 10 ms) since boot, suspended time included, and is rounded down:
/// the interval is one tick wide, and as much more as reading the two clocks took. A suspend between then and now moves it.
#[must_use]
pub fn start_interval(start_ticks: u64) -> Interval {
    let tick_ns = tick_us() * 1000;
    let before = monotonic_ns();
    let boot = clock_ns(libc::CLOCK_BOOTTIME);
    let after = monotonic_ns();
    let since_boot = start_ticks.saturating_mul(tick_ns);
    Interval {
        lo_ns: since_boot.saturating_sub(boot.saturating_sub(before)),
        hi_ns: since_boot.saturating_add(tick_ns).saturating_sub(boot.saturating_sub(after)),
    }
}

/// One of the kernel's clock ticks (USER_HZ), in microseconds.
#[must_use]
pub fn tick_us() -> u64 {
    // SAFETY: sysconf reads a constant.
    let hertz = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100).max(1);
    1_000_000 / hertz
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: time is writable; the clocks named in this file exist on every Linux, so the call can't fail.
    unsafe { libc::clock_gettime(clock, &mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_child_started_now_has_a_start_interval_around_now() {
        let before = monotonic_ns();
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let after = monotonic_ns();
        let pid = i32::try_from(child.id()).unwrap();
        let interval = start_interval(crate::witness::process::Stat::read(pid).unwrap().epoch.start);
        assert!(
            interval.lo_ns <= after && before <= interval.hi_ns,
            "{before}..{after} against {interval:?}"
        );
        assert!(interval.hi_ns - interval.lo_ns < 1_000_000_000);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
