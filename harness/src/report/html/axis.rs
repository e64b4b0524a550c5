//! From an instant to its place on a drawing, in percent of its width.
//!
//! A restart has moments that last microseconds and phases that last seconds. On a linear axis the former would be one pixel, so
//! each stretch between two instants is as wide as a power of its length says; within a stretch the axis is linear.

use crate::declaration::Span;
use crate::history::{Interval, Micros};

/// A stretch a hundred times as long is about six times as wide.
const POWER: f64 = 0.4;
/// Labels of ticks are so far apart at least, in percent.
const APART: f64 = 13.0;

/// The axis of one restart.
pub(super) struct Axis {
    zero: Micros,
    /// Microseconds since zero and percent, both rising.
    stops: Vec<(i64, f64)>,
}

impl Axis {
    /// From `begin` to `end`, with its zero at T0 (or its begin), broken at the bounds of the instants.
    pub(super) fn new(begin: Micros, end: Micros, zero: Micros, instants: &[Interval]) -> Self {
        let bounds = instants.iter().flat_map(|instant| [instant.lo, instant.hi]);
        let mut times: Vec<Micros> = bounds.filter(|at| (begin..=end).contains(at)).collect();
        times.extend([begin, end.max(begin + 1)]);
        times.sort_unstable();
        times.dedup();
        let weight = |pair: &[Micros]| ((pair[1] - pair[0]) as f64).powf(POWER);
        let total: f64 = times.windows(2).map(weight).sum();
        let mut at = 0.0;
        let mut stops = vec![(since(times[0], zero), 0.0)];
        for pair in times.windows(2) {
            at += weight(pair) / total * 100.0;
            stops.push((since(pair[1], zero), at));
        }
        Self { zero, stops }
    }

    /// Microseconds since the axis' zero and percent of its width, where the scale changes.
    pub(super) fn stops(&self) -> &[(i64, f64)] {
        &self.stops
    }

    /// Since the axis' zero, in microseconds.
    pub(super) fn since(&self, at: Micros) -> i64 {
        since(at, self.zero)
    }

    /// Percent of the width; what lies outside is drawn to the edge.
    pub(super) fn x(&self, at: Micros) -> f64 {
        self.x_since(self.since(at))
    }

    fn x_since(&self, at: i64) -> f64 {
        let after = self.stops.partition_point(|(stop, _)| *stop <= at);
        let Some(&(from, x)) = after.checked_sub(1).and_then(|before| self.stops.get(before)) else {
            return 0.0;
        };
        let Some(&(to, next)) = self.stops.get(after) else { return 100.0 };
        x + (next - x) * (at - from) as f64 / (to - from) as f64
    }

    /// The instant at a place: the inverse of [`Self::x`].
    pub(super) fn at(&self, x: f64) -> Micros {
        let after = self.stops.partition_point(|(_, stop)| *stop <= x).clamp(1, self.stops.len() - 1);
        let ((from, low), (to, high)) = (self.stops[after - 1], self.stops[after]);
        let since = from as f64 + (to - from) as f64 * (x - low) / (high - low).max(f64::EPSILON);
        self.zero.saturating_add_signed(since as i64)
    }

    /// Places and labels of round times, far enough apart to be read.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let (first, last) = (self.stops[0].0, self.stops[self.stops.len() - 1].0);
        let round = || (2..9_u32).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_i64.pow(power)));
        let mut ticks: Vec<(f64, String)> = Vec::new();
        if first <= 0 && last >= 0 {
            ticks.push((self.x_since(0), "0".to_owned()));
        }
        for (sign, limit) in [(1, last), (-1, -first)] {
            let mut near = self.x_since(0);
            for micros in round().filter(|micros| *micros <= limit) {
                let x = self.x_since(sign * micros);
                if (x - near).abs() >= APART {
                    let span = Span(micros.unsigned_abs());
                    ticks.push((x, if sign > 0 { format!("+{span}") } else { format!("\u{2212}{span}") }));
                    near = x;
                }
            }
        }
        ticks.sort_by(|one, other| one.0.total_cmp(&other.0));
        ticks
    }
}

fn since(at: Micros, zero: Micros) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX).saturating_sub(i64::try_from(zero).unwrap_or(i64::MAX))
}

/// A place as an attribute has it, to a hundredth of a percent.
pub(super) fn percent(x: f64) -> String {
    let text = format!("{x:.2}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis() -> Axis {
        let instants = [(1_000_000, 1_000_100), (1_012_000, 1_062_000), (5_098_000, 5_100_000)];
        Axis::new(300_000, 5_200_000, 1_000_000, &instants.map(|(lo, hi)| Interval::new(lo, hi)))
    }

    #[test]
    fn it_rises_from_edge_to_edge_and_short_phases_can_be_seen() {
        let axis = axis();
        let places: Vec<f64> = (0..60).map(|step| axis.x(300_000 + step * 100_000)).collect();
        assert!(places.windows(2).all(|pair| pair[0] <= pair[1]), "{places:?}");
        assert_eq!((axis.x(0), axis.x(300_000), axis.x(9_000_000)), (0.0, 0.0, 100.0));
        // 12 ms of 4.9 s.
        assert!(axis.x(1_012_000) - axis.x(1_000_100) > 3.0);
    }

    #[test]
    fn a_place_leads_back_to_its_instant() {
        let axis = axis();
        for at in [300_000, 700_000, 1_000_050, 1_030_000, 4_000_000, 5_200_000] {
            assert!(axis.at(axis.x(at)).abs_diff(at) <= 1, "{at}");
        }
    }

    #[test]
    fn ticks_are_round_and_do_not_collide() {
        let ticks = axis().ticks();
        assert!(ticks.windows(2).all(|pair| pair[1].0 - pair[0].0 >= APART), "{ticks:?}");
        assert!(ticks.iter().any(|(_, label)| label == "0") && ticks.len() > 2, "{ticks:?}");
    }

    #[test]
    fn nothing_at_all_has_an_axis_too() {
        let axis = Axis::new(5, 5, 5, &[]);
        assert_eq!((axis.x(5), axis.x(6)), (0.0, 100.0));
        assert!(axis.at(50.0) >= 5);
    }

    #[test]
    fn percents_are_short() {
        assert_eq!([0.0, 12.346, 50.0, 100.0].map(percent), ["0%", "12.35%", "50%", "100%"]);
    }
}
