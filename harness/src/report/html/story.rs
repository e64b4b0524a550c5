//! All that is known of one lane that broke something: what was expected, what happened, what was sent and received, and its
//! packets.

use std::fmt::Write;

use super::super::escape::html;
use super::super::lane_log::Kind;
use super::super::style::bytes as in_bytes;
use super::book::{Book, Mark, Scene};
use super::{clauses, row};
use crate::history::event::What;
use crate::history::{Event, Lane};
use crate::witness::packets::Segment;
use crate::witness::packets::pcapng::Packet;

/// Lines of bytes told of one lane: the first half and the last of them.
const LINES: usize = 40;
/// Packets told of one lane.
const PACKETS: usize = 40;

/// The lane's own place on the page, which links lead to.
pub(super) fn write(out: &mut String, book: &Book<'_>, scene: &Scene<'_>, lane: &Lane) {
    let marks = row::marks_on(book, scene, lane.id);
    let Some((_, first)) = marks.first() else { return };
    let _ = writeln!(
        out,
        "<div id=\"{}\" class=\"told\" tabindex=\"-1\">\n<p><b>{}</b> of {}, held by <b>{}</b>; {}.</p>\n<ul class=\"breaches\">",
        scene.anchor(lane.id),
        html(format!("{}#{}", lane.role, lane.id)),
        html(scene.name()),
        html(scene.owner(lane.owner)),
        html(row::requests(lane))
    );
    for (number, mark) in &marks {
        breach(out, *number, mark, None);
    }
    out.push_str("</ul>\n");
    log(out, scene, lane, first);
    bytes(out, scene, lane);
    packets(out, book, scene, lane);
    out.push_str("</div>\n");
}

/// One breach: the clause, what it expected, what was seen, and why, where the evidence tells it.
pub(super) fn breach(out: &mut String, number: usize, mark: &Mark<'_>, process: Option<&str>) {
    let violation = mark.violation;
    let class = if mark.known { "known" } else { "broken" };
    let word = if mark.known { "known" } else { "breaks" };
    let _ = write!(
        out,
        "<li id=\"v{number}\" tabindex=\"-1\"><span class=\"word {class}\">{word}</span> {} <span class=\"quiet\">{}, {}</span>",
        clauses::link(&mark.clause.id),
        mark.clause.level,
        html(&violation.kind),
    );
    out.push_str("<dl>");
    let mut field = |label: &str, text: &str| {
        if !text.is_empty() {
            let _ = write!(out, "<dt>{label}</dt><dd>{}</dd>", html(text));
        }
    };
    field("when", &violation.phase);
    field("process", process.unwrap_or_default());
    field("expected", &violation.expected);
    field("seen", &violation.seen);
    if let Some(cause) = &violation.cause {
        field("cause", &cause.text);
        for line in &cause.evidence {
            field("evidence", line);
        }
    }
    out.push_str("</dl></li>\n");
}

/// What happened, as the report for a terminal has it.
fn log(out: &mut String, scene: &Scene<'_>, lane: &Lane, mark: &Mark<'_>) {
    let lines = scene.log.lines(lane.id, mark.violation.at_us);
    if lines.is_empty() {
        return;
    }
    out.push_str("<h5>What happened</h5>\n<table class=\"log\"><thead class=\"aside\"><tr><th>when</th><th>what</th></tr></thead><tbody>\n");
    for line in lines {
        let (class, word) = match line.kind {
            Kind::Lane => ("", ""),
            Kind::Breach => (" class=\"breach\"", "<b>broken here:</b> "),
            Kind::Restart => (" class=\"restart\"", ""),
            Kind::Left => (" class=\"quiet\"", ""),
        };
        let _ =
            writeln!(out, "<tr{class}><td>{}</td><td>{word}{}</td></tr>", html(&line.time), html(&line.text));
    }
    out.push_str("</tbody></table>\n");
}

/// What went over the connection, as far as the history keeps it.
fn bytes(out: &mut String, scene: &Scene<'_>, lane: &Lane) {
    let own = scene.log.own(lane.id);
    let lines: Vec<(String, bool, String)> = own.iter().filter_map(|event| line(scene, event)).collect();
    if lines.is_empty() {
        return;
    }
    out.push_str(
        "<h5>Bytes</h5>\n<p class=\"quiet\">As the history keeps them: lengths and hashes of what was whole, and an excerpt of \
         what was no HTTP.</p>\n<table class=\"log\"><thead class=\"aside\"><tr><th>when</th><th>who</th><th>what</th></tr></thead><tbody>\n",
    );
    let left = lines.len().saturating_sub(LINES);
    for (at, (time, sent, what)) in lines.iter().enumerate() {
        if left > 0 && at == LINES / 2 {
            let _ =
                writeln!(out, "<tr class=\"quiet\"><td>...</td><td></td><td>{left} more left out</td></tr>");
        }
        if (LINES / 2..LINES / 2 + left).contains(&at) {
            continue;
        }
        let who = if *sent { "client \u{2192}" } else { "\u{2190} server" };
        let _ = writeln!(out, "<tr><td>{}</td><td>{who}</td><td>{}</td></tr>", html(time), html(what));
    }
    out.push_str("</tbody></table>\n");
}

