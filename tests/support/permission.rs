//! Running `hotspec` as somebody who may less.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::HOTSPEC;

/// What [`NOBODY`] needs.
pub const SETPRIV: (&str, &str) = ("setpriv", "apt-get install util-linux");
/// What [`NO_NAMESPACES`] needs besides.
pub const UNSHARE: (&str, &str) = ("unshare", "apt-get install util-linux");

/// Before a command: it runs as another user. Only root can do that.
pub const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";
/// Before a command: it can make no namespaces. In a user namespace of its own the limit of further ones can be set, and nothing
/// outside of it changes.
pub const NO_NAMESPACES: &str = "unshare --user --map-root-user sh -c \
     'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"' sh";

/// Whether this machine lets a command be run so.
pub fn is_possible(beneath: &str) -> bool {
    Command::new("sh").args(["-c", &format!("{beneath} true")]).status().expect("sh starts").success()
}

/// Lets everybody use it.
pub fn open_to_all(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("opened");
}

/// The program in a directory where everybody may execute it.
pub fn program_in(dir: &Path) -> PathBuf {
    let program = dir.join("hotspec");
    fs::copy(HOTSPEC, &program).expect("copied");
    open_to_all(&program, 0o755);
    program
}
