//! What a target file has to keep to that its format can't say.

use std::path::Path;

use super::file::{FileSpec, Target};
use crate::declaration::Known;

impl Target {
    /// All of it; the first string is where to look for the place.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if self.start.first().is_none_or(String::is_empty) {
            let message = "expected `start` to name a command, as in start = [\"nginx\", \"-p\", \"{dir}\"]";
            return Err(("start".to_owned(), message.to_owned()));
        }
        if self.restart.is_empty() {
            let message = "expected at least one [[restart]] step, as in signal = \"HUP\"";
            return Err(("restart".to_owned(), message.to_owned()));
        }
        for step in &self.restart {
            step.check().map_err(|message| ("[[restart]]".to_owned(), message))?;
        }
        for file in &self.files {
            let path = Path::new(&file.path);
            let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if !inside || file.path.is_empty() {
                let message =
                    format!("expected a path inside the run's own directory, found `{}`", file.path);
                return Err((file.path.clone(), message));
            }
        }
        self.check_broken().map_err(|message| ("[broken]".to_owned(), message))?;
        self.check_listen().map_err(|message| ("[listen]".to_owned(), message))?;
        self.check_each_listener().map_err(|message| ("each-listener".to_owned(), message))?;
        self.check_known()?;
        Ok(())
    }

    /// The deviations that it admits: each by itself, and whether one is there twice.
    fn check_known(&self) -> Result<(), (String, String)> {
        for (number, known) in self.known.iter().enumerate() {
            let wrong = |message: String| {
                (known.clause.clone(), format!("[[known]] {}: {message}", known.describe()))
            };
            known.check().map_err(wrong)?;
            if known.versions.is_some() && self.version.is_empty() {
                let message = "expected `version`, the command that tells the program's version, where an entry names versions";
                return Err(wrong(message.to_owned()));
            }
            let same = |other: &Known| {
                (&other.clause, &other.scenario, &other.kind, &other.versions)
                    == (&known.clause, &known.scenario, &known.kind, &known.versions)
            };
            if self.known[..number].iter().any(same) {
                return Err(wrong("it is there twice".to_owned()));
            }
        }
        Ok(())
    }

    fn check_broken(&self) -> Result<(), String> {
        let Some(broken) = &self.broken else { return Ok(()) };
        if broken.text.is_some() == broken.append.is_some() {
            return Err("expected exactly one of text and append in [broken]".to_owned());
        }
        let is_its_own = |file: &FileSpec| file.path == broken.file && file.bytes.is_none();
        if !self.files.iter().any(is_its_own) {
            let message = "expected `file` in [broken] to be the path of a [[file]] that has a text";
            return Err(format!("{message}, found `{}`", broken.file));
        }
        Ok(())
    }
}
