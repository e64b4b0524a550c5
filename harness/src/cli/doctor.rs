//! `hotspec doctor`: which witnesses work on this machine.

use super::args::{DoctorArgs, DoctorFormat};
use super::present;
use crate::doctor;
use crate::exit::{self, Failure};
use crate::report::doctor as report;

/// Looks, and prints what was found. What is missing is no failure: whoever asks wants to know.
///
/// # Errors
/// It can't look.
pub(super) fn doctor(args: &DoctorArgs) -> Result<u8, Failure> {
    let found = doctor::examine().map_err(|error| Failure::own(format!("failed to look: {error}")))?;
    let text = match args.format {
        DoctorFormat::Table => report::page(&found, present::width(), present::colour()),
        DoctorFormat::Json => report::json(&found).map_err(Failure::own)?,
    };
    present::print(&text)?;
    Ok(exit::CONFORMS)
}
