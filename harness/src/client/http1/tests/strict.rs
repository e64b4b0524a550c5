//! Which rule each bad response breaks, and which limit each endless one runs into.

use super::*;

fn violation(bytes: &[u8]) -> Option<Violation> {
    match parse(&[AnswerTo::Other], [bytes]).ending {
        Ending::Malformed(malformed) => Some(malformed.violation),
        _ => None,
    }
}

#[test]
fn what_breaks_a_rule_is_named() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (before, bytes, expected) in [
        ("", "\r\nHTTP/1.1 200 OK\r\n\r\n", Violation::NotHttp),
        ("", "\x15\x03\x01", Violation::NotHttp),
        ("", "HTTP/2", Violation::NotHttp),
        ("", " HTTP/1.1 200 OK\r\n\r\n", Violation::NotHttp),
        ("", "HTTP/1.2 200 OK\r\n\r\n", Violation::StatusLine),
        ("", "HTTP/1.1 20 OK\r\n\r\n", Violation::StatusLine),
        ("", "HTTP/1.1  200 OK\r\n\r\n", Violation::StatusLine),
        ("", "HTTP/1.1 099 X\r\n\r\n", Violation::StatusLine),
        ("", "HTTP/1.1 600 X\r\n\r\n", Violation::StatusLine),
        ("", "HTTP/1.1 200 OK\n", Violation::BareLineFeed),
        ("", "HTTP/1.1 200 OK\rX", Violation::BareCarriageReturn),
        ("", "HTTP/1.1 101 Switching Protocols\r\n\r\n", Violation::Upgrade),
        (ok, "A: b\r\n c\r\n\r\n", Violation::ObsoleteFold),
        (ok, "A: b\n", Violation::BareLineFeed),
        (ok, "A: b\rc\r\n", Violation::BareCarriageReturn),
        (ok, "A : b\r\n\r\n", Violation::FieldLine),
        (ok, ": b\r\n\r\n", Violation::FieldLine),
        (ok, "A\r\n\r\n", Violation::FieldLine),
        (ok, "A: \x01\r\n\r\n", Violation::FieldLine),
        (ok, "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", Violation::ContentLength),
        (ok, "Content-Length: 5, 5\r\n\r\n", Violation::ContentLength),
        (ok, "Content-Length: +5\r\n\r\n", Violation::ContentLength),
        (ok, "Content-Length:\r\n\r\n", Violation::ContentLength),
        (ok, "Content-Length: 18446744073709551616\r\n\r\n", Violation::ContentLength),
        (ok, "Content-Length: 4097\r\n\r\n", Violation::BodyTooLarge),
        (ok, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Violation::LengthAndEncoding),
        (ok, "Transfer-Encoding: chunked, chunked\r\n\r\n", Violation::TransferEncoding),
        (ok, "Transfer-Encoding: ,\r\n\r\n", Violation::TransferEncoding),
        ("HTTP/1.0 200 OK\r\n", "Transfer-Encoding: chunked\r\n\r\n", Violation::TransferEncoding),
        (chunked, "\r\n", Violation::ChunkSize),
        (chunked, " 5\r\n", Violation::ChunkSize),
        (chunked, "x\r\n", Violation::ChunkSize),
        (chunked, "10000000000000000\r\n", Violation::ChunkSize),
        (chunked, "ffffffffffffffff\r\n", Violation::BodyTooLarge),
        (chunked, "1001\r\n", Violation::BodyTooLarge),
        (chunked, "5\n", Violation::BareLineFeed),
        (chunked, "1\r\nab", Violation::ChunkEnd),
        (chunked, "1\r\na\rb", Violation::ChunkEnd),
        (chunked, "0\r\nA : b\r\n\r\n", Violation::FieldLine),
        (chunked, "0\r\nA: b\r\n c\r\n", Violation::ObsoleteFold),
        (chunked, "0\r\n x", Violation::FieldLine),
    ] {
        let bytes = format!("{before}{bytes}");
        assert_eq!(violation(bytes.as_bytes()), Some(expected), "{bytes:?}");
    }
}

#[test]
fn what_never_ends_runs_into_a_limit() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = "a".repeat(5000);
    let many = "A:\r\n".repeat(300);
    let kibibyte = format!("400\r\n{}\r\n", &long[..1024]);
    for (bytes, expected) in [
        (format!("HTTP/1.1 200 {long}"), Violation::HeadTooLarge),
        (format!("HTTP/1.1 200 OK\r\nA: {long}"), Violation::HeadTooLarge),
        (format!("HTTP/1.1 200 OK\r\n{many}"), Violation::HeadTooLarge),
        ("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(3), Violation::TooManyInterim),
        (format!("{chunked}5;{long}"), Violation::ChunkLineTooLong),
        (format!("{chunked}{}", "0".repeat(100)), Violation::ChunkLineTooLong),
        (format!("{chunked}0\r\n{many}"), Violation::TrailersTooLarge),
        (format!("{chunked}{}", kibibyte.repeat(5)), Violation::BodyTooLarge),
        (format!("HTTP/1.1 200 OK\r\n\r\n{long}"), Violation::BodyTooLarge),
    ] {
        let seen = violation(bytes.as_bytes());
        assert_eq!(seen, Some(expected), "{}", &bytes[..bytes.len().min(60)]);
        assert!(expected.is_limit());
    }
    let fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A:\r\n".repeat(257));
    let mut parser = Parser::new(AnswerTo::Other, Limits::default());
    let malformed = parser.feed(fields.as_bytes()).unwrap_err();
    assert_eq!(malformed.violation, Violation::HeadTooLarge);
}

#[test]
fn the_line_at_fault_is_shown_with_its_place() {
    let mut parser = Parser::new(AnswerTo::Other, Limits::default());
    parser.feed(b"HTTP/1.1 200 OK\r\nA: b\r\nContent").unwrap();
    let malformed = parser.feed(b"-Length: \xffx\r\nC: d\r\n\r\n").unwrap_err();
    assert_eq!(malformed.violation, Violation::ContentLength);
    assert_eq!(malformed.seen, "Content-Length: \\xffx\\r\\n");
    assert_eq!(malformed.offset, 51);
}
