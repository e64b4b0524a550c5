//! `hotspec selftest`: what this machine shows of faults that are known to be there.

use std::time::{Duration, Instant};

use super::args::SelftestArgs;
use super::{pool, present};
use crate::exit::{self, Failure};
use crate::report::selftest::{self as report, Row};
use crate::selftest::faults::{Entry, FAULTLESS, FAULTS};
use crate::selftest::trial::{Outcome, Runner, Trial};
use crate::witness::processors;

/// Trials at the same time, for each processor: most of them wait most of the time.
const AT_ONCE: usize = 4;
/// The same where it is tried again: what was left open was mostly too slow.
const AT_ONCE_AGAIN: usize = 1;
/// What was left open, as the machine did not run hotspec for a while, is tried once more if its turn comes within this time, so
/// that all is over after two minutes.
const AGAIN_WITHIN: Duration = Duration::from_secs(75);

/// Runs all trials, several at a time, and prints what came of them.
///
/// # Errors
/// A fault that there is not, or a run that left no result.
pub(super) fn selftest(args: &SelftestArgs) -> Result<u8, Failure> {
    if let Some(name) =
        args.faults.iter().find(|name| *name != FAULTLESS && !FAULTS.iter().any(|fault| fault.name == **name))
    {
        let names: Vec<&str> = FAULTS.iter().map(|fault| fault.name).collect();
        let names = names.join(", ");
        return Err(Failure::usage(format!("there is no fault `{name}`; there are {FAULTLESS}, {names}")));
    }
    let wanted = |name: &str| args.faults.is_empty() || args.faults.iter().any(|one| one == name);
    let program = std::env::current_exe().map_err(Failure::own)?;
    let scratch = tempfile::Builder::new().prefix("hotspec-selftest-").tempdir().map_err(Failure::own)?;
    let isolation = args.isolation.as_str();
    let runner = Runner { program: &program, isolation, scratch: scratch.path() };
    // The faultless one waits longest, so it goes first.
    let without = Some(None).filter(|_| wanted(FAULTLESS));
    let faults = FAULTS.iter().filter(|fault| wanted(fault.name)).map(Some);
    let trials: Vec<Option<&Entry>> = without.into_iter().chain(faults).collect();
    let begun = Instant::now();
    let numbers: Vec<usize> = (0..trials.len()).collect();
    let at_once = AT_ONCE * processors::available();
    let mut done = pool::each(numbers.clone(), at_once, |number| runner.trial(trials[number]))
        .into_iter()
        .collect::<Result<Vec<Trial>, _>>()
        .map_err(Failure::own)?;
    let is_open = |trial: &Trial| matches!(trial.outcome, Outcome::Undecided(_));
    let open: Vec<usize> = numbers.into_iter().filter(|number| is_open(&done[*number])).collect();
    let again = pool::each(open, AT_ONCE_AGAIN * processors::available(), |number| {
        (begun.elapsed() < AGAIN_WITHIN).then(|| (number, runner.trial(trials[number])))
    });
    for (number, trial) in again.into_iter().flatten() {
        done[number] = trial.map_err(Failure::own)?;
    }
    let evidence = done.first().map(|trial| trial.evidence.clone()).unwrap_or_default();
    let rows: Vec<Row> = trials.iter().zip(done).map(|(entry, trial)| row(*entry, trial.outcome)).collect();
    present::print(&report::page(&rows, &evidence, begun.elapsed(), present::width(), present::colour()))?;
    let any = |wanted: fn(&Outcome) -> bool| rows.iter().any(|row| wanted(&row.outcome));
    Ok(if any(|outcome| matches!(outcome, Outcome::Missed(_))) {
        exit::BREAKS
    } else if any(|outcome| matches!(outcome, Outcome::Undecided(_))) {
        exit::INCONCLUSIVE
    } else {
        exit::CONFORMS
    })
}

fn row(entry: Option<&Entry>, outcome: Outcome) -> Row {
    match entry {
        None => Row { fault: FAULTLESS, what: "gets nothing wrong", clause: None, outcome },
        Some(Entry { name, what, clause, .. }) => Row { fault: name, what, clause: Some(clause), outcome },
    }
}
