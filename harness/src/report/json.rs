//! For programs: the result as JSON of schema 1. The same result gives the same bytes.

use super::style::misleads;
use crate::clause::compare::Comparison;
use crate::clause::matrix::Matrix;
use crate::clause::result::RunResult;
use crate::clause::sum::Sum;

/// The result as JSON: keys in the order of [`RunResult`], two spaces of indent, a newline at the end.
///
/// Characters that would steer or deceive a terminal stand as `\u` escapes, so that the text can be
/// printed; a parser gets them back unchanged.
///
/// # Errors
/// As serde_json; a result that was judged gives none.
pub fn json(run: &RunResult) -> Result<String, serde_json::Error> {
    printable(run)
}

/// The sum of many runs as JSON, in the same form.
///
/// # Errors
/// As serde_json; a sum gives none.
pub fn sum(sum: &Sum) -> Result<String, serde_json::Error> {
    printable(sum)
}

/// A table of many targets as JSON, in the same form.
///
/// # Errors
/// As serde_json; a table gives none.
pub fn matrix(table: &Matrix) -> Result<String, serde_json::Error> {
    printable(table)
}

/// A comparison of two runs as JSON, in the same form.
///
/// # Errors
/// As serde_json; a comparison gives none.
pub fn comparison(comparison: &Comparison) -> Result<String, serde_json::Error> {
    printable(comparison)
}

pub(super) fn printable(value: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    let mut text = harmless(&serde_json::to_string_pretty(value)?);
    text.push('\n');
    Ok(text)
}

/// JSON with nothing in it that steers or deceives; a parser gets all of it back.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Outside of strings only line ends are such characters, and within them none is left bare.
        if c != '\n' && misleads(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::human::sample;

    #[test]
    fn the_same_result_gives_the_same_bytes_and_they_parse_back() {
        let run = sample::failing();
        let text = json(&run).expect("JSON");
        assert_eq!(text, json(&run.clone()).expect("JSON"));
        let parsed: RunResult = serde_json::from_str(&text).expect("a result");
        assert_eq!(json(&parsed).expect("JSON"), text);
    }

    #[test]
    fn the_keys_of_schema_1_are_there_in_their_order() {
        let text = json(&sample::failing()).expect("JSON");
        let keys: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("  \"").and_then(|rest| rest.split('"').next()))
            .collect();
        let expected = [
            "schema",
            "hotspec",
            "target",
            "command",
            "profile",
            "model",
            "seed",
            "isolation",
            "evidence",
            "limits",
            "verdict",
            "problems",
            "interrupted",
            "clauses",
            "stale",
            "admitted",
            "slow",
            "version",
            "restarts",
            "notes",
            "scenarios",
            "took_us",
            "typed",
        ];
        assert_eq!(keys, expected);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["verdict"], "fail");
        assert_eq!(value["profile"], "falcore");
        assert_eq!(value["restarts"][0]["t0_us"], serde_json::json!([1_000_000, 1_000_100]));
        assert_eq!(value["clauses"][1]["violations"][0]["lane"], "idle#2");
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn what_would_steer_a_terminal_is_escaped_and_comes_back_when_parsed() {
        let mut run = sample::failing();
        let hostile = "\x1b[2J \u{9b}31m \u{202e}abc \u{7f} \u{e0041} 日本 \"\\";
        run.notes = vec![hostile.to_owned()];
        let text = json(&run).expect("JSON");
        assert!(!text.contains(|c: char| c != '\n' && misleads(c)));
        let parsed: RunResult = serde_json::from_str(&text).expect("a result");
        assert_eq!(parsed.notes, run.notes);
    }
}
