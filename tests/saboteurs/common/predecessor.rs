//! Whether the predecessor is still there when it is to be told of readiness. If it ended before this program's first
//! instruction, the parent is a stranger by then, who never asked for a signal.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::unistd::{Pid, getppid};

/// Sent by the kernel when the predecessor ends, and blocked from before exec, so that it can be looked for after it.
const GONE: Signal = Signal::SIGUSR2;

/// In the child, before it executes: has the predecessor's end noted.
pub fn note_end_of(predecessor: Pid) -> nix::Result<()> {
    SigSet::from(GONE).thread_block()?;
    set_pdeathsig(GONE)?;
    if getppid() == predecessor { Ok(()) } else { raise(GONE) }
}

/// The parent, unless it is another one than started this process.
pub fn parent() -> Option<Pid> {
    let parent = getppid();
    // From here on a look at the parent shows its end.
    let cleared = set_pdeathsig(None);
    let gone = SigSet::from(GONE);
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: takes a pending signal out of this set, if there is one; the set and the time are valid, and nothing is
    // written to a null pointer.
    let ended = unsafe { libc::sigtimedwait(gone.as_ref(), std::ptr::null_mut(), &at_once) } > 0;
    let unblocked = gone.thread_unblock();
    (!ended && cleared.is_ok() && unblocked.is_ok()).then_some(parent)
}
