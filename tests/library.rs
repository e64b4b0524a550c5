//! hotspec in a program of somebody else's: this one, which has threads, and signals of its own.

use std::time::Duration;

use hotspec::{Error, Format, Report, RunVerdict, Target};
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::support::{HOTSPEC, SOON, built, case, hotspec, panic_of, tempdir};

pub fn trials() -> Vec<Trial> {
    vec![
        case("runs of several threads at once leave the process as it was", several_at_once),
        case("a server that does not start is no error, and not conformant", not_started),
        case("a directory that holds a run is no place for another", taken_directory),
    ]
}

fn reference() -> Target {
    asked(Target::command(HOTSPEC).args(["serve", "--listen", "{address}"]))
}

fn saboteur() -> Target {
    let program = built("examples/saboteurs", "cargo build -p saboteurs --examples");
    asked(Target::command(program).args(["in_flight_killed", "--listen", "{address}"]))
}

/// The only scenario that these servers are put through, so that it does not take long.
fn asked(target: Target) -> Target {
    target.scenarios(["in-flight-slow"]).idle_max(Duration::from_secs(1)).slow_path("/slow?ms={ms}")
}

fn run(target: &Target) -> (TempDir, Report) {
    let dir = tempdir();
    let report = target.clone().run_dir(dir.path().join("run")).run().expect("a report");
    (dir, report)
}

/// Signals that the process handles, blocks or ignores, of all its threads.
fn signals() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("its status");
    let kept = |line: &&str| ["SigIgn", "SigCgt"].iter().any(|name| line.starts_with(name));
    status.lines().filter(kept).collect()
}

fn several_at_once() {
    // Whoever waits for a child for a limited time handles SIGCHLD from then on, as other cases do.
    hotspec(["--version"]).timeout(SOON).assert().code(0);
    let before = signals();
    let targets = [reference(), saboteur(), reference()];
    let reports: Vec<(TempDir, Report)> = std::thread::scope(|scope| {
        let runs: Vec<_> = targets.iter().map(|target| scope.spawn(|| run(target))).collect();
        runs.into_iter().map(|run| run.join().expect("a run")).collect()
    });
    for (number, (_, report)) in reports.iter().enumerate() {
        let is_faulty = number == 1;
        assert_eq!(report.is_conformant(), !is_faulty, "{report}");
        assert_eq!(report.verdict(), if is_faulty { RunVerdict::Fail } else { RunVerdict::Pass });
        assert_eq!(report.broken().contains(&"in-flight.completes"), is_faulty);
        assert!(report.run_dir().join("results.json").is_file());
    }
    assert_eq!(signals(), before);

    // The message of the panic is the report for people.
    let (_, broken) = &reports[1];
    let message = panic_of(|| broken.assert_conformant());
    for said in ["FAIL: command loses", "in-flight.completes (MUST)", &broken.run_dir().display().to_string()]
    {
        assert!(message.contains(said), "{message}");
    }
    // And what to type is what was asked for.
    assert!(message.contains("hotspec run in-flight-slow --idle-max 1s"), "{message}");
    reports[0].1.assert_conformant();
    assert!(broken.render(Format::Junit).expect("a report").contains("<failure "));
}

fn not_started() {
    let (_dir, report) = run(&asked(Target::command("/no/such/server").arg("{address}")));
    assert_eq!(report.verdict(), RunVerdict::Invalid);
    assert!(!report.is_conformant());
    assert!(report.to_string().contains("/no/such/server"), "{report}");
}

fn taken_directory() {
    let dir = tempdir();
    std::fs::write(dir.path().join("manifest.json"), "{}").expect("it is written");
    let error = reference().run_dir(dir.path()).run().expect_err("it is refused");
    assert!(matches!(&error, Error::Usage(why) if why.contains("holds a run already")), "{error}");
}
