//! What processes leave behind when they end: their exit status, and the processor time that they used.

use std::collections::{BTreeMap, VecDeque};

use crate::history::event::What;
use crate::history::{Micros, ProcId, Recorder};
use crate::witness::process::{Epoch, Exit, Pidfd, tick_us};

/// So many processes are kept by descriptor, the dead that nobody has reaped included.
const KEPT_MAX: usize = 512;
/// A parent gets this long to reap a child; how it ended is not told after that.
const REAPED_WITHIN: Micros = 30_000_000;
/// From one record of the processor time to the next.
const USED_EVERY: Micros = 500_000;

/// Descriptors of processes, opened while they are alive: only so can the end of a process be told that is another's child.
#[derive(Debug, Default)]
pub(super) struct Exits {
    alive: BTreeMap<ProcId, Pidfd>,
    ended: VecDeque<(ProcId, Pidfd, Micros)>,
}

impl Exits {
    /// A process was seen for the first time.
    pub(super) fn born(&mut self, proc: ProcId, epoch: Epoch) {
        if self.alive.len() + self.ended.len() < KEPT_MAX
            && let Ok(Some(process)) = Pidfd::open(epoch)
        {
            self.alive.insert(proc, process);
        }
    }

    /// It executed another program, and has a number of its own since.
    pub(super) fn executed(&mut self, before: ProcId) {
        self.alive.remove(&before);
    }

    /// It has ended.
    pub(super) fn gone(&mut self, proc: ProcId, at: Micros) {
        if let Some(process) = self.alive.remove(&proc) {
            self.ended.push_back((proc, process, at));
        }
    }

    /// Writes down how those ended that were reaped meanwhile.
    pub(super) fn tell(&mut self, recorder: &Recorder) {
        let now = recorder.now();
        self.ended.retain(|(proc, process, at)| {
            let Some(exit) = process.exit() else { return now.saturating_sub(*at) < REAPED_WITHIN };
            let (code, signal) = match exit {
                Exit::Code(code) => (Some(code), None),
                Exit::Signal { signo, .. } => (None, Some(signo)),
            };
            recorder.record_at(now, What::Ended { proc: *proc, code, signal });
            false
        });
    }
}

/// When processor time was written down last.
#[derive(Debug, Default)]
pub(super) struct Usage {
    told: Option<Micros>,
    watched: Vec<ProcId>,
}

impl Usage {
    /// Whether the old generation's processor time is to be written down now; whose it is then.
    pub(super) fn due(&mut self, recorder: &Recorder) -> Option<&[ProcId]> {
        let now = recorder.now();
        if self.told.is_some_and(|told| now.saturating_sub(told) < USED_EVERY) {
            return None;
        }
        let old = recorder.timeline(|timeline| timeline.t0.map(|_| timeline.generations().old))?;
        self.told = Some(now);
        self.watched = old;
        Some(&self.watched)
    }

    /// Whether it was written down for this process before.
    pub(super) fn watches(&self, proc: ProcId) -> bool {
        self.watched.contains(&proc)
    }
}

/// Processor time of a process, from clock ticks.
pub(super) fn used(proc: ProcId, ticks: u64) -> What {
    What::Used { proc, cpu_us: ticks.saturating_mul(tick_us()) }
}
