//! Restarts that fail: the old generation serves on, and the next restart succeeds.

use super::keep_alive::asks_for_close;
use super::trial::losses;
use super::undisturbed::undisturbed;
use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::Exchange;
use crate::history::event::{Fault, Owner};

/// The clauses of this group that are built.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "failure.bad-config",
        must: "FRI",
        should: "",
        requirement: "When the successor finds its configuration invalid, the old generation serves on without one error, and a good restart afterwards succeeds.",
        why: "Most restarts are for a new configuration, and some of those have a mistake in it. What still runs has a good one.",
        source: "hotspec",
        judge: Some(bad_config),
    },
    Clause {
        id: "failure.no-resources",
        must: "FR",
        should: "",
        requirement: "When fork or exec fails, nothing else does: the old generation serves on without one error, and a good restart afterwards succeeds.",
        why: "A host that is short of memory or processes is no place to lose those that are there.",
        source: "hotspec; fork(2), execve(2)",
        judge: Some(no_resources),
    },
    Clause {
        id: "failure.no-program",
        must: "FR",
        should: "",
        requirement: "When the program is missing, not executable or truncated, the old generation serves on without one error, and a good restart afterwards succeeds.",
        why: "A package that is being installed, or a disk that is full, must not take down what still runs.",
        source: "hotspec; execve(2)",
        judge: Some(no_program),
    },
    Clause {
        id: "failure.exits-early",
        must: "FR",
        should: "",
        requirement: "When the successor exits with an error before it is ready, the old generation serves on without one error, and a good restart afterwards succeeds.",
        why: "A missing library or a wrong option shows when the new program starts; until it serves, the old one is all there is.",
        source: "Falcore's hot restart",
        judge: Some(exits_early),
    },
    Clause {
        id: "failure.killed-early",
        must: "FR",
        should: "",
        requirement: "When the successor is killed before it is ready, by KILL or SEGV, the old generation serves on without one error, and a good restart afterwards succeeds.",
        why: "The kernel kills whoever takes too much memory, and it takes most while two generations are there.",
        source: "Falcore's hot restart",
        judge: Some(killed_early),
    },
    Clause {
        id: "failure.hangs-early",
        must: "FR",
        should: "",
        requirement: "When the successor never gets ready, the old generation serves on without one error and can be restarted again; it should end the successor after a documented time.",
        why: "A successor that waits for a database for ever must not keep the operator from the next attempt.",
        source: "Falcore's hot restart",
        judge: Some(hangs_early),
    },
    Clause {
        id: "failure.reaped",
        must: "FR",
        should: "",
        requirement: "One second after it failed, a successor is no zombie.",
        why: "Each attempt that fails leaves one more, until no process can be made.",
        source: "hotspec; wait(2)",
        judge: Some(reaped),
    },
    Clause {
        id: "failure.visible",
        must: "",
        should: "FRI",
        requirement: "A restart that fails is told, by a line in the log or by the status of the reload command.",
        why: "The old generation serves on, so nobody notices otherwise that the new one was never taken into use.",
        source: "hotspec",
        judge: Some(visible),
    },
    Clause {
        id: "failure.dies-when-ready",
        must: "",
        should: "FR",
        requirement: "A successor that dies after readiness and before Tx is not taken for success in silence: somebody serves again, or its end is told.",
        why: "In that moment nobody accepts any more, and the old generation is on its way out.",
        source: "hotspec",
        judge: Some(dies_when_ready),
    },
    Clause {
        id: "failure.old-dies",
        must: "",
        should: "FR",
        requirement: "When the old generation is killed while a restart is under way, the successor comes up and serves.",
        why: "A successor that waits for a word of its parent waits for ever then.",
        source: "hotspec",
        judge: Some(old_dies),
    },
];

/// What keep-alive asks of a restart that fails.
pub const KEEP_ALIVE: &[Clause] = &[Clause {
    id: "keep-alive.kept-on-failed-restart",
    must: "FRI",
    should: "",
    requirement: "When a restart is given up, responses go on without `Connection: close`.",
    why: "A server that goes on saying so makes its clients connect anew for each request until somebody notices.",
    source: "Falcore's hot restart",
    judge: Some(kept_on_failed_restart),
}];

