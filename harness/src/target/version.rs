//! What a target's program says of its version.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::declaration::version::Version;

/// A program that tells its version takes far less.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any program needs to tell its version.
const BYTES_MAX: u64 = 16 * 1024;

/// Asks by this command: the first line with a version in it that it writes, to standard output or else to standard error, or
/// else its first line. None if it can't be started, or says nothing within five seconds.
pub fn ask(words: &[String]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    told_by(child.ok()?)
}

fn told_by(mut child: Child) -> Option<String> {
    let (out, err) = (child.stdout.take()?, child.stderr.take()?);
    let (said, told) = mpsc::channel();
    for (rank, pipe) in [(0, Box::new(out) as Box<dyn Read + Send>), (1, Box::new(err))] {
        let said = said.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.take(BYTES_MAX).read_to_end(&mut bytes);
            let _ = said.send((rank, String::from_utf8_lossy(&bytes).into_owned()));
        });
    }
    drop(said);
    let mut texts = Vec::new();
    while texts.len() < 2 {
        let Ok(text) = told.recv_timeout(PATIENCE) else { break };
        texts.push(text);
    }
    // It has ended, or will never tell.
    let _ = child.kill();
    let _ = child.wait();
    texts.sort();
    let lines =
        texts.iter().flat_map(|(_, text)| text.lines()).map(str::trim).filter(|line| !line.is_empty());
    let tells = lines.clone().find(|line| Version::find(line).is_some());
    tells.or(lines.clone().next()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(script: &str) -> Option<String> {
        ask(&["sh", "-c", script].map(str::to_owned))
    }

    #[test]
    fn the_first_line_with_a_version_is_told_wherever_it_was_written() {
        assert_eq!(said("echo starting; echo 'server 1.2'").as_deref(), Some("server 1.2"));
        assert_eq!(said("echo 'server of mine'; echo more").as_deref(), Some("server of mine"));
        assert_eq!(said("echo; echo 'server 1.2'; echo more").as_deref(), Some("server 1.2"));
        assert_eq!(said("echo 'server 1.2' >&2; exit 3").as_deref(), Some("server 1.2"));
        assert_eq!(said("echo warning 7.7 >&2; echo 'server 1.2'").as_deref(), Some("server 1.2"));
        assert_eq!(said("echo 'no such option'; echo 'server 1.2' >&2").as_deref(), Some("server 1.2"));
    }

    #[test]
    fn nothing_is_told_by_nobody() {
        assert_eq!(said("exit 0"), None);
        assert_eq!(ask(&["/no/such/program".to_owned()]), None);
        assert_eq!(ask(&[]), None);
    }
}
