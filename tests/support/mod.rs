//! What the end-to-end tests share: starting `hotspec`, reading what it says, and looking for what it left.

#![allow(dead_code, reason = "each of the two test programs uses a part")]

pub mod chromium;
pub mod permission;
pub mod processes;
pub mod schema;
pub mod targets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use libtest_mimic::{Arguments, Trial};
use serde::Deserialize;
use tempfile::TempDir;

/// Far longer than any run of these tests takes; one that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// Far longer than anything takes that is not a run.
pub const SOON: Duration = Duration::from_secs(30);

/// The program under test.
pub const HOTSPEC: &str = env!("CARGO_BIN_EXE_hotspec");

/// Shared by what has others beside it, and held by what has to have the machine for itself.
static MACHINE: RwLock<()> = RwLock::new(());

/// Runs the cases, so many at a time unless the command line says otherwise.
pub fn run_trials(at_once: usize, trials: Vec<Trial>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(at_once);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether more than what is run after each change is asked for.
pub fn all_are_asked() -> bool {
    is_set("HOTSPEC_THOROUGH") || is_set("HOTSPEC_WHOLE")
}

/// A case that says what others say as well, or takes its time: left out of what is run after each change, unless
/// `HOTSPEC_THOROUGH=1` asks for it, or the command line names cases. One that lacks its program stays left out.
pub fn thorough(trial: Trial) -> Trial {
    unless(all_are_asked() || Arguments::from_args().filter.is_some(), trial)
}

/// A case that takes long: left out unless `HOTSPEC_WHOLE=1` asks for it. One that lacks its program stays left out.
pub fn whole(trial: Trial) -> Trial {
    unless(is_set("HOTSPEC_WHOLE"), trial)
}

fn unless(asked: bool, trial: Trial) -> Trial {
    if asked { trial } else { trial.with_ignored_flag(true) }
}

/// Whether a variable of the environment is 1.
pub fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "1")
}

/// With others beside it.
pub fn beside_others<T>(body: impl FnOnce() -> T) -> T {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    body()
}

/// With nothing beside it: for what tells how long something takes, or was too slow with others.
pub fn alone<T>(body: impl FnOnce() -> T) -> T {
    let _held = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    body()
}

/// A case that fails by panicking.
pub fn case(name: impl Into<String>, body: impl FnOnce() + Send + 'static) -> Trial {
    free_case(&[], name, move || beside_others(body))
}

/// A case that waits until it has the machine for itself.
pub fn case_alone(
    programs: &[(&str, &str)],
    name: impl Into<String>,
    body: impl FnOnce() + Send + 'static,
) -> Trial {
    free_case(programs, name, move || alone(body))
}

/// A case that needs programs: ignored where one is missing, and the name says which. With `HOTSPEC_REQUIRE_TARGETS=1` it
/// fails instead.
pub fn case_with(
    programs: &[(&str, &str)],
    name: impl Into<String>,
    body: impl FnOnce() + Send + 'static,
) -> Trial {
    free_case(programs, name, move || beside_others(body))
}

/// The same for a case that says itself, for each of its runs, whether others may be beside it.
pub fn free_case(
    programs: &[(&str, &str)],
    name: impl Into<String>,
    body: impl FnOnce() + Send + 'static,
) -> Trial {
    let missing = programs.iter().find(|(program, _)| !is_in_path(program));
    let missing = missing.map(|(program, install)| format!("{program} not found in PATH ({install})"));
    let required = is_set("HOTSPEC_REQUIRE_TARGETS");
    let trial = match &missing {
        Some(what) if required => {
            let what = format!("{what}, and HOTSPEC_REQUIRE_TARGETS=1");
            return Trial::test(name, move || Err(what.into()));
        }
        _ => Trial::test(name, move || {
            body();
            Ok(())
        }),
    };
    match missing {
        Some(what) => trial.with_kind(what).with_ignored_flag(true),
        None => trial,
    }
}

/// Those of one file, which can be asked for by `'[FILE]'`.
pub fn of(file: &str, trials: Vec<Trial>) -> impl Iterator<Item = Trial> {
    trials.into_iter().map(move |trial| {
        let kind = [file, trial.kind()].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>();
        let kind = kind.join(": ");
        trial.with_kind(kind)
    })
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// What Python cases need.
pub const PYTHON: (&str, &str) = ("python3", "apt-get install python3");

/// `hotspec` with these arguments, away from any project's and any user's own directories.
pub fn hotspec<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(HOTSPEC);
    command.args(arguments).env_remove("CARGO_TARGET_DIR").env("NO_COLOR", "1").timeout(PATIENCE);
    command
}

/// A run that came to its end.
pub struct Run {
    /// Its exit status; none if it had to be killed.
    pub status: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// The JSON report as it was written.
    pub json: String,
    /// The same, read.
    pub results: Results,
    /// The directory it was stored in.
    pub dir: PathBuf,
    temp: TempDir,
}

