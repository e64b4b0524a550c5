//! Connections that did not come about, or only when their SYN was sent again.

use super::super::Case;
use super::doors::{self, Closed};
use super::{Cause, CauseKind, Causes, process, processes, when};
use crate::declaration::Span;
use crate::history::event::Scope;
use crate::history::{Lane, Micros};

/// A SYN is sent again a second after the first one (RFC 6298 §2.1), give or take a tick.
const SENT_AGAIN_AFTER: Micros = 900_000;
/// Where the harness stood still for so long at a time, the whole machine may have.
const STOOD_STILL: Micros = 500_000;

/// Why a connection was refused, when that was noticed at `at`.
pub(super) fn refused(causes: &Causes<'_>, lane: &Lane, at: Micros) -> Option<Cause> {
    let case = causes.case;
    let answered = case.wire.within(lane.opened, at).iter().find(|reset| reset.refused);
    let empty = causes.looks.states(lane.opened, at).iter().any(|rows| rows.is_empty());
    if answered.is_none() && !empty {
        return None;
    }
    let mut evidence = Vec::new();
    if let Some(reset) = answered {
        let at = when(case, reset.at);
        evidence.push(format!("packets: the target's side answered a SYN by RST at {at}"));
    }
    let last = causes.closed.iter().rfind(|closed| closed.from <= at);
    let Some(last) = last.filter(|_| empty) else {
        let address = &lane.address;
        let text = format!("nobody listened on {address} in that moment, so the kernel refused it");
        if doors::are_seen(case) {
            evidence.push("socket table: somebody listened at the looks before and after".to_owned());
        }
        return Some(Cause { kinds: vec![CauseKind::Refused], text, evidence });
    };
    evidence.push(last.evidence(case));
    evidence.push(match causes.looks.next(last.at) {
        Some(seen) => format!("socket table: somebody listened again at {}", when(case, seen)),
        None => "socket table: nobody listened afterwards".to_owned(),
    });
    let (kind, text) = nobody(case, last);
    Some(Cause { kinds: vec![kind], text, evidence })
}

/// Nobody listened any more since this socket closed.
fn nobody(case: &Case<'_>, last: &Closed) -> (CauseKind, String) {
    let (inode, from, at) = (last.inode, when(case, last.from), when(case, last.at));
    let when = format!("between {from} and {at}");
    if let Some(held) = &last.shut_down {
        let who = processes(case, held);
        let text = format!(
            "refused by the kernel, as nobody listened: the listening socket {inode}, which {who} still held, had been shut down {when}"
        );
        return (CauseKind::ListenerShutDown, text);
    }
    let who = match last.holders.as_slice() {
        [] => format!("the listening socket {inode} had been closed"),
        [one] => format!("{} had closed the listening socket {inode}", process(case, *one)),
        several => {
            format!("the last of {} had closed the listening socket {inode}", processes(case, several))
        }
    };
    (CauseKind::Refused, format!("refused by the kernel, as nobody listened: {who} {when}"))
}

/// Why a SYN was not answered the first time; the connection was there, or was given up, at `done`.
pub(super) fn dropped(causes: &Causes<'_>, lane: &Lane, done: Micros) -> Option<Cause> {
    let case = causes.case;
    let took = done.saturating_sub(lane.opened);
    if took < SENT_AGAIN_AFTER {
        return None;
    }
    let sent = format!(
        "client socket: the SYN was sent {} times in {}",
        lane.retransmits.saturating_add(1),
        Span(took)
    );
    let counted = case.counted.scope().filter(|scope| *scope != Scope::Shared);
    let overflows = counted.and_then(|_| case.counted.grown("ListenOverflows", lane.opened, done));
    if let Some((inode, at, length, backlog)) = seen_full(causes, lane.opened, done) {
        let holders = doors::holders(case, inode, at);
        let who = if holders.is_empty() {
            String::new()
        } else {
            format!(", held by {},", processes(case, &holders))
        };
        let text = format!(
            "the kernel dropped the SYN, as the queue of the listening socket {inode}{who} was full: {length} waited, with a backlog of {backlog}"
        );
        let mut evidence =
            vec![sent, format!("socket table: {length} in the queue of {inode} at {}", when(case, at))];
        evidence.extend(overflows.map(|number| format!("counters: ListenOverflows +{number} meanwhile")));
        return Some(Cause { kinds: vec![CauseKind::AcceptQueueFull], text, evidence });
    }
    // Not seen by any look: then it is either counted, or it was something else.
    if overflows? > 0 || case.longest_own_gap(lane.opened, done) > STOOD_STILL {
        return None;
    }
    let text = "the kernel dropped the SYN, and no queue of a listening socket was full: a packet filter, or one on the socket, may have done it".to_owned();
    let evidence = vec![sent, "counters: ListenOverflows +0 meanwhile".to_owned()];
    Some(Cause { kinds: vec![CauseKind::SynDropped], text, evidence })
}

/// A listening socket whose queue was seen to be full while the SYN was not answered: its inode, when, how many waited, its backlog.
/// The queue holds one more than the backlog (listen(2) does not say so; `sk_acceptq_is_full` does).
fn seen_full(causes: &Causes<'_>, from: Micros, to: Micros) -> Option<(u64, Micros, u32, u32)> {
    let rows: Vec<_> = causes.looks.states(from, to).into_iter().flatten().collect();
    // Of several the SYN may have gone to any.
    let first = rows.first()?;
    let alone = rows.iter().all(|row| row.inode == first.inode);
    let of_queue = |queue: &&(Micros, Micros, u64, u32)| queue.2 == first.inode;
    let changes: Vec<_> = causes.case.queues.iter().filter(of_queue).collect();
    let full = |number: usize| {
        let (_, at, _, length) = *changes[number];
        let until = changes.get(number + 1).map_or(Micros::MAX, |next| next.0);
        (length > first.backlog && at <= to && until >= from).then_some((
            first.inode,
            at,
            length,
            first.backlog,
        ))
    };
    (0..changes.len()).find_map(full).filter(|_| alone)
}
