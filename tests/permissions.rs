//! The same commands at every level of permission come to the same verdicts, or to no-evidence.
//!
//! Takes some minutes, so only with `HOTSPEC_WHOLE=1`. What each level took is printed (`--nocapture`).

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use nix::sys::resource::{UsageWho, getrusage};
use support::permission::{NO_NAMESPACES, NOBODY, SETPRIV, UNSHARE, is_possible, open_to_all, program_in};
use support::{Results, case_with, run_trials, tempdir, whole};

/// What hotspec is started beneath, and the isolation that is asked for.
struct Level {
    name: &'static str,
    beneath: &'static [&'static str],
    isolation: &'static str,
}

/// From the most to the least that is permitted.
const LEVELS: [Level; 5] = [
    Level { name: "root, two networks", beneath: &[], isolation: "full" },
    Level { name: "root, one network", beneath: &[], isolation: "net" },
    Level { name: "root, none", beneath: &[], isolation: "none" },
    Level { name: "ordinary user", beneath: &[NOBODY], isolation: "auto" },
    Level {
        name: "ordinary user, namespaces forbidden",
        beneath: &[NOBODY, NO_NAMESPACES],
        isolation: "auto",
    },
];

const SCENARIOS: [&str; 6] = [
    "new-connections",
    "idle-last-request",
    "fresh-first-request",
    "in-flight-upload",
    "queued-at-trigger",
    "zero-traffic",
];

/// What is judged, which program it takes, and the words for it. `HOTSPEC` stands for the program itself.
const JUDGED: [(&str, (&str, &str), &[&str]); 5] = [
    ("the reference", SETPRIV, &[]),
    ("nginx", ("nginx", "apt-get install nginx-light"), &["--target", "nginx"]),
    ("haproxy", ("haproxy", "apt-get install haproxy"), &["--target", "haproxy"]),
    ("httpd", ("apache2", "apt-get install apache2-bin"), &["--target", "httpd"]),
    (
        "a server that loses its queue",
        SETPRIV,
        &[
            "queued-at-handover",
            "--profile",
            "reload",
            "--idle-max",
            "3s",
            "--slow-path",
            "/slow?ms={ms}",
            "--upload-path",
            "/echo",
            "--",
            "HOTSPEC",
            "selftest-server",
            "queue-lost",
            "--listen",
            "{address}",
        ],
    ),
];

fn main() -> ExitCode {
    let trials = JUDGED.map(|(name, program, words)| judged(name, program, words));
    // One at a time, as what each costs is told.
    run_trials(1, trials.map(whole).into())
}

fn judged(
    name: &'static str,
    program: (&'static str, &'static str),
    words: &'static [&'static str],
) -> Trial {
    case_with(
        &[SETPRIV, UNSHARE, program],
        format!("{name} is judged alike at every level of permission"),
        move || {
            if !nix::unistd::geteuid().is_root() {
                println!("skipped: only root can become another user");
                return;
            }
            let mut most: Option<(&str, Results)> = None;
            for level in &LEVELS {
                let Some(results) = run_at(level, name, words) else { continue };
                match &most {
                    None => most = Some((level.name, results)),
                    Some((first, others)) => agree((first, others), (level.name, &results)),
                }
            }
            assert!(most.is_some(), "no level can be had here");
        },
    )
}

/// One run; none if this machine does not permit the level, or as somebody else may not start the server.
fn run_at(level: &Level, name: &str, words: &[&str]) -> Option<Results> {
    let beneath = level.beneath.join(" ");
    if !is_possible(&beneath) {
        println!("{name}, {}: skipped, as it is not possible here", level.name);
        return None;
    }
    let temp = tempdir();
    open_to_all(temp.path(), 0o777);
    let program = program_in(temp.path());
    let quoted = |word: &str| format!("'{}'", word.replace("HOTSPEC", &program.display().to_string()));
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let scenarios = SCENARIOS.join(" ");
    let (isolation, home) = (level.isolation, temp.path().display());
    let script = format!(
        "cd {home} && HOME={home} exec {beneath} {home}/hotspec run {scenarios} --run-dir {home}/run \
         --isolation {isolation} {}",
        words.join(" ")
    );
    let (begun, before) = (Instant::now(), spent());
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh starts");
    let (took, cpu) = (begun.elapsed(), spent().saturating_sub(before));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{}: {said}", level.name);
    let Ok(report) = fs::read_to_string(temp.path().join("run/results.json")) else {
        println!("{name}, {}: skipped, {said}", level.name);
        assert_eq!(output.status.code(), Some(70), "{said}");
        return None;
    };
    let results: Results = serde_json::from_str(&report).expect("a report");
    let evidence: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let (verdict, evidence) = (&results.verdict, &evidence["evidence"]);
    println!("{name}, {}: {verdict}, {took:.1?}, {cpu:.1?} of a processor, {evidence}", level.name);
    for open in results.clauses.iter().filter(|clause| clause.verdict == "inconclusive") {
        println!("  open: {}: {}", open.id, open.reasons.join("; "));
    }
    assert!(matches!(output.status.code(), Some(0..=2)), "{}: {said}", level.name);
    Some(results)
}

/// What all children that have ended had of a processor.
fn spent() -> Duration {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage");
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or_default())
    };
    of(used.user_time()) + of(used.system_time())
}

/// Nothing is said of a clause at the one level that the other contradicts.
fn agree((most, more): (&str, &Results), (least, results): (&str, &Results)) {
    let less: BTreeMap<&str, &str> = results.verdicts();
    let why =
        |results: &Results, id| results.said_of(id).map_or_else(String::new, |said| said.reasons.join("; "));
    let differ: Vec<String> = more
        .verdicts()
        .into_iter()
        .filter_map(|(id, word)| Some((id, word, *less.get(id)?)))
        .filter(|(_, word, other)| word != other && *word != "no-evidence" && *other != "no-evidence")
        .map(|(id, word, other)| {
            let (this, that) = (why(more, id), why(results, id));
            format!("{id}: {word} ({most}) {this}, {other} ({least}) {that}")
        })
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}
