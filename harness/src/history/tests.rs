//! Several restarts in one history: the instants are the latest one's, live and afterwards.

use super::event::{Ending, Event, Interval, Micros, Owner, Phase, ProcId, Stage, What};
use super::recorder::Origin;
use super::{Model, Recorder, Timeline, file};
use crate::clause::Case;
use crate::declaration::{DeclaredLimits, Profile};

const DRAIN_START_MAX: Micros = 1_000_000;
/// From one restart to the next.
const ROUND: Micros = 10_000_000;

fn process(proc: ProcId, at: Micros) -> Event {
    let what = What::Process {
        proc,
        pid: 100 + proc as i32,
        ppid: 1,
        start: u64::from(proc),
        stack: 4_096 + u64::from(proc),
        born: Interval::new(at.saturating_sub(500), at),
        name: "server".to_owned(),
        program: None,
        executed_from: None,
    };
    Event { t: at, what }
}

/// One request on a lane, answered; its connection is closed by the server in the end where it says so.
fn answered(lane: u32, role: &str, owner: ProcId, at: Micros, close: bool) -> Vec<Event> {
    let whats = [
        What::Open { lane, role: role.to_owned(), address: "127.0.0.1:80".to_owned() },
        What::Connected { lane, retransmits: 0, port: None },
        What::Owner { lane, owner: Owner::Process(owner) },
        What::Request { lane, request: 0, endpoint: "fast".to_owned(), method: "GET".to_owned() },
        What::Sent { lane, request: 0, from: at + 3_000 },
        What::Head {
            lane,
            request: 0,
            from: at + 4_000,
            status: 200,
            version: 11,
            framing: "length".to_owned(),
            close,
            last: close,
            keep_alive: false,
            marker: None,
        },
        What::Body { lane, request: 0, length: 1, hash: "0".to_owned(), marker: None },
        What::End {
            lane,
            how: if close { Ending::Fin } else { Ending::Lane },
            errno: None,
            stage: Stage::Idle,
        },
    ];
    (0..).zip(whats).map(|(n, what)| Event { t: at + 1_000 * n, what }).collect()
}

/// A restart that begins at `at`: the process `old` is followed by the next.
fn restart(old: ProcId, at: Micros) -> Vec<Event> {
    let new = old + 1;
    let lane = 100 * new;
    let tell = |t, what| Event { t: at + t, what };
    let mut events = vec![tell(0, What::Phase { phase: Phase::Restart })];
    events.extend(answered(lane, "busy", old, at + 100_000, false));
    let what = "SIGHUP to the main process".to_owned();
    events.push(tell(500_050, What::Trigger { step: 0, what, from: at + 500_000, drain: true }));
    events.push(process(new, at + 600_000));
    events.push(tell(610_000, What::Holds { proc: new, listeners: vec![501], from: at + 600_000 }));
    events.extend(answered(lane + 1, "probe", new, at + 700_000, false));
    events.push(tell(900_000, What::Holds { proc: old, listeners: vec![], from: at + 899_000 }));
    events.push(tell(5_000_000, What::Gone { proc: old, from: at + 4_999_000 }));
    events
}

/// Control, and three restarts.
fn history() -> Vec<Event> {
    let mut events = vec![
        Event { t: 0, what: What::Begin { schema: super::event::SCHEMA, scenario: "story".to_owned() } },
        Event { t: 10, what: What::Phase { phase: Phase::Control } },
        process(0, 1_000),
        Event { t: 2_000, what: What::Holds { proc: 0, listeners: vec![501], from: 1_000 } },
    ];
    events.extend(answered(1, "busy", 0, 100_000, false));
    events.push(Event { t: 300_000, what: What::Gap { from: 180_000 } });
    for old in 0..3 {
        events.extend(restart(old, ROUND * (u64::from(old) + 1)));
    }
    events.push(Event { t: 5 * ROUND, what: What::Phase { phase: Phase::End } });
    events
}

/// All that is asked of a timeline: instants, and who is who.
type Asked = ([Option<Interval>; 4], Vec<ProcId>, Vec<ProcId>, Micros, u32, Micros);

