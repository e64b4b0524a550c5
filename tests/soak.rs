//! `hotspec soak` repeats a run until enough restarts were judged, and loses nothing of what it has seen.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{HOTSPEC, PATIENCE, case, eventually, hotspec, tempdir, thorough};
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Short, and each pass is one restart.
const SCENARIO: &str = "half-sent-head";

pub fn trials() -> Vec<Trial> {
    vec![
        thorough(case("two passes are added up, and only the last one's directory stays", two_passes)),
        case("the first pass that fails ends it, with its report and its directory", failing),
        thorough(case("with --keep-going every pass that fails is counted and kept", keeps_going)),
        case("Ctrl-C ends it in order, with the sum so far", ctrl_c),
        case("a command line that makes no sense is refused", refused),
    ]
}

/// What a soak said.
struct Soaked {
    status: Option<i32>,
    stdout: String,
    stderr: String,
    sum: Value,
    passes: Vec<String>,
}

fn soak(dir: &Path, arguments: &[&str]) -> Soaked {
    let output = hotspec(["soak", "--run-dir"]).arg(dir).args(arguments).output().expect("hotspec starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Soaked {
        status: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        sum: sum(dir),
        passes: passes(dir),
    }
}

fn sum(dir: &Path) -> Value {
    let text = fs::read_to_string(dir.join("soak.json")).expect("a sum");
    serde_json::from_str(&text).expect("JSON")
}

fn passes(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("the soak's directory").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut passes: Vec<String> = names.filter(|name| name.starts_with("pass-")).collect();
    passes.sort();
    passes
}

fn two_passes() {
    let temp = tempdir();
    let dir = temp.path().join("soak");
    let soaked = soak(&dir, &[SCENARIO, "--restarts", "2", "--seed", "7"]);
    let said = format!("{}{}", soaked.stdout, soaked.stderr);
    assert_eq!(soaked.status, Some(0), "{said}");
    assert!(soaked.sum["restarts"].as_u64() >= Some(2) && soaked.sum["broken"] == 0, "{}", soaked.sum);
    assert!(soaked.sum["connections"].as_u64() > Some(0), "{}", soaked.sum);
    let number = soaked.sum["passes"].as_u64().expect("a number");
    // A machine that stands still may leave a pass undecided, and then there is one more.
    assert!(number >= 2, "{}", soaked.sum);
    assert_eq!(soaked.passes, [format!("pass-{number:05}")]);
    assert!(soaked.stdout.contains("restarts broke anything"), "{said}");
    assert!(soaked.stderr.contains("pass 1: ") && soaked.stderr.contains("pass 2: "), "{said}");
    // What is kept is a run like any other, and has a seed of its own.
    let manifest = fs::read_to_string(dir.join(&soaked.passes[0]).join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["seed"].as_u64(), Some(7 + number - 1));
    assert_eq!(manifest["typed"]["selectors"], serde_json::json!([SCENARIO]));
    // Its place is taken.
    let again = hotspec(["soak", SCENARIO, "--run-dir"]).arg(&dir).output().expect("hotspec starts");
    assert_eq!(again.status.code(), Some(64));
}

/// A server that ends when it is told to restart.
fn ends(more: &[&'static str]) -> Vec<&'static str> {
    let limits = ["--ready-max", "1s", "--idle-max", "1s", "--drain-max", "1s"];
    let front = [SCENARIO, "--restart", "TERM", "--restarts", "2"];
    let command = ["--", HOTSPEC, "serve", "--listen", "{address}"];
    front.iter().chain(&limits).chain(more).chain(&command).copied().collect()
}

fn failing() {
    let temp = tempdir();
    let soaked = soak(temp.path(), &ends(&[]));
    let said = format!("{}{}", soaked.stdout, soaked.stderr);
    assert_eq!(soaked.status, Some(1), "{said}");
    assert_eq!((&soaked.sum["passes"], soaked.passes.len()), (&1.into(), 1), "{said}");
    let failed = &soaked.sum["failures"][0];
    let dir = failed["dir"].as_str().expect("its directory");
    assert!(Path::new(dir).join("results.json").is_file());
    let why = failed["why"].as_array().expect("clauses");
    assert!(why.iter().any(|id| id == "availability.not-refused"), "{failed}");
    // The pass's own report first, and then the sum.
    assert!(soaked.stdout.matches("FAIL:").count() == 2, "{said}");
}

fn keeps_going() {
    let temp = tempdir();
    let soaked = soak(temp.path(), &ends(&["--keep-going"]));
    let said = format!("{}{}", soaked.stdout, soaked.stderr);
    assert_eq!(soaked.status, Some(1), "{said}");
    assert_eq!(soaked.sum["failures"].as_array().map(Vec::len), Some(2), "{said}");
    assert_eq!(soaked.passes.len(), 2);
}

fn ctrl_c() {
    let temp = tempdir();
    let dir = temp.path().join("soak");
    let mut child = Command::new(HOTSPEC)
        .args(["soak", SCENARIO, "--for", "24h", "--run-dir"])
        .arg(&dir)
        .env_remove("CARGO_TARGET_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("hotspec starts");
    let second = dir.join("pass-00002/history").join(format!("{SCENARIO}.ndjson"));
    eventually("the second pass", PATIENCE, || {
        let begun = fs::read_to_string(&second).is_ok_and(|text| text.contains(r#""phase""#));
        begun.then_some(())
    });
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("a signal can be sent");
    let status = eventually("hotspec's end", PATIENCE, || child.try_wait().expect("a child of mine"));
    assert_eq!(status.code(), Some(130));
    let sum = sum(&dir);
    assert_eq!((&sum["interrupted"], &sum["passes"]), (&true.into(), &2.into()), "{sum}");
    assert!(sum["failures"].as_array().is_some_and(Vec::is_empty), "{sum}");
    let output = child.wait_with_output().expect("its output");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("broken off") && stdout.contains("soak directory"), "{stdout}");
}

fn refused() {
    for words in [
        &["--restarts", "0"][..],
        &["--restarts", "3", "--for", "1m"],
        &["--for", "soon"],
        &["--for"],
        &["no-such-scenario"],
    ] {
        let output = hotspec(["soak"]).args(words).output().expect("hotspec starts");
        assert_eq!(output.status.code(), Some(64), "{words:?}");
    }
}
