//! The target files that come with the program, and how to find one.

use std::path::{Path, PathBuf};

use super::file::{Target, TargetError};

/// The target that is judged when none is named.
pub const REFERENCE: &str = "reference";

/// Names and texts of the target files.
const TARGETS: &[(&str, &str)] = &[
    (REFERENCE, include_str!("../../scenarios/targets/reference.toml")),
    ("nginx", include_str!("../../scenarios/targets/nginx.toml")),
    ("nginx-upgrade", include_str!("../../scenarios/targets/nginx-upgrade.toml")),
    ("nginx-cold", include_str!("../../scenarios/targets/nginx-cold.toml")),
    ("haproxy", include_str!("../../scenarios/targets/haproxy.toml")),
    ("haproxy-idle-close", include_str!("../../scenarios/targets/haproxy-idle-close.toml")),
    ("haproxy-cold", include_str!("../../scenarios/targets/haproxy-cold.toml")),
    ("httpd", include_str!("../../scenarios/targets/httpd.toml")),
    ("httpd-cold", include_str!("../../scenarios/targets/httpd-cold.toml")),
    ("lighttpd", include_str!("../../scenarios/targets/lighttpd.toml")),
    ("caddy", include_str!("../../scenarios/targets/caddy.toml")),
    ("caddy-flush", include_str!("../../scenarios/targets/caddy-flush.toml")),
    ("nghttpx", include_str!("../../scenarios/targets/nghttpx.toml")),
    ("h2o", include_str!("../../scenarios/targets/h2o.toml")),
    ("starlet", include_str!("../../scenarios/targets/starlet.toml")),
    ("uwsgi", include_str!("../../scenarios/targets/uwsgi.toml")),
    ("uwsgi-chain", include_str!("../../scenarios/targets/uwsgi-chain.toml")),
    ("unicorn", include_str!("../../scenarios/targets/unicorn.toml")),
    ("unicorn-upgrade", include_str!("../../scenarios/targets/unicorn-upgrade.toml")),
    ("puma", include_str!("../../scenarios/targets/puma.toml")),
    ("puma-cluster", include_str!("../../scenarios/targets/puma-cluster.toml")),
    ("puma-phased", include_str!("../../scenarios/targets/puma-phased.toml")),
    ("varnish", include_str!("../../scenarios/targets/varnish.toml")),
    ("haproxy-sf", include_str!("../../scenarios/targets/haproxy-sf.toml")),
    ("haproxy-sf-x", include_str!("../../scenarios/targets/haproxy-sf-x.toml")),
    ("gunicorn", include_str!("../../scenarios/targets/gunicorn.toml")),
    ("gunicorn-upgrade", include_str!("../../scenarios/targets/gunicorn-upgrade.toml")),
    ("gunicorn-activated", include_str!("../../scenarios/targets/gunicorn-activated.toml")),
    ("uvicorn", include_str!("../../scenarios/targets/uvicorn.toml")),
    ("granian", include_str!("../../scenarios/targets/granian.toml")),
    ("hypercorn", include_str!("../../scenarios/targets/hypercorn.toml")),
    ("pm2", include_str!("../../scenarios/targets/pm2.toml")),
    ("pm2-no-handler", include_str!("../../scenarios/targets/pm2-no-handler.toml")),
    ("envoy", include_str!("../../scenarios/targets/envoy.toml")),
    ("grace", include_str!("../../scenarios/targets/grace.toml")),
    ("tableflip", include_str!("../../scenarios/targets/tableflip.toml")),
    ("ecdysis", include_str!("../../scenarios/targets/ecdysis.toml")),
    ("shellflip", include_str!("../../scenarios/targets/shellflip.toml")),
    ("pingora", include_str!("../../scenarios/targets/pingora.toml")),
    ("passenger", include_str!("../../scenarios/targets/passenger.toml")),
];

/// All targets that come with the program.
///
/// # Errors
/// A file that does not parse: a fault of the program's own, which its tests rule out.
pub fn targets() -> Result<Vec<Target>, TargetError> {
    TARGETS.iter().map(|(name, text)| builtin(name, text)).collect()
}

fn builtin(name: &str, text: &str) -> Result<Target, TargetError> {
    Target::parse(&path_of(name), text)
}

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().map(|(name, _)| *name)
}

/// The text of the one with this name.
pub(super) fn text_of(name: &str) -> Option<&'static str> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// What messages call its file.
pub(super) fn path_of(name: &str) -> PathBuf {
    PathBuf::from(format!("scenarios/targets/{name}.toml"))
}

/// The name of the one whose file messages call so.
pub(super) fn name_of(path: &Path) -> Option<&'static str> {
    names().find(|name| path_of(name) == path)
}

/// Whether a name is meant as the path of a file.
pub(super) fn is_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some_and(|ending| ending == "toml")
}

/// `, did you mean …`, or nothing.
pub(super) fn hint(name: &str) -> String {
    let near = names().map(|known| (known, strsim::jaro_winkler(known, name)));
    let near = near.filter(|(_, likeness)| *likeness > 0.7).max_by(|a, b| a.1.total_cmp(&b.1));
    near.map_or_else(String::new, |(known, _)| format!(", did you mean `{known}`?"))
}

/// The target of that name; a name with a slash or the ending `.toml` is a file.
///
/// # Errors
/// The file can't be read or is none, or there is no such name (with the nearest ones).
pub fn find(name: &str) -> Result<Target, TargetError> {
    if is_path(name) {
        return Target::read(Path::new(name));
    }
    match text_of(name) {
        Some(text) => builtin(name, text),
        None => Err(TargetError::Unknown { name: name.to_owned(), hint: hint(name) }),
    }
}

/// Programs that the target needs and that are not in PATH, and where to get them.
pub fn missing(target: &Target) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has =
        |program: &&String| std::env::split_paths(&path).any(|dir| dir.join(program.as_str()).is_file());
    let missing: Vec<&str> =
        target.requires.iter().filter(|program| !has(program)).map(String::as_str).collect();
    (!missing.is_empty()).then(|| {
        let hint = if target.install.is_empty() { String::new() } else { format!(" ({})", target.install) };
        format!("{} not found in PATH{hint}", missing.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_target_parses_under_its_own_name() {
        for (target, (name, _)) in targets().expect("target files parse").iter().zip(TARGETS) {
            assert_eq!(target.name, *name);
            assert!(!target.title.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_nearly_right_gets_a_hint() {
        let error = find("ngnix").expect_err("no such target").to_string();
        assert!(error.contains("did you mean `nginx`"), "{error}");
    }
}
