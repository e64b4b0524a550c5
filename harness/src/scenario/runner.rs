//! Drives one target through one scenario: on a thread of its own, in a network namespace of its own
//! where permitted. What it sees goes into the history; nothing here judges.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::LocalSet;

use super::conductor::Conductor;
use super::plan::Plan;
use super::progress::{News, Progress, Stopped, tell};
use crate::declaration::Limits;
use crate::history::event::{Phase, SCHEMA, Stop, What};
use crate::history::recorder::Origin;
use crate::history::{Model, Recorder};
use crate::target::file::Target;
use crate::target::namespace::Isolation;
use crate::target::network::Network;
use crate::target::warden::DescriptorLimit;
use crate::witness::processors::Processors;

/// How often the heart beats.
const BEAT_EVERY: Duration = Duration::from_millis(5);
/// A longer gap between two beats is written down, in microseconds.
const GAP_MIN: u64 = 30_000;
/// How often the machine's processors are looked at.
const CROWDS_EVERY: Duration = Duration::from_millis(250);

/// All that a scenario needs to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// The target as declared.
    pub target: Target,
    /// What to do to it.
    pub plan: Plan,
    /// Which attempt at it this is, counted from 1.
    pub attempt: u32,
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
    /// Where packets are kept.
    pub packets: PathBuf,
    /// The network that it gets.
    pub isolation: Isolation,
    /// The value that net.ipv4.tcp_migrate_req gets there, if not the kernel's own.
    pub migrate_req: Option<bool>,
    /// When the run began.
    pub origin: Origin,
    /// Fixes what is drawn.
    pub seed: u64,
    /// The descriptor limits that the target is to get.
    pub descriptor_limit: Option<DescriptorLimit>,
}

/// Why a scenario stopped before its end.
#[derive(Debug)]
pub enum Halt {
    /// The user broke the run off.
    Interrupted,
    /// It can't go on.
    Failed(Stop, String),
    /// A restart was seen through, and the moment that it is about was missed: another is worth while.
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

/// Runs a scenario on the calling thread.
///
/// # Errors
/// Only when not even a history could be written: everything else is in the history.
pub fn run(
    job: &Job,
    interrupt: watch::Receiver<bool>,
    progress: &mpsc::Sender<Progress>,
) -> std::io::Result<()> {
    let recorder = Rc::new(Recorder::create(&job.history, job.origin, job.model)?);
    recorder.record(What::Begin { schema: SCHEMA, scenario: job.plan.name.clone() });
    let stopped = match drive(job, &recorder, interrupt, progress) {
        // Told already, and what was seen is judged.
        Ok(()) | Err(Halt::Missed) => None,
        Err(Halt::Interrupted) => {
            recorder.record(What::Interrupted);
            Some(Stopped::Interrupted)
        }
        Err(Halt::Failed(stage, message)) => {
            recorder.record(What::Failed { stage, message: message.clone() });
            Some(Stopped::Failed(stage, message))
        }
    };
    recorder.record(What::Phase { phase: Phase::End });
    let finished = recorder.finish();
    let stopped = match &finished {
        Err(error) => Some(Stopped::Failed(Stop::Harness, unwritten(job, error))),
        Ok(()) => stopped,
    };
    let restarts = recorder.timeline(|timeline| timeline.restarts);
    tell(progress, job, News::Over { stopped, connections: recorder.lanes(), restarts });
    finished
}

/// What to say of a history that could not be written.
pub fn unwritten(job: &Job, error: &std::io::Error) -> String {
    format!("failed to write {}: {error}", job.history.display())
}

fn drive(
    job: &Job,
    recorder: &Rc<Recorder>,
    interrupt: watch::Receiver<bool>,
    progress: &mpsc::Sender<Progress>,
) -> Result<(), Halt> {
    let network = Network::enter(job.isolation, job.migrate_req).map_err(Halt::harness)?;
    // Made after the namespace was entered: a runtime's own sockets stay where they were made.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Halt::harness)?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let heart = tokio::task::spawn_local(beat(Rc::clone(recorder)));
        let crowds = tokio::task::spawn_local(watch_for_crowds(Rc::clone(recorder)));
        let mut conductor =
            Conductor::start(job, network, Rc::clone(recorder), interrupt, progress.clone()).await?;
        let conducted = conductor.conduct().await;
        heart.abort();
        crowds.abort();
        conductor.lanes_gone().await;
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

/// Notices when the machine has no processor for the target. Where /proc/stat can't be read, nothing is said of it.
async fn watch_for_crowds(recorder: Rc<Recorder>) {
    let Ok(mut processors) = Processors::open() else { return };
    loop {
        tokio::time::sleep(CROWDS_EVERY).await;
        match processors.look() {
            Ok(Some(used)) if used.is_crowded() => {
                recorder.record_at(recorder.at(used.to), What::Crowded { from: recorder.at(used.from) });
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}
