//! A program that was replaced: the restart runs the new one.

use super::lineage::{executed, is_of_target, name};
use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::Model;
use crate::history::generation::Proc;

/// The clause of this file.
pub const CLAUSES: &[Clause] = &[Clause {
    id: "failure.program-replaced",
    must: "FRI",
    should: "",
    requirement: "When the program was replaced by rename, or behind a switched symbolic link whose old directory is gone, the restart runs the new program.",
    why: "It is what a deployment does. Who executes /proc/self/exe runs the old program for ever, and who remembers where its file really lay finds nothing there.",
    source: "hotspec; proc_pid_exe(5)",
    judge: Some(program_replaced),
}];

fn program_replaced(case: &Case<'_>, tally: &mut Tally) {
    let (Some(t0), Some((_, former, file))) = (case.t0(), case.replaced) else {
        tally.doubt(case, "the restart was not triggered");
        return;
    };
    if case.generations.model == Model::SecondInstance {
        tally.rule_out("the successor is started by somebody else, who decides which program it is");
        return;
    }
    let seen_by_then = |proc: &&Proc| proc.seen <= t0.lo;
    let file_of = |proc: &Proc| case.executes.get(&proc.id).copied();
    let mut before = case.timeline.procs.values().filter(seen_by_then).filter_map(file_of).peekable();
    if before.peek().is_none() {
        tally.withhold("the files that the target's processes execute may not be looked at by this user");
        return;
    }
    if !before.any(|one| one == former) {
        tally.rule_out("what its processes execute is not the file that it was started by: that is a script, or starts another program");
        return;
    }
    let newcomers = || {
        let later = case.timeline.procs.values().filter(|proc| !seen_by_then(proc));
        later.filter(|proc| executed(case, proc) && is_of_target(case, proc))
    };
    // Helpers execute files of their own.
    for proc in newcomers().filter(|proc| file_of(proc).is_some_and(|one| one == former || one == file)) {
        tally.exercise();
        if file_of(proc) == Some(former) {
            let expected = "the file that the path leads to now is executed";
            let seen = "the file that was replaced is".to_owned();
            tally.break_by(case, name(case, proc), proc.seen, "old-program", expected, seen);
        }
    }
    if tally.exercised == 0 {
        nobody_executed_either(case, newcomers().any(|proc| file_of(proc).is_none()), tally);
    }
}

/// No process that was born after the trigger was seen to execute either file.
fn nobody_executed_either(case: &Case<'_>, unseen: bool, tally: &mut Tally) {
    let t0 = case.t0().map_or(0, |t0| t0.hi);
    if case.timeline.tr().is_some() {
        if unseen {
            tally.doubt(case, "a process that executed something was gone before its file was looked at");
        } else {
            tally.rule_out("no process executes the program when this target restarts");
        }
    } else if let Some(why) = case.owners_withheld() {
        tally.withhold(why);
    } else if case.generations.model == Model::InPlace {
        tally.rule_out("the process restarts inside itself, and executes nothing");
    } else if let Some(why) = case.had_no_time_to_serve(t0) {
        tally.doubt(case, why);
    } else {
        tally.exercise();
        let expected = format!("a successor that serves within {}", Span(case.limits.ready_max));
        let born = case.generations.successors.len();
        let seen = format!(
            "none answered in {} ({born} processes were born after the trigger)",
            Span(case.end.saturating_sub(t0))
        );
        tally.break_by(case, "none".to_owned(), case.end, "no-successor", &expected, seen);
    }
}
