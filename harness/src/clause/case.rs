//! One scenario's history, folded, with what control showed: all that a clause may look at.

use std::collections::BTreeMap;

use super::control::{self, Control};
use super::counted::Counted;
use super::held::Held;
use super::observed::Observed;
use super::repeated::Repeated;
use super::seats::Seats;
use super::trial::{Plain, Trial};
use super::wire::Wire;
use crate::declaration::{Documented, Limits, Profile, Span};
use crate::history::event::{Event, FileId, ListenerRow, Owner, Phase, What};
use crate::history::generation::{Generations, Proc};
use crate::history::{self, Exchange, Interval, Lane, LaneId, Micros, Model, ProcId, Timeline, lane};

/// The least that δ is.
pub(super) const DELTA_MIN: Micros = 100_000;

/// Processor time that a process had used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// When.
    pub at: Micros,
    /// The process.
    pub proc: ProcId,
    /// Microseconds, user and system, since its birth.
    pub cpu_us: Micros,
}

/// What a clause is shown.
pub struct Case<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// Which attempt at the scenario it is, counted from 1: what could not be decided is run again.
    pub attempt: u32,
    /// Which restart of the scenario it is, counted from 1.
    pub round: u32,
    /// The profile that the target is judged by.
    pub profile: Profile,
    /// Its limits.
    pub limits: Limits,
    /// Lanes by number, of all phases.
    pub lanes: BTreeMap<LaneId, Lane>,
    /// Processes and instants.
    pub timeline: Timeline,
    /// Who is old, who stays, who succeeds.
    pub generations: Generations,
    /// What the same lanes show without a restart.
    pub control: Control,
    /// Tolerance of comparisons with an instant: max(100 ms, 3 × control's p99.9, control's worst
    /// gap of the heartbeat).
    pub delta: Micros,
    /// The last event.
    pub end: Micros,
    /// The settle phase began.
    pub settled: Option<Micros>,
    /// Listening sockets over time: since, at, rows.
    pub listeners: Vec<(Micros, Micros, Vec<ListenerRow>)>,
    /// The longest gap between two samples of them.
    pub sample_gap: Option<Micros>,
    /// Witnesses that the machine withheld.
    pub withheld: Vec<String>,
    /// The scenario was broken off, or its history breaks off: hotspec itself was killed.
    pub interrupted: bool,
    /// The server was up already: whether somebody said where its processes are.
    pub beside: Option<bool>,
    /// When the restart's command ended.
    pub command_over: Option<Micros>,
    /// Identities of requests that the origin finished.
    pub executed: Vec<(Micros, String)>,
    /// What was seen of the pid file and heard on the notify socket.
    pub told: Vec<Event>,
    /// The target's marker changed with the trigger.
    pub marker: Option<String>,
    /// Processor time that processes had used, by when.
    pub used: Vec<Used>,
    /// Queues of listening sockets: since, at, inode, how many wait.
    pub queues: Vec<(Micros, Micros, u64, u32)>,
    /// A process stood at the gate before the program: from its arrival to its going on.
    pub held: Option<Interval>,
    /// What a command line names: the process, when, the argument, the inode (0 if it is no listening socket).
    pub named: Vec<(ProcId, Micros, String, u64)>,
    /// Signals that the warden was sent: when, which, by whom.
    pub signals: Vec<(Micros, i32, i32)>,
    /// The harness executed the target on its own listening socket: when, and the process id.
    pub adopted: Option<(Micros, i32)>,
    /// The harness killed the old generation.
    pub killed: Option<Micros>,
    /// The target got less than 5 % of a processor, in control too.
    pub starved: bool,
    /// The target was to be process 1; the error says why it was not.
    pub first_process: Option<Result<(), String>>,
    /// The program was replaced: when, the file that it was, the file that it is.
    pub replaced: Option<(Micros, FileId, FileId)>,
    /// The files that processes were seen to execute while all was quiet.
    pub executes: BTreeMap<ProcId, FileId>,
    /// What was heard on the wire.
    pub wire: Wire,
    /// What the kernel counted.
    pub counted: Counted,
    /// Restarts that had to fail.
    pub trial: Trial,
    /// Processes while all was quiet, and their ends.
    pub observed: Observed,
    /// What was triggered again.
    pub repeated: Repeated,
    /// What processes were seen to hold, and what became of it; what the target wrote.
    pub held_by: Held,
    /// What a generation tells the next one, as the target declares it.
    pub documented: Documented,
    /// Who had a connection when.
    pub(super) seats: Seats,
    unserved: Unserved,
}

