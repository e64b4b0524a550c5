//! Versions of programs, and which of them an entry is about.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The numbers of a version: 2.6.12. What follows them (`-1+deb12u3`, `rc1`) is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(Vec<u64>);

impl Version {
    /// The first version in a text, as programs print it: two numbers at least, with points between them, at the beginning
    /// of a word or right after a `v` or `/`.
    pub fn find(text: &str) -> Option<Self> {
        let words = text.split(|c: char| c.is_whitespace() || "/(),;:\"".contains(c));
        words.map(|word| word.strip_prefix('v').unwrap_or(word)).find_map(|word| {
            let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
            Self::of(word[..end].trim_end_matches('.')).filter(|version| version.0.len() > 1)
        })
    }

    fn of(text: &str) -> Option<Self> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>().map(Self)
    }

    /// Compares as many numbers as `other` has; one that is missing here is 0.
    fn compare(&self, other: &Self) -> Ordering {
        let parts = other.0.iter().enumerate();
        let mut unlike = parts.map(|(at, theirs)| self.0.get(at).unwrap_or(&0).cmp(theirs));
        unlike.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Is,
    From,
    After,
    UpTo,
    Before,
}

/// Longer ones first, as they begin like shorter ones.
const OPERATORS: [(&str, Operator); 4] =
    [(">=", Operator::From), ("<=", Operator::UpTo), (">", Operator::After), ("<", Operator::Before)];

/// Versions that an entry is about: `2.6`, or `>=2.4, <2.8`. All parts must hold. Each compares as many numbers as it has, so
/// 2.6 is all of 2.6.x, and so is `<=2.6` up to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement(Vec<(Operator, Version)>);

impl Requirement {
    /// Whether a version is one of them.
    pub fn holds(&self, version: &Version) -> bool {
        self.0.iter().all(|(operator, bound)| {
            let order = version.compare(bound);
            match operator {
                Operator::Is => order.is_eq(),
                Operator::From => order.is_ge(),
                Operator::After => order.is_gt(),
                Operator::UpTo => order.is_le(),
                Operator::Before => order.is_lt(),
            }
        })
    }
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected versions such as \"2.6\" or \">=2.4, <2.8\", found `{text}`");
        let part = |part: &str| {
            let part = part.trim();
            let found =
                OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, part.strip_prefix(sign)?)));
            let (operator, number) = found.unwrap_or((Operator::Is, part));
            Version::of(number.trim()).map(|version| (operator, version))
        };
        text.split(',').map(part).collect::<Option<Vec<_>>>().map(Self).ok_or_else(expected)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (operator, version)) in self.0.iter().enumerate() {
            let sign = OPERATORS.iter().find(|(_, other)| other == operator).map_or("", |(sign, _)| *sign);
            write!(f, "{}{sign}{version}", if number == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Serialize for Requirement {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::find(text).unwrap_or_else(|| panic!("no version in `{text}`"))
    }

    #[test]
    fn a_version_is_found_in_what_programs_print() {
        for (text, found) in [
            ("nginx version: nginx/1.22.1", "1.22.1"),
            ("HAProxy version 2.6.12-1+deb12u3 2025/10/03 - https://haproxy.org/", "2.6.12"),
            ("Server version: Apache/2.4.67 (Debian)\nServer built:   2026-05-06T09:14:12", "2.4.67"),
            ("v2.6.2 h1:abc", "2.6.2"),
            ("gunicorn (version 27.0.1)", "27.0.1"),
            ("puma version 5.6.5", "5.6.5"),
        ] {
            assert_eq!(version(text).to_string(), found, "{text}");
        }
        for text in ["", "no version", "7", "built 2026", "99999999999999999999.1"] {
            assert_eq!(Version::find(text), None, "{text}");
        }
    }

    #[test]
    fn as_many_numbers_are_compared_as_are_named() {
        let holds =
            |wanted: &str, text: &str| wanted.parse::<Requirement>().expect(wanted).holds(&version(text));
        for (wanted, yes, no) in [
            ("2.6", ["2.6.0", "2.6.12"], ["2.5.9", "2.60.1"]),
            ("2", ["2.0.1", "2.9"], ["1.9", "3.0"]),
            ("<=2.6", ["2.6.12", "2.4"], ["2.7.0", "3.0"]),
            (">2.6", ["2.7.0", "3.0"], ["2.6.12", "2.6"]),
            (">=2.4, <2.8", ["2.4.0", "2.7.9"], ["2.3.9", "2.8.0"]),
            ("<1.27.4", ["1.27.3", "1.22"], ["1.27.4", "1.28.0"]),
        ] {
            assert!(yes.iter().all(|text| holds(wanted, text)), "{wanted}");
            assert!(!no.iter().any(|text| holds(wanted, text)), "{wanted}");
        }
    }

    #[test]
    fn what_are_no_versions_is_refused_and_the_rest_is_printed_as_it_was_read() {
        for text in ["", "new", ">=", "2.x", "2.4 - 2.6", ">=2.4,", "=2.6", "-1.2"] {
            let error = text.parse::<Requirement>().expect_err(text);
            assert!(error.contains("expected versions"), "{error}");
        }
        for text in ["2.6", ">=2.4, <2.8", ">1, <=3.1"] {
            assert_eq!(text.parse::<Requirement>().expect(text).to_string(), text);
        }
    }
}
