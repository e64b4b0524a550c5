//! Conducts a scenario: starts the target, runs the control phase, triggers the restart, and sees it through.
//!
//! The stages are in `stages`, the trigger in `trigger`, stopping the old generation in `stop`, waiting for the
//! target to answer in `ready`, what is done to the successor's start in `successor`, what is triggered again
//! in `repeat`. Everything waited for a condition that is looked at again
//! whenever something was seen; nothing sleeps in the hope that something has happened meanwhile.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::aftermath;
use super::ledger::Ledger;
use super::lookout::Lookout;
use super::monitor::Monitor;
use super::output::{Output, SocketPath};
use super::progress::{Doing, News, Progress, instant, tell};
use super::repeat::Repeated;
use super::runner::{Halt, Job};
use super::said::Said;
use super::stages::RESTARTS_EXTRA;
use super::successor::{self, Arranged};
use super::told::Told;
use super::wire::Wire;
use crate::client::address::Address;
use crate::client::step::{Anchor, Anchors};
use crate::history::event::{Micros, What};
use crate::history::{Interval, ProcId, Recorder};
use crate::target::launch::{Circumstances, Launch};
use crate::target::network::Network;
use crate::target::warden::{Event as WardenEvent, Step, Warden, WardenError, WardenSpec};
use crate::witness::process::{Exit, Frozen, Redaction};

/// From one look at processes and listening sockets to the next.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lanes that were called off are closed within this.
const LANES_GONE: Duration = Duration::from_secs(5);
/// How often a condition that no event announces is looked at again.
const CHECK_EVERY: Duration = Duration::from_millis(4);
/// How often the history is handed to the system.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// The one who conducts.
pub struct Conductor<'a> {
    pub(super) job: &'a Job,
    pub(super) network: Network,
    pub(super) recorder: Rc<Recorder>,
    pub(super) monitor: Rc<Monitor>,
    pub(super) warden: Warden,
    pub(super) launch: Launch,
    pub(super) main: i32,
    /// How the command that started the target ended, if it has.
    pub(super) main_exit: Cell<Option<Exit>>,
    pub(super) address: Address,
    pub(super) interrupt: watch::Receiver<bool>,
    pub(super) progress: mpsc::Sender<Progress>,
    pub(super) frozen: Option<(Frozen, Vec<ProcId>)>,
    /// Pid file and notify socket.
    pub(super) told: Told,
    /// What is on the wire.
    pub(super) wire: Wire,
    /// What the kernel counts.
    pub(super) ledger: Ledger,
    /// What the target writes.
    pub(super) output: Output,
    /// The path of its unix socket.
    pub(super) socket_path: SocketPath,
    /// The one who watches the handover.
    pub(super) lookout: Option<Lookout>,
    /// Whom the lookout is to stop.
    pub(super) to_stop: Vec<ProcId>,
    /// The old generation still listened when it was stopped.
    pub(super) stopped_in_time: bool,
    /// What is done to the successor's start.
    pub(super) arranged: Arranged,
    /// What the target writes, in scenarios in which restarts have to fail.
    pub(super) said: Option<Said>,
    /// It wrote something since the last trigger.
    pub(super) has_said: bool,
    /// The command of a step failed since the last trigger.
    pub(super) command_failed: bool,
    /// What was triggered again.
    pub(super) repeated: Repeated,
    /// Restarts that were seen through.
    pub(super) round: u32,
    /// How environments are told.
    pub(super) redaction: Redaction,
    anchors: watch::Sender<Anchors>,
    /// Lanes that are open have it too.
    pub(super) presence: Rc<()>,
    looked: Instant,
    flushed: Instant,
}

