//! What counts as wrong with no restart at all. Times are milliseconds.

use hotspec::clause::{Case, Tally};
use hotspec::declaration::{DeclaredLimits, Profile};
use hotspec::history::Model;
use hotspec::history::event::{Ending, Event, LaneId, Phase, Stage, What};

use crate::lane::plain_head;

/// How long the server is seen to keep an idle connection: less than it may.
const KEPT: u64 = 60;

fn at(ms: u64, what: What) -> Event {
    Event { t: ms * 1_000, what }
}

fn opens(ms: u64, lane: LaneId, role: &str) -> [Event; 2] {
    let open = What::Open { lane, role: role.to_owned(), address: "127.0.0.1:1".to_owned() };
    [at(ms, open), at(ms, What::Connected { lane, port: Some(2), retransmits: 0 })]
}

fn asks(ms: u64, lane: LaneId) -> Event {
    at(ms, What::Request { lane, request: 0, endpoint: "fast".to_owned(), method: "GET".to_owned() })
}

fn ends(ms: u64, lane: LaneId, stage: Stage) -> Event {
    at(ms, What::End { lane, how: Ending::Fin, errno: None, stage })
}

/// What is found wrong with a server that closes a connection so long after it came about, where the harness did not run for a part
/// of it; its request was begun so much later.
fn troubles(begun: u64, half_sent: u64, slept: u64) -> Vec<String> {
    let events = history("probe", begun, half_sent, slept);
    case(&events).control.troubles
}

fn case(events: &[Event]) -> Case<'static> {
    let limits = DeclaredLimits::default().resolve();
    Case::new("idle-last-request", Profile::Falcore, limits, Model::Auto, events)
}

fn history(role: &str, begun: u64, half_sent: u64, slept: u64) -> Vec<Event> {
    let mut events = vec![at(0, What::Phase { phase: Phase::Control })];
    events.extend(opens(10, 0, "probe"));
    let body = What::Body { lane: 0, request: 0, length: 6, hash: "a".to_owned(), marker: None };
    events.extend([
        asks(11, 0),
        at(11, What::Sent { lane: 0, request: 0, from: 11_000 }),
        at(12, plain_head(0, 12)),
        at(12, body),
    ]);
    events.push(ends(12 + KEPT, 0, Stage::Idle));
    events.extend(opens(1_000, 1, role));
    events.extend([asks(1_000 + begun, 1), at(1_001 + slept, What::Gap { from: 1_001_000 })]);
    events.push(ends(1_000 + half_sent, 1, Stage::HalfSent));
    events
}

#[test]
fn a_request_that_the_harness_left_half_sent_for_as_long_as_the_server_waits_accuses_nobody() {
    assert_eq!(troubles(0, 69, 60), [""; 0]);
    assert_eq!(troubles(0, 69, 1).len(), 1, "the harness ran");
    assert_eq!(troubles(0, 40, 19).len(), 1, "an idle connection is kept for longer than that");
}

#[test]
fn a_connection_that_the_harness_left_without_a_request_for_as_long_as_the_server_waits_accuses_nobody() {
    assert_eq!(troubles(68, 69, 60), [""; 0]);
    assert_eq!(troubles(68, 69, 1).len(), 1, "the harness ran");
}

/// H2O gave uploads up as early with no restart, and was accused of those of the restart alone.
#[test]
fn where_no_connection_of_its_kind_went_well_in_control_nobody_is_accused() {
    let measured = case(&history("probe", 0, 69, 60));
    assert!(measured.control.unmeasured.is_empty());
    let case = case(&history("upload", 0, 69, 60));
    assert!(case.control.unmeasured.contains("upload"));
    let mut tally = Tally::default();
    for lane in case.lanes.values() {
        tally.break_on(&case, lane, 0, "eof", "an answer", "none".to_owned());
    }
    // That of the other one stands.
    assert_eq!((tally.violations.len(), tally.doubts.len()), (1, 1), "{tally:?}");
}