/// `hotspec run` with these arguments, up to its end, with a run directory of its own.
///
/// # Panics
/// It wrote no report, or one that is not as the published schema says.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    let temp = tempdir();
    let (dir, report) = (temp.path().join("run"), temp.path().join("report.json"));
    let mut command = hotspec(["run", "--run-dir"]);
    command.arg(&dir).arg("--report").arg(format!("json={}", report.display())).args(arguments);
    let begun = Instant::now();
    let output = command.output().expect("hotspec starts");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let json = std::fs::read_to_string(&report).unwrap_or_default();
    let results = serde_json::from_str(&json).unwrap_or_else(|error| {
        panic!("no report after {:?}: {error}; {}\n{stdout}\n{stderr}", begun.elapsed(), output.status)
    });
    schema::report().holds(&json);
    Run { status: output.status.code(), stdout, stderr, json, results, dir, temp }
}

/// What was said.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A temporary directory.
pub fn tempdir() -> TempDir {
    tempfile::Builder::new().prefix("hotspec-e2e-").tempdir().expect("a temporary directory")
}

/// The JSON report, as far as the tests look at it.
#[derive(Clone, Debug, Deserialize)]
pub struct Results {
    /// The word for the whole run.
    pub verdict: String,
    /// It was broken off.
    pub interrupted: bool,
    /// What kept scenarios from being judged.
    pub problems: Vec<Problem>,
    /// What is said of each clause.
    pub clauses: Vec<ClauseSaid>,
}

/// Why a scenario was not judged.
#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    /// The scenario.
    pub scenario: String,
    /// start, control or harness.
    pub stage: String,
    /// A sentence or two.
    pub message: String,
}

/// What is said of one clause.
#[derive(Clone, Debug, Deserialize)]
pub struct ClauseSaid {
    /// Its id.
    pub id: String,
    /// MUST or SHOULD.
    pub level: String,
    /// pass, fail, ….
    pub verdict: String,
    /// How often it was put to the test.
    pub exercised: u64,
    /// What broke it.
    pub violations: Vec<serde_json::Value>,
    /// Why it is no pass, where that is no violation.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Scenarios that left it open.
    #[serde(default)]
    pub undecided_in: Vec<String>,
}

impl Results {
    /// Ids and words of all clauses that are built.
    pub fn verdicts(&self) -> BTreeMap<&str, &str> {
        let built = self.clauses.iter().filter(|clause| clause.verdict != "planned");
        built.map(|clause| (clause.id.as_str(), clause.verdict.as_str())).collect()
    }

    /// What is said of one clause.
    pub fn said_of(&self, id: &str) -> Option<&ClauseSaid> {
        self.clauses.iter().find(|clause| clause.id == id)
    }

    /// Whether the clause failed.
    pub fn fails(&self, id: &str) -> bool {
        self.said_of(id).is_some_and(|clause| clause.verdict == "fail")
    }

    /// Ids of the clauses that could not be decided.
    pub fn inconclusive(&self) -> impl Iterator<Item = &str> {
        let undecided = self.clauses.iter().filter(|clause| clause.verdict == "inconclusive");
        undecided.map(|clause| clause.id.as_str())
    }

    /// Ids of the clauses of this level that failed.
    pub fn failed(&self, level: &str) -> Vec<&str> {
        let failed = self.clauses.iter().filter(|clause| clause.verdict == "fail" && clause.level == level);
        failed.map(|clause| clause.id.as_str()).collect()
    }
}

impl Run {
    /// Removes what was stored. For a run that a static holds, since statics are never dropped.
    pub fn remove(&self) {
        let _ = std::fs::remove_dir_all(self.temp.path());
    }

    /// Asserts the exit status.
    ///
    /// # Panics
    /// It is another one; then with all that was said.
    pub fn exits(&self, status: i32) -> &Self {
        assert_eq!(self.status, Some(status), "exit status; it said:\n{}{}", self.stdout, self.stderr);
        self
    }
}

/// A thread of this name is to panic, which is nothing to tell anybody.
const TO_PANIC: &str = "to panic";

/// Keeps quiet about panics that [`panic_of`] waits for.
pub fn pass_over_wanted_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(TO_PANIC) {
            tell(panic);
        }
    }));
}

/// The message with which this panics.
///
/// # Panics
/// It does not.
pub fn panic_of(body: impl FnOnce() + Send) -> String {
    let thread = std::thread::Builder::new().name(TO_PANIC.to_owned());
    let ended = std::thread::scope(|scope| thread.spawn_scoped(scope, body).expect("a thread").join());
    let said = ended.expect_err("it did not panic");
    *said.downcast::<String>().expect("a message that was put together")
}

/// Looks again and again at what gives no event.
///
/// # Panics
/// It did not come.
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {within:?}");
        // What is looked at is /proc or a file that grows: this is the pace of looking, not a wait.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A program that was built beside `hotspec`.
///
/// # Panics
/// It is not there: then with what to type.
pub fn built(name: &str, how: &str) -> PathBuf {
    let beside = Path::new(HOTSPEC).parent().expect("a directory").join(name);
    assert!(beside.is_file(), "{} is not there; `{how}` builds it", beside.display());
    beside
}

/// The complete lines of a history that is being written.
pub fn history_lines(run_dir: &Path, scenario: &str) -> Vec<String> {
    let path = run_dir.join("history").join(format!("{scenario}.ndjson"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    complete.lines().map(str::to_owned).collect()
}
