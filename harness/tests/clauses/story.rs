//! A correct restart, told as its history. Times are milliseconds of the run's clock.

use std::sync::LazyLock;

use hotspec::declaration::{Documented, Profile};
use hotspec::history::event::{
    CommonDescriptor, Counted, Event, Fault, Interval, LaneId, ListenerRow, Micros, Owner, Phase, ProcId,
    SCHEMA, What,
};
use hotspec::history::{Model, timeline};
use hotspec::scenario::builtin;
use hotspec::scenario::file::{Scenario, Stop, SuccessorStart};
use hotspec::target::file::ListenKind;

use crate::lane::Script;
use crate::quiet::{self, Quiet};
use crate::{correct, rounds, trials};

/// The process from before the trigger.
pub(crate) const OLD: Owner = Owner::Process(0);
/// Its successor.
pub(crate) const NEW: Owner = Owner::Process(1);

/// Lanes of control start here.
pub(crate) const CONTROL: u64 = 20;
/// Lanes of the restart start here.
pub(crate) const RESTART: u64 = 8_100;
/// The trigger.
pub(crate) const T0: u64 = 9_000;
/// The successor is seen.
pub(crate) const BORN: u64 = 9_100;
/// It answers a probe.
pub(crate) const TR: u64 = 9_200;
/// The old process stops accepting, and announces the close from here on.
pub(crate) const TD: u64 = 9_250;
/// How long a draining server keeps an idle connection.
pub(crate) const IDLE_MAX: u64 = 4_000;
/// The least that a history lasts.
const END: u64 = 20_000;

/// The listening socket.
pub(crate) const LISTENER: ListenerRow = ListenerRow { inode: 501, cookie: 9, backlog: 128 };

/// What the server does in the restart; a story that is to fail changes something here.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// The successor is born.
    pub(crate) born: Option<u64>,
    /// It answers.
    pub(crate) answers: Option<u64>,
    /// What it executes.
    pub(crate) program: &'static str,
    /// The old process closes its listener.
    pub(crate) unlistens: Option<u64>,
    /// It answers with an announced close from here on.
    pub(crate) announces: Option<u64>,
    /// It closes connections that stay idle.
    pub(crate) times_out: Option<u64>,
    /// It is gone; [`Gone::InTime`] follows the last of its connections.
    pub(crate) gone: Gone,
    /// Canaries stand on it.
    pub(crate) canaries: bool,
    /// The step of the trigger after which it is to drain, where that is not the first.
    pub(crate) drain_step: Option<u64>,
    /// The successor waits at the gate, once born, and is let through then.
    pub(crate) let_through: Option<u64>,
    /// What its command line names while it stands there: the descriptor's inode, 0 for anything else.
    pub(crate) names: Option<u64>,
    /// What keeps this restart from succeeding.
    pub(crate) fault: Option<Fault>,
    /// Nothing is said of that.
    pub(crate) silent: bool,
    /// Somebody came by the path by which the program is started.
    pub(crate) by_path: bool,
    /// The harness kills the old process then.
    pub(crate) killed: Option<u64>,
}

impl Server {
    /// The old process serves on, and no other comes.
    pub(crate) fn has_no_successor(&mut self) {
        self.born = None;
        self.answers = None;
        self.unlistens = None;
        self.announces = None;
        self.times_out = None;
        self.gone = Gone::Never;
    }
}

/// When the old process goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// Shortly after the last of its connections.
    InTime,
    /// Then.
    At(u64),
    /// Not while it is watched.
    Never,
}

/// One scenario under one server.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) scenario: Scenario,
    pub(crate) profile: Profile,
    pub(crate) model: Model,
    pub(crate) server: Server,
    /// What its processes are while all is quiet, and how the old one ends.
    pub(crate) quiet: Quiet,
    /// What it tells its successor.
    pub(crate) documented: Documented,
    /// The machine shows neither processes nor sockets.
    pub(crate) withheld: bool,
    pub(crate) events: Vec<Event>,
    /// The target is judged by this hard limit, in milliseconds.
    pub(crate) hard_limit: Option<u64>,
    /// Who else is left after a restart that failed.
    pub(crate) left: Vec<Counted>,
    /// Restarts that follow on this one: of each, what is told of its restart.
    pub(crate) later: Vec<Story>,
    /// The last end of a connection of the old process.
    pub(crate) old_until: Micros,
    pub(crate) next: LaneId,
}

