//! Every reset that the target's side sent, accounted for. A correct server's kernel sends some: it answers bytes that come for
//! a connection that was closed already. These are matched with their connections one by one, and never alarm.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Case;
use super::counted::Ledger;
use crate::history::Micros;
use crate::history::event::Scope;

/// The resets of one restart, its lanes brought into their states included, by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resets {
    /// All that the target's side sent to lanes.
    pub sent: u64,
    /// Answers to bytes that came after the close …
    pub after_close: u64,
    /// … and how many of them were matched with the connection that had sent these bytes.
    pub after_close_matched: u64,
    /// Answers to a SYN: nobody listened.
    pub refused: u64,
    /// Breaking off a connection that there was …
    pub breaking: u64,
    /// … and how many of them were matched with that connection.
    pub breaking_matched: u64,
}

impl Resets {
    /// Of a restart; none if the wire was not heard.
    pub fn of(case: &Case<'_>) -> Option<Self> {
        case.wire.heard?;
        let mut resets = Self::default();
        let mut opened: BTreeMap<u16, Micros> = BTreeMap::new();
        for lane in case.restart_lanes() {
            if let Some(port) = lane.port {
                let first = opened.entry(port).or_insert(lane.opened);
                *first = lane.opened.min(*first);
            }
        }
        for reset in case.wire.resets.iter().filter(|reset| reset.by_target) {
            resets.sent += 1;
            resets.refused += u64::from(reset.refused);
            let matched = u64::from(opened.get(&reset.port).is_some_and(|opened| *opened <= reset.at));
            if reset.breaks_off() {
                resets.breaking += 1;
                resets.breaking_matched += matched;
            } else if !reset.refused && (reset.target_ended || reset.lane_ended) {
                resets.after_close += 1;
                resets.after_close_matched += matched;
            }
        }
        Some(resets)
    }

    /// Adds another restart's.
    pub(super) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.after_close += other.after_close;
        self.after_close_matched += other.after_close_matched;
        self.refused += other.refused;
        self.breaking += other.breaking;
        self.breaking_matched += other.breaking_matched;
    }
}

/// What the report says of the resets and the counters of a run.
pub(super) fn told(cases: &[&Case<'_>]) -> Vec<String> {
    let mut told = Vec::new();
    let mut sum = Resets::default();
    for resets in cases.iter().filter(|case| case.t0().is_some()).filter_map(|case| Resets::of(case)) {
        sum.add(resets);
    }
    if sum.after_close > 0 {
        let with = with(sum.after_close, sum.after_close_matched);
        told.push(format!("{} answered bytes that came after the close, {with}", resets(sum.after_close)));
    }
    if sum.breaking > 0 {
        let with = with(sum.breaking, sum.breaking_matched);
        told.push(format!("{} of the target's side broke connections off, {with}", resets(sum.breaking)));
    }
    told.extend(counted(cases));
    told
}

/// What the counters say of resets, beside what was heard.
fn counted(cases: &[&Case<'_>]) -> Option<String> {
    let cases: Vec<&&Case<'_>> =
        cases.iter().filter(|case| case.t0().is_some() && case.counted.scope().is_some()).collect();
    let scope = cases.iter().find_map(|case| case.counted.scope())?;
    if cases.iter().any(|case| case.counted.scope() == Some(Scope::Shared)) {
        return Some("counters: observation only, as other programs use this network too".to_owned());
    }
    let whose = match scope {
        Scope::Target => "the target's side sent",
        _ => "both sides sent",
    };
    let ledgers: Vec<Ledger> =
        cases.iter().filter_map(|case| Ledger::of(case, &case.counted.readings)).collect();
    let sent = ledgers.iter().map(|ledger| ledger.sent).fold(0, u64::saturating_add);
    let heard: u64 = ledgers.iter().map(|ledger| ledger.heard).sum();
    let deaf = cases.iter().any(|case| case.wire.deaf.is_some());
    let all_heard = cases.iter().all(|case| case.wire.is_proof());
    Some(match (sent, heard) {
        (0, _) => format!("counters: proof that {whose} no reset (OutRsts +0)"),
        (sent, _) if deaf => format!("counters: {whose} {}, of whatever kind", resets(sent)),
        (sent, heard) if sent == heard => format!("counters: {whose} {}, all of them heard", resets(sent)),
        (sent, heard) if all_heard && sent > heard => {
            let others = sent - heard;
            format!(
                "counters: {whose} {}, {others} of them on other connections than the lanes'",
                resets(sent)
            )
        }
        (sent, heard) => format!("counters: {whose} {}, and {heard} were heard", resets(sent)),
    })
}

/// How many of so many resets were matched.
fn with(number: u64, matched: u64) -> String {
    match (number, matched) {
        (1, 1) => "matched with its connection".to_owned(),
        (number, matched) if number == matched => "each matched with its connection".to_owned(),
        (_, matched) => format!("{matched} matched with their connections"),
    }
}

/// `1 reset`, `12 resets`.
fn resets(number: u64) -> String {
    format!("{number} {}", if number == 1 { "reset" } else { "resets" })
}
