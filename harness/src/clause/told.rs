//! What the service manager and the operator are told: pid file and notify socket.

use super::{Case, Clause, Tally};
use crate::declaration::{Profile, Span};
use crate::history::event::{PidFileState, What};
use crate::history::{Interval, Micros};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.pid-file",
        must: "FRI",
        should: "",
        requirement: "The pid file that the target declares is never empty, never names a dead process, and names the new main process (one that stays: still that one) before Tx and in the end.",
        why: "Scripts read it to signal the server: what they find there is who gets the signal.",
        source: "hotspec",
        judge: Some(pid_file),
    },
    Clause {
        id: "process.pid-file-present",
        must: "",
        should: "FRI",
        requirement: "The pid file that the target declares is never absent: it is replaced by rename.",
        why: "A script that finds no file takes the server for stopped, and may start a second one.",
        source: "hotspec",
        judge: Some(pid_file_present),
    },
    Clause {
        id: "process.notify",
        must: "FRI",
        should: "",
        requirement: "Where the target declares a notify socket, READY is told after the restart (by a process that stays: after RELOADING), the new MAINPID is told before the old main process exits, and no dead process is ever named.",
        why: "A service manager that is not told who the main process is takes the old one's exit for the end of the service, and stops all the rest.",
        source: "sd_notify(3)",
        judge: Some(notify),
    },
];

/// The pid file at one moment.
struct Sight {
    at: Micros,
    from: Micros,
    state: PidFileState,
    pid: Option<i32>,
    alive: Option<bool>,
    former_alive: Option<bool>,
}

fn sights(case: &Case<'_>) -> Vec<Sight> {
    let sight = |event: &crate::history::event::Event| match event.what {
        What::PidFile { state, pid, alive, former_alive, from } => {
            Some(Sight { at: event.t, from, state, pid, alive, former_alive })
        }
        _ => None,
    };
    case.told.iter().filter_map(sight).collect()
}

/// Each time that the file came to be so; what it was found to be at first counts if it is not missing.
fn becoming(sights: &[Sight], state: PidFileState) -> impl Iterator<Item = &Sight> {
    let before = std::iter::once(PidFileState::Missing).chain(sights.iter().map(|sight| sight.state));
    let became =
        sights.iter().zip(before).filter(move |(sight, before)| sight.state == state && *before != state);
    became.map(|(sight, _)| sight)
}

/// Who the main process is to be.
struct Main {
    /// It is one of these.
    pids: Vec<i32>,
    /// It is the same as before.
    stays: bool,
}

impl Main {
    /// Nothing, where no new generation came and none of the old was to stay.
    fn of(case: &Case<'_>) -> Option<Self> {
        let generations = &case.generations;
        let alone = case.profile == Profile::InPlace && generations.successors.is_empty();
        let stays = !generations.permanent.is_empty() || alone;
        let mut procs = if stays { generations.permanent.clone() } else { generations.successors.clone() };
        if alone {
            procs.extend(&generations.old);
        }
        let pids = procs.iter().filter_map(|id| case.timeline.procs.get(id)).map(|proc| proc.pid);
        let pids: Vec<i32> = pids.collect();
        (!pids.is_empty()).then_some(Self { pids, stays })
    }
}

/// When the process with this pid ended, if it has. That it executed something is no end.
fn death(case: &Case<'_>, pid: i32) -> Option<Interval> {
    case.timeline.procs.values().rfind(|proc| proc.pid == pid)?.gone
}

/// What can't be judged without a restart that brought a new generation.
fn main_process(case: &Case<'_>, tally: &mut Tally) -> Option<Main> {
    let main = Main::of(case);
    if main.is_none() {
        match case.owners_withheld().filter(|_| case.timeline.procs.is_empty()) {
            Some(why) => tally.withhold(why),
            None => tally.doubt(case, "no new generation came"),
        }
    }
    main
}

/// The sights, if there was a restart, and a pid in the file before it.
fn watched(case: &Case<'_>, tally: &mut Tally) -> Option<Vec<Sight>> {
    let Some(t0) = case.t0() else {
        tally.doubt(case, "the restart was not triggered");
        return None;
    };
    let sights = sights(case);
    let Some(before) = sights.iter().rfind(|sight| sight.from <= t0.lo) else {
        tally.doubt(case, "the pid file was not watched; the notes say why");
        return None;
    };
    let named = sights.iter().any(|sight| sight.from <= t0.lo && sight.state == PidFileState::Pid);
    if !named && before.state != PidFileState::Empty {
        let what = match before.state {
            PidFileState::Missing => "was not there",
            _ => "held no process id",
        };
        tally.doubt(case, format!("before the trigger the pid file {what}: is it the one that is declared?"));
        return None;
    }
    Some(sights)
}

