//! A saboteur: a hot restart that looks up at its start where its program really lies, and executes that.
//!
//! `std::env::current_exe` and `realpath` follow every symbolic link. Where releases lie in directories of their own, and a
//! link says which one is current, the old release is executed again, or, once it was removed, nothing is.
//!
//! clause: failure.program-replaced
//! shown-by: program-switched
//! profile: falcore
//! options: --socket-flag --socket

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    // The fault: what the link leads to now need not be what it leads to when it is time to restart.
    server.restart.program = CString::new(std::env::current_exe()?.as_os_str().as_bytes())?;
    server.run().await
}
