//! A target made concrete: its files written, its commands ready for the warden.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::file::{Broken, FileSpec, ListenKind, Target, fill};
use super::many::{self, Told};
use super::network::Hosts;
use super::place::{Place, free_port, further};
use super::warden::CommandSpec;
use crate::client::address::{Address, InvalidAddress};

/// Variables by which a service manager and hotspec itself would know each other (sd_notify(3), sd_watchdog_enabled(3)).
const SERVICE_MANAGER: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
/// The port of the origin in a network namespace of the run's own.
const ORIGIN_PORT: u16 = 8081;
/// The port of the listener that is to be dropped there.
const EXTRA_PORT: u16 = 8082;

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
    pub address: Option<Address>,
    /// All addresses on which it was told to listen, if they are more than one.
    pub addresses: Vec<Address>,
    /// Where the origin behind it listens.
    pub origin: SocketAddr,
    /// The values that its marker takes, in their order.
    pub markers: Vec<String>,
    /// Where it listens besides until its configuration is changed, if the scenario wants that.
    pub extra: Option<SocketAddr>,
    /// The notify socket, if the target is to be given one.
    pub notify: Option<PathBuf>,
    values: BTreeMap<&'static str, String>,
    /// Where it was told to listen, if on several addresses.
    told: Vec<Told>,
    /// One of its files is an invalid configuration for now.
    broken: bool,
    /// Holds the directory of a unix socket.
    _place: Place,
}

