//! `hotspec init`: a commented target file to begin with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::present;
use crate::declaration::Profile;
use crate::exit::{self, Failure};
use crate::report::human;
use crate::report::style::clean;
use crate::target::file::{Target, parse_signal};

/// The target file that a run finds by itself.
pub(super) const FILE: &str = "hotspec.toml";
const TEMPLATE: &str = include_str!("init.toml");
/// The start where none is given.
const START: [&str; 3] = ["./my-server", "--listen", "{address}"];

/// Whether there is one here.
pub(super) fn is_there() -> bool {
    Path::new(FILE).is_file()
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Where it is written [default: hotspec.toml]
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Replace a file that is there already
    #[arg(long)]
    force: bool,
    /// Its restart: this signal to the main process [default: HUP]
    #[arg(long, value_name = "SIGNAL", conflicts_with = "restart_command")]
    restart: Option<String>,
    /// Its restart: this shell command
    #[arg(long, value_name = "COMMAND")]
    restart_command: Option<String>,
    /// What it promises
    #[arg(long, value_enum, default_value = "reload")]
    profile: Profile,
    /// The command that starts the server; {address}, {host}, {port} and {dir} are filled in by each run
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Writes the file.
///
/// # Errors
/// It is there already, can't be written, or would be none.
pub(super) fn init(args: &InitArgs) -> Result<u8, Failure> {
    let path = match &args.path {
        Some(path) if path.is_dir() => path.join(FILE),
        Some(path) => path.clone(),
        None => PathBuf::from(FILE),
    };
    let text = text(args, &path)?;
    Target::parse(&path, &text).map_err(Failure::usage)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(!args.force).create(args.force).truncate(args.force);
    let shown = path.display();
    let mut file = options.open(&path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::usage(format!(
            "{shown} is there already; --force replaces it, and another path writes beside it"
        )),
        _ => Failure::usage(format!("failed to write {shown}: {error}")),
    })?;
    file.write_all(text.as_bytes())
        .map_err(|error| Failure::usage(format!("failed to write {shown}: {error}")))?;
    let named = || format!(" --target {}", clean(human::quoted(&target_word(&path))));
    let run = if path == Path::new(FILE) { String::new() } else { named() };
    let edit = if args.command.is_empty() { ", edit `start`" } else { "" };
    present::print(&format!(
        "Wrote {}. Look it over{edit}, then:\n  hotspec run core --dry-run{run}   # what would be done\n  hotspec run core{run}             # a first look\n",
        clean(shown.to_string())
    ))?;
    Ok(exit::CONFORMS)
}

/// As `--target` takes it: a name without a slash or the ending `.toml` would be a target that comes with hotspec.
fn target_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_path = text.contains('/') || path.extension().is_some_and(|ending| ending == "toml");
    if is_path { text } else { format!("./{text}") }
}

fn text(args: &InitArgs, path: &Path) -> Result<String, Failure> {
    let command: Vec<String> =
        if args.command.is_empty() { START.map(str::to_owned).to_vec() } else { args.command.clone() };
    let program = Path::new(&command[0])
        .file_name()
        .map_or_else(|| command[0].clone(), |name| name.to_string_lossy().into_owned());
    let restart = match (&args.restart, &args.restart_command) {
        (_, Some(command)) => {
            format!("command = {}", quoted_list(&["sh".to_owned(), "-c".to_owned(), command.clone()]))
        }
        (signal, None) => {
            let signal = signal.as_deref().unwrap_or("HUP");
            parse_signal(signal).map_err(|message| Failure::usage(format!("--restart: {message}")))?;
            format!("signal = {}", quoted(signal))
        }
    };
    // Paths of the command are meant from where it was typed.
    let beside = path.parent().is_none_or(|parent| parent.as_os_str().is_empty() || parent == Path::new("."));
    let here = std::env::current_dir().map_err(Failure::own)?;
    let directory = if beside { ".".to_owned() } else { here.to_string_lossy().into_owned() };
    let filled = [
        ("@name@", quoted(&program)),
        ("@title@", quoted(&command.join(" "))),
        ("@start@", quoted_list(&command)),
        ("@directory@", quoted(&directory)),
        ("@profile@", quoted(&args.profile.to_string())),
        ("@each@", quoted(&each_listener(&command))),
        ("@restart@", restart),
    ];
    // One pass, so that nothing of the command line is taken for a place to fill in.
    let line = |line: &str| match filled.iter().find(|(place, _)| line.contains(place)) {
        Some((place, value)) => line.replacen(place, value, 1),
        None => line.to_owned(),
    };
    Ok(TEMPLATE.lines().map(|text| line(text) + "\n").collect())
}

