//! What is seen of a story's processes while all is quiet: what they were given, who is there, how the old one ends.

use std::collections::BTreeMap;

use hotspec::declaration::Documented;
use hotspec::history::event::{Counted, ProcId, What};

use crate::story::{Story, T0};

/// The two main processes' pids.
pub(crate) const OLD_PID: i32 = 100;
pub(crate) const NEW_PID: i32 = 101;

/// What a process was given and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) arguments: Option<Vec<String>>,
    pub(crate) environment: Option<BTreeMap<String, String>>,
    pub(crate) properties: BTreeMap<String, String>,
}

/// All that is seen while all is quiet; a story that is to fail changes something here.
#[derive(Clone, Debug)]
pub(crate) struct Quiet {
    pub(crate) given: Life,
    pub(crate) old: Life,
    pub(crate) new: Life,
    /// Who is there before the trigger.
    pub(crate) before: Vec<Counted>,
    /// Who is left.
    pub(crate) after: Vec<Counted>,
    /// What each of its processes holds.
    pub(crate) descriptors: BTreeMap<String, u32>,
    /// And its memory.
    pub(crate) memory_kib: u64,
    /// Exit status and signal of the old process, as the warden reaps it.
    pub(crate) exit: Option<(Option<i32>, Option<i32>)>,
}

/// The words of a line.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_ascii_whitespace().map(str::to_owned).collect()
}

/// A process in a count.
pub(crate) fn counted(pid: i32, ppid: i32, name: &str) -> Counted {
    Counted { pid, ppid, name: name.to_owned(), zombie: false }
}

/// What the stories' server documents.
pub(crate) fn documented() -> Documented {
    Documented {
        flag: Some("--socket".to_owned()),
        arguments: Vec::new(),
        variables: vec!["GENERATION".to_owned()],
    }
}

fn life() -> Life {
    let environment = [("PATH", "a0"), ("TOKEN", "b1"), ("HOME", "c2")];
    let properties = [
        ("directory", "/srv"),
        ("user ids", "33 33 33"),
        ("umask", "0022"),
        ("session", "100"),
        ("nice value", "0"),
        ("limit open files", "1024 4096"),
        ("capabilities CapEff", "0000000000000000"),
        ("standard input", "/dev/null"),
        ("standard output", "/var/log/server"),
        ("standard error", "/var/log/server"),
        ("blocked signals", "0000000000000000"),
        ("ignored signals", "0000000000000000"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Life {
        arguments: Some(words("server --listen 127.0.0.1:8080 --verbose")),
        environment: Some(environment.into_iter().map(owned).collect()),
        properties: properties.into_iter().map(owned).collect(),
    }
}

impl Life {
    pub(crate) fn set(&mut self, property: &str, value: &str) {
        self.properties.insert(property.to_owned(), value.to_owned());
    }

    pub(crate) fn variable(&mut self, name: &str, hash: &str) {
        self.variables().insert(name.to_owned(), hash.to_owned());
    }

    pub(crate) fn variables(&mut self) -> &mut BTreeMap<String, String> {
        self.environment.as_mut().unwrap()
    }

    pub(crate) fn runs(&mut self, line: &str) {
        self.arguments = Some(words(line));
    }

    fn told_of(&self, proc: ProcId) -> What {
        let Life { arguments, environment, properties } = self.clone();
        What::Facts { proc, arguments, environment, properties }
    }
}

impl Quiet {
    /// A server that passes everything on, and leaves nothing behind. Some of it is its own: it ignores SIGPIPE and blocks
    /// SIGHUP in each generation.
    pub(crate) fn correct() -> Self {
        let given = life();
        let mut old = life();
        old.set("blocked signals", "0000000000000001");
        old.set("ignored signals", "0000000000001000");
        let mut new = old.clone();
        new.runs("server --listen 127.0.0.1:8080 --verbose --socket 3");
        new.variable("GENERATION", "d3");
        Self {
            given,
            old,
            new,
            before: vec![counted(OLD_PID, 1, "server")],
            after: vec![counted(NEW_PID, 1, "server")],
            descriptors: [("listener", 1), ("eventpoll", 1), ("file", 3), ("connection", 4)]
                .map(|(kind, count)| (kind.to_owned(), count))
                .into(),
            memory_kib: 4_000,
            exit: Some((Some(0), None)),
        }
    }

    fn resources(&self, proc: ProcId) -> What {
        What::Resources {
            proc,
            descriptors: Some(self.descriptors.clone()),
            memory_kib: Some(self.memory_kib),
            peak_kib: Some(self.memory_kib + 500),
        }
    }

    /// Something of every generation, the first and what it was given included.
    pub(crate) fn everywhere(&mut self, change: impl Fn(&mut Life)) {
        [&mut self.given, &mut self.old, &mut self.new].into_iter().for_each(change);
    }
}

/// Tells it.
pub(crate) fn tell(story: &mut Story) {
    let quiet = story.quiet.clone();
    let Life { arguments, environment, properties } = quiet.given.clone();
    let (arguments, environment) = (arguments.unwrap_or_default(), environment.unwrap_or_default());
    story.tell(5, What::Given { arguments, environment, properties });
    story.tell(T0 - 5, quiet.old.told_of(0));
    story.tell(T0 - 5, quiet.resources(0));
    story.tell(T0 - 5, What::Census { processes: quiet.before.clone() });
    let Some(gone) = story.gone() else { return };
    if let Some((code, signal)) = quiet.exit {
        story.tell(gone, What::Exit { pid: OLD_PID, code, signal });
    }
    let born = story.server.born.is_some();
    if born {
        story.tell(gone + 5, quiet.new.told_of(1));
        story.tell(gone + 5, quiet.resources(1));
    }
    let processes = if born { quiet.after.clone() } else { Vec::new() };
    story.tell(gone + 1_005, What::Census { processes });
}
