//! Very many idle connections at a time.

use super::idle::closed_in_time;
use super::load::{restarted, stood_still};
use super::tally::STOOD_STILL;
use super::{Case, Tally, exits};
use crate::declaration::{Profile, Span};
use crate::history::event::{Ending, Interval, Micros, Phase, Stage};
use crate::history::{Exchange, Lane, Model};

/// One in so many may not have been there without a doubt: a server may close idle connections at any time.
const MISSING_SHARE: usize = 10;

/// See `load.idle-mass`. Whose the connections are need not be looked up: there was only one generation when they were opened.
pub(super) fn idle_mass(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0().filter(|_| restarted(case, tally)) else { return };
    if !has_room(case, tally) {
        return;
    }
    let in_place = case.generations.model == Model::InPlace;
    let td = case.td_last();
    if td.is_none() && !in_place {
        return tally.doubt(case, "no drain was seen");
    }
    let before = || case.restart_lanes().filter(|lane| !is_watch(lane) && lane.opened < t0.lo);
    let stood = |lane: &&Lane| lane.armed.is_some_and(|at| at <= t0.lo);
    let (all, standing) = (before().count(), before().filter(stood).count());
    if standing < all - all / MISSING_SHARE {
        tally.doubt(case, format!("{standing} of {all} connections stood idle at the trigger"));
    }
    for lane in before().filter(stood).filter(|lane| lane.end.is_none_or(|end| end.at >= t0.lo)) {
        let last = lane.exchanges.iter().enumerate().find(|(_, exchange)| exchange.begun >= t0.lo);
        match (last, td) {
            (Some((ordinal, exchange)), _) => asked(case, lane, ordinal, exchange, tally),
            (None, Some(td)) if !in_place => silent(case, lane, td, tally),
            _ => {}
        }
    }
    if !in_place {
        exits::exits(case, tally);
    }
}

/// Whether control shows that the server holds so many at a time.
fn has_room(case: &Case<'_>, tally: &mut Tally) -> bool {
    let lanes = || case.lanes.values().filter(|lane| lane.phase == Phase::Control && !is_watch(lane));
    let mut changes: Vec<(Micros, bool)> = Vec::new();
    for (lane, armed) in lanes().filter_map(|lane| lane.armed.map(|at| (lane, at))) {
        let asked = lane.exchanges.iter().map(|exchange| exchange.begun).find(|at| *at > armed);
        let ended = lane.end.map_or(case.end, |end| end.at);
        changes.extend([(armed, true), (asked.unwrap_or(ended).min(ended), false)]);
    }
    changes.sort_unstable();
    let (mut now, mut held) = (0_usize, 0);
    for (_, begins) in &changes {
        now = if *begins { now + 1 } else { now.saturating_sub(1) };
        held = held.max(now);
    }
    let all = lanes().count();
    if all > 0 && held >= all - all / MISSING_SHARE {
        return true;
    }
    let span = lanes().map(|lane| lane.opened).min().zip(changes.last());
    match span {
        Some((from, (to, _))) if stood_still(case, from, *to) => tally.disturbed(case, STOOD_STILL),
        _ => tally.rule_out(format!(
            "control shows room for {held} idle connections at a time, and {all} were opened: the target's own limits may be lower"
        )),
    }
    false
}

/// It is there to see when the drain begins, or who serves.
fn is_watch(lane: &Lane) -> bool {
    lane.role == "probe" || lane.role.starts_with("canary")
}

/// One that asked once more.
fn asked(case: &Case<'_>, lane: &Lane, ordinal: usize, exchange: &Exchange, tally: &mut Tally) {
    let Some((kind, expected, seen)) = case.control.fault(lane, exchange) else {
        return tally.exercise();
    };
    let until = lane.end.map_or(case.end, |end| end.at);
    let no_byte = exchange.head.is_none() && lane.end.is_none_or(|end| end.stage != Stage::InHead);
    match kind {
        "unfinished" => return,
        "no-answer" if stood_still(case, exchange.begun, until) => return tally.disturbed(case, STOOD_STILL),
        // The request and the close of an idle connection have crossed.
        "eof" if ordinal > 0 && no_byte => return tally.exercise(),
        "reset" if ordinal > 0 && no_byte && case.profile != Profile::Falcore => return tally.forgive(),
        _ => {}
    }
    tally.exercise();
    let at = exchange.body.as_ref().map_or(until, |body| body.at);
    tally.break_on(case, lane, at, kind, &format!("{expected}, or a FIN"), seen);
}

/// One that said nothing.
fn silent(case: &Case<'_>, lane: &Lane, td: Interval, tally: &mut Tally) {
    let Some(end) = lane.end else { return };
    let cut = case.limits.hard_limit.map(|limit| td.lo.saturating_add(limit).saturating_sub(case.delta));
    if end.how == Ending::Reset && cut.is_none_or(|cut| end.at < cut) {
        tally.exercise();
        let seen = format!("RST {} after Td, with nothing unanswered", Span(end.at.saturating_sub(td.lo)));
        return tally.break_on(case, lane, end.at, "reset", "the connection ends by FIN", seen);
    }
    closed_in_time(case, lane, td, tally);
}
