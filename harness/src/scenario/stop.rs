//! Stopping the old generation (SIGSTOP) for a while, so that a state that lasts microseconds can be met for certain.

use std::time::Duration;

use super::conductor::Conductor;
use super::lanes::Lanes;
use super::runner::Halt;
use crate::client::step::Anchor;
use crate::history::ProcId;
use crate::history::event::What;
use crate::witness::process::{Epoch, freeze};

impl Conductor<'_> {
    /// Stops every process of the old generation.
    pub(super) fn stop_old(&mut self) {
        self.monitor.look();
        let alive = self.monitor.alive();
        let old = self.recorder.timeline(|timeline| timeline.generations().old);
        let chosen: Vec<(ProcId, Epoch)> = alive.into_iter().filter(|(proc, _)| old.contains(proc)).collect();
        let epochs: Vec<Epoch> = chosen.iter().map(|(_, epoch)| *epoch).collect();
        match freeze(&epochs, Duration::from_secs(1)) {
            Ok(frozen) => {
                let procs: Vec<ProcId> = chosen.iter().map(|(proc, _)| *proc).collect();
                self.recorder.record(What::Frozen { procs: procs.clone(), on: true });
                self.frozen = Some((frozen, procs));
            }
            Err(error) => {
                self.recorder
                    .record(What::Note { text: format!("the old generation could not be stopped: {error}") });
            }
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
            self.until(until, |stage| stage.reached(Anchor::Tr)).await?;
        }
        self.go_on();
        Ok(())
    }

    /// The old generation is stopped as soon as the successor is born, and goes on when the lanes are loaded.
    pub(super) async fn at_handover(&mut self, lanes: &Lanes) -> Result<(), Halt> {
        let born_by = self.recorder.now() + self.job.limits.ready_max;
        let born =
            |stage: &Self| stage.recorder.timeline(|timeline| !timeline.generations().successors.is_empty());
        while !born(self) && self.recorder.now() < born_by && !*self.interrupt.borrow() {
            // No event tells of a birth: looking again and again, with the lanes in between, is the quickest there is.
            self.monitor.look();
            tokio::task::yield_now().await;
        }
        if !born(self) {
            let text = "no successor was born, so the handover could not be met".to_owned();
            self.recorder.record(What::Note { text });
            self.reach(Anchor::Stopped, self.recorder.now());
            return Ok(());
        }
        self.stop_old();
        // The successor may need an answer of the one that stands still: then it can't serve now, and that is no fault.
        let until = self.recorder.now() + self.job.limits.stall_max / 2;
        self.until(until, |stage| stage.reached(Anchor::Tr)).await?;
        self.reach(Anchor::Stopped, self.recorder.now());
        let until = self.recorder.now() + 2 * self.job.limits.stall_max;
        self.until(until, |_| lanes.all_loaded()).await?;
        self.go_on();
        Ok(())
    }
}
