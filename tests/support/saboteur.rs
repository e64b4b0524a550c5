//! What the head of a saboteur's source says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A server with one fault.
#[derive(Clone)]
pub struct Saboteur {
    /// Its source's name, without the ending.
    pub name: String,
    /// Its source.
    pub source: PathBuf,
    /// The one that it has to fail by.
    pub clause: String,
    /// Those that may fail with it.
    pub falls_with: BTreeSet<String>,
    /// What it is judged by.
    pub profile: String,
    /// The quickest scenarios in which it has always failed by its own clause.
    pub shown_by: Vec<String>,
    /// A profile that it fails nothing of.
    pub passes: Option<String>,
    /// The cause that the report names for what breaks its own clause.
    pub cause: Option<String>,
    /// `should`, where its own clause is no MUST.
    pub level: Option<String>,
    /// Further words for `hotspec run`.
    pub options: Vec<String>,
    /// Further words for the server.
    pub arguments: Vec<String>,
    /// The target file that starts it, beside its source, where a command line can't say all of it.
    pub target: Option<String>,
}

/// Where they are.
pub fn directory() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/saboteurs");
    fs::canonicalize(&dir).expect("the saboteurs' directory")
}

/// All, by name.
pub fn all() -> Vec<Saboteur> {
    let mut sources: Vec<PathBuf> = fs::read_dir(directory())
        .expect("the saboteurs' directory")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs" || ending == "py"))
        .filter(|path| !path.ends_with("main.rs"))
        .collect();
    sources.sort();
    sources.into_iter().map(|source| read(&source)).collect()
}

fn read(source: &Path) -> Saboteur {
    let text = fs::read_to_string(source).expect("a source");
    let said = |key: &str| {
        let lines = text.lines().map(|line| line.trim_start_matches(['/', '!', '#']).trim_start());
        lines.filter_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim().to_owned())).next()
    };
    let list = |text: String| text.split(',').map(|id| id.trim().to_owned()).collect();
    let words = |key| -> Vec<String> {
        said(key).map(|text| text.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
    };
    Saboteur {
        name: source.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        source: source.to_owned(),
        clause: said("clause").unwrap_or_default(),
        falls_with: said("falls-with").map(list).unwrap_or_default(),
        profile: said("profile").unwrap_or_default(),
        shown_by: words("shown-by"),
        passes: said("passes"),
        cause: said("cause"),
        level: said("level"),
        options: words("options"),
        arguments: words("arguments"),
        target: said("target"),
    }
}

impl Saboteur {
    /// Its source's file name.
    pub fn file(&self) -> String {
        self.source.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn target_text(&self) -> Option<String> {
        Some(fs::read_to_string(directory().join(self.target.as_ref()?)).expect("its target file"))
    }

    /// Its target file says at which paths it answers.
    pub fn names_paths(&self) -> bool {
        self.target_text().is_some_and(|text| text.contains("[endpoints]"))
    }

    /// Its target file, written anew with the path of its program in it.
    pub fn target_file(&self, program: &str) -> Option<PathBuf> {
        let text = self.target_text()?;
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", self.name));
        fs::write(&path, text.replace("{saboteur}", program)).expect("a copy of it");
        Some(path)
    }

    /// It is a script.
    pub fn is_python(&self) -> bool {
        self.source.extension().is_some_and(|ending| ending == "py")
    }
}
