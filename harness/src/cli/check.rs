//! `hotspec check`: judges a stored run again.

use super::args::CheckArgs;
use super::baseline::Baseline;
use super::present;
use crate::exit::Failure;

/// Judges a stored run.
///
/// # Errors
/// No run, or one that can't be read.
pub(super) fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let judged = present::judge(&args.run_dir)?;
    let baseline =
        args.baseline.as_deref().map(|path| Baseline::read(path, judged.result.profile)).transpose()?;
    let sinks = present::open(&args.report)?;
    judged.tell(&args.run_dir, sinks, baseline.as_ref())
}
