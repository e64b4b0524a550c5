//! What is done to the successor's start: it is held at a gate for a while, its parent is killed meanwhile, or the harness
//! plays the parent from the beginning.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::signal::Signal;
use socket2::{Domain, Protocol, Socket, Type};

use super::conductor::Conductor;
use super::file::SuccessorStart;
use super::progress::{Doing, News, tell};
use super::runner::{Halt, Job};
use super::starved::Starvation;
use crate::client::address::Address;
use crate::client::step::Anchor;
use crate::history::event::{Phase, What};
use crate::history::{Micros, ProcId};
use crate::target::launch::Launch;
use crate::target::namespace;
use crate::target::program_copy::ProgramCopy;
use crate::target::program_path::{Fate, Gate, ProgramPath};
use crate::target::refusal::Refusal;
use crate::target::warden::WardenSpec;
use crate::witness::process::Pidfd;

/// The number under which an adopted target finds the listening socket.
const ADOPTED_AS: i32 = 20;
/// Connections that may wait in the queue of a listening socket that the harness opens.
const BACKLOG: i32 = 1024;
/// A signal that comes when it should not comes within this of the time when it could have come.
pub(super) const SIGNAL_WITHIN: Micros = 1_000_000;

/// What becomes of those who come to the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Passage {
    /// They are let through at once: that they came by is all that is to be seen.
    Free,
    /// They are let through when a start has taken as long as a slow one may.
    Slow,
    /// They stay until they are let through.
    #[default]
    Held,
    /// They end at once.
    End(Fate),
    /// They hang, and end when a start has taken as long as a slow one may.
    Hang,
}

/// What was arranged before the target was started.
#[derive(Debug, Default)]
pub(super) struct Arranged {
    /// The path by which the next generation will be started.
    pub(super) road: Option<Road>,
    /// Copies of the program, one of which is to take the other's place.
    pub(super) copy: Option<ProgramCopy>,
    /// How the target is kept from processor time.
    pub(super) starvation: Option<Starvation>,
    /// What becomes of those who come to the gate on it.
    pub(super) passage: Passage,
    /// Somebody came to the gate since it was put up.
    pub(super) came: bool,
    /// The latest one to come has been dealt with.
    pub(super) dealt_with: bool,
    /// Who answers the kernel when it asks about the target's forks and executions.
    pub(super) refusal: Option<Refusal>,
    /// The target was to be process 1; the error says why it is not.
    pub(super) first_process: Option<Result<(), String>>,
    /// What an adopted target was told.
    pub(super) adopted: Option<Vec<String>>,
    /// The listening socket that the harness opened; the warden has a copy once it is started.
    listener: Option<OwnedFd>,
}

/// The way to the program: free, or with a gate on it.
#[derive(Debug)]
pub(super) enum Road {
    /// Whoever is started gets through.
    Free(ProgramPath),
    /// Nobody is started: the program is spoilt.
    Spoilt(ProgramPath),
    /// Whoever is started waits.
    Closed {
        /// The gate.
        gate: Gate,
        /// When it was last looked at with nobody there.
        looked: Micros,
        /// When somebody was first seen there.
        held: Option<Micros>,
    },
}

