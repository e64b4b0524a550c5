//! SYN, FIN and RST on the wire: what the kernels on both ends really sent, whoever noticed it.
//!
//! A client that saw no reset has sampled. A packet socket on the loopback hears every segment that begins or ends a
//! connection, and the kernel counts those that it could not hand over; so "none was sent" can be proved. It needs CAP_NET_RAW
//! in the network namespace: root has it, and everybody has it in a namespace of his own.

mod filter;
pub mod pcapng;
mod segment;
mod tap;

pub use segment::{Flags, Segment};
pub use tap::{Heard, Tap};
