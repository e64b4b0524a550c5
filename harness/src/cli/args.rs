//! The command line as typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::completions::CompletionsArgs;
use super::init::InitArgs;
use super::man::ManArgs;
use super::merge::MergeArgs;
use super::running::RunningArgs;
use super::target_args::{DeclarationArgs, EndpointArgs, LimitArgs, ModelArg};
use crate::clause::Level;
use crate::declaration::{Profile, Span};
use crate::run::asked::AGAIN;
use crate::run::format::Format;
use crate::run::isolation::IsolationWanted;
use crate::run::shard::Part;

const AFTER_HELP: &str = "\
Exit status: 0 conforms, 1 does not, 2 inconclusive, 3 the target did not start or fails without a restart, \
4 nothing selected, 64 wrong command line, 65 bad file, 70 hotspec's own fault, 130 interrupted.";

/// Judges hot restarts: starts a server, replays traffic, restarts it, and says which promise was broken.
#[derive(Debug, Parser)]
#[command(name = "hotspec", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(super) struct Cli {
    /// Whether to colour what is for people [default: on a terminal, as NO_COLOR, CLICOLOR_FORCE and TERM say]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    pub(super) color: ColorArg,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Start a server, restart it under traffic, and judge what happened
    Run(Box<RunArgs>),
    /// Write a commented target file, which `hotspec run` finds by itself
    Init(InitArgs),
    /// Run again and again, until enough restarts were judged or something fails
    Soak(Box<SoakArgs>),
    /// Run many targets, several times each, and make one table of what they do
    Matrix(MatrixArgs),
    /// Show what there is: clauses, scenarios, targets
    List(ListArgs),
    /// Say what a clause demands, why, and how it is put to the test
    Explain(ExplainArgs),
    /// Judge a stored run again
    Check(CheckArgs),
    /// Make one result of a run that was divided among machines (`hotspec run --shard`)
    Merge(MergeArgs),
    /// Say what got worse and what got better from one run to another
    Diff(DiffArgs),
    /// Print the JSON Schema of what programs read
    Schema(SchemaArgs),
    /// Say which witnesses work on this machine, why others don't, and what would enable them
    Doctor(DoctorArgs),
    /// See what this machine shows: put a server with one fault after another to the test
    Selftest(SelftestArgs),
    /// Write what makes a shell complete hotspec's command line
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
    /// Run the reference server (`hotspec serve --help` for its own options)
    #[command(disable_help_flag = true)]
    Serve {
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Clauses, groups or scenarios, with `*` for any part of a name; default: all of the profile
    #[arg(value_name = "SELECTOR")]
    pub(super) selectors: Vec<String>,
    /// A target by name, or a target file; default: ./hotspec.toml if it is there, else the built-in reference server
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "command")]
    pub(super) target: Option<String>,
    /// Restart by sending this signal to the main process [default for a command: HUP]
    #[arg(long, value_name = "SIGNAL", conflicts_with = "restart_command")]
    pub(super) restart: Option<String>,
    /// Restart by running this shell command
    #[arg(long, value_name = "COMMAND")]
    pub(super) restart_command: Option<String>,
    /// What the target promises [default for a command: reload]
    #[arg(long, value_enum)]
    pub(super) profile: Option<Profile>,
    /// How the target restarts [default: told from what happens]
    #[arg(long, value_enum)]
    pub(super) model: Option<ModelArg>,
    /// Clauses, groups or scenarios to leave out
    #[arg(long, value_name = "SELECTOR")]
    pub(super) exclude: Vec<String>,
    /// Also the scenarios that take long by nature (tag `slow`)
    #[arg(long)]
    pub(super) all: bool,
    /// Whether SHOULD counts as well
    #[arg(long, value_enum, default_value = "must")]
    pub(super) level: Level,
    #[command(flatten)]
    pub(super) running: RunningArgs,
    #[command(flatten)]
    pub(super) limits: LimitArgs,
    #[command(flatten)]
    pub(super) endpoints: EndpointArgs,
    #[command(flatten)]
    pub(super) declared: DeclarationArgs,
    /// Fixes the plan: which lanes, which bytes, when
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Scenarios at the same time [default: 24 per processor]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
    /// Runs that share the machine with this one: it keeps as much less going at the same time
    #[arg(long, hide = true, default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) beside: u16,
    /// How often a scenario that left something undecided is attempted again, with few at the same time
    #[arg(long, value_name = "N", default_value_t = AGAIN, value_parser = clap::value_parser!(u32).range(0..=20))]
    pub(super) again: u32,
    /// Also write a report, to a file or (default) to standard output: human, html, json, junit (XML), tap, markdown (for the
    /// page of a job), github (annotations), gitlab (code quality), ndjson (one line of JSON for each thing that happens, while
    /// it happens)
    #[arg(long, value_name = "FORMAT[=PATH]")]
    pub(super) report: Vec<ReportArg>,
    /// Results of an earlier run (`--report json=FILE`, or its directory): fail only by what got worse since
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// Run only part I of N, into which the selected scenarios are divided alike on every machine; `hotspec merge` makes one
    /// result of all parts. Without --seed the seed is then 1
    #[arg(long, value_name = "I/N")]
    pub(super) shard: Option<Part>,
    /// Say what would be run, and start nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Where the run is stored [default: a new directory under target/ or the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub(super) run_dir: Option<PathBuf>,
    /// The network that each scenario gets
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) isolation: IsolationWanted,
    /// The value of net.ipv4.tcp_migrate_req in the target's network: whether the kernel hands queued connections of a closed
    /// SO_REUSEPORT listener on to another [default: the kernel's, 0]
    #[arg(long, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1))]
    pub(super) migrate_req: Option<u8>,
    /// The command that starts the server; {address}, {host}, {port} and {dir} are filled in
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct SoakArgs {
    /// Go on until so many restarts were judged [default: 300]
    #[arg(long, value_name = "N", conflicts_with = "lasting", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) restarts: Option<u64>,
    /// Go on for so long; the pass that is then under way is finished
    #[arg(long = "for", id = "lasting", value_name = "TIME")]
    pub(super) lasting: Option<Span>,
    /// Go on after a pass that failed
    #[arg(long)]
    pub(super) keep_going: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Args)]
