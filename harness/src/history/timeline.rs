//! The instants T0, Tr, Td and Tx: one fold over the events, used live to
//! steer lanes and afterwards to judge, so that the two can't disagree.

use std::collections::BTreeMap;

use super::event::{Ending, Event, Interval, LaneId, Micros, Owner, Phase, ProcId, Stage, What};
use super::generation::{Model, Proc};

/// A time during which processes were stopped.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// From the stop to the going on.
    pub interval: Interval,
    /// Which.
    pub procs: Vec<ProcId>,
    /// One of them held a listening socket.
    pub listening: bool,
}

/// What the fold knows of a lane.
#[derive(Clone, Debug, Default)]
struct Track {
    canary: bool,
    opened: Micros,
    owner: Owner,
    counted: bool,
    ended: bool,
    sent: Vec<Micros>,
    idle_since: Option<Micros>,
    /// It may have been idle since then: an answer is read when the harness runs, which may be later than it came.
    maybe_idle_since: Option<Micros>,
}

/// The fold. Feed it events in their order; ask it at any time.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    pub(super) declared: Model,
    phase: Option<Phase>,
    /// Around the first step of the trigger.
    pub t0: Option<Interval>,
    /// Around the step after which the old generation is to drain.
    pub drain_step: Option<Interval>,
    marker: Option<String>,
    marker_seen: Option<Micros>,
    /// Every process epoch, by number.
    pub procs: BTreeMap<ProcId, Proc>,
    lanes: BTreeMap<LaneId, Track>,
    /// The longest a connection surely stayed open in control, idle after an answer.
    pub control_idle: Micros,
    /// The longest after which one was seen to be closed by the server: it may have been, before the harness ran again.
    control_timeout: Micros,
    /// The longest for which one was seen to be open.
    control_open: Micros,
    /// Requests answered in control on one connection with no announced close.
    pub control_ordinals: u32,
    /// The longest gap of the harness's heartbeat in control.
    pub control_gap: Micros,
    /// How long the harness itself did not run since T0.
    pub gaps: Micros,
    /// Processes that were stopped at least once.
    pub frozen: Vec<Frozen>,
    /// Heads of responses since the phase began.
    pub answers: u64,
    /// Restarts that were triggered.
    pub restarts: u32,
}

impl Timeline {
    /// An empty one, for a target of this model.
    pub fn new(declared: Model) -> Self {
        Self { declared, ..Self::default() }
    }

    /// Folds a whole history.
    pub fn of(declared: Model, events: &[Event]) -> Self {
        let mut timeline = Self::new(declared);
        for event in events {
            timeline.feed(event);
        }
        timeline
    }

    /// Whether all goes its way with no restart.
    pub fn in_control(&self) -> bool {
        self.phase == Some(Phase::Control)
    }

    /// Folds one event.
    pub fn feed(&mut self, event: &Event) {
        let t = event.t;
        match &event.what {
            What::Phase { phase } => {
                if *phase == Phase::Restart {
                    self.begin_round();
                }
                self.phase = Some(*phase);
                self.answers = 0;
            }
            What::Gap { from } if self.phase == Some(Phase::Control) => {
                self.control_gap = self.control_gap.max(t.saturating_sub(*from));
                self.tell_control_idle();
            }
            What::Gap { from } if self.t0.is_some() => {
                self.gaps = self.gaps.saturating_add(t.saturating_sub(*from));
            }
            What::Trigger { step, from, drain, .. } => {
                let around = Interval::new(*from, t);
                if *step == 0 {
                    self.restarts += u32::from(self.t0.is_none());
                    self.t0.get_or_insert(around);
                    self.count_canaries();
                }
                if *drain {
                    self.drain_step = Some(around);
                }
            }
            What::Marker { value } => self.marker = Some(value.clone()),
            What::Frozen { procs, on: true, listening } => {
                let interval = Interval { lo: t, hi: Micros::MAX };
                self.frozen.push(Frozen { interval, procs: procs.clone(), listening: *listening });
            }
            What::Frozen { on: false, .. } => {
                if let Some(frozen) = self.frozen.last_mut() {
                    frozen.interval.hi = t;
                }
            }
            What::Process { .. } | What::Holds { .. } | What::Gone { .. } => self.feed_process(event),
            _ => self.feed_lane(event),
        }
    }

    /// A restart begins anew: whoever is there now is what the next one finds. What control showed stays, and so do processes
    /// that are gone: the first generation is what the later ones are compared with.
    fn begin_round(&mut self) {
        if self.t0.take().is_none() {
            return;
        }
        self.drain_step = None;
        self.marker_seen = None;
        self.gaps = 0;
        self.frozen.clear();
        self.lanes.clear();
        for proc in self.procs.values_mut() {
            proc.begin_round();
        }
    }

