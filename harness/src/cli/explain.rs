//! `hotspec explain`: what a clause demands.

use super::args::ExplainArgs;
use super::present;
use crate::clause::registry;
use crate::exit::{self, Failure};
use crate::report::catalogue;
use crate::scenario::builtin;

/// Prints a clause.
///
/// # Errors
/// There is no such clause; the nearest is named.
pub(super) fn explain(args: &ExplainArgs) -> Result<u8, Failure> {
    let Some(clause) = registry::find(&args.id) else {
        let near =
            registry::all().into_iter().map(|clause| (clause.id, strsim::jaro_winkler(clause.id, &args.id)));
        let near = near.max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |(id, _)| id);
        return Err(Failure::usage(format!("there is no clause `{}`; the nearest is {near}", args.id)));
    };
    let scenarios = builtin::scenarios().map_err(Failure::own)?;
    present::print(&catalogue::explain(clause, &scenarios, present::width(), present::colour()))?;
    Ok(exit::CONFORMS)
}
