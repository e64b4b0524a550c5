//! Listening sockets over time: who held them, how many connections waited in their queues, and when they closed.

use super::super::Case;
use super::{process, processes, when};
use crate::history::event::ListenerRow;
use crate::history::{Micros, ProcId};

/// A closing socket leaves the table first, and then its queue is reset: on a busy machine the one who closes it may be kept from going on.
const RESETS_WITHIN: Micros = 50_000;

/// A listening socket that is no longer in the table.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    /// Its inode.
    pub(super) inode: u64,
    /// It was there at this look …
    pub(super) from: Micros,
    /// … and not at this one.
    pub(super) at: Micros,
    /// Who held it until then.
    pub(super) holders: Vec<ProcId>,
    /// Who held it still, though it listened no longer: shutdown(2).
    pub(super) shut_down: Option<Vec<ProcId>>,
}

impl Closed {
    /// `when nginx 4711 (old) closed the listening socket 501`
    pub(super) fn phrase(&self, case: &Case<'_>) -> String {
        let inode = self.inode;
        if let Some(held) = &self.shut_down {
            let who = processes(case, held);
            return format!("when the listening socket {inode}, which {who} still held, was shut down");
        }
        match self.holders.as_slice() {
            [] => format!("when the listening socket {inode} was closed"),
            [one] if self.ended_with(case, *one) => {
                let who = process(case, *one);
                format!("when {who}, which ended about then, closed the listening socket {inode}")
            }
            [one] => format!("when {} closed the listening socket {inode}", process(case, *one)),
            several => {
                let who = processes(case, several);
                format!("when the last of {who} closed the listening socket {inode}")
            }
        }
    }

    /// What was seen of it, in a line.
    pub(super) fn evidence(&self, case: &Case<'_>) -> String {
        let (from, at) = (when(case, self.from), when(case, self.at));
        let held = match self.holders.as_slice() {
            [] => "it was not seen who held it".to_owned(),
            [one] => format!("{} alone held it", process(case, *one)),
            several => format!("{} held it", processes(case, several)),
        };
        let queue = match waiting(case, self.inode, self.at) {
            Some((seen, length)) => format!(", {length} in its queue since {}", when(case, seen)),
            None => String::new(),
        };
        let inode = self.inode;
        format!("socket table: {inode} listened at {from} and did not at {at}; {held}{queue}")
    }

    fn ended_with(&self, case: &Case<'_>, proc: ProcId) -> bool {
        let gone = case.timeline.procs.get(&proc).and_then(|proc| proc.gone);
        gone.is_some_and(|gone| {
            gone.lo <= self.at && gone.hi >= self.from && gone.hi <= self.at.saturating_add(RESETS_WITHIN)
        })
    }
}

/// A look at the table at which it was another than before: from when on it may have been so, when it was seen, the sockets.
type Look = (Micros, Micros, Vec<ListenerRow>);

/// The looks at the table of listening sockets, in the order of time: the lookout writes its own down later than they were.
pub(super) struct Looks<'a>(Vec<&'a Look>);

impl<'a> Looks<'a> {
    /// Of this case.
    pub(super) fn of(case: &'a Case<'_>) -> Self {
        let mut looks: Vec<&Look> = case.listeners.iter().collect();
        looks.sort_by_key(|(_, at, _)| *at);
        Self(looks)
    }

    /// The first look after `at` at which somebody listened.
    pub(super) fn next(&self, at: Micros) -> Option<Micros> {
        let later = self.0.iter().find(|(_, seen, rows)| *seen > at && !rows.is_empty());
        later.map(|(_, seen, _)| *seen)
    }

    /// The sockets that listened at some time between two instants: of each state that may have held then.
    pub(super) fn states(&self, from: Micros, to: Micros) -> Vec<&'a [ListenerRow]> {
        let until = |number: usize| self.0.get(number + 1).map_or(Micros::MAX, |(_, at, _)| *at);
        let held = |number: usize, since: Micros| since <= to && until(number) >= from;
        let states = self.0.iter().enumerate().filter(|(number, (since, ..))| held(*number, *since));
        states.map(|(_, (.., rows))| rows.as_slice()).collect()
    }

    /// The listening sockets that closed, in the order of time.
    pub(super) fn closed(&self, case: &Case<'_>) -> Vec<Closed> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        let each = pairs.flat_map(|((_, last, before), (from, at, after))| {
            let gone = before.iter().filter(|row| !after.iter().any(|other| other.inode == row.inode));
            // It was there when it was last seen to be, whoever looked.
            gone.map(|row| closed_one(case, row.inode, *(from.max(last)), *at))
        });
        each.collect()
    }
}

/// Whether the table of listening sockets was read at all.
pub(super) fn are_seen(case: &Case<'_>) -> bool {
    !case.listeners.is_empty()
}

/// Those of the listening sockets that closed at about an instant.
pub(super) fn closed_about(closed: &[Closed], at: Micros) -> Vec<&Closed> {
    let about = |one: &&Closed| one.from <= at && at <= one.at.saturating_add(RESETS_WITHIN);
    closed.iter().filter(about).collect()
}

fn closed_one(case: &Case<'_>, inode: u64, from: Micros, at: Micros) -> Closed {
    let shut = case
        .held_by
        .shut_down
        .iter()
        .find(|(since, seen, of, _)| *of == inode && *seen >= from && *since <= at);
    let shut_down = shut.map(|(.., procs)| procs.clone());
    Closed { inode, from, at, holders: holders(case, inode, from), shut_down }
}

/// The processes that were last seen to hold a listening socket, as of an instant.
pub(super) fn holders(case: &Case<'_>, inode: u64, at: Micros) -> Vec<ProcId> {
    let mut holders: Vec<ProcId> = Vec::new();
    let mut seen: Vec<_> = case.held_by.listeners.iter().filter(|(seen, ..)| *seen <= at).collect();
    seen.sort_by_key(|(seen, ..)| *seen);
    for (_, proc, inodes) in seen {
        holders.retain(|other| other != proc);
        if inodes.contains(&inode) {
            holders.push(*proc);
        }
    }
    let gone = |proc: &ProcId| case.timeline.procs.get(proc).and_then(|proc| proc.gone);
    holders.retain(|proc| gone(proc).is_none_or(|gone| gone.hi > at));
    holders
}

/// How many connections waited in a queue when that was last seen to change by then, and when that was.
pub(super) fn waiting(case: &Case<'_>, inode: u64, by: Micros) -> Option<(Micros, u32)> {
    let last = case.queues.iter().rev().find(|(_, at, of, _)| *of == inode && *at <= by)?;
    Some((last.1, last.3))
}
