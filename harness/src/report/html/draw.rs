//! A restart, drawn: its phases behind all, its processes, and its connections by role.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::super::escape::html;
use super::super::style::count;
use super::book::{Book, Broken, Mark, OUTSIDE, Scene};
use super::data::Data;
use super::svg::{ROW, Svg};
use super::{row, story};
use crate::clause::tally::Violation;
use crate::declaration::Span;
use crate::history::{Interval, Lane, Micros};

/// The lanes of a role are drawn one by one if they are so many at most; if more, only when asked for.
const FEW: usize = 12;
/// Processes drawn of one restart.
const PROCESSES: usize = 24;
/// Lanes drawn of one restart with all that is known of them; of the others there is a row, made on demand.
const STORIES: usize = 24;
/// Columns of a strip that shows how many lanes are open.
const COLUMNS: u32 = 72;
/// The height of such a strip.
const STRIP: u32 = 22;
/// The height of the instants' labels: each on a line of its own, so that none hides another.
const LABELS: u32 = 62;

/// How much more may be told in full, over all restarts of the page: a file that is opened on a phone has to stay small.
pub(super) struct Budget {
    pub(super) stories: usize,
    pub(super) rows: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { stories: 240, rows: 200 }
    }

    fn take(left: &mut usize) -> bool {
        let some = *left > 0;
        *left = left.saturating_sub(1);
        some
    }
}

/// The drawing of one restart.
pub(super) fn scene(
    out: &mut String,
    book: &Book<'_>,
    scene: &Scene<'_>,
    data: &mut Data,
    budget: &mut Budget,
) {
    let label = html(format!("Restart of {}", scene.name()));
    let _ = writeln!(out, "<div class=\"plot\" role=\"group\" aria-label=\"{label}\">{}", phases(scene));
    out.push_str(&instants(scene));
    processes(out, scene);
    outside(out, book, scene);
    let broken = book.broken(scene);
    let mut roles: Vec<(&str, Vec<&Lane>)> = Vec::new();
    for lane in scene.lanes.values() {
        match roles.iter_mut().find(|(role, _)| *role == lane.role) {
            Some((_, lanes)) => lanes.push(lane),
            None => roles.push((&lane.role, vec![lane])),
        }
    }
    // Where something is broken comes first.
    let marked = |lanes: &[&Lane]| lanes.iter().filter(|lane| broken.contains_key(&lane.id)).count();
    roles.sort_by_key(|(_, lanes)| marked(lanes) == 0);
    if !roles.is_empty() {
        out.push_str("<h4>Connections, by role</h4>\n");
    }
    let mut left = STORIES;
    for (role, lanes) in &roles {
        group(out, (book, scene), (role, lanes), &broken, (data, budget, &mut left));
    }
    out.push_str(&ticks(scene));
    out.push_str("</div>\n");
}

/// One role: a row for all of its lanes, and rows of their own for those that are few or broken.
fn group(
    out: &mut String,
    (book, scene): (&Book<'_>, &Scene<'_>),
    (role, lanes): (&str, &[&Lane]),
    broken: &Broken,
    (data, budget, left): (&mut Data, &mut Budget, &mut usize),
) {
    let (marked, plain): (Vec<&Lane>, Vec<&Lane>) =
        lanes.iter().partition(|lane| broken.contains_key(&lane.id));
    let told: Vec<&&Lane> =
        marked.iter().take_while(|_| Budget::take(left) && Budget::take(&mut budget.stories)).collect();
    let few = lanes.len() <= FEW && told.len() == marked.len() && plain.len() <= budget.rows;
    // Where something is broken, the eye is not to be led elsewhere.
    let folded = !few || (!broken.is_empty() && !plain.is_empty());
    if folded {
        let counts = |mark: &usize| book.marks.get(*mark).is_some_and(|mark| !mark.known);
        let bad = marked
            .iter()
            .filter(|lane| broken.get(&lane.id).is_some_and(|marks| marks.iter().any(counts)))
            .count();
        let mut what = count(lanes.len(), "connection", "connections");
        for (number, word) in [(bad, "broken"), (marked.len() - bad, "known")] {
            if number > 0 {
                let _ = write!(what, ", {number} {word}");
            }
        }
        let strip = strip(scene, lanes, &format!("{role}: {what} over time"));
        let role = html(role);
        let number = if few {
            String::new()
        } else {
            format!(" data-group=\"{}\"", data.group(book, scene, lanes, broken))
        };
        let _ = write!(
            out,
            "<details class=\"group\"{number}><summary class=\"row\"><span class=\"name\"><b>{role}</b> \
             <small>{what}</small></span>{strip}</summary><div class=\"lanes\">"
        );
        if !few {
            out.push_str(
                "<noscript>These connections are drawn one by one where JavaScript is on.</noscript>",
            );
        }
    }
    if few {
        budget.rows -= plain.len();
        for lane in plain {
            let _ = writeln!(out, "<div class=\"row\">{}</div>", named(book, scene, lane));
        }
    }
    if folded {
        out.push_str("</div></details>\n");
    }
    for lane in told {
        let row = named(book, scene, lane);
        let _ = writeln!(out, "<details class=\"one\"><summary class=\"row\">{row}</summary>");
        story::write(out, book, scene, lane);
        out.push_str("</details>\n");
    }
}