/// When, whether the lane sent it, and what.
fn line(scene: &Scene<'_>, event: &Event) -> Option<(String, bool, String)> {
    let number = |request: u32| u64::from(request) + 1;
    let (sent, what) = match &event.what {
        What::Request { request, endpoint, method, .. } => (
            true,
            format!("request {}: {method} of the endpoint {endpoint}, its first byte", number(*request)),
        ),
        What::Sent { request, from, .. } => {
            let from = scene.log.time(*from);
            (true, format!("request {}: its last byte, not before {from}", number(*request)))
        }
        What::SendFailed { request, why, .. } => {
            (true, format!("request {}: sending failed: {why}", number(*request)))
        }
        What::Interim { request, status, .. } => {
            (false, format!("interim answer {}: {status}", number(*request)))
        }
        What::Head { request, from, status, version, framing, close, last, marker, .. } => {
            let (major, minor) = (version / 10, version % 10);
            let mut text = format!(
                "head of answer {}: HTTP/{major}.{minor} {status}, framing {framing}",
                number(*request)
            );
            if *close {
                text.push_str(", Connection: close");
            } else if *last {
                text.push_str(", the last by the rules of HTTP");
            }
            if let Some(marker) = marker {
                let _ = write!(text, ", marker {marker}");
            }
            let _ = write!(text, "; its first byte at {}", scene.log.time(*from));
            (false, text)
        }
        What::Body { request, length, hash, marker, .. } => {
            let marker = marker.as_ref().map(|marker| format!(", marker {marker}")).unwrap_or_default();
            (
                false,
                format!(
                    "body of answer {}, whole: {}, XXH3 {hash}{marker}",
                    number(*request),
                    in_bytes(*length)
                ),
            )
        }
        What::Malformed { request, why, .. } => {
            (false, format!("answer {} is no HTTP: {why}", number(*request)))
        }
        What::Extra { bytes, .. } => (false, format!("{} that nobody asked for", in_bytes(*bytes))),
        What::Fetched { status, length, .. } => (false, format!("status {status}, {}", in_bytes(*length))),
        What::FetchFailed { kind, message, .. } => (false, format!("failed ({kind}): {message}")),
        _ => return None,
    };
    Some((scene.log.time(event.t), sent, what))
}

/// The packets of the lane: SYN, FIN and RST, which are all that is kept.
fn packets(out: &mut String, book: &Book<'_>, scene: &Scene<'_>, lane: &Lane) {
    let Some(packets) = book.packets.get(scene.scenario).and_then(|attempts| attempts.get(scene.attempt))
    else {
        return;
    };
    let name = format!("{}#{}, t=", lane.role, lane.id);
    let own: Vec<(u64, &Packet, Segment)> = packets
        .iter()
        .filter_map(|packet| {
            let at = packet.comment.strip_prefix(&name)?.split(' ').next()?.parse().ok()?;
            Some((at, packet, Segment::parse(&packet.frame)?))
        })
        .collect();
    if own.is_empty() {
        return;
    }
    out.push_str(
        "<h5>Packets</h5>\n<table class=\"log\"><thead class=\"aside\"><tr><th>when</th><th>who</th><th>what</th></tr></thead><tbody>\n",
    );
    // The one that begins the connection is the client's.
    let begins = |(_, _, segment): &&(u64, &Packet, Segment)| segment.flags.syn() && !segment.flags.ack();
    let client = lane.port.or_else(|| own.iter().find(begins).map(|(_, _, segment)| segment.source.port()));
    for (at, packet, segment) in own.iter().take(PACKETS) {
        let who = if Some(segment.source.port()) == client { "client \u{2192}" } else { "\u{2190} server" };
        let flags = [
            (segment.flags.syn(), "SYN"),
            (segment.flags.fin(), "FIN"),
            (segment.flags.rst(), "RST"),
            (segment.flags.ack(), "ACK"),
        ];
        let flags: Vec<&str> = flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{who}</td><td>{}, sequence {}, {} bytes, port {} to {}</td></tr>",
            html(scene.log.time(*at)),
            flags.join(" "),
            segment.sequence,
            packet.length,
            segment.source.port(),
            segment.destination.port()
        );
    }
    out.push_str("</tbody></table>\n");
    if own.len() > PACKETS {
        let _ = writeln!(out, "<p class=\"quiet\">and {} more</p>", own.len() - PACKETS);
    }
    if let Some(file) = book.file(scene) {
        let filter = client.map(|port| format!(" (tcp.port == {port})")).unwrap_or_default();
        let _ = writeln!(
            out,
            "<p class=\"quiet\">In <code>{}</code>{filter}</p>",
            html(file.display().to_string())
        );
    }
}
