//! The trigger: the steps of a restart, carried out in their order.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::conductor::Conductor;
use super::runner::Halt;
use crate::client::step::Anchor;
use crate::declaration::Span;
use crate::history::event::{Stop, What};
use crate::target::file::{TriggerStep, parse_signal};
use crate::target::warden::Event as WardenEvent;
use crate::witness::process::{Epoch, Exit, Pidfd, Stat};

/// A step that is a command gets this long, unless it says otherwise.
const STEP_WITHIN: Span = Span(30_000_000);

impl Conductor<'_> {
    /// Carries out all steps. T0 is around the first.
    pub(super) async fn trigger(&mut self) -> Result<(), Halt> {
        let steps = self.job.target.restart.clone();
        let told_when = steps.iter().any(|step| step.drain);
        if let Some(value) = self.launch.change_marker().map_err(Halt::harness)? {
            self.recorder.record(What::Marker { value });
        }
        self.monitor.look();
        let mut commands = 0;
        for (number, step) in (0_u32..).zip(&steps) {
            let drain = if told_when { step.drain } else { number == 0 };
            let from = self.recorder.now();
            let what = step.describe();
            if let Some(signal) = &step.signal {
                let signal = parse_signal(signal).map_err(Halt::start)?;
                self.send_signal(signal, step)?;
                self.recorder.record(What::Trigger { step: number, what, from, drain });
            } else if step.command.is_some() {
                commands += 1;
                self.run_command(commands, number, drain, step).await?;
            } else {
                let within =
                    self.recorder.now() + step.timeout.map_or(self.job.limits.ready_max, |span| span.0);
                if !self.until(within, |stage| stage.reached(Anchor::Tr)).await? {
                    let text =
                        format!("step {} of the restart was not reached: no successor answered", number + 1);
                    self.recorder.record(What::Note { text });
                    return Ok(());
                }
                self.recorder.record(What::Trigger { step: number, what, from, drain });
            }
            if number == 0 {
                self.reach(Anchor::T0, self.recorder.now());
            }
        }
        Ok(())
    }

    fn send_signal(&self, signal: Signal, step: &TriggerStep) -> Result<(), Halt> {
        let epoch = match &step.pid_file {
            Some(file) => self.pid_in_file(&self.launch.fill(file))?,
            None => self.main_process()?,
        };
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

    /// The process that was started; if it only started others, the oldest of those.
    fn main_process(&self) -> Result<Epoch, Halt> {
        let alive = self.monitor.alive();
        let started = alive.iter().find(|(_, epoch)| epoch.pid == self.main);
        let chosen = started.or_else(|| alive.first()).map(|(_, epoch)| *epoch);
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
        let started = self.warden.start_command(index).await.map_err(Halt::start)?;
        self.recorder.record(What::Trigger { step: number, what: what.clone(), from, drain });
        if number == 0 {
            self.reach(Anchor::T0, self.recorder.now());
        }
        let within = Duration::from_micros(step.timeout.unwrap_or(STEP_WITHIN).0);
        let deadline = self.recorder.now() + within.as_micros() as u64;
        let ended = tokio::time::timeout(within, self.exit_of(started.pid, from, deadline)).await;
        let text = match ended {
            Ok(Ok(Some(Exit::Code(0)))) => return Ok(()),
            Ok(Ok(Some(Exit::Code(code)))) => format!("{what} ended with status {code}"),
            Ok(Ok(Some(Exit::Signal { signo, .. }))) => format!("{what} was killed by signal {signo}"),
            Ok(Err(halt)) => return Err(halt),
            Ok(Ok(None)) | Err(_) => format!("{what} did not end within {}", Span(within.as_micros() as u64)),
        };
        self.recorder.record(What::Note { text });
        Ok(())
    }

    /// Waits until a process that the warden started ends.
    async fn exit_of(&mut self, pid: i32, triggered: u64, deadline: u64) -> Result<Option<Exit>, Halt> {
        while self.recorder.now() < deadline {
            self.look_if_due();
            self.go_on_if_overdue(triggered);
            if *self.interrupt.borrow() {
                return Err(Halt::Interrupted);
            }
            let event = tokio::time::timeout(Duration::from_millis(5), self.warden.next_event()).await;
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
