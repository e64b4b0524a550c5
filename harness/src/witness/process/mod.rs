//! Processes as /proc and pidfds show them.
//!
//! Everything here works for an ordinary user on that user's own processes; what needs more says so where it is missing.

mod clock;
mod descriptors;
pub mod facts;
mod freeze;
mod pidfd;
pub(crate) mod raw;
mod stat;
mod tree;
mod urgency;

pub use clock::{Interval, monotonic_ns, start_interval, tick_us};
pub use descriptors::{Descriptor, Memory, descriptors, flags, may_compare, same_file};
pub use facts::{Facts, Redaction};
pub use freeze::{FreezeError, Frozen, freeze};
pub(crate) use pidfd::watch;
pub use pidfd::{Exit, Pidfd};
pub(crate) use stat::holds_socket;
pub use stat::{DescriptorsUnreadable, Epoch, Image, Stat, socket_inodes, sockets};
pub use tree::{Tree, descendants, lives_below};
pub use urgency::Urgency;