    fn feed_process(&mut self, event: &Event) {
        match &event.what {
            What::Process { proc, pid, ppid, stack, born, name, program, executed_from, .. } => {
                if let Some(before) = executed_from.and_then(|before| self.procs.get_mut(&before)) {
                    before.gone.get_or_insert(Interval::new(before.seen, event.t));
                }
                self.procs.insert(
                    *proc,
                    Proc {
                        id: *proc,
                        pid: *pid,
                        ppid: *ppid,
                        stack: *stack,
                        name: name.clone(),
                        program: program.clone(),
                        born: *born,
                        seen: event.t,
                        executed_from: *executed_from,
                        gone: None,
                        listeners: Vec::new(),
                        no_listener: None,
                        lanes: 0,
                        first_answer: None,
                        last_open: None,
                        announced: None,
                        canary_closed: None,
                        canaries: 0,
                    },
                );
            }
            What::Holds { proc, listeners, .. } => {
                if let Some(known) = self.procs.get_mut(proc) {
                    if listeners.is_empty() && !known.listeners.is_empty() && self.t0.is_some() {
                        known.no_listener.get_or_insert(event.t);
                    }
                    known.listeners.clone_from(listeners);
                }
            }
            What::Gone { proc, from } => {
                if let Some(known) = self.procs.get_mut(proc) {
                    known.gone.get_or_insert(Interval::new(*from, event.t));
                }
            }
            _ => {}
        }
    }

    fn feed_lane(&mut self, event: &Event) {
        let Some(id) = event.what.lane() else { return };
        let t = event.t;
        let after_t0 = self.t0.is_some();
        let control = self.phase == Some(Phase::Control);
        let lane = self.lanes.entry(id).or_default();
        match &event.what {
            What::Open { role, .. } => {
                lane.canary = role.starts_with("canary");
                lane.opened = t;
            }
            What::Owner { owner, .. } => {
                lane.owner = *owner;
                if let Owner::Process(proc) = owner
                    && let Some(known) = self.procs.get_mut(proc)
                    && !std::mem::replace(&mut lane.counted, true)
                {
                    known.lanes += 1;
                    known.last_open = known.last_open.max(Some(lane.opened));
                }
            }
            What::Request { .. } => {
                if control && let Some(since) = lane.idle_since {
                    self.control_open = self.control_open.max(t.saturating_sub(since));
                    self.control_idle = self.control_idle.max(self.control_open);
                }
                lane.idle_since = None;
            }
            What::Sent { from, .. } => lane.sent.push(*from),
            What::Head { request, from, close, marker, .. } => {
                self.answers += 1;
                let sent = lane.sent.get(*request as usize).copied();
                if let Some(marker) = marker {
                    self.note_marker(marker.clone(), *from);
                }
                self.note_answer(id, *request, *from, t, sent, *close, control, after_t0);
            }
            What::Body { marker, request, .. } => {
                lane.idle_since = Some(t);
                lane.maybe_idle_since = lane.sent.get(*request as usize).copied();
                if let Some(marker) = marker {
                    self.note_marker(marker.clone(), t);
                }
            }
            What::End { how, stage, .. } => {
                lane.ended = true;
                let idle = lane.idle_since.map(|since| t.saturating_sub(since));
                let maybe_idle =
                    lane.maybe_idle_since.or(lane.idle_since).map(|since| t.saturating_sub(since));
                let (canary, owner) = (lane.canary, lane.owner);
                // One that the server timed out was kept until then, as one that the lane closed.
                if let Some(idle) = idle.filter(|_| control && *stage == Stage::Idle) {
                    match how {
                        Ending::Lane => self.control_open = self.control_open.max(idle),
                        Ending::Fin => self.control_timeout = self.control_timeout.max(idle),
                        _ => {}
                    }
                    self.tell_control_idle();
                }
                let kept = maybe_idle.is_some_and(|idle| idle < self.control_idle / 2);
                if after_t0 && canary && *how == Ending::Fin && *stage == Stage::Idle && kept {
                    self.note_canary_closed(owner, t);
                }
            }
            _ => {}
        }
    }

    /// A server's close was noticed late by as much as the harness stood still, at most.
    fn tell_control_idle(&mut self) {
        let timeout = self.control_timeout.saturating_sub(self.control_gap);
        self.control_idle = self.control_open.max(timeout);
    }

