//! `hotspec check`: judges a stored run again.

use super::args::CheckArgs;
use super::present;
use crate::exit::Failure;

/// Judges a stored run.
///
/// # Errors
/// No run, or one that can't be read.
pub(super) fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let sinks = present::open(&args.report)?;
    present::judge(&args.run_dir)?.tell(&args.run_dir, sinks)
}
