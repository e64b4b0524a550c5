//! What holds on one kind of listening socket has to hold on the others, and on many at a time.

use std::collections::BTreeMap;

use super::{Case, Clause, Level, Tally, registry};
use crate::history::Lane;

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "protocol.ipv6",
        must: "FRI",
        should: "",
        requirement: "Availability, keep-alive and drain hold on an IPv6 listener.",
        why: "Its address has another form: code that tells a listener by its address, or names it to the successor, is written twice.",
        source: "hotspec; ipv6(7)",
        judge: Some(|case, tally| on_kind(case, "ipv6", tally)),
    },
    Clause {
        id: "protocol.unix",
        must: "FRI",
        should: "",
        requirement: "Availability, keep-alive and drain hold on a unix socket.",
        why: "The path stays when its listener is closed, and whoever binds it anew has to remove it first: in between nobody is served.",
        source: "hotspec; unix(7)",
        judge: Some(|case, tally| on_kind(case, "unix", tally)),
    },
    Clause {
        id: "protocol.abstract",
        must: "FRI",
        should: "",
        requirement: "Availability, keep-alive and drain hold on an abstract unix socket.",
        why: "No second socket can be bound to the name while the first one is open: the only way on is to hand it on.",
        source: "hotspec; unix(7)",
        judge: Some(|case, tally| on_kind(case, "abstract", tally)),
    },
    Clause {
        id: "protocol.many-listeners",
        must: "FRI",
        should: "",
        requirement: "Availability, keep-alive and drain hold with 33 and with 256 listeners, and each of them is served on before, throughout and after the restart.",
        why: "What hands listeners on may hold a fixed number of them: those beyond it are lost in silence.",
        source: "hotspec; unix(7), SCM_RIGHTS",
        judge: Some(many_listeners),
    },
];

/// What is asked on each kind of listening socket, as far as the profile demands it.
const PARTS: [&str; 15] = [
    "availability.not-refused",
    "availability.answered",
    "availability.no-stall",
    "availability.listener-present",
    "availability.successor-serves",
    "keep-alive.close-announced",
    "keep-alive.close-honoured",
    "keep-alive.one-last-request",
    "keep-alive.fresh-request",
    "keep-alive.answered-throughout",
    "keep-alive.only-one",
    "keep-alive.fin-not-reset",
    "drain.starts",
    "drain.exits",
    "drain.stops-accepting",
];
/// What the parts are about. Each has to have been put to the test.
const GROUPS: [&str; 3] = ["availability", "keep-alive", "drain"];

/// The kind of listening socket that an address belongs to, as `[listen]` names it.
fn kind_of(address: &str) -> &'static str {
    match address.strip_prefix("unix:") {
        Some(name) if name.starts_with('@') => "abstract",
        Some(_) => "unix",
        None if address.starts_with('[') => "ipv6",
        None => "ipv4",
    }
}

fn on_kind(case: &Case<'_>, kind: &str, tally: &mut Tally) {
    if case.t0().is_some() && case.restart_lanes().any(|lane| kind_of(&lane.address) == kind) {
        all_parts(case, tally);
    }
}

/// Judges by every part that the profile demands. A breach says by its kind which it was: `drain.exits/late`.
fn all_parts(case: &Case<'_>, tally: &mut Tally) {
    // Of each group: how often it was put to the test, and whether it was excluded or could not be seen.
    let mut groups: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
    for clause in PARTS.iter().filter_map(|id| registry::find(id)) {
        let demanded = clause.level(case.profile) == Some(Level::Must);
        let Some(judge) = clause.judge.filter(|_| demanded) else { continue };
        let mut part = Tally::default();
        judge(case, &mut part);
        for violation in &mut part.violations {
            violation.kind = format!("{}/{}", clause.id, violation.kind);
        }
        let (times, excused) = groups.entry(clause.group()).or_default();
        *times += part.exercised;
        *excused |= !part.unsupported.is_empty() || !part.withheld.is_empty();
        // What excludes one part leaves the others.
        part.unsupported.clear();
        tally.add(part);
    }
    for group in GROUPS {
        // A pass by the rest alone would say too much.
        if groups.get(group).is_some_and(|(times, excused)| *times == 0 && !excused) {
            tally.doubt(case, format!("nothing of {group} was put to the test"));
        }
    }
}

/// When one of several listening sockets was seen to be served on.
#[derive(Default)]
struct Served {
    before: bool,
    after: bool,
}

fn many_listeners(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let (td, tx) = (case.td_last(), case.timeline.tx());
    let mut served: BTreeMap<&str, Served> = BTreeMap::new();
    // Control was before the trigger too.
    for lane in case.lanes.values() {
        let one = served.entry(lane.address.as_str()).or_default();
        if !lane.exchanges.first().is_some_and(|first| first.answered()) {
            continue;
        }
        one.before |= lane.opened < t0.lo;
        let gone = tx.is_some_and(|tx| lane.opened > tx.hi);
        let drained = td.is_some_and(|td| lane.opened > td.hi) && case.by_successor(lane);
        one.after |= gone || drained;
    }
    if served.len() < 2 {
        return;
    }
    let mut parts = Tally::default();
    all_parts(case, &mut parts);
    for violation in &mut parts.violations {
        if let Some(lane) = violation.lane.as_deref().and_then(|name| lane_named(case, name)) {
            violation.seen = format!("{} (at {})", violation.seen, lane.address);
        }
    }
    tally.add(parts);
    for (address, one) in &served {
        let when = [(one.before, "before the restart"), (one.after, "after it")];
        let missing: Vec<&str> =
            when.into_iter().filter_map(|(seen, when)| (!seen).then_some(when)).collect();
        if missing.is_empty() {
            tally.exercise();
        } else if tally.violations.is_empty() {
            // Why nobody was answered there a part would have told.
            tally.doubt(case, format!("nobody was seen to be served on {address} {}", missing.join(" and ")));
        }
    }
}

fn lane_named<'a>(case: &'a Case<'_>, name: &str) -> Option<&'a Lane> {
    let (_, id) = name.rsplit_once('#')?;
    case.lanes.get(&id.parse().ok()?)
}
