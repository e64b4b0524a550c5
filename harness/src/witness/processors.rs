//! Whether the machine has processor time left: what it counts in /proc/stat (proc_stat(5)).

use std::fs;
use std::io;
use std::time::Instant;

/// So much of the time of all processors, in percent, is as good as none.
const NONE_LEFT: u64 = 5;
/// A program that gets less than one part in so many of a processor is slow for no fault of its own.
const CROWD: u64 = 4;

/// Processors that this process may use.
#[must_use]
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Looks at the counters again and again, and says what came of it in between.
#[derive(Debug)]
pub struct Processors {
    last: Look,
}

/// The counters at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    at: Instant,
    counted: Counted,
}

/// What is read of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    /// Time of all processors since boot, in ticks.
    all: u64,
    /// … in which they had nothing to do.
    idle: u64,
    /// Threads that run or could.
    runnable: u64,
    /// Processors that are online.
    processors: u64,
}

/// How the time between two looks was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The first look …
    pub from: Instant,
    /// … and the second.
    pub to: Instant,
    /// How much of the time of all processors nobody used, in percent.
    pub idle: u64,
    /// Threads that ran or could have, at that look which found fewer.
    pub runnable: u64,
    /// Processors that were online.
    pub processors: u64,
}

impl Use {
    /// Whether no processor was free, and several threads wanted each: whoever had something to do mostly waited.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.idle <= NONE_LEFT && self.runnable >= self.processors * CROWD
    }
}

impl Processors {
    /// Takes the first look.
    ///
    /// # Errors
    /// The counters can't be read, or are of another form than proc_stat(5) says.
    pub fn open() -> io::Result<Self> {
        Ok(Self { last: look()? })
    }

    /// Looks again; none if too little time has gone by for the counters to tell anything.
    ///
    /// # Errors
    /// The counters can't be read any more.
    pub fn look(&mut self) -> io::Result<Option<Use>> {
        let now = look()?;
        let between = used(&self.last, &now);
        if between.is_some() {
            self.last = now;
        }
        Ok(between)
    }
}

fn look() -> io::Result<Look> {
    let counted = count(&fs::read_to_string("/proc/stat")?);
    let counted =
        counted.ok_or_else(|| io::Error::other("/proc/stat has no line `cpu` or `procs_running`"))?;
    Ok(Look { at: Instant::now(), counted })
}

fn count(stat: &str) -> Option<Counted> {
    let times = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal; guest times are within the first two.
    let times: Vec<u64> = times.split_whitespace().take(8).map_while(|time| time.parse().ok()).collect();
    let idle = times.get(3)?.saturating_add(times.get(4).copied().unwrap_or_default());
    let all = times.iter().fold(0, |sum: u64, time| sum.saturating_add(*time));
    let runnable = stat.lines().find_map(|line| line.strip_prefix("procs_running "))?;
    let one = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let processors = stat.lines().filter(one).count().max(1) as u64;
    Some(Counted { all, idle, runnable: runnable.trim().parse().ok()?, processors })
}

fn used(before: &Look, after: &Look) -> Option<Use> {
    let all = after.counted.all.saturating_sub(before.counted.all);
    // Each processor is counted in ticks of its own: fewer than four of each tell too little.
    if all < after.counted.processors * 4 {
        return None;
    }
    // iowait may go back.
    let idle = after.counted.idle.saturating_sub(before.counted.idle).min(all);
    Some(Use {
        from: before.at,
        to: after.at,
        idle: idle * 100 / all,
        runnable: before.counted.runnable.min(after.counted.runnable),
        processors: after.counted.processors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  3280535 82780 841772 850370 23699 0 45456 40617 5 6\n\
        cpu0 1648148 41199 404943 439295 8029 0 21084 19745 0 0\n\
        cpu1 1632387 41581 436829 411074 15670 0 24371 20871 0 0\n\
        intr 95 0 0\nctxt 7\nbtime 1\nprocesses 3\nprocs_running 9\nprocs_blocked 0\n";

    #[test]
    fn reads_what_the_kernel_writes() {
        let counted = count(STAT).expect("it is of that form");
        assert_eq!(counted.idle, 850_370 + 23_699);
        assert_eq!(counted.all, 3_280_535 + 82_780 + 841_772 + 850_370 + 23_699 + 45_456 + 40_617);
        assert_eq!((counted.runnable, counted.processors), (9, 2));
        assert_eq!(count("cpu  1 2 3\nprocs_running 1\n"), None);
        assert_eq!(count("cpu  1 2 3 4\n"), None);
        assert_eq!(count("cpu  1 2 3 4\nprocs_running many\n"), None);
    }

    #[test]
    fn is_crowded_only_if_nobody_idles_and_many_wait() {
        let at = |all, idle, runnable| Look {
            at: Instant::now(),
            counted: Counted { all, idle, runnable, processors: 2 },
        };
        let crowded = |after: Look| used(&at(100, 10, 8), &after).map(|one| one.is_crowded());
        assert_eq!(crowded(at(140, 12, 8)), Some(true));
        assert_eq!(crowded(at(140, 13, 8)), Some(false));
        assert_eq!(crowded(at(140, 12, 7)), Some(false));
        assert_eq!(crowded(at(140, 9, 99)), Some(true), "iowait may go back");
        assert_eq!(crowded(at(107, 10, 99)), None, "too soon");
    }

    #[test]
    fn looks_at_this_machine() {
        let mut processors = Processors::open().expect("/proc/stat can be read");
        let used = loop {
            if let Some(used) = processors.look().expect("/proc/stat can be read") {
                break used;
            }
            std::thread::yield_now();
        };
        assert!(
            used.idle <= 100 && used.processors > 0 && used.runnable > 0 && used.from < used.to,
            "{used:?}"
        );
    }
}
