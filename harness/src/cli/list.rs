//! `hotspec list`: what there is.

use super::args::{ListArgs, ListFormat, Listed};
use super::present;
use crate::exit::{self, Failure};
use crate::report::catalogue::{self, TargetRow};
use crate::scenario::builtin;
use crate::target::builtin as targets;

/// Prints a list.
///
/// # Errors
/// Only the program's own faults.
pub(super) fn list(args: &ListArgs) -> Result<u8, Failure> {
    let text = match (args.what, args.format) {
        (Listed::Clauses, ListFormat::Markdown) => {
            catalogue::clauses_markdown(&builtin::scenarios().map_err(Failure::own)?)
        }
        (_, ListFormat::Markdown) => return Err(Failure::usage("only clauses can be listed as Markdown")),
        (Listed::Clauses, ListFormat::Table) => catalogue::clauses_table(args.profile, present::width()),
        (Listed::Scenarios, ListFormat::Table) => {
            catalogue::scenarios_table(&builtin::scenarios().map_err(Failure::own)?, present::width())
        }
        (Listed::Targets, ListFormat::Table) => {
            let rows: Vec<TargetRow> = targets::targets()
                .map_err(Failure::own)?
                .into_iter()
                .map(|target| TargetRow {
                    here: targets::missing(&target).map_or(Ok(()), Err),
                    name: target.name,
                    title: target.title,
                    profile: target.profile,
                })
                .collect();
            catalogue::targets_table(&rows, present::width())
        }
    };
    present::print(&text)?;
    Ok(exit::CONFORMS)
}
