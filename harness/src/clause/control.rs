//! What the same lanes show without a restart: the measure of all else.

use std::collections::{BTreeMap, BTreeSet};

use super::case::sum_within;
use crate::declaration::Span;
use crate::history::event::{Ending, Owner, Phase, Stage};
use crate::history::{Exchange, Interval, Lane, LaneId, Micros};

/// Bodies are compared only where control saw this many equal ones …
const SAMPLES_MIN: usize = 3;
/// … over at least this long, so that a clock in a body is not taken for damage.
const SAMPLES_OVER_MIN: Micros = 1_500_000;

/// Facts of the control phase.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// The longest wait from connecting to the first byte on the fast path.
    pub first_byte_max: Micros,
    /// The 99.9th percentile of the wait from request to answer on the fast path.
    pub answer_p999: Micros,
    /// Status codes by endpoint.
    pub statuses: BTreeMap<String, BTreeSet<u16>>,
    /// The longest that an exchange of an endpoint took.
    pub duration_max: BTreeMap<String, Micros>,
    /// Endpoints after whose answers more bytes came, as after one to HEAD that has a body.
    pub surplus: BTreeSet<String>,
    /// Requests on one connection that were answered with no announced close, at most.
    pub ordinals: usize,
    /// How long the server keeps a connection that it waits on.
    pub kept: Micros,
    /// What went wrong with no restart at all: sentences.
    pub troubles: Vec<String>,
    /// Roles of which every lane that went wrong was excused, and none went well: there is nothing to measure others by.
    pub unmeasured: BTreeSet<String>,
    bodies: BTreeMap<(String, Owner), Vec<BodySeen>>,
}

#[derive(Clone, Debug)]
struct BodySeen {
    at: Micros,
    length: u64,
    hash: String,
}

impl Control {
    /// Reads the control phase of a case's lanes; `gaps` are the times in which the harness itself did not run, and `idle_max` is
    /// how long the target keeps a connection that it waits on, if it is not seen to keep them for less.
    pub fn of(lanes: &BTreeMap<LaneId, Lane>, gaps: &[Interval], idle_max: Micros) -> Self {
        let mut control = Control::default();
        let mut waits: Vec<Micros> = Vec::new();
        let of_control = || lanes.values().filter(|lane| lane.phase == Phase::Control);
        let kept = of_control().filter_map(timed_out_after).min().unwrap_or(idle_max).min(idle_max);
        control.kept = kept;
        let excused = |lane: &Lane| kept_waiting(lane, gaps, kept);
        for lane in of_control() {
            control.read_lane(lane, &mut waits, excused);
        }
        let wrong = of_control().filter(|lane| trouble(lane).is_some() && excused(lane));
        let well = |role: &str| of_control().any(|lane| lane.role == role && trouble(lane).is_none());
        control.unmeasured = wrong.map(|lane| lane.role.clone()).filter(|role| !well(role)).collect();
        waits.sort_unstable();
        let rank = (waits.len() as f64 * 0.999).ceil() as usize;
        control.answer_p999 = waits.get(rank.saturating_sub(1)).copied().unwrap_or_default();
        control
    }

    fn read_lane(&mut self, lane: &Lane, waits: &mut Vec<Micros>, excused: impl Fn(&Lane) -> bool) {
        if let Some(trouble) = trouble(lane).filter(|_| !excused(lane)) {
            self.troubles.push(format!("{}#{}: {trouble}", lane.role, lane.id));
        }
        let surplus = lane.exchanges.last().filter(|_| lane.extra_from(0).is_some());
        self.surplus.extend(surplus.map(|last| last.endpoint.clone()));
        for (ordinal, exchange) in lane.exchanges.iter().enumerate() {
            let (Some(head), Some(body), Some(sent)) = (&exchange.head, &exchange.body, exchange.sent) else {
                continue;
            };
            if !head.last {
                self.ordinals = self.ordinals.max(ordinal + 1);
            }
            let endpoint = exchange.endpoint.clone();
            let took = body.at.saturating_sub(exchange.begun);
            let longest = self.duration_max.entry(endpoint.clone()).or_default();
            *longest = (*longest).max(took);
            // What is said to a client that is too late is no measure of what one is owed.
            if !exchange.timed_out() {
                self.statuses.entry(endpoint.clone()).or_default().insert(head.status);
            }
            let seen = BodySeen { at: body.at, length: body.length, hash: body.hash.clone() };
            self.bodies.entry((endpoint, lane.owner)).or_default().push(seen);
            if exchange.endpoint == "fast" && exchange.begun == sent.lo.max(exchange.begun) {
                waits.push(head.first_byte.saturating_sub(sent.lo));
            }
            if ordinal == 0 && exchange.endpoint == "fast" && asked_at_once(lane, exchange) {
                let wait = head.first_byte.saturating_sub(lane.opened);
                self.first_byte_max = self.first_byte_max.max(wait);
            }
        }
    }

