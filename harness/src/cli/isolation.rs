//! Which network scenarios get: what was asked for, what this machine permits, what the target can be put into.

use super::args::IsolationArg;
use crate::exit::Failure;
use crate::scenario::file::Scenario;
use crate::target::file::Target;
use crate::target::listen::ListenKind;
use crate::target::namespace::{self, Isolation, IsolationDenied};
use crate::target::network::{self, Network};

/// The best that can be had of what was asked for, and why it is no better, if so. Called before any thread exists, as it may
/// enter a user namespace.
///
/// # Errors
/// Something was asked for by name, and is not permitted here. A target that can't be reached from another network is no
/// error: it gets one.
pub(super) fn choose(asked: IsolationArg, target: &Target) -> Result<(Isolation, Option<String>), Failure> {
    if asked == IsolationArg::None {
        return Ok((Isolation::None, Some("switched off by --isolation none".to_owned())));
    }
    if let Err(denied) = namespace::prepare_process() {
        return match asked {
            IsolationArg::Auto => Ok((Isolation::None, Some(denied.to_string()))),
            _ => Err(Failure::own(format!("no network namespace: {denied}"))),
        };
    }
    if asked != IsolationArg::Full {
        return Ok((Isolation::Net, None));
    }
    if let Err(why) = network::takes_address(target) {
        return Ok((Isolation::Net, Some(why)));
    }
    match attempt(Isolation::Full) {
        Ok(_) => Ok((Isolation::Full, None)),
        Err(denied) => Err(Failure::own(format!("no two network namespaces: {denied}"))),
    }
}

/// Enters a network of this kind on a thread that is never used again, and says whether it has IPv6.
fn attempt(isolation: Isolation) -> Result<bool, IsolationDenied> {
    let thread =
        std::thread::spawn(move || Network::enter(isolation, None).map(|network| network.has_ipv6()));
    thread.join().unwrap_or(Ok(false))
}

/// Whether somebody can listen on IPv6 there.
pub(super) fn has_ipv6(isolation: Isolation) -> bool {
    attempt(isolation).unwrap_or(false)
}

/// What a scenario gets: nothing of a unix socket is on any wire, and an abstract name is known in one network only.
pub(super) fn of_scenario(isolation: Isolation, scenario: &Scenario) -> Isolation {
    match scenario.listener {
        ListenKind::Ipv4 | ListenKind::Ipv6 => isolation,
        ListenKind::Unix | ListenKind::Abstract => isolation.min(Isolation::Net),
    }
}
