//! What is typed wrong, and what is no server: one clear sentence, the right exit status, and soon.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{SOON, case, hotspec, run, targets, tempdir};
use libtest_mimic::Trial;
use predicates::prelude::*;

pub fn trials() -> Vec<Trial> {
    let mut trials = wrong_words();
    trials.extend(no_servers());
    trials
        .push(case("a malformed target file is named with its line and what was expected", bad_target_file));
    trials.push(case("a target file that is not there is named", no_target_file));
    trials.push(case("a known deviation that no run could meet is told", impossible_known));
    trials.push(case("a report that can't be written is told before the run", unwritable_report));
    trials.push(case("a run directory that holds a run is refused", used_run_dir));
    trials.push(case("a run directory that can't be made is named", impossible_run_dir));
    trials
}

/// Command lines that can't be followed: the arguments, the status, what has to be said.
fn wrong_words() -> Vec<Trial> {
    let cases: [(&str, &[&str], i32, &[&str]); 17] = [
        (
            "an unknown selector is told with the nearest names",
            &["run", "keep-alive.one-last-requst"],
            64,
            &["keep-alive.one-last-requst", "nearest", "keep-alive.one-last-request"],
        ),
        (
            "a selector like nothing at all is told with where to look",
            &["run", "zzzzzz"],
            64,
            &["zzzzzz", "hotspec list"],
        ),
        (
            "an unknown selector to leave out is told too",
            &["run", "--exclude", "drain.exit"],
            64,
            &["drain.exit", "drain.exits"],
        ),
        (
            "an unknown target is told with the nearest name",
            &["run", "--target", "ngnix"],
            64,
            &["ngnix", "did you mean `nginx`"],
        ),
        (
            "a selection that the profile does not have is nothing",
            &["run", "--profile", "reload", "keep-alive.one-last-request"],
            4,
            &["nothing", "reload"],
        ),
        (
            "a selection that is left out again is nothing",
            &["run", "zero-traffic", "--exclude", "zero-traffic"],
            4,
            &["nothing"],
        ),
        (
            "an unknown format of a report is told",
            &["run", "--report", "xml"],
            64,
            &["expected one of human, json, html", "xml"],
        ),
        (
            "a report without its path is told",
            &["run", "--report", "json="],
            64,
            &["expected a path after `=`"],
        ),
        (
            "a time that is none is told",
            &["run", "--idle-max", "soon"],
            64,
            &["--idle-max", "expected a length of time", "soon"],
        ),
        ("a negative time is told", &["run", "--idle-max=-3s"], 64, &["--idle-max", "-3s"]),
        (
            "a signal that is none is told",
            &["run", "--restart", "HANGUP", "--", "x"],
            64,
            &["expected a signal", "HANGUP"],
        ),
        (
            "a path that is none is told",
            &["run", "--path", "index.html", "--", "x"],
            64,
            &["begins with `/`", "index.html"],
        ),
        (
            "a kind of listener that is none is told",
            &["run", "--listen-on", "tcp={port}", "--", "x", "{address}"],
            64,
            &["--listen-on", "ipv4, ipv6, unix or abstract", "tcp"],
        ),
        (
            "a unix listener whose name hotspec would not know is told",
            &["run", "--listen-on", "unix=unix:/run/x.sock", "--", "x", "{address}"],
            64,
            &["--listen-on", "{socket}", "unix:/run/x.sock"],
        ),
        (
            "a listener that nothing tells the command is told",
            &["run", "--listen-on", "unix=unix:{socket}", "--", "x"],
            64,
            &["--listen-on", "{address}"],
        ),
        ("no scenario at a time is told", &["run", "-j", "0"], 64, &["--jobs", "1..=256"]),
        (
            "an unknown clause is told with the nearest name",
            &["explain", "keep-alive.fin-not-rest"],
            64,
            &["keep-alive.fin-not-rest", "keep-alive.fin-not-reset"],
        ),
    ];
    let trial = |(name, words, status, said): (&'static str, &'static [&str], i32, &'static [&str])| {
        case(name, move || refused(words, status, said))
    };
    cases.into_iter().map(trial).collect()
}

