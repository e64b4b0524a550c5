//! Kinds of listening sockets, and how a target is told which.

use serde::Deserialize;

use super::file::Target;

/// A kind of listening socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListenKind {
    /// TCP over IPv4, on 127.0.0.1.
    #[default]
    Ipv4,
    /// TCP over IPv6, on ::1.
    Ipv6,
    /// A unix socket with a path.
    Unix,
    /// A unix socket with an abstract name.
    Abstract,
}

impl ListenKind {
    /// Its name in files and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            ListenKind::Ipv4 => "ipv4",
            ListenKind::Ipv6 => "ipv6",
            ListenKind::Unix => "unix",
            ListenKind::Abstract => "abstract",
        }
    }

    /// The placeholder that says which socket it is, and an example.
    fn placeholder(self) -> (&'static str, &'static str) {
        match self {
            ListenKind::Ipv4 => ("{port}", "{host}:{port}"),
            ListenKind::Ipv6 => ("{port}", "[{host}]:{port}"),
            ListenKind::Unix => ("{socket}", "unix:{socket}"),
            ListenKind::Abstract => ("{socket}", "unix:@{socket}"),
        }
    }
}

impl Target {
    /// Whether what is said of listening sockets can be used.
    ///
    /// # Errors
    /// What was expected, and what was found.
    pub fn check_listen(&self) -> Result<(), String> {
        for (kind, template) in &self.listen {
            let (needed, example) = kind.placeholder();
            if !template.contains(needed) {
                let kind = kind.as_str();
                return Err(format!(
                    "expected the listener of kind {kind} to name {needed}, as in {kind} = \"{example}\", found `{template}`"
                ));
            }
        }
        let told = |text: &String| text.contains("{address}");
        let anywhere = self.start.iter().any(told)
            || self.environment.values().any(told)
            || self.files.iter().any(|file| told(&file.text));
        if !self.listen.is_empty() && !anywhere {
            return Err("expected the start command, a variable or a file to name {address}, which is where a listener of another kind is told".to_owned());
        }
        Ok(())
    }
}

impl std::str::FromStr for ListenKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = [ListenKind::Ipv4, ListenKind::Ipv6, ListenKind::Unix, ListenKind::Abstract];
        let found = kinds.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("expected ipv4, ipv6, unix or abstract, found `{text}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_listener_that_could_not_be_told_is_refused() {
        for (start, listen) in [
            ("{address}", "unix = \"unix:{dir}/socket\""),
            ("{address}", "ipv6 = \"[::1]:80\""),
            ("{port}", "ipv6 = \"[::1]:{port}\""),
            ("{address}", "tcp = \"{port}\""),
        ] {
            let text =
                format!("start = [\"x\", \"{start}\"]\n[[restart]]\nsignal = \"HUP\"\n[listen]\n{listen}\n");
            let error = Target::parse(Path::new("t.toml"), &text).expect_err(listen).to_string();
            assert!(error.contains("expected"), "{error}");
        }
    }
}
