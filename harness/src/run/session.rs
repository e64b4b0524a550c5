//! Runs scenarios, several at a time, each on a thread of its own.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::audience::Audience;
use crate::clause::result::Problem;
use crate::exit::Failure;
use crate::history::event::Stop;
use crate::report::style;
use crate::scenario::progress::Progress;
use crate::scenario::runner::{self, Job};
use crate::witness::processors::{self, Processors};

/// So many scenarios for each processor run however busy the machine is, those of all the runs that share it: a run has to come to
/// its end …
const ALWAYS: usize = 6;
/// … and so many more begin, for each processor, whenever …
const AT_A_LOOK: usize = 2;
/// … so much of the processors' time was left over, in percent.
const IDLE: u64 = 25;
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs scenarios until it is broken off.
pub(crate) struct Session {
    interrupt: watch::Receiver<bool>,
    /// Runs that share the machine.
    runs: u16,
    /// The gate of all that is run at the same time, if that is more than one thing.
    gate: Option<Gate>,
    // Without it lanes would take the session for broken off.
    _never: Option<watch::Sender<bool>>,
}

impl Session {
    /// One that ends when the watch says so. So many runs share the machine.
    pub(crate) fn new(interrupt: watch::Receiver<bool>, runs: u16) -> Self {
        Self { interrupt, runs, gate: None, _never: None }
    }

    /// One that nobody breaks off: in a process of somebody else's.
    pub(crate) fn endless() -> Self {
        let (never, interrupt) = watch::channel(false);
        Self { interrupt, runs: 1, gate: None, _never: Some(never) }
    }

    /// The same for runs made by several threads, which it paces as one.
    pub(crate) fn shared() -> Self {
        Self { gate: Some(Gate::new(1)), ..Self::endless() }
    }

    /// Whether it was broken off.
    pub(crate) fn is_broken_off(&self) -> bool {
        *self.interrupt.borrow()
    }

    /// Runs all jobs, at most `at_once` at a time. Whatever they tell meanwhile goes to the audience. Returns those whose history
    /// could not be written; after one of them none is begun any more.
    ///
    /// # Errors
    /// A thread could not be had.
    pub(crate) fn run_all(
        &self,
        jobs: Vec<Job>,
        at_once: usize,
        audience: &mut dyn Audience,
    ) -> Result<Vec<Problem>, Failure> {
        audience.run(jobs.len());
        let problems = match &self.gate {
            Some(gate) => run_all(jobs, at_once, gate, &self.interrupt, audience),
            None => run_all(jobs, at_once, &Gate::new(self.runs), &self.interrupt, audience),
        };
        audience.rest();
        problems
    }
}

fn run_all(
    jobs: Vec<Job>,
    at_once: usize,
    gate: &Gate,
    interrupt: &watch::Receiver<bool>,
    audience: &mut dyn Audience,
) -> Result<Vec<Problem>, Failure> {
    let (sender, progress) = mpsc::channel();
    let mut waiting: VecDeque<Job> = jobs.into();
    let mut running: Vec<Running<'_>> = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    while !waiting.is_empty() || !running.is_empty() {
        if *interrupt.borrow() || !problems.is_empty() {
            waiting.clear();
        }
        for place in gate.enter(at_once, waiting.len()) {
            let Some(job) = waiting.pop_front() else { break };
            running.push(Running { thread: start(job, interrupt.clone(), sender.clone())?, _place: place });
        }
        let news = progress.recv_timeout(LOOK_EVERY);
        news.iter().cloned().chain(progress.try_iter()).for_each(|news| audience.hear(&news));
        let (ended, going): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|running| running.thread.is_finished());
        running = going;
        for problem in ended.into_iter().filter_map(|ended| problem(ended.thread)) {
            if problems.is_empty() {
                let why = style::clean(&problem.message);
                audience.say(&format!("{why}; no other scenario is begun"));
            }
            problems.push(problem);
        }
    }
    progress.try_iter().for_each(|news| audience.hear(&news));
    Ok(problems)
}

/// What a scenario's thread came to, if it left no history.
fn problem(thread: JoinHandle<Result<(), Problem>>) -> Option<Problem> {
    let scenario = thread.thread().name().unwrap_or_default().to_owned();
    let panicked = || Problem {
        scenario,
        stage: Stop::Harness,
        message: "a scenario's thread panicked; this is a fault of hotspec".to_owned(),
    };
    thread.join().unwrap_or_else(|_| Err(panicked())).err()
}

/// A scenario under way.
struct Running<'a> {
    thread: JoinHandle<Result<(), Problem>>,
    _place: Place<'a>,
}

/// Lets scenarios begin, whichever thread they are of.
struct Gate(Mutex<Crowd>);

struct Crowd {
    pace: Pace,
    running: usize,
}

impl Gate {
    fn new(runs: u16) -> Self {
        Self(Mutex::new(Crowd { pace: Pace::new(usize::from(runs)), running: 0 }))
    }

    /// Places for scenarios that may begin now, as many as are wanted at most.
    fn enter(&self, at_once: usize, wanted: usize) -> Vec<Place<'_>> {
        let mut crowd = self.crowd();
        let room = at_once.saturating_sub(crowd.running).min(wanted);
        // What is left over is of no matter where nothing could begin.
        let running = crowd.running;
        let more = if room == 0 { 0 } else { room.min(crowd.pace.more(running)) };
        crowd.running += more;
        (0..more).map(|_| Place(self)).collect()
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A scenario's place among those under way, given back when it is over.
struct Place<'a>(&'a Gate);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.crowd().running -= 1;
    }
}

/// Begins scenarios only as fast as the machine has processors for them: a server that has to share one with forty that all
/// start at once is slow for no fault of its own.
struct Pace {
    processors: Option<Processors>,
    /// Scenarios of this run that go on however busy the machine is.
    always: usize,
}

impl Pace {
    fn new(runs: usize) -> Self {
        let always = (ALWAYS * processors::available()).div_ceil(runs);
        Self { processors: Processors::open().ok(), always }
    }

    /// How many scenarios more may begin now that so many run.
    fn more(&mut self, running: usize) -> usize {
        let Some(stat) = &mut self.processors else { return usize::MAX };
        let many = processors::available();
        let always = self.always.saturating_sub(running);
        match stat.look() {
            Ok(Some(used)) if used.idle >= IDLE => always.max(AT_A_LOOK * many),
            Ok(_) => always,
            Err(_) => {
                self.processors = None;
                usize::MAX
            }
        }
    }
}

/// A thread is never used twice: it may have entered a network namespace.
fn start(
    job: Job,
    interrupt: watch::Receiver<bool>,
    progress: mpsc::Sender<Progress>,
) -> Result<JoinHandle<Result<(), Problem>>, Failure> {
    let name = job.plan.name.clone();
    let run = move || {
        runner::run(&job, interrupt, &progress).map_err(|error| Problem {
            scenario: job.plan.name.clone(),
            stage: Stop::Harness,
            message: format!(
                "{}; make room there, or name another place by --run-dir",
                runner::unwritten(&job, &error)
            ),
        })
    };
    std::thread::Builder::new()
        .name(name)
        .spawn(run)
        .map_err(|error| Failure::own(format!("failed to start a thread: {error}")))
}