/// When the target may not have been able to do anything.
#[derive(Clone)]
struct Unserved {
    /// The harness itself did not run.
    gaps: Vec<Interval>,
    /// No processor of the machine was free.
    crowds: Vec<Interval>,
    /// Either; none overlaps another.
    either: Vec<Interval>,
}

/// How much of all of these lies between two instants.
pub(super) fn sum_within(all: &[Interval], from: Micros, to: Micros) -> Micros {
    all.iter().map(|one| one.within(from, to)).fold(0, Micros::saturating_add)
}

impl Unserved {
    fn of(events: &[Event]) -> Self {
        let (mut gaps, mut crowds) = (Vec::new(), Vec::new());
        for event in events {
            match event.what {
                What::Gap { from } => gaps.push(Interval::new(from, event.t)),
                What::Crowded { from } => crowds.push(Interval::new(from, event.t)),
                _ => {}
            }
        }
        let mut both: Vec<Interval> = gaps.iter().chain(&crowds).copied().collect();
        both.sort_unstable_by_key(|one| one.lo);
        let mut either: Vec<Interval> = Vec::new();
        for one in both {
            match either.last_mut().filter(|last| one.lo <= last.hi) {
                Some(last) => last.hi = last.hi.max(one.hi),
                None => either.push(one),
            }
        }
        Self { gaps, crowds, either }
    }
}

impl<'a> Case<'a> {
    /// Folds a history into one case for each of its restarts. Control is part of each, and so is what was seen of
    /// processes before.
    pub fn rounds(
        scenario: &'a str,
        profile: Profile,
        limits: Limits,
        model: Model,
        events: &[Event],
    ) -> Vec<Self> {
        // One in which the next restart begins is told after its beginning: each round has all of them.
        let unserved = Unserved::of(events);
        let case = |(number, seen): (u32, &[Event])| {
            let mut case = Self::new(scenario, profile, limits, model, seen);
            case.round = number;
            case.unserved = unserved.clone();
            // What the next restart follows on was seen to its end.
            case.interrupted &= seen.len() == events.len();
            case
        };
        let mut cases: Vec<Self> = (1..).zip(history::restarts(events)).map(case).collect();
        let plain = cases.first().filter(|first| first.trial.is_one).map(Plain::of);
        for case in &mut cases {
            case.trial.plain = plain;
        }
        if let Some(last) = cases.last_mut() {
            last.trial.last = true;
        }
        cases
    }

    /// Folds a history, up to its last restart.
    pub fn new(scenario: &'a str, profile: Profile, limits: Limits, model: Model, events: &[Event]) -> Self {
        let lanes = lane::fold(events);
        let timeline = Timeline::of(model, events);
        let unserved = Unserved::of(events);
        let seats = Seats::of(&lanes);
        let control = Control::of(&lanes, &unserved.gaps, limits.idle_max);
        let delta = DELTA_MIN.max(control.answer_p999.saturating_mul(3)).max(timeline.control_gap);
        let mut case = Self {
            scenario,
            attempt: 1,
            round: 1,
            profile,
            limits,
            generations: timeline.generations(),
            lanes,
            timeline,
            control,
            delta,
            end: events.iter().map(|event| event.t).max().unwrap_or_default(),
            settled: None,
            listeners: Vec::new(),
            sample_gap: None,
            withheld: Vec::new(),
            interrupted: true,
            beside: None,
            command_over: None,
            executed: Vec::new(),
            told: Vec::new(),
            marker: None,
            used: Vec::new(),
            queues: Vec::new(),
            held: None,
            named: Vec::new(),
            signals: Vec::new(),
            adopted: None,
            killed: None,
            starved: false,
            first_process: None,
            replaced: None,
            executes: BTreeMap::new(),
            wire: Wire::default(),
            counted: Counted::default(),
            trial: Trial::default(),
            observed: Observed::default(),
            repeated: Repeated::default(),
            held_by: Held::default(),
            documented: Documented::default(),
            seats,
            unserved,
        };
        for event in events {
            case.observed.read(event);
            case.wire.read(event);
            case.counted.read(event);
            case.trial.read(event);
            case.repeated.read(event);
            case.held_by.read(event);
            case.read(event);
        }
        case.wire.end();
        let last = events.last().map(|event| &event.what);
        let complete = matches!(last, Some(What::Phase { phase: Phase::End }));
        case.interrupted = !complete || events.iter().any(|event| event.what == What::Interrupted);
        case
    }

