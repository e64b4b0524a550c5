//! The stages of a scenario: control, the restart, and what follows from it.

use std::rc::Rc;
use std::time::Duration;

use super::conductor::Conductor;
use super::file::{Again, Stop as StopAt, SuccessorStart};
use super::lanes::Lanes;
use super::progress::{Doing, News, tell};
use super::runner::Halt;
use crate::client::lane::{Context, FindOwner};
use crate::client::step::Anchor;
use crate::history::event::{Micros, Phase, What};
use crate::history::{Model, ProcId, Timeline};

/// The control phase lasts at least this long: what it shows of idle connections is what it waited for.
pub(super) const CONTROL_MIN: Micros = 4_000_000;
/// Lanes in steady use get this long before the trigger.
pub(super) const LEAD: Micros = 500_000;
/// Restarts beyond those that are wanted, to meet a moment that lasts microseconds.
pub(super) const RESTARTS_EXTRA: u32 = 3;
/// Lanes get this long to reach their state.
const ARM_WITHIN: Micros = 10_000_000;
/// Stopped processes stand still for no longer than this while lanes are brought into their states.
const LOAD_WITHIN: Micros = 2_000_000;
/// Load goes on for so long beyond the time by which the old generation has to drain.
pub(super) const AFTER_HANDOVER: Micros = 600_000;
/// Where nobody connects, the old generation is watched for so long beyond the time by which it has to be gone, and
/// in whatever time the harness itself did not run, up to `UNASKED_GAPS_MAX`.
const UNASKED_WATCH: Micros = 4_000_000;
const UNASKED_GAPS_MAX: Micros = 15_000_000;
/// A server of which nobody is left is watched for so long: what becomes of its connections, and of new ones.
const NOBODY_LEFT_FOR: Micros = 1_000_000;
/// What is still open gets this long when the load ends.
const WIND_UP: Micros = 12_000_000;

