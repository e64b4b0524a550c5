//! A thread that for a few milliseconds must not be kept waiting.

/// While it lives the calling thread runs before all ordinary ones, where that is permitted (CAP_SYS_NICE or RLIMIT_RTPRIO;
/// sched(7)). Its sleeps are exact everywhere, and stay so (PR_SET_TIMERSLACK, prctl(2)). Meant for milliseconds; it belongs to the thread that asked.
#[derive(Debug)]
pub struct Urgency {
    granted: bool,
    /// Scheduling is a property of the thread.
    _thread: std::marker::PhantomData<*const ()>,
}

impl Urgency {
    /// Asks for it; the lowest of the real-time priorities is enough.
    #[must_use]
    pub fn ask() -> Self {
        // Without the permission its sleeps are at least not rounded up: by default by 50 µs.
        // SAFETY: PR_SET_TIMERSLACK takes one number, in nanoseconds, and is the calling thread's own.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
        let granted = schedule(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, 1);
        Self { granted, _thread: std::marker::PhantomData }
    }

    /// Whether it is permitted; if not, errno says why until the next call.
    #[must_use]
    pub fn is_granted(&self) -> bool {
        self.granted
    }
}

impl Drop for Urgency {
    fn drop(&mut self) {
        if self.granted {
            schedule(libc::SCHED_OTHER, 0);
        }
    }
}

fn schedule(policy: i32, priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameters outlive the call; pid 0 is the calling thread, whose scheduling alone changes.
    unsafe { libc::sched_setscheduler(0, policy, &parameters) == 0 }
}
