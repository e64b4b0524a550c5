//! What a restart consists of, as a target file says it: one step after another.

use serde::Deserialize;

use crate::declaration::Span;

/// One step of a restart. Exactly one of its verbs is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TriggerStep {
    /// Send this signal: HUP, USR2, …
    pub signal: Option<String>,
    /// … to the process that this file names; else to the main process.
    pub pid_file: Option<String>,
    /// Run this command and wait for its end.
    pub command: Option<Vec<String>>,
    /// Wait for an event.
    pub wait: Option<Event>,
    /// The old generation is to drain from this step on; else from the first.
    #[serde(default)]
    pub drain: bool,
    /// How long the step may take.
    pub timeout: Option<Span>,
}

/// Something that a step of a restart may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The successor answers. Where no connection is made that could show it, it is as many processes of the successor's as
    /// of the old generation that hold a listening socket.
    SuccessorAnswers,
    /// No process of the old generation holds a listening socket any more, but for a master that serves nobody.
    OldStopsListening,
    /// The old generation is gone.
    OldGone,
}

impl Event {
    /// It, as the end of "wait until …".
    pub fn describe(self) -> &'static str {
        match self {
            Event::SuccessorAnswers => "the successor answers",
            Event::OldStopsListening => "the old workers stop listening",
            Event::OldGone => "the old generation is gone",
        }
    }
}

impl TriggerStep {
    /// What the format itself can't say.
    pub(super) fn check(&self) -> Result<(), String> {
        let verbs = [self.signal.is_some(), self.command.is_some(), self.wait.is_some()];
        if verbs.iter().filter(|given| **given).count() != 1 {
            return Err("expected exactly one of signal, command and wait in a [[restart]] step".to_owned());
        }
        if let Some(signal) = &self.signal {
            parse_signal(signal)?;
        }
        if self.command.as_ref().is_some_and(|command| command.first().is_none_or(String::is_empty)) {
            return Err("expected `command` to name a program".to_owned());
        }
        Ok(())
    }

    /// What the step does, for people.
    pub fn describe(&self) -> String {
        if let Some(signal) = &self.signal {
            let to = self.pid_file.as_deref().unwrap_or("the main process");
            format!("SIG{} to {to}", signal.trim_start_matches("SIG"))
        } else if let Some(command) = &self.command {
            format!("`{}`", command.join(" "))
        } else {
            format!("wait until {}", self.wait.map_or("", Event::describe))
        }
    }
}

/// A signal by its name, with or without `SIG`.
///
/// # Errors
/// What was expected, and what was found.
pub fn parse_signal(text: &str) -> Result<nix::sys::signal::Signal, String> {
    let upper = text.to_ascii_uppercase();
    let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    full.parse().map_err(|_| format!("expected a signal such as HUP or USR2, found `{text}`"))
}
