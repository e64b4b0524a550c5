//! `extends`: a target file that says only in what it differs from another one.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::builtin;
use super::file::{Target, TargetError, line_of};

/// Tables in which each key stands for itself; everything else holds as a whole where it is given.
const MERGED_BY_KEY: [&str; 4] = ["endpoints", "limits", "values", "environment"];
/// What one file says of itself alone.
const OWN: [&str; 2] = ["name", "extends"];

/// A file, or a target that comes with the program.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Builtin(&'static str),
    File(PathBuf),
}

impl Source {
    fn path(&self) -> PathBuf {
        match self {
            Source::Builtin(name) => builtin::path_of(name),
            Source::File(path) => path.clone(),
        }
    }

    fn read(&self) -> Result<String, TargetError> {
        match self {
            Source::Builtin(name) => Ok(builtin::text_of(name).unwrap_or_default().to_owned()),
            Source::File(path) => std::fs::read_to_string(path)
                .map_err(|source| TargetError::Read { path: path.clone(), source }),
        }
    }
}

/// The target of this text, with what it has from those that it extends.
///
/// # Errors
/// The text or one of those is no target file, there is no such target, or they extend each other.
pub(super) fn target(path: &Path, text: &str) -> Result<Target, TargetError> {
    let own = parsed(path, text)?;
    if own.extends.is_none() {
        return Ok(own);
    }
    let begun = match builtin::name_of(path) {
        Some(name) => Source::Builtin(name),
        None => Source::File(path.to_owned()),
    };
    let table = merged(path, text, vec![begun])?;
    Value::Table(table).try_into().map_err(|error: toml::de::Error| TargetError::Parse {
        path: path.to_owned(),
        line: 0,
        message: error.message().to_owned(),
    })
}

/// Each text is read as a target by itself too, since only then an error knows its file and line.
fn parsed(path: &Path, text: &str) -> Result<Target, TargetError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        TargetError::Parse { path: path.to_owned(), line, message: error.message().to_owned() }
    })
}

fn merged(path: &Path, text: &str, mut seen: Vec<Source>) -> Result<Table, TargetError> {
    let own = parsed(path, text)?;
    let wrong = |message: String| {
        let line = text.find("extends").map_or(0, |at| line_of(text, at));
        TargetError::Parse { path: path.to_owned(), line, message }
    };
    let mut table: Table = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
    let Some(name) = own.extends else { return Ok(table) };
    let base = source(path, &name).map_err(&wrong)?;
    if same_among(&seen, &base) {
        let whole: Vec<String> =
            seen.iter().chain([&base]).map(|source| source.path().display().to_string()).collect();
        let whole = whole.join(", which extends ");
        return Err(wrong(format!("expected `extends` to lead to a file that extends none, found {whole}")));
    }
    let text = base.read()?;
    let path = base.path();
    seen.push(base);
    fill_up(&mut table, merged(&path, &text, seen)?);
    Ok(table)
}

/// A file may be named in more than one way.
fn same_among(seen: &[Source], base: &Source) -> bool {
    let real = |source: &Source| match source {
        Source::File(path) => path.canonicalize().map_or_else(|_| source.clone(), Source::File),
        Source::Builtin(_) => source.clone(),
    };
    let base = real(base);
    seen.iter().any(|source| real(source) == base)
}

fn source(path: &Path, name: &str) -> Result<Source, String> {
    if builtin::is_path(name) {
        let beside = path.parent().unwrap_or(Path::new(""));
        return Ok(Source::File(beside.join(name)));
    }
    let known = builtin::names().find(|known| *known == name);
    known.map(Source::Builtin).ok_or_else(|| {
        let hint = builtin::hint(name);
        format!(
            "expected `extends` to name a target that comes with hotspec, or a file as in extends = \"./base.toml\", found `{name}`{hint}"
        )
    })
}