impl Conductor<'_> {
    /// Control first, then the restart.
    pub async fn conduct(&mut self) -> Result<(), Halt> {
        if self.job.plan.successor == Some(SuccessorStart::Adopted) {
            return self.adopt().await;
        }
        if matches!(self.job.plan.again, Some(Again::AtStart)) {
            return self.at_start().await;
        }
        self.starve()?;
        tell(&self.progress, self.job, News::Doing(Doing::Control));
        self.control().await?;
        self.told.watch_pid_file(&self.launch, self.warden.pid(), &self.recorder);
        if self.job.plan.failing.is_empty() { self.restarts().await } else { self.trials().await }
    }

    /// As many restarts as the scenario asks for. One whose moment was missed is seen through, kept and judged like the
    /// others, and followed by one more.
    async fn restarts(&mut self) -> Result<(), Halt> {
        let wanted = self.job.plan.restarts;
        let mut met = 0;
        for _ in 0..wanted + RESTARTS_EXTRA {
            tell(&self.progress, self.job, News::Doing(Doing::Restart));
            match self.restart().await {
                Ok(()) => met += 1,
                Err(Halt::Missed) => {
                    let text = "the old generation had stopped listening before it could be stopped: the handover was missed";
                    self.recorder.record(What::Note { text: text.to_owned() });
                }
                Err(halt) => return Err(halt),
            }
            self.round += 1;
            if met >= wanted {
                break;
            }
            if self.monitor.alive().is_empty() && self.monitor.sees_owners() {
                let text =
                    format!("nobody of the target was left, so {} restarts were left out", wanted - met);
                self.recorder.record(What::Note { text });
                break;
            }
            if !self.came_to_its_end() {
                let text =
                    format!("the old generation was still there, so {} restarts were left out", wanted - met);
                self.recorder.record(What::Note { text });
                break;
            }
        }
        Ok(())
    }

    /// Whether the restart is over: the old generation is gone, or, where it begins anew inside itself and never goes, it serves.
    pub(super) fn came_to_its_end(&self) -> bool {
        self.reached(Anchor::Tx) || (self.reached(Anchor::Tr) && self.is_in_place())
    }

    /// Whether the target begins anew inside itself, as far as that is seen by now.
    pub(super) fn is_in_place(&self) -> bool {
        self.recorder.timeline(|timeline| timeline.generations().model) == Model::InPlace
    }

    async fn control(&mut self) -> Result<(), Halt> {
        let begun = self.recorder.now();
        let mut lanes = self.lanes(Phase::Control);
        self.bring_about(&mut lanes).await?;
        if self.job.plan.stop == Some(StopAt::AtTrigger) {
            self.stop_old();
            self.reach(Anchor::Stopped, self.recorder.now());
            self.until(self.recorder.now() + LOAD_WITHIN, |_| lanes.all_loaded()).await?;
            self.go_on();
        }
        let t0 = self.recorder.now();
        for (anchor, after) in [(Anchor::T0, 0), (Anchor::Tr, 60_000), (Anchor::Td, 120_000)] {
            self.reach(anchor, t0 + after);
        }
        if self.job.plan.stop == Some(StopAt::AtHandover) {
            self.stop_old();
            self.reach(Anchor::Stopped, self.recorder.now());
            self.until(self.recorder.now() + LOAD_WITHIN, |_| lanes.all_loaded()).await?;
            self.go_on();
        }
        self.reach(Anchor::Tx, t0 + 300_000);
        let patience = self.recorder.now() + 3 * self.job.limits.idle_max + self.job.limits.drain_max;
        self.until(patience, |stage| lanes.all_done() && stage.recorder.now() >= begun + CONTROL_MIN).await?;
        self.wind_up(&mut lanes).await
    }

    pub(super) async fn restart(&mut self) -> Result<(), Halt> {
        let mut lanes = self.lanes(Phase::Restart);
        self.tell_trial(None);
        self.take_sizes().await?;
        self.bring_about(&mut lanes).await?;
        self.monitor.look();
        self.begin_repeating();
        self.take_stock_before();
        self.monitor.start_sampling();
        if self.job.plan.stop == Some(StopAt::AtTrigger) {
            self.stop_old();
            self.reach(Anchor::Stopped, self.recorder.now());
            self.until(self.recorder.now() + LOAD_WITHIN, |_| lanes.all_loaded()).await?;
        }
        self.send_lookout().await?;
        self.close_road()?;
        self.replace_program()?;
        let met = self.trigger(&lanes).await;
        if self.job.plan.successor == Some(SuccessorStart::Orphaned) {
            self.orphan().await?;
        }
        self.after_trigger_again().await?;
        match met {
            // What was seen all the same is seen through and judged before it is tried again.
            Err(Halt::Missed) => self.see_through(&mut lanes).await.and(Err(Halt::Missed)),
            Err(halt) => Err(halt),
            Ok(()) => self.see_through(&mut lanes).await,
        }
    }

    /// Lanes are opened and brought into their states; canaries and probes stand by.
    pub(super) async fn bring_about(&mut self, lanes: &mut Lanes) -> Result<(), Halt> {
        let plan = &self.job.plan;
        if plan.canaries {
            self.place_canaries(lanes).await?;
        }
        let begun = self.recorder.now();
        lanes.start(plan);
        if plan.probes {
            lanes.start_probes(&self.job.target.endpoints);
        }
        self.until(begun + ARM_WITHIN, |_| lanes.all_ready()).await?;
        if !lanes.all_ready() {
            let text = "not every lane reached its state before the trigger".to_owned();
            self.recorder.record(What::Note { text });
        }
        let steady = !plan.repeated.is_empty() || plan.lanes.iter().any(|lane| lane.reconnect || lane.pooled);
        if steady {
            // Not a wait for something to happen: this is load, and its length is the point.
            self.until(begun + LEAD, |stage| stage.recorder.now() >= begun + LEAD).await?;
        }
        self.reach(Anchor::Ready, self.recorder.now());
        Ok(())
    }

    /// Two connections of each kind on every process that serves; who accepts can't be chosen, so more are opened until
    /// every one has its two, or several rounds brought none. Where there are more processes than rounds the first has to do:
    /// all could not be reached, and a process that serves one connection at a time has no other left for the lanes.
    async fn place_canaries(&mut self, lanes: &mut Lanes) -> Result<(), Halt> {
        const ROUNDS: u32 = 6;
        for round in 0..ROUNDS {
            lanes.start_canaries(&self.job.target.endpoints, &self.job.limits, 2);
            let placed = 4 * (round + 1);
            self.until(self.recorder.now() + 300_000, |stage| {
                stage.recorder.timeline(|timeline| timeline.canaries().values().sum::<u32>()) >= placed
            })
            .await?;
            self.monitor.look();
            let listening = self.monitor.listening();
            let covered = self.recorder.timeline(|timeline| {
                let canaries = timeline.canaries();
                let generations = timeline.generations();
                let old = generations.old.iter().filter(|proc| !generations.idle.contains(proc));
                let serving = old.filter(|proc| listening.contains(proc));
                let reached = |proc: &ProcId| canaries.get(proc).copied().unwrap_or(0) >= 4;
                serving.clone().count() > ROUNDS as usize || serving.clone().all(reached)
            });
            if covered || !self.monitor.sees_owners() {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn lanes(&mut self, phase: Phase) -> Lanes {
        self.wire.tell(&self.recorder);
        self.ledger.read(&self.recorder);
        self.recorder.record(What::Phase { phase });
        let anchors = self.new_anchors();
        let monitor = Rc::clone(&self.monitor);
        let find: Rc<FindOwner> = Rc::new(move |ends| monitor.owner(ends));
        let context = Context {
            recorder: Rc::clone(&self.recorder),
            anchors,
            address: self.address.clone(),
            addresses: Rc::new(self.launch.addresses.clone()),
            owner: self.monitor.sees_owners().then_some(find),
            patience: Duration::from_micros(self.job.limits.patience()),
            markers: Rc::new(self.launch.markers.clone()),
            presence: Rc::clone(&self.presence),
        };
        Lanes::new(context)
    }

    /// Waits for the old generation to go and the lanes to end, goes on with the load for a while, and ends it.
    pub(super) async fn see_through(&mut self, lanes: &mut Lanes) -> Result<(), Halt> {
        let limits = self.job.limits;
        let t0 = self.recorder.now();
        let unasked = limits.drain_start_max + limits.exit_max + UNASKED_WATCH;
        let nobody_came = t0 + limits.ready_max + if self.job.plan.probes { 0 } else { unasked };
        let patience = |stage: &Self| {
            let td = stage.recorder.timeline(|timeline| timeline.td_last(limits.drain_start_max));
            let gaps =
                if stage.job.plan.probes { 0 } else { stage.recorder.timeline(|timeline| timeline.gaps) };
            let nobody_came = nobody_came + gaps.min(UNASKED_GAPS_MAX);
            let watched = td.map_or(nobody_came, |td| td.hi + limits.drain_watch());
            // What was triggered again may have begun anew.
            let again = stage.job.plan.again.is_some() && !stage.may_be_ignored();
            if again && td.is_some() { watched.max(nobody_came + limits.drain_watch()) } else { watched }
        };
        loop {
            let deadline = patience(self);
            let seen_through = |stage: &Self| {
                lanes.all_done()
                    && (stage.reached(Anchor::Tx) || stage.may_be_ignored())
                    && stage.calm()
                    && (stage.reached(Anchor::Tr) || !stage.job.plan.probes)
            };
            // Nobody comes back when nobody is left.
            let ended = |stage: &Self| {
                let watched = if stage.job.plan.again.is_some() { 0 } else { NOBODY_LEFT_FOR };
                stage.monitor.nobody_since().is_some_and(|at| at + watched <= stage.recorder.now())
            };
            let over = self.until(deadline, |stage| seen_through(stage) || ended(stage)).await?;
            if over || patience(self) <= self.recorder.now() {
                break;
            }
        }
        self.ask_at_last(lanes).await?;
        let counted = self.take_stock_after().await?;
        if self.job.plan.settle && self.reached(Anchor::Tx) && self.monitor.nobody_since().is_none() {
            tell(&self.progress, self.job, News::Doing(Doing::Settling));
            self.recorder.record(What::Phase { phase: Phase::Settle });
            let until = self.recorder.now() + 2 * limits.idle_max + 5_000_000;
            // Load for its own sake: an exit may disturb late.
            self.until(until, |_| false).await?;
        }
        self.go_on_with_load().await?;
        self.lookout = None;
        self.wind_up(lanes).await?;
        if !self.reached(Anchor::Tx) {
            tell(&self.progress, self.job, News::Doing(Doing::Waiting));
            let until = self.recorder.now() + limits.exit_max + 1_500_000;
            self.until(until, |stage| stage.reached(Anchor::Tx)).await?;
        }
        if !counted {
            self.take_stock().await?;
        }
        self.monitor.look();
        self.monitor.tell_sampling();
        self.take_sizes().await?;
        self.tell_what_came();
        Ok(())
    }

    /// Nobody connected, and the old generation is still there: shows who serves by now, and whether it goes when somebody comes.
    async fn ask_at_last(&mut self, lanes: &mut Lanes) -> Result<(), Halt> {
        let plan = &self.job.plan;
        if plan.probes || plan.starved || self.reached(Anchor::Tr) || self.reached(Anchor::Tx) {
            return Ok(());
        }
        lanes.start_probes(&self.job.target.endpoints);
        let limits = self.job.limits;
        let until = self.recorder.now() + limits.drain_start_max + limits.exit_max;
        self.until(until, |stage| stage.reached(Anchor::Tx) && lanes.all_done()).await?;
        Ok(())
    }

    /// New connections go on until some were opened that only the new generation may answer. As load for its own sake this is
    /// no wait for an event.
    async fn go_on_with_load(&mut self) -> Result<(), Halt> {
        if self.job.plan.repeated.is_empty() {
            return Ok(());
        }
        let Some(tr) = self.recorder.timeline(Timeline::tr) else { return Ok(()) };
        let gap = self.recorder.timeline(|timeline| timeline.control_gap);
        let until = tr.hi + self.job.limits.drain_start_max + gap + AFTER_HANDOVER;
        self.until(until, |_| false).await?;
        Ok(())
    }

    /// The load ends: what is under way is finished, and what does not end is called off.
    pub(super) async fn wind_up(&mut self, lanes: &mut Lanes) -> Result<(), Halt> {
        self.reach(Anchor::Over, self.recorder.now());
        let deadline = self.recorder.now() + WIND_UP;
        while !lanes.all_over() && self.recorder.now() < deadline {
            self.until(self.recorder.now() + 10_000, |_| false).await?;
        }
        lanes.call_off().await;
        Ok(())
    }
}
