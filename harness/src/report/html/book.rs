//! All that the page draws from, looked up once: every restart with its history, and every breach with the restart that it is
//! from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::Evidence;
use super::super::human::causes::Cause;
use super::super::human::clauses::VERDICTS;
use super::super::human::recordings::lane_id;
use super::super::human::{phases, with};
use super::super::lane_log::LaneLog;
use super::Packets;
use super::axis::Axis;
use crate::clause::result::{ClauseResult, Restart, RunResult};
use crate::clause::tally::Violation;
use crate::history::event::{Owner, Phase, ProcId, What};
use crate::history::{self, Event, Interval, Lane, LaneId, Micros, lane};

/// Breaches of one restart told one by one that were seen on no lane.
pub(super) const OUTSIDE: usize = 200;

/// The marks of each lane that has some, in the order of time, by their places in the book.
pub(super) type Broken = BTreeMap<LaneId, Vec<usize>>;

/// A breach, and where it is drawn.
pub(super) struct Mark<'a> {
    /// The clause that it breaks.
    pub(super) clause: &'a ClauseResult,
    pub(super) violation: &'a Violation,
    /// The target file admits it.
    pub(super) known: bool,
    /// The scene that it is from, if its history is there.
    pub(super) scene: Option<usize>,
    /// The lane that it was seen on, if that is in the scene.
    pub(super) lane: Option<LaneId>,
    /// The place on the page where it is told.
    pub(super) place: Option<String>,
}

/// One restart: what is drawn in one picture.
pub(super) struct Scene<'a> {
    pub(super) number: usize,
    pub(super) scenario: &'a str,
    /// Of the attempts at the scenario, counted from 0.
    pub(super) attempt: usize,
    /// ` again 2/5`.
    pub(super) which: String,
    end: Micros,
    pub(super) log: LaneLog<'a>,
    /// Those from the restart on; all, where there was none.
    pub(super) lanes: BTreeMap<LaneId, Lane>,
    pub(super) restart: Option<&'a Restart>,
    /// T0, Tr, Td and Tx, as they were judged.
    pub(super) instants: [Option<Interval>; 4],
    pub(super) axis: Axis,
    /// Names of processes, as reports have them.
    pub(super) names: BTreeMap<ProcId, String>,
    /// Breaches of this restart, by their places in the book.
    pub(super) marks: Vec<usize>,
    /// How many of them were seen on no lane.
    outside: usize,
}

/// Everything.
pub(super) struct Book<'a> {
    pub(super) run: &'a RunResult,
    pub(super) packets: &'a Packets,
    files: &'a BTreeMap<String, Vec<Option<PathBuf>>>,
    pub(super) marks: Vec<Mark<'a>>,
    /// In the order of the histories.
    pub(super) scenes: Vec<Scene<'a>>,
}

impl<'a> Book<'a> {
    pub(super) fn new(run: &'a RunResult, evidence: &Evidence<'a>, packets: &'a Packets) -> Self {
        let mut scenes = Vec::new();
        for (scenario, histories) in evidence.histories {
            for (attempt, events) in histories.iter().enumerate() {
                let rounds = history::restarts(events);
                let total = rounds.len();
                for (round, events) in rounds.into_iter().enumerate() {
                    let which = phases::which(attempt as u32 + 1, round + 1, total);
                    scenes.push(Scene::new(run, scenes.len(), scenario, (attempt, round), which, events));
                }
            }
        }
        let marks = marks(run, &mut scenes);
        Self { run, packets, files: evidence.packets, marks, scenes }
    }