/// What is missing is taken from the base.
fn fill_up(table: &mut Table, base: Table) {
    for (key, value) in base {
        if OWN.contains(&key.as_str()) {
            continue;
        }
        match (table.get_mut(&key), value) {
            (None, value) => {
                table.insert(key, value);
            }
            (Some(Value::Table(own)), Value::Table(base)) if MERGED_BY_KEY.contains(&key.as_str()) => {
                for (key, value) in base {
                    own.entry(key).or_insert(value);
                }
            }
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("a file of the test's own");
        path
    }

    const BASE: &str = r#"
title = "the base"
start = ["server", "{dir}"]
requires = ["server"]
[[restart]]
signal = "HUP"
[[known]]
clause = "a.b"
scenario = "c"
kind = "d"
reason = "e"
source = "f"
[endpoints]
fast = "/"
slow = "/slow"
[limits]
idle_max = "3s"
"#;

    #[test]
    fn what_a_file_does_not_say_is_taken_from_the_one_it_extends() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), "base.toml", BASE);
        let text = "extends = \"./base.toml\"\nknown = []\n[endpoints]\nslow = \"/other\"\n[limits]\ndrain_max = \"9s\"\n[[restart]]\nsignal = \"USR2\"\n";
        let target = Target::read(&write(dir.path(), "mine.toml", text)).expect("a target");
        assert_eq!((target.name.as_str(), target.title.as_str()), ("mine", "the base"));
        assert_eq!(target.start, ["server", "{dir}"]);
        assert_eq!(target.endpoints.fast.as_deref(), Some("/"));
        assert_eq!(target.endpoints.slow.as_deref(), Some("/other"));
        let limits = target.limits.resolve();
        assert_eq!((limits.idle_max, limits.drain_max), (3_000_000, 9_000_000));
        assert_eq!(target.restart.len(), 1);
        assert_eq!(target.restart[0].signal.as_deref(), Some("USR2"));
        assert!(target.known.is_empty());
    }

    #[test]
    fn known_deviations_are_taken_over_unless_the_file_has_its_own() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), "base.toml", BASE);
        let own =
            "[[known]]\nclause = \"x.y\"\nscenario = \"c\"\nkind = \"d\"\nreason = \"e\"\nsource = \"f\"\n";
        for (text, clauses) in [("", vec!["a.b"]), (own, vec!["x.y"])] {
            let path = write(dir.path(), "mine.toml", &format!("extends = \"./base.toml\"\n{text}"));
            let target = Target::read(&path).expect("a target");
            assert_eq!(target.known.iter().map(|known| known.clause.as_str()).collect::<Vec<_>>(), clauses);
        }
    }

    #[test]
    fn a_builtin_target_can_be_extended_and_an_unknown_one_gets_a_hint() {
        let target = Target::parse(Path::new("mine.toml"), "extends = \"nginx\"\ntitle = \"mine\"\n");
        let target = target.expect("a target");
        assert_eq!((target.name.as_str(), target.title.as_str()), ("mine", "mine"));
        assert_eq!(target.requires, ["nginx"]);
        let error = Target::parse(Path::new("mine.toml"), "title = \"x\"\nextends = \"ngnix\"\n");
        let error = error.expect_err("no such target").to_string();
        assert!(error.starts_with("mine.toml:2: expected"), "{error}");
        assert!(error.contains("did you mean `nginx`"), "{error}");
    }

    #[test]
    fn files_that_extend_each_other_are_refused_however_they_are_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let one = write(dir.path(), "one.toml", "extends = \"./two.toml\"\n");
        write(dir.path(), "two.toml", "extends = \"././one.toml\"\n");
        let error = Target::read(&one).expect_err("a cycle").to_string();
        assert!(error.contains("expected `extends` to lead to a file that extends none"), "{error}");
        let itself = write(dir.path(), "self.toml", "extends = \"self.toml\"\n");
        assert!(Target::read(&itself).is_err());
    }

    #[test]
    fn an_error_in_the_base_names_the_base_and_its_line() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), "base.toml", "title = \"x\"\nprofile = \"fast\"\n");
        let mine = write(dir.path(), "mine.toml", "extends = \"./base.toml\"\n");
        let error = Target::read(&mine).expect_err("no such profile").to_string();
        assert!(error.contains("base.toml:2: "), "{error}");
        let missing = write(dir.path(), "missing.toml", "extends = \"./nowhere.toml\"\n");
        let error = Target::read(&missing).expect_err("no such file").to_string();
        assert!(error.contains("nowhere.toml"), "{error}");
    }

    #[test]
    fn a_file_that_gets_no_command_from_anywhere_is_refused() {
        let error = Target::parse(Path::new("mine.toml"), "title = \"x\"\n").expect_err("no command");
        assert!(error.to_string().contains("expected `start` to name a command"), "{error}");
    }
}
