//! Stopping the old generation (SIGSTOP) for a while, so that a state that lasts microseconds can be met for certain.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::conductor::Conductor;
use super::lanes::Lanes;
use super::runner::Halt;
use crate::client::step::Anchor;
use crate::history::event::What;
use crate::history::{Micros, ProcId};
use crate::witness;
use crate::witness::process::{Epoch, Tree, freeze};

/// For this long a birth is waited for without a pause.
const SPIN: Duration = Duration::from_millis(40);

impl Conductor<'_> {
    /// Stops every process of the old generation.
    pub(super) fn stop_old(&mut self) {
        self.monitor.look();
        let old = self.old_processes();
        self.stop(old);
    }

    fn old_processes(&self) -> Vec<(ProcId, Epoch)> {
        let old = self.recorder.timeline(|timeline| timeline.generations().old);
        self.monitor.alive().into_iter().filter(|(proc, _)| old.contains(proc)).collect()
    }

    fn stop(&mut self, chosen: Vec<(ProcId, Epoch)>) {
        let epochs: Vec<Epoch> = chosen.iter().map(|(_, epoch)| *epoch).collect();
        match freeze(&epochs, Duration::from_secs(1)) {
            Ok(frozen) => {
                let procs: Vec<ProcId> = chosen.iter().map(|(proc, _)| *proc).collect();
                self.recorder.record(What::Frozen { procs: procs.clone(), on: true });
                self.frozen = Some((frozen, procs));
            }
            Err(error) => {
                let text = format!("the old generation could not be stopped: {error}");
                self.recorder.record(What::Note { text });
            }
        }
        self.monitor.look();
    }

    /// A step of the trigger that takes long may be waiting for those that are stopped: they go on after a while in any case.
    pub(super) fn go_on_if_overdue(&mut self, triggered: Micros) {
        if self.frozen.is_some() && self.recorder.now() > triggered + self.job.limits.stall_max / 2 {
            self.go_on();
        }
    }

    /// Lets the stopped processes go on.
    pub(super) fn go_on(&mut self) {
        let Some((frozen, procs)) = self.frozen.take() else { return };
        self.recorder.record(What::Frozen { procs, on: false });
        if let Err(error) = frozen.thaw() {
            self.recorder
                .record(What::Note { text: format!("a stopped process could not be continued: {error}") });
        }
    }

    /// The trigger is sent and the old generation still stopped. If it was the one to be triggered, it goes on now; else the
    /// successor gets the chance to come up meanwhile.
    pub(super) async fn after_trigger(&mut self) -> Result<(), Halt> {
        let main = self.main;
        let own =
            self.frozen.as_ref().is_some_and(|(frozen, _)| frozen.epochs().any(|epoch| epoch.pid == main));
        if !own {
            let until = self.recorder.now() + self.job.limits.stall_max / 2;
            self.until(until, |stage| stage.frozen.is_none() || stage.reached(Anchor::Tr)).await?;
        }
        self.go_on();
        Ok(())
    }

    /// The old generation is stopped as soon as the successor is born, and goes on when the lanes are loaded.
    pub(super) async fn at_handover(&mut self, lanes: &Lanes) -> Result<(), Halt> {
        if !self.stop_at_birth().await? {
            let text = "no successor was born, so the handover could not be met".to_owned();
            self.recorder.record(What::Note { text });
            self.reach(Anchor::Stopped, self.recorder.now());
            return Ok(());
        }
        // The successor may need an answer of the one that stands still: then it can't serve now, and that is no fault.
        let until = self.recorder.now() + self.job.limits.stall_max / 2;
        self.until(until, |stage| stage.reached(Anchor::Tr)).await?;
        self.reach(Anchor::Stopped, self.recorder.now());
        let until = self.recorder.now() + 2 * self.job.limits.stall_max;
        self.until(until, |_| lanes.all_loaded()).await?;
        self.go_on();
        Ok(())
    }

    /// Waits for the birth of a successor and stops the old generation in that moment.
    async fn stop_at_birth(&mut self) -> Result<bool, Halt> {
        let born_by = self.recorder.now() + self.job.limits.ready_max;
        let old = self.old_processes();
        let mut nursery =
            Nursery::new(self.warden.pid(), self.monitor.alive().iter().map(|(_, epoch)| epoch.pid));
        // No event tells of a birth. Looking again and again without a pause is the quickest there is; a start of a few
        // milliseconds would be over in one slice of another process.
        let urgent = Instant::now() + SPIN;
        let hurry = witness::process::Urgency::ask();
        let mut born = false;
        while !born && Instant::now() < urgent {
            born = nursery.has_newborn();
        }
        if born {
            self.stop(old);
            drop(hurry);
            return Ok(true);
        }
        drop(hurry);
        while !born && self.recorder.now() < born_by {
            tokio::task::yield_now().await;
            if *self.interrupt.borrow() {
                return Err(Halt::Interrupted);
            }
            born = nursery.has_newborn();
        }
        if born {
            self.stop(old);
        }
        Ok(born)
    }
}

/// Looks for children that were not there before.
struct Nursery {
    parents: Vec<i32>,
    known: BTreeSet<i32>,
    tree: Option<Tree>,
}

impl Nursery {
    fn new(warden: i32, alive: impl Iterator<Item = i32>) -> Self {
        let known: BTreeSet<i32> = alive.collect();
        let parents = std::iter::once(warden).chain(known.iter().copied()).collect();
        // Many kernels are built without the list of children; then the whole of /proc has to do.
        let tree = if children(warden).is_some() { None } else { Tree::new(warden).ok() };
        Self { parents, known, tree }
    }

    fn has_newborn(&mut self) -> bool {
        let known = &self.known;
        match &mut self.tree {
            Some(tree) => {
                tree.descendants().is_ok_and(|all| all.iter().any(|stat| !known.contains(&stat.epoch.pid)))
            }
            None => self
                .parents
                .iter()
                .filter_map(|pid| children(*pid))
                .flatten()
                .any(|pid| !known.contains(&pid)),
        }
    }
}

/// The children of a process's first thread, as /proc/PID/task/PID/children lists them.
fn children(pid: i32) -> Option<Vec<i32>> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Some(list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}
