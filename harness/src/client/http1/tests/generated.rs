//! The parser against generated responses, correct and hostile, cut at every place.

use proptest::prelude::*;

use super::*;

/// A response and what has to come of it.
#[derive(Debug, Clone)]
struct Sample {
    bytes: Vec<u8>,
    status: u16,
    framing: Framing,
    body: Vec<u8>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    let fields = proptest::collection::vec(("X-[a-z]{1,8}", "[ -~]{0,20}"), 0..4);
    (200u16..600, fields, body, 0..3u8, 1usize..50, any::<bool>()).prop_map(
        |(status, fields, body, kind, chunk, interim)| {
            let mut text = String::new();
            if interim {
                text.push_str("HTTP/1.1 103 Early Hints\r\n\r\n");
            }
            text.push_str(&format!("HTTP/1.1 {status} R\r\n"));
            for (name, value) in fields {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            let none = matches!(status, 204 | 304);
            let (framing, coded) = match kind {
                _ if none => (Framing::None, Vec::new()),
                0 => (Framing::Length(body.len() as u64), body.clone()),
                1 => (Framing::Chunked, chunked(&body, chunk)),
                _ => (Framing::Eof, body.clone()),
            };
            match framing {
                Framing::Length(n) => text.push_str(&format!("Content-Length: {n}\r\n")),
                Framing::Chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
                Framing::None | Framing::Eof => {}
            }
            text.push_str("\r\n");
            let body = if none { Vec::new() } else { body };
            Sample { bytes: [text.into_bytes(), coded].concat(), status, framing, body }
        },
    )
}

fn chunked(body: &[u8], chunk: usize) -> Vec<u8> {
    let mut coded = Vec::new();
    for part in body.chunks(chunk) {
        coded.extend(format!("{:X};n=\"v\"\r\n", part.len()).into_bytes());
        coded.extend_from_slice(part);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\nTrailer: t\r\n\r\n");
    coded
}

/// A sample whose end does not depend on the connection's.
fn framed() -> impl Strategy<Value = Sample> {
    sample().prop_filter("framed by itself", |sample| sample.framing != Framing::Eof)
}

/// Samples in a row on one connection; only the last may end with it.
fn pipelined() -> impl Strategy<Value = Vec<Sample>> {
    proptest::collection::vec(sample(), 1..5).prop_map(|mut samples| {
        let last = samples.iter().position(|s| s.framing == Framing::Eof);
        samples.truncate(last.map_or(samples.len(), |n| n + 1));
        samples
    })
}

/// Cuts bytes at these places (modulo their length).
fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places.iter().map(|p| p % (bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in places.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[from..to]);
        from = to;
    }
    pieces
}

/// Bytes that look enough like a response to get deep into the parser.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"HTTP/1.1 103 E\r\n\r\n".to_vec()),
        Just(b"Content-Length: 3\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"3\r\nabc\r\n".to_vec()),
        Just(b"0\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_bytes_are_parsed_alike_however_they_are_cut(
        bytes in prop_oneof![hostile(), proptest::collection::vec(any::<u8>(), 0..300)],
        places in proptest::collection::vec(any::<usize>(), 0..8),
        upgrade in any::<bool>(),
    ) {
        let first = if upgrade { AnswerTo::Upgrade } else { AnswerTo::Other };
        let requests = [first, AnswerTo::Head];
        let whole = parse(&requests, [&bytes[..]]);
        prop_assert_eq!(&parse(&requests, cut(&bytes, &places)), &whole);
        prop_assert_eq!(&parse(&requests, bytes.chunks(1)), &whole);
    }

    #[test]
    fn correct_responses_come_out_as_they_went_in(
        samples in pipelined(),
        places in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let bytes = samples.iter().map(|s| &s.bytes[..]).collect::<Vec<_>>().concat();
        let outcome = parse(&vec![AnswerTo::Other; samples.len()], cut(&bytes, &places));
        let mut heads = Vec::new();
        let mut bodies = Vec::new();
        for event in outcome.events {
            match event {
                Progress::Interim(head) => prop_assert_eq!(head.status, 103),
                Progress::Head(head) => heads.push((head.status, head.framing)),
                Progress::Complete(body) => bodies.push(body),
            }
        }
        if let Ending::Complete(body) = outcome.ending {
            bodies.push(body);
        } else {
            prop_assert_eq!(outcome.ending, Ending::Idle);
        }
        prop_assert_eq!(heads, samples.iter().map(|s| (s.status, s.framing)).collect::<Vec<_>>());
        prop_assert_eq!(bodies.len(), samples.len());
        for (body, sample) in bodies.iter().zip(&samples) {
            prop_assert!(body.is(&sample.body));
            prop_assert_eq!(&body.prefix, &sample.body[..sample.body.len().min(16)]);
        }
    }

    /// However the bytes are cut, a final response has begun with its first byte, and not with an interim one before it.
    #[test]
    fn a_final_response_begins_behind_the_interim_ones(
        sample in framed(),
        interim in 0..3usize,
        places in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let skip = b"HTTP/1.1 103 Early Hints\r\n\r\n";
        let own = sample.bytes.strip_prefix(&skip[..]).unwrap_or(&sample.bytes);
        let skipped = b"HTTP/1.1 100 Continue\r\n\r\n";
        let bytes = [skipped.repeat(interim), own.to_vec()].concat();
        let first = bytes.len() - own.len();
        let mut parser = Parser::new(AnswerTo::Other, Limits::default());
        let mut fed = 0;
        for piece in cut(&bytes, &places) {
            parser.feed(piece).unwrap();
            fed += piece.len();
            let begun = match fed {
                fed if fed > first => fed < bytes.len(),
                fed if fed % skipped.len() == 0 => false,
                // Amid an interim response.
                _ => continue,
            };
            prop_assert_eq!(parser.has_begun_final(), begun, "after {} of {}", fed, bytes.len());
        }
    }

    #[test]
    fn a_response_cut_short_is_never_complete(sample in framed(), place in any::<proptest::sample::Index>()) {
        let kept = place.index(sample.bytes.len());
        let outcome = parse(&[AnswerTo::Other], [&sample.bytes[..kept]]);
        prop_assert!(matches!(outcome.ending, Ending::Truncated(_) | Ending::NothingReceived), "{:?}", outcome.ending);
        prop_assert!(!outcome.events.iter().any(|event| matches!(event, Progress::Complete(_))));
    }
}
