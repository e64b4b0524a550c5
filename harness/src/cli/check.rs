//! `hotspec check`: judges a stored run again.

use super::args::CheckArgs;
use super::baseline::Baseline;
use super::present;
use super::sinks::Sinks;
use crate::exit::{self, Failure};
use crate::manifest::Manifest;

/// Judges a stored run.
///
/// # Errors
/// No run, or one that can't be read.
pub(super) fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let judged = present::judge(&args.run_dir)?;
    let baseline =
        args.baseline.as_deref().map(|path| Baseline::read(path, judged.result.profile)).transpose()?;
    let mut sinks = Sinks::open(&args.report)?;
    let manifest = Manifest::read(&args.run_dir.join("manifest.json"));
    sinks.begin(&manifest.map_err(|error| Failure::new(exit::BAD_FILE, error))?, &args.run_dir);
    judged.tell(&args.run_dir, sinks, baseline.as_ref())
}
