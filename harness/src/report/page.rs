//! A page of text that keeps within a width. Every text is cleaned here, at the one door to the
//! reader, so that no reporter can forget it.

use anstyle::Style;

use super::style::{Styles, chop, clean, paint, width, wrap};
use super::table::Table;

/// Narrower than this nothing can be laid out.
const WIDTH_MIN: usize = 40;

/// Text under way to a reader.
pub(super) struct Page {
    width: usize,
    /// The styles of this page.
    pub(super) styles: Styles,
    out: String,
}

impl Page {
    pub(super) fn new(width: usize, colour: bool) -> Self {
        Self { width: width.max(WIDTH_MIN), styles: Styles::new(colour), out: String::new() }
    }

    /// How wide a line may be.
    pub(super) fn columns(&self) -> usize {
        self.width
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// An empty line, unless there is one already.
    pub(super) fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A section begins.
    pub(super) fn heading(&mut self, text: &str) {
        self.blank();
        let style = self.styles.heading;
        self.styled(0, style, text);
    }

    /// A paragraph.
    pub(super) fn text(&mut self, indent: usize, text: &str) {
        self.styled(indent, Style::new(), text);
    }

    /// A paragraph in a style.
    pub(super) fn styled(&mut self, indent: usize, style: Style, text: &str) {
        for line in wrap(&clean(text), self.width.saturating_sub(indent)) {
            let line = paint(style, &line);
            self.line(indent, &line);
        }
    }

    /// A paragraph that begins with a word in a style; its further lines stand `hang` deeper.
    pub(super) fn lead(&mut self, indent: usize, hang: usize, style: Style, word: &str, text: &str) {
        let word = clean(word);
        let glued = format!("{word}{}", clean(text));
        for (number, line) in wrap(&glued, self.width.saturating_sub(indent + hang)).iter().enumerate() {
            match line.strip_prefix(&word).filter(|_| number == 0) {
                Some(rest) => {
                    let line = format!("{}{rest}", paint(style, &word));
                    self.line(indent, &line);
                }
                None => self.line(indent + if number == 0 { 0 } else { hang }, line),
            }
        }
    }

    /// A label and, beside it, wrapped text.
    pub(super) fn field(&mut self, indent: usize, label: &str, label_width: usize, text: &str) {
        let column = indent + label_width + 2;
        let label = clean(label);
        for (number, line) in wrap(&clean(text), self.width.saturating_sub(column)).iter().enumerate() {
            if number == 0 && !label.is_empty() {
                let pad = " ".repeat((label_width + 2).saturating_sub(width(&label)));
                let line = format!("{}{pad}{line}", paint(self.styles.quiet, &label));
                self.line(indent, line.trim_end());
            } else {
                self.line(column, line);
            }
        }
    }

    /// A line of a log: its time, which was aligned, and its text, wrapped beside it.
    pub(super) fn log_line(&mut self, indent: usize, time: &str, style: Style, text: &str) {
        let column = width(time) + 2;
        for (number, line) in
            wrap(&clean(text), self.width.saturating_sub(indent + column)).iter().enumerate()
        {
            let line = if number == 0 {
                format!("{}  {}", paint(style, &clean(time)), paint(style, line))
            } else {
                format!("{}{}", " ".repeat(column), paint(style, line))
            };
            self.line(indent, &line);
        }
    }

    /// Commands to be typed, word by word, and what each does. One that is too long goes on after a backslash, so that it
    /// can be copied as it stands; no word is broken, as half of one would do something else.
    pub(super) fn commands(&mut self, indent: usize, commands: &[(Vec<String>, &str)]) {
        let commands: Vec<(Vec<String>, String)> =
            commands.iter().map(|(words, what)| (words.iter().map(clean).collect(), clean(what))).collect();
        let column = commands.iter().map(|(words, _)| width(&words.join(" "))).max().unwrap_or_default() + 2;
        let beside = commands.iter().all(|(_, what)| indent + column + width(what) <= self.width);
        let Styles { name, quiet, .. } = self.styles;
        for (words, what) in commands {
            if beside {
                let command = words.join(" ");
                let pad = " ".repeat(column - width(&command));
                self.line(indent, &format!("{}{pad}{}", paint(name, &command), paint(quiet, &what)));
            } else {
                self.styled(indent, quiet, &format!("# {what}"));
                for (number, line) in
                    continued(&words, self.width.saturating_sub(indent + 2)).iter().enumerate()
                {
                    self.line(if number == 0 { indent } else { indent + 2 }, &paint(name, line));
                }
            }
        }
    }

    /// A line that a program wrote, behind a bar: broken at spaces, and within words that are too wide.
    pub(super) fn quoted(&mut self, indent: usize, line: &[u8]) {
        // A tab aligns and does not steer; all else that does is shown.
        let line = line.split(|byte| *byte == b'\t').map(clean).collect::<Vec<_>>().join("    ");
        let columns = self.width.saturating_sub(indent + 2);
        let mut bar = paint(self.styles.quiet, "|");
        for piece in wrap(&line, columns).iter().flat_map(|line| chop(line, columns)) {
            self.line(indent, format!("{bar} {piece}").trim_end());
            " ".clone_into(&mut bar);
        }
    }

    /// A table, if it fits.
    pub(super) fn table(&mut self, indent: usize, table: &Table) -> bool {
        let Some(lines) = table.lines(self.width.saturating_sub(indent), self.styles.quiet) else {
            return false;
        };
        for line in lines {
            self.line(indent, &line);
        }
        true
    }
}

/// Words in lines no wider than `columns`, each but the last with a backslash at its end.
fn continued(words: &[String], columns: usize) -> Vec<String> {
    const BACKSLASH: usize = 2;
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && width(&line) + 1 + width(word) + BACKSLASH > columns {
            lines.push(format!("{} \\", std::mem::take(&mut line)));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_word_is_followed_by_its_text_within_the_width() {
        let mut page = Page::new(40, false);
        page.lead(0, 2, Style::new(), "FAIL:", " nginx breaks 2 of the 31 clauses that count");
        assert_eq!(page.finish(), "FAIL: nginx breaks 2 of the 31 clauses\n  that count\n");
    }

    #[test]
    fn a_field_keeps_its_column_and_no_text_can_pose_as_another_field() {
        let mut page = Page::new(40, false);
        page.field(2, "seen", 8, "first part\nand all that follows it");
        assert_eq!(page.finish(), "  seen      first part\\nand all that\n            follows it\n");
    }

    #[test]
    fn a_long_command_goes_on_after_a_backslash_and_stays_what_it_was() {
        let words = [
            "hotspec",
            "run",
            "in-flight-upload",
            "--idle-max",
            "3s",
            "--",
            "./server",
            "--listen",
            "{address}",
        ];
        let mut page = Page::new(40, false);
        page.commands(2, &[(words.map(str::to_owned).to_vec(), "repeats only what failed")]);
        let text = page.finish();
        let (what, command) = text.split_once('\n').expect("two lines");
        assert_eq!(what, "  # repeats only what failed");
        assert!(command.lines().count() > 1 && command.lines().all(|line| width(line) <= 40), "{command}");
        let joined = command.replace("\\\n", " ");
        assert_eq!(joined.split_whitespace().collect::<Vec<_>>(), words);
    }

    #[test]
    fn no_text_can_bring_an_escape_sequence_onto_the_page() {
        let mut page = Page::new(40, false);
        page.heading("\x1b[1m");
        page.text(0, "\x1b[2J");
        page.field(0, "\x1b", 4, "\x1b]0;x\x07");
        page.lead(0, 0, Style::new(), "\x1b", "\x1b");
        page.commands(0, &[(vec!["\x1b".to_owned()], "\x1b")]);
        page.quoted(0, b"\x1b[31m\xff\t\x9b");
        assert!(!page.finish().contains(|c: char| c != '\n' && c.is_control()));
    }
}
