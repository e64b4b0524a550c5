//! How long requests and connects took through a restart: for each kind a chart of the same width as the drawing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::super::escape::html;
use super::super::style::count;
use super::book::{Book, Scene};
use super::draw;
use super::svg::Svg;
use crate::declaration::Span;
use crate::history::{Lane, Micros};

/// Kinds with fewer are no traffic.
const FEW: usize = 10;
/// Columns of a chart.
const COLUMNS: usize = 72;
/// The height of a chart, in pixels.
const HEIGHT: u32 = 72;
/// Charts of one restart: those with the most requests.
const CHARTS: usize = 4;

/// What took how long.
#[derive(Default)]
struct Kind {
    /// When it began and how long it took.
    took: Vec<(Micros, Micros)>,
    /// When those began that were never answered.
    lost: Vec<Micros>,
}

/// The section: one drawing for each restart with traffic.
pub(super) fn write(out: &mut String, book: &Book<'_>, order: &[usize]) {
    let scenes = order.iter().filter_map(|scene| book.scenes.get(*scene));
    let traffic: Vec<(&Scene<'_>, Vec<(String, Kind)>)> =
        scenes.map(|scene| (scene, kinds(scene))).filter(|(_, kinds)| !kinds.is_empty()).collect();
    if traffic.is_empty() {
        return;
    }
    out.push_str(
        "<section id=\"latency\" aria-labelledby=\"latency-title\">\n<h2 id=\"latency-title\">Latency through the restart</h2>\n\
         <p class=\"quiet\">From the least to the most in each stretch of time, with a mark at the median; higher is slower, on a \
         logarithmic scale. A red stroke at the top is a request that was not answered. The time is that at which a request was sent.</p>\n",
    );
    for (place, (scene, kinds)) in traffic.iter().enumerate() {
        let open = if place == 0 { " open" } else { "" };
        let number: usize = kinds.iter().map(|(_, kind)| kind.took.len() + kind.lost.len()).sum();
        let name = html(scene.name());
        let _ = writeln!(
            out,
            "<details class=\"card\"{open}><summary><b>{name}</b> <small>{}</small></summary><div class=\"plot\" role=\"group\" aria-label=\"Latency in {name}\">{}{}",
            count(number, "sample", "samples"),
            draw::phases(scene),
            draw::instants(scene)
        );
        for (name, kind) in kinds {
            chart(out, scene, name, kind);
        }
        let _ = writeln!(out, "{}</div></details>", draw::ticks(scene));
    }
    out.push_str("</section>\n");
}

/// By what was asked for, those with the most first; connects as well.
fn kinds(scene: &Scene<'_>) -> Vec<(String, Kind)> {
    let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
    for lane in scene.lanes.values() {
        connect(kinds.entry("connect").or_default(), lane);
        for exchange in &lane.exchanges {
            let Some(sent) = exchange.sent else { continue };
            let kind = kinds.entry(&exchange.endpoint).or_default();
            match &exchange.body {
                Some(body) => kind.took.push((sent.lo, body.at.saturating_sub(sent.lo))),
                None => kind.lost.push(sent.lo),
            }
        }
        for fetch in &lane.fetches {
            let kind = kinds.entry("ordinary client").or_default();
            match fetch.result {
                Ok(_) => kind.took.push((fetch.from, fetch.at.saturating_sub(fetch.from))),
                Err(_) => kind.lost.push(fetch.from),
            }
        }
    }
    let mut kinds: Vec<(String, Kind)> = kinds
        .into_iter()
        .filter(|(_, kind)| kind.took.len() + kind.lost.len() >= FEW && !kind.took.is_empty())
        .map(|(name, kind)| (name.to_owned(), kind))
        .collect();
    kinds.sort_by_key(|(_, kind)| std::cmp::Reverse(kind.took.len() + kind.lost.len()));
    kinds.truncate(CHARTS);
    kinds
}

fn connect(kind: &mut Kind, lane: &Lane) {
    match (lane.connected, lane.connect_failed) {
        (Some(at), _) => kind.took.push((lane.opened, at.saturating_sub(lane.opened))),
        (None, Some(_)) => kind.lost.push(lane.opened),
        (None, None) => {}
    }
}

fn chart(out: &mut String, scene: &Scene<'_>, name: &str, kind: &Kind) {
    let width = 100.0 / COLUMNS as f64;
    let column = |at: Micros| ((scene.axis.x(at) / width) as usize).min(COLUMNS - 1);
    let mut columns: BTreeMap<usize, Vec<Micros>> = BTreeMap::new();
    for (at, took) in &kind.took {
        columns.entry(column(*at)).or_default().push(*took);
    }
    let mut all: Vec<Micros> = kind.took.iter().map(|(_, took)| *took).collect();
    all.sort_unstable();
    let (least, most) = (all[0], all[all.len() - 1]);
    let (floor, ceiling) = (least.max(1) as f64, (most as f64).max(least as f64 * 10.0 + 1.0));
    let y = |took: Micros| {
        let share = ((took.max(1) as f64).ln() - floor.ln()) / (ceiling.ln() - floor.ln());
        HEIGHT - 6 - (share.clamp(0.0, 1.0) * f64::from(HEIGHT - 20)) as u32
    };
    let median = all[all.len() / 2];
    let lost = match kind.lost.len() {
        0 => String::new(),
        lost => format!(", {lost} lost"),
    };
    let figures = format!("median {}, most {}{lost}", Span(median), Span(most));
    let label = format!("{name}: {} samples, {figures}", all.len());
    let (mut ranges, mut medians, mut ends) = (String::new(), String::new(), String::new());
    for (at, mut took) in columns {
        took.sort_unstable();
        let middle = (at as f64 + 0.5) * width;
        let (top, bottom) = (y(took[took.len() - 1]), y(took[0]));
        let _ = write!(ranges, "M{middle:.2} {top}V{}", bottom.max(top + 1));
        let _ = write!(medians, "M{:.2} {}h.8", middle - 0.4, y(took[took.len() / 2]));
    }
    let lost: BTreeSet<usize> = kind.lost.iter().map(|at| column(*at)).collect();
    for at in lost {
        let _ = write!(ends, "M{:.2} 0V10", (at as f64 + 0.5) * width);
    }
    let mut svg = Svg::stretched("chart", HEIGHT, &label);
    svg.path("grid", &format!("M0 {}H100", y(median)));
    svg.path("range", &ranges);
    svg.path("median", &medians);
    svg.path("ends", &ends);
    let _ = writeln!(
        out,
        "<div class=\"row tall\"><span class=\"name\"><b>{}</b> <small>{} samples<br>{}</small></span>{}</div>",
        html(name),
        all.len() + kind.lost.len(),
        html(figures),
        svg.finish()
    );
}
