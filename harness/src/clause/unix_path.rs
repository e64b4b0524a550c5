//! The path of a unix socket.

use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::event::ConnectTrouble;

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[Clause {
    id: "descriptors.unix-path",
    must: "FRI",
    should: "",
    requirement: "From the trigger on the path of a unix socket is never missing (a rename over it is no gap), connects to it succeed, and the old generation does not unlink the successor's.",
    why: "A server that unlinks its path when it ends takes its successor's with it, and one that unlinks it before it binds refuses everybody meanwhile.",
    source: "unix(7)",
    judge: Some(unix_path),
}];

fn unix_path(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let path = &case.held_by.path;
    if path.is_empty() {
        tally.withhold("changes of the path could not be watched (inotify(7))");
        return;
    }
    tally.exercise();
    let gone = path.iter().enumerate().filter(|(_, (_, at, present))| *at >= t0.lo && !present);
    for (number, (from, at, _)) in gone {
        let back = path.iter().skip(number + 1).find(|(.., present)| *present);
        let seen = match back {
            Some((_, back, _)) => {
                let at_most = Span(back.saturating_sub(*from));
                format!("it was removed, and there again within {at_most}")
            }
            None => "it was removed, and not there again".to_owned(),
        };
        tally.break_by(
            case,
            "unknown".to_owned(),
            *at,
            "missing",
            "the path stays, or is replaced in one step",
            seen,
        );
    }
    for lane in case.restart_lanes().filter(|lane| lane.opened >= t0.lo) {
        let Some((at, why, _)) = lane.connect_failed else { continue };
        let seen = match why {
            ConnectTrouble::Missing => "ENOENT: there is nothing at the path",
            ConnectTrouble::Refused => "ECONNREFUSED: nobody listens behind the path",
            _ => continue,
        };
        tally.break_on(case, lane, at, "not-connected", "the connection comes about", seen.to_owned());
    }
}