/// Nothing on standard output; on standard error a sentence, and a pointer to the help at most.
fn refused(words: &[&str], status: i32, said: &[&str]) {
    let temp = tempdir();
    let assert = hotspec(words)
        .current_dir(temp.path())
        .env("XDG_STATE_HOME", temp.path().join("state"))
        .timeout(SOON)
        .assert()
        .code(status)
        .stdout("");
    let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    is_plain(&stderr);
    let sentences = stderr.lines().filter(|line| !line.trim().is_empty() && !line.contains("--help")).count();
    assert!(sentences <= 2, "more than two lines:\n{stderr}");
    for words in said {
        assert!(predicate::str::contains(*words).eval(&stderr), "`{words}` is not said in: {stderr}");
    }
    assert!(!temp.path().join("state").exists(), "a run was begun");
}

/// No words of Rust's own.
fn is_plain(text: &str) {
    for word in ["panicked", "backtrace", "unwrap", "RUST_BACKTRACE", "Error {", "Some("] {
        assert!(!text.contains(word), "`{word}` in:\n{text}");
    }
}

/// Commands that start no server: what is said of them.
fn no_servers() -> Vec<Trial> {
    let test = |name: &'static str, words: Vec<String>, said: &'static [&'static str]| {
        case(name, move || invalid(&words, said))
    };
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![
        test(
            "a command that does not exist is told with where it was looked for",
            own(&["no-such-program-at-all"]),
            &["no-such-program-at-all", "PATH"],
        ),
        test("a path that does not exist is told", own(&["/no/such/program"]), &["/no/such/program"]),
        test("a directory is told to be none", own(&["/etc"]), &["/etc", "directory"]),
        test("a file that is not executable is told to be none", own(&["/etc/passwd"]), &["/etc/passwd"]),
        test(
            "a target that never listens is given up",
            targets::command("never-listens"),
            &["did not answer within 1 s", "--ready-max", "connection refused"],
        ),
        test(
            "a target that is not told where to listen and listens nowhere is given a hint",
            own(&["sleep", "1000"]),
            &["did not listen on any TCP address", "{address}"],
        ),
        test(
            "a target that exits at once is told with its status",
            targets::command("exits-at-once"),
            &["ended before it listened", "status 7"],
        ),
        test(
            "a target that a signal kills is told with it",
            own(&["sh", "-c", "kill -SEGV $$"]),
            &["ended before it listened", "signal 11"],
        ),
        test(
            "a target that speaks no HTTP is told so",
            targets::command("no-http"),
            &["speaks no HTTP/1.1", "expected a response that begins with HTTP/1."],
        ),
        test(
            "a target that sends a head without end is given up",
            targets::command("endless-head"),
            &["speaks no HTTP/1.1", "head"],
        ),
        test(
            "a target that begins a head and stops is given up",
            targets::command("slow-endless-head"),
            &["did not answer within 1 s"],
        ),
        test(
            "a target that never answers is given up",
            targets::command("never-answers"),
            &["did not answer within 1 s", "takes connections"],
        ),
        test(
            "a target that closes every connection is given up",
            targets::command("closes-at-once"),
            &["did not answer within 1 s", "ends connections"],
        ),
    ]
}

/// Exit 3, soon, and one sentence on what was seen.
fn invalid(command: &[String], said: &[&str]) {
    let begun = Instant::now();
    let options = ["--ready-max", "1s", "zero-traffic", "--"].map(str::to_owned);
    let run = run(options.iter().chain(command));
    let took = begun.elapsed();
    run.exits(3);
    assert_eq!(run.results.verdict, "invalid");
    is_plain(&run.stdout);
    assert_eq!(run.stderr, "");
    let [problem] = run.results.problems.as_slice() else { panic!("{:?}", run.results.problems) };
    assert_eq!(problem.stage, "start");
    assert!(problem.message.lines().count() <= 2, "{}", problem.message);
    for words in said {
        assert!(problem.message.contains(words), "`{words}` is not said in: {}", problem.message);
    }
    assert!(took < Duration::from_secs(15), "it took {took:?} with --ready-max 1s");
}