    fn read(&mut self, event: &Event) {
        match &event.what {
            What::Phase { phase: Phase::Settle } => self.settled = Some(event.t),
            What::Phase { phase: Phase::Restart } => {
                self.wire.begin_anew();
                self.counted.begin_anew();
                self.settled = None;
                self.command_over = None;
                self.held = None;
                self.killed = None;
            }
            What::Listeners { rows, from } => self.listeners.push((*from, event.t, rows.clone())),
            What::Sampled { longest_gap } => self.sample_gap = Some(*longest_gap),
            What::Withheld { why } => self.withheld.push(why.clone()),
            What::Beside { processes, .. } => self.beside = Some(*processes),
            What::CommandEnded { .. } => self.command_over = Some(event.t),
            What::Executed { id } => self.executed.push((event.t, id.clone())),
            What::PidFile { .. } | What::Notified { .. } => self.told.push(event.clone()),
            What::Marker { value } => self.marker = Some(value.clone()),
            What::Used { proc, cpu_us } => self.used.push(Used { at: event.t, proc: *proc, cpu_us: *cpu_us }),
            What::Queue { inode, length, from } => self.queues.push((*from, event.t, *inode, *length)),
            _ => self.read_successor(event),
        }
    }

    fn read_successor(&mut self, event: &Event) {
        match &event.what {
            What::Held { on: true, .. } => self.held = Some(Interval { lo: event.t, hi: Micros::MAX }),
            What::Held { on: false, from } => {
                if let Some(held) = &mut self.held {
                    held.hi = *from;
                }
            }
            What::Named { proc, argument, inode, .. } => {
                self.named.push((*proc, event.t, argument.clone(), *inode));
            }
            What::Signalled { signo, pid } => self.signals.push((event.t, *signo, *pid)),
            What::Adopted { pid, .. } => self.adopted = Some((event.t, *pid)),
            What::Killed { .. } => self.killed = Some(event.t),
            What::Starved { .. } => self.starved = true,
            What::FirstProcess { why } => self.first_process = Some(why.clone().map_or(Ok(()), Err)),
            What::Replaced { former, file, .. } => self.replaced = Some((event.t, *former, *file)),
            What::Executes { proc, file } => {
                self.executes.insert(*proc, *file);
            }
            _ => {}
        }
    }

    /// T0, if the restart was triggered.
    pub fn t0(&self) -> Option<Interval> {
        self.timeline.t0
    }

