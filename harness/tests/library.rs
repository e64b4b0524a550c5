//! hotspec in a program of somebody else's: this one, which has threads, and signals of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotspec::{Error, Format, Report, RunVerdict, Target};
use tempfile::TempDir;

const HOTSPEC: &str = env!("CARGO_BIN_EXE_hotspec");

fn reference() -> Target {
    asked(Target::command(HOTSPEC).args(["serve", "--listen", "{address}"]))
}

fn saboteur() -> Target {
    let program: PathBuf = Path::new(HOTSPEC).with_file_name("examples/saboteurs");
    assert!(program.is_file(), "{}: `cargo build -p saboteurs --examples` builds it", program.display());
    asked(Target::command(program).args(["in_flight_killed", "--listen", "{address}"]))
}

/// The only scenario that these servers are put through, so that it does not take long.
fn asked(target: Target) -> Target {
    target.scenarios(["in-flight-slow"]).idle_max(Duration::from_secs(1)).slow_path("/slow?ms={ms}")
}

fn run(target: &Target) -> (TempDir, Report) {
    let dir = tempfile::tempdir().unwrap();
    let report = target.clone().run_dir(dir.path().join("run")).run().unwrap();
    (dir, report)
}

/// Signals that the process handles, blocks or ignores, of all its threads.
fn signals() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kept = |line: &&str| ["SigIgn", "SigCgt"].iter().any(|name| line.starts_with(name));
    status.lines().filter(kept).collect()
}

#[test]
fn runs_of_several_threads_at_once_tell_the_reference_from_a_saboteur_and_leave_the_process_as_it_was() {
    let before = signals();
    let targets = [reference(), saboteur(), reference()];
    let reports: Vec<(TempDir, Report)> = std::thread::scope(|scope| {
        let runs: Vec<_> = targets.iter().map(|target| scope.spawn(|| run(target))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
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
    let panic = catch_unwind(AssertUnwindSafe(|| broken.assert_conformant())).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    for said in ["FAIL: command loses", "in-flight.completes (MUST)", &broken.run_dir().display().to_string()]
    {
        assert!(message.contains(said), "{message}");
    }
    // And what to type is what was asked for.
    assert!(message.contains("hotspec run in-flight-slow --idle-max 1s"), "{message}");
    reports[0].1.assert_conformant();
    assert!(broken.render(Format::Junit).unwrap().contains("<failure "));
}

#[test]
fn a_server_that_does_not_start_is_no_error_and_not_conformant() {
    let (_dir, report) = run(&asked(Target::command("/no/such/server").arg("{address}")));
    assert_eq!(report.verdict(), RunVerdict::Invalid);
    assert!(!report.is_conformant());
    assert!(report.to_string().contains("/no/such/server"), "{report}");
}

#[test]
fn a_directory_that_holds_a_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("manifest.json"), "{}").unwrap();
    let error = reference().run_dir(dir.path()).run().unwrap_err();
    assert!(matches!(&error, Error::Usage(why) if why.contains("holds a run already")), "{error}");
}
