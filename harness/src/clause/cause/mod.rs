//! Why a connection was lost: the best explanation that the evidence supports, and nothing where it supports none.
//!
//! A pure function from a case and a violation to a cause. What is named rests on what was excluded: of the ways in which the kernel
//! comes to send an RST, those are left out that the counters, the table of listening sockets or the connection itself rule out.
//! One that is left is named, with what was seen of it. Of two it is said that it is either; of more, nothing.
//!
//! - `counted` (beside this): what the kernel counted while resets were heard
//! - `doors`: which process held which listening socket, how many waited there, and when it closed
//! - `attempts`: connections that did not come about, or late
//! - `broken`: connections that were broken off

mod attempts;
mod broken;
mod doors;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Case;
use super::counted::{Ledger, ledgers};
use super::tally::Violation;
use super::wire::Reset;
use crate::declaration::Span;
use crate::history::event::{ConnectTrouble, Ending, Owner};
use crate::history::{Lane, LaneId, Micros, ProcId};
use doors::{Closed, Looks};

/// What the kernel did, and why. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// RST: the listening socket was closed for good while the connection waited in its queue.
    AcceptQueueDestroyed,
    /// RST to what waited in the queue, or refused afterwards: shutdown(2) on a listening socket that processes still hold.
    ListenerShutDown,
    /// RST: the connection was closed with bytes from the client unread.
    ClosedUnread,
    /// RST: the connection was closed with SO_LINGER and a time of zero.
    LingerZero,
    /// RST: bytes came after the server had closed the connection.
    DataAfterClose,
    /// RST in answer to the SYN: nobody listened.
    Refused,
    /// The SYN was dropped: the queue of the listening socket was full.
    AcceptQueueFull,
    /// The SYN was dropped, and no queue was full.
    SynDropped,
}

impl CauseKind {
    /// All that there are.
    pub const ALL: [Self; 8] = [
        CauseKind::AcceptQueueDestroyed,
        CauseKind::ListenerShutDown,
        CauseKind::ClosedUnread,
        CauseKind::LingerZero,
        CauseKind::DataAfterClose,
        CauseKind::Refused,
        CauseKind::AcceptQueueFull,
        CauseKind::SynDropped,
    ];

    /// Its name in results.
    pub fn as_str(self) -> &'static str {
        match self {
            CauseKind::AcceptQueueDestroyed => "accept-queue-destroyed",
            CauseKind::ListenerShutDown => "listener-shut-down",
            CauseKind::ClosedUnread => "closed-unread",
            CauseKind::LingerZero => "linger-zero",
            CauseKind::DataAfterClose => "data-after-close",
            CauseKind::Refused => "refused",
            CauseKind::AcceptQueueFull => "accept-queue-full",
            CauseKind::SynDropped => "syn-dropped",
        }
    }
}

/// The best explanation of a violation that the evidence supports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// What it was; two, where the evidence does not tell which of them.
    pub kinds: Vec<CauseKind>,
    /// A sentence: what happened, by whom, when.
    pub text: String,
    /// What was seen that supports it, by witness.
    pub evidence: Vec<String>,
}

/// What the causes of a case are told from.
pub(super) struct Causes<'a> {
    case: &'a Case<'a>,
    ledgers: Vec<Ledger>,
    /// The target's resets, by the port of the lane's end.
    resets: BTreeMap<u16, Vec<Reset>>,
    /// The listening sockets over time.
    looks: Looks<'a>,
    /// The listening sockets that closed, in the order of time.
    closed: Vec<Closed>,
    /// The address that the witnesses watch: of several that a target listens on, one.
    watched: Option<&'a str>,
}

impl<'a> Causes<'a> {
    /// Of this case.
    pub(super) fn of(case: &'a Case<'a>) -> Self {
        let mut resets: BTreeMap<u16, Vec<Reset>> = BTreeMap::new();
        for reset in case.wire.resets.iter().filter(|reset| reset.by_target) {
            resets.entry(reset.port).or_default().push(*reset);
        }
        let looks = Looks::of(case);
        let closed = looks.closed(case);
        Self { case, ledgers: ledgers(case), resets, looks, closed, watched: watched(case) }
    }

    /// The cause of a violation that was seen on a lane, if it is about how that ended, or came about.
    pub(super) fn find(&self, violation: &Violation) -> Option<Cause> {
        let number = violation.lane.as_deref()?.rsplit_once('#')?.1;
        let lane = self.case.lanes.get(&number.parse::<LaneId>().ok()?)?;
        if self.watched != Some(lane.address.as_str()) {
            return None;
        }
        let at = violation.at_us;
        if let Some((failed, why, _)) = lane.connect_failed {
            return (failed == at).then(|| match why {
                ConnectTrouble::Refused => attempts::refused(self, lane, at),
                ConnectTrouble::TimedOut => attempts::dropped(self, lane, at),
                _ => None,
            })?;
        }
        if matches!(violation.kind.as_str(), "syn-dropped" | "stall") && lane.retransmits > 0 {
            return attempts::dropped(self, lane, lane.connected?);
        }
        broken::off(self, lane, &self.reset_of(lane, at)?)
    }

    /// The reset by which a lane ended, if what was seen at `at` is that end or the reset itself.
    fn reset_of(&self, lane: &Lane, at: Micros) -> Option<Reset> {
        let end = lane.end.filter(|end| matches!(end.how, Ending::Reset | Ending::ResetAfterFin));
        let until = end.filter(|end| end.at == at).map_or(at, |end| end.at);
        let heard = self.resets.get(&lane.port?)?;
        // The first one tells: what comes after it answers what the lane sent meanwhile.
        let first = heard.iter().find(|reset| reset.at >= lane.opened && reset.at <= until)?;
        (end.is_some_and(|end| end.at == at) || first.at == at).then_some(*first)
    }

    /// What was counted while a reset was heard, if that says anything.
    fn ledger(&self, at: Micros) -> Option<&Ledger> {
        let of_time = |ledger: &&Ledger| at > ledger.from && at <= ledger.at;
        self.ledgers.iter().find(of_time).filter(|ledger| ledger.is_usable())
    }
}

/// The address that all lanes connect to, or else the one that probes do.
fn watched<'a>(case: &'a Case<'_>) -> Option<&'a str> {
    let mut lanes = case.restart_lanes();
    let first = lanes.next()?;
    if lanes.all(|lane| lane.address == first.address) {
        return Some(&first.address);
    }
    case.restart_lanes().find(|lane| lane.role == "probe").map(|lane| lane.address.as_str())
}

/// `T0+31.2 ms`
fn when(case: &Case<'_>, at: Micros) -> String {
    match case.t0() {
        Some(t0) if at >= t0.lo => format!("T0+{}", Span(at - t0.lo)),
        Some(t0) => format!("T0-{}", Span(t0.lo - at)),
        None => Span(at).to_string(),
    }
}

/// `nginx 4711 (old)`
fn process(case: &Case<'_>, proc: ProcId) -> String {
    case.timeline.describe(Owner::Process(proc))
}

/// `nginx 4711 (old) and nginx 4712 (successor)`; a few of them, and how many more there are.
fn processes(case: &Case<'_>, procs: &[ProcId]) -> String {
    const NAMED: usize = 3;
    let mut names: Vec<String> = procs.iter().take(NAMED).map(|proc| process(case, *proc)).collect();
    if procs.len() > NAMED {
        names.push(format!("{} more", procs.len() - NAMED));
    }
    names.join(" and ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_the_same_name_everywhere() {
        for kind in CauseKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
