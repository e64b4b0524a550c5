//! How long the waits of a scenario take at least: what no server, however fast, can shorten.

use super::file::{Again, LaneSpec, Scenario, Step, SuccessorStart, WaitSpec};
use super::stages::{AFTER_HANDOVER, CONTROL_MIN, LEAD};
use super::successor::SIGNAL_WITHIN;
use crate::client::step::Anchor;
use crate::declaration::Limits;
use crate::history::Micros;
use crate::manifest::Waits;
use crate::target::file::Endpoints;

impl Waits {
    /// Of a scenario that is run against a target with these endpoints and limits.
    pub fn of(scenario: &Scenario, endpoints: &Endpoints, limits: &Limits) -> Self {
        let steady = scenario.lanes.iter().any(|lane| lane.every.is_some() || lane.reconnect || lane.pooled);
        let lead = if steady { LEAD } else { 0 };
        let walks: Vec<Walk> =
            scenario.lanes.iter().map(|lane| Walk::of(lane, endpoints, limits, lead)).collect();
        let longest = walks.iter().map(|walk| walk.at).max().unwrap_or_default();
        let after_tx = walks.iter().filter_map(|walk| walk.after_tx).max().unwrap_or_default();
        let (control, held) = match scenario.successor {
            None => (CONTROL_MIN, 0),
            Some(SuccessorStart::Slow) => (CONTROL_MIN, limits.slow_start()),
            Some(SuccessorStart::Orphaned) => (CONTROL_MIN, SIGNAL_WITHIN),
            Some(SuccessorStart::Adopted) => {
                return Self { restart_us: SIGNAL_WITHIN, ..Self::default() };
            }
        };
        // Load that settles goes on for longer than that anyway.
        let repeated = scenario.lanes.iter().any(|lane| lane.every.is_some());
        let goes_on = if repeated && !scenario.settle {
            limits.drain_start_max.saturating_add(AFTER_HANDOVER)
        } else {
            0
        };
        let again = match &scenario.again {
            Some(Again::Storm(storm)) => storm.every.resolve(limits).saturating_mul(storm.times.into()),
            Some(Again::Gaps(gaps)) => gaps.iter().map(|gap| gap.resolve(limits)).max().unwrap_or_default(),
            Some(Again::Amid(amid)) => amid.when.plus.resolve(limits),
            Some(Again::Stop(when)) => when.plus.resolve(limits),
            Some(Again::AtBirth | Again::Group | Again::AtStart) | None => 0,
        };
        let (control, lead) =
            if matches!(scenario.again, Some(Again::AtStart)) { (0, 0) } else { (control, lead) };
        let longest = if control == 0 { 0 } else { longest };
        let held = held.saturating_add(goes_on).saturating_add(again);
        Self {
            control_us: longest.max(control),
            lead_us: lead,
            restart_us: longest.max(lead.saturating_add(held)),
            after_tx_us: after_tx,
            settle_us: if scenario.settle { limits.idle_max.saturating_mul(2) + 5_000_000 } else { 0 },
        }
    }
}

/// A walk through a lane's steps against a server that does everything at once.
#[derive(Clone, Copy, Debug, Default)]
struct Walk {
    /// Since the lanes were started.
    at: Micros,
    /// The answer that is awaited takes until then.
    answer: Micros,
    /// Since Tx, if the lane waits for that.
    after_tx: Option<Micros>,
}

impl Walk {
    /// The last lane of its kind: where the lanes are spread over a while, it waits longest.
    fn of(lane: &LaneSpec, endpoints: &Endpoints, limits: &Limits, lead: Micros) -> Self {
        let mut walk = Walk::default();
        walk.pass(lane.over.as_ref().map_or(0, |over| over.resolve(limits)));
        let share = f64::from(lane.count.saturating_sub(1)) / f64::from(lane.count.max(1));
        for step in &lane.steps {
            match step {
                Step::Send(send) => {
                    // Only a path that is told how long to take can be relied on to take so long.
                    let told = [&endpoints.slow, &endpoints.stream].into_iter().flatten();
                    let told = told.filter(|path| path.contains("{ms}") || path.contains("{chunks}")).count();
                    let lasting = send.lasting.as_ref().filter(|_| told > 0);
                    walk.answer = walk.at + lasting.map_or(0, |lasting| lasting.resolve(limits));
                }
                Step::Upload(upload) => {
                    walk.pass(upload.over.resolve(limits));
                    upload.last.iter().for_each(|last| walk.wait(last, share, limits, lead));
                }
                Step::Response(response) => {
                    if !response.head {
                        walk.until(walk.answer);
                    }
                    response.until.iter().for_each(|until| walk.wait(until, share, limits, lead));
                }
                Step::Wait(wait) => walk.wait(wait, share, limits, lead),
                Step::Ask(ask) => walk.wait(&ask.until, share, limits, lead),
                _ => {}
            }
        }
        walk
    }

