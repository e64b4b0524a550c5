//! `hotspec check`: judges a stored run again.

use super::args::CheckArgs;
use super::present;
use super::sinks::Sinks;
use crate::exit::{self, Failure};
use crate::manifest::Manifest;
use crate::run::baseline::Baseline;
use crate::run::judged;
use crate::run::run_dir::MANIFEST;

/// Judges a stored run.
///
/// # Errors
/// No run, or one that can't be read.
pub(super) fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let judged = judged::judge(&args.run_dir)?;
    let baseline =
        args.baseline.as_deref().map(|path| Baseline::read(path, judged.result.profile)).transpose()?;
    let mut sinks = Sinks::open(&args.report)?;
    let manifest = Manifest::read(&args.run_dir.join(MANIFEST));
    sinks.begin(&manifest.map_err(|error| Failure::new(exit::BAD_FILE, error))?, &args.run_dir);
    present::tell(&judged, &args.run_dir, sinks, baseline.as_ref())
}
