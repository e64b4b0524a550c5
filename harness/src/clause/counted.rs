//! What the kernel counted in the target's network namespace, put beside the resets that were heard.
//!
//! Every RST that the kernel sends is in OutRsts. Of those that break a connection off (`tcp_send_active_reset`) some are in another counter
//! too, by their reason: TCPAbortOnClose, closed with bytes unread; TCPAbortOnData, closed with a linger time of zero, or data
//! came for a socket that was closed already (which the RST that has no acknowledgement tells); a few rare ones. One that is
//! in none of them broke off a connection that waited in the queue of a listening socket (`inet_csk_listen_stop`). So where
//! OutRsts comes to what was heard, the others tell the reasons of what was heard.

use std::collections::BTreeMap;

use super::Case;
use super::wire::Reset;
use crate::history::event::{Event, Micros, Scope, What};

/// Reasons for an RST that none of the causes is about.
const OTHER_REASONS: [&str; 4] =
    ["TCPAbortOnLinger", "TCPAbortOnMemory", "TCPAbortOnTimeout", "TCPAbortFailed"];

/// From one reading of the counters to the next.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The reading before.
    pub from: Micros,
    /// This one.
    pub at: Micros,
    /// Whose traffic is counted.
    pub scope: Scope,
    /// By how much each counter grew.
    pub growth: BTreeMap<String, u64>,
}

impl Reading {
    /// By how much a counter grew.
    pub fn of(&self, name: &str) -> u64 {
        self.growth.get(name).copied().unwrap_or_default()
    }
}

/// All that was counted in one restart.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// In the order of time.
    pub readings: Vec<Reading>,
}

impl Counted {
    /// Takes an event in.
    pub(super) fn read(&mut self, event: &Event) {
        if let What::Counters { scope, from, growth } = &event.what {
            self.readings.push(Reading { from: *from, at: event.t, scope: *scope, growth: growth.clone() });
        }
    }

    /// Another restart begins.
    pub(super) fn begin_anew(&mut self) {
        self.readings.clear();
    }

    /// Whose traffic was counted, if there was a reading.
    pub fn scope(&self) -> Option<Scope> {
        self.readings.first().map(|reading| reading.scope)
    }

    /// OutRsts of the target's side alone; none where others are counted with it.
    pub fn sent_by_target(&self) -> Option<u64> {
        (self.scope() == Some(Scope::Target)).then(|| total(&self.readings, "OutRsts"))
    }

    /// By how much a counter grew between two instants at most, if that was counted throughout.
    pub fn grown(&self, name: &str, from: Micros, to: Micros) -> Option<u64> {
        let first = self.readings.first().is_some_and(|reading| reading.from <= from);
        let last = self.readings.last().is_some_and(|reading| reading.at >= to);
        let overlaps = |reading: &&Reading| reading.from <= to && reading.at >= from;
        (first && last).then(|| total(self.readings.iter().filter(overlaps), name))
    }
}

/// By how much a counter grew in all of these.
fn total<'a>(readings: impl IntoIterator<Item = &'a Reading>, name: &str) -> u64 {
    readings.into_iter().map(|reading| reading.of(name)).fold(0, u64::saturating_add)
}

/// Resets that were heard from one reading to another, and what was counted meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// After this …
    pub(super) from: Micros,
    /// … and no later than this.
    pub(super) at: Micros,
    /// OutRsts.
    pub(super) sent: u64,
    /// What was heard of those that are counted in OutRsts.
    pub(super) heard: u64,
    /// Of these: the target's, breaking a connection off.
    pub(super) by_target: u64,
    /// Of these: breaking a connection off, whoever sent them.
    pub(super) breaking: u64,
    /// Of these: answers to what came for a connection that was no more.
    pub(super) answering: u64,
    /// TCPAbortOnClose.
    pub(super) unread: u64,
    /// TCPAbortOnData.
    pub(super) data: u64,
    /// The sum of the rare ones.
    pub(super) other: u64,
}

impl Ledger {
    /// Of readings that follow one another; none where the network is shared.
    pub(super) fn of(case: &Case<'_>, readings: &[Reading]) -> Option<Self> {
        let (first, last) = (readings.first()?, readings.last()?);
        let both = match first.scope {
            Scope::Target => false,
            Scope::Both => true,
            Scope::Shared => return None,
        };
        let sum = |name: &str| total(readings, name);
        let heard: Vec<&Reset> = case
            .wire
            .within(first.from.saturating_add(1), last.at)
            .iter()
            .filter(|reset| both || reset.by_target)
            .collect();
        let number = |what: fn(&Reset) -> bool| heard.iter().filter(|reset| what(reset)).count() as u64;
        Some(Self {
            from: first.from,
            at: last.at,
            sent: sum("OutRsts"),
            heard: heard.len() as u64,
            by_target: number(|reset| reset.by_target && reset.breaks_off()),
            breaking: number(Reset::breaks_off),
            answering: number(|reset| !reset.ack),
            unread: sum("TCPAbortOnClose"),
            data: sum("TCPAbortOnData"),
            other: OTHER_REASONS.map(sum).into_iter().fold(0, u64::saturating_add),
        })
    }

    /// Every reset that was counted was heard, and the other way round.
    pub(super) fn balances(&self) -> bool {
        self.sent == self.heard
    }

    /// Of those that broke a connection off, how many at least had a linger time of zero: TCPAbortOnData also counts data for
    /// closed sockets, no more than once for each answer to it.
    fn lingering(&self) -> u64 {
        self.data.saturating_sub(self.answering)
    }

    /// Whether one that broke a connection off can be of a connection closed with bytes unread.
    pub(super) fn may_be_unread(&self) -> bool {
        self.unread > 0 && !(self.balances() && self.lingering() >= self.breaking)
    }

    /// Whether it can be of one closed with a linger time of zero.
    pub(super) fn may_be_lingering(&self) -> bool {
        self.data > 0 && !(self.balances() && self.unread >= self.breaking)
    }

    /// Whether it can be of one that waited in the queue of a listening socket.
    pub(super) fn may_be_queued(&self) -> bool {
        !(self.balances() && self.unread.saturating_add(self.lingering()) >= self.breaking)
    }

    /// Whether it says anything: less counted than heard means that the two are of different times, and a rare reason may be
    /// that of any of them.
    pub(super) fn is_usable(&self) -> bool {
        self.sent >= self.heard && self.other == 0
    }
}

/// The resets of a restart by readings, those that balance as narrowly as they can: one that was sent while the counters were
/// read may stand in the reading before or after.
pub(super) fn ledgers(case: &Case<'_>) -> Vec<Ledger> {
    let readings = &case.counted.readings;
    let mut ledgers = Vec::new();
    let mut next = 0;
    while next < readings.len() {
        let of = |number: usize| Ledger::of(case, readings.get(next..next + number)?);
        let (Some(alone), two) = (of(1), of(2)) else { return ledgers };
        match two.filter(|two| !alone.balances() && two.balances()) {
            Some(two) => {
                ledgers.push(two);
                next += 2;
            }
            None => {
                ledgers.push(alone);
                next += 1;
            }
        }
    }
    ledgers
}