/// The scenario that comes with the program under this name, and a server that does all it owes.
pub(crate) fn correct(scenario: &str) -> Story {
    let mut story = frame(scenario);
    correct::lanes(&mut story);
    story
}

/// What a story is told of beside its own lanes, where that is not what every scenario has.
fn arrange(story: &mut Story) {
    match story.scenario.successor {
        Some(SuccessorStart::Slow) => {
            let through = T0 + 5_000;
            story.server.let_through = Some(through);
            story.server.names = Some(LISTENER.inode);
            story.server.answers = Some(through + 100);
            story.server.unlistens = Some(through + 150);
            story.server.announces = Some(through + 150);
            story.server.times_out = Some(through + 150 + IDLE_MAX);
        }
        Some(SuccessorStart::Orphaned) => {
            let killed = BORN + 40;
            story.server.killed = Some(killed);
            story.server.let_through = Some(killed + 30);
            story.server.names = Some(LISTENER.inode);
            story.server.answers = Some(killed + 100);
            story.server.unlistens = None;
            story.server.gone = Gone::At(killed + 10);
        }
        Some(SuccessorStart::Adopted) | None => {}
    }
}

/// The same for one profile.
pub(crate) fn correct_in(profile: Profile, scenario: &str) -> Story {
    Story { profile, ..correct(scenario) }
}

/// All scenarios, parsed once for all tests.
pub(crate) fn scenarios() -> &'static [Scenario] {
    static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| builtin::scenarios().unwrap());
    &ALL
}

/// The scenario's control, canaries, probes and processes; of its own lanes only those of control.
pub(crate) fn frame(name: &str) -> Story {
    let scenario = scenarios().iter().find(|scenario| scenario.name == name).unwrap().clone();
    let server = Server {
        born: Some(BORN),
        answers: Some(TR),
        program: "/opt/server",
        unlistens: Some(TD),
        announces: Some(TD),
        times_out: Some(TD + IDLE_MAX),
        gone: Gone::InTime,
        canaries: scenario.canaries,
        drain_step: None,
        let_through: None,
        names: None,
        killed: None,
        fault: None,
        silent: false,
        by_path: true,
    };
    let mut story = Story {
        scenario,
        profile: Profile::Falcore,
        model: Model::ForkExec,
        server,
        quiet: Quiet::correct(),
        documented: quiet::documented(),
        withheld: false,
        events: Vec::new(),
        hard_limit: None,
        left: Vec::new(),
        later: Vec::new(),
        old_until: 13_250_000,
        next: 0,
    };
    arrange(&mut story);
    story
}

