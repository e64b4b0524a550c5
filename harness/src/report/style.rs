//! Colours, widths, and [`clean`]: what a target wrote must never steer the terminal of its reader.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::clause::result::{RunVerdict, Verdict};

/// Text that is safe to print on one line. Control characters, line ends included, become escapes
/// such as `\n` and `\x1b`, bytes that are no UTF-8 `\xff`, and characters that reorder or hide
/// others `\u{202e}`. All else stays; clean text stays as it is.
pub fn clean(text: impl AsRef<[u8]>) -> String {
    let mut out = String::with_capacity(text.as_ref().len());
    for chunk in text.as_ref().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                c if misleads(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Whether a character steers a terminal, reorders its neighbours, or can't be seen.
pub(super) fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The columns that clean text takes in a terminal.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Clean text in lines no wider than `columns`, broken at spaces. A word that is wider has a line of
/// its own; a number stays with its unit. There is always one line at least.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut spaces = 0;
    for word in words(text) {
        if word.is_empty() {
            spaces += 1;
            continue;
        }
        let begun = !line.is_empty();
        if begun && width(&line) + spaces + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        } else if begun || lines.is_empty() {
            line.extend(std::iter::repeat_n(' ', spaces));
        }
        line.push_str(word);
        spaces = 1;
    }
    lines.push(line);
    lines
}

/// Splits at spaces, but not between a number and what it counts, nor before `×`. Runs of spaces
/// give empty words.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    let mut begin = 0;
    for (at, _) in text.match_indices(' ').chain([(text.len(), "")]) {
        let next = text.get(at + 1..).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        if at == text.len() || !stay_together(&text[begin..at], next) {
            words.push(&text[begin..at]);
            begin = at + 1;
        }
    }
    words
}

fn stay_together(word: &str, next: &str) -> bool {
    const SHORT: usize = 14;
    let ends_in_digit = |text: &str| text.ends_with(|c: char| c.is_ascii_digit());
    let number = word.len() < SHORT && ends_in_digit(word);
    let counted = number && !next.is_empty() && next.len() < SHORT && !ends_in_digit(next);
    counted || (next.starts_with('×') && !word.is_empty())
}

/// Clean text in pieces no wider than `columns`, broken anywhere: for what is no prose.
pub fn chop(text: &str, columns: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut piece, mut taken) = (String::new(), 0);
    for c in text.chars() {
        let wide = c.width().unwrap_or_default();
        if taken + wide > columns && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            taken = 0;
        }
        piece.push(c);
        taken += wide;
    }
    pieces.push(piece);
    pieces
}

/// `1 clause`, `2 clauses`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `1 byte`, `512 bytes`, and where nobody counts them any more, `8388608 bytes (8 MiB)`.
pub fn bytes(number: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    let unit = match number {
        0..10_240 => return count(usize::try_from(number).unwrap_or(usize::MAX), "byte", "bytes"),
        _ if number < MIB => (KIB, "KiB"),
        _ => (MIB, "MiB"),
    };
    let rounded = format!("{:.1}", number as f64 / unit.0 as f64);
    format!("{number} bytes ({} {})", rounded.trim_end_matches(".0"), unit.1)
}

/// The styles of a report; all plain without colour.
#[derive(Clone, Copy, Debug, Default)]
pub struct Styles {
    /// What holds.
    pub good: Style,
    /// What is broken.
    pub bad: Style,
    /// What could not be decided.
    pub doubt: Style,
    /// What went wrong outside the target's promises.
    pub fault: Style,
    /// Headings.
    pub heading: Style,
    /// Names that can be typed: ids, commands.
    pub name: Style,
    /// Labels and what is there for reference.
    pub quiet: Style,
}