/// A lane's name and its drawing.
fn named(book: &Book<'_>, scene: &Scene<'_>, lane: &Lane) -> String {
    let name = html(format!("{}#{}", lane.role, lane.id));
    format!("<span class=\"name\">{name}</span>{}", row::track(book, scene, lane))
}

/// How many lanes were open, column by column, and where they ended by no doing of their own.
fn strip(scene: &Scene<'_>, lanes: &[&Lane], label: &str) -> String {
    let axis = &scene.axis;
    let width = 100.0 / f64::from(COLUMNS);
    let mut open = vec![0_usize; COLUMNS as usize + 1];
    let column = |at: Micros| ((axis.x(at) / width) as usize).min(COLUMNS as usize - 1);
    let mut lost: BTreeSet<usize> = BTreeSet::new();
    for lane in lanes {
        let over = row::over(scene, lane);
        for one in &mut open[column(lane.opened)..=column(over)] {
            *one += 1;
        }
        if matches!(row::end_of(lane), 2 | 6) {
            lost.insert(column(over));
        }
    }
    let most = open.iter().copied().max().unwrap_or_default().max(1);
    let (mut bars, mut ends) = (String::new(), String::new());
    let mut from = 0;
    for at in 1..=COLUMNS as usize {
        if open[at] != open[from] || at == COLUMNS as usize {
            if open[from] > 0 {
                // One of many is seen too.
                let height = (open[from] * STRIP as usize).div_ceil(most).max(2) as u32;
                let (left, right) = (from as f64 * width, at as f64 * width);
                let _ = write!(bars, "M{left:.2} {STRIP}V{}H{right:.2}V{STRIP}Z", STRIP - height);
            }
            from = at;
        }
    }
    for at in lost {
        let _ = write!(ends, "M{:.2} 0V{STRIP}", (at as f64 + 0.5) * width);
    }
    let mut svg = Svg::stretched("strip", STRIP, label);
    svg.path("open", &bars);
    svg.path("ends", &ends);
    svg.finish()
}

/// The phases, behind everything; what is not certain is hatched.
pub(super) fn phases(scene: &Scene<'_>) -> String {
    let axis = &scene.axis;
    let mut svg = Svg::silent("phases", "100%");
    let mut seen: Vec<(usize, Interval)> =
        scene.instants.iter().enumerate().filter_map(|(at, one)| Some((at, (*one)?))).collect();
    seen.sort_by_key(|(name, instant)| (instant.hi, *name));
    let mut so_far = [false; 4];
    for (place, (name, from)) in seen.iter().enumerate() {
        so_far[*name] = true;
        let class = match so_far {
            [_, true, _, true] => "after",
            [_, false, _, true] => "nobody",
            [_, true, true, _] => "draining",
            [_, true, false, _] => "both",
            [_, false, _, _] => "starting",
        };
        let next = seen.get(place + 1).map_or(100.0, |(_, next)| axis.x(next.hi));
        svg.band(&format!("phase {class}"), axis.x(from.hi), next);
    }
    for (_, instant) in &seen {
        svg.band("unsure", axis.x(instant.lo), axis.x(instant.hi));
        svg.upright("instant", axis.x(instant.hi));
    }
    format!("<div class=\"back\">{}</div>", svg.finish())
}

/// What each instant is called.
const INSTANTS: [(&str, &str); 4] =
    [("T0", "trigger"), ("Tr", "new serves"), ("Td", "old drains"), ("Tx", "old gone")];

/// Their names, above.
pub(super) fn instants(scene: &Scene<'_>) -> String {
    let told: Vec<String> = INSTANTS
        .iter()
        .zip(scene.instants)
        .map(|((name, what), instant)| match instant {
            Some(one) => {
                format!("{name} ({what}): from {} to {}", scene.log.time(one.lo), scene.log.time(one.hi))
            }
            None => format!("{name} ({what}): not seen"),
        })
        .collect();
    let mut svg = Svg::new("instants", LABELS, &told.join("; "));
    for (line, ((name, what), instant)) in INSTANTS.iter().zip(scene.instants).enumerate() {
        let Some(instant) = instant else { continue };
        let since = instant.hi.saturating_sub(scene.instants[0].map_or(instant.hi, |t0| t0.lo));
        let when = if line == 0 { String::new() } else { format!(" +{}", Span(since)) };
        let y = 12 + 15 * line as u32;
        svg.text("instant", scene.axis.x(instant.hi), y, &format!("{name} {what}{when}"));
    }
    format!("<div class=\"row head\"><span class=\"name\"></span>{}</div>\n", svg.finish())
}

