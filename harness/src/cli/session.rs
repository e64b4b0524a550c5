//! Runs scenarios, several at a time, each on a thread of its own.

use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use crate::clause::result::Problem;
use crate::exit::{self, Failure};
use crate::history::event::Stop;
use crate::report::style;
use crate::scenario::progress::{Doing, News, Progress};
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

/// While it lasts, a first Ctrl-C (or SIGTERM) breaks what runs off in order, a second at once.
pub(super) struct Session {
    interrupt: watch::Receiver<bool>,
    /// Runs that share the machine.
    runs: usize,
}

impl Session {
    /// Watches for signals from now on. There is one in a process, and so many processes that run scenarios at the same time.
    ///
    /// # Errors
    /// They can't be watched for.
    pub(super) fn begin(runs: u16) -> Result<Self, Failure> {
        Ok(Self { interrupt: watch_signals()?, runs: usize::from(runs) })
    }

    /// Whether it was broken off.
    pub(super) fn is_broken_off(&self) -> bool {
        *self.interrupt.borrow()
    }

    /// Runs all jobs, at most `at_once` at a time. Whatever they tell meanwhile goes to `hear`. Returns those whose history could not
    /// be written; after one of them none is begun any more.
    ///
    /// # Errors
    /// A thread could not be had.
    pub(super) fn run_all(
        &self,
        jobs: Vec<Job>,
        at_once: usize,
        hear: &mut dyn FnMut(&Progress),
    ) -> Result<Vec<Problem>, Failure> {
        run_all(jobs, at_once, Pace::new(self.runs), &self.interrupt, hear)
    }
}

fn run_all(
    jobs: Vec<Job>,
    at_once: usize,
    mut pace: Pace,
    interrupt: &watch::Receiver<bool>,
    hear: &mut dyn FnMut(&Progress),
) -> Result<Vec<Problem>, Failure> {
    let (sender, progress) = mpsc::channel();
    let mut waiting: VecDeque<Job> = jobs.into();
    let mut bar = Bar::new(waiting.len());
    let mut running: Vec<JoinHandle<Result<(), Problem>>> = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    while !waiting.is_empty() || !running.is_empty() {
        let room = at_once.saturating_sub(running.len()).min(waiting.len());
        // What is left over is of no matter where nothing could begin.
        let more = if room == 0 || *interrupt.borrow() { 0 } else { room.min(pace.more(running.len())) };
        for job in waiting.drain(..more) {
            running.push(start(job, interrupt.clone(), sender.clone())?);
        }
        if *interrupt.borrow() || !problems.is_empty() {
            waiting.clear();
        }
        let news = progress.recv_timeout(LOOK_EVERY);
        news.iter().cloned().chain(progress.try_iter()).for_each(|news| {
            bar.show(&news);
            hear(&news);
        });
        let (ended, going): (Vec<_>, Vec<_>) = running.into_iter().partition(JoinHandle::is_finished);
        running = going;
        for problem in ended.into_iter().filter_map(problem) {
            if problems.is_empty() {
                bar.clear();
                let why = style::clean(&problem.message);
                exit::say(&format!("hotspec: {why}; no other scenario is begun"));
            }
            problems.push(problem);
        }
    }
    progress.try_iter().for_each(|news| hear(&news));
    bar.clear();
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

/// Turns SIGINT and SIGTERM into a word to all scenarios.
fn watch_signals() -> Result<watch::Receiver<bool>, Failure> {
    let (sender, receiver) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::own)?;
    let (ready, is_ready) = mpsc::channel();
    let watched = move || {
        runtime.block_on(async move {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut int), Ok(mut term)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            let _ = ready.send(());
            loop {
                tokio::select! {
                    _ = int.recv() => {}
                    _ = term.recv() => {}
                }
                if sender.send_replace(true) {
                    exit::say("hotspec: ended at once; nothing more is judged or written");
                    // The wardens notice that we are gone, and take their trees down.
                    std::process::exit(i32::from(exit::INTERRUPTED));
                }
                exit::say("hotspec: breaking off; what was recorded is still reported (again: at once)");
            }
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watched).map_err(Failure::own)?;
    is_ready.recv().map_err(|_| Failure::own("failed to watch for SIGINT and SIGTERM"))?;
    Ok(receiver)
}

/// One line on a terminal that says what goes on; nothing elsewhere.
struct Bar {
    bar: Option<ProgressBar>,
    doing: BTreeMap<String, Doing>,
}

impl Bar {
    fn new(scenarios: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(scenarios as u64);
            let style =
                ProgressStyle::with_template("{spinner} {pos}/{len} scenarios  {elapsed}  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, doing: BTreeMap::new() }
    }

    fn show(&mut self, news: &Progress) {
        let Some(bar) = &self.bar else { return };
        match &news.news {
            News::Doing(doing) => {
                self.doing.insert(news.scenario.clone(), *doing);
            }
            News::Instant { .. } => return,
            News::Over { .. } => {
                self.doing.remove(&news.scenario);
                bar.inc(1);
            }
        }
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for doing in self.doing.values() {
            *count.entry(doing.as_str()).or_default() += 1;
        }
        let message: Vec<String> = count.iter().map(|(doing, many)| format!("{many} {doing}")).collect();
        bar.set_message(message.join(", "));
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