/// Arranges for the scenario's successor, and completes what the warden is to start.
pub(super) fn arrange(job: &Job, launch: &Launch, spec: &mut WardenSpec) -> Result<Arranged, Halt> {
    let mut arranged =
        Arranged { starvation: job.plan.starved.then(|| Starvation::arrange(spec)), ..Arranged::default() };
    let Some(command) = spec.commands.first_mut() else { return Ok(arranged) };
    if job.plan.first_process {
        let had = namespace::try_pid_namespace();
        command.first_process = had.is_ok();
        let why = |error| format!("no PID namespace of its own for the target: {error}");
        arranged.first_process = Some(had.map_err(why));
    }
    if let Some(way) = job.plan.program {
        let copy = ProgramCopy::lay(&job.dir.join("program"), command, way).map_err(Halt::start)?;
        arranged.copy = Some(copy);
    }
    if job.plan.failing.iter().any(|fault| fault.by_kernel()) {
        let refusal = Refusal::start()
            .map_err(|error| Halt::harness(format!("failed to answer for the kernel: {error}")))?;
        command.asked_about = true;
        spec.inherited = refusal.inherited();
        arranged.refusal = Some(refusal);
    }
    if job.plan.failing.iter().any(|fault| fault.by_path()) {
        let path = ProgramPath::lay(&job.dir.join("program"), command).map_err(Halt::start)?;
        for fault in &job.plan.failing {
            path.prepare(*fault).map_err(|error| {
                Halt::harness(format!("failed to prepare what spoils the program: {error}"))
            })?;
        }
        arranged.road = Some(Road::Free(path));
        return Ok(arranged);
    }
    match job.plan.successor {
        None => {}
        Some(start @ (SuccessorStart::Slow | SuccessorStart::Orphaned)) => {
            let path = ProgramPath::lay(&job.dir.join("program"), command).map_err(Halt::start)?;
            arranged.road = Some(Road::Free(path));
            let slow = start == SuccessorStart::Slow;
            arranged.passage = if slow { Passage::Slow } else { Passage::Held };
        }
        Some(SuccessorStart::Adopted) => {
            let flag = job.target.successor.flag.clone().unwrap_or_default();
            let Some(Address::Tcp(address)) = launch.address else {
                return Err(Halt::start(
                    "nothing tells the target where to listen, so no socket can be opened for it; say `{address}` in its arguments",
                ));
            };
            let listener = listen(address).map_err(|error| {
                Halt::harness(format!("failed to open a listening socket on {address}: {error}"))
            })?;
            let told = [flag, ADOPTED_AS.to_string()];
            command.args.extend(told.iter().map(Into::into));
            command.inherits_as = Some(ADOPTED_AS);
            spec.inherited = Some(listener.as_raw_fd());
            arranged.listener = Some(listener);
            arranged.adopted = Some(told.to_vec());
        }
    }
    Ok(arranged)
}

fn listen(address: SocketAddr) -> std::io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Arranged {
    /// The warden has its copy of the listening socket.
    pub(super) fn hand_over(&mut self) {
        self.listener = None;
        self.refusal.iter_mut().for_each(Refusal::hand_over);
    }
}

