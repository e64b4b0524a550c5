//! `hotspec matrix`: many targets, each run several times, in one table.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::args::MatrixArgs;
use super::{interrupt, pool, present, typed};
use crate::clause::matrix::{Matrix, Row};
use crate::clause::result::{RunResult, RunVerdict, Verdict};
use crate::declaration::Span;
use crate::exit::{self, Failure};
use crate::manifest::Typed;
use crate::report::style::clean;
use crate::report::{json, matrix as report};
use crate::run::judged::RESULTS;
use crate::run::run_dir;
use crate::run::session::Session;
use crate::scenario::file::Tag;
use crate::target::builtin as targets;
use crate::target::file::Target;
use crate::witness::processors;

/// Runs of each target unless the command line says otherwise …
const PASSES: u32 = 3;
/// … and where all is to be known.
const PASSES_DEEP: u32 = 20;
/// A run for so many processors at the same time: with more of them servers that start slowly were seen to be too slow for their
/// limits, and what could not be decided was attempted again, which took longer than it saved.
const PROCESSORS_FOR_ONE: usize = 2;
/// What a run's target was, beside the run.
const FINGERPRINT: &str = "target.xxh3";
/// Say where a run is stored, and how many there are at the same time, which is no part of what is asked.
const RUN_DIR: &str = "--run-dir";
const BESIDE: &str = "--beside";

/// Runs what is not there yet, and tells the table.
///
/// # Errors
/// A target that there is not, or a file that can't be written. What becomes of the targets is in the table.
pub(super) fn matrix(args: &MatrixArgs) -> Result<u8, Failure> {
    let chosen = chosen(&args.targets)?;
    let program = std::env::current_exe().map_err(Failure::own)?;
    fs::create_dir_all(&args.out).map_err(|error| cant_write(&args.out, &error))?;
    let run = Run { args, program: &program, passes: passes(args) };
    let (table, waiting) = run.stored(&chosen);
    // It can be written: told before an hour is spent.
    run.write(&table)?;
    let session = interrupt::session(1)?;
    let table = run.all(waiting, table, &session)?;
    present::print(&report::text(&table, present::width(), present::colour()))?;
    Ok(if session.is_broken_off() { exit::INTERRUPTED } else { status(&table) })
}

/// A target and the word by which a run is told of it.
struct Chosen {
    word: String,
    target: Target,
}

impl Chosen {
    /// Another one for any change of what its file says.
    fn fingerprint(&self) -> String {
        format!("{:016x}\n", xxhash_rust::xxh3::xxh3_64(format!("{:?}", self.target).as_bytes()))
    }
}

fn chosen(words: &[String]) -> Result<Vec<Chosen>, Failure> {
    let found = |word: &String| {
        let target = targets::find(word).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Chosen { word: word.clone(), target })
    };
    if !words.is_empty() {
        let chosen = words.iter().map(found).collect::<Result<Vec<Chosen>, Failure>>()?;
        let mut names = BTreeSet::new();
        if let Some(twice) = chosen.iter().map(|one| &one.target.name).find(|name| !names.insert(*name)) {
            return Err(Failure::usage(format!("two of these targets are named `{twice}`; name each once")));
        }
        return Ok(chosen);
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
struct Pass<'a> {
    target: &'a Chosen,
    /// Of the table.
    row: usize,
    number: u32,
}

impl Pass<'_> {
    /// Its directory, below that of all.
    fn dir(&self) -> String {
        format!("{}/run-{:03}", self.target.target.name, self.number)
    }
}

/// The table so far, how many runs were made for it, and what keeps it from being written.
struct Progress {
    table: Matrix,
    done: usize,
    trouble: Option<Failure>,
}

struct Run<'a> {
    args: &'a MatrixArgs,
    program: &'a Path,
    passes: u32,
}

