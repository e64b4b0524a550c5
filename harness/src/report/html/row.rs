//! One connection as a row: the stretch in which it was connected, its requests, its end, and where it broke.

use super::book::{Book, Mark, Scene};
use super::svg::{ROW, Svg};
use crate::history::event::Ending;
use crate::history::{Lane, LaneId, Micros};

/// The middle of a row.
const MIDDLE: u32 = ROW / 2;
/// Bars of one row; where there are more, those that are close together are drawn as one.
const BARS: usize = 40;
/// Requests closer than this, in percent of the width, are one bar.
const CLOSE: f64 = 0.35;

/// What a connection came to. The words are in [`ENDS`], by number, which the script knows too.
pub(super) fn end_of(lane: &Lane) -> usize {
    match (lane.connect_failed, lane.end.map(|end| end.how)) {
        (Some(_), _) => 6,
        (None, None) => 0,
        (None, Some(Ending::Fin)) => 1,
        (None, Some(Ending::Reset)) => 2,
        (None, Some(Ending::ResetAfterFin)) => 3,
        (None, Some(Ending::Lane)) => 4,
        (None, Some(Ending::GaveUp)) => 5,
    }
}

/// What each number of [`end_of`] means, and the shape that is drawn for it.
pub(super) const ENDS: [(&str, &str); 7] = [
    ("open to the last", ""),
    ("FIN from the server", "fin"),
    ("RST from the server", "rst"),
    ("FIN, then RST for what the lane sent after it", "fin"),
    ("closed by the client", "own"),
    ("given up by the client", "gave-up"),
    ("could not connect", "refused"),
];

/// A stretch in which a request was under way.
pub(super) struct Bar {
    pub(super) from: Micros,
    pub(super) to: Micros,
    /// It was answered whole.
    pub(super) answered: bool,
}

/// The requests of a lane, those that would touch as one.
pub(super) fn bars(scene: &Scene<'_>, lane: &Lane) -> Vec<Bar> {
    let over = over(scene, lane);
    let asked = lane.exchanges.iter().map(|exchange| {
        let answered = exchange.body.as_ref().map(|body| body.at);
        Bar { from: exchange.begun, to: answered.unwrap_or(over), answered: answered.is_some() }
    });
    let fetched = lane.fetches.iter().map(|fetch| Bar {
        from: fetch.from,
        to: fetch.at,
        answered: fetch.result.is_ok(),
    });
    let mut bars: Vec<Bar> = asked.chain(fetched).collect();
    let mut close = CLOSE;
    loop {
        bars = joined(scene, bars, close);
        if bars.len() <= BARS || close > 100.0 {
            return bars;
        }
        close *= 2.0;
    }
}

/// Those of one kind that are no further apart, in percent of the width, as one.
fn joined(scene: &Scene<'_>, bars: Vec<Bar>, close: f64) -> Vec<Bar> {
    let mut joined: Vec<Bar> = Vec::new();
    for bar in bars {
        match joined.last_mut() {
            Some(last)
                if last.answered == bar.answered
                    && scene.axis.x(bar.from) - scene.axis.x(last.to) < close =>
            {
                last.to = last.to.max(bar.to);
            }
            _ => joined.push(bar),
        }
    }
    joined
}

/// When it ended, or the drawing does.
pub(super) fn over(scene: &Scene<'_>, lane: &Lane) -> Micros {
    let failed = lane.connect_failed.map(|(at, _, _)| at);
    lane.end.map(|end| end.at).or(failed).unwrap_or_else(|| scene.axis.at(100.0))
}

/// `12 requests, all answered`.
pub(super) fn requests(lane: &Lane) -> String {
    let number = lane.exchanges.len() + lane.fetches.len();
    let fetched = lane.fetches.iter().filter(|fetch| fetch.result.is_ok()).count();
    let answered = lane.exchanges.iter().filter(|exchange| exchange.answered()).count() + fetched;
    match (number, number - answered) {
        (0, _) => "no request".to_owned(),
        (1, 0) => "1 request, answered".to_owned(),
        (1, _) => "1 request, not answered".to_owned(),
        (number, 0) => format!("{number} requests, all answered"),
        (number, lost) => format!("{number} requests, {lost} not answered"),
    }
}

/// A lane in a sentence, for those who can't see it.
pub(super) fn told(scene: &Scene<'_>, lane: &Lane) -> String {
    let (end, at) = (ENDS[end_of(lane)].0, over(scene, lane));
    let when = if end_of(lane) == 0 { String::new() } else { format!(" at {}", scene.log.time(at)) };
    format!(
        "{}#{}, held by {}; opened {}; {}; {end}{when}",
        lane.role,
        lane.id,
        scene.owner(lane.owner),
        scene.log.time(lane.opened),
        requests(lane)
    )
}

/// The row's drawing, with what is broken on it.
pub(super) fn track(book: &Book<'_>, scene: &Scene<'_>, lane: &Lane) -> String {
    let axis = &scene.axis;
    let marks = marks_on(book, scene, lane.id);
    let label = told(scene, lane);
    let mut svg =
        if marks.is_empty() { Svg::new("lane", ROW, &label) } else { Svg::with_links("lane", ROW, &label) };
    let over = over(scene, lane);
    let connected = lane.connected.unwrap_or(over);
    svg.level("wait", axis.x(lane.opened), axis.x(connected), MIDDLE);
    if connected < over {
        svg.level("conn", axis.x(connected), axis.x(over), MIDDLE);
    }
    for bar in bars(scene, lane) {
        let class = if bar.answered { "req" } else { "req lost" };
        svg.bar(class, axis.x(bar.from), axis.x(bar.to), 5, ROW - 10);
    }
    let shape = ENDS[end_of(lane)].1;
    if !shape.is_empty() {
        svg.glyph(shape, axis.x(over), MIDDLE);
    }
    for (_, mark) in marks {
        self::mark(&mut svg, scene, mark, MIDDLE);
    }
    svg.finish()
}

/// Marks of a lane; those on the same clause and moment once.
pub(super) fn marks_on<'b>(
    book: &'b Book<'b>,
    scene: &Scene<'_>,
    lane: LaneId,
) -> Vec<(usize, &'b Mark<'b>)> {
    let mut marks: Vec<(usize, &Mark<'_>)> = scene
        .marks
        .iter()
        .filter_map(|at| Some((*at, book.marks.get(*at)?)))
        .filter(|(_, mark)| mark.lane == Some(lane))
        .collect();
    marks.sort_by_key(|(at, mark)| (mark.violation.at_us, *at));
    marks
}

/// A breach, linked to its clause.
pub(super) fn mark(svg: &mut Svg, scene: &Scene<'_>, mark: &Mark<'_>, y: u32) {
    let name = if mark.known { "known" } else { "broken" };
    let at = mark.violation.at_us;
    let admitted = if mark.known { ", which is known" } else { "" };
    let what = format!("breaks {}{admitted}, {}", mark.clause.id, scene.log.time(at));
    svg.link(name, scene.axis.x(at), y, &super::clauses::anchor(&mark.clause.id), &what);
}
