//! `hotspec merge`: the parts of a run that was divided among machines, judged as the one run that they are.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::args::ReportArg;
use super::present;
use super::sinks::Sinks;
use crate::exit::{self, Failure};
use crate::manifest::{Manifest, Shard};
use crate::run::baseline::Baseline;
use crate::run::judged;
use crate::run::run_dir::{Files, MANIFEST, RunDir};

/// What may differ from part to part: what each machine is, and what each part has of the whole.
const OWN: [&str; 8] =
    ["isolation", "isolation_why", "kernel", "typed", "found", "scenarios", "clauses", "shard"];
/// From the weakest to the strongest.
const ISOLATIONS: [&str; 3] = ["none", "net", "full"];

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The run directories of all parts: manifest.json, history/, output/ and packets/ are needed of each
    #[arg(value_name = "RUN-DIR", required = true)]
    dirs: Vec<PathBuf>,
    /// Where the whole is stored [default: a new directory under target/ or the user's state directory]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Also write a report, to a file or (default) to standard output, in the formats of `hotspec run`
    #[arg(long, value_name = "FORMAT[=PATH]")]
    report: Vec<ReportArg>,
    /// Results of an earlier run (`--report json=FILE`, or its directory): fail only by what got worse since
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Judges all parts as one run, and stores that.
///
/// # Errors
/// A directory that holds no run, or parts that don't belong together.
pub(super) fn merge(args: &MergeArgs) -> Result<u8, Failure> {
    let parts = args.dirs.iter().map(|dir| Part::read(dir)).collect::<Result<Vec<_>, _>>()?;
    let manifest = whole(&parts)?;
    let baseline = args.baseline.as_deref().map(|path| Baseline::read(path, manifest.profile)).transpose()?;
    let mut sinks = Sinks::open(&args.report)?;
    let run_dir = RunDir::create(args.run_dir.as_deref())?;
    let text = serde_json::to_string_pretty(&manifest).map_err(Failure::own)?;
    let path = run_dir.path.join(MANIFEST);
    fs::write(&path, text).map_err(|error| cant_copy(&path, &error))?;
    parts.iter().try_for_each(|part| part.copy_to(&run_dir.path))?;
    sinks.begin(&manifest, &run_dir.path);
    let judged = judged::judge(&run_dir.path).inspect_err(|failure| sinks.fail(failure))?;
    present::tell(&judged, &run_dir.path, sinks, baseline.as_ref())
}

/// A part as it was stored.
struct Part<'a> {
    dir: &'a Path,
    manifest: Manifest,
    shard: Shard,
}

impl<'a> Part<'a> {
    fn read(dir: &'a Path) -> Result<Self, Failure> {
        let manifest =
            Manifest::read(&dir.join(MANIFEST)).map_err(|error| Failure::new(exit::BAD_FILE, error))?;
        let Some(shard) = manifest.shard.clone() else {
            return Err(Failure::usage(format!(
                "expected parts of a run, made by `hotspec run --shard I/N`; {} holds a whole one",
                dir.display()
            )));
        };
        Ok(Self { dir, manifest, shard })
    }