fn pid_file(case: &Case<'_>, tally: &mut Tally) {
    let Some(sights) = watched(case, tally) else { return };
    for sight in becoming(&sights, PidFileState::Empty) {
        tally.exercise();
        let seen = "an empty file".to_owned();
        tally.break_by(case, "pid file".to_owned(), sight.at, "empty", "a process id at any time", seen);
    }
    let Some(main) = main_process(case, tally) else { return };
    tally.exercise();
    if names_the_main_process(case, tally, &main, &sights) {
        names_no_dead_process(case, tally, &sights);
    }
}

/// Whether the file names the new main process in time, and in the end.
fn names_the_main_process(case: &Case<'_>, tally: &mut Tally, main: &Main, sights: &[Sight]) -> bool {
    let names = |sight: &&Sight| sight.pid.is_some_and(|pid| main.pids.contains(&pid));
    let who = || "pid file".to_owned();
    let Some(last) = sights.last() else { return false };
    let expected =
        if main.stays { "the main process, which stays" } else { "the new main process before Tx" };
    let tx = case.timeline.tx();
    let Some(first) = sights.iter().find(names) else {
        if let Some(tx) = tx.filter(|_| !main.stays) {
            // Who never named anybody new names the dead from then on, which is one fault and not two.
            tally.break_by(case, who(), tx.hi, "old-pid", expected, in_words(last));
        } else if main.stays {
            tally.break_by(case, who(), last.at, "other-pid", expected, in_words(last));
        } else {
            tally.doubt(case, "the old generation did not go, and the pid file names no new process yet");
        }
        return false;
    };
    if let Some(tx) = tx.filter(|_| !main.stays) {
        if first.from > tx.hi {
            let seen = format!("{}, {} after Tx at the earliest", in_words(first), Span(first.from - tx.hi));
            tally.break_by(case, who(), first.from, "late", expected, seen);
            return false;
        }
        if first.at > tx.lo && first.former_alive != Some(true) {
            tally.doubt(case, "the pid file changed in the very moment of Tx");
        }
    }
    if !names(&last) && last.state != PidFileState::Empty {
        let kind = if last.state == PidFileState::Missing { "lost" } else { "other-pid" };
        let seen = format!("in the end: {}", in_words(last));
        tally.break_by(case, who(), last.at, kind, "a file that names the main process", seen);
        return false;
    }
    true
}

fn names_no_dead_process(case: &Case<'_>, tally: &mut Tally, sights: &[Sight]) {
    let expected = "the name of a process that is alive";
    for (index, sight) in sights.iter().enumerate() {
        let Some(pid) = sight.pid else { continue };
        let who = format!("pid file ({pid})");
        if sight.alive == Some(false) {
            let seen = format!("it named process {pid}, which was not alive, or none of the target's");
            tally.break_by(case, who, sight.at, "dead", expected, seen);
            continue;
        }
        let (Some(next), Some(death)) = (sights.get(index + 1), death(case, pid)) else { continue };
        // It surely named this process from `sight.at` to `next.from`, which surely was dead from `death.hi` on.
        let dead_from = death.hi.max(sight.at);
        if next.from > dead_from {
            let time = Span(next.from - dead_from);
            let seen = format!("it named process {pid} for at least {time} after that had ended");
            tally.break_by(case, who, dead_from, "dead", expected, seen);
        }
    }
}

fn in_words(sight: &Sight) -> String {
    match (sight.state, sight.pid) {
        (PidFileState::Pid, Some(pid)) => format!("it names process {pid}"),
        (PidFileState::Missing, _) => "there is no file".to_owned(),
        (PidFileState::Empty, _) => "the file is empty".to_owned(),
        _ => "it holds no process id".to_owned(),
    }
}

fn pid_file_present(case: &Case<'_>, tally: &mut Tally) {
    let Some(sights) = watched(case, tally) else { return };
    if case.timeline.tr().is_none() {
        tally.doubt(case, "no new generation came");
        return;
    }
    tally.exercise();
    for sight in becoming(&sights, PidFileState::Missing) {
        let seen = "no file of that name".to_owned();
        tally.break_by(case, "pid file".to_owned(), sight.at, "missing", "a file at any time", seen);
    }
}

/// One message.
struct Notice {
    at: Micros,
    sender: Option<i32>,
    ready: bool,
    reloading: bool,
    main_pid: Option<i32>,
    alive: Option<bool>,
}

