//! What got worse and what got better, for people.

use super::page::Page;
use super::style::{clean, count};
use crate::clause::compare::{Change, Comparison, Open};

/// Lines of each kind.
const SHOWN: usize = 20;

/// The section; `baseline` says what it is compared with.
pub fn render(comparison: &Comparison, baseline: &str, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    page.heading(&format!("Against {baseline}"));
    page.text(2, &sentence(comparison));
    page.blank();
    let changes = [
        ("worse", &comparison.worse),
        ("better", &comparison.better),
        ("same", &comparison.same),
        ("unseen", &comparison.unseen),
    ];
    for (word, changes) in changes {
        let lines: Vec<String> = changes.iter().map(told).collect();
        section(&mut page, word, &lines);
    }
    let lines: Vec<String> = comparison.open.iter().map(left_open).collect();
    section(&mut page, "open", &lines);
    page.finish()
}

/// The comparison in a sentence.
pub fn sentence(comparison: &Comparison) -> String {
    let ways = |changes: &[Change]| count(changes.len(), "way", "ways");
    let first = if !comparison.worse.is_empty() {
        format!("Worse: clauses are broken in {} that were not there before.", ways(&comparison.worse))
    } else if !comparison.open.is_empty() {
        format!(
            "Nothing is known to be worse, but {} before could not be decided this time.",
            count(comparison.open.len(), "thing that was known", "things that were known")
        )
    } else {
        "Nothing is worse.".to_owned()
    };
    match (comparison.better.len(), comparison.same.len()) {
        (0, 0) => first,
        (0, same) => format!("{first} Broken as before: {}.", count(same, "way", "ways")),
        (better, same) => {
            format!("{first} Mended: {}; broken as before: {same}.", count(better, "way", "ways"))
        }
    }
}

fn section(page: &mut Page, word: &str, lines: &[String]) {
    for line in lines.iter().take(SHOWN) {
        page.field(2, word, 6, line);
    }
    if lines.len() > SHOWN {
        page.field(2, word, 6, &format!("and {} more", lines.len() - SHOWN));
    }
}

fn told(change: &Change) -> String {
    let Change { clause, scenario, kind, before, now } = change;
    clean(format!("{clause} in {scenario}: {kind} ({before} before, {now} now)"))
}

fn left_open(open: &Open) -> String {
    let place = open.scenario.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
    clean(format!("{}{place}: {}", open.clause, open.why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clause::Level;
    use crate::report::human::sample;

    #[test]
    fn the_first_line_says_whether_it_is_worse() {
        let (passing, failing) = (sample::passing(), sample::failing());
        let text = render(&Comparison::of(&passing, &failing, Level::Must), "old.json", 120, false);
        assert!(text.contains("Against old.json") && text.contains("Worse: "), "{text}");
        let line = "keep-alive.one-last-request in idle-last-request: reset (0 before, 2 now)";
        assert!(
            text.lines().any(|one| one.trim_start().starts_with("worse ") && one.ends_with(line)),
            "{text}"
        );
        let text = render(&Comparison::of(&failing, &failing, Level::Must), "old.json", 120, false);
        assert!(text.contains("Nothing is worse. Broken as before: "), "{text}");
    }
}
