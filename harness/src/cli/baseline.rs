//! `hotspec diff`: results beside earlier ones.

use super::args::{DiffArgs, DiffFormat};
use super::present;
use crate::clause::compare::Comparison;
use crate::exit::Failure;
use crate::report;
use crate::run::baseline::{self, Baseline};

/// Tells what got worse and what got better from one run to another.
///
/// # Errors
/// A file that can't be read, or runs that can't be compared.
pub(super) fn diff(args: &DiffArgs) -> Result<u8, Failure> {
    let now = baseline::read(&args.now)?;
    let before = Baseline::read(&args.before, now.profile)?;
    let comparison = Comparison::of(&before.result, &now, args.level);
    let text = match args.format {
        DiffFormat::Table => {
            report::compare::render(&comparison, &before.name, present::width(), present::colour())
        }
        DiffFormat::Json => report::json::comparison(&comparison).map_err(Failure::own)?,
    };
    present::print(&text)?;
    Ok(comparison.status(&now))
}
