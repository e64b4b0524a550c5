//! Resets that were sent, whether or not the lane noticed: judged by packets.

use std::collections::BTreeMap;

use super::{Case, Clause, Tally};
use crate::history::Lane;
use crate::history::event::{Ending, Event, Micros, What};

/// Clauses that only packets can decide.
pub const CLAUSES: &[Clause] = &[Clause {
    id: "availability.no-wire-reset",
    must: "FRI",
    should: "",
    requirement: "From a declared address no RST is sent to a lane that had sent nothing unanswered and nothing after the server's FIN, and had not reset the connection itself.",
    why: "An RST that this client happened not to notice hits another one, which sends a moment later.",
    source: "RFC 9112 §9.6",
    judge: Some(no_wire_reset),
}];

/// An RST that was heard.
#[derive(Clone, Copy, Debug)]
pub struct Reset {
    /// When the kernel saw it.
    pub at: Micros,
    /// The port of the lane's end.
    pub port: u16,
    /// The target's side sent it.
    pub by_target: bool,
    /// It broke a connection off; else it answered a segment for one that was no more.
    pub ack: bool,
    /// The lane's side had ended the connection before.
    pub lane_ended: bool,
    /// The target's side had.
    pub target_ended: bool,
    /// It answered the first segment of a connection: nobody listened.
    pub refused: bool,
}

impl Reset {
    /// It broke off a connection that there was.
    pub fn breaks_off(&self) -> bool {
        self.ack && !self.refused
    }
}

/// What was heard on the wire in one restart.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    /// Every RST, in the order of time.
    pub resets: Vec<Reset>,
    /// Segments that were heard, and that were lost; none if no phase of it was heard to its end.
    pub heard: Option<(u64, u64)>,
    /// Why nobody heard anything.
    pub deaf: Option<String>,
}

impl Wire {
    /// Takes an event in.
    pub(super) fn read(&mut self, event: &Event) {
        match &event.what {
            What::Reset { port, by_target, ack, lane_ended, target_ended, refused } => {
                self.resets.push(Reset {
                    at: event.t,
                    port: *port,
                    by_target: *by_target,
                    ack: *ack,
                    lane_ended: *lane_ended,
                    target_ended: *target_ended,
                    refused: *refused,
                });
            }
            What::Heard { segments, lost } => {
                let (before, lost_before) = self.heard.unwrap_or_default();
                self.heard = Some((before.saturating_add(*segments), lost_before.saturating_add(*lost)));
            }
            What::Deaf { why } => self.deaf = Some(why.clone()),
            _ => {}
        }
    }

    /// All is read: resets are told in the order in which they were heard, which on two sockets need not be that of time.
    pub(super) fn end(&mut self) {
        self.resets.sort_by_key(|reset| reset.at);
    }

    /// Those of the resets that were sent between two instants, both included.
    pub fn within(&self, from: Micros, to: Micros) -> &[Reset] {
        let first = self.resets.partition_point(|reset| reset.at < from);
        let after = self.resets.partition_point(|reset| reset.at <= to);
        self.resets.get(first..after).unwrap_or_default()
    }

    /// Another restart begins; whoever is deaf stays so.
    pub(super) fn begin_anew(&mut self) {
        self.resets.clear();
        self.heard = None;
    }

    /// No RST of the target's can have been missed.
    pub fn is_proof(&self) -> bool {
        self.deaf.is_none() && self.heard.is_some_and(|(segments, lost)| segments > 0 && lost == 0)
    }
}

fn no_wire_reset(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    if let Some(why) = &case.wire.deaf {
        return tally.withhold(why.clone());
    }
    let lasted = |lane: &&Lane| lane.end.is_none_or(|end| end.at >= t0.lo);
    let lanes = || case.restart_lanes().filter(|lane| lane.port.is_some());
    let heard = case.wire.heard;
    if heard.is_none() && lanes().next().is_some() {
        return if case.interrupted {
            tally.doubt(case, "it was broken off before it was heard to its end");
        } else {
            tally.withhold("this run recorded no packets")
        };
    }
    if heard.is_some_and(|(segments, _)| segments == 0) && lanes().next().is_some() {
        return tally.withhold(
            "packets: not one segment of any connection came by the interface that was listened to",
        );
    }
    tally.exercised += lanes().filter(lasted).count() as u64;
    // In the order of their numbers, as the lanes are.
    let mut by_port: BTreeMap<u16, Vec<&Lane>> = BTreeMap::new();
    for lane in lanes() {
        by_port.entry(lane.port.unwrap_or_default()).or_default().push(lane);
    }
    for reset in case.wire.resets.iter().filter(|reset| reset.at >= t0.lo && accuses(case, reset)) {
        // Of those that had the port one after another, the last one that was there.
        let holders = by_port.get(&reset.port).into_iter().flatten();
        let Some(lane) = holders.rev().find(|lane| lane.opened <= reset.at) else { continue };
        if owes_an_answer(lane) || ended_before(lane, reset.at) {
            continue;
        }
        let expected = "a connection with nothing unanswered ends by FIN";
        let seen = "an RST from the target that broke it off was on the wire".to_owned();
        tally.break_on(case, lane, reset.at, "reset", expected, seen);
    }
    if let Some((_, lost @ 1..)) = heard {
        tally.disturbed(case, format!("{lost} segments were lost before they could be looked at"));
    }
}

/// Whether an RST broke off a connection that nobody had ended, before a declared limit allows it.
fn accuses(case: &Case<'_>, reset: &Reset) -> bool {
    let limit = case.limits.hard_limit.zip(case.td_first());
    let cut = limit.map_or(Micros::MAX, |(limit, td)| td.lo.saturating_add(limit).saturating_sub(case.delta));
    let ended = reset.lane_ended || reset.target_ended;
    reset.by_target && reset.breaks_off() && !ended && reset.at < cut
}

/// The lane waits for something: what becomes of that is judged by the clauses on requests.
fn owes_an_answer(lane: &Lane) -> bool {
    lane.unanswered().is_some() || !lane.fetches.iter().all(|fetch| fetch.result.is_ok())
}

/// The end that the lane met came before: a port that another connection of the harness has by now.
fn ended_before(lane: &Lane, at: Micros) -> bool {
    lane.end.is_some_and(|end| end.at < at && !matches!(end.how, Ending::Reset | Ending::ResetAfterFin))
}
