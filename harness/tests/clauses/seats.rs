//! Who waits while each process serves another connection, one at a time, waits for a client.

use hotspec::clause::result::Verdict;
use hotspec::history::event::Owner;

use crate::story::{NEW, Story, correct};

const CLAUSE: &str = "drain.exit-undisturbing";
/// The old process goes at 13.5 s.
const TAKEN: u64 = 15_000;

/// One client waits for half a minute and is not accepted; the successor has another one for so long, and had some before.
fn waits(held: u64) -> Story {
    let mut story = correct("new-connections");
    for number in 0..6 {
        story.lane("new", 14_000 + 100 * number).accepted_by(NEW).asked().answered().closed();
    }
    story.lane("new", TAKEN).accepted_by(NEW).asked().answered().after(held).closed();
    story.lane("new", TAKEN + 100).connected().owner(Owner::Queued).asked().after(30_000).gave_up();
    story
}

#[test]
fn a_connection_that_waits_behind_another_one_accuses_nobody() {
    let story = waits(32_000);
    let result = story.judged();
    let said = result.clauses.iter().find(|clause| clause.id == CLAUSE).expect("it is judged");
    assert_eq!(said.verdict, Verdict::Inconclusive, "{:?}", said.violations);
    assert!(said.reasons.iter().any(|why| why.contains("one connection at a time")), "{:?}", said.reasons);
}

#[test]
fn one_that_waits_while_a_process_is_free_is_lost() {
    assert_eq!(waits(9_000).verdict(CLAUSE), Verdict::Fail);
}

#[test]
fn a_process_that_takes_several_at_a_time_is_never_full() {
    let mut story = waits(32_000);
    story.lane("new", TAKEN + 200).accepted_by(NEW).asked().answered().closed();
    assert_eq!(story.verdict(CLAUSE), Verdict::Fail);
}