    /// What is wrong with an exchange, measured by control: `(kind, expected, seen)`. None if it is
    /// a complete response like control's.
    pub fn fault(&self, lane: &Lane, exchange: &Exchange) -> Option<(&'static str, String, String)> {
        let whole = "one complete response".to_owned();
        if let Some(why) = &exchange.malformed {
            return Some(("malformed", whole, why.clone()));
        }
        let (Some(head), Some(body)) = (&exchange.head, &exchange.body) else {
            return Some(unfinished(lane, exchange)).map(|(kind, seen)| (kind, whole, seen));
        };
        let statuses = self.statuses.get(&exchange.endpoint);
        if let Some(statuses) = statuses
            && !statuses.contains(&head.status)
        {
            let expected = statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
            return Some((
                "status",
                format!("status {expected}, as in control"),
                format!("status {}", head.status),
            ));
        }
        let seen = self.bodies.get(&(exchange.endpoint.clone(), lane.owner))?;
        let first = seen.first()?;
        // They stand in the order of their lanes, not of time.
        let times = || seen.iter().map(|one| one.at);
        let over = times().max()?.saturating_sub(times().min()?);
        let equal = seen.iter().all(|other| other.hash == first.hash);
        if seen.len() < SAMPLES_MIN || over < SAMPLES_OVER_MIN || !equal {
            return None;
        }
        if body.length != first.length || body.hash != first.hash {
            let expected = format!("the {} bytes of control (XXH3 {})", first.length, first.hash);
            let seen = format!("{} bytes (XXH3 {})", body.length, body.hash);
            return Some(("altered", expected, seen));
        }
        None
    }
}

/// Whether the first request followed on the connection at once.
pub fn asked_at_once(lane: &Lane, exchange: &Exchange) -> bool {
    let connected = lane.connected.unwrap_or(lane.opened);
    exchange.sent.is_some_and(|sent| sent.hi.saturating_sub(connected) < 1_000_000)
}

/// How an exchange without a complete response ended: `(kind, seen)`.
pub fn unfinished(lane: &Lane, exchange: &Exchange) -> (&'static str, String) {
    let part = match (&exchange.head, exchange.sent) {
        (Some(head), _) => format!("after a part of the response (status {})", head.status),
        (None, Some(_)) => "before the first byte of the response".to_owned(),
        (None, None) => "before the request was sent whole".to_owned(),
    };
    let cut = exchange.head.is_some() || lane.end.is_some_and(|end| end.stage == Stage::InHead);
    // Every lane that is seen through has an end: without one the record breaks off here, and shows nothing.
    let Some(end) = lane.end else {
        return ("unfinished", "the record ends before the connection".to_owned());
    };
    let waited = Span(end.at.saturating_sub(exchange.sent.map_or(exchange.begun, |sent| sent.hi)));
    match end.how {
        Ending::Fin if cut => ("cut", format!("FIN {part}, after {waited}")),
        Ending::Fin => ("eof", format!("FIN {part}, after {waited}")),
        Ending::Reset if cut => ("cut", format!("RST {part}, after {waited}")),
        Ending::Reset => ("reset", format!("RST {part}, after {waited}")),
        Ending::ResetAfterFin => ("eof", format!("FIN, and RST for what was sent after it, {part}")),
        Ending::GaveUp => ("no-answer", format!("nothing for {waited}, {part}")),
        Ending::Lane => ("unfinished", "the lane was called off".to_owned()),
    }
}

/// How long after the last request the server ended a connection that it had said nothing of the end of.
fn timed_out_after(lane: &Lane) -> Option<Micros> {
    let end = lane.end.filter(|end| end.how == Ending::Fin && end.stage == Stage::Idle)?;
    let last = lane.exchanges.last().filter(|_| !lane.exchanges.iter().any(Exchange::closes))?;
    Some(end.at.saturating_sub(last.sent?.lo))
}

/// The server timed out a request that was half sent for long, or a connection on which none came, because the harness itself did
/// not run: a client that is too late, and nothing to hold against the server.
pub(super) fn kept_waiting(lane: &Lane, gaps: &[Interval], kept: Micros) -> bool {
    let (Some((index, exchange)), Some(end)) = (lane.unanswered(), lane.end) else { return false };
    let since = if index == 0 { lane.opened } else { exchange.begun };
    let by_fin = matches!(end.how, Ending::Fin | Ending::ResetAfterFin);
    let until = exchange.sent.map_or(end.at, |sent| sent.hi);
    let slept = sum_within(gaps, since, until);
    by_fin && exchange.head.is_none() && slept > kept / 4 && until >= since.saturating_add(kept)
}

/// What went wrong on a lane with no restart at all.
fn trouble(lane: &Lane) -> Option<String> {
    if let Some((_, why, errno)) = lane.connect_failed {
        return Some(format!("could not connect: {why:?} (errno {errno:?})"));
    }
    if let Some(fetch) = lane.fetches.iter().find_map(|fetch| fetch.result.as_ref().err()) {
        return Some(format!("the pooled client failed: {}", fetch.1));
    }
    let (index, exchange) = lane.unanswered()?;
    let after_close = lane.exchanges.iter().take(index).any(Exchange::closes);
    let called_off = lane.end.is_none_or(|end| end.how == Ending::Lane);
    // Nobody owes a client an answer that left amid its request.
    let left = exchange.sent.is_none() && lane.half_closed.is_some();
    if after_close || called_off || left {
        return None;
    }
    // An idle connection that the server closed while the request was on its way is its right.
    let reused = index > 0 && exchange.head.is_none();
    let by_fin = lane.end.is_some_and(|end| matches!(end.how, Ending::Fin | Ending::ResetAfterFin));
    if reused && by_fin {
        return None;
    }
    if let Some(why) = &exchange.malformed {
        return Some(why.clone());
    }
    let (_, seen) = unfinished(lane, exchange);
    Some(format!("request {} to `{}`: {seen}", index + 1, exchange.endpoint))
}
