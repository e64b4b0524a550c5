//! What a target declares: its profile, its limits, and the deviations that are known.
//!
//! Everything that judges reads these from the run's manifest, so that a stored run is judged
//! again by what held when it was recorded.

pub mod known;
pub mod version;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use known::{Frequency, Known};

use crate::history::Micros;

/// The set of clauses that a kind of target promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Falcore's promises: idle connections get one last request, and all the rest.
    Falcore,
    /// What most servers promise: idle connections may be closed by a clean FIN.
    #[default]
    Reload,
    /// One process restarts inside itself.
    InPlace,
}

impl Profile {
    /// Its letter in the catalogue: F, R or I.
    pub fn letter(self) -> char {
        match self {
            Profile::Falcore => 'F',
            Profile::Reload => 'R',
            Profile::InPlace => 'I',
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Falcore => "falcore",
            Profile::Reload => "reload",
            Profile::InPlace => "in-place",
        })
    }
}

/// A length of time as it is typed: `300ms`, `1.5s`, `2m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Micros);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a length of time such as 300ms, 1.5s or 2m, found `{text}`");
        let text_trimmed = text.trim();
        let split = text_trimmed.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text_trimmed.len());
        let (number, unit) = text_trimmed.split_at(split);
        let micros_per_unit = match unit {
            "us" => 1.0,
            "ms" => 1e3,
            "" | "s" => 1e6,
            "m" | "min" => 60e6,
            "h" => 3_600e6,
            _ => return Err(expected()),
        };
        let number: f64 = number.trim().parse().map_err(|_| expected())?;
        let micros = number * micros_per_unit;
        // A day is more than any restart may take; NaN is in no range.
        if !(0.0..=86_400e6).contains(&micros) {
            return Err(expected());
        }
        Ok(Span(micros.round() as Micros))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            micros if micros < 1_000 => write!(f, "{micros} µs"),
            micros if micros < 1_000_000 => write!(f, "{} ms", trim(micros as f64 / 1e3)),
            micros => write!(f, "{} s", trim(micros as f64 / 1e6)),
        }
    }
}

fn trim(value: f64) -> String {
    let text = if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}us", self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The limits that a target declares, or the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the trigger to a successor that serves.
    pub ready_max: Micros,
    /// The longest that an idle connection is kept while draining.
    pub idle_max: Micros,
    /// From the successor's first answer to the beginning of the drain.
    pub drain_start_max: Micros,
    /// The longest that in-flight work may take to drain.
    pub drain_max: Micros,
    /// From the end of the old generation's last lane to its own end.
    pub exit_max: Micros,
    /// How much longer than in control a new connection may wait for its first byte.
    pub stall_max: Micros,
    /// When the target cuts what is left, if it says so.
    pub hard_limit: Option<Micros>,
}

/// A start that is slowed takes so many times `stall_max`, but no more than half of `ready_max`.
const SLOW_TIMES: Micros = 5;
/// The longest answer that a scenario asks for comes so long after `idle_max`, and so much more is waited for it.
const LONGEST_ANSWER: Micros = 5_000_000;

impl Limits {
    /// How long a start takes that is slowed, from T0 on.
    pub fn slow_start(&self) -> Micros {
        SLOW_TIMES.saturating_mul(self.stall_max).min(self.ready_max / 2)
    }

    /// The longest that a lane waits for an answer.
    pub fn patience(&self) -> Micros {
        self.drain_max.max(self.idle_max.saturating_add(LONGEST_ANSWER))
    }

    /// The longest that a drain may be watched: beyond its declared end and its hard limit, by what tolerances may take.
    pub fn drain_watch(&self) -> Micros {
        self.drain_max.max(self.hard_limit.unwrap_or(0)).saturating_add(2_000_000)
    }

    /// A limit by the name that scenario files use.
    pub fn named(&self, name: &str) -> Option<Micros> {
        Some(match name {
            "ready_max" => self.ready_max,
            "idle_max" => self.idle_max,
            "drain_start_max" => self.drain_start_max,
            "drain_max" => self.drain_max,
            "exit_max" => self.exit_max,
            "stall_max" => self.stall_max,
            _ => return None,
        })
    }
}

