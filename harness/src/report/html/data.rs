//! What the script draws only when it is asked to: the lanes of folded rows, one short array each.

use serde_json::{Value, json};

use super::super::escape;
use super::super::style::clean;
use super::book::Scene;
use super::row;
use crate::history::{Lane, LaneId};

/// Lanes that the file holds in all; of more it says how many they are.
const LANES: usize = 40_000;

/// The rows that were folded.
pub(super) struct Data {
    groups: Vec<Value>,
    left: usize,
    /// Names of processes, each once.
    owners: Vec<String>,
}

impl Data {
    pub(super) fn new() -> Self {
        Self { groups: Vec::new(), left: LANES, owners: Vec::new() }
    }

    /// Adds the lanes of a folded row, the broken ones first, and returns the row's number. `broken` says how often a lane breaks
    /// what is not known, if it breaks anything.
    pub(super) fn group(
        &mut self,
        scene: &Scene<'_>,
        lanes: &[&Lane],
        broken: impl Fn(LaneId) -> Option<usize>,
    ) -> usize {
        let mut order: Vec<&&Lane> = lanes.iter().collect();
        order.sort_by_key(|lane| (broken(lane.id).is_none(), lane.id));
        let kept = order.len().min(self.left);
        self.left -= kept;
        let rows: Vec<Value> =
            order.iter().take(kept).map(|lane| self.lane(scene, lane, broken(lane.id))).collect();
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

    /// Number, opened, connected or null, over, how it ended, owner, requests, how often broken or null, bars: from, to, answered.
    /// Times are microseconds since the axis' zero.
    fn lane(&mut self, scene: &Scene<'_>, lane: &Lane, broken: Option<usize>) -> Value {
        let since = |at| scene.axis.since(at);
        let mut bars: Vec<i64> = Vec::new();
        for bar in row::bars(scene, lane) {
            bars.extend([since(bar.from), since(bar.to), i64::from(bar.answered)]);
        }
        json!([
            lane.id,
            since(lane.opened),
            lane.connected.map(since),
            since(row::over(scene, lane)),
            row::end_of(lane),
            self.owner(scene.owner(lane.owner)),
            lane.exchanges.len() + lane.fetches.len(),
            broken,
            bars,
        ])
    }

    fn owner(&mut self, name: &str) -> usize {
        let name = clean(name);
        self.owners.iter().position(|other| *other == name).unwrap_or_else(|| {
            self.owners.push(name);
            self.owners.len() - 1
        })
    }

    /// The element that holds all of it.
    pub(super) fn element(self) -> String {
        let ends: Vec<Value> = row::ENDS.iter().map(|(word, shape)| json!([word, shape])).collect();
        let all = json!({ "ends": ends, "owners": self.owners, "groups": self.groups });
        format!("<script type=\"application/json\" id=\"data\">{}</script>\n", escape::json(&all.to_string()))
    }
}
