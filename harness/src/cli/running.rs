//! A server that is up already: what is said of it on the command line, and whether it is there.

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use reqwest::Url;

use super::args::RunArgs;
use crate::exit::{self, Failure};
use crate::run::isolation::IsolationWanted;
use crate::target::file::{Endpoints, Target};
use crate::target::running::{Kept, Running, Whereabouts};

/// A server that is up answers a connect within this.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(next_help_heading = "A server that is up already")]
pub(super) struct RunningArgs {
    /// It answers here, and hotspec starts nothing and stops nothing; --restart-command says how it is restarted. The path is
    /// one that answers at once
    #[arg(long, value_name = "URL", conflicts_with_all = ["target", "command", "path", "config", "notify", "socket_flag",
        "successor_variable", "listen_on", "each_listener", "pid_1", "migrate_req"])]
    pub(super) url: Option<String>,
    /// With --url: its main process, so that processes are looked at as well (or --pid-file, read anew each time)
    #[arg(long, value_name = "PID", requires = "url", conflicts_with_all = ["unit", "pid_file"],
        value_parser = clap::value_parser!(i32).range(2..))]
    pub(super) pid: Option<i32>,
    /// With --url: the systemd unit whose MainPID is its main process
    #[arg(long, value_name = "UNIT", requires = "url", conflicts_with = "pid_file")]
    pub(super) unit: Option<String>,
    /// With --url: a field of its answers whose value is another one after a restart, as the name of a pod
    #[arg(long, value_name = "FIELD", requires = "url")]
    pub(super) marker_header: Option<String>,
}

/// The server as a target.
///
/// # Errors
/// What was expected, and what was found.
pub(super) fn target(url: &str, args: &RunArgs) -> Result<Target, Failure> {
    let wrong = |message: String| Failure::usage(format!("--url: {message}"));
    let parsed: Url = url.parse().map_err(|error| {
        wrong(format!("expected a URL such as http://127.0.0.1:8080/, found `{url}`: {error}"))
    })?;
    match parsed.scheme() {
        "http" => {}
        "https" => {
            let hint = "give the address behind what ends TLS, if there is one that speaks http";
            return Err(wrong(format!("hotspec does not speak TLS yet, so https can't be judged; {hint}")));
        }
        other => return Err(wrong(format!("expected http://…, found `{other}://…`"))),
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("expected no user and no password, which hotspec does not send".to_owned()));
    }
    check(args)?;
    let address = look_up(&parsed).map_err(wrong)?;
    let whereabouts = whereabouts(args);
    let local = is_local(address.ip());
    if let Some(whereabouts) = whereabouts.as_ref().filter(|_| !local) {
        let option = whereabouts.option();
        return Err(Failure::usage(format!(
            "{option} names a process of this machine, and {address} is no address of it: leave {option} out, and clients alone are asked"
        )));
    }
    let path =
        parsed.query().map_or_else(|| parsed.path().to_owned(), |query| format!("{}?{query}", parsed.path()));
    let host = match parsed.port() {
        Some(port) => format!("{}:{port}", parsed.host_str().unwrap_or_default()),
        None => parsed.host_str().unwrap_or_default().to_owned(),
    };
    Ok(Target {
        name: url.to_owned(),
        title: format!("what answers at {url}"),
        address: Some(address.to_string()),
        endpoints: Endpoints { fast: Some(path), ..Endpoints::default() },
        directory: std::env::current_dir().ok(),
        running: Some(Running {
            url: url.to_owned(),
            address,
            local,
            host,
            whereabouts,
            marker_header: args.running.marker_header.clone(),
            kept: Arc::new(Kept::default()),
        }),
        ..Target::default()
    })
}

/// What does not go together, and clap can't say.
fn check(args: &RunArgs) -> Result<(), Failure> {
    let told = whereabouts(args).is_some();
    let refuse = |message: &str| Err(Failure::usage(message));
    if args.restart_command.is_none() && args.restart.is_none() {
        return refuse(
            "--url needs --restart-command COMMAND, as in --restart-command 'systemctl reload app': hotspec does not guess how a server that it has not started is restarted",
        );
    }
    if args.restart.is_some() && !told {
        return refuse(
            "--restart SIGNAL with --url needs to be told whom to send it to: --pid, --pid-file or --unit",
        );
    }
    if matches!(args.isolation, IsolationWanted::Net | IsolationWanted::Full) {
        return refuse("--url and --isolation net or full do not go together: the server is where it is");
    }
    if args.jobs.is_some_and(|jobs| jobs > 1) {
        return refuse("--url runs one scenario at a time, as there is one server: expected no --jobs, or 1");
    }
    if let Some(field) = &args.running.marker_header
        && reqwest::header::HeaderName::try_from(field).is_err()
    {
        return Err(Failure::usage(format!(
            "--marker-header: expected the name of a field, found `{field}`"
        )));
    }
    Ok(())
}

fn whereabouts(args: &RunArgs) -> Option<Whereabouts> {
    let pid = args.running.pid.map(Whereabouts::Pid);
    let file = || args.declared.pid_file.as_ref().map(|path| Whereabouts::File(PathBuf::from(path)));
    let unit = || args.running.unit.clone().map(Whereabouts::Unit);
    pid.or_else(file).or_else(unit)
}

/// The first of its addresses, IPv4 before IPv6: what was looked up once holds for the whole run.
fn look_up(url: &Url) -> Result<SocketAddr, String> {
    let port = url.port_or_known_default().unwrap_or(80);
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let found: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("failed to look up {host}: {error}"))?
        .collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("{host} has no address"))
}

/// Whether somebody could listen on it here.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || std::net::UdpSocket::bind((ip, 0)).is_ok()
}

/// Whether somebody listens there, and is where it was said.
///
/// # Errors
/// Nobody does, or that process is none.
pub(super) fn is_there(target: &Target) -> Result<(), Failure> {
    let Some(running) = &target.running else { return Ok(()) };
    TcpStream::connect_timeout(&running.address, CONNECT_WITHIN).map_err(|error| {
        let (url, address) = (&running.url, running.address);
        Failure::new(
            exit::INVALID,
            format!("nobody answers at {url}: failed to connect to {address}: {error}; --url is for a server that is up already"),
        )
    })?;
    if let Some(whereabouts) = &running.whereabouts {
        let option = whereabouts.option();
        whereabouts.main_pid().map_err(|error| Failure::usage(format!("{option}: {error}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_a_number_is_taken_as_it_is() {
        let of = |url: &str| look_up(&url.parse().expect("a URL"));
        assert_eq!(of("http://127.0.0.1/"), Ok("127.0.0.1:80".parse().expect("an address")));
        assert_eq!(of("http://[::1]:8080/x"), Ok("[::1]:8080".parse().expect("an address")));
        assert_eq!(of("http://localhost:81/").map(|address| address.ip().is_loopback()), Ok(true));
        assert!(of("http://no-such-host.invalid/").expect_err("no such host").contains("failed to look up"));
    }

    #[test]
    fn addresses_of_other_machines_are_not_this_one_s() {
        assert!(is_local(IpAddr::from([127, 0, 0, 1])) && !is_local(IpAddr::from([192, 0, 2, 77])));
    }
}
