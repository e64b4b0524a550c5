//! A run that is divided among machines, and merged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libtest_mimic::Trial;
use predicates::prelude::*;
use serde_json::Value;

use crate::support::{Results, Run, SOON, built, case, hotspec, run, schema, tempdir, text, thorough};

/// Scenarios that share clauses, and that are quick.
const SCENARIOS: [&str; 4] = ["half-sent-head", "queued-at-trigger", "queued-at-handover", "in-flight-slow"];

/// The reference in three parts.
static PARTS: OnceLock<Vec<Run>> = OnceLock::new();

pub fn trials() -> Vec<Trial> {
    vec![
        thorough(case(
            "the parts of a run that passes pass, and merged they say what the whole says",
            passes,
        )),
        thorough(case("the whole can be judged again, and told in every format", told)),
        thorough(case("a saboteur that is run in parts fails by the same clause", fails)),
        thorough(case("parts that don't make one run are refused", refused)),
        thorough(case("a part that can't be read ends the lines of the whole, with why", unreadable)),
        case("what can't be divided is refused", undivided),
    ]
}

/// Removes what the cases shared.
pub fn end() {
    PARTS.get().into_iter().flatten().for_each(Run::remove);
}

fn parts_of(of: usize, words: &[&str]) -> Vec<Run> {
    let part = |number: usize| {
        let shard = format!("{number}/{of}");
        run(["--shard", &shard].into_iter().chain(words.iter().copied()))
    };
    (1..=of).map(part).collect()
}

fn parts() -> &'static [Run] {
    PARTS.get_or_init(|| parts_of(3, &SCENARIOS))
}

/// Wherever its lines end.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Merged {
    status: Option<i32>,
    stdout: String,
    results: Results,
    _temp: tempfile::TempDir,
    dir: PathBuf,
}

fn merge<'a>(dirs: impl IntoIterator<Item = &'a Path>) -> Merged {
    let temp = tempdir();
    let (dir, report) = (temp.path().join("whole"), temp.path().join("report.json"));
    let mut command = hotspec(["merge", "--run-dir"]);
    command.arg(&dir).arg(format!("--report=json={}", report.display())).args(dirs);
    let output = command.output().expect("hotspec starts");
    let stdout = text(&output.stdout);
    let results = serde_json::from_str(&fs::read_to_string(&report).unwrap_or_default());
    let results = results.unwrap_or_else(|error| panic!("{error}: {stdout}{}", text(&output.stderr)));
    Merged { status: output.status.code(), stdout, results, dir, _temp: temp }
}

fn dirs(parts: &[Run]) -> impl DoubleEndedIterator<Item = &Path> {
    parts.iter().map(|part| part.dir.as_path())
}

fn passes() {
    let whole = run(SCENARIOS.iter().copied().chain(["--seed", "1"]));
    whole.exits(0);
    for (at, part) in parts().iter().enumerate() {
        part.exits(0);
        assert!(part.stdout.starts_with(&format!("PASS: part {} of 3: ", at + 1)), "{}", part.stdout);
        assert!(words(&part.stdout).contains("`hotspec merge` judges all 3 parts"), "{}", part.stdout);
        assert!(!part.stdout.contains("--shard"), "what is repeated is not divided: {}", part.stdout);
    }
    // In whatever order they are named.
    let merged = merge(dirs(parts()).rev());
    assert_eq!(merged.status, Some(0), "{}", merged.stdout);
    assert_eq!(merged.results.verdicts(), whole.results.verdicts());
    assert!(!words(&merged.stdout).starts_with("PASS: part "), "{}", merged.stdout);
    let tested = |results: &Results| -> BTreeMap<String, bool> {
        results.clauses.iter().map(|clause| (clause.id.clone(), clause.exercised > 0)).collect()
    };
    assert_eq!(tested(&merged.results), tested(&whole.results));
}

fn told() {
    let merged = merge(dirs(parts()));
    let report = merged.dir.join("report");
    for format in ["human", "json", "html", "junit", "tap", "markdown", "github", "gitlab"] {
        let mut command = hotspec(["check", "--report", &format!("{format}={}", report.display())]);
        command.arg(&merged.dir).timeout(SOON).assert().code(0);
        let text = fs::read_to_string(&report).expect("a report");
        let names_all = SCENARIOS.iter().all(|scenario| text.contains(scenario));
        assert!(names_all || ["markdown", "github", "gitlab"].contains(&format), "{format}: {text}");
    }
}

