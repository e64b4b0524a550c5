//! What the script draws only when it is asked to: the lanes of folded rows, one short array each.

use serde_json::{Value, json};

use super::super::escape;
use super::super::style::clean;
use super::book::{Book, Broken, Scene};
use super::row;
use crate::history::Lane;

/// Lanes that the file holds in all; of more it says how many they are.
const LANES: usize = 40_000;
/// Breaches that a row marks.
const MARKS: usize = 4;

/// The rows that were folded.
pub(super) struct Data {
    groups: Vec<Value>,
    left: usize,
    /// Names of processes and of broken clauses, each once.
    owners: Vec<String>,
    clauses: Vec<String>,
}

impl Data {
    pub(super) fn new() -> Self {
        Self { groups: Vec::new(), left: LANES, owners: Vec::new(), clauses: Vec::new() }
    }

    /// Adds the lanes of a folded row, the broken ones first, and returns the row's number.
    pub(super) fn group(
        &mut self,
        book: &Book<'_>,
        scene: &Scene<'_>,
        lanes: &[&Lane],
        broken: &Broken,
    ) -> usize {
        let mut order: Vec<&&Lane> = lanes.iter().collect();
        order.sort_by_key(|lane| (!broken.contains_key(&lane.id), lane.id));
        let kept = order.len().min(self.left);
        self.left -= kept;
        let rows: Vec<Value> =
            order.iter().take(kept).map(|lane| self.lane(book, scene, lane, broken.get(&lane.id))).collect();
        let stops: Vec<Value> =
            scene.axis.stops().iter().map(|(at, x)| json!([at, (x * 100.0).round() / 100.0])).collect();
        self.groups.push(json!({
            "scene": scene.number,
            "t0": scene.instants[0].is_some(),
            "role": clean(lanes.first().map_or("", |lane| lane.role.as_str())),
            "more": order.len() - kept,
            "stops": stops,
            "lanes": rows,
        }));
        self.groups.len() - 1
    }

    /// Number, opened, connected or null, over, how it ended, owner, requests, bars (from, to, answered), marks (at, clause, known).
    /// Times are microseconds since the axis' zero.
    fn lane(
        &mut self,
        book: &Book<'_>,
        scene: &Scene<'_>,
        lane: &Lane,
        broken: Option<&Vec<usize>>,
    ) -> Value {
        let since = |at| scene.axis.since(at);
        let mut bars: Vec<i64> = Vec::new();
        for bar in row::bars(scene, lane) {
            bars.extend([since(bar.from), since(bar.to), i64::from(bar.answered)]);
        }
        let marks = broken.into_iter().flatten().take(MARKS).filter_map(|at| book.marks.get(*at));
        let marks: Vec<Value> = marks
            .map(|mark| {
                let clause = place_of(&mut self.clauses, &mark.clause.id);
                json!([since(mark.violation.at_us), clause, u8::from(mark.known)])
            })
            .collect();
        json!([
            lane.id,
            since(lane.opened),
            lane.connected.map(since),
            since(row::over(scene, lane)),
            row::end_of(lane),
            place_of(&mut self.owners, scene.owner(lane.owner)),
            lane.exchanges.len() + lane.fetches.len(),
            bars,
            marks,
        ])
    }

    /// The element that holds all of it.
    pub(super) fn element(self) -> String {
        let ends: Vec<Value> = row::ENDS.iter().map(|(word, shape)| json!([word, shape])).collect();
        let all =
            json!({ "ends": ends, "owners": self.owners, "clauses": self.clauses, "groups": self.groups });
        format!("<script type=\"application/json\" id=\"data\">{}</script>\n", escape::json(&all.to_string()))
    }
}

/// The place of a name among those that were met, each once.
fn place_of(names: &mut Vec<String>, name: &str) -> usize {
    let name = clean(name);
    names.iter().position(|other| *other == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}
