//! `[[known]]`: a deviation that a target file admits, and what it has to say of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::version::{Requirement, Version};

/// How often a known deviation shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frequency {
    /// In every run that exercises it; not seen means that the entry is stale.
    #[default]
    Always,
    /// In some runs.
    Rare,
}

/// In how many runs a rare deviation was seen: `3 of 41 runs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// In so many it showed: at least 1, and not in all.
    pub times: u32,
    /// Of so many that put it to the test.
    pub runs: u32,
}

impl FromStr for Seen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected how often it was seen, as in seen = \"3 of 41 runs\": in one run at least, and not in all; found `{text}`"
            )
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let &[times, "of", runs, "runs"] = words.as_slice() else { return Err(expected()) };
        let (times, runs) = (times.parse().map_err(|_| expected())?, runs.parse().map_err(|_| expected())?);
        if times == 0 || times >= runs {
            return Err(expected());
        }
        Ok(Self { times, runs })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} runs", self.times, self.runs)
    }
}

impl Serialize for Seen {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A deviation that a target file admits, with its reason and where it can be read about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The clause that is broken.
    pub clause: String,
    /// The scenario in which it is.
    pub scenario: String,
    /// The kind of violation: reset, refused, no-close, …
    pub kind: String,
    /// Why it is so.
    pub reason: String,
    /// Where that can be read about.
    pub source: String,
    /// How often it shows.
    #[serde(default)]
    pub frequency: Frequency,
    /// How rare it is; a rare one has to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// The versions of the program that have it; all, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Requirement>,
}

/// Whether an entry is about the version of the program that was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// It is.
    Yes,
    /// The version could not be told: what it admits is admitted, and it is not held to it.
    Unsure,
    /// It is about another one.
    No,
}

impl Known {
    /// Whether it is about this version; none means that it could not be told.
    pub fn applies_to(&self, version: Option<&Version>) -> Applies {
        match (&self.versions, version) {
            (None, _) => Applies::Yes,
            (Some(_), None) => Applies::Unsure,
            (Some(wanted), Some(version)) if wanted.holds(version) => Applies::Yes,
            (Some(_), Some(_)) => Applies::No,
        }
    }

    /// What the form of an entry can't say of itself.
    ///
    /// # Errors
    /// What was expected.
    pub fn check(&self) -> Result<(), String> {
        if self.reason.trim().is_empty() || self.source.trim().is_empty() {
            return Err("expected a known deviation to say its reason and its source".to_owned());
        }
        if [&self.clause, &self.scenario, &self.kind]
            .iter()
            .any(|name| name.contains('*') || name.trim().is_empty())
        {
            return Err("expected one clause, one scenario and one kind: no wildcards".to_owned());
        }
        match (self.frequency, self.seen) {
            (Frequency::Rare, None) => {
                Err("expected a rare deviation to say how rare it is, as in seen = \"3 of 41 runs\""
                    .to_owned())
            }
            (Frequency::Always, Some(seen)) => Err(format!(
                "expected frequency = \"rare\" where a deviation was seen in {seen}: one that always shows is seen in all"
            )),
            _ => Ok(()),
        }
    }

    /// The clause, the scenario and the kind, for people.
    pub fn describe(&self) -> String {
        format!("{}: {} in {}", self.clause, self.kind, self.scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Known {
        Known {
            clause: "drain.exits".to_owned(),
            scenario: "zero-traffic".to_owned(),
            kind: "late".to_owned(),
            reason: "it waits".to_owned(),
            source: "its manual".to_owned(),
            frequency: Frequency::Always,
            seen: None,
            versions: None,
        }
    }

    #[test]
    fn how_rare_is_read_and_printed_and_what_is_not_rare_is_refused() {
        let seen: Seen = "3 of 41 runs".parse().expect("a count");
        assert_eq!((seen, seen.to_string()), (Seen { times: 3, runs: 41 }, "3 of 41 runs".to_owned()));
        for text in
            ["", "rarely", "3", "3 of 41", "0 of 41 runs", "41 of 41 runs", "-1 of 41 runs", "3 of x runs"]
        {
            let error = text.parse::<Seen>().expect_err(text);
            assert!(error.contains("expected how often"), "{error}");
        }
    }

    #[test]
    fn a_rare_deviation_says_how_rare_and_one_that_always_shows_does_not() {
        let seen = Some(Seen { times: 1, runs: 20 });
        assert!(entry().check().is_ok());
        assert!(Known { frequency: Frequency::Rare, seen, ..entry() }.check().is_ok());
        assert!(Known { frequency: Frequency::Rare, ..entry() }.check().is_err());
        assert!(Known { seen, ..entry() }.check().is_err());
    }

    #[test]
    fn wildcards_and_empty_words_are_refused() {
        for broken in [
            Known { clause: "drain.*".to_owned(), ..entry() },
            Known { scenario: "*".to_owned(), ..entry() },
            Known { kind: " ".to_owned(), ..entry() },
            Known { reason: " ".to_owned(), ..entry() },
            Known { source: String::new(), ..entry() },
        ] {
            assert!(broken.check().is_err(), "{broken:?}");
        }
    }

    #[test]
    fn an_entry_is_about_the_versions_that_it_names() {
        let version = |text: &str| Version::find(text);
        let entry = Known { versions: Some(">=2.6, <2.8".parse().expect("versions")), ..entry() };
        assert_eq!(entry.applies_to(version("HAProxy version 2.6.12-1").as_ref()), Applies::Yes);
        assert_eq!(entry.applies_to(version("2.8.0").as_ref()), Applies::No);
        assert_eq!(entry.applies_to(None), Applies::Unsure);
        assert_eq!(Known { versions: None, ..entry }.applies_to(None), Applies::Yes);
    }
}
