//! The reference server passes all of its profile, started as anyone's server and built in.

use std::sync::OnceLock;

use crate::support::{PYTHON, Run, built, case, case_alone, case_with, run, thorough};
use hotspec::clause::registry;
use hotspec::declaration::Profile;
use libtest_mimic::Trial;

/// The whole run, which both cases look at.
static WHOLE: OnceLock<Run> = OnceLock::new();

/// What the built-in reference can get wrong by itself: each way in which it is started and declared. The program is the same.
const DECLARED: [&str; 14] = [
    "keep-alive-traffic",
    "in-flight-slow",
    "in-flight-streamed",
    "in-flight-large",
    "in-flight-upload",
    "zero-traffic-ipv6",
    "traffic-unix",
    "zero-traffic-abstract",
    "pid-file",
    "notify",
    "played-parent",
    "hard-limit",
    "failing-start",
    "many-listeners",
];

/// By itself, as it may have others beside it and need not come last.
pub fn core() -> Trial {
    case("the built-in reference passes the core of its profile", || {
        let core = run(["core"]);
        core.exits(0);
        let passed = core.results.verdicts().into_values().filter(|verdict| *verdict == "pass").count();
        assert!(passed > 40, "{:?}", core.results.verdicts());
    })
}

pub fn trials() -> Vec<Trial> {
    // Alone: each is dozens of scenarios at once.
    let whole_profile = case_alone(
        &[],
        "the reference, started as anyone's command, passes the whole falcore profile",
        || passes(whole()),
    );
    let same = case_alone(&[], "the built-in reference gets the same verdicts clause by clause", || {
        let builtin = run(DECLARED);
        builtin.exits(0);
        assert!(builtin.results.problems.is_empty(), "{:?}", builtin.results.problems);
        let (builtin, whole) = (builtin.results.verdicts(), whole().results.verdicts());
        assert!(builtin.len() > 40, "only {builtin:?}");
        for (id, verdict) in builtin {
            assert_eq!(whole.get(id), Some(&verdict), "{id}");
        }
    });
    vec![
        thorough(whole_profile),
        thorough(same),
        thorough(case_with(
            &[PYTHON],
            "what can't be decided is attempted again, as often as was asked for",
            attempted_again,
        )),
    ]
}

/// Removes what the cases shared.
pub fn end() {
    WHOLE.get().into_iter().for_each(Run::remove);
}

fn whole() -> &'static Run {
    WHOLE.get_or_init(foreign)
}

fn foreign() -> Run {
    let program = built("reference-server", "cargo build -p reference-server");
    let program = program.display().to_string();
    let options = [
        ("--profile", "falcore"),
        ("--idle-max", "3s"),
        ("--slow-path", "/slow?ms={ms}"),
        ("--stream-path", "/stream?chunks={chunks}&ms={ms}"),
        ("--large-path", "/bytes?n={n}"),
        ("--upload-path", "/echo"),
        ("--listen-on", "ipv6=[{host}]:{port}"),
        ("--listen-on", "unix=unix:{socket}"),
        ("--listen-on", "abstract=unix:@{socket}"),
        ("--each-listener", "--listen {address}"),
        ("--pid-file", "server.pid"),
        ("--socket-flag", "--socket"),
        ("--successor-variable", "REFERENCE_SERVER_GENERATION"),
        ("--successor-variable", "REFERENCE_SERVER_PARENT"),
        ("--drain-max", "10s"),
        ("--hard-limit", "10s"),
    ];
    let server = [&program, "--listen", "{address}", "--pid-file", "{dir}/server.pid"];
    let limits = ["--header-timeout", "8s", "--drain-timeout", "10s"];
    let command = ["--notify", "--"].into_iter().chain(server).chain(limits);
    run(options.into_iter().flat_map(|(name, value)| [name, value]).chain(command))
}

/// Exit 0, and each clause that is built was put to the test or is ruled out with a reason.
fn passes(run: &Run) {
    run.exits(0);
    assert_eq!(run.results.verdict, "pass");
    assert!(run.results.problems.is_empty(), "{:?}", run.results.problems);
    let scenarios = hotspec::scenario::builtin::scenarios().expect("scenario files parse");
    let quick: Vec<&String> =
        scenarios.iter().filter(|one| !one.is_slow()).flat_map(|one| &one.clauses).collect();
    for clause in registry::all() {
        // What takes long by nature is left out of an ordinary run.
        let asked = quick.iter().any(|id| *id == clause.id);
        if clause.judge.is_none() || clause.level(Profile::Falcore).is_none() || !asked {
            continue;
        }
        let said = run.results.said_of(clause.id);
        let said = said.unwrap_or_else(|| panic!("{} is built, and nothing is said of it", clause.id));
        match said.verdict.as_str() {
            "pass" => assert!(said.exercised > 0, "{} passed untested", said.id),
            "unsupported" => assert!(!said.reasons.is_empty(), "{} is unsupported for no reason", said.id),
            _ => panic!("{said:?}"),
        }
    }
}

/// Whoever ignores the trigger shows nothing of which generation serves.
fn attempted_again() {
    // An ignored signal stays so through an execution (execve(2)).
    const IGNORES: &str = "trap '' HUP; exec \"$0\" -m http.server \"$2\" --bind \"$1\"";
    for attempts in [1, 2] {
        let again = (attempts - 1).to_string();
        let run = run([
            "process.effective",
            "--exclude",
            "five-restarts",
            "--exclude",
            "keep-alive-traffic",
            "--profile",
            "reload",
            "--ready-max",
            "5s",
            "--idle-max",
            "1s",
            "--drain-max",
            "1s",
            "--again",
            &again,
            "--",
            "sh",
            "-c",
            IGNORES,
            PYTHON.0,
            "{host}",
            "{port}",
        ]);
        run.exits(2);
        let said = run.results.said_of("process.effective").expect("a verdict");
        assert_eq!(
            (said.verdict.as_str(), said.undecided_in.as_slice()),
            ("inconclusive", &["new-connections".to_owned()][..])
        );
        assert_eq!(std::fs::read_dir(run.dir.join("history")).expect("histories").count(), attempts);
        assert_eq!(run.stdout.contains("\n  new-connections again "), attempts == 2, "{}", run.stdout);
    }
}
