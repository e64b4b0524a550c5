//! Beside a server that was up already: where its processes are, which scenarios it can be put through, and when lanes go on
//! where nobody looks at processes.

use std::rc::Rc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::conductor::Conductor;
use super::file::Scenario;
use super::keeper::Keeper;
use super::monitor::{Monitor, Watched};
use super::runner::Halt;
use crate::history::event::What;
use crate::history::{Interval, Micros, Recorder, Timeline};
use crate::target::listen::ListenKind;
use crate::target::running::{Running, Whereabouts};
use crate::target::warden::WardenSpec;
use crate::witness::process::{Epoch, Stat, Tree};

/// Why nobody looks at processes.
const NOT_SAID: &str =
    "processes and socket table: nobody said which process the server is (--pid, --pid-file, --unit)";
/// How often a program is asked which process is the main one.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Why a server that was up already can't be put through this scenario.
pub(super) fn out_of_reach(scenario: &Scenario, running: &Running) -> Option<&'static str> {
    let kind = if running.address.is_ipv6() { ListenKind::Ipv6 } else { ListenKind::Ipv4 };
    if scenario.stop.is_some() {
        Some(
            "it stops the old generation for a while (SIGSTOP), and hotspec sends no signal that it was not told to",
        )
    } else if scenario.successor.is_some() || scenario.program.is_some() || !scenario.failing.is_empty() {
        Some("it takes hold of how the program is started, and hotspec has not started this server")
    } else if scenario.first_process || scenario.starved {
        Some("it starts the server in circumstances of its own, and hotspec has not started this one")
    } else if scenario.again.is_some() {
        Some(
            "a trigger amid a restart may leave a server without service, and hotspec could not start this one again",
        )
    } else if scenario.listeners > 1
        || !matches!(scenario.listener, ListenKind::Ipv4) && scenario.listener != kind
    {
        Some("it is about a listening socket that is not the URL's")
    } else if !scenario.probes && running.whereabouts.is_none() {
        Some("nobody connects in it, so that there is nothing to be seen without --pid, --pid-file or --unit")
    } else {
        None
    }
}

/// Nothing is started: commands can be run, and processes are watched if it was said where they are.
pub(super) fn prepare(
    running: &Running,
    spec: &WardenSpec,
    recorder: &Rc<Recorder>,
) -> Result<(Keeper, Monitor), Halt> {
    let processes = running.whereabouts.is_some();
    recorder.record(What::Beside { processes, header: running.marker_header.clone() });
    let tree = Tree::of_family().map_err(Halt::harness)?;
    let watched = if processes { Watched::These(tree) } else { Watched::Nobody(tree, NOT_SAID) };
    let keeper = Keeper::beside(spec.commands.clone(), spec.descriptor_limit);
    Ok((keeper, Monitor::new(Rc::clone(recorder), watched)))
}

/// Asks again and again which process is the main one, on a thread of its own where that takes long.
#[derive(Debug)]
pub(super) struct Finder {
    whereabouts: Whereabouts,
    /// What the thread found last.
    found: Option<Arc<AtomicI32>>,
}

impl Finder {
    fn new(whereabouts: &Whereabouts) -> Result<Self, Halt> {
        let found = whereabouts.is_slow().then(|| Arc::new(AtomicI32::new(0)));
        if let Some(found) = &found {
            let (found, whereabouts) = (Arc::downgrade(found), whereabouts.clone());
            std::thread::Builder::new()
                .name("finder".to_owned())
                .spawn(move || ask_again(&whereabouts, &found))
                .map_err(Halt::harness)?;
        }
        Ok(Self { whereabouts: whereabouts.clone(), found })
    }

    /// The main process now, if it can be told.
    fn main_pid(&self) -> Option<i32> {
        match &self.found {
            Some(found) => Some(found.load(Ordering::Relaxed)).filter(|pid| *pid > 1),
            None => self.whereabouts.main_pid().ok(),
        }
    }
}

/// Until nobody wants to know any more.
fn ask_again(whereabouts: &Whereabouts, found: &Weak<AtomicI32>) {
    while let Some(found) = found.upgrade() {
        if let Ok(pid) = whereabouts.main_pid() {
            found.store(pid, Ordering::Relaxed);
        }
        drop(found);
        std::thread::sleep(ASK_EVERY);
    }
}

