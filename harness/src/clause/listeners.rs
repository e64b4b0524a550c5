//! What availability asks of the listening sockets themselves, and of their queues.

use std::collections::BTreeMap;

use super::{Case, Tally};
use crate::declaration::Span;
use crate::history::event::{ConnectTrouble, ListenerRow};
use crate::history::{Interval, Lane, Micros};

/// A queue that fills is seen to be full within this.
const LOOKED_BY: Micros = 100_000;
/// A queue that is filled for longer is stuck.
const STUCK: Micros = 1_000_000;

/// Whether the listening sockets were looked at; why not, if not, is told.
pub(super) fn were_sampled(case: &Case<'_>, tally: &mut Tally) -> bool {
    if case.sample_gap.is_none() {
        match case.owners_withheld() {
            Some(why) => tally.withhold(why),
            None => tally.doubt(case, "the listening sockets were not sampled"),
        }
    }
    case.sample_gap.is_some()
}

pub(super) fn listener_present(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    if !were_sampled(case, tally) {
        return;
    }
    tally.exercise();
    for (_, at, rows) in case.listeners.iter().filter(|(_, at, _)| *at >= t0.lo) {
        if rows.is_empty() {
            let seen = "no listening socket on the target's address".to_owned();
            tally.break_by(
                case,
                "none".to_owned(),
                *at,
                "absent",
                "a listening socket at every sample",
                seen,
            );
        }
    }
    doubt_replaced_unseen(case, tally);
}

/// Two looks so far apart, in microseconds, were not kept apart by their pace, which is a fifth of it: the machine did not run them,
/// nor the lookout, which looks every millisecond while the listener changes hands.
const BLIND: Micros = 100_000;

/// One listening socket gave way to another while nobody could look: a listener that is closed before the next one is bound can't be
/// told then from one that is closed behind it.
pub(super) fn doubt_replaced_unseen(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0().filter(|_| tally.violations.is_empty()) else { return };
    // At a path one takes the place of another by rename(2), with nothing in between.
    if case
        .restart_lanes()
        .any(|lane| lane.address.starts_with("unix:") && !lane.address.starts_with("unix:@"))
    {
        return;
    }
    let mut before: &[ListenerRow] = &[];
    for (from, at, rows) in &case.listeners {
        let gone =
            !before.is_empty() && before.iter().all(|old| rows.iter().all(|row| row.inode != old.inode));
        let apart = at.saturating_sub(*from);
        if gone && !rows.is_empty() && *at >= t0.lo && apart >= BLIND {
            let apart = Span(apart);
            tally.disturbed(
                case,
                format!("one listening socket gave way to another between two looks {apart} apart"),
            );
        }
        before = rows;
    }
}

pub(super) fn same_listener(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let before = case.listeners.iter().rev().find(|(_, at, _)| *at < t0.lo);
    let Some((_, _, before)) = before else {
        if let Some(why) = case.owners_withheld() {
            tally.withhold(why);
        }
        return;
    };
    if case.timeline.tr().is_none() {
        tally.doubt(case, "no successor was seen to serve");
        return;
    }
    for row in before {
        tally.exercise();
        let lost = case.listeners.iter().find(|(_, at, rows)| {
            *at >= t0.lo && !rows.iter().any(|other| other.inode == row.inode && other.cookie == row.cookie)
        });
        if let Some((_, at, rows)) = lost {
            let seen = format!("the listening socket {} is gone; there are {} others", row.inode, rows.len());
            tally.break_by(
                case,
                "unknown".to_owned(),
                *at,
                "replaced",
                "the same listening socket goes on",
                seen,
            );
        }
    }
    no_stuck_queue(case, t0, tally);
}

/// A time in which a queue never got shorter.
#[derive(Clone, Copy)]
struct Filled {
    inode: u64,
    interval: Interval,
}

/// Connections wait in a queue for a moment only, unless the harness itself keeps everybody from accepting.
fn no_stuck_queue(case: &Case<'_>, t0: Interval, tally: &mut Tally) {
    for filled in filled(case, t0) {
        let Interval { lo, hi } = filled.interval;
        let stopped =
            case.timeline.frozen.iter().any(|stop| stop.interval.lo <= hi && stop.interval.hi >= lo);
        let waited = case.had(lo, hi);
        if waited > STUCK && !stopped && !accepted_meanwhile(case, filled) {
            let seen =
                format!("connections waited in the queue of socket {} for {}", filled.inode, Span(waited));
            let expected = "each listening socket is accepted from";
            tally.break_by(case, "unknown".to_owned(), hi, "stuck-queue", expected, seen);
        }
    }
}