impl Story {
    /// A connection of the role `role` that begins to connect at `at`.
    pub(crate) fn lane(&mut self, role: &str, at: u64) -> Script<'_> {
        let lane = self.next;
        self.next += 1;
        let address = match self.scenario.listener {
            ListenKind::Ipv4 => "127.0.0.1:8080",
            ListenKind::Ipv6 => "[::1]:8080",
            ListenKind::Unix => "unix:/tmp/server.sock",
            ListenKind::Abstract => "unix:@server",
        };
        Script::open(self, lane, role, at, address)
    }

    /// The same on another of several listening sockets.
    pub(crate) fn lane_on(&mut self, role: &str, at: u64, port: u16) -> Script<'_> {
        let lane = self.next;
        self.next += 1;
        Script::open(self, lane, role, at, &format!("127.0.0.1:{port}"))
    }

    /// An event that belongs to no lane.
    pub(crate) fn tell(&mut self, at: u64, what: What) {
        self.events.push(Event { t: at * 1_000, what });
    }

    /// The harness itself did not run.
    pub(crate) fn harness_slept(&mut self, from: u64, to: u64) {
        self.tell(to, What::Gap { from: from * 1_000 });
    }

    /// No processor of the machine was free.
    pub(crate) fn machine_was_crowded(&mut self, from: u64, to: u64) {
        self.tell(to, What::Crowded { from: from * 1_000 });
    }

    /// The old generation stands still in this time.
    pub(crate) fn stopped(&self) -> Option<(u64, u64)> {
        self.scenario.stop.map(|stop| match stop {
            Stop::AtTrigger => (8_800, T0 + 1),
            Stop::AtHandover => (BORN + 5, BORN + 60),
        })
    }

    /// The whole history, in the order of time.
    pub(crate) fn history(&self) -> Vec<Event> {
        let mut events = self.round();
        let mut generation = u64::from(self.server.fault.is_none());
        for (number, later) in (1..).zip(&self.later) {
            let begins = events.last().map_or(0, |event| event.t) + 50_000;
            let restart = later.round().into_iter().filter(|event| event.t >= RESTART * 1_000);
            let shift = begins - RESTART * 1_000;
            events.extend(restart.map(|event| rounds::follow(&event, shift, number, generation)));
            generation += u64::from(later.server.fault.is_none());
        }
        let last = events.last().map_or(0, |event| event.t);
        events.push(Event { t: last + 500, what: What::OutputRead { bytes: 120 } });
        events.push(Event { t: last + 1_000, what: What::Phase { phase: Phase::End } });
        if self.withheld {
            events.retain(|event| !is_of_witness(&event.what));
            let why = "processes may not be read by this user".to_owned();
            events.insert(1, Event { t: 1, what: What::Withheld { why } });
        }
        events
    }

    /// Control, and one restart.
    fn round(&self) -> Vec<Event> {
        let mut all = self.clone();
        if self.scenario.successor == Some(SuccessorStart::Adopted) {
            all.tell_adopted();
            return all.in_order();
        }
        all.tell(CONTROL, What::Phase { phase: Phase::Control });
        all.tell(RESTART, What::Phase { phase: Phase::Restart });
        trials::tell(&mut all);
        all.tell_processes();
        if self.server.canaries {
            all.tell_canaries();
        }
        if self.scenario.probes {
            all.tell_probes();
        }
        all.tell_gone();
        quiet::tell(&mut all);
        all.in_order()
    }

    fn in_order(mut self) -> Vec<Event> {
        self.events.sort_by_key(|event| event.t);
        let begin = What::Begin { schema: SCHEMA, scenario: self.scenario.name.clone() };
        self.events.insert(0, Event { t: 0, what: begin });
        let last = self.events.last().map_or(0, |event| event.t).max(END * 1_000);
        self.events.push(Event { t: last + 1_000, what: What::Sampled { longest_gap: 300 } });
        let deaf =
            self.events.iter().any(|event| matches!(event.what, What::Deaf { .. } | What::Heard { .. }));
        if !deaf {
            self.events.push(Event { t: last + 1_000, what: What::Heard { segments: 100, lost: 0 } });
        }
        self.events
    }

    /// The instants as the program tells them from this history.
    pub(crate) fn timeline(&self) -> timeline::Timeline {
        timeline::Timeline::of(self.model, &self.history())
    }

    fn tell_processes(&mut self) {
        let server = self.server.clone();
        self.tell(10, process(0, "/opt/server", 10));
        self.tell(15, What::Listeners { rows: vec![LISTENER], from: 14_000 });
        self.tell(16, holds(0, &[LISTENER.inode], 14));
        self.tell(17, What::Nonblocking { inode: LISTENER.inode, on: true, proc: 0, from: 16_000 });
        if self.scenario.listener == ListenKind::Unix {
            self.tell(17, What::SocketPath { present: true, from: 16_000 });
        }
        let trigger = |step, what: &str, from, drain| What::Trigger {
            step,
            what: what.to_owned(),
            from: from * 1_000,
            drain,
        };
        self.tell(T0, trigger(0, "SIGHUP to the main process", T0, server.drain_step.is_none()));
        if let Some(at) = server.drain_step {
            self.tell(at, trigger(1, "SIGQUIT to the main process", at, true));
        }
        if let Some((from, to)) = self.stopped() {
            self.tell(from, What::Frozen { procs: vec![0], on: true, listening: true });
            self.tell(to, What::Frozen { procs: vec![0], on: false, listening: false });
        }
        if let (Some(born), Some(through)) = (server.born, server.let_through) {
            self.tell_gate(born, through);
        } else if let Some(born) = server.born {
            self.tell(born, process(1, server.program, born));
            self.tell(born + 50, holds(1, &[LISTENER.inode], born));
            self.tell(born + 60, common(&[]));
        }
        if let Some(at) = server.unlistens {
            self.tell(at, holds(0, &[], at - 1));
        }
    }

    /// The old process is gone.
    pub(crate) fn gone(&self) -> Option<u64> {
        match self.server.gone {
            Gone::InTime => Some(self.old_until / 1_000 + 250),
            Gone::At(at) => Some(at),
            Gone::Never => None,
        }
    }

    fn tell_gone(&mut self) {
        let Some(gone) = self.gone() else { return };
        self.tell(gone, What::Gone { proc: 0, from: (gone - 10) * 1_000 });
        if self.scenario.settle {
            self.tell(gone + 50, What::Phase { phase: Phase::Settle });
        }
    }

    fn tell_canaries(&mut self) {
        let (announces, times_out, stopped) = (self.server.announces, self.server.times_out, self.stopped());
        let stands_still = |at| stopped.is_some_and(|(from, to)| at >= from && at <= to);
        for _ in 0..2 {
            let mut busy = self.lane("canary", CONTROL + 20).accepted_by(OLD);
            for turn in 0..60 {
                busy = busy.at(CONTROL + 25 + 50 * turn).asked().answered();
            }
            busy.at(8_040).closed();
            self.lane("canary-idle", CONTROL + 20).accepted_by(OLD).asked().answered().at(8_040).closed();

            let mut busy = self.lane("canary", RESTART + 5).accepted_by(OLD);
            let until = announces.unwrap_or(12_000);
            for at in (RESTART + 10..=until).step_by(25).filter(|at| !stands_still(*at)) {
                busy = busy.at(at).asked().answered();
            }
            match announces {
                Some(at) => busy.at(at + 11).asked().answered_last().fin(),
                None => busy.at(12_500).closed(),
            }
            let idle = self.lane("canary-idle", RESTART + 5).accepted_by(OLD).asked().answered();
            match times_out {
                Some(at) => idle.at(at).fin(),
                None => idle.at(12_500).closed(),
            }
        }
    }

    fn tell_probes(&mut self) {
        for at in [100, 1_000, 2_500] {
            self.lane("probe", at).accepted_by(OLD).asked().answered().closed();
        }
        let answers = self.server.answers;
        let first = answers.unwrap_or(TR);
        for at in [8_500, T0 + 20, first, first + 800, first + 1_800, first + 2_800] {
            let owner = if answers.is_some_and(|answers| at >= answers) { NEW } else { OLD };
            self.lane("probe", at).accepted_by(owner).asked().answered().closed();
        }
    }
}