fn ask(timeline: &Timeline) -> Asked {
    let generations = timeline.generations();
    (
        [timeline.t0, timeline.tr(), timeline.td_last(DRAIN_START_MAX), timeline.tx()],
        generations.old,
        generations.successors,
        timeline.control_gap,
        timeline.control_ordinals,
        timeline.answers,
    )
}

/// The timeline after everything until `at`.
fn until(at: Micros) -> Timeline {
    let events: Vec<Event> = history().into_iter().filter(|event| event.t <= at).collect();
    Timeline::of(Model::ForkExec, &events)
}

#[test]
fn the_instants_are_those_of_the_latest_restart() {
    for old in 0..3 {
        let begin = ROUND * (u64::from(old) + 1);
        let (instants, olds, successors, gap, ordinals, _) = ask(&until(begin + 6_000_000));
        let at = |lo, hi| Some(Interval::new(begin + lo, begin + hi));
        assert_eq!(instants[0], at(500_000, 500_050));
        assert_eq!(instants[1], at(599_500, 704_000));
        // It last accepted before the trigger; then it was seen to listen no more.
        assert_eq!(instants[2], at(500_000, 900_000));
        assert_eq!(instants[3], at(4_999_000, 5_000_000));
        assert_eq!((olds, successors), (vec![old], vec![old + 1]));
        assert_eq!((gap, ordinals), (120_000, 1), "what control showed stays");
    }
}

#[test]
fn between_the_beginning_of_a_restart_and_its_trigger_there_are_no_instants() {
    for round in 1..=3 {
        let timeline = until(ROUND * round + 400_000);
        assert_eq!(ask(&timeline).0, [None; 4], "round {round}");
        assert!(timeline.drain_step.is_none() && timeline.frozen.is_empty());
    }
}

#[test]
fn what_a_process_did_in_the_restart_before_is_forgotten_and_who_is_gone_is_old_no_more() {
    let timeline = until(2 * ROUND + 10);
    assert!(timeline.procs[&0].gone.is_some(), "the first generation is still known");
    let successor = &timeline.procs[&1];
    assert!(successor.first_answer.is_none() && successor.last_open.is_none() && successor.lanes == 0);
    // What it holds is no matter of the past.
    assert_eq!(successor.listeners, [501]);
    assert_eq!(timeline.generations().old, [1]);
}

#[test]
fn a_second_trigger_in_one_restart_does_not_move_t0() {
    let mut events = history();
    let again = What::Trigger { step: 0, what: "SIGHUP".to_owned(), from: ROUND + 800_000, drain: true };
    events.push(Event { t: ROUND + 800_050, what: again });
    events.retain(|event| event.t < 2 * ROUND);
    let timeline = Timeline::of(Model::ForkExec, &events);
    assert_eq!(timeline.t0, Some(Interval::new(ROUND + 500_000, ROUND + 500_050)));
}

/// Steering and judging see the same: at every event, and of every restart as a whole.
#[test]
fn the_live_fold_and_the_judge_s_agree() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("history.ndjson");
    let recorder = Recorder::create(&path, Origin::now(0), Model::ForkExec).expect("a file");
    let events = history();
    let mut live: Vec<Asked> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let ends = index > 0 && matches!(event.what, What::Phase { phase: Phase::Restart | Phase::End });
        if ends && recorder.timeline(|timeline| timeline.t0.is_some()) {
            live.push(recorder.timeline(ask));
        }
        recorder.record_at(event.t, event.what.clone());
        let so_far = Timeline::of(Model::ForkExec, &events[..=index]);
        assert_eq!(recorder.timeline(ask), ask(&so_far), "after {event:?}");
    }
    recorder.finish().expect("it was written");
    let text = std::fs::read_to_string(&path).expect("it can be read");
    let stored = file::parse(&path, &text).expect("a history");
    let limits = DeclaredLimits::default().resolve();
    let cases = Case::rounds("story", Profile::Falcore, limits, Model::ForkExec, &stored.events);
    assert_eq!(cases.len(), 3);
    assert_eq!(live.len(), 3);
    for (case, (instants, old, successors, ..)) in cases.iter().zip(live) {
        let (judged, judged_old, judged_successors, ..) = ask(&case.timeline);
        assert_eq!((judged, judged_old, judged_successors), (instants, old, successors));
    }
}