pub(super) struct MatrixArgs {
    /// Targets by name, or target files [default: all that come with hotspec]
    #[arg(value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// How often each is run [default: 3; 20 with --deep]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) runs: Option<u32>,
    /// All scenarios, with restarts that fail or come one upon the other and what takes long by nature [default: those of the
    /// tag `core`]
    #[arg(long)]
    pub(super) deep: bool,
    /// Only these clauses, groups or scenarios
    #[arg(long, value_name = "SELECTOR")]
    pub(super) only: Vec<String>,
    /// Runs at the same time [default: one for two processors]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) jobs: Option<u16>,
    /// Where runs and table are stored; what is there already is not run again
    #[arg(long, value_name = "DIR", default_value = "target/hotspec-matrix")]
    pub(super) out: PathBuf,
    /// Also write the table as Markdown to this file, or between the lines `<!-- hotspec matrix -->` and `<!-- end of hotspec
    /// matrix -->` of a page that is there
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorArg {
    /// On a terminal that shows colours, unless NO_COLOR is set; everywhere if CLICOLOR_FORCE is
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

/// A report that was asked for.
#[derive(Clone, Debug)]
pub(super) struct ReportArg {
    pub(super) format: ReportFormat,
    pub(super) path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReportFormat {
    /// Written once, at the end.
    Whole(Format),
    /// Written line by line, while the run goes on.
    Ndjson,
}

impl ReportFormat {
    fn all() -> impl Iterator<Item = (&'static str, Self)> {
        let whole = Format::ALL.into_iter().map(|(name, format)| (name, Self::Whole(format)));
        whole.chain([("ndjson", Self::Ndjson)])
    }
}

impl std::str::FromStr for ReportArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) = match text.split_once('=') {
            Some((format, path)) => (format, Some(PathBuf::from(path))),
            None => (text, None),
        };
        let Some((_, format)) = ReportFormat::all().find(|(name, _)| *name == format) else {
            let names = ReportFormat::all().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            return Err(format!("expected one of {names}, found `{format}`"));
        };
        if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err("expected a path after `=`".to_owned());
        }
        Ok(Self { format, path })
    }
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// What to show
    #[arg(value_enum)]
    pub(super) what: Listed,
    /// For clauses: only those of this profile
    #[arg(long, value_enum)]
    pub(super) profile: Option<Profile>,
    /// For clauses: as a table for people, or as Markdown
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: ListFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Listed {
    /// What must hold
    Clauses,
    /// What is done to a server
    Scenarios,
    /// Servers that hotspec knows how to start and restart
    Targets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// A table
    Table,
    /// Markdown
    Markdown,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of what
    #[arg(value_enum)]
    pub(super) of: Described,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Described {
    /// `--report json`, and results.json of a stored run
    Report,
    /// Each line of `--report ndjson`
    Events,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The clause, as `keep-alive.one-last-request`
    #[arg(value_name = "CLAUSE")]
    pub(super) id: String,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// Results of the earlier run: what `--report json=FILE` wrote, or the run's directory
    #[arg(value_name = "BEFORE")]
    pub(super) before: PathBuf,
    /// Those of the later one
    #[arg(value_name = "NOW")]
    pub(super) now: PathBuf,
    /// Whether SHOULD counts as well
    #[arg(long, value_enum, default_value = "must")]
    pub(super) level: Level,
    /// As a table for people, or as JSON
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: DiffFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DiffFormat {
    /// A table
    Table,
    /// JSON
    Json,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// As a table for people, or as JSON
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: DoctorFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DoctorFormat {
    /// A table
    Table,
    /// JSON
    Json,
}

#[derive(Debug, Args)]
pub(super) struct SelftestArgs {
    /// Faults by name; default: all
    #[arg(value_name = "FAULT")]
    pub(super) faults: Vec<String>,
    /// The network that each scenario gets
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) isolation: IsolationWanted,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The directory of a run
    #[arg(value_name = "RUN-DIR")]
    pub(super) run_dir: PathBuf,
    /// Also write a report, to a file or (default) to standard output: human, html, json, junit (XML), tap, markdown (for the
    /// page of a job), github (annotations), gitlab (code quality), ndjson (one line of JSON for each thing that happens, while
    /// it happens)
    #[arg(long, value_name = "FORMAT[=PATH]")]
    pub(super) report: Vec<ReportArg>,
    /// Results of an earlier run (`--report json=FILE`, or its directory): fail only by what got worse since
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
}