impl<'a> Conductor<'a> {
    /// Starts the target and waits until it answers.
    pub async fn start(
        job: &'a Job,
        network: Network,
        recorder: Rc<Recorder>,
        interrupt: watch::Receiver<bool>,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Self, Halt> {
        tell(&progress, job, News::Doing(Doing::Starting));
        let circumstances = Circumstances {
            listener: job.plan.listener,
            listeners: job.plan.listeners,
            own_network: network.is_own(),
            hosts: network.hosts(),
            seed: job.seed,
            restarts: job.plan.restarts + RESTARTS_EXTRA,
            drops_listener: job.plan.drops_listener,
        };
        let mut launch =
            Launch::prepare(&job.target, &circumstances, &job.dir, &job.output).map_err(Halt::harness)?;
        let mut told = Told::prepare(&job.target, &mut launch).map_err(Halt::harness)?;
        let mut spec = WardenSpec {
            commands: launch.commands(),
            descriptor_limit: job.descriptor_limit,
            inherited: None,
        };
        let (mut arranged, warden, monitor) = network
            .at_server(|| -> Result<_, Halt> {
                let mut arranged = successor::arrange(job, &launch, &mut spec)?;
                if job.target.origin {
                    super::origin::start(launch.origin, Rc::clone(&recorder)).map_err(Halt::harness)?;
                }
                let warden = Warden::start(&spec).map_err(|error| match error {
                    WardenError::Setup { .. } => Halt::harness(error),
                    error => not_started(error),
                })?;
                arranged.hand_over();
                let monitor = Monitor::new(Rc::clone(&recorder), warden.pid()).map_err(Halt::harness)?;
                Ok((arranged, warden, Rc::new(monitor)))
            })
            .map_err(Halt::harness)??;
        let mut warden = warden;
        monitor.set_flag(job.target.successor.flag.as_deref());
        told.listen(warden.pid()).map_err(Halt::harness)?;
        let started = warden.start_command(0).await.map_err(not_started)?;
        let command = spec.commands.first().ok_or_else(|| Halt::harness("no command starts the target"))?;
        let redaction = aftermath::redaction(command);
        let given = aftermath::given(command, spec.descriptor_limit, warden.pid(), started.pid, &redaction);
        recorder.record(given);
        if let Some(had) = arranged.first_process.take() {
            recorder.record(What::FirstProcess { why: had.err() });
        }
        let mut conductor = Self {
            output: Output::of(&launch),
            socket_path: SocketPath::default(),
            job,
            network,
            recorder,
            monitor,
            warden,
            launch,
            main: started.pid,
            main_exit: Cell::new(None),
            address: Address::Tcp(([127, 0, 0, 1], 0).into()),
            interrupt,
            progress,
            frozen: None,
            told,
            wire: Wire::default(),
            ledger: Ledger::default(),
            lookout: None,
            to_stop: Vec::new(),
            stopped_in_time: true,
            arranged,
            said: None,
            has_said: false,
            command_failed: false,
            redaction,
            repeated: Repeated::default(),
            round: 0,
            anchors: watch::Sender::new(Anchors::default()),
            presence: Rc::new(()),
            looked: Instant::now(),
            flushed: Instant::now(),
        };
        // An adopted target is watched from its first moment on, by lanes.
        let told = conductor.launch.address.clone();
        let adopted = told.filter(|_| conductor.arranged.adopted.is_some());
        let ready = match adopted {
            Some(address) => Ok(address),
            None => conductor.until_ready().await,
        };
        conductor.address = match ready {
            Ok(address) => address,
            Err(halt) => {
                let ended = conductor.end().await;
                return Err(match (halt, ended) {
                    (halt @ Halt::Interrupted, _) | (halt, Ok(())) => halt,
                    (_, Err(worse)) => worse,
                });
            }
        };
        conductor.monitor.set_address(&conductor.address);
        let Self { wire, address, recorder, network, .. } = &mut conductor;
        network
            .at_server(|| wire.begin(address, network.interface(), recorder, &job.packets))
            .map_err(Halt::harness)?;
        conductor.ledger = Ledger::of(&conductor.address, conductor.warden.pid(), conductor.network.is_own());
        conductor.ledger.read(&conductor.recorder);
        conductor.monitor.set_extra(conductor.launch.extra);
        conductor.socket_path.watch(&conductor.address, &conductor.recorder);
        Ok(conductor)
    }

    /// Waits until a condition holds, or until `deadline` on the run's clock; meanwhile looks at processes and listening
    /// sockets, and lets lanes know of the instants that have come. Returns whether the condition holds.
    ///
    /// # Errors
    /// The user broke the run off, or the warden was lost.
    pub(super) async fn until(
        &mut self,
        deadline: Micros,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<bool, Halt> {
        loop {
            self.look_if_due();
            if holds(self) {
                return Ok(true);
            }
            if self.recorder.now() >= deadline {
                return Ok(false);
            }
            let event = tokio::select! {
                event = self.warden.next_event() => Some(event),
                () = tokio::time::sleep(CHECK_EVERY) => None,
            };
            if let Some(event) = event {
                let lost = || Halt::harness("the warden ended before it was told to");
                let event = event.map_err(Halt::harness)?.ok_or_else(lost)?;
                self.note_warden(&event);
            }
            if *self.interrupt.borrow() {
                return Err(Halt::Interrupted);
            }
        }
    }

    pub(super) fn look_if_due(&mut self) {
        if self.looked.elapsed() >= LOOK_EVERY {
            self.monitor.look();
            if self.wire.hear(&self.recorder) {
                self.ledger.read(&self.recorder);
            }
            self.output.look(&self.recorder);
            self.socket_path.look(&self.recorder);
            self.looked = Instant::now();
        }
        if self.flushed.elapsed() >= FLUSH_EVERY {
            self.recorder.flush();
            self.flushed = Instant::now();
        }
        self.hear_lookout();
        self.tend_road();
        self.told.hear(&self.recorder, &self.monitor);
        if let Some(said) = &mut self.said {
            self.has_said |= said.hear(&self.recorder);
        }
        self.publish();
    }

    /// Lets lanes know of the instants that have come.
    pub(super) fn publish(&self) {
        let now = self.recorder.now();
        let drain_start_max = self.job.limits.drain_start_max;
        let (tr, td, tx) = self
            .recorder
            .timeline(|timeline| (timeline.tr(), timeline.td_last(drain_start_max), timeline.tx()));
        let td = td.or_else(|| self.drain_in_place(tr, now));
        for (anchor, instant) in [(Anchor::Tr, tr), (Anchor::Td, td), (Anchor::Tx, tx)] {
            if let Some(instant) = instant.filter(|instant| instant.hi <= now) {
                self.reach(anchor, instant.hi);
            }
        }
        if let Some(lookout) = self.lookout.as_ref().filter(|_| self.reached(Anchor::Td)) {
            lookout.be_calm();
        }
    }

    /// What is taken for Td where a server begins anew inside itself, and nothing shows when the connections from before are told to
    /// end: it serves anew, or so much time has gone by that what begins now is still owed an answer.
    fn drain_in_place(&self, tr: Option<Interval>, now: Micros) -> Option<Interval> {
        let t0 = self.anchors.borrow().get(Anchor::T0)?;
        let at = tr.map_or(Micros::MAX, |tr| tr.hi).min(t0.saturating_add(self.job.limits.idle_max / 4));
        let due = now >= at && !self.reached(Anchor::Td);
        (due && self.is_in_place()).then(|| Interval::new(at, at))
    }

    /// An instant has come; lanes that wait for it go on.
    pub(super) fn reach(&self, anchor: Anchor, at: Micros) {
        let news = self.anchors.send_if_modified(|anchors| anchors.reach(anchor, at));
        let Some(instant) = instant(anchor).filter(|_| news) else { return };
        let (control, restart) =
            self.recorder.timeline(|timeline| (timeline.in_control(), timeline.restarts));
        if !control && restart > 0 {
            tell(&self.progress, self.job, News::Instant { instant, restart });
        }
    }

    /// Whether an instant has come.
    pub(super) fn reached(&self, anchor: Anchor) -> bool {
        self.anchors.borrow().get(anchor).is_some()
    }

    /// The instants begin anew; returns what lanes are to watch.
    pub(super) fn new_anchors(&mut self) -> watch::Receiver<Anchors> {
        let (sender, receiver) = watch::channel(Anchors::default());
        self.anchors = sender;
        receiver
    }

    /// Writes down what the warden told.
    pub(super) fn note_warden(&self, event: &WardenEvent) {
        match event {
            WardenEvent::Exited { pid, exit, at_ns, command, .. } => {
                if *command == Some(0) {
                    self.main_exit.set(Some(*exit));
                }
                let (code, signal) = match exit {
                    Exit::Code(code) => (Some(*code), None),
                    Exit::Signal { signo, .. } => (None, Some(*signo)),
                };
                let at = self.recorder.at_ns(*at_ns);
                self.recorder.record_at(at, What::Exit { pid: *pid, code, signal });
            }
            WardenEvent::Signalled { signo, from_pid, .. } => {
                self.recorder.record(What::Signalled { signo: *signo, pid: *from_pid });
                // Where the harness plays the parent, it is meant to be sent one.
                if self.arranged.adopted.is_none() {
                    let text = format!(
                        "process {from_pid} sent signal {signo} to the warden, which stands above the target"
                    );
                    self.recorder.record(What::Note { text });
                }
            }
            WardenEvent::Survivor { pid, errno, .. } => {
                let text = format!("process {pid} could not be taken down (errno {errno})");
                self.recorder.record(What::Note { text });
            }
            _ => {}
        }
    }

    /// Waits until all lanes are closed that were called off: what the target does when it is taken down is no fault of its.
    pub async fn lanes_gone(&self) {
        let deadline = Instant::now() + LANES_GONE;
        while Rc::strong_count(&self.presence) > 1 && Instant::now() < deadline {
            tokio::task::yield_now().await;
        }
    }

    /// Takes the target down.
    ///
    /// # Errors
    /// Processes were left behind.
    pub async fn end(&mut self) -> Result<(), Halt> {
        self.lookout = None;
        self.frozen = None;
        self.wire.tell(&self.recorder);
        self.ledger.read(&self.recorder);
        self.feed();
        self.told.end(&self.recorder, &self.monitor);
        self.socket_path.end(&self.recorder);
        self.output.end(&self.recorder);
        self.warden.end().await.map_err(Halt::harness)
    }
}

/// What the target can be blamed for, and what is the machine's or our own.
pub(super) fn not_started(error: WardenError) -> Halt {
    match &error {
        WardenError::Command(_) | WardenError::Lost { .. } => Halt::start(error),
        WardenError::NotStarted { step: Step::Execute | Step::Directory | Step::Output, .. } => {
            Halt::start(error)
        }
        _ => Halt::harness(error),
    }
}
