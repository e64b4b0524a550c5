//! Two `hotspec` at once do not disturb each other, also where they store their runs by default.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;

use libtest_mimic::Trial;

use crate::support::{Results, case, hotspec, tempdir, thorough};

/// Short, and with traffic that a stranger's server on the same port would not answer.
const SCENARIO: &str = "new-connections";

pub fn trials() -> Vec<Trial> {
    let sentence = |isolation: &str| {
        format!("two runs at once break nothing of each other and are stored apart (--isolation {isolation})")
    };
    let network = case(sentence("auto"), || side_by_side("auto"));
    vec![thorough(network), case(sentence("none"), || side_by_side("none"))]
}

fn side_by_side(isolation: &'static str) {
    let temp = tempdir();
    let home = temp.path();
    let results = thread::scope(|scope| {
        let seeds = [1, 2];
        let runs = seeds.map(|seed| scope.spawn(move || one(home, isolation, seed)));
        runs.map(|run| run.join().expect("a run"))
    });
    for (status, results, said) in &results {
        // A stranger's server or lanes would show as failures; what could not be decided is the machine's doing.
        assert!(matches!(status, Some(0 | 2)), "{said}");
        assert!(results.failed("MUST").is_empty() && results.problems.is_empty(), "{said}");
    }
    let base = temp.path().join("state/hotspec");
    let mut seeds = BTreeSet::new();
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&base).expect("the default directory").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("run-") {
            let manifest = fs::read_to_string(entry.path().join("manifest.json")).expect("a manifest");
            let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
            seeds.insert(manifest["seed"].as_u64());
            assert!(entry.path().join("results.json").is_file(), "{name} has no results");
            names.insert(name);
        } else {
            assert_eq!(name, "last", "something is left beside the runs");
        }
    }
    assert_eq!(seeds, BTreeSet::from([Some(1), Some(2)]), "each run is stored under its own seed");
    let last = fs::read_link(base.join("last")).expect("a link to the last run");
    assert!(names.contains(&last.to_string_lossy().into_owned()), "{last:?} is none of {names:?}");
}

fn one(home: &Path, isolation: &str, seed: u64) -> (Option<i32>, Results, String) {
    let output = hotspec(["run", SCENARIO, "--isolation", isolation, "--report", "json", "--seed"])
        .arg(seed.to_string())
        .current_dir(home)
        .env("XDG_STATE_HOME", home.join("state"))
        .output()
        .expect("hotspec starts");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let results = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code(), results, said)
}
