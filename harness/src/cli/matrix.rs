//! `hotspec matrix`: many targets, each run several times, in one table.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::args::MatrixArgs;
use super::present::{self, RESULTS};
use super::session::Session;
use crate::clause::matrix::{Matrix, Row};
use crate::clause::result::{RunResult, RunVerdict, Verdict};
use crate::declaration::Span;
use crate::exit::{self, Failure};
use crate::report::matrix as report;
use crate::report::style::clean;
use crate::target::builtin as targets;
use crate::target::file::Target;
use crate::witness::processors;

/// Runs of each target unless the command line says otherwise …
const PASSES: u32 = 3;
/// … and where all is to be known.
const PASSES_DEEP: u32 = 20;
/// Runs at the same time, for each processor: each begins its scenarios as fast as there is a processor for them.
const AT_ONCE: usize = 2;

/// Runs what is not there yet, and tells the table.
///
/// # Errors
/// A target that there is not, or a file that can't be written. What becomes of the targets is in the table.
pub(super) fn matrix(args: &MatrixArgs) -> Result<u8, Failure> {
    let chosen = chosen(&args.targets)?;
    let program = std::env::current_exe().map_err(Failure::own)?;
    fs::create_dir_all(&args.out).map_err(|error| cant_write(&args.out, &error))?;
    let run = Run { args, program: &program, passes: passes(args) };
    let waiting: VecDeque<Pass<'_>> = (1..=run.passes)
        .flat_map(|number| chosen.iter().map(move |target| Pass { target, number }))
        .filter(|pass| targets::missing(&pass.target.target).is_none() && run.stored(pass).is_none())
        .collect();
    // The table can be written: told before an hour is spent.
    run.write(&run.table(&chosen))?;
    let session = Session::begin()?;
    run.all(waiting, &chosen, &session)?;
    let table = run.table(&chosen);
    run.write(&table)?;
    present::print(&report::text(&table, present::width(), present::colour()));
    Ok(if session.is_broken_off() { exit::INTERRUPTED } else { status(&table) })
}

/// A target and the word by which a run is told of it.
struct Chosen {
    word: String,
    target: Target,
}

fn chosen(words: &[String]) -> Result<Vec<Chosen>, Failure> {
    let found = |word: &String| {
        let target = targets::find(word).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Chosen { word: word.clone(), target })
    };
    if !words.is_empty() {
        return words.iter().map(found).collect();
    }
    let all = targets::targets().map_err(Failure::own)?.into_iter();
    Ok(all.map(|target| Chosen { word: target.name.clone(), target }).collect())
}

fn passes(args: &MatrixArgs) -> u32 {
    args.runs.unwrap_or(if args.deep { PASSES_DEEP } else { PASSES })
}

/// The worst that the table shows.
fn status(table: &Matrix) -> u8 {
    let words = || table.rows.iter().flat_map(|row| row.cells.values().map(|cell| cell.word(row.runs).0));
    if words().any(|verdict| verdict == Verdict::Fail) {
        exit::BREAKS
    } else if words().any(|verdict| verdict == Verdict::Inconclusive)
        || table.rows.iter().any(|row| row.runs == 0)
    {
        exit::INCONCLUSIVE
    } else {
        exit::CONFORMS
    }
}

/// One run of one target.
#[derive(Clone, Copy)]
struct Pass<'a> {
    target: &'a Chosen,
    number: u32,
}

struct Run<'a> {
    args: &'a MatrixArgs,
    program: &'a Path,
    passes: u32,
}

