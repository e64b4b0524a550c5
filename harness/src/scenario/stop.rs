//! Stopping the old generation (SIGSTOP) for a while, so that a state that lasts microseconds can be met for certain.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::conductor::Conductor;
use super::file::Stop as StopAt;
use super::lanes::Lanes;
use super::lookout::{Lookout, Orders, Sight};
use super::runner::Halt;
use crate::client::address::Address;
use crate::client::step::Anchor;
use crate::history::event::{ConnectTrouble, What};
use crate::history::{Micros, ProcId};
use crate::witness::process::{Epoch, FreezeError, Frozen, freeze};
use crate::witness::socket_table::SocketTable;

/// A lookout is at its post within this, also on a machine that has too much to do.
const POST_WITHIN: Micros = 10_000_000;

impl Conductor<'_> {
    /// Stops every process of the old generation.
    pub(super) fn stop_old(&mut self) {
        self.monitor.look();
        // Whoever begins anew inside itself has the queue before and afterwards.
        let old = if self.is_in_place() { self.monitor.alive() } else { self.old_processes() };
        let epochs: Vec<Epoch> = old.iter().map(|(_, epoch)| *epoch).collect();
        let frozen = freeze(&epochs, Duration::from_secs(1));
        self.note_stop(frozen, old.into_iter().map(|(proc, _)| proc).collect());
    }

    /// All of it, but for a master that serves nobody: it has nothing that a stop could keep, and may have to start the
    /// successor.
    fn old_processes(&self) -> Vec<(ProcId, Epoch)> {
        let generations = self.recorder.timeline(|timeline| timeline.generations());
        let old = |proc: &ProcId| generations.old.contains(proc) && !generations.idle.contains(proc);
        self.monitor.alive().into_iter().filter(|(proc, _)| old(proc)).collect()
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
        self.recorder.record(What::Frozen { procs, on: false, listening: false });
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

    pub(super) fn successor_is_born(&self) -> bool {
        self.recorder.timeline(|timeline| !timeline.generations().successors.is_empty())
    }

    /// A lookout is sent before the trigger, and is at its post when this returns.
    pub(super) async fn send_lookout(&mut self) -> Result<(), Halt> {
        let alive = self.monitor.alive();
        let old = self.old_processes();
        let handover = self.job.plan.stop == Some(StopAt::AtHandover);
        let orders = Orders {
            address: self.address.clone(),
            further: self.further_addresses(),
            parents: std::iter::once(self.keeper.pid())
                .chain(alive.iter().map(|(_, epoch)| epoch.pid))
                .collect(),
            known: self.monitor.below().iter().map(|stat| stat.epoch.pid).collect(),
            command: self
                .job
                .target
                .restart
                .first()
                .and_then(|step| step.command.clone())
                .unwrap_or_default(),
            stop: handover.then(|| old.iter().map(|(_, epoch)| *epoch).collect()),
        };
        self.stopped_in_time = false;
        self.to_stop = old.iter().map(|(proc, _)| *proc).collect();
        let table = self.network.at_server(SocketTable::open).map_err(Halt::harness)?.ok();
        let lookout = Lookout::send(orders, table).map_err(Halt::harness)?;
        self.lookout = Some(lookout);
        let within = self.recorder.now() + POST_WITHIN;
        self.until(within, |stage| stage.lookout.as_ref().is_none_or(Lookout::watches)).await?;
        Ok(())
    }

    /// Writes down what the lookout saw.
    pub(super) fn hear_lookout(&mut self) {
        let Some(lookout) = &self.lookout else { return };
        let sights: Vec<Sight> = lookout.sights().collect();
        for sight in sights {
            match sight {
                Sight::Stopped(frozen) => {
                    let procs = std::mem::take(&mut self.to_stop);
                    self.note_stop(frozen, procs);
                }
                Sight::Refused { address, present, from, at, why, errno } => {
                    self.note_refusal(&address, present, from, at, (why, errno));
                }
            }
        }
        if self.reached(Anchor::Td) && self.reached(Anchor::Tr) {
            self.lookout = None;
        }
    }

    /// Where the target listens beside its first address.
    fn further_addresses(&self) -> Vec<SocketAddr> {
        let all = self.launch.addresses.iter().filter(|address| **address != self.address);
        all.filter_map(|address| if let Address::Tcp(address) = address { Some(*address) } else { None })
            .collect()
    }

    fn note_refusal(
        &self,
        address: &Address,
        present: Instant,
        from: Instant,
        at: Instant,
        refusal: (ConnectTrouble, i32),
    ) {
        let recorder = &self.recorder;
        let lane = recorder.new_lane();
        // The sockets that are listed are those on the first address.
        if *address == self.address {
            let what = What::Listeners { rows: Vec::new(), from: recorder.at(present) };
            recorder.record_at(recorder.at(from), what);
        }
        let (role, address) = ("lookout".to_owned(), address.to_string());
        recorder.record_at(recorder.at(from), What::Open { lane, role, address });
        let (why, errno) = (refusal.0, Some(refusal.1));
        recorder.record_at(recorder.at(at), What::ConnectFailed { lane, why, errno });
    }

    fn note_stop(&mut self, frozen: Result<Frozen, FreezeError>, procs: Vec<ProcId>) {
        match frozen {
            Ok(frozen) => {
                self.monitor.look();
                let holding = self.monitor.listening();
                let listening = procs.iter().any(|proc| holding.contains(proc));
                self.stopped_in_time = listening;
                let at = self.recorder.at(frozen.since());
                self.recorder.record_at(at, What::Frozen { procs: procs.clone(), on: true, listening });
                self.frozen = Some((frozen, procs));
            }
            Err(error) => {
                if let FreezeError::NotStopped { waited, .. } = error {
                    // Those that did stop stood still for so long.
                    let (on, off) =
                        (What::Frozen { procs: procs.clone(), on: true, listening: false }, false);
                    let since = self.recorder.now().saturating_sub(waited.as_micros() as Micros);
                    self.recorder.record_at(since, on);
                    self.recorder.record(What::Frozen { procs, on: off, listening: false });
                }
                let text = format!("the old generation could not be stopped: {error}");
                self.recorder.record(What::Note { text });
            }
        }
    }

    /// The old generation is stopped as soon as the successor is born, and goes on when the lanes are loaded.
    pub(super) async fn at_handover(&mut self, lanes: &Lanes) -> Result<(), Halt> {
        let born_by = self.recorder.now() + self.job.limits.ready_max;
        self.until(born_by, |stage| stage.frozen.is_some() || stage.lookout.is_none()).await?;
        if self.frozen.is_none() {
            self.reach(Anchor::Stopped, self.recorder.now());
            if self.successor_is_born() {
                return Err(Halt::Missed);
            }
            let text = "no successor was born, so the handover could not be met".to_owned();
            self.recorder.record(What::Note { text });
            return Ok(());
        }
        // The successor may need an answer of the one that stands still: then it can't serve now, and that is no fault.
        let until = self.recorder.now() + self.job.limits.stall_max / 2;
        self.until(until, |stage| stage.reached(Anchor::Tr)).await?;
        self.reach(Anchor::Stopped, self.recorder.now());
        let until = self.recorder.now() + 2 * self.job.limits.stall_max;
        self.until(until, |_| lanes.all_loaded()).await?;
        // The successor may answer before it has told the old one so. The stop lasts a little longer, that the old one finds
        // the word and the filled queue when it goes on; how the word is passed can't be seen from here.
        let hold = self.recorder.now() + self.job.limits.stall_max / 4;
        self.until(hold, |_| false).await?;
        self.go_on();
        if self.stopped_in_time { Ok(()) } else { Err(Halt::Missed) }
    }
}
