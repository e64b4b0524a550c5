//! Command lines compared: what is documented is taken out, and the rest is lost, added or changed.

use crate::declaration::Documented;

/// The longest command line that a message quotes.
const QUOTED_MAX: usize = 300;

/// Without the empty ones at its end, as facts are told.
pub(super) fn without_empty_end(arguments: &[String]) -> &[String] {
    let end = arguments.iter().rposition(|argument| !argument.is_empty()).map_or(0, |last| last + 1);
    arguments.get(..end).unwrap_or_default()
}

/// A text for people in the place of arguments, as setproctitle(3) leaves it: one word that is several.
pub(super) fn is_title(arguments: &[String]) -> bool {
    matches!(arguments, [one] if one.trim_end().contains(' '))
}

/// The arguments without the documented ones, and how often the flag of the listener was among them.
pub(super) fn undocumented(arguments: &[String], documented: &Documented) -> (Vec<String>, usize) {
    let mut kept = Vec::new();
    let mut flags = 0;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            kept.push(argument.clone());
            kept.extend(rest.by_ref().cloned());
            break;
        }
        let named = documented.flag.iter().chain(&documented.arguments).find(|flag| {
            argument
                .strip_prefix(flag.as_str())
                .is_some_and(|value| value.is_empty() || value.starts_with('='))
        });
        let Some(flag) = named else {
            kept.push(argument.clone());
            continue;
        };
        flags += usize::from(Some(flag) == documented.flag.as_ref());
        if argument == flag && rest.as_slice().first().is_some_and(|value| !value.starts_with('-')) {
            rest.next();
        }
    }
    (kept, flags)
}

/// How two lists differ.
pub(super) fn difference(before: &[String], now: &[String]) -> Option<&'static str> {
    if before == now {
        return None;
    }
    Some(match (is_part_of(before, now), is_part_of(now, before)) {
        (true, _) => "added",
        (_, true) => "lost",
        _ => "changed",
    })
}

/// All of these are there, in this order.
fn is_part_of(part: &[String], whole: &[String]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|one| rest.any(|other| other == one))
}

/// As a reader would type them, within bounds.
pub(super) fn quoted(arguments: &[String]) -> String {
    let text = arguments.join(" ");
    let shown: String = text.chars().take(QUOTED_MAX).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    if arguments.is_empty() { "none".to_owned() } else { format!("`{shown}{more}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn documented_arguments_are_taken_out_with_their_values_and_the_flag_is_counted() {
        let documented = Documented {
            flag: Some("--socket".to_owned()),
            arguments: vec!["-x".to_owned()],
            ..Documented::default()
        };
        for (line, kept, flags) in [
            ("a --socket 3 b", "a b", 1),
            ("--socket=3 a -x sock --socket 4", "a", 2),
            ("a --sockets 3", "a --sockets 3", 0),
            ("-x --verbose a", "--verbose a", 0),
            ("a --socket", "a", 1),
            ("a -- --socket 3", "a -- --socket 3", 0),
        ] {
            assert_eq!(undocumented(&words(line), &documented), (words(kept), flags), "{line}");
        }
    }

    #[test]
    fn lists_differ_by_what_was_lost_added_or_changed() {
        for (before, now, expected) in [
            ("a b", "a b", None),
            ("a b", "a", Some("lost")),
            ("a b", "a c b", Some("added")),
            ("a b", "b a", Some("changed")),
            ("a", "", Some("lost")),
        ] {
            assert_eq!(difference(&words(before), &words(now)), expected, "{before} to {now}");
        }
    }

    #[test]
    fn a_title_is_one_word_that_is_several() {
        assert!(is_title(&["server: worker process".to_owned()]));
        assert!(!is_title(&words("server --listen x")));
        assert!(!is_title(&words("server")));
    }
}