    /// Where the packets of a scene are stored, if there are any.
    pub(super) fn file(&self, scene: &Scene<'_>) -> Option<&'a Path> {
        self.files.get(scene.scenario)?.get(scene.attempt)?.as_deref()
    }

    /// The mark of a cause's example.
    pub(super) fn mark_of(&self, cause: &Cause<'_>) -> Option<&Mark<'a>> {
        let violation = cause.example().violation();
        self.marks.iter().find(|mark| std::ptr::eq(mark.violation, violation))
    }

    /// What is broken on each lane of a scene.
    pub(super) fn broken(&self, scene: &Scene<'_>) -> Broken {
        let mut broken = Broken::new();
        for (at, mark) in self.marks_of(scene) {
            if let Some(lane) = mark.lane {
                broken.entry(lane).or_default().push(at);
            }
        }
        broken
    }

    /// The marks of a scene, in the order of time.
    pub(super) fn marks_of(&self, scene: &Scene<'_>) -> Vec<(usize, &Mark<'a>)> {
        let mut marks: Vec<_> =
            scene.marks.iter().filter_map(|at| Some((*at, self.marks.get(*at)?))).collect();
        marks.sort_by_key(|(at, mark)| (mark.violation.at_us, *at));
        marks
    }
}

/// Every breach, those that count first.
fn marks<'a>(run: &'a RunResult, scenes: &mut [Scene<'a>]) -> Vec<Mark<'a>> {
    let mut marks = Vec::new();
    let clauses = VERDICTS.into_iter().flat_map(|verdict| with(run, verdict));
    for clause in clauses {
        let broken = clause.violations.iter().map(|violation| (violation, false));
        for (violation, known) in broken.chain(clause.known.iter().map(|violation| (violation, true))) {
            // All attempts and restarts share one clock.
            let mut same = scenes.iter_mut().filter(|scene| scene.scenario == violation.scenario);
            let mut scene = same.find(|scene| scene.end >= violation.at_us);
            let lane = lane_id(violation)
                .filter(|lane| scene.as_ref().is_some_and(|scene| scene.lanes.contains_key(lane)));
            let place = scene.as_mut().and_then(|scene| {
                scene.marks.push(marks.len());
                scene.outside += usize::from(lane.is_none());
                match lane {
                    Some(lane) => Some(scene.anchor(lane)),
                    None => (scene.outside <= OUTSIDE).then(|| format!("v{}", marks.len())),
                }
            });
            marks.push(Mark {
                clause,
                violation,
                known,
                scene: scene.map(|scene| scene.number),
                lane,
                place,
            });
        }
    }
    marks
}

impl<'a> Scene<'a> {
    fn new(
        run: &'a RunResult,
        number: usize,
        scenario: &'a str,
        (attempt, round): (usize, usize),
        which: String,
        events: &'a [Event],
    ) -> Self {
        let log = LaneLog::new(events, run.model, run.limits.drain_start_max_ms.saturating_mul(1000));
        let restarted = events.iter().rev().find(|event| event.what == What::Phase { phase: Phase::Restart });
        let mut lanes = lane::fold(events);
        if restarted.is_some() {
            lanes.retain(|_, lane| lane.phase != Phase::Control);
        }
        let end = events.iter().map(|event| event.t).max().unwrap_or_default();
        let first = lanes.values().map(|lane| lane.opened).min();
        let begin = match (restarted, first) {
            (Some(phase), Some(first)) => first.max(phase.t),
            (Some(phase), None) => phase.t,
            (None, first) => first.unwrap_or_default(),
        };
        let t0 = log.t0();
        let begin = t0.map_or(begin, |t0| begin.min(t0.lo));
        let restart = run.restarts.iter().find(|one| {
            one.scenario == scenario && (one.attempt as usize, one.round as usize) == (attempt + 1, round + 1)
        });
        let judged = restart.map(|one| [one.t0_us, one.tr_us, one.td_us, one.tx_us]);
        let instants = judged.unwrap_or_else(|| log.instants());
        let bounds: Vec<Interval> = instants.into_iter().flatten().collect();
        let axis = Axis::new(begin, end, t0.map_or(begin, |t0| t0.lo), &bounds);
        let named = |id: &ProcId| (*id, log.timeline().describe(Owner::Process(*id)));
        let names = log.timeline().procs.keys().map(named).collect();
        Self {
            number,
            scenario,
            attempt,
            which,
            end,
            log,
            lanes,
            restart,
            instants,
            axis,
            names,
            marks: Vec::new(),
            outside: 0,
        }
    }

    /// `idle-last-request again 2/5`.
    pub(super) fn name(&self) -> String {
        format!("{}{}", self.scenario, self.which)
    }

    /// Who holds the server's side of a lane.
    pub(super) fn owner(&self, owner: Owner) -> &str {
        match owner {
            Owner::Process(id) => self.names.get(&id).map_or("unknown", String::as_str),
            Owner::Queued => "nobody (not yet accepted)",
            Owner::Several => "several processes",
            Owner::Unknown => "unknown",
        }
    }

    /// What a link to a lane's own place names.
    pub(super) fn anchor(&self, lane: LaneId) -> String {
        format!("l{}-{lane}", self.number)
    }
}
