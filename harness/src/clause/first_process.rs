//! The target as process 1 of a PID namespace, as in a container that has no init.

use super::repeat::comes;
use super::{Case, Clause, Tally};
use crate::declaration::Span;

/// The clause of this file.
pub const CLAUSES: &[Clause] = &[Clause {
    id: "process.pid-1",
    must: "",
    should: "FRI",
    requirement: "A target that declares that it survives a restart as process 1 does: with no init above it, a successor serves and goes on to.",
    why: "A container mostly has no init. When its process 1 ends, the kernel ends all others with it, and a parent that hands over to its child hands over to nobody.",
    source: "pid_namespaces(7)",
    judge: Some(survives),
}];

fn survives(case: &Case<'_>, tally: &mut Tally) {
    match &case.first_process {
        None => return tally.doubt(case, "the target was not process 1"),
        Some(Err(why)) => return tally.withhold(why.clone()),
        Some(Ok(())) => {}
    }
    let Some(t0) = case.t0() else { return tally.doubt(case, "the restart was not triggered") };
    let root = case.timeline.root();
    let ended = root.and_then(|root| root.gone).filter(|_| case.nobody_is_left());
    if let Some(gone) = ended {
        tally.exercise();
        let seen = format!(
            "process 1 ended {} after the trigger, and all others with it",
            Span(gone.hi.saturating_sub(t0.lo))
        );
        let expected = "a successor that serves, and nobody ends with process 1";
        tally.break_by(case, "process 1".to_owned(), gone.hi, "gone", expected, seen);
    } else {
        comes(case, tally, t0.hi);
    }
}
