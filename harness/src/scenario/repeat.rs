//! What is triggered again while a restart is under way: who is sent what, when, and how long it takes until all is calm.
//!
//! A further trigger that can't be sent is told, and ends nothing: that a process is gone by then may be the very thing that
//! is looked for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::conductor::Conductor;
use super::file::{Again, AmidSpec, WaitSpec, Whom};
use super::progress::{Doing, News, tell};
use super::runner::Halt;
use crate::client::step::Anchor;
use crate::declaration::Span;
use crate::history::event::{Micros, Phase, ProcId, What};
use crate::history::{Model, Timeline};
use crate::target::file::{TriggerStep, parse_signal};
use crate::witness::process::{Epoch, Pidfd, Stat};

/// A gap that is shorter is waited for by the thread itself: the runtime's timers are coarser than it.
const EXACT_BELOW: Micros = 12_000;
/// All is calm when nobody drains and the same processes have listened for so long.
const CALM_AFTER: Micros = 700_000;
/// The same where they are not as many as before the trigger.
const CALM_AFTER_CHANGE: Micros = 3_000_000;
/// A process that is born is looked for this often.
const LOOK_FOR_BIRTH: Duration = Duration::from_micros(300);
/// The number of descriptors has settled when it was the same for so long.
const SETTLED_AFTER: Micros = 200_000;
/// So long is waited for that: what a server keeps for itself may change all the time.
const SETTLED_WITHIN: Micros = 2_000_000;
/// The descriptors of so many processes are counted.
const SIZES_MAX: usize = 256;

/// What the conductor keeps of it.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    /// Further triggers of the restart that is under way.
    sent: u32,
    /// Processes that listened before the trigger.
    before: usize,
    /// Who listens, and since when nothing has changed.
    calm: RefCell<(Micros, Vec<ProcId>)>,
    /// A process that was triggered when it was born.
    newborn: Option<(ProcId, Micros)>,
}

