//! `--dry-run` says what would be run, and starts nothing.

use libtest_mimic::Trial;
use predicates::prelude::*;

use crate::support::{SOON, case, hotspec, tempdir};

pub fn trials() -> Vec<Trial> {
    vec![
        case(
            "a plan names target, restart and scenarios, and nothing is started or stored",
            nothing_is_started,
        ),
        case("what can't be run is told with its reason", told_why_not),
        case("a selection that comes to nothing is refused all the same", nothing_selected),
    ]
}

fn nothing_is_started() {
    let temp = tempdir();
    let (dir, mark) = (temp.path().join("run"), temp.path().join("started"));
    let wanted = predicate::str::contains("SIGUSR2 to the main process")
        .and(predicate::str::contains("half-sent-head"))
        .and(predicate::str::contains("1 scenario would be run"));
    let mut command = hotspec(["run", "half-sent-head", "--dry-run", "--restart", "USR2", "--run-dir"]);
    command.arg(&dir).args(["--", "touch"]).arg(&mark).timeout(SOON).assert().code(0).stdout(wanted);
    assert!(!dir.exists() && !mark.exists(), "something was started or stored");
}

fn told_why_not() {
    let wanted = predicate::str::contains("Not run").and(predicate::str::contains("--slow-path"));
    let mut command = hotspec(["run", "core", "--dry-run", "--", "./server"]);
    command.timeout(SOON).assert().code(0).stdout(wanted);
}

fn nothing_selected() {
    let words = ["run", "keep-alive.one-last-request", "--dry-run", "--", "./server"];
    hotspec(words).timeout(SOON).assert().code(4).stdout("");
}
