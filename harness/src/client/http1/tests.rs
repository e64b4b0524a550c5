//! The parser against tables of good and bad responses.

mod generated;
mod strict;

use super::*;

/// What came of a connection: events, extra bytes, and how it ended.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<Progress>,
    extra: Vec<u8>,
    ending: Ending,
}

fn small() -> Limits {
    Limits {
        head_bytes_max: 512,
        body_bytes_max: 4096,
        chunk_line_bytes_max: 32,
        interim_max: 2,
        prefix_bytes_max: 16,
        extra_bytes_max: 32,
    }
}

/// Feeds the pieces to a parser that awaits these responses, then an end of file.
fn parse<'a>(requests: &[AnswerTo], pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut parser = Parser::idle(small());
    for &request in requests {
        parser.next_request(request).unwrap();
    }
    for piece in pieces {
        if let Err(malformed) = parser.feed(piece) {
            assert_eq!(parser.feed(b"more"), Err(malformed), "an error stays");
            break;
        }
    }
    let events = std::iter::from_fn(|| parser.next_event()).collect();
    let extra = parser.extra().to_vec();
    Outcome { events, extra, ending: parser.finish_at_eof() }
}

fn parse_one(bytes: &str) -> Outcome {
    parse(&[AnswerTo::Other], [bytes.as_bytes()])
}

fn head(bytes: &str) -> Head {
    match parse_one(bytes).events.into_iter().next() {
        Some(Progress::Head(head)) => head,
        other => panic!("{other:?} for {bytes:?}"),
    }
}

/// The body of the only response, whether its framing or the end of file completed it.
fn body(request: AnswerTo, bytes: &str) -> Option<Body> {
    let mut outcome = parse(&[request], [bytes.as_bytes()]);
    match (outcome.events.pop()?, outcome.ending) {
        (Progress::Complete(body), Ending::Idle) | (_, Ending::Complete(body)) => Some(body),
        _ => None,
    }
}

#[test]
fn each_framing_gives_its_body() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for (fields, rest, expected) in [
        ("Content-Length: 5\r\n", "hello", "hello"),
        ("Content-Length: 0\r\n", "", ""),
        ("Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3;a=\"b\"\r\nllo\r\n0\r\n\r\n", "hello"),
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: , Chunked\r\n",
            "5\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\n",
            "hello",
        ),
        ("Transfer-Encoding: chunked, gzip\r\n", "until the end", "until the end"),
        ("", "until the end", "until the end"),
        ("", "", ""),
    ] {
        let bytes = format!("{ok}{fields}\r\n{rest}");
        let body = body(AnswerTo::Other, &bytes).unwrap();
        assert!(body.is(expected.as_bytes()), "{body:?} for {bytes:?}");
    }
}

#[test]
fn some_responses_have_no_body_whatever_they_say() {
    for (request, head) in [
        (AnswerTo::Head, "200 OK\r\nContent-Length: 5\r\n"),
        (AnswerTo::Head, "200 OK\r\nTransfer-Encoding: chunked\r\n"),
        (AnswerTo::Other, "204 No Content\r\nContent-Length: 0\r\n"),
        (AnswerTo::Other, "304 Not Modified\r\nContent-Length: 5\r\n"),
    ] {
        let bytes = format!("HTTP/1.1 {head}\r\n");
        assert_eq!(body(request, &bytes).unwrap().length, 0, "{bytes:?}");
    }
}