impl Case<'_> {
    /// Why a restart of this scenario that had to fail can't be judged, if so: told here. It took no other way than the one
    /// that was spoilt, that way worked, and it did fail.
    fn was_made_to_fail(&self, tally: &mut Tally) -> bool {
        let Some(fault) = self.trial.fault else { return false };
        if !self.way_is_known(fault, tally) {
            return false;
        }
        if self.t0().is_none() {
            tally.doubt(self, "the restart that has to fail was not triggered");
            return false;
        }
        if self.timeline.tr().is_some() {
            tally.rule_out(format!(
                "a restart went on in spite of what was to keep it from succeeding ({})",
                fault.as_str()
            ));
            return false;
        }
        true
    }

    /// A successor that came up although it could not, and answers what control never showed: whoever asks it is lost.
    fn serves_otherwise(&self, tally: &mut Tally) {
        for (lane, _, exchange) in self.exchanges().filter(|(lane, ..)| self.by_successor(lane)) {
            let fault = self.control.fault(lane, exchange);
            if let Some((kind @ ("status" | "altered" | "malformed"), expected, seen)) = fault {
                tally.exercise();
                let at = exchange.head.as_ref().map_or(self.end, |head| head.at);
                tally.break_on(
                    self,
                    lane,
                    at,
                    kind,
                    &expected,
                    format!("{seen}, of a successor that could not serve"),
                );
            }
        }
    }

    fn way_is_known(&self, fault: Fault, tally: &mut Tally) -> bool {
        let Some(plain) = self.trial.plain else { return false };
        if fault.by_path() && !plain.came {
            tally.rule_out(NO_WAY);
        } else if !plain.succeeded {
            tally.doubt(self, "a plain restart by the way that is to be spoilt did not succeed");
        } else {
            return true;
        }
        false
    }
}

/// Why a target can't be put through restarts that fail on the way to the program.
const NO_WAY: &str = "nobody came by the path by which the program was started: its restart has no start of a program, or finds it otherwise";

fn bad_config(case: &Case<'_>, tally: &mut Tally) {
    serves_on(case, tally, &[Fault::BadConfig]);
}

fn no_resources(case: &Case<'_>, tally: &mut Tally) {
    let trial = &case.trial;
    if let Some(why) = &trial.unable {
        tally.withhold(format!("forks and executions can't be made to fail here: {why}"));
        return;
    }
    if trial.fault.is_some_and(Fault::by_kernel) && matches!(trial.attempt, Some((_, None))) {
        tally.rule_out("its restart forks nothing, or executes nothing, so it can't fail by that");
        return;
    }
    if trial.after.is_some_and(Fault::by_kernel) && !trial.after_seen {
        return;
    }
    serves_on(case, tally, &[Fault::NoFork, Fault::NoExec]);
}

fn no_program(case: &Case<'_>, tally: &mut Tally) {
    serves_on(case, tally, &[Fault::Missing, Fault::NotExecutable, Fault::Truncated]);
}

fn exits_early(case: &Case<'_>, tally: &mut Tally) {
    serves_on(case, tally, &[Fault::Exits]);
}

fn killed_early(case: &Case<'_>, tally: &mut Tally) {
    serves_on(case, tally, &[Fault::Crashes, Fault::Killed]);
}

fn hangs_early(case: &Case<'_>, tally: &mut Tally) {
    serves_on(case, tally, &[Fault::Hangs]);
}

/// The old generation serves on without one error while the restart fails, and the next one succeeds.
fn serves_on(case: &Case<'_>, tally: &mut Tally, faults: &[Fault]) {
    let trial = &case.trial;
    if !trial.is_one {
        return;
    }
    let concerns = |fault: &Fault| faults.contains(fault);
    if trial.fault.is_some_and(|fault| concerns(&fault)) {
        if case.was_made_to_fail(tally) {
            if case.nobody_is_left() {
                return did_not_survive(case, tally);
            }
            undisturbed(case, tally);
            if trial.last && !case.interrupted {
                tally.exercise();
                let seen = "it could not be triggered any more".to_owned();
                tally.break_by(case, "none".to_owned(), case.end, "no-restart", SUCCEEDS, seen);
            }
        } else {
            case.serves_otherwise(tally);
        }
    } else if let Some(fault) = trial.after.filter(concerns) {
        if case.way_is_known(fault, tally) {
            succeeds_afterwards(case, fault, tally);
        }
    } else if trial.fault.is_none() && trial.after.is_none() && trial.last {
        // Nothing but the plain restart took place.
        let by_path = faults.iter().find(|fault| fault.by_path());
        if by_path.is_none_or(|fault| case.way_is_known(*fault, tally)) {
            tally.doubt(case, "no restart was made to fail, as the plain one did not come to its end");
        }
    }
}