/// Times in which connections waited and their number never fell: whoever accepts lowers it.
fn filled(case: &Case<'_>, t0: Interval) -> Vec<Filled> {
    let mut open: BTreeMap<u64, (Micros, u32)> = BTreeMap::new();
    let mut times = Vec::new();
    let mut close = |inode, since, until| times.push(Filled { inode, interval: Interval::new(since, until) });
    for (from, at, inode, length) in case.queues.iter().filter(|(_, at, ..)| *at >= t0.lo) {
        match open.get_mut(inode) {
            Some((_, before)) if *length >= *before => *before = *length,
            Some((since, _)) => {
                close(*inode, *since, gone_by(case, *inode, *since).min(*from));
                open.remove(inode);
                if *length > 0 {
                    open.insert(*inode, (*at, *length));
                }
            }
            None if *length > 0 => {
                open.insert(*inode, (*at, *length));
            }
            None => {}
        }
    }
    // What did not change any more stayed so.
    for (inode, (since, _)) in open {
        close(inode, since, gone_by(case, inode, since).min(case.end));
    }
    times
}

/// When a listening socket was last seen before it was gone.
fn gone_by(case: &Case<'_>, inode: u64, since: Micros) -> Micros {
    let absent = |rows: &[ListenerRow]| rows.iter().all(|row| row.inode != inode);
    let gone = case.listeners.iter().find(|(_, at, rows)| *at >= since && absent(rows));
    gone.map_or(Micros::MAX, |(from, ..)| *from)
}

/// There is no other listening socket, and a connection that was opened in that time was answered in it.
fn accepted_meanwhile(case: &Case<'_>, filled: Filled) -> bool {
    let Interval { lo, hi } = filled.interval;
    let before = case.listeners.iter().rev().find(|(_, at, _)| *at <= lo);
    let during = case.listeners.iter().filter(|(_, at, _)| *at > lo && *at <= hi);
    let alone = before.into_iter().chain(during).all(|(.., rows)| rows.len() <= 1);
    let answered = |lane: &Lane| {
        let first = lane.exchanges.first().and_then(|first| first.head.as_ref());
        lane.opened > lo && first.is_some_and(|head| head.first_byte < hi)
    };
    alone && case.restart_lanes().any(answered)
}

pub(super) fn no_overflow(case: &Case<'_>, tally: &mut Tally) {
    for lane in super::availability::after_t0(case).filter(|lane| lane.fetches.is_empty()) {
        let failed = lane.connect_failed.map(|(_, why, _)| why);
        let full = failed == Some(ConnectTrouble::QueueFull);
        let dropped = full || failed == Some(ConnectTrouble::TimedOut) || lane.retransmits > 0;
        // A queue that the lanes fill by themselves drops SYNs rightly.
        let seen_full = |at| queue_seen_full(case, at);
        if dropped
            && (fill_the_queue(case, lane.opened)
                || seen_full(lane.opened)
                || seen_full(lane.opened.saturating_add(LOOKED_BY)))
        {
            tally.rule_out("the backlog of the listening socket is shorter than the load of the scenario");
            continue;
        }
        tally.exercise();
        if !dropped {
            continue;
        }
        let at = lane.connected.or(lane.connect_failed.map(|(at, ..)| at)).unwrap_or(lane.opened);
        if full {
            let seen = "EAGAIN: the queue of the unix socket was full".to_owned();
            tally.break_on(case, lane, at, "queue-full", "there is room in the queue", seen);
            continue;
        }
        let took = Span(at.saturating_sub(lane.opened));
        let times = lane.retransmits.saturating_add(1);
        let seen = format!("the SYN was sent {times} times; connecting took {took}");
        tally.break_on(case, lane, at, "syn-dropped", "the first SYN is answered", seen);
    }
}

/// Whether at least as many lanes as the listening socket's backlog may have waited to be accepted then.
fn fill_the_queue(case: &Case<'_>, at: Micros) -> bool {
    let rows = case.listeners.iter().rev().find(|(_, seen, _)| *seen <= at).map(|(_, _, rows)| rows);
    let Some(backlog) = rows.and_then(|rows| rows.iter().map(|row| row.backlog).min()) else { return false };
    let waits = |lane: &&Lane| {
        let head = lane.exchanges.first().and_then(|first| first.head.as_ref());
        lane.connected.is_some_and(|connected| connected <= at)
            && head.is_none_or(|head| head.first_byte > at)
            && lane.end.is_none_or(|end| end.at > at)
    };
    case.restart_lanes().filter(waits).count() >= backlog as usize
}

/// Whether the queue of a listening socket was last seen to be full by then.
fn queue_seen_full(case: &Case<'_>, at: Micros) -> bool {
    let rows = case.listeners.iter().rev().find(|(_, seen, _)| *seen <= at).map(|(.., rows)| rows);
    let length = |inode| case.queues.iter().rev().find(|(_, seen, of, _)| *of == inode && *seen <= at);
    rows.is_some_and(|rows| {
        rows.iter().any(|row| length(row.inode).is_some_and(|(.., length)| *length >= row.backlog))
    })
}
