//! The command line as typed: what it says of the target.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::declaration::{DeclaredLimits, Span};
use crate::target::file::AsPid1;
use crate::target::listen::ListenKind;

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits that the target declares")]
pub(super) struct LimitArgs {
    /// From the trigger to a successor that serves [default: 10s]
    #[arg(long, value_name = "TIME")]
    ready_max: Option<Span>,
    /// How long an idle connection may be kept while draining [default: 15s]
    #[arg(long, value_name = "TIME")]
    idle_max: Option<Span>,
    /// From the successor's first answer to the beginning of the drain [default: 1s]
    #[arg(long, value_name = "TIME")]
    drain_start_max: Option<Span>,
    /// How long in-flight work may take to drain [default: 30s]
    #[arg(long, value_name = "TIME")]
    drain_max: Option<Span>,
    /// From the old generation's last connection to its own end [default: idle-max + 1s]
    #[arg(long, value_name = "TIME")]
    exit_max: Option<Span>,
    /// How much longer than in control a new connection may wait [default: 1s]
    #[arg(long, value_name = "TIME")]
    stall_max: Option<Span>,
    /// When it cuts what is left of the drain [default: never]
    #[arg(long, value_name = "TIME")]
    hard_limit: Option<Span>,
}

impl LimitArgs {
    pub(super) fn declared(&self) -> DeclaredLimits {
        DeclaredLimits {
            ready_max: self.ready_max,
            idle_max: self.idle_max,
            drain_start_max: self.drain_start_max,
            drain_max: self.drain_max,
            exit_max: self.exit_max,
            stall_max: self.stall_max,
            hard_limit: self.hard_limit,
        }
    }
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Paths of the target by what they do")]
pub(super) struct EndpointArgs {
    /// Answers at once [default: /]
    #[arg(long, value_name = "PATH")]
    pub(super) path: Option<String>,
    /// Answers after {ms} milliseconds
    #[arg(long, value_name = "PATH")]
    pub(super) slow_path: Option<String>,
    /// Sends {chunks} chunks, one every {ms} milliseconds
    #[arg(long, value_name = "PATH")]
    pub(super) stream_path: Option<String>,
    // Not `{n}`: clap takes that for the end of a line.
    /// A body larger than socket buffers; n in braces stands for how many bytes are wanted
    #[arg(long, value_name = "PATH")]
    pub(super) large_path: Option<String>,
    /// Takes a POST and answers when it is read whole [default: the one that answers at once]
    #[arg(long, value_name = "PATH")]
    pub(super) upload_path: Option<String>,
    /// Answers 204
    #[arg(long, value_name = "PATH")]
    pub(super) no_content_path: Option<String>,
    /// Answers 304
    #[arg(long, value_name = "PATH")]
    pub(super) not_modified_path: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What else the target declares")]
pub(super) struct DeclarationArgs {
    /// The flag by which a successor is told the listener's descriptor: its number follows
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    pub(super) socket_flag: Option<String>,
    /// A variable that a generation may add or change for the next one; any number of times
    #[arg(long, value_name = "NAME")]
    pub(super) successor_variable: Vec<String>,
    /// Its pid file; {dir} is filled in. With --url: the file that names its main process
    #[arg(long, value_name = "FILE")]
    pub(super) pid_file: Option<String>,
    /// What {address} becomes where the listener is of another kind, as in unix='unix:{socket}': {host}, {port} and {socket}
    /// are filled in, the last being the path or abstract name that hotspec chose. Kinds: ipv4, ipv6, unix, abstract
    #[arg(long, value_name = "KIND=TEMPLATE")]
    pub(super) listen_on: Vec<ListenArg>,
    /// What of the command's words or the target's files is repeated for each address where it is told to listen on several,
    /// as in '--listen {address}'
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub(super) each_listener: Option<String>,
    /// Its configuration: {config} becomes the path of a copy, which is made invalid for restarts that have to fail
    #[arg(long, value_name = "FILE", requires = "command")]
    pub(super) config: Option<PathBuf>,
    /// What a restart does to it where it is process 1 of a PID namespace, as in a container without an init
    #[arg(long, value_name = "WHAT")]
    pub(super) pid_1: Option<AsPid1>,
    /// It tells a service manager of its state by NOTIFY_SOCKET, as sd_notify(3) says
    #[arg(long)]
    pub(super) notify: bool,
}

/// How the target is told a listener of one kind.
#[derive(Clone, Debug)]
pub(super) struct ListenArg {
    pub(super) kind: ListenKind,
    pub(super) template: String,
}

impl std::str::FromStr for ListenArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, template) = text
            .split_once('=')
            .ok_or_else(|| format!("expected KIND=TEMPLATE, as in unix='unix:{{socket}}', found `{text}`"))?;
        Ok(Self { kind: kind.parse()?, template: template.to_owned() })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ModelArg {
    /// Told from what happens
    Auto,
    /// The server forks and executes its successor
    ForkExec,
    /// A permanent master replaces its workers
    MasterWorkers,
    /// The master executes a new master beside itself
    NewMaster,
    /// A second instance takes over
    SecondInstance,
    /// One process restarts inside itself
    InPlace,
}

impl From<ModelArg> for crate::history::Model {
    fn from(model: ModelArg) -> Self {
        match model {
            ModelArg::Auto => Self::Auto,
            ModelArg::ForkExec => Self::ForkExec,
            ModelArg::MasterWorkers => Self::MasterWorkers,
            ModelArg::NewMaster => Self::NewMaster,
            ModelArg::SecondInstance => Self::SecondInstance,
            ModelArg::InPlace => Self::InPlace,
        }
    }
}