impl Conductor<'_> {
    /// The other copy takes the program's place, if the scenario says so.
    pub(super) fn replace_program(&self) -> Result<(), Halt> {
        let Some(copy) = &self.arranged.copy else { return Ok(()) };
        let from = self.recorder.now();
        copy.replace().map_err(|error| {
            Halt::harness(format!("failed to replace the program {}: {error}", copy.describe()))
        })?;
        let how = copy.describe().to_owned();
        self.recorder.record(What::Replaced { how, former: copy.former, file: copy.file, from });
        Ok(())
    }

    /// Puts the gate up: whoever is started by the program's path from now on waits there.
    pub(super) fn close_road(&mut self) -> Result<(), Halt> {
        (self.arranged.came, self.arranged.dealt_with) = (false, false);
        self.arranged.road = match self.arranged.road.take() {
            Some(Road::Free(path)) => {
                let gate = path
                    .close()
                    .map_err(|error| Halt::harness(format!("failed to hold the successor up: {error}")))?;
                Some(Road::Closed { gate, looked: self.recorder.now(), held: None })
            }
            other => other,
        };
        Ok(())
    }

    /// Looks who waits at the gate, and deals with it when its time has come.
    pub(super) fn tend_road(&mut self) {
        let now = self.recorder.now();
        let Some(Road::Closed { gate, looked, held }) = &mut self.arranged.road else { return };
        if held.is_none() && gate.holds() {
            self.recorder.record(What::Held { on: true, from: *looked });
            *held = Some(now);
            (self.arranged.came, self.arranged.dealt_with) = (true, false);
            // Its command line is to be seen while it stands there.
            self.monitor.look();
        }
        if held.is_none() {
            *looked = now;
            return;
        }
        let t0 = self.recorder.timeline(|timeline| timeline.t0);
        let due = t0.is_some_and(|t0| now >= t0.lo.saturating_add(self.job.limits.slow_start()));
        match self.arranged.passage {
            Passage::Free => self.open_road(),
            Passage::Slow if due => self.open_road(),
            Passage::End(fate) => self.turn_away(fate),
            Passage::Hang if due => self.turn_away(Fate::Kill),
            Passage::Slow | Passage::Hang | Passage::Held => {}
        }
    }

    fn turn_away(&mut self, fate: Fate) {
        let from = self.recorder.now();
        let Some(Road::Closed { gate, looked, held }) = &mut self.arranged.road else { return };
        gate.turn_away(fate);
        (*looked, *held) = (from, None);
        self.arranged.dealt_with = true;
        self.recorder.record(What::Held { on: false, from });
    }

    /// The gate is taken away. Whoever waits at it is let through.
    pub(super) fn open_road(&mut self) {
        let (gate, somebody) = match self.arranged.road.take() {
            Some(Road::Closed { gate, held, .. }) => (gate, held.is_some()),
            other => {
                self.arranged.road = other;
                return;
            }
        };
        let from = self.recorder.now();
        let (path, opened) = gate.open();
        self.arranged.road = Some(Road::Free(path));
        if somebody {
            self.arranged.dealt_with = true;
            self.recorder.record(What::Held { on: false, from });
        }
        if let Err(error) = opened {
            let text = format!("the gate before the program could not be taken away: {error}");
            self.recorder.record(What::Note { text });
        }
    }

    fn holds_somebody(&self) -> bool {
        matches!(self.arranged.road, Some(Road::Closed { held: Some(_), .. }))
    }

    /// Kills those of these processes that are alive.
    pub(super) fn kill(&self, wanted: &[ProcId]) {
        // Whoever is gone by now is seen to be.
        self.monitor.look();
        let from = self.recorder.now();
        let mut procs = Vec::new();
        for (proc, epoch) in self.monitor.alive().into_iter().filter(|(proc, _)| wanted.contains(proc)) {
            let killed = Pidfd::open(epoch).and_then(|process| {
                process.map_or(Ok(false), |process| process.signal(Signal::SIGKILL as i32))
            });
            match killed {
                Ok(_) => procs.push(proc),
                Err(error) => {
                    let text = format!("process {} could not be killed: {error}", epoch.pid);
                    self.recorder.record(What::Note { text });
                }
            }
        }
        self.recorder.record(What::Killed { procs, from });
    }

    /// The old generation is killed while its successor stands at the gate; then the successor is let through.
    pub(super) async fn orphan(&mut self) -> Result<(), Halt> {
        let until = self.recorder.now() + self.job.limits.ready_max;
        self.until(until, |stage| stage.holds_somebody() || stage.reached(Anchor::Tr)).await?;
        if !self.holds_somebody() {
            return Ok(());
        }
        let old = self.recorder.timeline(|timeline| timeline.generations().old);
        self.kill(&old);
        let until = self.recorder.now() + self.job.limits.ready_max;
        self.until(until, |stage| stage.reached(Anchor::Tx)).await?;
        self.open_road();
        let until = self.recorder.now() + self.job.limits.ready_max;
        self.until(until, |stage| stage.reached(Anchor::Tr)).await?;
        // Nothing is awaited but a signal that should not come.
        let until = self.recorder.now() + SIGNAL_WITHIN;
        self.until(until, |_| false).await?;
        Ok(())
    }

    /// The harness is the parent: it waits for the target to say that it is ready, and to serve.
    pub(super) async fn adopt(&mut self) -> Result<(), Halt> {
        tell(&self.progress, self.job, News::Doing(Doing::Adopted));
        let arguments = self.arranged.adopted.clone().unwrap_or_default();
        let mut lanes = self.lanes(Phase::Restart);
        self.recorder.record(What::Adopted { pid: self.main, arguments });
        lanes.start_probes(&self.job.target.endpoints);
        let until = self.recorder.now() + self.job.limits.ready_max;
        self.until(until, |stage| stage.recorder.timeline(|timeline| timeline.answers > 0)).await?;
        let until = self.recorder.now() + SIGNAL_WITHIN;
        self.until(until, |_| false).await?;
        self.wind_up(&mut lanes).await
    }
}
