//! The last of what the target wrote.

use super::super::Evidence;
use super::super::page::Page;

/// Lines shown.
const LINES: usize = 12;
/// Bytes of a line shown.
const BYTES: usize = 480;

/// Whether the target wrote anything in a scenario.
pub(in crate::report) fn is_there(evidence: &Evidence<'_>, scenario: &str) -> bool {
    evidence.outputs.get(scenario).is_some_and(|output| !output.trim_ascii().is_empty())
}

/// The tail of a scenario's output.
pub(super) fn write(page: &mut Page, evidence: &Evidence<'_>, scenario: &str, indent: usize) {
    let Some(output) = evidence.outputs.get(scenario).filter(|_| is_there(evidence, scenario)) else {
        let style = page.styles.quiet;
        page.styled(indent, style, &format!("The target wrote nothing in {scenario}."));
        return;
    };
    let lines: Vec<&[u8]> = output.trim_ascii_end().split(|byte| *byte == b'\n').collect();
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    let last = if lines.len() > shown.len() { "The last of what" } else { "What" };
    let style = page.styles.quiet;
    page.styled(indent, style, &format!("{last} the target wrote in {scenario}:"));
    for line in shown {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        page.quoted(indent, line.get(..BYTES).unwrap_or(line));
        if line.len() > BYTES {
            page.styled(indent + 2, style, &format!("({} bytes more in this line)", line.len() - BYTES));
        }
    }
}
