//! The target files that come with the program, and how to find one.

use std::path::Path;

use super::file::{Target, TargetError};

/// The target that is judged when none is named.
pub const REFERENCE: &str = "reference";

/// Names and texts of the target files.
const TARGETS: &[(&str, &str)] = &[
    (REFERENCE, include_str!("../../scenarios/targets/reference.toml")),
    ("nginx", include_str!("../../scenarios/targets/nginx.toml")),
];

/// All targets that come with the program.
///
/// # Errors
/// A file that does not parse: a fault of the program's own, which its tests rule out.
pub fn targets() -> Result<Vec<Target>, TargetError> {
    TARGETS.iter().map(|(name, text)| builtin(name, text)).collect()
}

fn builtin(name: &str, text: &str) -> Result<Target, TargetError> {
    Target::parse(Path::new(&format!("scenarios/targets/{name}.toml")), text)
}

/// The target of that name; a name with a slash or the ending `.toml` is a file.
///
/// # Errors
/// The file can't be read or is none, or there is no such name (with the nearest ones).
pub fn find(name: &str) -> Result<Target, TargetError> {
    let path = Path::new(name);
    if name.contains('/') || path.extension().is_some_and(|ending| ending == "toml") {
        return Target::read(path);
    }
    if let Some((name, text)) = TARGETS.iter().find(|(known, _)| *known == name) {
        return builtin(name, text);
    }
    let near = TARGETS.iter().map(|(known, _)| (*known, strsim::jaro_winkler(known, name)));
    let near = near.filter(|(_, likeness)| *likeness > 0.7).max_by(|a, b| a.1.total_cmp(&b.1));
    let hint = near.map_or_else(String::new, |(known, _)| format!(", did you mean `{known}`?"));
    Err(TargetError::Unknown { name: name.to_owned(), hint })
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
