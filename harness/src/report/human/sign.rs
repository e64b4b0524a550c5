//! What was seen, in a plain line: on the connection if the history has it, else as the clause says it.

use super::super::lane_log::LaneLog;
use super::recordings::lane_id;
use crate::clause::tally::Violation;
use crate::history::event::{ConnectTrouble, Ending, Stage, What};

/// How bad it is for a client: the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::report) enum Harm {
    /// No connection came about.
    Refused,
    /// A request had been begun, and was not answered whole.
    Lost,
    /// An answer came that is none.
    Wrong,
    /// Somebody had to wait.
    Kept,
    /// A connection on which nothing was awaited was closed.
    Closed,
    /// Something else that was promised.
    Other,
}

impl Harm {
    /// What the target does.
    pub(in crate::report) fn verb(self) -> Option<&'static str> {
        Some(match self {
            Harm::Refused => "refuses connections",
            Harm::Lost => "loses requests in flight",
            Harm::Wrong => "gives wrong answers",
            Harm::Kept => "keeps clients waiting",
            Harm::Closed => "closes idle connections",
            Harm::Other => return None,
        })
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Sign {
    /// Two that are the same have the same.
    pub(in crate::report) key: String,
    /// For people.
    pub(in crate::report) text: String,
    /// How bad it is.
    pub(in crate::report) harm: Harm,
    /// The connection ended with it.
    pub(in crate::report) ended: bool,
}

impl Sign {
    /// Of a breach, with the history that it is from.
    pub(super) fn of(violation: &Violation, log: Option<&LaneLog<'_>>) -> Self {
        let seen = lane_id(violation).zip(log).and_then(|(lane, log)| {
            let what = log.at(lane, violation.at_us)?;
            from_event(what, log.had_asked(lane, violation.at_us), &violation.kind)
        });
        seen.unwrap_or_else(|| Self {
            // What was seen holds figures that differ each time.
            key: format!("kind {}", violation.kind),
            text: violation.seen.clone(),
            harm: if violation.kind == "stall" { Harm::Kept } else { Harm::Other },
            ended: false,
        })
    }
}

fn from_event(what: &What, had_asked: bool, kind: &str) -> Option<Sign> {
    let (text, harm) = match what {
        What::ConnectFailed { why, .. } => (connect_failed(*why)?.to_owned(), Harm::Refused),
        What::End { how, stage, .. } => return ending(*how, *stage, had_asked),
        What::Head { status, .. } if kind == "status" => {
            (format!("an answer of status {status}"), Harm::Wrong)
        }
        What::Malformed { .. } => ("an answer that is no HTTP".to_owned(), Harm::Wrong),
        What::Extra { .. } => ("bytes that nobody asked for".to_owned(), Harm::Wrong),
        What::FetchFailed { kind, .. } => {
            let harm = if kind == "refused" { Harm::Refused } else { Harm::Lost };
            (format!("a request of an ordinary client failed ({kind})"), harm)
        }
        _ => return None,
    };
    Some(Sign { key: text.clone(), text, harm, ended: false })
}

fn connect_failed(why: ConnectTrouble) -> Option<&'static str> {
    Some(match why {
        ConnectTrouble::Refused => "connection refused",
        ConnectTrouble::TimedOut => "no connection in time",
        ConnectTrouble::QueueFull => "connection refused: the queue is full",
        ConnectTrouble::Missing => "connection refused: no such path",
        ConnectTrouble::Local | ConnectTrouble::Other => return None,
    })
}

fn ending(how: Ending, stage: Stage, had_asked: bool) -> Option<Sign> {
    let how = match how {
        Ending::Fin => "FIN",
        Ending::Reset => "RST",
        Ending::ResetAfterFin => "FIN, then RST,",
        // The lane's own doing: what the server did not do is for the clause to say.
        Ending::Lane | Ending::GaveUp => return None,
    };
    let (when, harm) = match stage {
        Stage::HalfSent => ("while the request was half sent", Harm::Lost),
        Stage::NoByte => ("before any byte of the answer", Harm::Lost),
        Stage::InHead => ("in the head of the answer", Harm::Lost),
        Stage::InBody => ("in the body of the answer", Harm::Lost),
        Stage::Idle if had_asked => ("on an idle connection", Harm::Closed),
        Stage::Idle => ("on a connection that never asked", Harm::Closed),
    };
    let text = format!("{how} {when}");
    Some(Sign { key: text.clone(), text, harm, ended: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(how: Ending, stage: Stage) -> What {
        What::End { lane: 1, how, errno: None, stage }
    }

    #[test]
    fn how_far_the_answer_had_come_says_what_is_lost() {
        let of =
            |how, stage, asked| from_event(&end(how, stage), asked, "x").map(|sign| (sign.text, sign.harm));
        let cases = [
            (Ending::Reset, Stage::NoByte, true, "RST before any byte of the answer", Harm::Lost),
            (Ending::Fin, Stage::HalfSent, true, "FIN while the request was half sent", Harm::Lost),
            (Ending::Fin, Stage::InBody, true, "FIN in the body of the answer", Harm::Lost),
            (Ending::Reset, Stage::Idle, true, "RST on an idle connection", Harm::Closed),
            (Ending::Fin, Stage::Idle, false, "FIN on a connection that never asked", Harm::Closed),
        ];
        for (how, stage, asked, text, harm) in cases {
            assert_eq!(of(how, stage, asked), Some((text.to_owned(), harm)));
        }
        assert_eq!(of(Ending::GaveUp, Stage::NoByte, true), None);
    }

    #[test]
    fn a_status_is_wrong_only_where_the_clause_is_about_the_status() {
        let head = What::Head {
            lane: 1,
            request: 0,
            from: 0,
            status: 503,
            version: 11,
            framing: "length".to_owned(),
            close: false,
            last: false,
            keep_alive: false,
            marker: None,
        };
        let sign = from_event(&head, true, "status").expect("a sign");
        assert_eq!((sign.text.as_str(), sign.harm), ("an answer of status 503", Harm::Wrong));
        assert_eq!(from_event(&head, true, "no-close"), None);
    }

    #[test]
    fn without_a_history_the_clause_s_own_word_is_the_sign_whatever_the_figures() {
        let mut one = super::super::sample::violation("new-connections", "new#3", "stall");
        one.seen = "1.5 s from connecting to the first byte".to_owned();
        let mut other = one.clone();
        other.seen = "2.1 s from connecting to the first byte".to_owned();
        let (one, other) = (Sign::of(&one, None), Sign::of(&other, None));
        assert_eq!((one.key.as_str(), one.harm), (other.key.as_str(), Harm::Kept));
        assert_eq!(one.text, "1.5 s from connecting to the first byte");
    }
}