impl Run<'_> {
    /// The table of what is stored, and the runs that are still to be made: the first of each target before the second.
    fn stored<'c>(&self, chosen: &'c [Chosen]) -> (Matrix, Vec<Pass<'c>>) {
        let (mut table, mut waiting) = (Matrix::new(), Vec::new());
        for (row, target) in chosen.iter().enumerate() {
            let Target { name, title, profile, .. } = &target.target;
            table.rows.push(Row::new(name, title, *profile));
            let missing = targets::missing(&target.target);
            for number in 1..=self.passes {
                let pass = Pass { target, row, number };
                // What could not be judged may be judged now.
                let judged =
                    |result: &RunResult| !matches!(result.verdict, RunVerdict::Invalid | RunVerdict::Error);
                match self.result(&pass).filter(judged) {
                    Some(result) => table.rows[row].add(&result, &pass.dir()),
                    None if missing.is_none() => waiting.push(pass),
                    None => {}
                }
            }
            table.rows[row].troubles.extend(missing);
        }
        waiting.sort_by_key(|pass| pass.number);
        (table, waiting)
    }

    /// What came of a run, if it is stored, was made by this version of the same target, and was asked for in the same words.
    fn result(&self, pass: &Pass<'_>) -> Option<RunResult> {
        let dir = self.args.out.join(pass.dir());
        let of = fs::read_to_string(dir.join(FINGERPRINT)).ok()?;
        if of != pass.target.fingerprint() {
            return None;
        }
        let text = fs::read_to_string(dir.join(RESULTS)).ok()?;
        let result: RunResult = serde_json::from_str(&text).ok()?;
        let words = [self.program.as_os_str().to_owned()].into_iter().chain(self.words(pass));
        let asked = typed::take_apart(words);
        let same = |typed: &Typed| {
            let apart = |typed: &Typed| -> Vec<Vec<String>> {
                typed
                    .options
                    .iter()
                    .filter(|words| words.first().is_none_or(|word| word != RUN_DIR && word != BESIDE))
                    .cloned()
                    .collect()
            };
            typed.selectors == asked.selectors && apart(typed) == apart(&asked)
        };
        let of_this = result.hotspec == env!("CARGO_PKG_VERSION") && result.typed.as_ref().is_some_and(same);
        (of_this && !result.interrupted).then_some(result)
    }

    /// Runs at the same time.
    fn at_once(&self) -> usize {
        let few = || processors::available().div_ceil(PROCESSORS_FOR_ONE);
        self.args.jobs.map_or_else(few, usize::from)
    }

    /// What is typed for a run.
    fn words(&self, pass: &Pass<'_>) -> Vec<OsString> {
        let mut words: Vec<OsString> = ["run", "--target", &pass.target.word, RUN_DIR].map(Into::into).into();
        words.push(self.args.out.join(pass.dir()).into());
        words.extend([BESIDE.into(), self.at_once().to_string().into()]);
        match (self.args.deep, self.args.only.is_empty()) {
            (true, _) => words.push("--all".into()),
            (false, true) => words.push(Tag::Core.as_str().into()),
            (false, false) => {}
        }
        words.extend(self.args.only.iter().map(Into::into));
        words
    }

    /// Makes all of these runs, several at a time; the table is written anew after each.
    fn all(&self, waiting: Vec<Pass<'_>>, table: Matrix, session: &Session) -> Result<Matrix, Failure> {
        let wanted = waiting.len();
        let progress = Mutex::new(Progress { table, done: 0, trouble: None });
        let so_far = || progress.lock().unwrap_or_else(PoisonError::into_inner);
        pool::each(waiting, self.at_once(), |pass| {
            if session.is_broken_off() || so_far().trouble.is_some() {
                return;
            }
            let begun = Instant::now();
            let made = self.make(&pass);
            let mut progress = so_far();
            progress.done += 1;
            self.tell(&pass, made.as_ref().map(|result| result.verdict), begun, (progress.done, wanted));
            if let Ok(result) = made {
                progress.table.rows[pass.row].add(&result, &pass.dir());
            }
            progress.trouble = self.write(&progress.table).err();
        });
        let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        progress.trouble.map_or(Ok(progress.table), Err)
    }

    /// One run, by the program itself: whatever becomes of it, the others go on. Says why there is no result, if so.
    fn make(&self, pass: &Pass<'_>) -> Result<RunResult, String> {
        let dir = self.args.out.join(pass.dir());
        // What is left of one that did not come to its end, or was asked for otherwise.
        if dir.join("manifest.json").exists() {
            fs::remove_dir_all(&dir)
                .map_err(|error| format!("failed to remove {}: {error}", dir.display()))?;
        }
        let mut command = Command::new(self.program);
        command.args(self.words(pass)).stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        if dir.join(RESULTS).exists() {
            run_dir::replace(&dir.join(FINGERPRINT), &pass.target.fingerprint())
                .map_err(|error| format!("failed to write {FINGERPRINT}: {error}"))?;
        }
        let why = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        self.result(pass).ok_or_else(|| format!("{}: {why}", output.status))
    }

    fn tell(
        &self,
        pass: &Pass<'_>,
        made: Result<RunVerdict, &String>,
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
        exit::say(&format!("{done}/{wanted} {name} {}/{}: {word} ({took})", pass.number, self.passes));
    }

    fn write(&self, table: &Matrix) -> Result<(), Failure> {
        let machine = machine();
        let markdown = report::markdown(table, &machine);
        let at = |name: &str| self.args.out.join(name);
        let mut pages = vec![
            (at("matrix.json"), json::matrix(table).map_err(Failure::own)?),
            (at("matrix.html"), report::html(table, &machine)),
        ];
        if let Some(path) = &self.args.markdown {
            pages.push((path.clone(), page_with(path, table, &machine)?));
        }
        pages.push((at("matrix.md"), markdown));
        for (path, text) in pages {
            run_dir::replace(&path, &text).map_err(|error| cant_write(&path, &error))?;
        }
        Ok(())
    }
}

/// A page of somebody's own keeps all but what stands between the marks.
fn page_with(path: &Path, table: &Matrix, machine: &str) -> Result<String, Failure> {
    let there = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    };
    let there = there.map_err(|error| cant_write(path, &error))?;
    report::into_markdown(&there, table, machine).ok_or_else(|| {
        let (begin, end) = (report::BEGIN, report::END);
        Failure::usage(format!(
            "{} is a page of somebody's own and has no lines `{begin}` and `{end}`; add them where the table is to stand, or name another file",
            path.display()
        ))
    })
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
