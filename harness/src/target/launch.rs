//! A target made concrete: its files written, its commands ready for the warden.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::file::{Target, fill};
use super::warden::CommandSpec;

/// The port in a network namespace of the run's own, where every port is free.
const OWN_PORT: u16 = 8080;
/// Variables by which a service manager and hotspec itself would know each other (sd_notify(3), sd_watchdog_enabled(3)).
const SERVICE_MANAGER: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
/// The port of the origin there.
const ORIGIN_PORT: u16 = 8081;

/// A target with every placeholder filled in.
#[derive(Debug)]
pub struct Launch {
    /// The declaration.
    pub target: Target,
    /// Its own directory.
    pub dir: PathBuf,
    /// Where its output goes.
    pub output: PathBuf,
    /// Where it was told to listen; none if it was not told.
    pub address: Option<SocketAddr>,
    /// Where the origin behind it listens.
    pub origin: SocketAddr,
    /// The values that its marker takes, in their order.
    pub markers: Vec<String>,
    /// The notify socket, if the target is to be given one.
    pub notify: Option<PathBuf>,
    values: BTreeMap<&'static str, String>,
}

/// Why a target can't be made ready.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Something in its directory can't be written.
    #[error("failed to write {path}: {source}")]
    Write {
        /// What.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No port could be had.
    #[error("failed to find a free port on 127.0.0.1: {0}")]
    Port(std::io::Error),
    /// The address in the target file is none.
    #[error("expected `address` to be like 127.0.0.1:8080, found `{0}`")]
    Address(String),
}

impl Launch {
    /// Makes a target concrete in `dir`. `own_network` says that every port is free.
    ///
    /// # Errors
    /// [`LaunchError`].
    pub fn prepare(
        target: &Target,
        dir: &Path,
        output: &Path,
        own_network: bool,
        seed: u64,
    ) -> Result<Self, LaunchError> {
        let (port, origin_port) =
            if own_network { (OWN_PORT, ORIGIN_PORT) } else { (free_port()?, free_port()?) };
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let told = SocketAddr::new(host, port);
        let origin = SocketAddr::new(host, origin_port);
        let markers: Vec<String> = (0..2).map(|life| format!("hotspec-{seed:x}-{life}")).collect();
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
        let program = std::env::current_exe().unwrap_or_default();
        let values = BTreeMap::from([
            ("address", told.to_string()),
            ("host", host.to_string()),
            ("port", port.to_string()),
            ("dir", dir.display().to_string()),
            ("origin", origin.to_string()),
            ("user", user.map_or_else(|| "nobody".to_owned(), |user| user.name)),
            ("hotspec", program.display().to_string()),
            ("marker", markers[0].clone()),
        ]);
        let address = match &target.address {
            Some(text) => {
                let filled = fill(text, &values);
                Some(filled.parse().map_err(|_| LaunchError::Address(filled))?)
            }
            None => target.names_address().then_some(told),
        };
        let launch = Self {
            target: target.clone(),
            dir: dir.to_owned(),
            output: output.to_owned(),
            address,
            origin,
            markers: if target.marker { markers } else { Vec::new() },
            notify: None,
            values,
        };
        launch.write_all()?;
        Ok(launch)
    }

    fn write_all(&self) -> Result<(), LaunchError> {
        for name in &self.target.directories {
            let path = self.dir.join(name);
            std::fs::create_dir_all(&path).map_err(|source| LaunchError::Write { path, source })?;
        }
        self.write_files()
    }

    fn write_files(&self) -> Result<(), LaunchError> {
        for file in &self.target.files {
            let path = self.dir.join(&file.path);
            let content = match file.bytes {
                Some(bytes) => crate::client::http1::body_bytes(usize::try_from(bytes).unwrap_or(usize::MAX)),
                None => fill(&file.text, &self.values).into_bytes(),
            };
            let parent = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            parent
                .and_then(|()| std::fs::write(&path, content))
                .map_err(|source| LaunchError::Write { path, source })?;
        }
        Ok(())
    }

    /// Writes the files again with the marker's next value; returns it.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn change_marker(&mut self) -> Result<Option<String>, LaunchError> {
        let Some(next) = self.markers.get(1).cloned() else { return Ok(None) };
        self.values.insert("marker", next.clone());
        self.write_files()?;
        Ok(Some(next))
    }

    /// All commands that the warden will be asked for: the start first, then the steps of the restart that are
    /// commands, in their order.
    pub fn commands(&self) -> Vec<CommandSpec> {
        let steps = self.target.restart.iter().filter_map(|step| step.command.as_ref());
        std::iter::once(&self.target.start).chain(steps).map(|words| self.command(words)).collect()
    }

    fn command(&self, words: &[String]) -> CommandSpec {
        let mut filled = words.iter().map(|word| OsString::from(fill(word, &self.values)));
        let program = filled.next().unwrap_or_default();
        let (program, dir) = match &self.target.directory {
            Some(dir) => (program, dir),
            None => (absolute(program), &self.dir),
        };
        let mut spec = CommandSpec::new(program).args(filled).dir(dir).output(&self.output);
        spec.env = inherited(std::env::vars_os());
        if let Some(socket) = &self.notify {
            spec.env.push(("NOTIFY_SOCKET".into(), socket.into()));
        }
        for (name, value) in &self.target.environment {
            let name = OsString::from(name);
            spec.env.retain(|(other, _)| *other != name);
            spec.env.push((name, OsString::from(fill(value, &self.values))));
        }
        spec
    }

    /// Fills the placeholders of one text.
    pub fn fill(&self, text: &str) -> String {
        fill(text, &self.values)
    }
}

impl Target {
    /// Whether anything tells the target where to listen.
    pub fn names_address(&self) -> bool {
        let named = |text: &String| ["{address}", "{port}"].iter().any(|name| text.contains(name));
        self.start.iter().any(named)
            || self.environment.values().any(named)
            || self.files.iter().any(|file| named(&file.text))
            || self.address.as_ref().is_some_and(named)
    }
}

/// What the target gets of our own environment. A service manager that watches over hotspec must not hear of the target.
fn inherited(own: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    own.filter(|(name, _)| !SERVICE_MANAGER.iter().any(|left_out| name == left_out)).collect()
}

/// The path of a program is meant from where hotspec was called; a bare name is looked up in PATH.
fn absolute(program: OsString) -> OsString {
    let is_path = program.as_encoded_bytes().contains(&b'/');
    match std::env::current_dir() {
        Ok(here) if is_path => here.join(program).into_os_string(),
        _ => program,
    }
}

/// A port that was free a moment ago. Whoever takes it meanwhile shows as a target that does not start.
fn free_port() -> Result<u16, LaunchError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(LaunchError::Port)?;
    Ok(listener.local_addr().map_err(LaunchError::Port)?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_manager_above_hotspec_is_not_known_to_the_target() {
        let own =
            [("PATH", "/bin"), ("NOTIFY_SOCKET", "/run/x"), ("WATCHDOG_USEC", "1"), ("WATCHDOG_PID", "2")];
        let own = own.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        assert_eq!(inherited(own.into_iter()), [("PATH".into(), "/bin".into())]);
    }

    #[test]
    fn a_program_by_its_path_is_looked_for_where_hotspec_was_called() {
        let here = std::env::current_dir().expect("a current directory");
        assert_eq!(absolute("./my-server".into()), here.join("./my-server"));
        assert_eq!(absolute("/bin/sh".into()), "/bin/sh");
        assert_eq!(absolute("nginx".into()), "nginx");
    }
}
