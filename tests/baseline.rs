//! A gate that fails only by what got worse.

use std::fs;
use std::path::PathBuf;

use libtest_mimic::Trial;
use predicates::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use crate::formats::failing;
use crate::support::{SOON, case, hotspec, tempdir};

/// By this the run fails that all cases are about.
const CLAUSE: &str = "in-flight.slow-response";

pub fn trials() -> Vec<Trial> {
    vec![
        case("what was broken before fails nothing, in no format", nothing_worse),
        case("what was not broken before fails, and is named", worse),
        case("what is mended is told", mended),
        case("programs are told the same", json),
        case("a baseline that is something else is refused before the run", something_else),
        case("a baseline of another profile is refused", another_profile),
    ]
}

/// The failing run's results, changed.
fn results(change: impl FnOnce(&mut Value)) -> (TempDir, PathBuf) {
    let mut results = serde_json::from_str(&failing().json).expect("JSON");
    change(&mut results);
    let temp = tempdir();
    let path = temp.path().join("baseline.json");
    fs::write(&path, results.to_string()).expect("a baseline");
    (temp, path)
}

fn clause(results: &mut Value) -> &mut Value {
    let clauses = results["clauses"].as_array_mut().expect("clauses");
    clauses.iter_mut().find(|clause| clause["id"] == CLAUSE).expect("the clause")
}

fn without_failure(results: &mut Value) {
    let clause = clause(results);
    clause["verdict"] = "pass".into();
    clause["violations"] = Value::Array(Vec::new());
}

fn nothing_worse() {
    let (temp, baseline) = results(|_| {});
    let junit = temp.path().join("junit.xml");
    let mut command =
        hotspec(["check", "--report", &format!("junit={}", junit.display()), "--report", "human"]);
    command.arg("--baseline").arg(&baseline).arg(&failing().dir);
    command.assert().code(0).stdout(predicate::str::contains("Nothing is worse. Broken as before: "));
    let junit = fs::read_to_string(&junit).expect("a report");
    assert!(
        !junit.contains("<failure") && junit.contains("<skipped message=\"as it is in the baseline\"/>"),
        "{junit}"
    );
}

fn worse() {
    let (_temp, baseline) = results(without_failure);
    let mut command = hotspec(["check", "--baseline"]);
    let output = command.arg(&baseline).arg(&failing().dir).assert().code(1).get_output().clone();
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, section) = text.split_once("Against ").expect("the section");
    assert!(section.contains("Worse: clauses are broken in 1 way that"), "{section}");
    assert!(section.contains(&format!("worse   {CLAUSE} in in-flight-slow: ")), "{section}");
}

fn mended() {
    let (_temp, now) = results(without_failure);
    let mut command = hotspec(["diff"]);
    let better = predicate::str::contains(format!("better  {CLAUSE} in in-flight-slow: "));
    command.arg(&failing().dir).arg(&now).assert().code(0).stdout(better);
}

fn json() {
    let (_temp, before) = results(without_failure);
    let mut command = hotspec(["diff", "--format", "json"]);
    let output = command.arg(&before).arg(&failing().dir).assert().code(1).get_output().clone();
    let parsed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(parsed["worse"][0]["clause"], CLAUSE);
    assert_eq!(parsed["worse"][0]["before"], 0);
    assert_eq!(parsed["better"], Value::Array(Vec::new()));
}

fn something_else() {
    let temp = tempdir();
    let path = temp.path().join("baseline.json");
    for (text, told) in [("{}", "these are no results"), ("no JSON", "these are no results")] {
        fs::write(&path, text).expect("a file");
        let mut command = hotspec(["run", "--baseline"]);
        let told = predicate::str::contains(told).and(predicate::str::contains("baseline.json"));
        command.arg(&path).timeout(SOON).assert().code(65).stdout("").stderr(told);
    }
    let (_temp, newer) = results(|results| results["schema"] = 2.into());
    let told = predicate::str::contains("schema 2 is not known (known: 1)");
    hotspec(["diff"]).arg(&newer).arg(&newer).timeout(SOON).assert().code(65).stderr(told);
}

fn another_profile() {
    let (_temp, baseline) = results(|_| {});
    let told = predicate::str::contains("was judged by the profile reload, and this run is by falcore");
    let mut command = hotspec(["run", "--baseline"]);
    command.arg(&baseline).timeout(SOON).assert().code(64).stdout("").stderr(told);
}
