//! A target that gets less than 5 % of a processor: by a control group where one may be made, else by being stopped most of
//! the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::conductor::Conductor;
use super::runner::Halt;
use crate::history::event::What;
use crate::target::quota::Quota;
use crate::target::warden::WardenSpec;
use crate::witness::process::{Epoch, Tree, freeze};

/// So many hundredths of one processor.
const PERCENT: u32 = 4;
/// Whoever is stopped most of the time runs for so long at a time.
const RUNS_FOR: Duration = Duration::from_millis(4);
/// It is stopped for so many times as long as it ran.
const STOPPED_TIMES: u32 = 100 / PERCENT - 1;
/// Processes stand still within this.
const STILL_WITHIN: Duration = Duration::from_millis(50);

/// How a target is starved.
#[derive(Debug)]
pub(super) enum Starvation {
    /// By a quota; it is part of the group from its start.
    Quota(Quota),
    /// By being stopped, as control groups can't be made: why not.
    Stops(String, Option<DutyCycle>),
}

impl Starvation {
    /// Has all commands join the group, if one can be made. Nobody is starved yet.
    pub(super) fn arrange(spec: &mut WardenSpec) -> Self {
        match Quota::make() {
            Ok(quota) => {
                for command in &mut spec.commands {
                    command.group = Some(quota.procs());
                }
                Starvation::Quota(quota)
            }
            Err(why) => Starvation::Stops(why, None),
        }
    }
}

impl Conductor<'_> {
    /// From now on, until it is taken down, the target is starved, if the scenario says so.
    pub(super) fn starve(&mut self) -> Result<(), Halt> {
        let warden = self.keeper.pid();
        let how = match &mut self.arranged.starvation {
            None => return Ok(()),
            Some(Starvation::Quota(quota)) => {
                quota
                    .set(Some(PERCENT))
                    .map_err(|error| Halt::harness(format!("failed to set a processor quota: {error}")))?;
                format!("a quota of {PERCENT} % of a processor")
            }
            Some(Starvation::Stops(why, cycle)) => {
                *cycle = Some(DutyCycle::start(warden).map_err(Halt::harness)?);
                format!("stopped for {} % of the time, as there is no quota ({why})", 100 - PERCENT)
            }
        };
        self.recorder.record(What::Starved { how });
        Ok(())
    }

    /// The target gets all that it wants again: whoever is killed needs some processor time for that too.
    pub(super) fn feed(&mut self) {
        match &mut self.arranged.starvation {
            Some(Starvation::Quota(quota)) => drop(quota.set(None)),
            Some(Starvation::Stops(_, cycle)) => *cycle = None,
            None => {}
        }
    }
}

/// A thread that stops and continues all processes below the warden in turn.
#[derive(Debug)]
pub(super) struct DutyCycle {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DutyCycle {
    fn start(warden: i32) -> std::io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let mut tree = Tree::new(warden)?;
        let cycle = move || {
            while !told.load(Ordering::Relaxed) {
                let running = Instant::now();
                std::thread::sleep(RUNS_FOR);
                let epochs: Vec<Epoch> =
                    tree.descendants().unwrap_or_default().iter().map(|stat| stat.epoch).collect();
                // One that can't be stopped runs on, and is starved the less.
                let frozen = freeze(&epochs, STILL_WITHIN);
                std::thread::sleep(running.elapsed() * STOPPED_TIMES);
                drop(frozen);
            }
        };
        let thread = std::thread::Builder::new().name("duty-cycle".to_owned()).spawn(cycle)?;
        Ok(Self { over, thread: Some(thread) })
    }
}

impl Drop for DutyCycle {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