/// Limits as they are declared: what is missing is assumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredLimits {
    /// See [`Limits`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_max: Option<Span>,
    /// See [`Limits`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_max: Option<Span>,
    /// See [`Limits`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_start_max: Option<Span>,
    /// See [`Limits`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_max: Option<Span>,
    /// See [`Limits`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_max: Option<Span>,
    /// See [`Limits`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_max: Option<Span>,
    /// See [`Limits`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_limit: Option<Span>,
}

impl DeclaredLimits {
    /// `other` where it says something, `self` elsewhere.
    pub fn overridden_by(self, other: Self) -> Self {
        Self {
            ready_max: other.ready_max.or(self.ready_max),
            idle_max: other.idle_max.or(self.idle_max),
            drain_start_max: other.drain_start_max.or(self.drain_start_max),
            drain_max: other.drain_max.or(self.drain_max),
            exit_max: other.exit_max.or(self.exit_max),
            stall_max: other.stall_max.or(self.stall_max),
            hard_limit: other.hard_limit.or(self.hard_limit),
        }
    }

    /// The limits that hold.
    pub fn resolve(&self) -> Limits {
        let or = |declared: Option<Span>, default: Micros| declared.map_or(default, |span| span.0);
        let idle_max = or(self.idle_max, 15_000_000);
        Limits {
            ready_max: or(self.ready_max, 10_000_000),
            idle_max,
            drain_start_max: or(self.drain_start_max, 1_000_000),
            // Nobody promises to go on with what is cut off.
            drain_max: or(self.drain_max, or(self.hard_limit, Micros::MAX).min(30_000_000)),
            exit_max: or(self.exit_max, idle_max + 1_000_000),
            stall_max: or(self.stall_max, 1_000_000),
            hard_limit: self.hard_limit.map(|span| span.0),
        }
    }

    /// Names of the limits that were assumed.
    pub fn assumed(&self) -> Vec<&'static str> {
        [
            ("ready_max", self.ready_max),
            ("idle_max", self.idle_max),
            ("drain_start_max", self.drain_start_max),
            ("drain_max", self.drain_max),
            ("exit_max", self.exit_max),
            ("stall_max", self.stall_max),
        ]
        .into_iter()
        .filter_map(|(name, declared)| declared.is_none().then_some(name))
        .collect()
    }
}

/// What a generation tells the next one, and documents: it is left out where generations are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Documented {
    /// The flag that names the listening socket's descriptor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
    /// Further flags, each with the word that follows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Names of variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
}

impl Documented {
    /// Whether nothing is: then it can't be told what a generation adds on purpose.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_with_its_unit_and_printed_with_one() {
        assert_eq!("300ms".parse(), Ok(Span(300_000)));
        assert_eq!("1.5s".parse(), Ok(Span(1_500_000)));
        assert_eq!(" 2 ".parse(), Ok(Span(2_000_000)));
        assert_eq!(Span(1_500_000).to_string(), "1.5 s");
        assert_eq!(Span(40_000).to_string(), "40 ms");
    }

    #[test]
    fn a_span_that_makes_no_sense_is_refused_with_what_was_expected() {
        for text in ["", "fast", "-1s", "1d", "NaNs", "inf", "1e99s"] {
            let error = text.parse::<Span>().expect_err(text);
            assert!(error.contains("expected a length of time"), "{error}");
        }
    }

    #[test]
    fn an_assumed_limit_is_named_and_exit_max_follows_idle_max() {
        let declared = DeclaredLimits { idle_max: Some(Span(3_000_000)), ..DeclaredLimits::default() };
        assert_eq!(declared.resolve().exit_max, 4_000_000);
        assert!(!declared.assumed().contains(&"idle_max"));
        assert!(declared.assumed().contains(&"ready_max"));
    }

    #[test]
    fn what_is_cut_off_is_not_assumed_to_be_drained() {
        let declared = |hard_limit, drain_max| {
            let (hard_limit, drain_max) = (Some(Span(hard_limit)), drain_max);
            DeclaredLimits { hard_limit, drain_max, ..DeclaredLimits::default() }.resolve().drain_max
        };
        assert_eq!(declared(20_000_000, None), 20_000_000);
        assert_eq!(declared(60_000_000, None), 30_000_000);
        assert_eq!(declared(20_000_000, Some(Span(25_000_000))), 25_000_000);
    }
}