/// The words that tell it where to listen. One with blanks in it, as a line of shell has, can't be repeated: then as the example of a
/// file has it.
fn each_listener(command: &[String]) -> String {
    let is_word = |word: &str| !word.contains(char::is_whitespace);
    let tells = |word: &String| is_word(word) && (word.contains("{address}") || word.contains("{port}"));
    let Some(at) = command.iter().position(tells) else { return "listen {address};".to_owned() };
    let flag = at.checked_sub(1).and_then(|before| command.get(before));
    let flag = flag.filter(|word| word.starts_with('-') && is_word(word));
    flag.map_or_else(|| command[at].clone(), |flag| format!("{flag} {}", command[at]))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn quoted_list(words: &[String]) -> String {
    toml::Value::Array(words.iter().map(|word| toml::Value::String(word.clone())).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(command: &[&str]) -> InitArgs {
        InitArgs {
            path: None,
            force: false,
            restart: None,
            restart_command: None,
            profile: Profile::Reload,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    fn written(args: &InitArgs) -> String {
        text(args, Path::new(FILE)).expect("a text")
    }

    fn parsed(text: &str) -> Target {
        Target::parse(Path::new(FILE), text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn is_setting(line: &str) -> bool {
        line.strip_prefix('#').is_some_and(|rest| !rest.is_empty() && !rest.starts_with(' '))
    }

    /// The ranges of lines that are settings without effect, as they stand together.
    fn blocks(lines: &[&str]) -> Vec<std::ops::Range<usize>> {
        let mut blocks: Vec<std::ops::Range<usize>> = Vec::new();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_setting(line)) {
            assert!(line.len() > 2);
            match blocks.last_mut() {
                Some(block) if block.end == at => block.end += 1,
                _ => blocks.push(at..at + 1),
            }
        }
        blocks
    }

    fn uncommented(lines: &[&str], wanted: &[std::ops::Range<usize>]) -> String {
        let used = |at: usize| wanted.iter().any(|block| block.contains(&at));
        let line = |(at, line): (usize, &&str)| format!("{}\n", if used(at) { &line[1..] } else { line });
        lines.iter().enumerate().map(line).collect()
    }

    #[test]
    fn every_setting_is_accepted_where_it_stands_alone_and_with_all_others() {
        for command in [
            &[][..],
            &["{hotspec}", "serve", "--listen", "{address}"],
            &["x", "--port={port}", "--at", "{address}"],
        ] {
            let text = written(&args(command));
            let plain = format!("{:?}", parsed(&text));
            let lines: Vec<&str> = text.lines().collect();
            let blocks = blocks(&lines);
            assert!(blocks.len() > 20, "{blocks:?}");
            for block in &blocks {
                let target = parsed(&uncommented(&lines, std::slice::from_ref(block)));
                let defaults =
                    ["#model", "#"].contains(&lines[block.start].split(' ').next().unwrap_or_default());
                assert!(defaults || format!("{target:?}") != plain, "{} changes nothing", lines[block.start]);
            }
            let all = parsed(&uncommented(&lines, &blocks));
            assert_eq!((all.restart.len(), all.files.len(), all.known.len()), (2, 3, 1));
        }
    }

    #[test]
    fn a_line_of_shell_is_one_word_however_many_it_has() {
        for line in ["exec ./server --listen {address}", "cd x\nexec ./server --listen {address}"] {
            let text = written(&args(&["sh", "-c", line]));
            assert_eq!(parsed(&text).start, ["sh", "-c", line]);
            let lines: Vec<&str> = text.lines().collect();
            let all = parsed(&uncommented(&lines, &blocks(&lines)));
            assert_eq!(all.each_listener.as_deref(), Some("listen {address};"));
        }
    }

    #[test]
    fn no_setting_of_a_target_file_is_left_unsaid_but_those_for_few() {
        let text = written(&args(&[]));
        // What a target that stands alone has no use for, or is rare.
        let rare = ["extends", "extra-listener", "marker"];
        let error = Target::parse(Path::new(FILE), "nonsense = 1").expect_err("no such setting").to_string();
        let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert!(known.len() > 25, "{error}");
        for name in known.iter().filter(|name| !rare.contains(name)) {
            let said = |line: &str| {
                let line = line.trim_start_matches('#');
                line.starts_with(&format!("{name} ="))
                    || [format!("[{name}]"), format!("[[{name}]]")].contains(&line.to_owned())
            };
            assert!(text.lines().any(said), "{name} is not said");
        }
    }

    #[test]
    fn words_of_the_command_line_stay_what_they_are() {
        let odd = ["./my \"server\"", "--listen", "{address}", "a\\b\n[x]", "@restart@"];
        let target = parsed(&written(&InitArgs {
            restart_command: Some("kill -USR2 \"$(cat x)\"".to_owned()),
            ..args(&odd)
        }));
        assert_eq!(target.start, odd);
        assert_eq!(
            target.restart[0].command.as_deref().expect("a command"),
            ["sh", "-c", "kill -USR2 \"$(cat x)\""]
        );
        let target = parsed(&written(&InitArgs { restart: Some("USR2".to_owned()), ..args(&odd) }));
        assert_eq!(target.restart[0].describe(), "SIGUSR2 to the main process");
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        let error = text(&InitArgs { restart: Some("NOPE".to_owned()), ..args(&[]) }, Path::new(FILE));
        assert!(error.expect_err("no such signal").message.contains("expected a signal"));
    }
}