    /// What each attempt left behind: the history, what the target wrote, packets.
    fn copy_to(&self, run: &Path) -> Result<(), Failure> {
        for entry in &self.manifest.scenarios {
            for made in Files::made(self.dir, &entry.name) {
                let new = Files::next(run, &entry.name);
                // The history comes last: by it the next one is counted.
                for (from, to) in [
                    (&made.output, &new.output),
                    (&made.packets, &new.packets),
                    (&made.history, &new.history),
                ] {
                    if from.exists() {
                        fs::copy(from, to).map_err(|error| cant_copy(from, &error))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn cant_copy(path: &Path, error: &std::io::Error) -> Failure {
    Failure::own(format!("failed to store {}: {error}", path.display()))
}

/// The manifest of the run that these are the parts of.
fn whole(parts: &[Part<'_>]) -> Result<Manifest, Failure> {
    let [first, others @ ..] = parts else {
        return Err(Failure::usage("expected the parts of a run, found none"));
    };
    others.iter().try_for_each(|other| same_run(first, other))?;
    each_once(parts)?;
    let mut manifest = first.manifest.clone();
    manifest.scenarios.clear();
    for name in &first.shard.scenarios {
        let entries: Vec<_> = parts
            .iter()
            .flat_map(|part| &part.manifest.scenarios)
            .filter(|entry| entry.name == *name)
            .collect();
        let [entry] = entries[..] else {
            return Err(Failure::new(
                exit::BAD_FILE,
                format!(
                    "expected scenario {name} in one of the parts, found it in {}: a manifest was changed",
                    entries.len()
                ),
            ));
        };
        manifest.scenarios.push(entry.clone());
    }
    manifest.clauses.clone_from(&first.shard.clauses);
    manifest.shard = None;
    if let Some(typed) = &mut manifest.typed {
        typed.options.retain(|option| option.first().is_none_or(|word| !word.starts_with("--shard")));
    }
    // Of the whole only that is said which holds for every part.
    let rank = |part: &&Part<'_>| ISOLATIONS.iter().position(|known| *known == part.manifest.isolation);
    if let Some(weakest) = parts.iter().min_by_key(rank) {
        manifest.isolation.clone_from(&weakest.manifest.isolation);
        manifest.isolation_why.clone_from(&weakest.manifest.isolation_why);
    }
    let mut kernels: Vec<&str> = parts.iter().map(|part| part.manifest.kernel.as_str()).collect();
    kernels.sort_unstable();
    kernels.dedup();
    manifest.kernel = kernels.join(", ");
    Ok(manifest)
}

/// Parts of one run were made by one version, of one target, by one command line.
fn same_run(one: &Part<'_>, other: &Part<'_>) -> Result<(), Failure> {
    let differs = |what: &str, one_has: &str, other_has: &str| {
        Err(Failure::usage(format!(
            "{} and {} are not parts of one run: the {what} is {one_has} there, and {other_has} here; expected the same command line, but for --shard, and the same version on every machine",
            one.dir.display(),
            other.dir.display()
        )))
    };
    let values = |part: &Part<'_>| serde_json::to_value(&part.manifest).map_err(Failure::own);
    let (first, second) = (values(one)?, values(other)?);
    let keys = [&first, &second].into_iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    for key in keys.filter(|key| !OWN.contains(&key.as_str())) {
        let (one_has, other_has) = (&first[key], &second[key]);
        if one_has != other_has {
            let what = match key.as_str() {
                "hotspec" => "version of hotspec",
                "version" => "version of the target",
                known => known,
            };
            return differs(what, &one_has.to_string(), &other_has.to_string());
        }
    }
    let (a, b) = (&one.shard, &other.shard);
    if a.of != b.of {
        return differs("number of parts", &a.of.to_string(), &b.of.to_string());
    }
    if (&a.scenarios, &a.clauses) != (&b.scenarios, &b.clauses) {
        let told = |shard: &Shard| {
            format!("{} scenarios and {} clauses", shard.scenarios.len(), shard.clauses.len())
        };
        return differs("selection", &told(a), &told(b));
    }
    Ok(())
}

fn each_once(parts: &[Part<'_>]) -> Result<(), Failure> {
    let of = parts.first().map_or(0, |part| part.shard.of);
    let mut missing = Vec::new();
    for number in 1..=of {
        let dirs: Vec<String> = parts
            .iter()
            .filter(|part| part.shard.number == number)
            .map(|part| part.dir.display().to_string())
            .collect();
        match dirs.len() {
            0 => missing.push(number.to_string()),
            1 => {}
            _ => {
                let dirs = dirs.join(" and ");
                return Err(Failure::usage(format!(
                    "expected each part once; part {number} of {of} is in {dirs}"
                )));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let which = if missing.len() == 1 { "part" } else { "parts" };
    Err(Failure::usage(format!("expected all {of} parts; {which} {} missing", missing.join(", "))))
}