/// When lanes go on where the instants can't be seen. Nothing is judged by them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Supposed {
    tr: Micros,
    td: Micros,
    /// The old generation has had all the time that it may take.
    pub(super) tx: Micros,
}

impl Conductor<'_> {
    /// Whether the server was up already, and nobody said where its processes are.
    pub(super) fn sees_clients_only(&self) -> bool {
        self.job.target.running.as_ref().is_some_and(|running| running.whereabouts.is_none())
    }

    /// Finds the processes of a server that was up already.
    pub(super) fn find_processes(&mut self, running: &Running) -> Result<(), Halt> {
        let Some(whereabouts) = &running.whereabouts else { return Ok(()) };
        match whereabouts.main_pid() {
            // What an earlier restart left behind, and is not below it, is no business of this one.
            Ok(pid) => self.monitor.adopt(pid),
            // Its successor is known from the restart before.
            Err(error) => {
                running.kept.family().iter().for_each(|(pid, _)| self.monitor.adopt(*pid));
                if self.monitor.family().is_empty() {
                    return Err(Halt::start(error));
                }
            }
        }
        self.finder = Some(Finder::new(whereabouts)?);
        self.monitor.look();
        if self.monitor.sees_all() && self.monitor.listening().is_empty() {
            let option = whereabouts.option();
            return Err(Halt::start(format!(
                "neither {} nor a process below it listens on {}; name the server's main process, or leave {option} out where something stands in between (a proxy, a container's network): then clients alone are asked",
                whereabouts.describe(),
                self.address
            )));
        }
        Ok(())
    }

    /// Whoever is the main process by now belongs to the server.
    pub(super) fn find_again(&self) {
        if let Some(pid) = self.finder.as_ref().and_then(Finder::main_pid) {
            self.monitor.adopt(pid);
        }
    }

    /// The process that is told where to find the server, for a signal.
    pub(super) fn told_main(&self, running: &Running) -> Result<Epoch, Halt> {
        let nobody = || Halt::start("a signal needs to be told its process: --pid, --pid-file or --unit");
        let whereabouts = running.whereabouts.as_ref().ok_or_else(nobody)?;
        let pid = whereabouts.main_pid().map_err(|error| {
            let hint = match whereabouts {
                Whereabouts::Pid(_) => {
                    "; where the main process is another one after a restart, --pid-file or --unit tell which"
                }
                _ => "",
            };
            Halt::start(format!("{error}{hint}"))
        })?;
        let gone = || Halt::start(format!("process {pid} was gone before it could be sent a signal"));
        Stat::read(pid).map(|stat| stat.epoch).ok_or_else(gone)
    }

    /// When lanes go on where nobody looks at processes: the successor is supposed to serve when the command is over (or the
    /// new marker shows), and the old generation to take all the time that it may.
    pub(super) fn supposed(&self) -> Option<Supposed> {
        let triggered = self.triggered.filter(|_| self.sees_clients_only())?;
        let limits = self.job.limits;
        let header = self.job.target.running.as_ref().is_some_and(|running| running.marker_header.is_some());
        let unseen = if header { triggered.saturating_add(limits.ready_max) } else { triggered };
        let tr = self.recorder.timeline(Timeline::tr).map_or(unseen, |tr| tr.hi.max(triggered));
        let td = tr.saturating_add(limits.drain_start_max);
        let tx = td.saturating_add(limits.idle_max).saturating_add(limits.exit_max);
        Some(Supposed { tr, td, tx })
    }

    /// Instants as they were seen, or, where they can't be, as they are supposed.
    pub(super) fn or_supposed(
        &self,
        tr: Option<Interval>,
        td: Option<Interval>,
        tx: Option<Interval>,
    ) -> (Option<Interval>, Option<Interval>, Option<Interval>) {
        let Some(supposed) = self.supposed() else { return (tr, td, tx) };
        let at = |at| Some(Interval::new(at, at));
        (at(supposed.tr), at(supposed.td), at(supposed.tx))
    }
}
