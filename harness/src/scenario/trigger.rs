//! The trigger: the steps of a restart, carried out in their order.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::conductor::{Conductor, not_started};
use super::file::{Again, Stop as StopAt};
use super::lanes::Lanes;
use super::runner::Halt;
use crate::client::step::Anchor;
use crate::declaration::Span;
use crate::history::Timeline;
use crate::history::event::{ProcId, Stop, What};
use crate::target::file::{Event, TriggerStep, parse_signal};
use crate::target::warden::Event as WardenEvent;
use crate::witness::process::{Epoch, Exit, Pidfd, Stat};

/// A step that is a command gets this long, unless it says otherwise.
const STEP_WITHIN: Span = Span(30_000_000);
/// So much is told of what a command wrote.
const WRITTEN_LINES: usize = 5;
const WRITTEN_MAX: usize = 500;

impl Conductor<'_> {
    /// Carries out all steps. T0 is around the first. A stop of the old generation is seen to in between: one at the
    /// trigger after the first step, one at the handover after the step from which it is to drain.
    ///
    /// # Errors
    /// [`Halt::Missed`] if the moment of the stop was missed; all steps were carried out then.
    pub(super) async fn trigger(&mut self, lanes: &Lanes) -> Result<(), Halt> {
        let steps = self.job.target.restart.clone();
        let told_when = steps.iter().any(|step| step.drain);
        if let Some(value) = self.launch.change_configuration().map_err(Halt::harness)? {
            self.recorder.record(What::Marker { value });
        }
        self.monitor.look();
        self.triggered = None;
        let (mut commands, mut standing) = (0, self.job.plan.stop);
        let (mut drained, mut missed) = (false, false);
        for (number, step) in (0_u32..).zip(&steps) {
            let drain = if told_when { step.drain } else { number == 0 };
            if self.stops_before(number).await? {
                break;
            }
            let reached = self.carry_out(number, step, drain, &mut commands).await?;
            if number == 0 {
                self.reach(Anchor::T0, self.recorder.now());
                self.after_first_step(self.round).await?;
            }
            drained |= drain;
            let last = !reached || number as usize + 1 == steps.len();
            let now = match standing {
                Some(StopAt::AtTrigger) => number == 0,
                Some(StopAt::AtHandover) => last || (drained && self.successor_is_born()),
                None => false,
            };
            if now {
                missed = self.let_go_on(standing.take(), lanes).await?;
            }
            if !reached {
                break;
            }
        }
        self.triggered = Some(self.recorder.now());
        if missed { Err(Halt::Missed) } else { Ok(()) }
    }

    /// Returns whether the moment of the stop was missed.
    async fn let_go_on(&mut self, standing: Option<StopAt>, lanes: &Lanes) -> Result<bool, Halt> {
        let met = match standing {
            Some(StopAt::AtTrigger) => self.after_trigger().await,
            Some(StopAt::AtHandover) => self.at_handover(lanes).await,
            None => Ok(()),
        };
        match met {
            Err(Halt::Missed) => Ok(true),
            met => met.map(|()| false),
        }
    }

    /// One step. Returns false if what it waits for did not come.
    async fn carry_out(
        &mut self,
        number: u32,
        step: &TriggerStep,
        drain: bool,
        commands: &mut usize,
    ) -> Result<bool, Halt> {
        let (from, mut what) = (self.recorder.now(), step.describe());
        if let Some(signal) = &step.signal {
            let signal = parse_signal(signal).map_err(Halt::start)?;
            if number == 0 && matches!(self.job.plan.again, Some(Again::Group)) {
                what = self.signal_group(signal, step)?;
            } else {
                self.send_signal(signal, step)?;
            }
        } else if let Some(event) = step.wait {
            if !self.has_come(event, step.timeout, None).await? {
                let text = format!("step {} of the restart, `{what}`, was not reached", number + 1);
                self.recorder.record(What::Note { text });
                return Ok(false);
            }
        } else {
            *commands += 1;
            self.run_command(*commands, number, drain, step).await?;
            return Ok(true);
        }
        self.recorder.record(What::Trigger { step: number, what, from, drain });
        Ok(true)
    }

    /// Waits for an event, and returns whether it came. Where one trigger follows upon another, the successor is one that came up
    /// `after` that process, unless it begins anew inside itself.
    pub(super) async fn has_come(
        &mut self,
        event: Event,
        timeout: Option<Span>,
        after: Option<ProcId>,
    ) -> Result<bool, Halt> {
        let limits = self.job.limits;
        let within = match event {
            Event::SuccessorAnswers | Event::OldStopsListening => limits.ready_max,
            Event::OldGone => limits.drain_max.saturating_add(limits.exit_max),
        };
        let begun = self.recorder.now();
        let deadline = begun + timeout.map_or(within, |timeout| timeout.0);
        let probed = self.job.plan.probes;
        let later = after.filter(|_| !self.is_in_place());
        let come = |stage: &Self| match (event, later) {
            (Event::SuccessorAnswers, Some(last)) => {
                stage.recorder.timeline(|timeline| timeline.answers_after(last))
            }
            (Event::SuccessorAnswers, None) => {
                let listens = || stage.recorder.timeline(Timeline::successor_listens);
                stage.reached(Anchor::Tr) || (!probed && listens())
            }
            (Event::OldStopsListening, _) => stage.recorder.timeline(Timeline::old_stopped_listening),
            (Event::OldGone, _) => stage.reached(Anchor::Tx),
        };
        // Somebody who stands still may be needed for it.
        if self.frozen.is_some() {
            let soon = deadline.min(begun + limits.stall_max / 2);
            if self.until(soon, come).await? {
                return Ok(true);
            }
            self.lookout = None;
            self.stopped_in_time = false;
            self.go_on();
        }
        self.until(deadline, come).await
    }

    pub(super) fn send_signal(&self, signal: Signal, step: &TriggerStep) -> Result<(), Halt> {
        let epoch = self.receiver_of(step)?;
        let sent = Pidfd::open(epoch).and_then(|process| match process {
            Some(process) => process.signal(signal as i32),
            None => Ok(false),
        });
        match sent {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Halt::start(format!("process {} was gone before it could be sent {signal}", epoch.pid)))
            }
            Err(error) => {
                Err(Halt::start(format!("failed to send {signal} to process {}: {error}", epoch.pid)))
            }
        }
    }

    /// The process that a step is for.
    pub(super) fn receiver_of(&self, step: &TriggerStep) -> Result<Epoch, Halt> {
        match (&step.pid_file, &self.job.target.running) {
            (_, Some(running)) => self.told_main(running),
            (Some(file), None) => self.pid_in_file(&self.launch.fill(file)),
            (None, None) => self.main_process(),
        }
    }

    /// The process that was started; if it is gone, the oldest that holds a listening socket, as a generation may have left others
    /// behind; and if nobody is seen to hold one, the oldest.
    fn main_process(&self) -> Result<Epoch, Halt> {
        let alive = self.monitor.alive();
        let started = alive.iter().find(|(_, epoch)| epoch.pid == self.main);
        let listens = |id: &ProcId| {
            let listens =
                |timeline: &Timeline| timeline.procs.get(id).is_some_and(|proc| !proc.listeners.is_empty());
            self.recorder.timeline(listens)
        };
        let listening = || alive.iter().find(|(id, _)| listens(id));
        let chosen = started.or_else(listening).or_else(|| alive.first()).map(|(_, epoch)| *epoch);
        chosen.ok_or_else(|| Halt::start("no process of the target was left to be triggered"))
    }

    fn pid_in_file(&self, path: &str) -> Result<Epoch, Halt> {
        let full = self.launch.dir.join(path);
        let text = std::fs::read_to_string(&full).map_err(|error| {
            Halt::start(format!("failed to read the pid file {}: {error}", full.display()))
        })?;
        let shown: String = text.trim().chars().filter(|c| !c.is_control()).take(40).collect();
        let pid: i32 = text.trim().parse().map_err(|_| {
            Halt::start(format!("expected a process id in {}, found `{shown}`", full.display()))
        })?;
        // A stale file may name a stranger: only processes below the warden are ever signalled.
        let ours = self.monitor.alive().into_iter().find(|(_, epoch)| epoch.pid == pid);
        let epoch = ours.map(|(_, epoch)| epoch).filter(|epoch| Stat::read(epoch.pid).is_some());
        epoch.ok_or_else(|| {
            Halt::start(format!("{} names process {pid}, which is none of the target's", full.display()))
        })
    }

    async fn run_command(
        &mut self,
        index: usize,
        number: u32,
        drain: bool,
        step: &TriggerStep,
    ) -> Result<(), Halt> {
        let (from, what) = (self.recorder.now(), step.describe());
        let started = self.keeper.start_command(index).await.map_err(not_started)?;
        self.recorder.record(What::Trigger { step: number, what, from, drain });
        if number == 0 {
            self.reach(Anchor::T0, self.recorder.now());
        }
        self.see_command_end(number, step, started.pid, from).await
    }

    /// A command of the trigger was started: waits for its end, and tells one that is not in order.
    pub(super) async fn see_command_end(
        &mut self,
        number: u32,
        step: &TriggerStep,
        pid: i32,
        from: u64,
    ) -> Result<(), Halt> {
        let what = step.describe();
        let beside = self.job.target.running.is_some();
        // A roll-out takes its time: its command may wait until the successor serves.
        let allowed =
            if beside { STEP_WITHIN.0.saturating_add(self.job.limits.ready_max) } else { STEP_WITHIN.0 };
        let within = Duration::from_micros(step.timeout.map_or(allowed, |timeout| timeout.0));
        let deadline = self.recorder.now() + within.as_micros() as u64;
        let ended = tokio::time::timeout(within, self.exit_of(pid, from, deadline)).await;
        let (code, signal) = match ended {
            Ok(Ok(Some(Exit::Code(code)))) => (Some(code), None),
            Ok(Ok(Some(Exit::Signal { signo, .. }))) => (None, Some(signo)),
            _ => (None, None),
        };
        if code.is_some() || signal.is_some() {
            self.recorder.record(What::CommandEnded { step: number, code, signal });
            self.command_failed |= code != Some(0);
        }
        let text = match ended {
            Ok(Ok(Some(Exit::Code(0)))) => return Ok(()),
            Ok(Ok(Some(Exit::Code(code)))) => format!("{what} ended with status {code}"),
            Ok(Ok(Some(Exit::Signal { signo, .. }))) => format!("{what} was killed by signal {signo}"),
            Ok(Err(halt)) => return Err(halt),
            Ok(Ok(None)) | Err(_) => format!("{what} did not end within {}", Span(within.as_micros() as u64)),
        };
        if beside {
            return Err(Halt::start(format!(
                "the restart could not be brought about: {text}{}",
                self.written()
            )));
        }
        self.recorder.record(What::Note { text });
        Ok(())
    }

    /// The last lines that commands have written.
    fn written(&self) -> String {
        let text = std::fs::read(&self.job.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(WRITTEN_LINES).map(str::trim_end).collect();
        let lines: Vec<&str> = lines.into_iter().rev().filter(|line| !line.is_empty()).collect();
        match lines.is_empty() {
            true => ", and wrote nothing".to_owned(),
            false => {
                format!(", and wrote: {}", lines.join(" / ").chars().take(WRITTEN_MAX).collect::<String>())
            }
        }
    }

    /// Waits until a process that the warden started ends.
    async fn exit_of(&mut self, pid: i32, triggered: u64, deadline: u64) -> Result<Option<Exit>, Halt> {
        while self.recorder.now() < deadline {
            self.look_if_due();
            self.go_on_if_overdue(triggered);
            if *self.interrupt.borrow() {
                return Err(Halt::Interrupted);
            }
            let event = tokio::time::timeout(Duration::from_millis(5), self.keeper.next_event()).await;
            match event {
                Ok(Ok(Some(event))) => {
                    self.note_warden(&event);
                    if let WardenEvent::Exited { pid: ended, exit, .. } = event
                        && ended == pid
                    {
                        return Ok(Some(exit));
                    }
                }
                Ok(Ok(None)) => return Err(Halt::Failed(Stop::Harness, "the warden ended early".to_owned())),
                Ok(Err(error)) => return Err(Halt::harness(error)),
                Err(_) => {}
            }
        }
        Ok(None)
    }
}