fn fails() {
    let program = built("examples/saboteurs", "cargo build -p saboteurs --examples").display().to_string();
    let words = [
        "in-flight-slow",
        "queued-at-trigger",
        "half-sent-head",
        "--idle-max",
        "1s",
        "--slow-path",
        "/slow?ms={ms}",
        "--",
        &program,
        "in_flight_killed",
        "--listen",
        "{address}",
    ];
    let parts = parts_of(2, &words);
    let failed = parts.iter().filter(|part| part.results.fails("in-flight.slow-response")).count();
    assert_eq!(failed, 1);
    let merged = merge(dirs(&parts));
    assert_eq!(merged.status, Some(1), "{}", merged.stdout);
    assert!(merged.results.fails("in-flight.slow-response"), "{}", merged.stdout);
    for part in &parts {
        for clause in part.results.failed("MUST") {
            assert!(merged.results.fails(clause), "{clause} failed in a part");
        }
    }
}

/// A copy of a part's manifest, changed, in a directory without histories.
fn changed(part: &Path, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let temp = tempdir();
    let text = fs::read_to_string(part.join("manifest.json")).expect("a manifest");
    let mut manifest = serde_json::from_str(&text).expect("JSON");
    change(&mut manifest);
    fs::write(temp.path().join("manifest.json"), manifest.to_string()).expect("a manifest of mine");
    temp
}

fn refused() {
    let all: Vec<&Path> = dirs(parts()).collect();
    let refused = |dirs: &[&Path], status: i32, words: &str| {
        let temp = tempdir();
        let mut command = hotspec(["merge", "--run-dir"]);
        let whole = temp.path().join("whole");
        command
            .arg(&whole)
            .args(dirs)
            .timeout(SOON)
            .assert()
            .code(status)
            .stderr(predicate::str::contains(words));
        assert!(!whole.exists(), "something was stored");
    };
    refused(&all[..2], 64, "expected all 3 parts; part 3 missing");
    refused(&[all[0], all[1], all[2], all[1]], 64, "part 2 of 3 is in ");
    let with = |change: &dyn Fn(&mut Value), status: i32, words: &str| {
        let other = changed(all[2], change);
        refused(&[all[0], all[1], other.path()], status, words);
    };
    with(&|manifest| manifest["seed"] = 7.into(), 64, "the seed is 1 there, and 7 here");
    with(
        &|manifest| manifest["target"] = "nginx".into(),
        64,
        "the target is \"reference\" there, and \"nginx\" here",
    );
    with(&|manifest| manifest["profile"] = "reload".into(), 64, "the profile is ");
    with(&|manifest| manifest["hotspec"] = "9.9.9".into(), 64, "the version of hotspec is ");
    with(&|manifest| manifest["shard"]["of"] = 4.into(), 64, "the number of parts is ");
    with(&|manifest| manifest["shard"]["clauses"] = Value::Array(Vec::new()), 64, "the selection is ");
    with(&|manifest| manifest["shard"] = Value::Null, 64, "holds a whole one");
    with(&|manifest| manifest["scenarios"] = Value::Array(Vec::new()), 65, "in one of the parts");
    with(&|manifest| manifest["scenarios"][0]["name"] = "../../x".into(), 65, "that can name a file");
    refused(&[all[0], all[1], tempdir().path()], 65, "expected the directory of a run");
}

fn unreadable() {
    let mut scenario = String::new();
    let part = changed(&parts()[2].dir, |manifest| {
        manifest["scenarios"][0]["name"].as_str().expect("a scenario").clone_into(&mut scenario);
    });
    fs::create_dir(part.path().join("history")).expect("a directory");
    fs::write(part.path().join(format!("history/{scenario}.ndjson")), "nothing\n").expect("a history");
    let temp = tempdir();
    let mut command = hotspec(["merge", "--report=ndjson", "--report=ndjson=/dev/full", "--run-dir"]);
    command.arg(temp.path().join("whole")).args(dirs(&parts()[..2])).arg(part.path()).timeout(SOON);
    let output = command.assert().code(65).get_output().clone();
    let lines = text(&output.stdout);
    let lines: Vec<Value> = lines.lines().map(|line| schema::events().holds(line)).collect();
    let told: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(told, ["run-begun", "run-failed"]);
    assert_eq!(lines[1]["status"], 65);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("failed to write /dev/full"), "{stderr}");
    assert!(stderr.contains(&format!("{scenario}.ndjson:1: ")), "{stderr}");
}

fn undivided() {
    for (words, status, said) in [
        (&["run", "--shard", "4/3"][..], 64, "expected I/N"),
        (&["run", "half-sent-head", "--shard", "1/2"], 64, "no more parts than scenarios"),
        (&["run", "--shard", "1/2", "--baseline", "x.json"], 64, "hotspec merge"),
        (&["soak", "--shard", "1/2"], 64, "not divided"),
    ] {
        hotspec(words).timeout(SOON).assert().code(status).stderr(predicate::str::contains(said));
    }
}