/// What a scenario wants of its target, and what it finds.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The kind of listening socket.
    pub listener: ListenKind,
    /// How many of them.
    pub listeners: u16,
    /// Every port is free.
    pub own_network: bool,
    /// Where it is to listen.
    pub hosts: Hosts,
    /// Fixes the marker.
    pub seed: u64,
    /// There is a marker for each of so many restarts, and one before.
    pub restarts: u32,
    /// The target listens on one address more until its configuration is changed.
    pub drops_listener: bool,
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
    #[error("failed to find a free port on {host}: {source}")]
    Port {
        /// The address of this machine.
        host: IpAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address in the target file is none.
    #[error("the target file's `address`: {0}")]
    Address(#[from] InvalidAddress),
}

impl Launch {
    /// Makes a target concrete in `dir`.
    ///
    /// # Errors
    /// [`LaunchError`].
    pub fn prepare(
        target: &Target,
        circumstances: &Circumstances,
        dir: &Path,
        output: &Path,
    ) -> Result<Self, LaunchError> {
        let Circumstances { listener: kind, listeners, own_network, hosts, seed, restarts, drops_listener } =
            *circumstances;
        let place = Place::choose(kind, &hosts, own_network)?;
        let further = further(place.host, own_network, listeners.saturating_sub(1))?;
        // On the server's side, and no business of the clients'.
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let origin = SocketAddr::new(here, if own_network { ORIGIN_PORT } else { free_port(here)? });
        let markers: Vec<String> = (0..=restarts).map(|life| format!("hotspec-{seed:x}-{life:04}")).collect();
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
        let mut values = BTreeMap::from([
            ("host", place.host.to_string()),
            ("port", place.port.to_string()),
            ("dir", dir.display().to_string()),
            ("origin", origin.to_string()),
            ("origin_host", origin.ip().to_string()),
            ("origin_port", origin.port().to_string()),
            ("user", user.map_or_else(|| "nobody".to_owned(), |user| user.name)),
            ("hotspec", target.hotspec.as_deref().unwrap_or(Path::new("hotspec")).display().to_string()),
            ("marker", markers[0].clone()),
        ]);
        let extra = match &target.extra_listener {
            Some(_) if drops_listener => {
                let host = hosts.v4.into();
                Some(SocketAddr::new(host, if own_network { EXTRA_PORT } else { free_port(host)? }))
            }
            _ => None,
        };
        if let Some(extra) = extra {
            values.insert("extra_address", extra.to_string());
            let text = fill(target.extra_listener.as_deref().unwrap_or_default(), &values);
            values.insert("extra", text);
        } else {
            values.insert("extra", String::new());
        }
        if let Some(socket) = &place.socket {
            values.insert("socket", socket.clone());
        }
        let told = target.listen.get(&kind).map(|text| fill(text, &values));
        values.insert("address", told.unwrap_or_else(|| place.address.to_string()));
        let address = match &target.address {
            Some(text) if kind == ListenKind::Ipv4 => Some(fill(text, &values).parse()?),
            None if kind == ListenKind::Ipv4 && !target.names_address() => None,
            _ => Some(place.address.clone()),
        };
        let all = || std::iter::once(SocketAddr::new(place.host, place.port)).chain(further.iter().copied());
        let told: Vec<Told> = all().map(|one| told_of(target, kind, one)).collect();
        let addresses = if further.is_empty() { Vec::new() } else { all().map(Address::Tcp).collect() };
        let launch = Self {
            target: target.clone(),
            dir: dir.to_owned(),
            output: output.to_owned(),
            address,
            addresses,
            origin,
            markers: if target.marker { markers } else { Vec::new() },
            extra,
            notify: None,
            values,
            told,
            broken: false,
            _place: place,
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
                None => {
                    let text = self.text_of(file);
                    let text = match &self.target.each_listener {
                        Some(template) => many::in_text(text.as_ref(), template, &self.told),
                        None => text.into_owned(),
                    };
                    fill(&text, &self.values).into_bytes()
                }
            };
            let parent = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            parent
                .and_then(|()| std::fs::write(&path, content))
                .map_err(|source| LaunchError::Write { path, source })?;
        }
        Ok(())
    }

    /// The text of a file as it is to be now.
    fn text_of<'a>(&self, file: &'a FileSpec) -> Cow<'a, str> {
        let broken = self.target.broken.as_ref().filter(|broken| self.broken && broken.file == file.path);
        match broken {
            None => Cow::Borrowed(&file.text),
            Some(Broken { text: Some(text), .. }) => Cow::Owned(text.clone()),
            Some(Broken { append, .. }) => {
                Cow::Owned([&file.text, append.as_deref().unwrap_or_default()].concat())
            }
        }
    }

    /// Makes the configuration invalid, in the way that the target declares, or mends it. It stays so until the next call.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn break_configuration(&mut self, broken: bool) -> Result<(), LaunchError> {
        self.broken = broken;
        self.write_files()
    }

    /// Writes the files again with the marker's next value, and without the listener that is to be dropped; returns the
    /// marker, if there is one.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn change_configuration(&mut self) -> Result<Option<String>, LaunchError> {
        let now = self.values.get("marker");
        let next = self.markers.iter().skip_while(|marker| Some(*marker) != now).nth(1).cloned();
        let extra = self.values.insert("extra", String::new());
        if let Some(next) = &next {
            self.values.insert("marker", next.clone());
        }
        if next.is_some() || extra.is_some_and(|extra| !extra.is_empty()) {
            self.write_files()?;
        }
        Ok(next)
    }

    /// All commands that the warden will be asked for: the start first, then the steps of the restart that are
    /// commands, in their order.
    pub fn commands(&self) -> Vec<CommandSpec> {
        let steps = self.target.restart.iter().filter_map(|step| step.command.as_ref());
        std::iter::once(&self.target.start).chain(steps).map(|words| self.command(words)).collect()
    }

    fn command(&self, words: &[String]) -> CommandSpec {
        let words = match &self.target.each_listener {
            Some(template) => many::in_words(words, template, &self.told),
            None => words.to_vec(),
        };
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

/// What one of several addresses is called.
fn told_of(target: &Target, kind: ListenKind, address: SocketAddr) -> Told {
    let mut told = Told::from([("host", address.ip().to_string()), ("port", address.port().to_string())]);
    let text = target.listen.get(&kind).map(|text| fill(text, &told));
    told.insert("address", text.unwrap_or_else(|| address.to_string()));
    told
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

    /// Whether hotspec's own program starts it, or has to do with its restart.
    pub fn names_hotspec(&self) -> bool {
        let steps = self.restart.iter().filter_map(|step| step.command.as_ref());
        let words = steps.flatten().chain(&self.start).chain(self.environment.values());
        words.chain(self.files.iter().map(|file| &file.text)).any(|text| text.contains("{hotspec}"))
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

    #[test]
    fn a_configuration_is_broken_in_the_declared_way_and_mended() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = "start = [\"x\"]\nmarker = true\n[[restart]]\nsignal = \"HUP\"\n\
                    [[file]]\npath = \"a.conf\"\ntext = \"good {marker}\\n\"\n\
                    [broken]\nfile = \"a.conf\"\nappend = \"bad\\n\"\n";
        let target = Target::parse(Path::new("t.toml"), text).expect("a target");
        let circumstances = Circumstances {
            listener: ListenKind::Ipv4,
            own_network: true,
            hosts: Hosts::LOOPBACK,
            seed: 1,
            restarts: 2,
            drops_listener: false,
            listeners: 1,
        };
        let mut launch = Launch::prepare(&target, &circumstances, dir.path(), &dir.path().join("out"))
            .expect("a directory to write in");
        let read = || std::fs::read_to_string(dir.path().join("a.conf")).expect("a file");
        assert_eq!(read(), "good hotspec-1-0000\n");
        launch.break_configuration(true).expect("written");
        assert_eq!(read(), "good hotspec-1-0000\nbad\n");
        launch.change_configuration().expect("written");
        assert_eq!(read(), "good hotspec-1-0001\nbad\n");
        launch.break_configuration(false).expect("written");
        assert_eq!(read(), "good hotspec-1-0001\n");
    }

    #[test]
    fn no_target_can_take_a_placeholder_for_itself_that_is_filled_in_here() {
        let dir = tempfile::tempdir().expect("a directory");
        for listener in [ListenKind::Ipv4, ListenKind::Unix] {
            let circumstances = Circumstances {
                listener,
                listeners: 1,
                own_network: false,
                hosts: Hosts::LOOPBACK,
                seed: 1,
                restarts: 1,
                drops_listener: false,
            };
            let launch =
                Launch::prepare(&Target::default(), &circumstances, dir.path(), &dir.path().join("out"));
            let launch = launch.expect("a target that writes nothing");
            for name in launch.values.keys() {
                assert!(crate::target::values::BUILTIN.contains(name), "{name}");
            }
        }
    }
}
