//! Drives one target through one scenario: on a thread of its own, in a network namespace of its own
//! where permitted. What it sees goes into the history; nothing here judges.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::LocalSet;

use super::conductor::Conductor;
use super::plan::Plan;
use crate::declaration::Limits;
use crate::history::event::{Phase, SCHEMA, Stop, What};
use crate::history::recorder::Origin;
use crate::history::{Model, Recorder};
use crate::target::file::Target;
use crate::target::namespace;
use crate::target::warden::DescriptorLimit;

/// How often the heart beats.
const BEAT_EVERY: Duration = Duration::from_millis(5);
/// A longer gap between two beats is written down, in microseconds.
const GAP_MIN: u64 = 30_000;

/// All that a scenario needs to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// The target as declared.
    pub target: Target,
    /// What to do to it.
    pub plan: Plan,
    /// The limits that hold.
    pub limits: Limits,
    /// How it restarts.
    pub model: Model,
    /// A directory of its own.
    pub dir: PathBuf,
    /// Where the history goes.
    pub history: PathBuf,
    /// Where the target's output goes.
    pub output: PathBuf,
    /// Make a network namespace for it.
    pub own_network: bool,
    /// When the run began.
    pub origin: Origin,
    /// Fixes what is drawn.
    pub seed: u64,
    /// The descriptor limits that the target is to get.
    pub descriptor_limit: Option<DescriptorLimit>,
}

/// How far a scenario is, for progress bars.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The scenario.
    pub scenario: String,
    /// What it does now.
    pub doing: &'static str,
    /// It is over.
    pub done: bool,
}

/// Why a scenario stopped before its end.
#[derive(Debug)]
pub enum Halt {
    /// The user broke the run off.
    Interrupted,
    /// It can't go on.
    Failed(Stop, String),
    /// It ran to its end, and the moment that it is about was missed: it is worth another attempt.
    Missed,
}

impl Halt {
    /// The harness's own fault.
    pub fn harness(error: impl std::fmt::Display) -> Self {
        Halt::Failed(Stop::Harness, error.to_string())
    }

    /// The target did not start, or is no server of HTTP.
    pub fn start(error: impl std::fmt::Display) -> Self {
        Halt::Failed(Stop::Start, error.to_string())
    }
}

/// Attempts beyond those that are wanted, to meet a moment that lasts microseconds.
const ATTEMPTS_EXTRA: u32 = 3;

/// What came of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// It met what it is about.
    Met,
    /// The moment was missed: another is worth while.
    Missed,
    /// It was broken off or failed.
    Halted,
}

/// Runs a scenario on the calling thread as often as it asks for. Where the moment that it is about was missed it is run once
/// more; every attempt is recorded, and judged.
///
/// # Errors
/// Only when not even a history could be written: everything else is in the history.
pub fn run(
    job: &Job,
    interrupt: watch::Receiver<bool>,
    progress: &mpsc::Sender<Progress>,
) -> std::io::Result<()> {
    let mut met = 0;
    for attempt in 1..=job.plan.times + ATTEMPTS_EXTRA {
        match attempt_once(job, attempt, interrupt.clone(), progress)? {
            Attempt::Met => met += 1,
            Attempt::Missed => {}
            Attempt::Halted => break,
        }
        if met >= job.plan.times {
            break;
        }
    }
    tell(progress, job, "over", true);
    Ok(())
}

/// Where the history of an attempt goes, given that of the first.
pub fn attempt_path(first: &Path, attempt: u32) -> PathBuf {
    if attempt == 1 { first.to_owned() } else { first.with_extension(format!("{attempt}.ndjson")) }
}

fn attempt_once(
    job: &Job,
    attempt: u32,
    interrupt: watch::Receiver<bool>,
    progress: &mpsc::Sender<Progress>,
) -> std::io::Result<Attempt> {
    let path = attempt_path(&job.history, attempt);
    let recorder = Rc::new(Recorder::create(&path, job.origin, job.model)?);
    recorder.record(What::Begin { schema: SCHEMA, scenario: job.plan.name.clone() });
    // A thread that has entered a network namespace can enter another: the first goes with its last socket.
    let outcome = match drive(job, &recorder, interrupt, progress) {
        Ok(()) => Attempt::Met,
        Err(Halt::Missed) => {
            let text = "the old generation had stopped listening before it could be stopped: the handover was missed";
            recorder.record(What::Note { text: text.to_owned() });
            Attempt::Missed
        }
        Err(Halt::Interrupted) => {
            recorder.record(What::Interrupted);
            Attempt::Halted
        }
        Err(Halt::Failed(stage, message)) => {
            recorder.record(What::Failed { stage, message });
            Attempt::Halted
        }
    };
    recorder.record(What::Phase { phase: Phase::End });
    recorder.finish()?;
    Ok(outcome)
}

/// Tells how far a scenario is; nobody may be listening any more.
pub fn tell(progress: &mpsc::Sender<Progress>, job: &Job, doing: &'static str, done: bool) {
    let _ = progress.send(Progress { scenario: job.plan.name.clone(), doing, done });
}

fn drive(
    job: &Job,
    recorder: &Rc<Recorder>,
    interrupt: watch::Receiver<bool>,
    progress: &mpsc::Sender<Progress>,
) -> Result<(), Halt> {
    if job.own_network {
        namespace::enter_network_namespace().map_err(Halt::harness)?;
    }
    // Made after the namespace was entered: a runtime's own sockets stay where they were made.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Halt::harness)?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let heart = tokio::task::spawn_local(beat(Rc::clone(recorder)));
        let mut conductor = Conductor::start(job, Rc::clone(recorder), interrupt, progress.clone()).await?;
        let conducted = conductor.conduct().await;
        heart.abort();
        let ended = conductor.end().await;
        conducted.and(ended)
    })
}

/// Notices when the harness itself does not run.
async fn beat(recorder: Rc<Recorder>) {
    let mut last = recorder.now();
    loop {
        tokio::time::sleep(BEAT_EVERY).await;
        let now = recorder.now();
        if now.saturating_sub(last) > GAP_MIN {
            recorder.record(What::Gap { from: last });
        }
        last = now;
    }
}
