//! A saboteur: a hot restart that leaves its successor the configuration that it had itself.
//!
//! What was read is handed on in a variable, as reading it again would cost time. The new process is there, and serves
//! what the old one did: the change for which the restart was asked is not made.
//!
//! clause: process.effective
//! shown-by: five-restarts
//! profile: reload
//! target: configuration_kept.toml

use std::ffi::CString;
use std::io;
use std::sync::OnceLock;

use common::{Answer, Rules, Server};
use hyper::header::{HeaderName, HeaderValue};

const HANDED_ON: &str = "CONFIGURATION";

/// What answers show.
static CONFIGURATION: OnceLock<HeaderValue> = OnceLock::new();

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules { finish, ..Rules::default() })?;
    let text = match (std::env::var(HANDED_ON), &server.args.config) {
        // The fault: the file may be another one by now.
        (Ok(text), _) => text,
        (Err(_), Some(file)) => std::fs::read_to_string(file)?,
        (Err(_), None) => String::new(),
    };
    let shown = HeaderValue::from_str(text.trim()).map_err(io::Error::other)?;
    CONFIGURATION.get_or_init(|| shown);
    let environment = &mut server.restart.environment;
    let name = format!("{HANDED_ON}=");
    environment.retain(|variable| !variable.as_bytes().starts_with(name.as_bytes()));
    environment.push(CString::new(format!("{name}{}", text.trim()))?);
    server.run().await
}

fn finish(answer: &mut Answer<'_>) {
    common::close_while_draining(answer);
    if let Some(shown) = CONFIGURATION.get() {
        answer.head.insert(HeaderName::from_static("x-marker"), shown.clone());
    }
}
