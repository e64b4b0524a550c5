//! Which network scenarios get: what was asked for, what this machine permits, what the target can be put into.

use clap::ValueEnum;

use crate::exit::Failure;
use crate::scenario::file::Scenario;
use crate::target::file::Target;
use crate::target::listen::ListenKind;
use crate::target::namespace::{self, Isolation, IsolationDenied};
use crate::target::network::{self, Network};

/// The network that each scenario is to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum IsolationWanted {
    /// The best that this machine permits of net and none
    #[default]
    Auto,
    /// Two network namespaces, one for the server and one for its clients, joined by a veth pair, or an error
    Full,
    /// A network namespace, or an error
    Net,
    /// None: ports are shared with everything else on this machine
    None,
}

impl IsolationWanted {
    /// As it is typed.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Full => "full",
            Self::Net => "net",
            Self::None => "none",
        }
    }
}

/// The best that can be had of what was asked for, and why it is no better, if so. Where the process is hotspec's own (`is_own`) it
/// may be put into a user namespace, so this is called before any thread exists.
///
/// # Errors
/// Something was asked for by name, and is not permitted here. A target that can't be reached from another network is no
/// error: it gets one.
pub(crate) fn choose(
    asked: IsolationWanted,
    target: &Target,
    is_own: bool,
) -> Result<(Isolation, Option<String>), Failure> {
    if asked == IsolationWanted::None {
        return Ok((Isolation::None, Some("switched off by --isolation none".to_owned())));
    }
    let permitted = if is_own { namespace::prepare_process() } else { namespace::of_process() };
    if let Err(denied) = permitted {
        return match asked {
            IsolationWanted::Auto => Ok((Isolation::None, Some(denied.to_string()))),
            _ => Err(Failure::own(format!("no network namespace: {denied}"))),
        };
    }
    if asked != IsolationWanted::Full {
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
pub(crate) fn has_ipv6(isolation: Isolation) -> bool {
    attempt(isolation).unwrap_or(false)
}

/// What a scenario gets: nothing of a unix socket is on any wire, and an abstract name is known in one network only.
pub(crate) fn of_scenario(isolation: Isolation, scenario: &Scenario) -> Isolation {
    match scenario.listener {
        ListenKind::Ipv4 | ListenKind::Ipv6 => isolation,
        ListenKind::Unix | ListenKind::Abstract => isolation.min(Isolation::Net),
    }
}