    /// Lanes that were opened in the restart or settle phase.
    pub fn restart_lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values().filter(|lane| lane.phase != Phase::Control)
    }

    /// Their requests, with their ordinals.
    pub fn exchanges(&self) -> impl Iterator<Item = (&Lane, usize, &Exchange)> {
        self.restart_lanes()
            .flat_map(|lane| lane.exchanges.iter().enumerate().map(move |(n, exchange)| (lane, n, exchange)))
    }

    /// The old process that owns a lane.
    pub fn old_owner(&self, lane: &Lane) -> Option<&Proc> {
        let Owner::Process(id) = lane.owner else { return None };
        let old = self.generations.old.contains(&id);
        old.then(|| self.timeline.procs.get(&id)).flatten()
    }

    /// Whether a successor owns a lane.
    pub fn by_successor(&self, lane: &Lane) -> bool {
        matches!(lane.owner, Owner::Process(id) if self.generations.successors.contains(&id))
    }

    /// Td of the process that owns a lane, if it is an old one.
    pub fn td_of(&self, lane: &Lane) -> Option<Interval> {
        let proc = self.old_owner(lane)?;
        self.timeline.td(proc.id, self.limits.drain_start_max)
    }

    /// Td of the whole old generation.
    pub fn td_last(&self) -> Option<Interval> {
        self.timeline.td_last(self.limits.drain_start_max)
    }

    /// Td of whoever has this lane, or else of the old generation. Of a server that begins anew inside itself it is only known that
    /// it is not before T0.
    pub fn td_or_later(&self, lane: &Lane) -> Option<Interval> {
        let unseen = || {
            let in_place = self.generations.model == Model::InPlace || self.clients_only();
            let t0 = self.t0().filter(|_| in_place)?;
            Some(Interval::new(t0.lo, self.end.max(t0.lo)))
        };
        self.td_of(lane).or_else(|| self.td_last()).or_else(unseen)
    }

    /// The server was up already, and nobody said where its processes are: what clients see is all that there is.
    pub fn clients_only(&self) -> bool {
        self.beside == Some(false)
    }

    /// The earliest that whoever has this lane, or else the old generation, may cut what is under way by its right. Where clients
    /// alone are asked it may have begun to drain at T0.
    pub fn drain_over(&self, lane: &Lane) -> Option<Micros> {
        let unseen = || self.t0().filter(|_| self.clients_only());
        let td = self.td_of(lane).or_else(unseen)?;
        Some(td.lo.saturating_add(self.limits.drain_max))
    }

    /// Td of the old process that may have begun to drain first.
    pub fn td_first(&self) -> Option<Interval> {
        let old = self.generations.old.iter();
        old.filter_map(|proc| self.timeline.td(*proc, self.limits.drain_start_max)).min_by_key(|td| td.lo)
    }

    /// How long the harness itself was not running between two instants.
    pub fn own_gaps(&self, from: Micros, to: Micros) -> Micros {
        sum_within(&self.unserved.gaps, from, to)
    }

    /// The server timed a connection out on which the harness asked too late, as it did not run.
    pub(super) fn sent_late(&self, lane: &Lane) -> bool {
        control::kept_waiting(lane, &self.unserved.gaps, self.control.kept)
    }

    /// The longest time without a break in which the harness itself was not running between two instants.
    pub fn longest_own_gap(&self, from: Micros, to: Micros) -> Micros {
        self.unserved.gaps.iter().map(|gap| gap.within(from, to)).max().unwrap_or_default()
    }

    /// How long no processor of the machine was free, and several threads wanted each, between two instants.
    pub fn crowded(&self, from: Micros, to: Micros) -> Micros {
        sum_within(&self.unserved.crowds, from, to)
    }

    /// How long the target may not have been able to do anything between two instants: the harness did not run, or no processor
    /// was free. Who is late by less than that is late for no fault of its own.
    pub fn held_up(&self, from: Micros, to: Micros) -> Micros {
        sum_within(&self.unserved.either, from, to)
    }

    /// What is left of the time between two instants without that.
    pub fn had(&self, from: Micros, to: Micros) -> Micros {
        to.saturating_sub(from).saturating_sub(self.held_up(from, to))
    }

    /// Whether what was due at `deadline` and came at `at` only, is late by no more than the target may have been held up since it
    /// was owed.
    pub fn is_excused(&self, owed_since: Micros, deadline: Micros, at: Micros) -> bool {
        owed_since.saturating_add(self.had(owed_since, at)) <= deadline
    }

    /// Whether every process of the target has ended.
    pub fn nobody_is_left(&self) -> bool {
        let procs = &self.timeline.procs;
        !procs.is_empty() && procs.values().all(|proc| proc.gone.is_some())
    }

    /// Why nobody can be said to have failed to serve within `ready_max` of an instant, if the target had less time than that
    /// and is still there.
    pub fn had_no_time_to_serve(&self, since: Micros) -> Option<String> {
        if self.nobody_is_left() {
            return None;
        }
        let watched = self.end.saturating_sub(since);
        let crowded = self.crowded(since, self.end);
        if watched < self.limits.ready_max {
            Some("the scenario ended before ready_max".to_owned())
        } else if watched.saturating_sub(crowded) < self.limits.ready_max {
            Some(format!(
                "no processor was free for {} of the {} that it was watched, so a successor may have been slow for no fault of its own",
                Span(crowded),
                Span(watched)
            ))
        } else {
            None
        }
    }

    /// How long hotspec held the old generation still after the trigger, if that was for longer than `stall_max`: a successor
    /// that asks the old one for its listening sockets may have given up and made others, which loses the queue.
    pub fn overlong_stop(&self) -> Option<Micros> {
        let t0 = self.t0()?.hi;
        let stops = self.timeline.frozen.iter().map(|frozen| frozen.interval);
        let stood = stops.map(|stop| stop.within(t0, self.end)).max()?;
        (stood > self.limits.stall_max).then_some(stood)
    }

    /// Why nothing can be said of owners, if so.
    pub fn owners_withheld(&self) -> Option<&str> {
        self.withheld.first().map(String::as_str)
    }

    /// Where in the restart an instant is.
    pub fn phase_at(&self, at: Micros) -> String {
        let Some(t0) = self.t0() else { return "before T0".to_owned() };
        if at < t0.lo {
            return "before T0".to_owned();
        }
        let after = |instant: Option<Interval>| instant.is_some_and(|instant| at >= instant.hi);
        let name = if after(self.timeline.tx()) {
            "after Tx"
        } else if after(self.td_last()) {
            "Td to Tx"
        } else if after(self.timeline.tr()) {
            "Tr to Td"
        } else {
            "T0 to Tr"
        };
        format!("{name}, T0+{}", crate::declaration::Span(at - t0.lo))
    }
}