#[test]
fn connection_options_are_found_in_any_case_list_and_field() {
    for (version, fields, close, keep_alive, explicit) in [
        ("1.1", "", false, false, false),
        ("1.1", "Connection: close\r\n", true, false, true),
        ("1.1", "connection: Foo , CLOSE,\r\n", true, false, true),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", true, true, true),
        ("1.1", "Connection: keep-alive, closed\r\n", false, true, false),
        ("1.0", "", true, false, false),
        ("1.0", "Connection: Keep-Alive\r\n", false, true, false),
        ("1.0", "Connection: close\r\n", true, false, true),
    ] {
        let head = head(&format!("HTTP/{version} 200 OK\r\nContent-Length: 0\r\n{fields}\r\n"));
        let seen = (head.close, head.keep_alive, head.announces_close_explicitly);
        assert_eq!(seen, (close, keep_alive, explicit), "HTTP/{version} {fields:?}");
    }
    let head = head("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!((head.framing, head.close), (Framing::Eof, true));
    assert!(!head.announces_close_explicitly);
}

#[test]
fn a_head_is_given_as_text_that_can_be_shown() {
    let head = head("HTTP/1.1 404 Nicht da\u{9b}\r\nX: a\r\nx:\t\u{1f600} \u{85} \r\nEmpty:\r\n\r\n");
    assert_eq!((head.version, head.status), (Version::Http11, 404));
    assert_eq!(&*head.reason, "Nicht da\u{fffd}");
    assert_eq!(head.values("X").collect::<Vec<_>>(), ["a", "\u{1f600} \u{fffd}"]);
    assert_eq!((head.field("empty"), head.field("none")), (Some(""), None));
    assert_eq!(head.fields().count(), 3);
    // The blank before an empty reason is left out by many servers, and accepted by everybody.
    assert_eq!(&*self::head("HTTP/1.1 200\r\n\r\n").reason, "");
}

#[test]
fn interim_responses_come_before_the_final_one() {
    let bytes =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 X\r\n\r\n";
    let events = parse_one(bytes).events;
    assert!(matches!(
        events.as_slice(),
        [Progress::Interim(a), Progress::Interim(b), Progress::Head(c), Progress::Complete(_)]
            if (a.status, b.status, c.status) == (100, 103, 204)
    ));
}

#[test]
fn an_end_of_file_says_what_is_missing() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (bytes, expected) in [
        (String::new(), Ending::NothingReceived),
        ("HTT".into(), Ending::Truncated(Truncated::Head { received: 3 })),
        ("HTTP/1.1 100 Continue\r\n\r\n".into(), Ending::Truncated(Truncated::AfterInterim)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc".into(),
            Ending::Truncated(Truncated::Length { announced: 5, received: 3 }),
        ),
        (format!("{chunked}3\r\nabc\r\n0\r\n"), Ending::Truncated(Truncated::Chunked { received: 3 })),
        ("HTTP/1.1 204 X\r\n\r\n".into(), Ending::Idle),
    ] {
        assert_eq!(parse_one(&bytes).ending, expected, "{bytes:?}");
    }
    let mut parser = Parser::new(AnswerTo::Other, small());
    parser.feed(b"HTTP/1.1 200 OK\r\n\r\nabc").unwrap();
    assert_eq!((parser.has_begun(), parser.body_bytes()), (true, Some(3)));
    let cut = Ending::Truncated(Truncated::Eof { received: 3 });
    assert_eq!(parser.interrupted(), cut, "only a FIN completes it");
}

#[test]
fn bytes_that_nobody_asked_for_are_extra() {
    let mut parser = Parser::new(AnswerTo::Other, small());
    parser.feed(b"HTTP/1.1 204 X\r\n\r\nHTTP/1.1 4").unwrap();
    assert_eq!((parser.extra(), parser.outstanding()), (&b"HTTP/1.1 4"[..], 0));
    parser.next_request(AnswerTo::Other).unwrap();
    assert_eq!((parser.extra_bytes(), parser.has_begun()), (0, true));
    parser.feed(b"08 Request Timeout\r\nContent-Length: 0\r\n\r\n").unwrap();
    let statuses: Vec<_> = std::iter::from_fn(|| parser.next_event())
        .filter_map(|event| match event {
            Progress::Head(head) => Some(head.status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [204, 408]);

    parser.feed(&[b'x'; 100]).unwrap();
    assert_eq!((parser.extra().len(), parser.extra_bytes()), (32, 100));
    let malformed = parser.next_request(AnswerTo::Other).unwrap_err();
    assert_eq!(malformed.violation, Violation::ExtraBytes);
}

#[test]
fn an_interim_response_begins_no_final_one() {
    let mut parser = Parser::new(AnswerTo::Other, small());
    parser.feed(b"HTTP/1.1 100 C\r\n\r\n").unwrap();
    assert_eq!((parser.has_begun(), parser.has_begun_final()), (true, false));
    parser.feed(b"H").unwrap();
    assert!(parser.has_begun_final());
    parser.feed(b"TTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n").unwrap();
    assert!(parser.has_begun_final());
    parser.feed(b"x").unwrap();
    assert!(!parser.has_begun_final());
}

#[test]
fn a_switch_of_protocols_ends_http() {
    let frames = [b'\x81'; 100];
    for (request, head) in [
        (AnswerTo::Upgrade, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
        (AnswerTo::Connect, "HTTP/1.1 200 OK\r\n\r\n"),
    ] {
        let mut parser = Parser::new(request, small());
        parser.feed(head.as_bytes()).unwrap();
        parser.feed(&frames).unwrap();
        assert_eq!(std::iter::from_fn(|| parser.next_event()).count(), 2);
        assert_eq!(parser.take_extra(), frames, "kept whole, past the limit");
        assert_eq!(parser.finish_at_eof(), Ending::Idle);
    }
}
