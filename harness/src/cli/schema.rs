//! `hotspec schema`: what programs can rely on in what they read.

use super::args::{Described, SchemaArgs};
use super::present;
use crate::exit::{self, Failure};
use crate::report::schema;

/// Prints a schema.
///
/// # Errors
/// Standard output can't be written.
pub(super) fn schema(args: &SchemaArgs) -> Result<u8, Failure> {
    present::print(match args.of {
        Described::Report => schema::REPORT,
        Described::Events => schema::EVENTS,
    })?;
    Ok(exit::CONFORMS)
}
