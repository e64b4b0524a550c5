//! What this machine shows of faults that are known to be there, for people.

use std::time::Duration;

use super::page::Page;
use super::style::count;
use super::table::{Cell, Set, Table};
use crate::clause::result::Verdict;
use crate::selftest::trial::Outcome;

/// One trial.
#[derive(Clone, Debug)]
pub struct Row {
    /// The fault's name.
    pub fault: &'static str,
    /// What the server does.
    pub what: &'static str,
    /// The clause that is about it; none where there is no fault.
    pub clause: Option<&'static str>,
    /// What came of it.
    pub outcome: Outcome,
}

impl Row {
    fn word(&self) -> (&'static str, Verdict) {
        match (&self.outcome, self.clause) {
            (Outcome::Seen, Some(_)) => ("seen", Verdict::Pass),
            (Outcome::Seen, None) => ("holds", Verdict::Pass),
            (Outcome::Missed(_), Some(_)) => ("not seen", Verdict::Fail),
            (Outcome::Missed(_), None) => ("fails", Verdict::Fail),
            (Outcome::Undecided(_), _) => ("undecided", Verdict::Inconclusive),
            (Outcome::Withheld(_), _) => ("can't be seen", Verdict::NoEvidence),
        }
    }

    fn why(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Seen => None,
            Outcome::Missed(why) | Outcome::Undecided(why) | Outcome::Withheld(why) => Some(why),
        }
    }
}

/// A table of all trials, why some are not as they should be, and the sum.
pub fn page(rows: &[Row], evidence: &[String], took: Duration, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    page.text(0, "A server with one fault after another: what this machine shows");
    page.blank();
    let mut table = Table::new(&[
        ("here", Set::Left),
        ("fault", Set::Left),
        ("clause", Set::Left),
        ("the server", Set::Wrapped),
    ]);
    for row in rows {
        let (word, verdict) = row.word();
        let clause = row.clause.unwrap_or("all that is judged");
        let word = Cell::styled(word, page.styles.of(verdict));
        table.row(vec![word, row.fault.into(), clause.into(), row.what.into()]);
    }
    if !page.table(0, &table) {
        for row in rows {
            page.text(
                0,
                &format!("{}: {}, {}", row.fault, row.word().0, row.clause.unwrap_or("all that is judged")),
            );
        }
    }
    let whys = rows.iter().filter_map(|row| Some((row, row.why()?)));
    for (number, (row, why)) in whys.enumerate() {
        if number == 0 {
            page.blank();
        }
        page.lead(0, 2, page.styles.name, row.fault, &format!(": {}: {why}", row.word().0));
    }
    page.blank();
    page.field(0, "evidence", 8, &evidence.join("; "));
    let faults = || rows.iter().filter(|row| row.clause.is_some());
    let with = |word: &str| faults().filter(|row| row.word().0 == word).count();
    let mut sum = format!("{} of {} seen", with("seen"), count(faults().count(), "fault", "faults"));
    for (word, number) in ["not seen", "undecided", "can't be seen"].map(|word| (word, with(word))) {
        if number > 0 {
            sum.push_str(&format!(", {number} {word}"));
        }
    }
    page.text(0, &format!("{sum}; it took {} s.", took.as_secs()));
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::super::style::width;
    use super::*;

    #[test]
    fn each_fault_has_its_line_and_what_is_not_as_it_should_be_is_told_why() {
        let row = |fault, clause, outcome| Row { fault, what: "does something", clause, outcome };
        let evil = "the socket table \x1b[2J is withheld".to_owned();
        let rows = [
            row("none", None, Outcome::Seen),
            row("gap", Some("availability.not-refused"), Outcome::Seen),
            row("stalls", Some("availability.no-stall"), Outcome::Missed("it held".to_owned())),
            row("accepts-on", Some("drain.stops-accepting"), Outcome::Withheld(evil)),
        ];
        let evidence = ["client sockets".to_owned()];
        for columns in [40, 80, 120] {
            let text = page(&rows, &evidence, Duration::from_secs(31), columns, false);
            assert!(text.lines().all(|line| width(line) <= columns), "{text}");
            for part in [
                "1 of 3 faults seen, 1 not seen, 1 can't be seen; it",
                "stalls: not seen: it held",
                "\\x1b[2J",
            ] {
                let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(joined.contains(part), "{part}: {text}");
            }
            assert!(!text.contains('\x1b'));
        }
    }
}