fn notices(case: &Case<'_>) -> Vec<Notice> {
    let notice = |event: &crate::history::event::Event| match event.what {
        What::Notified { pid, ready, reloading, main_pid, alive, .. } => {
            Some(Notice { at: event.t, sender: pid, ready, reloading, main_pid, alive })
        }
        _ => None,
    };
    let mut notices: Vec<Notice> = case.told.iter().filter_map(notice).collect();
    notices.sort_by_key(|notice| notice.at);
    notices
}

fn notify(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else {
        tally.doubt(case, "the restart was not triggered");
        return;
    };
    let Some(main) = main_process(case, tally) else { return };
    let notices = notices(case);
    tally.exercise();
    ready_is_told(case, tally, &main, &notices, t0);
    let first = notices
        .iter()
        .position(|notice| notice.at >= t0.lo && notice.main_pid.is_some_and(|pid| main.pids.contains(&pid)));
    if !main.stays {
        main_pid_is_told(case, tally, first.and_then(|index| notices.get(index)));
    }
    told_of_no_dead_process(case, tally, &notices, first);
}

fn ready_is_told(case: &Case<'_>, tally: &mut Tally, main: &Main, notices: &[Notice], t0: Interval) {
    let reloading = notices.iter().rfind(|notice| notice.reloading && notice.at >= t0.lo).map(|one| one.at);
    let (since, expected) = match reloading {
        Some(reloading) => (reloading, "READY=1 after RELOADING=1"),
        // Who stays and does not say that it reloads has been ready all the time.
        None if main.stays => (0, "READY=1"),
        None => (t0.lo, "READY=1 after the trigger, from the new main process or once it is there"),
    };
    let born = case.generations.successors.iter().filter_map(|id| case.timeline.procs.get(id));
    let born = born.map(|proc| proc.born.lo).min().unwrap_or(Micros::MAX);
    let told = notices.iter().any(|notice| {
        let for_itself = notice.sender.is_some_and(|pid| main.pids.contains(&pid));
        // Others may speak for a successor that is there, and not for one to come.
        notice.ready && notice.at >= since && (main.stays || for_itself || notice.at >= born)
    });
    if !told {
        let seen = format!("none, in {} messages", notices.len());
        tally.break_by(case, "notify socket".to_owned(), case.end, "no-ready", expected, seen);
    }
}

fn main_pid_is_told(case: &Case<'_>, tally: &mut Tally, told: Option<&Notice>) {
    let expected = "MAINPID of the new main process before the old one exits";
    let who = || "notify socket".to_owned();
    let old = case.timeline.root().and_then(|root| death(case, root.pid));
    match (told, old) {
        (None, Some(exit)) => {
            let seen = "the old main process exited, and no other was told".to_owned();
            tally.break_by(case, who(), exit.hi, "no-main-pid", expected, seen);
        }
        (None, None) => {
            tally.doubt(case, "the old main process did not exit, and no new MAINPID was told yet");
        }
        (Some(told), Some(exit)) if told.at > exit.hi => {
            let seen = format!("told {} after its exit at the earliest", Span(told.at - exit.hi));
            tally.break_by(case, who(), told.at, "late-main-pid", expected, seen);
        }
        (Some(told), Some(exit)) if told.at > exit.lo => {
            tally.doubt(case, "MAINPID was told in the very moment of the old main process's exit");
        }
        (Some(_), _) => {}
    }
}

fn told_of_no_dead_process(case: &Case<'_>, tally: &mut Tally, notices: &[Notice], new: Option<usize>) {
    let expected = "MAINPID of a process that is alive";
    let old = case.timeline.root().map(|root| root.pid);
    let told: Vec<(usize, &Notice, i32)> = notices
        .iter()
        .enumerate()
        .filter_map(|(index, notice)| Some((index, notice, notice.main_pid?)))
        .collect();
    for (number, (index, notice, pid)) in told.iter().enumerate() {
        let who = format!("notify socket ({pid})");
        let known = case.timeline.procs.values().any(|proc| proc.pid == *pid);
        if notice.alive == Some(false) && !known {
            let seen = format!("it names process {pid}, which is not alive, or none of the target's");
            tally.break_by(case, who, notice.at, "dead", expected, seen);
            continue;
        }
        // That the old main process ends before another is told is said already.
        if Some(*pid) == old && new.is_none_or(|new| *index < new) {
            continue;
        }
        let Some(death) = death(case, *pid) else { continue };
        let next = told.get(number + 1).map_or(case.end, |(_, next, _)| next.at);
        let dead_from = death.hi.max(notice.at);
        if next > dead_from {
            let seen =
                format!("process {pid} had ended, and for {} no other was told", Span(next - dead_from));
            tally.break_by(case, who, dead_from, "dead", expected, seen);
        }
    }
}
