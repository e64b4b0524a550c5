//! Restarts that have to fail: what keeps each from succeeding is put in place before the trigger and taken away afterwards,
//! and the load goes on meanwhile. A plain restart comes first, which shows that it takes the way that is to be spoilt, and
//! that it works; and one after each that failed, which has to succeed as it did.

use super::conductor::Conductor;
use super::progress::{Doing, News, tell};
use super::runner::Halt;
use super::successor::{Passage, Road};
use crate::client::step::Anchor;
use crate::history::Micros;
use crate::history::event::{Fault, Phase, Stop, What};
use crate::target::program_path::Fate;
use crate::target::refusal::{Refusal, Refused};

/// Load goes on for so long after the attempt is over; a process that failed is no zombie any more by then.
const AFTERWARDS: Micros = 1_000_000;
/// Whatever was seen of an attempt first, the rest of it follows within this.
const QUIET_FOR: Micros = 300_000;

impl Conductor<'_> {
    /// A plain restart, and then for each fault a restart that has to fail and one that has to succeed.
    pub(super) async fn trials(&mut self) -> Result<(), Halt> {
        let faults = self.job.plan.failing.clone();
        tell(&self.progress, self.job, News::Doing(Doing::Restart));
        self.listen_to_it();
        self.arranged.passage = Passage::Free;
        self.restart().await?;
        self.open_road();
        if faults.iter().any(|fault| fault.by_path()) && !self.arranged.came {
            self.note("nobody came by the path by which the program was started".to_owned());
            return Ok(());
        }
        for fault in faults {
            if !self.reached(Anchor::Tr) || !self.came_to_its_end() {
                self.note(format!(
                    "the restart before had not come to its end, so none was made to fail ({})",
                    fault.as_str()
                ));
                break;
            }
            if let Some(why) = self.arranged.refusal.as_ref().and_then(Refusal::unable) {
                self.recorder.record(What::Unable { fault, why });
                continue;
            }
            tell(&self.progress, self.job, News::Doing(Doing::FailingRestart));
            self.fail(fault).await?;
            if fault == Fault::DiesWhenReady {
                // Whether anybody is left who could restart is what that is about.
                break;
            }
            if self.monitor.alive().is_empty() {
                self.note("no process of the target was left".to_owned());
                break;
            }
            tell(&self.progress, self.job, News::Doing(Doing::Restart));
            self.listen_to_it();
            self.arranged.passage = Passage::Free;
            let restarted = self.restart().await;
            self.open_road();
            match restarted {
                Err(Halt::Failed(Stop::Start, message)) => {
                    self.note(format!("the restart after it could not be triggered: {message}"));
                    break;
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// From now on what the target writes is told, to its output and to the files that it has open.
    fn listen_to_it(&mut self) {
        let said = self.said.get_or_insert_default();
        said.watch(&self.job.output);
        said.watch_those_of(self.monitor.alive().iter().map(|(_, epoch)| epoch.pid));
    }

    fn note(&self, text: String) {
        self.recorder.record(What::Note { text });
    }

    /// Whether what comes next is a restart among those that have to fail, and which; written down at its beginning.
    pub(super) fn tell_trial(&self, fault: Option<Fault>) {
        if !self.job.plan.failing.is_empty() {
            self.recorder.record(What::Trial { fault });
        }
    }

    /// A restart that has to fail.
    async fn fail(&mut self, fault: Fault) -> Result<(), Halt> {
        let mut lanes = self.lanes(Phase::Restart);
        self.tell_trial(Some(fault));
        let forked = self.forks();
        self.bring_about(&mut lanes).await?;
        self.monitor.look();
        self.take_stock_before();
        self.monitor.start_sampling();
        self.listen_to_it();
        if fault == Fault::NoFork && self.forks() > forked {
            // Its clients would be the first to notice; they are no part of a restart.
            self.note(
                "the target forks processes to serve its clients, so forks were not refused".to_owned(),
            );
        } else {
            self.put(fault)?;
        }
        self.send_lookout().await?;
        (self.has_said, self.command_failed) = (false, false);
        self.trigger(&lanes).await?;
        if fault == Fault::DiesWhenReady {
            self.kill_successor().await?;
        } else {
            self.attempt(fault).await?;
        }
        // As in control: what lanes do after a restart they do after one that failed.
        for anchor in [Anchor::Tr, Anchor::Td, Anchor::Tx] {
            self.reach(anchor, self.recorder.now());
        }
        let until = self.recorder.now() + AFTERWARDS;
        self.until(until, |_| false).await?;
        self.lookout = None;
        self.take_stock().await?;
        self.wind_up(&mut lanes).await?;
        self.take_away(fault)?;
        self.monitor.look();
        self.monitor.tell_sampling();
        Ok(())
    }

    fn forks(&self) -> u64 {
        self.arranged.refusal.as_ref().map_or(0, Refusal::forks)
    }

    /// From now on a restart fails.
    fn put(&mut self, fault: Fault) -> Result<(), Halt> {
        let from = self.recorder.now();
        if let (true, Some(refusal)) = (fault.by_kernel(), &self.arranged.refusal) {
            refusal.refuse(if fault == Fault::NoFork { Refused::Forks } else { Refused::Executions });
        } else if fault == Fault::BadConfig {
            self.launch.break_configuration(true).map_err(Halt::harness)?;
        } else if fault.at_gate() {
            self.arranged.passage = match fault {
                Fault::Exits => Passage::End(Fate::Exit),
                Fault::Crashes => Passage::End(Fate::Crash),
                Fault::Killed => Passage::End(Fate::Kill),
                _ => Passage::Hang,
            };
            self.close_road()?;
        } else if let Some(Road::Free(path)) = self.arranged.road.take() {
            path.spoil(fault)
                .map_err(|error| Halt::harness(format!("failed to spoil the program: {error}")))?;
            self.arranged.road = Some(Road::Spoilt(path));
        }
        self.recorder.record(What::Fault { fault, on: true, from });
        Ok(())
    }

    /// From now on a restart can succeed again.
    fn take_away(&mut self, fault: Fault) -> Result<(), Halt> {
        let from = self.recorder.now();
        self.arranged.refusal.iter().for_each(|refusal| refusal.refuse(Refused::Nothing));
        if fault == Fault::BadConfig {
            self.launch.break_configuration(false).map_err(Halt::harness)?;
        }
        self.arranged.road = match self.arranged.road.take() {
            Some(Road::Spoilt(path)) => {
                path.restore()
                    .map_err(|error| Halt::harness(format!("failed to restore the program: {error}")))?;
                Some(Road::Free(path))
            }
            other => other,
        };
        self.open_road();
        self.recorder.record(What::Fault { fault, on: false, from });
        Ok(())
    }

    /// Waits until the attempt is over: something of it was seen, and nobody is left who was born for it; or it has had as
    /// long as a slow start may take.
    async fn attempt(&mut self, fault: Fault) -> Result<(), Halt> {
        let t0 = self.recorder.timeline(|timeline| timeline.t0).map_or(self.recorder.now(), |t0| t0.hi);
        let slow = t0.saturating_add(self.job.limits.slow_start());
        // Who hangs ends at that time, and its parent gets some more to notice.
        let deadline = if fault == Fault::Hangs { slow + AFTERWARDS } else { slow };
        self.until(deadline, |stage| stage.seen(fault).is_some() && !stage.somebody_tries()).await?;
        let seen = self.seen(fault).map(str::to_owned);
        let until = self.recorder.now() + QUIET_FOR;
        self.until(until, |_| false).await?;
        self.recorder.record(What::Attempt { seen });
        Ok(())
    }

    /// The successor is killed as soon as it has answered; then it is seen who answers, and what is told.
    async fn kill_successor(&mut self) -> Result<(), Halt> {
        let until = self.recorder.now() + self.job.limits.ready_max;
        self.until(until, |stage| stage.reached(Anchor::Tr) || stage.reached(Anchor::Tx)).await?;
        if !self.reached(Anchor::Tr) || self.reached(Anchor::Tx) {
            self.recorder.record(What::Attempt { seen: None });
            self.note("the successor could not be killed before the old generation was gone".to_owned());
            return Ok(());
        }
        let successors = self.recorder.timeline(|timeline| timeline.generations().successors);
        self.kill(&successors);
        // Load for its own sake: whoever is to serve has as long to come as a slow start takes.
        let until = self.recorder.now() + self.job.limits.slow_start();
        self.until(until, |_| false).await?;
        self.recorder.record(What::Attempt { seen: Some("process".to_owned()) });
        Ok(())
    }

    /// By what the attempt was seen, if it was.
    fn seen(&self, fault: Fault) -> Option<&'static str> {
        if fault.at_gate() {
            return (self.arranged.came && self.arranged.dealt_with).then_some("gate");
        }
        if fault.by_kernel() {
            let refused = self.arranged.refusal.as_ref().is_some_and(|refusal| refusal.times() > 0);
            return refused.then_some("refusal");
        }
        let seen = [
            (self.successor_is_born(), "process"),
            (self.command_failed, "command"),
            (self.has_said, "output"),
        ];
        seen.into_iter().find(|(seen, _)| *seen).map(|(_, how)| how)
    }

    /// A process that was born for the restart is still there.
    fn somebody_tries(&self) -> bool {
        let born = self.recorder.timeline(|timeline| timeline.generations().successors);
        self.monitor.alive().iter().any(|(proc, _)| born.contains(proc))
    }
}
