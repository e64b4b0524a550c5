//! Lengths of time in scenario files.

use serde::Deserialize;

use crate::declaration::{Limits, Span};
use crate::history::Micros;

/// A length of time, or of a limit: `300ms`, `2*idle_max + 500ms`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Length(Vec<(f64, Option<String>)>);

impl Length {
    /// Its value under these limits.
    pub fn resolve(&self, limits: &Limits) -> Micros {
        let term = |(factor, name): &(f64, Option<String>)| match name {
            Some(name) => factor * limits.named(name).unwrap_or_default() as f64,
            None => *factor,
        };
        self.0.iter().map(term).sum::<f64>().max(0.0).round() as Micros
    }
}

impl std::str::FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = crate::declaration::DeclaredLimits::default().resolve();
        let term = |part: &str| -> Result<(f64, Option<String>), String> {
            let part = part.trim();
            let (factor, name) = match part.split_once('*') {
                Some((factor, name)) => (factor.trim(), name.trim()),
                None => ("1", part),
            };
            if known.named(name).is_some() {
                let factor: f64 =
                    factor.parse().map_err(|_| format!("expected a number before `*`, found `{factor}`"))?;
                return Ok((factor, Some(name.to_owned())));
            }
            let span: Span = part
                .parse()
                .map_err(|error| format!("{error}; or a limit such as idle_max or 0.5*stall_max"))?;
            Ok((span.0 as f64, None))
        };
        text.split('+').map(term).collect::<Result<_, _>>().map(Length)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::DeclaredLimits;

    #[test]
    fn a_length_is_a_sum_of_times_and_limits() {
        let limits = DeclaredLimits::default().resolve();
        let length: Length = "2*idle_max + 500ms".parse().expect("a length");
        assert_eq!(length.resolve(&limits), 30_500_000);
        let error = "2*idle".parse::<Length>().expect_err("no such limit");
        assert!(error.contains("expected"), "{error}");
    }
}