fn bad_target_file() {
    let texts = [
        ("start = [\"x\"]\nprofile = \"fast\"\n", 2, "expected"),
        ("start = [\"x\"\n", 1, "expected"),
        ("start = [\"x\"]\n\n[[restart]]\nsignal = \"NOPE\"\n", 3, "expected a signal"),
        ("start = [\"x\"]\nstrat = 1\n[[restart]]\nsignal = \"HUP\"\n", 2, "expected one of"),
        ("start = [\"x\"]\n[limits]\nidle_max = \"soon\"\n", 3, "expected a length of time"),
    ];
    let head = "start = [\"x\"]\n[[restart]]\nsignal = \"HUP\"\n[[known]]\n";
    let entry = "clause = \"drain.exits\"\nscenario = \"zero-traffic\"\nkind = \"late\"\n";
    let because = "reason = \"r\"\nsource = \"s\"\n";
    let known = [
        (format!("{head}{entry}source = \"s\"\n"), 4, "missing field `reason`"),
        (format!("{head}{entry}reason = \" \"\nsource = \"s\"\n"), 5, "its reason and its source"),
        (format!("{head}{}{because}", entry.replace("drain.exits", "drain.*")), 5, "no wildcards"),
        (format!("{head}{entry}{because}frequency = \"often\"\n"), 10, "expected `always` or `rare`"),
        (format!("{head}{entry}{because}frequency = \"rare\"\n"), 5, "how rare"),
        (
            format!("{head}{entry}{because}frequency = \"rare\"\nseen = \"now and then\"\n"),
            11,
            "3 of 41 runs",
        ),
        (format!("{head}{entry}{because}seen = \"3 of 41 runs\"\n"), 5, "frequency = \"rare\""),
        (format!("{head}{entry}{because}versions = \"2.6\"\n"), 5, "expected `version`"),
        (format!("version = [\"x\"]\n{head}{entry}{because}versions = \"old\"\n"), 11, "expected versions"),
        (format!("{head}{entry}{because}[[known]]\n{entry}{because}"), 5, "twice"),
    ];
    let known = known.iter().map(|(text, line, said)| (text.as_str(), *line, *said));
    for (text, line, said) in texts.into_iter().chain(known) {
        let temp = tempdir();
        let path = temp.path().join("mine.toml");
        fs::write(&path, text).expect("a file of mine");
        let assert = hotspec(["run", "--target"]).arg(&path).timeout(SOON).assert().code(65).stdout("");
        let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        is_plain(&stderr);
        assert!(stderr.lines().count() <= 2, "{stderr}");
        let place = format!("{}:{line}: ", path.display());
        assert!(stderr.contains(&place), "`{place}` is not said in: {stderr}");
        assert!(stderr.contains(said), "`{said}` is not said in: {stderr}");
    }
}

/// A known deviation that no run could ever meet.
fn impossible_known() {
    for (clause, scenario, said) in [
        ("drain.exit", "zero-traffic", "the nearest is drain.exits"),
        ("drain.exits", "zero-trafic", "the nearest is zero-traffic"),
        ("protocol.pipelined", "zero-traffic", "these do: pipelined"),
    ] {
        let temp = tempdir();
        let path = temp.path().join("mine.toml");
        let entry = format!("clause = \"{clause}\"\nscenario = \"{scenario}\"\nkind = \"late\"");
        let text = format!(
            "start = [\"sleep\", \"1\"]\n[[restart]]\nsignal = \"HUP\"\n[[known]]\n{entry}\nreason = \"r\"\nsource = \"s\"\n"
        );
        fs::write(&path, text).expect("a file of mine");
        let wanted = predicate::str::contains(said).and(predicate::str::contains(path.display().to_string()));
        hotspec(["run", "--target"]).arg(&path).timeout(SOON).assert().code(65).stdout("").stderr(wanted);
    }
}

fn no_target_file() {
    let wanted = predicate::str::contains("failed to read target file ./none.toml");
    hotspec(["run", "--target", "./none.toml"]).timeout(SOON).assert().code(65).stdout("").stderr(wanted);
}

fn unwritable_report() {
    let temp = tempdir();
    let path = temp.path().join("no/such/directory/report.json");
    let wanted = predicate::str::contains(path.display().to_string());
    hotspec(["run", "--run-dir"])
        .arg(temp.path().join("run"))
        .arg(format!("--report=json={}", path.display()))
        .timeout(SOON)
        .assert()
        .code(64)
        .stdout("")
        .stderr(wanted);
    assert!(!temp.path().join("run").exists(), "a run was begun");
}

fn used_run_dir() {
    let first = run(["--ready-max", "1s", "zero-traffic", "--", "/no/such/program"]);
    first.exits(3);
    let wanted = predicate::str::contains("holds a run already");
    hotspec(["run", "--run-dir"]).arg(&first.dir).timeout(SOON).assert().code(64).stdout("").stderr(wanted);
}

fn impossible_run_dir() {
    let wanted = predicate::str::contains("failed to make the run directory")
        .and(predicate::str::contains("--run-dir"));
    hotspec(["run", "--run-dir", "/dev/null/run"]).timeout(SOON).assert().code(64).stdout("").stderr(wanted);
}
