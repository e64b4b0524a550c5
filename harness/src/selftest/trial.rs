//! One run of the server with a fault, by the program itself, and what came of it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::VERB;
use super::faults::{Entry, FAULTLESS, FAULTS};
use crate::clause::result::{ClauseResult, RunResult, RunVerdict, Verdict};

/// What this machine shows of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The clause that is about it fails; of the server without a fault: everything holds.
    Seen,
    /// The clause passes; of the server without a fault: this fails.
    Missed(String),
    /// It could not be decided, and why.
    Undecided(String),
    /// This machine withholds the witness that the clause needs.
    Withheld(String),
}

/// What came of one trial.
pub struct Trial {
    /// What was said of the fault.
    pub outcome: Outcome,
    /// The witnesses that there were.
    pub evidence: Vec<String>,
}

/// How every trial is run.
pub struct Runner<'a> {
    /// The program itself.
    pub program: &'a Path,
    /// `auto`, `net` or `none`.
    pub isolation: &'a str,
    /// A directory for what is left of the runs.
    pub scratch: &'a Path,
}

impl Runner<'_> {
    /// The server with this fault, or without one.
    ///
    /// # Errors
    /// The program could not be run, or left no result.
    pub fn trial(&self, entry: Option<&Entry>) -> io::Result<Trial> {
        entry.map_or_else(|| self.faultless(), |entry| self.fault(entry))
    }

    /// The server with a fault, through the scenario that is about it.
    fn fault(&self, entry: &Entry) -> io::Result<Trial> {
        let run = self.run(entry.name, &[entry.scenario])?;
        let clause = run.clauses.iter().find(|clause| clause.id == entry.clause);
        Ok(Trial { outcome: of_fault(&run, clause), evidence: run.evidence })
    }

    /// The server without one, through all of them.
    fn faultless(&self) -> io::Result<Trial> {
        let mut scenarios: Vec<&str> = FAULTS.iter().map(|entry| entry.scenario).collect();
        scenarios.sort_unstable();
        scenarios.dedup();
        let run = self.run(FAULTLESS, &scenarios)?;
        Ok(Trial { outcome: of_faultless(&run), evidence: run.evidence })
    }

    fn run(&self, fault: &str, scenarios: &[&str]) -> io::Result<RunResult> {
        // Of its own: it may be one more try.
        let dir = tempfile::Builder::new().prefix(fault).tempdir_in(self.scratch)?;
        let report = dir.path().join("report.json");
        let output = Command::new(self.program)
            .arg("run")
            .args(scenarios)
            .args(["--profile", "falcore", "--idle-max", "3s", "--slow-path", "/slow?ms={ms}"])
            .args(["--socket-flag", "--socket", "--isolation", self.isolation, "--run-dir"])
            .arg(dir.path().join("run"))
            .arg("--report")
            .arg(format!("json={}", report.display()))
            .arg("--")
            .arg(self.program)
            .args([VERB, fault, "--listen", "{address}"])
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::null())
            .output()?;
        let text = fs::read_to_string(&report).unwrap_or_default();
        serde_json::from_str(&text).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or("it said nothing").to_owned();
            io::Error::other(format!("the run with fault {fault} left no result ({}): {said}", output.status))
        })
    }
}

fn of_fault(run: &RunResult, clause: Option<&ClauseResult>) -> Outcome {
    if let Some(problem) = run.problems.first() {
        return Outcome::Undecided(problem.message.clone());
    }
    let Some(clause) = clause else { return Outcome::Undecided("it was not judged".to_owned()) };
    let why = || clause.reasons.join("; ");
    match clause.verdict {
        Verdict::Fail => Outcome::Seen,
        Verdict::NoEvidence | Verdict::Unsupported => Outcome::Withheld(why()),
        Verdict::Pass | Verdict::Known | Verdict::Planned => {
            Outcome::Missed(format!("put to the test {} times, and it held", clause.exercised))
        }
        Verdict::Inconclusive | Verdict::Error => Outcome::Undecided(why()),
    }
}

fn of_faultless(run: &RunResult) -> Outcome {
    if let Some(problem) = run.problems.first() {
        return Outcome::Undecided(problem.message.clone());
    }
    let with = |verdict: Verdict| run.clauses.iter().filter(move |clause| clause.verdict == verdict);
    match run.verdict {
        RunVerdict::Pass => Outcome::Seen,
        RunVerdict::Fail => {
            let failed: Vec<&str> = with(Verdict::Fail).map(|clause| clause.id.as_str()).collect();
            Outcome::Missed(format!("a false alarm: {}", failed.join(", ")))
        }
        RunVerdict::Inconclusive | RunVerdict::Error | RunVerdict::Invalid => {
            let open = with(Verdict::Inconclusive).chain(with(Verdict::Error));
            let open: Vec<String> =
                open.map(|clause| format!("{} ({})", clause.id, clause.reasons.join("; "))).collect();
            Outcome::Undecided(open.join(", "))
        }
    }
}