/// The scale, below.
pub(super) fn ticks(scene: &Scene<'_>) -> String {
    let mut svg = Svg::silent("ticks", "20");
    for (x, label) in scene.axis.ticks() {
        svg.bar("tick", x, x, 0, 5);
        svg.centred("tick", x, 17, &label);
    }
    let since = if scene.instants[0].is_some() { "since T0" } else { "since the begin" };
    format!("<div class=\"row foot\"><span class=\"name\">{since}</span>{}</div>\n", svg.finish())
}

/// The processes that were there, oldest first.
fn processes(out: &mut String, scene: &Scene<'_>) {
    let timeline = scene.log.timeline();
    let axis = &scene.axis;
    let begin = axis.at(0.0);
    let there = timeline.procs.values().filter(|proc| proc.gone.is_none_or(|gone| gone.hi >= begin));
    let mut there: Vec<_> = there.collect();
    // Of several those that serve say more.
    there.sort_by_key(|proc| (proc.lanes == 0 && proc.listeners.is_empty(), proc.id));
    let more = there.len().saturating_sub(PROCESSES);
    there.truncate(PROCESSES);
    there.sort_by_key(|proc| proc.id);
    if !there.is_empty() {
        out.push_str("<h4>Processes</h4>\n");
    }
    for proc in there {
        let name = scene.names.get(&proc.id).map_or("unknown", String::as_str);
        let life = name.rsplit_once('(').map_or("", |(_, life)| life.trim_end_matches(')'));
        let lasted = proc.gone.map_or_else(
            || "there to the last".to_owned(),
            |gone| format!("ended by {}", scene.log.time(gone.hi)),
        );
        let born = scene.log.time(proc.born.hi);
        let told = format!(
            "{name}: from {born}; {}; {lasted}",
            count(proc.lanes as usize, "connection", "connections")
        );
        let mut svg = Svg::new("proc", ROW, &told);
        let class = match life {
            "old" => "old",
            "successor" => "successor",
            _ => "permanent",
        };
        let end = axis.at(100.0);
        let (from, to) = (axis.x(proc.born.hi), proc.gone.map_or(end, |gone| gone.lo));
        svg.bar(&format!("life {class}"), from, axis.x(to), 3, ROW - 6);
        if let Some(gone) = proc.gone {
            svg.bar(&format!("life fading {class}"), axis.x(gone.lo), axis.x(gone.hi), 3, ROW - 6);
        }
        for frozen in timeline.frozen.iter().filter(|frozen| frozen.procs.contains(&proc.id)) {
            svg.bar("frozen", axis.x(frozen.interval.lo), axis.x(frozen.interval.hi.min(end)), 3, ROW - 6);
        }
        let (name, life) = name.rsplit_once(" (").map_or((name, ""), |(name, _)| (name, life));
        let (name, life, svg) = (html(name), html(life), svg.finish());
        let _ = writeln!(
            out,
            "<div class=\"row\"><span class=\"name\">{name} <small class=\"{class}\">{life}</small></span>{svg}</div>"
        );
    }
    if more > 0 {
        let _ = writeln!(out, "<p class=\"quiet\">and {more} more processes</p>");
    }
}

/// Breaches that were seen on no lane that is drawn.
fn outside(out: &mut String, book: &Book<'_>, scene: &Scene<'_>) {
    let marks: Vec<(usize, &Mark<'_>)> =
        book.marks_of(scene).into_iter().filter(|(_, mark)| mark.lane.is_none()).collect();
    if marks.is_empty() {
        return;
    }
    let breaches = count(marks.len(), "breach", "breaches");
    let mut svg = Svg::with_links("lane", ROW, &format!("{breaches} seen on no connection"));
    for (_, mark) in marks.iter().take(OUTSIDE) {
        row::mark(&mut svg, scene, mark, ROW / 2);
    }
    let _ = writeln!(
        out,
        "<h4>Seen from outside</h4>\n<details class=\"one\"><summary class=\"row\"><span class=\"name\">no connection \
         <small>{breaches}</small></span>{}</summary>\n<div class=\"told\"><ul class=\"breaches\">",
        svg.finish()
    );
    for (number, mark) in marks.iter().take(OUTSIDE) {
        story::breach(out, *number, mark, Some(process(mark.violation)));
    }
    out.push_str("</ul>\n");
    if marks.len() > OUTSIDE {
        let _ = writeln!(out, "<p class=\"quiet\">and {} more</p>", marks.len() - OUTSIDE);
    }
    out.push_str("</div></details>\n");
}

fn process(violation: &Violation) -> &str {
    if violation.process.is_empty() { "no process" } else { &violation.process }
}