/// Whether it takes more than a client's socket to see this.
fn is_of_witness(what: &What) -> bool {
    matches!(
        what,
        What::Process { .. }
            | What::Holds { .. }
            | What::Gone { .. }
            | What::Listeners { .. }
            | What::Sampled { .. }
            | What::Owner { .. }
            | What::Facts { .. }
            | What::Census { .. }
            | What::Ended { .. }
            | What::Named { .. }
            | What::Executes { .. }
            | What::Used { .. }
            | What::Queue { .. }
            | What::Reset { .. }
            | What::Heard { .. }
            | What::Counters { .. }
            | What::Resources { .. }
            | What::Common { .. }
            | What::Nonblocking { .. }
            | What::ShutDown { .. }
            | What::Dropped { .. }
    )
}

/// A process that was born up to 10 ms before it is seen.
pub(crate) fn process(proc: ProcId, program: &str, seen: u64) -> What {
    What::Process {
        proc,
        pid: 100 + proc as i32,
        ppid: if proc == 0 { 1 } else { 100 },
        start: seen,
        stack: 4_096 + u64::from(proc),
        born: Interval::new((seen - 10) * 1_000, seen * 1_000),
        name: "server".to_owned(),
        program: Some(program.to_owned()),
        executed_from: None,
    }
}

/// A process holds these listening sockets now.
pub(crate) fn holds(proc: ProcId, inodes: &[u64], from: u64) -> What {
    What::Holds { proc, listeners: inodes.to_vec(), from: from * 1_000 }
}

/// What the successor has in common with the old process.
pub(crate) fn common(shared: &[(&str, &str)]) -> What {
    let one = |(n, (kind, target)): (i32, &(&str, &str))| CommonDescriptor {
        fd: n,
        kind: (*kind).to_owned(),
        target: (*target).to_owned(),
    };
    let descriptors = (4..).zip(shared).map(one).collect();
    What::Common { proc: 1, with: 0, descriptors, compared: true, from: BORN * 1_000 }
}