impl Conductor<'_> {
    /// No trigger was sent yet.
    pub(super) fn begin_repeating(&mut self) {
        let before = self.monitor.listening().len();
        self.repeated = Repeated { before, ..Repeated::default() };
    }

    /// The trigger follows on the first answered request of all.
    pub(super) async fn at_start(&mut self) -> Result<(), Halt> {
        tell(&self.progress, self.job, News::Doing(Doing::Restart));
        let mut lanes = self.lanes(Phase::Restart);
        self.monitor.look();
        self.take_stock_before();
        self.monitor.start_sampling();
        self.begin_repeating();
        lanes.start(&self.job.plan);
        if self.job.plan.probes {
            lanes.start_probes(&self.job.target.endpoints);
        }
        self.reach(Anchor::Ready, self.recorder.now());
        // Nobody can trigger a process that has not told its number yet.
        if let Some(first) = self.job.target.restart.first().filter(|step| step.signal.is_some()).cloned() {
            let until = self.recorder.now() + self.job.limits.ready_max;
            self.until(until, |stage| stage.receiver_of(&first).is_ok()).await?;
        }
        self.trigger(&lanes).await?;
        self.see_through(&mut lanes).await
    }

    /// What follows at once on the first step of the trigger.
    pub(super) async fn after_first_step(&mut self, round: u32) -> Result<(), Halt> {
        let limits = self.job.limits;
        match self.job.plan.again.clone() {
            Some(Again::Gaps(gaps)) => {
                let Some(gap) = gaps.get(round as usize % gaps.len().max(1)) else { return Ok(()) };
                self.wait_exactly(gap.resolve(&limits)).await?;
                self.first_step_again(Whom::Main).await
            }
            Some(Again::Storm(storm)) => {
                let begun = self.t0();
                for number in 1..=u64::from(storm.times) {
                    let due = begun + number * storm.every.resolve(&limits);
                    self.until(due, |_| false).await?;
                    self.first_step_again(Whom::Successor).await?;
                }
                Ok(())
            }
            Some(Again::AtBirth) => self.at_birth().await,
            _ => Ok(()),
        }
    }

    fn t0(&self) -> Micros {
        self.recorder.timeline(|timeline| timeline.t0).map_or_else(|| self.recorder.now(), |t0| t0.hi)
    }

    async fn wait_exactly(&mut self, gap: Micros) -> Result<(), Halt> {
        let due = self.t0() + gap;
        if gap >= EXACT_BELOW {
            self.until(due, |_| false).await?;
        } else if let Some(left) = due.checked_sub(self.recorder.now()) {
            std::thread::sleep(Duration::from_micros(left));
        }
        Ok(())
    }

    async fn first_step_again(&mut self, whom: Whom) -> Result<(), Halt> {
        let Some(step) = self.job.target.restart.first().cloned() else { return Ok(()) };
        if step.signal.is_some() {
            self.signal_again(&step, whom);
        } else if step.command.is_some() {
            self.command_again(1, 0, &step).await?;
        }
        Ok(())
    }

    /// The first process of a successor gets the signal in the moment in which it is seen.
    async fn at_birth(&mut self) -> Result<(), Halt> {
        let Some(step) = self.job.target.restart.first().cloned() else { return Ok(()) };
        let deadline = self.recorder.now() + self.job.limits.ready_max;
        loop {
            self.monitor.look();
            let born = self.recorder.timeline(|timeline| {
                let successors = timeline.generations().successors;
                successors
                    .into_iter()
                    .find(|id| timeline.procs.get(id).is_some_and(|proc| proc.gone.is_none()))
            });
            if let Some(born) = born {
                let from = self.recorder.now();
                self.repeated.newborn = Some((born, from));
                let sent = self.send_to(born, &step);
                self.note_again(
                    &describe(&step, "the successor, as soon as it was seen"),
                    Some(born),
                    from,
                    sent,
                );
                return Ok(());
            }
            if self.recorder.now() >= deadline {
                return Ok(());
            }
            self.until(self.recorder.now(), |_| false).await?;
            tokio::time::sleep(LOOK_FOR_BIRTH).await;
        }
    }

    /// What follows on the trigger as a whole.
    pub(super) async fn after_trigger_again(&mut self) -> Result<(), Halt> {
        match self.job.plan.again.clone() {
            Some(Again::Amid(AmidSpec { when, to })) => {
                if self.has_come_to(&when).await? {
                    self.all_steps_again(to).await?;
                }
                Ok(())
            }
            Some(Again::Stop(when)) if self.repeated.sent == 0 => self.stop_main(&when).await,
            _ => Ok(()),
        }
    }

    /// Whether the steps that are left give way to a stop of the old main process.
    pub(super) async fn stops_before(&mut self, number: u32) -> Result<bool, Halt> {
        let Some(Again::Stop(when)) = self.job.plan.again.clone().filter(|_| number > 0) else {
            return Ok(false);
        };
        if self.reached(Anchor::Tr) && self.repeated.sent == 0 {
            self.stop_main(&when).await?;
        }
        Ok(self.repeated.sent > 0)
    }

    async fn has_come_to(&mut self, when: &WaitSpec) -> Result<bool, Halt> {
        let limits = self.job.limits;
        // In place nobody drains: the restart itself has to do.
        let anchor = if when.anchor == Anchor::Td && self.is_in_place() { Anchor::Tr } else { when.anchor };
        let deadline = self.recorder.now() + limits.ready_max + limits.drain_start_max;
        // The old generation may have stopped listening before anybody was answered by its successor.
        if !self.until(deadline, |stage| stage.reached(anchor) && stage.reached(Anchor::Tr)).await? {
            let text = "the moment of the further trigger did not come".to_owned();
            self.recorder.record(What::Note { text });
            return Ok(false);
        }
        let due = self.recorder.now() + when.plus.resolve(&limits);
        self.until(due, |_| false).await?;
        Ok(true)
    }

    async fn all_steps_again(&mut self, to: Whom) -> Result<(), Halt> {
        let mut commands = 0;
        let before = self.recorder.timeline(|timeline| timeline.procs.keys().next_back().copied());
        for (number, step) in (0_u32..).zip(&self.job.target.restart.clone()) {
            if step.signal.is_some() {
                // The steps that follow on the first are for whoever the target's own steps name.
                self.signal_again(step, if number == 0 { to } else { Whom::Main });
            } else if let Some(event) = step.wait {
                if !self.has_come(event, step.timeout, before).await? {
                    break;
                }
            } else {
                commands += 1;
                self.command_again(commands, number, step).await?;
            }
        }
        Ok(())
    }

    async fn stop_main(&mut self, when: &WaitSpec) -> Result<(), Halt> {
        if !self.has_come_to(when).await? {
            return Ok(());
        }
        let from = self.recorder.now();
        let root = self.recorder.timeline(|timeline| timeline.root().map(|root| (root.id, root.pid)));
        let alive = self.monitor.alive();
        let main = root.and_then(|(id, pid)| {
            let same = alive.iter().find(|(proc, _)| *proc == id);
            // It may have executed itself anew since.
            same.or_else(|| alive.iter().find(|(_, epoch)| epoch.pid == pid)).copied()
        });
        let sent = match main {
            Some((_, epoch)) => send(epoch, Signal::SIGTERM),
            None => Err("the old main process was gone".to_owned()),
        };
        self.repeated.sent += 1;
        self.recorder.record(What::Again {
            number: self.repeated.sent,
            what: "SIGTERM to the old main process".to_owned(),
            proc: main.map(|(proc, _)| proc),
            from,
            stop: true,
            failed: sent.err(),
        });
        Ok(())
    }

    fn signal_again(&mut self, step: &TriggerStep, whom: Whom) {
        let newest = match whom {
            Whom::Main => None,
            Whom::Successor => self.recorder.timeline(Timeline::newest_main),
        };
        let from = self.recorder.now();
        if let Some(newest) = newest {
            let sent = self.send_to(newest, step);
            return self.note_again(&describe(step, "the successor"), Some(newest), from, sent);
        }
        let told = step.describe();
        let mut sent = self.send_step(step);
        if sent.is_err() {
            // Who is main may have changed since the last look.
            self.monitor.look();
            sent = self.send_step(step);
        }
        let proc = sent.as_ref().ok().and_then(|epoch| {
            let alive = self.monitor.alive();
            alive.iter().find(|(_, other)| other == epoch).map(|(proc, _)| *proc)
        });
        self.note_again(&told, proc, from, sent.map(|_| ()));
    }

    fn send_step(&self, step: &TriggerStep) -> Result<Epoch, String> {
        let signal = step.signal.as_deref().map_or_else(|| Err("no signal".to_owned()), parse_signal)?;
        let epoch = self.receiver_of(step).map_err(|halt| match halt {
            Halt::Failed(_, message) => message,
            _ => "the run was broken off".to_owned(),
        })?;
        send(epoch, signal).map(|()| epoch)
    }

    fn send_to(&self, proc: ProcId, step: &TriggerStep) -> Result<(), String> {
        let signal = step.signal.as_deref().map_or_else(|| Err("no signal".to_owned()), parse_signal)?;
        let alive = self.monitor.alive();
        let found = alive.iter().find(|(id, _)| *id == proc);
        let (_, epoch) = found.ok_or_else(|| format!("the process {proc} was gone"))?;
        send(*epoch, signal)
    }

    fn note_again(&mut self, what: &str, proc: Option<ProcId>, from: Micros, sent: Result<(), String>) {
        self.repeated.sent += 1;
        let number = self.repeated.sent;
        let (what, failed) = (what.to_owned(), sent.err());
        self.recorder.record(What::Again { number, what, proc, from, stop: false, failed });
    }

    async fn command_again(&mut self, index: usize, number: u32, step: &TriggerStep) -> Result<(), Halt> {
        let from = self.recorder.now();
        let started = self.warden.start_command(index).await;
        let sent = started.as_ref().map(|_| ()).map_err(ToString::to_string);
        self.note_again(&step.describe(), None, from, sent);
        match started {
            Ok(started) => self.see_command_end(number, step, started.pid, from).await,
            Err(_) => Ok(()),
        }
    }

    /// The trigger's signal goes to the whole group of the process that it is for; to that process alone, which is told,
    /// where the group is not the target's own. Returns what was done.
    ///
    /// # Errors
    /// There is no such process, or the signal could not be sent.
    pub(super) fn signal_group(&mut self, signal: Signal, step: &TriggerStep) -> Result<String, Halt> {
        let from = self.recorder.now();
        let sent = self.send_to_group(signal, self.receiver_of(step)?);
        let what = format!("{signal} to the process group");
        if let Err(why) = sent {
            self.note_again(&what, None, from, Err(why));
            self.send_signal(signal, step)?;
            return Ok(step.describe());
        }
        Ok(what)
    }

    fn send_to_group(&self, signal: Signal, epoch: Epoch) -> Result<(), String> {
        // SAFETY: these take a number and return one.
        let (group, session) = unsafe { (libc::getpgid(epoch.pid), libc::getsid(epoch.pid)) };
        // SAFETY: as above.
        let others = unsafe { [libc::getsid(0), libc::getsid(self.warden.pid())] };
        // A session that a process of the target's began has no processes but the target's.
        if group <= 1 || session <= 1 || others.contains(&session) {
            return Err(format!("process {} is in a group that is not the target's own", epoch.pid));
        }
        // SAFETY: kill takes two integers.
        if unsafe { libc::kill(-group, signal as i32) } == 0 {
            return Ok(());
        }
        let error = std::io::Error::last_os_error();
        Err(format!("failed to send {signal} to the group {group}: {error}"))
    }

    /// Whether all is calm: nobody drains, and those who listen have been the same for a while.
    pub(super) fn calm(&self) -> bool {
        if self.job.plan.again.is_none() {
            return true;
        }
        let stops = matches!(self.job.plan.again, Some(Again::Stop(_))) && self.repeated.sent > 0;
        let model = self.recorder.timeline(|timeline| timeline.generations().model);
        if stops && model == Model::MasterWorkers {
            return self.monitor.alive().is_empty();
        }
        let now = self.recorder.now();
        let mut listening = self.monitor.listening();
        listening.sort_unstable();
        let draining = self.recorder.timeline(|timeline| {
            let drains = |proc: &crate::history::generation::Proc| {
                proc.gone.is_none() && proc.no_listener.is_some() && proc.listeners.is_empty()
            };
            timeline.procs.values().any(drains)
        });
        let mut calm = self.repeated.calm.borrow_mut();
        if draining || calm.1 != listening || calm.0 == 0 {
            *calm = (now, listening);
            return false;
        }
        let as_before = calm.1.len() == self.repeated.before || self.monitor.alive().is_empty();
        now.saturating_sub(calm.0) >= if as_before { CALM_AFTER } else { CALM_AFTER_CHANGE }
    }

    /// Whether nothing more is to be expected of a trigger that nobody may have to follow.
    pub(super) fn may_be_ignored(&self) -> bool {
        matches!(self.job.plan.again, Some(Again::AtStart))
    }

    /// Tells what came of the triggers.
    pub(super) fn tell_what_came(&self) {
        let sent = self.repeated.sent;
        if let Some((newborn, sent)) = self.repeated.newborn {
            let lived = self.recorder.timeline(|timeline| {
                let proc = timeline.procs.get(&newborn)?;
                let later = timeline.procs.keys().any(|other| *other > newborn);
                Some(later || proc.gone.is_none() || proc.first_answer.is_some())
            });
            let born =
                self.recorder.timeline(|timeline| timeline.procs.get(&newborn).map(|proc| proc.born.lo));
            let age = Span(sent.saturating_sub(born.unwrap_or(sent)));
            let how = if lived == Some(false) { "was gone, and nobody followed" } else { "lived on" };
            let text = format!("a successor that was triggered at most {age} after its birth {how}");
            self.recorder.record(What::Note { text });
        }
        if self.job.plan.again.is_none() || (sent == 0 && !self.may_be_ignored()) {
            return;
        }
        let came = self.recorder.timeline(Timeline::generations_that_served);
        let what = match (&self.job.plan.again, sent) {
            (_, 0) => "the trigger at the start".to_owned(),
            (Some(Again::Storm(_)), sent) => format!("{} triggers", sent + 1),
            _ => "two triggers".to_owned(),
        };
        let text = match &self.job.plan.again {
            Some(Again::Stop(_) | Again::Group) => return,
            Some(Again::Gaps(gaps)) => {
                let gap = gaps.get(self.round as usize % gaps.len().max(1));
                let gap = gap.map_or(Span(0), |gap| Span(gap.resolve(&self.job.limits)));
                format!("{what} {gap} apart: {came} new generation(s) served")
            }
            _ => format!("{what}: {came} new generation(s) served"),
        };
        self.recorder.record(What::Note { text });
    }

    /// Counts descriptors while no lane is open.
    pub(super) async fn take_sizes(&mut self) -> Result<(), Halt> {
        const ROUNDS_MIN: u32 = 10;
        if self.job.plan.again.is_none() && self.job.plan.restarts < ROUNDS_MIN {
            return Ok(());
        }
        let deadline = self.recorder.now() + SETTLED_WITHIN;
        let mut last = (self.recorder.now(), self.sizes());
        while self.recorder.now() < deadline && self.recorder.now() < last.0 + SETTLED_AFTER {
            self.until(self.recorder.now() + 20_000, |_| false).await?;
            let sizes = self.sizes();
            if sizes != last.1 {
                last = (self.recorder.now(), sizes);
            }
        }
        self.recorder.record(What::Sizes { descriptors: last.1.into_iter().collect() });
        Ok(())
    }

    fn sizes(&self) -> BTreeMap<ProcId, u32> {
        let count = |(proc, epoch): (ProcId, Epoch)| {
            let entries = std::fs::read_dir(format!("/proc/{}/fd", epoch.pid)).ok()?;
            let still = Stat::read(epoch.pid).is_some_and(|stat| stat.epoch.same_process(&epoch));
            still.then(|| (proc, u32::try_from(entries.count()).unwrap_or(u32::MAX)))
        };
        self.monitor.alive().into_iter().take(SIZES_MAX).filter_map(count).collect()
    }
}

fn describe(step: &TriggerStep, to: &str) -> String {
    let signal = step.signal.as_deref().unwrap_or_default();
    format!("SIG{} to {to}", signal.trim_start_matches("SIG"))
}

fn send(epoch: Epoch, signal: Signal) -> Result<(), String> {
    let sent = Pidfd::open(epoch).and_then(|process| match process {
        Some(process) => process.signal(signal as i32),
        None => Ok(false),
    });
    match sent {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("process {} was gone", epoch.pid)),
        Err(error) => Err(format!("failed to send {signal} to process {}: {error}", epoch.pid)),
    }
}