const SUCCEEDS: &str = "a good restart after one that failed succeeds";

fn succeeds_afterwards(case: &Case<'_>, fault: Fault, tally: &mut Tally) {
    let Some(t0) = case.t0() else {
        tally.exercise();
        let seen = "it could not be triggered any more".to_owned();
        return tally.break_by(case, "none".to_owned(), case.end, "no-restart", SUCCEEDS, seen);
    };
    if case.timeline.tr().is_none() {
        if let Some(why) = case.owners_withheld() {
            tally.withhold(why);
        } else if let Some(why) = case.had_no_time_to_serve(t0.hi) {
            tally.doubt(case, why);
        } else {
            tally.exercise();
            let after = Span(case.end.saturating_sub(t0.hi));
            let seen =
                format!("no successor answered within {after} (the one before failed: {})", fault.as_str());
            tally.break_by(case, "none".to_owned(), case.end, "no-restart", SUCCEEDS, seen);
        }
        return;
    }
    tally.exercise();
    // What a restart costs at other times is another clause's affair.
    if case.trial.plain.is_some_and(|plain| plain.losses > 0) {
        return;
    }
    for (lane, at, kind, expected, seen) in losses(case) {
        tally.break_on(case, lane, at, kind, &expected, seen);
    }
}

/// The old generation did not survive it: then every connection is lost, and there is no more to be said.
fn did_not_survive(case: &Case<'_>, tally: &mut Tally) {
    tally.exercise();
    let last = case.timeline.procs.values().filter_map(|proc| proc.gone).map(|gone| gone.hi).max();
    let at = last.unwrap_or(case.end);
    let t0 = case.t0().map_or(at, |t0| t0.lo);
    let seen = format!(
        "no process of the target was left {} after the trigger ({} new connections were lost)",
        Span(at.saturating_sub(t0)),
        losses(case).count()
    );
    tally.break_by(case, "none".to_owned(), at, "gone", "the old generation serves on", seen);
}

fn kept_on_failed_restart(case: &Case<'_>, tally: &mut Tally) {
    if !is_failed_restart(case, tally) {
        return;
    }
    let Some((over, _)) = case.trial.attempt else { return };
    for (lane, n, exchange) in case.exchanges().filter(|(.., exchange)| exchange.begun >= over) {
        let Some(head) = &exchange.head else { continue };
        if n >= case.control.ordinals || asks_for_close(lane) {
            continue;
        }
        tally.exercise();
        if head.last {
            let after = Span(exchange.begun - over);
            let who = match lane.owner {
                Owner::Process(_) => case.timeline.describe(lane.owner),
                _ => "the target".to_owned(),
            };
            let seen = format!("{who} announced the close {after} after the attempt was over");
            let expected = "kept alive, as in control";
            tally.break_on(case, lane, head.at, "closes", expected, seen);
        }
    }
}

/// What a clause on each restart that fails says where none took place; whether this one is to be judged.
fn is_failed_restart(case: &Case<'_>, tally: &mut Tally) -> bool {
    let trial = &case.trial;
    if trial.fault.is_none() && trial.is_one && trial.last && !trial.plain.is_some_and(|plain| plain.came) {
        tally.rule_out(NO_WAY);
    }
    case.was_made_to_fail(tally)
}