    fn note_marker(&mut self, marker: String, at: Micros) {
        if self.t0.is_some() && self.marker.as_ref() == Some(&marker) {
            self.marker_seen.get_or_insert(at);
        }
    }

    fn note_canary_closed(&mut self, owner: Owner, t: Micros) {
        if let Owner::Process(proc) = owner
            && let Some(known) = self.procs.get_mut(&proc)
        {
            known.canary_closed.get_or_insert(t);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn note_answer(
        &mut self,
        lane: LaneId,
        request: u32,
        from: Micros,
        t: Micros,
        sent: Option<Micros>,
        close: bool,
        control: bool,
        after_t0: bool,
    ) {
        if control && !close {
            self.control_ordinals = self.control_ordinals.max(request.saturating_add(1));
        }
        let Some(track) = self.lanes.get(&lane) else { return };
        let Owner::Process(proc) = track.owner else { return };
        let canary = track.canary;
        let expected_open = request < self.control_ordinals;
        let Some(known) = self.procs.get_mut(&proc) else { return };
        known.first_answer.get_or_insert(from);
        if close {
            if after_t0 && canary && expected_open {
                known.announced.get_or_insert(t);
            }
        } else if track.sent.len() <= request.saturating_add(1) as usize {
            // Of requests that were sent together the last one's answer announces the close.
            known.last_open = known.last_open.max(sent);
        }
    }

    /// How many canaries stand on each process.
    pub fn canaries(&self) -> BTreeMap<ProcId, u32> {
        let mut count = BTreeMap::new();
        for lane in self.lanes.values().filter(|lane| lane.canary && !lane.ended) {
            if let Owner::Process(proc) = lane.owner {
                *count.entry(proc).or_default() += 1;
            }
        }
        count
    }

    /// At T0: how many canaries each process has.
    fn count_canaries(&mut self) {
        for (proc, canaries) in self.canaries() {
            if let Some(known) = self.procs.get_mut(&proc) {
                known.canaries = canaries;
            }
        }
    }

    /// Tr: the successor was born, and its first response byte came. In place: the new marker was seen.
    pub fn tr(&self) -> Option<Interval> {
        let t0 = self.t0?;
        let generations = self.generations();
        let by_process = generations
            .successors
            .iter()
            .filter_map(|id| self.procs.get(id))
            .filter_map(|proc| Some(Interval::new(proc.born.lo.max(t0.lo), proc.first_answer?)))
            .min_by_key(|tr| tr.hi);
        by_process.or_else(|| self.marker_seen.map(|seen| Interval::new(t0.lo, seen)))
    }

    /// Td of one old process: its latest sign of not draining, and the earliest of its draining.
    pub fn td(&self, proc: ProcId, drain_start_max: Micros) -> Option<Interval> {
        let t0 = self.t0?;
        let known = self.procs.get(&proc)?;
        let seen = self.drain_evidence(known);
        let begin = self.drain_step.map_or(0, |step| step.hi);
        let last = self.tr().map(|tr| tr.hi.max(begin).saturating_add(drain_start_max));
        let hi = seen.into_iter().chain(last).min()?;
        Some(Interval::new(known.last_open.unwrap_or(0).max(t0.lo), hi))
    }

    /// The earliest evidence that a process drains, with no assumption about when it must.
    pub fn drain_evidence(&self, proc: &Proc) -> Option<Micros> {
        let gone = proc.gone.map(|gone| gone.hi);
        [proc.announced, proc.canary_closed, proc.no_listener, gone].into_iter().flatten().min()
    }

    /// Td of the whole old generation: from the first that may drain to the last that surely does.
    pub fn td_last(&self, drain_start_max: Micros) -> Option<Interval> {
        let generations = self.generations();
        let drains = generations.old.iter().filter(|proc| !generations.idle.contains(proc));
        let each: Option<Vec<Interval>> = drains.map(|proc| self.td(*proc, drain_start_max)).collect();
        let each = each.filter(|each| !each.is_empty())?;
        let lo = each.iter().map(|td| td.lo).max()?;
        let hi = each.iter().map(|td| td.hi).max()?;
        Some(Interval::new(lo, hi))
    }

    /// Tx: the last process of the old generation is gone.
    pub fn tx(&self) -> Option<Interval> {
        self.t0?;
        let old = self.generations().old;
        let gone: Option<Vec<Interval>> =
            old.iter().map(|proc| self.procs.get(proc).and_then(|proc| proc.gone)).collect();
        gone.filter(|gone| !gone.is_empty())?.into_iter().max_by_key(|gone| gone.hi)
    }
}
