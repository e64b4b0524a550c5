//! Servers whose processes serve one connection at a time. Who waits while each of them has one, waits for a client, and not for the
//! restart.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, lineage};
use crate::history::event::{Ending, Owner};
use crate::history::generation::Proc;
use crate::history::{Lane, LaneId, Micros, ProcId};

/// A process that took fewer connections says nothing of how many it takes at a time.
const TAKEN_MIN: usize = 5;
/// A connection may be seen to end so much later than the server ended it.
const SEEN_LATE: Micros = 50_000;

/// From when to when each process was seen to have a connection.
#[derive(Clone, Debug, Default)]
pub struct Seats(BTreeMap<ProcId, Vec<(Micros, Micros)>>);

impl Seats {
    /// Of a case's lanes. One that has no end is had to the end of the history.
    pub(super) fn of(lanes: &BTreeMap<LaneId, Lane>) -> Self {
        let mut seats: BTreeMap<ProcId, Vec<(Micros, Micros)>> = BTreeMap::new();
        for lane in lanes.values() {
            if let (Owner::Process(proc), Some(owned)) = (lane.owner, lane.owned) {
                let end = lane.end.map_or(Micros::MAX, |end| end.at);
                seats.entry(proc).or_default().push((owned, end));
            }
        }
        seats.values_mut().for_each(|had| had.sort_unstable());
        Self(seats)
    }

    /// It took many connections, each after the last one's end.
    fn one_at_a_time(&self, proc: ProcId) -> bool {
        let Some(had) = self.0.get(&proc) else { return false };
        let after = |pair: &[(Micros, Micros)]| pair[1].0.saturating_add(SEEN_LATE) >= pair[0].1;
        had.len() >= TAKEN_MIN && had.windows(2).all(after)
    }

    fn is_taken(&self, proc: ProcId, at: Micros) -> bool {
        self.0.get(&proc).is_some_and(|had| had.iter().any(|(from, to)| *from <= at && at <= *to))
    }
}

impl Case<'_> {
    /// Why a connection that nobody accepted in time waited, if each process serves one at a time and had another one,
    /// whenever it is looked while it waited.
    pub(super) fn all_seats_taken(&self, lane: &Lane, at: Micros) -> Option<String> {
        let in_vain = lane.owner == Owner::Queued && lane.end.is_none_or(|end| end.how == Ending::GaveUp);
        let from = lane.connected.filter(|_| in_vain)?;
        let quarter = at.saturating_sub(from) / 4;
        let taken: Option<Vec<usize>> = (1..4).map(|number| self.taken(from + number * quarter)).collect();
        let number = taken?.into_iter().min()?;
        Some(format!(
            "{number} processes served one connection at a time, and each had one while `{}` waited: more of them are needed to \
             tell what the restart does",
            lane.role
        ))
    }

    /// How many processes were there to serve, if all of them take one connection at a time and had one then.
    fn taken(&self, at: Micros) -> Option<usize> {
        let there = |proc: &&Proc| proc.seen <= at && proc.gone.is_none_or(|gone| gone.lo >= at);
        let there = self.timeline.procs.values().filter(there);
        let (serve, others): (Vec<&Proc>, Vec<&Proc>) =
            there.partition(|proc| self.seats.0.contains_key(&proc.id));
        let parents: BTreeSet<ProcId> =
            serve.iter().filter_map(|child| lineage::parent(self, child)).map(|parent| parent.id).collect();
        // One that listens and has nobody might have taken it.
        let idle = others.iter().any(|proc| !proc.listeners.is_empty() && !parents.contains(&proc.id));
        let taken = |proc: &&Proc| self.seats.one_at_a_time(proc.id) && self.seats.is_taken(proc.id, at);
        (!idle && !serve.is_empty() && serve.iter().all(taken)).then_some(serve.len())
    }
}