impl Run<'_> {
    fn dir(&self, pass: &Pass<'_>) -> PathBuf {
        self.args.out.join(&pass.target.target.name).join(format!("run-{:03}", pass.number))
    }

    /// What came of a run, if it is stored and was made by this version.
    fn stored(&self, pass: &Pass<'_>) -> Option<RunResult> {
        let text = fs::read_to_string(self.dir(pass).join(RESULTS)).ok()?;
        let result: RunResult = serde_json::from_str(&text).ok()?;
        (result.hotspec == env!("CARGO_PKG_VERSION") && !result.interrupted).then_some(result)
    }

    /// Makes all of these runs, several at a time; the table is written anew after each.
    fn all(&self, waiting: VecDeque<Pass<'_>>, chosen: &[Chosen], session: &Session) -> Result<(), Failure> {
        let wanted = waiting.len();
        let waiting = Mutex::new((waiting, 0));
        let trouble = Mutex::new(None);
        let at_once = self.args.jobs.map_or(AT_ONCE * processors::available(), usize::from);
        let next = || {
            let mut queue = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            queue.0.pop_front().filter(|_| !session.is_broken_off())
        };
        let one = || {
            while let Some(pass) = next() {
                let begun = Instant::now();
                let made = self.make(&pass);
                let mut queue = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                queue.1 += 1;
                self.tell(&pass, made.as_ref(), begun, (queue.1, wanted));
                if let Err(failure) = self.write(&self.table(chosen)) {
                    queue.0.clear();
                    *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..at_once.min(wanted) {
                scope.spawn(one);
            }
        });
        trouble.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// One run, by the program itself: whatever becomes of it, the others go on. Says why there is no result, if so.
    fn make(&self, pass: &Pass<'_>) -> Result<RunVerdict, String> {
        let dir = self.dir(pass);
        // What is left of one that did not come to its end.
        if dir.join("manifest.json").exists() {
            fs::remove_dir_all(&dir)
                .map_err(|error| format!("failed to remove {}: {error}", dir.display()))?;
        }
        let mut command = Command::new(self.program);
        command.args(["run", "--target", &pass.target.word, "--run-dir"]).arg(&dir);
        if self.args.deep {
            command.arg("--all");
        } else if self.args.only.is_empty() {
            command.args(["--exclude", "failure", "--exclude", "repeat"]);
        }
        command.args(&self.args.only).stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        self.stored(pass).map(|result| result.verdict).ok_or_else(|| format!("{}: {why}", output.status))
    }

    fn tell(
        &self,
        pass: &Pass<'_>,
        made: Result<&RunVerdict, &String>,
        begun: Instant,
        (done, wanted): (usize, usize),
    ) {
        let took = Span(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        let word = match made {
            Ok(RunVerdict::Pass) => "pass".to_owned(),
            Ok(RunVerdict::Fail) => "fail".to_owned(),
            Ok(RunVerdict::Inconclusive) => "inconclusive".to_owned(),
            Ok(RunVerdict::Invalid) => "did not start, or fails without a restart".to_owned(),
            Ok(RunVerdict::Error) => "hotspec's own fault".to_owned(),
            Err(why) => format!("no result: {}", clean(why)),
        };
        let name = clean(&pass.target.target.name);
        anstream::eprintln!("{done}/{wanted} {name} {}/{}: {word} ({took})", pass.number, self.passes);
    }

    /// Of all that is stored.
    fn table(&self, chosen: &[Chosen]) -> Matrix {
        let mut matrix = Matrix::new();
        for target in chosen {
            let Target { name, title, profile, .. } = &target.target;
            let mut row = Row::new(name, title, *profile);
            if let Some(missing) = targets::missing(&target.target) {
                row.troubles.push(missing);
            }
            for number in 1..=self.passes {
                let pass = Pass { target, number };
                if let Some(result) = self.stored(&pass) {
                    row.add(&result, &format!("{name}/run-{number:03}"));
                }
            }
            matrix.rows.push(row);
        }
        matrix
    }

    fn write(&self, table: &Matrix) -> Result<(), Failure> {
        let machine = machine();
        let json = serde_json::to_string_pretty(table).map_err(Failure::own)?;
        let pages = [
            (Some(self.args.out.join("matrix.json")), json),
            (Some(self.args.out.join("matrix.md")), report::markdown(table, &machine)),
            (Some(self.args.out.join("matrix.html")), report::html(table, &machine)),
            (self.args.markdown.clone(), report::markdown(table, &machine)),
        ];
        for (path, text) in pages {
            let Some(path) = path else { continue };
            // Beside its place and renamed, so that it is always whole.
            let beside = path.with_extension("part");
            let stored = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &path));
            stored.map_err(|error| cant_write(&path, &error))?;
        }
        Ok(())
    }
}

fn cant_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("failed to write {}: {error}; name another place", path.display()))
}

/// Where the runs were made, in half a sentence.
fn machine() -> String {
    let system = nix::sys::utsname::uname();
    let release =
        system.as_ref().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let many = crate::report::style::count(processors::available(), "processor", "processors");
    format!("on Linux {release} with {many}")
}