fn reaped(case: &Case<'_>, tally: &mut Tally) {
    if !is_failed_restart(case, tally) {
        return;
    }
    let Some((over, _)) = case.trial.attempt else { return };
    let t0 = case.t0().map_or(0, |t0| t0.lo);
    let censuses = &case.observed.censuses;
    let Some((at, left)) = censuses.iter().rev().find(|(at, _)| *at >= over) else {
        tally.doubt(case, "nobody was counted after the attempt");
        return;
    };
    let before = censuses.iter().rev().find(|(at, _)| *at <= t0).map_or(&[][..], |(_, all)| all);
    let was_one = |pid: i32| before.iter().any(|one| one.zombie && one.pid == pid);
    let born = case.timeline.procs.values().any(|proc| proc.seen >= t0 && proc.gone.is_some());
    let mut zombies = left.iter().filter(|one| one.zombie && !was_one(one.pid)).peekable();
    tally.exercised += u64::from(case.trial.came || born || zombies.peek().is_some());
    for zombie in zombies {
        let expected = "whoever failed is waited for within 1 s";
        let seen = format!("process {} is still a zombie, a child of {}", zombie.pid, zombie.ppid);
        tally.break_by(case, format!("{} {}", zombie.name, zombie.pid), *at, "zombie", expected, seen);
    }
}

fn visible(case: &Case<'_>, tally: &mut Tally) {
    if !is_failed_restart(case, tally) {
        return;
    }
    let Some((over, _)) = case.trial.attempt else { return };
    // Whoever did not survive it does not go unnoticed.
    if case.nobody_is_left() {
        return;
    }
    if !case.trial.writes && !case.observed.commands {
        tally.rule_out("the target writes nothing at all to its output: what it tells, it tells elsewhere");
        return;
    }
    tally.exercise();
    if case.trial.told().next().is_none() && case.trial.command_failed.is_none() {
        let expected = "a line that a restart that succeeds does not write, or a command that fails";
        let seen = format!(
            "neither, when the restart failed ({})",
            case.trial.fault.map(Fault::as_str).unwrap_or_default()
        );
        tally.break_by(case, "the target".to_owned(), over, "silent", expected, seen);
    }
}

fn dies_when_ready(case: &Case<'_>, tally: &mut Tally) {
    if case.trial.fault != Some(Fault::DiesWhenReady) {
        if case.trial.is_one && case.trial.last {
            tally.doubt(case, "no successor was killed, as the plain restart did not come to its end");
        }
        return;
    }
    let (Some(_), Some(killed)) = (case.timeline.tr(), case.killed) else {
        tally.doubt(case, "no successor could be killed in time");
        return;
    };
    if case.timeline.tx().is_some_and(|tx| tx.hi <= killed) {
        tally.doubt(case, "the old generation may have been gone when the successor was killed");
        return;
    }
    tally.exercise();
    let since = killed.saturating_add(case.delta);
    let served = case
        .restart_lanes()
        .any(|lane| lane.opened >= since && lane.exchanges.first().is_some_and(Exchange::answered));
    let came = case.timeline.procs.values().any(|proc| proc.born.lo >= killed);
    if !served && !came && case.trial.told().next().is_none() && case.trial.command_failed.is_none() {
        let expected = "somebody serves again, another successor comes, or a line tells what happened";
        let watched = Span(case.end.saturating_sub(killed));
        let seen = format!("none of it in the {watched} after the successor was killed");
        tally.break_by(case, "the target".to_owned(), killed, "silent", expected, seen);
    }
}

fn old_dies(case: &Case<'_>, tally: &mut Tally) {
    let Some(held) = case.held else {
        if case.t0().is_some() {
            tally.rule_out(NO_WAY);
        }
        return;
    };
    if case.killed.is_none() || case.timeline.tx().is_none() {
        tally.doubt(case, "the old generation could not be killed while its successor started");
        return;
    }
    if case.timeline.tr().is_some() {
        return tally.exercise();
    }
    if let Some(why) = case.owners_withheld() {
        tally.withhold(why);
    } else if let Some(why) = case.had_no_time_to_serve(held.hi) {
        tally.doubt(case, why);
    } else {
        tally.exercise();
        let expected = format!("the successor serves within {}", Span(case.limits.ready_max));
        let seen = format!("no answer within {}", Span(case.end.saturating_sub(held.hi)));
        tally.break_by(case, "successor".to_owned(), case.end, "none", &expected, seen);
    }
}