impl Styles {
    /// Coloured or plain.
    pub fn new(colour: bool) -> Self {
        if !colour {
            return Self::default();
        }
        let fg = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        Self {
            good: fg(AnsiColor::Green).bold(),
            bad: fg(AnsiColor::Red).bold(),
            doubt: fg(AnsiColor::Yellow).bold(),
            fault: fg(AnsiColor::Magenta).bold(),
            heading: Style::new().bold().underline(),
            name: Style::new().bold(),
            quiet: Style::new().dimmed(),
        }
    }

    /// The style of a clause's verdict.
    pub fn of(&self, verdict: Verdict) -> Style {
        match verdict {
            Verdict::Pass => self.good,
            Verdict::Fail => self.bad,
            Verdict::Known | Verdict::Inconclusive => self.doubt,
            Verdict::Error => self.fault,
            Verdict::NoEvidence | Verdict::Unsupported | Verdict::Planned => self.quiet,
        }
    }

    /// The style of a run's verdict.
    pub fn of_run(&self, verdict: RunVerdict) -> Style {
        match verdict {
            RunVerdict::Pass => self.good,
            RunVerdict::Fail => self.bad,
            RunVerdict::Inconclusive => self.doubt,
            RunVerdict::Error | RunVerdict::Invalid => self.fault,
        }
    }
}

/// Clean text in a style.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_is_shown_and_not_obeyed() {
        assert_eq!(clean("\x1b[2J\x1b]0;owned\x07"), "\\x1b[2J\\x1b]0;owned\\x07");
        assert_eq!(clean("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(clean("a\r\nb\tc\0d\x7f"), "a\\r\\nb\\tc\\x00d\\x7f");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_shown_as_numbers() {
        assert_eq!(clean(b"ok \xff\xc3( \xe2\x82"), "ok \\xff\\xc3( \\xe2\\x82");
        assert_eq!(clean(b"\x9b31m"), "\\x9b31m");
    }

    #[test]
    fn characters_that_reorder_or_hide_text_are_shown_by_number() {
        assert_eq!(clean("user\u{202e}txt.exe\u{2066}"), "user\\u{202e}txt.exe\\u{2066}");
        assert_eq!(clean("a\u{200b}b\u{feff}\u{2028}"), "a\\u{200b}b\\u{feff}\\u{2028}");
    }

    #[test]
    fn ordinary_text_of_any_script_stays_and_cleaning_twice_changes_nothing() {
        assert_eq!(clean("größer als 3 µs, 日本語"), "größer als 3 µs, 日本語");
        let once = clean(b"\x1b[0m\xff\xe2\x80\xae");
        assert_eq!(clean(&once), once);
    }

    #[test]
    fn text_is_wrapped_by_the_columns_that_it_takes() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("日本 語学", 4), ["日本", "語学"]);
        assert_eq!(wrap("a unbreakable b", 5), ["a", "unbreakable", "b"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("two  spaces", 20), ["two  spaces"]);
        assert_eq!(wrap("    indented text", 14), ["    indented", "text"]);
    }

    #[test]
    fn many_bytes_are_told_in_a_unit_as_well() {
        for (number, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (10_239, "10239 bytes"),
            (10_240, "10240 bytes (10 KiB)"),
            (1_000_000, "1000000 bytes (976.6 KiB)"),
            (8 << 20, "8388608 bytes (8 MiB)"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn a_number_stays_with_what_it_counts() {
        assert_eq!(wrap("waited 1.5 s, then", 10), ["waited", "1.5 s,", "then"]);
        assert_eq!(wrap("at 95 % fewer", 5), ["at", "95 %", "fewer"]);
        assert_eq!(wrap("(26 hold, 1 known)", 12), ["(26 hold,", "1 known)"]);
        assert_eq!(wrap("1 2 3 4", 3), ["1 2", "3 4"]);
    }

    #[test]
    fn what_is_no_prose_is_broken_anywhere_but_within_its_width() {
        assert_eq!(chop("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(chop("日本語", 4), ["日本", "語"]);
        assert_eq!(chop("", 4), [""]);
    }
}
