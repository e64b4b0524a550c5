//! The target, with what the caller says on top.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::client::http1::Request;
use crate::declaration::{DeclaredLimits, Profile};
use crate::exit::{self, Failure};
use crate::history::Model;
use crate::scenario::endpoint::{EndpointName, ask};
use crate::target::builtin;
use crate::target::file::{
    AsPid1, Broken, Endpoints, FileSpec, Target, TargetError, TriggerStep, parse_signal,
};
use crate::target::listen::ListenKind;

/// What no configuration may hold, in whatever language it is written.
const NO_CONFIGURATION: &str = "\n}] ) no configuration has such a line \" ' <\n";

/// The target of that name, or of that file.
///
/// # Errors
/// There is none, or its file is wrong.
pub(crate) fn find(name: &str) -> Result<Target, Failure> {
    builtin::find(name).map_err(not_found)
}

/// The target of that file.
///
/// # Errors
/// There is none, or it is wrong.
pub(crate) fn read(path: &Path) -> Result<Target, Failure> {
    Target::read(path).map_err(not_found)
}

fn not_found(error: TargetError) -> Failure {
    let status = match error {
        TargetError::Unknown { .. } => exit::USAGE,
        _ => exit::BAD_FILE,
    };
    Failure::new(status, error)
}

/// The target that these words start. Its restart is SIGHUP.
pub(crate) fn command(words: Vec<String>) -> Target {
    Target {
        name: "command".to_owned(),
        title: words.join(" "),
        start: words,
        restart: vec![TriggerStep { signal: Some("HUP".to_owned()), ..TriggerStep::default() }],
        // Where it would start when typed without hotspec before it: its paths are relative to that.
        directory: std::env::current_dir().ok(),
        ..Target::default()
    }
}

/// What is said of a target beside its file or its command. What is not said stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) restart: Option<String>,
    pub(crate) restart_command: Option<String>,
    pub(crate) profile: Option<Profile>,
    pub(crate) model: Option<Model>,
    pub(crate) limits: DeclaredLimits,
    pub(crate) endpoints: Endpoints,
    pub(crate) socket_flag: Option<String>,
    pub(crate) successor_variables: Vec<String>,
    pub(crate) pid_file: Option<String>,
    pub(crate) listen_on: Vec<(ListenKind, String)>,
    pub(crate) each_listener: Option<String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) pid_1: Option<AsPid1>,
    pub(crate) notify: bool,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Declared {
    /// The target with all of it.
    ///
    /// # Errors
    /// Something that can't be.
    pub(crate) fn on(&self, mut target: Target) -> Result<Target, Failure> {
        if let Some(signal) = &self.restart {
            parse_signal(signal).map_err(Failure::usage)?;
            target.restart = vec![TriggerStep { signal: Some(signal.clone()), ..TriggerStep::default() }];
        }
        if let Some(command) = &self.restart_command {
            let words = ["sh", "-c", command].map(str::to_owned).to_vec();
            target.restart = vec![TriggerStep { command: Some(words), ..TriggerStep::default() }];
        }
        target.profile = self.profile.unwrap_or(target.profile);
        target.model = self.model.unwrap_or(target.model);
        target.limits = target.limits.overridden_by(self.limits);
        let given = &self.endpoints;
        for (endpoint, path) in [
            (&mut target.endpoints.fast, &given.fast),
            (&mut target.endpoints.slow, &given.slow),
            (&mut target.endpoints.stream, &given.stream),
            (&mut target.endpoints.large, &given.large),
            (&mut target.endpoints.upload, &given.upload),
            (&mut target.endpoints.no_content, &given.no_content),
            (&mut target.endpoints.not_modified, &given.not_modified),
        ] {
            if path.is_some() {
                endpoint.clone_from(path);
            }
        }
        check_paths(&target.endpoints)?;
        target.successor.flag = self.socket_flag.clone().or(target.successor.flag);
        target.pid_file = self.pid_file.clone().or(target.pid_file);
        target.notify |= self.notify;
        target.pid_1 = self.pid_1.or(target.pid_1);
        target.successor.variables.extend(self.successor_variables.iter().cloned());
        target.environment.extend(self.environment.clone());
        if let Some(path) = &self.config {
            take_configuration(&mut target, path)?;
        }
        if !self.listen_on.is_empty() {
            target.listen.extend(self.listen_on.iter().cloned());
            target.check_listen().map_err(|message| Failure::usage(format!("--listen-on: {message}")))?;
        }
        if self.each_listener.is_some() {
            target.each_listener.clone_from(&self.each_listener);
            target
                .check_each_listener()
                .map_err(|message| Failure::usage(format!("--each-listener: {message}")))?;
        }
        Ok(target)
    }
}

/// A copy of this file is the target's configuration, and can be made invalid.
fn take_configuration(target: &mut Target, path: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("--config: failed to read {}: {error}", path.display())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let copy = format!("config/{name}");
    let commands = target.restart.iter_mut().filter_map(|step| step.command.as_mut());
    for word in commands.chain([&mut target.start]).flatten() {
        *word = word.replace("{config}", &format!("{{dir}}/{copy}"));
    }
    target.files.push(FileSpec { path: copy.clone(), text, bytes: None });
    target.broken = Some(Broken { file: copy, text: None, append: Some(NO_CONFIGURATION.to_owned()) });
    Ok(())
}

/// Every path must be one that can be asked for.
fn check_paths(endpoints: &Endpoints) -> Result<(), Failure> {
    for name in EndpointName::ALL {
        let path = ask(endpoints, name, 1_000_000).path;
        if !path.starts_with('/') {
            return Err(Failure::usage(format!("expected a path that begins with `/`, found `{path}`")));
        }
        Request::get(&path, "localhost").encode().map_err(Failure::usage)?;
    }
    Ok(())
}
