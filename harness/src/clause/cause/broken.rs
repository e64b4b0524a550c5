//! Connections that were broken off by RST.

use super::super::Case;
use super::super::counted::Ledger;
use super::super::wire::Reset;
use super::doors::{self, Closed};
use super::{Cause, CauseKind, Causes, process, when};
use crate::history::event::{Owner, Scope};
use crate::history::{Lane, Micros};

/// Why an RST broke a lane off.
pub(super) fn off(causes: &Causes<'_>, lane: &Lane, reset: &Reset) -> Option<Cause> {
    let case = causes.case;
    if !reset.ack {
        return (reset.target_ended && !reset.refused).then(|| late(case, lane, reset));
    }
    if reset.refused {
        return None;
    }
    let ledger = causes.ledger(reset.at)?;
    let closed = doors::closed_about(&causes.closed, reset.at);
    let seen = doors::are_seen(case);
    let queued = ledger.may_be_queued() && !was_accepted(lane) && !(seen && closed.is_empty());
    if queued && closed.is_empty() {
        // No listening socket was looked at: it can't be said whose queue it was, or whether there was one.
        return None;
    }
    let mut found = Vec::new();
    if queued {
        found.push(from_queue(case, reset, ledger, &closed));
    }
    if ledger.may_be_unread() && lane.exchanges.iter().any(|exchange| exchange.begun <= reset.at) {
        found.push(by_close(case, lane, reset, CauseKind::ClosedUnread));
    }
    if ledger.may_be_lingering() {
        found.push(by_close(case, lane, reset, CauseKind::LingerZero));
    }
    let whens: Vec<&str> = found.iter().map(|found| found.1.as_str()).collect();
    let text = match whens.as_slice() {
        [one] => format!("reset by the kernel {one}"),
        [one, other] => format!("reset by the kernel, either {one}, or {other}"),
        _ => return None,
    };
    let kinds: Vec<CauseKind> = found.iter().map(|found| found.0).collect();
    let mut evidence = vec![heard(case, reset), counted(case, ledger)];
    if queued {
        evidence.extend(closed.iter().map(|closed| closed.evidence(case)));
    }
    evidence.extend(owned(case, lane));
    Some(Cause { kinds, text, evidence })
}

/// An answer to bytes for a connection that the target had closed.
fn late(case: &Case<'_>, lane: &Lane, reset: &Reset) -> Cause {
    let who = closer(case, lane);
    let at = when(case, reset.at);
    let text =
        format!("bytes came after {who} had closed the connection; the kernel answered by RST at {at}");
    let heard = format!(
        "packets: FIN from the target's side, and then, at {at}, an RST without acknowledgement, which answers a segment for a connection that is no more"
    );
    let evidence = [heard].into_iter().chain(owned(case, lane)).collect();
    Cause { kinds: vec![CauseKind::DataAfterClose], text, evidence }
}

/// The connection is known to have left the queue.
fn was_accepted(lane: &Lane) -> bool {
    matches!(lane.owner, Owner::Process(_) | Owner::Several)
        || lane.exchanges.iter().any(|exchange| exchange.head.is_some())
}

fn from_queue(case: &Case<'_>, reset: &Reset, ledger: &Ledger, closed: &[&Closed]) -> (CauseKind, String) {
    let at = when(case, reset.at);
    let shut = closed.iter().all(|closed| closed.shut_down.is_some());
    let kind = if shut { CauseKind::ListenerShutDown } else { CauseKind::AcceptQueueDestroyed };
    let phrase = match closed {
        [one] => one.phrase(case),
        _ => format!("when the listening socket was closed in whose queue it was, one of {}", closed.len()),
    };
    // All that were broken off meanwhile waited there.
    let all = !ledger.may_be_unread() && !ledger.may_be_lingering() && ledger.balances();
    let number = ledger.by_target;
    let queue = match (all && closed.len() == 1, number) {
        (false, _) => String::new(),
        (true, 1) => ", with 1 connection in its queue".to_owned(),
        (true, number) => format!(", with {number} connections in its queue"),
    };
    (kind, format!("{phrase} at {at}{queue}"))
}

fn by_close(case: &Case<'_>, lane: &Lane, reset: &Reset, kind: CauseKind) -> (CauseKind, String) {
    let how = match kind {
        CauseKind::ClosedUnread => "with bytes from the client unread",
        _ => "with a linger time of zero",
    };
    let who = closer(case, lane);
    let ended = if has_ended(case, lane, reset.at) { ", which ended about then," } else { "" };
    (kind, format!("when {who}{ended} closed the connection {how} at {}", when(case, reset.at)))
}

/// Who closed an accepted connection, as far as that is known.
fn closer(case: &Case<'_>, lane: &Lane) -> String {
    match lane.owner {
        Owner::Process(proc) => process(case, proc),
        _ => "the target".to_owned(),
    }
}

/// The process that held it was seen alive before, and not after.
fn has_ended(case: &Case<'_>, lane: &Lane, at: Micros) -> bool {
    let Owner::Process(proc) = lane.owner else { return false };
    let gone = case.timeline.procs.get(&proc).and_then(|proc| proc.gone);
    gone.is_some_and(|gone| gone.lo <= at && at <= gone.hi)
}

fn heard(case: &Case<'_>, reset: &Reset) -> String {
    let after = match (reset.target_ended, reset.lane_ended) {
        (true, _) => ", after its own FIN",
        (false, true) => ", after the lane's FIN",
        _ => "",
    };
    let at = when(case, reset.at);
    format!("packets: an RST from the target's side that breaks the connection off, at {at}{after}")
}

fn counted(case: &Case<'_>, ledger: &Ledger) -> String {
    let (from, at) = (when(case, ledger.from), when(case, ledger.at));
    let whose = match case.counted.scope() {
        Some(Scope::Target) => "the target's side alone",
        _ => "both sides",
    };
    let Ledger { sent, heard, unread, data, .. } = ledger;
    format!(
        "counters, {whose}, {from} to {at}: OutRsts +{sent} ({heard} were heard), TCPAbortOnClose +{unread}, TCPAbortOnData +{data}"
    )
}

/// What is known of who held it.
fn owned(case: &Case<'_>, lane: &Lane) -> Option<String> {
    match (lane.owner, lane.queued) {
        (Owner::Process(proc), _) => Some(format!("socket table: {} had accepted it", process(case, proc))),
        (_, Some(at)) => Some(format!(
            "socket table: it waited in a queue when it was last looked up, at {}",
            when(case, at)
        )),
        _ => None,
    }
}
