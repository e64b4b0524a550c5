//! Servers that are none, or bad ones. A test program starts itself as one of them, so that nothing else is needed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const WORD: &str = "--as-target";

/// The test program itself.
pub fn own_program() -> PathBuf {
    std::env::current_exe().expect("the test program's own path")
}

/// The words of a command that starts this target: `hotspec run … -- WORDS…`.
pub fn command(target: &str) -> Vec<String> {
    command_of(&own_program(), target)
}

/// The same, started from this copy of the test program.
pub fn command_of(program: &Path, target: &str) -> Vec<String> {
    vec![program.display().to_string(), WORD.to_owned(), target.to_owned(), "{address}".to_owned()]
}

/// The words of a command that leaves this one behind as a daemon: forked twice, in a session of its own.
pub fn daemonized(program: &Path, words: &[String]) -> Vec<String> {
    let front = [&program.display().to_string(), WORD, "daemonize"].map(str::to_owned);
    front.into_iter().chain(words.iter().cloned()).collect()
}

/// What the test program does when it is started as a target; none if it is not.
///
/// # Panics
/// The target could not do what it is there for.
pub fn serve_if_asked() -> Option<ExitCode> {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).map(String::as_str) != Some(WORD) {
        return None;
    }
    let rest = &words[3..];
    let address = || rest.first().expect("an address").as_str();
    match words[2].as_str() {
        "never-listens" => loop {
            std::thread::park();
        },
        "exits-at-once" => {
            eprintln!("this target has nothing to serve");
            return Some(ExitCode::from(7));
        }
        "no-http" => serve(address(), |mut client| {
            let _ = client.write_all(b"220 mail.example ESMTP\r\n");
            drain(client);
        }),
        "endless-head" => serve(address(), |mut client| {
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\n");
            while client.write_all(b"X-More: and more and more and more\r\n").is_ok() {}
        }),
        "slow-endless-head" => serve(address(), |mut client| {
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\n");
            drain(client);
        }),
        "never-answers" => serve(address(), drain),
        "closes-at-once" => serve(address(), drop),
        "daemonize" => {
            // Forked once: the second fork is made in a session of its own, and then both of these are gone.
            let status = Command::new(own_program()).args([WORD, "in-a-session"]).args(rest).status();
            assert!(status.is_ok_and(|status| status.success()), "the daemon could not be started");
        }
        "in-a-session" => {
            nix::unistd::setsid().expect("a session of its own");
            let daemon = Command::new(&rest[0]).args(&rest[1..]).spawn();
            // Whoever adopts the daemon waits for it.
            std::mem::forget(daemon.expect("the daemon starts"));
        }
        other => panic!("there is no target `{other}`"),
    }
    Some(ExitCode::SUCCESS)
}

/// One thread for each connection.
fn serve(address: &str, client: fn(TcpStream)) {
    let listener = TcpListener::bind(address).expect("the address is free");
    for accepted in listener.incoming().flatten() {
        std::thread::spawn(move || client(accepted));
    }
}

fn drain(mut client: TcpStream) {
    let mut bytes = [0; 4096];
    while client.read(&mut bytes).is_ok_and(|count| count > 0) {}
}