    fn pass(&mut self, time: Micros) {
        self.at = self.at.saturating_add(time);
        self.after_tx = self.after_tx.map(|since| since.saturating_add(time));
    }

    fn until(&mut self, at: Micros) {
        self.pass(at.saturating_sub(self.at));
    }

    /// Every instant of the restart may come with the trigger, but for the load's end, which waits for the lanes.
    fn wait(&mut self, wait: &WaitSpec, share: f64, limits: &Limits, lead: Micros) {
        let plus = wait.plus.resolve(limits) + (wait.spread.resolve(limits) as f64 * share) as Micros;
        match wait.anchor {
            Anchor::Over => {}
            Anchor::Tx => {
                self.until(lead.saturating_add(plus));
                self.after_tx = Some(self.after_tx.unwrap_or_default().max(plus));
            }
            _ => self.until(lead.saturating_add(plus)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::{DeclaredLimits, Span};
    use std::path::Path;

    fn waits(text: &str) -> Waits {
        let limits = DeclaredLimits { idle_max: Some(Span(3_000_000)), ..DeclaredLimits::default() };
        let endpoints = Endpoints { slow: Some("/slow?ms={ms}".to_owned()), ..Endpoints::default() };
        let text = format!("name = 'x'\ntitle = 'x'\nclauses = []\n{text}");
        let scenario = Scenario::parse(Path::new("x"), &text).expect("a scenario");
        Waits::of(&scenario, &endpoints, &limits.resolve())
    }

    #[test]
    fn control_lasts_at_least_as_long_as_it_shows_of_idle_connections() {
        let waits = waits(
            "[[lane]]\nrole='a'\ncount=4\nsteps=[{connect={}},'armed',{send={}},{response={}},'close']",
        );
        assert_eq!(waits, Waits { control_us: 4_000_000, ..Waits::default() });
    }

    #[test]
    fn the_last_of_lanes_that_are_spread_out_and_a_slow_answer_count() {
        let lane = "[[lane]]\nrole='a'\ncount=4\nsteps=[{connect={}},{wait={for='td',plus='1s',spread='4s'}},\
                    {send={endpoint='slow',lasting='2*idle_max'}},{response={}},{end={within='9s'}}]";
        assert_eq!(waits(lane).restart_us, 1_000_000 + 3_000_000 + 6_000_000);
        assert_eq!(waits(lane).control_us, 10_000_000);
    }

    #[test]
    fn load_leads_and_settles_and_what_follows_tx_is_kept_apart() {
        let lane = "settle=true\n[[lane]]\nrole='a'\ncount=1\npooled=true\nsteps=[{ask={every='20ms',until={for='tx',plus='1s'}}}]";
        let waits = waits(lane);
        assert_eq!((waits.lead_us, waits.after_tx_us, waits.settle_us), (500_000, 1_000_000, 11_000_000));
        assert_eq!(waits.restart_us, 1_500_000);
    }

    #[test]
    fn a_successor_that_is_held_up_and_one_without_a_parent_take_their_time() {
        let lane = "[[lane]]\nrole='a'\nevery='20ms'\nsteps=[{connect={}},'close']";
        assert_eq!(waits(&format!("successor='slow'\n{lane}")).restart_us, 500_000 + 5_000_000 + 1_600_000);
        let adopted = waits(&format!("successor='adopted'\n{lane}"));
        assert_eq!((adopted.control_us, adopted.restart_us), (0, 1_000_000));
    }

    #[test]
    fn every_scenario_has_waits_that_a_person_can_wait_for() {
        let limits = DeclaredLimits::default().resolve();
        for scenario in crate::scenario::builtin::scenarios().expect("scenarios parse") {
            let waits = Waits::of(&scenario, &Endpoints::default(), &limits);
            assert!(waits.restart_us < 120_000_000 && waits.control_us < 120_000_000, "{}", scenario.name);
        }
    }
}
