//! The head of a response: status line, fields, and what they say about the body and the connection.

use std::fmt;

use super::body::is_token;
use super::malformed::{Violation, clean};

/// How many fields a head or trailers may have.
const FIELDS_MAX: usize = 256;

/// The version that a response claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        })
    }
}

/// Where the body ends; RFC 9112 section 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is none: an answer to HEAD, or status 1xx, 204 or 304.
    None,
    /// After this many bytes.
    Length(u64),
    /// After the last chunk and its trailers.
    Chunked,
    /// With the connection. Only an orderly close completes such a body.
    Eof,
}

/// A response's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The version of the status line.
    pub version: Version,
    /// From 100 to 599.
    pub status: u16,
    /// The reason phrase, cleaned for terminals; often empty.
    pub reason: Box<str>,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the connection can't be used after this response: `close` was announced, or HTTP/1.0 without keep-alive, or a
    /// body that ends with the connection. RFC 9112 section 9.3.
    pub close: bool,
    /// Whether `Connection` has the option `keep-alive`.
    pub keep_alive: bool,
    /// Whether `Connection` has the option `close`, in any case, in a list, in any of several fields.
    pub announces_close_explicitly: bool,
    fields: Vec<(Box<str>, Box<str>)>,
}

impl Head {
    /// The fields in their order, values cleaned for terminals: what is not UTF-8 and every control character is U+FFFD.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The first value of a field, whatever the case of its name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All values of a field, whatever the case of its name.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether this is an interim response (1xx), which another follows. 101 is not.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// What of a request decides how its response is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerTo {
    /// The response has no body, whatever its fields say.
    Head,
    /// A 2xx response has no body, and what follows it is no longer HTTP.
    Connect,
    /// 101 is allowed, and what follows it is no longer HTTP.
    Upgrade,
    /// Any other request.
    Other,
}

impl AnswerTo {
    /// For a request with this method and without `Upgrade`.
    #[must_use]
    pub fn method(method: &str) -> Self {
        match method {
            "HEAD" => AnswerTo::Head,
            "CONNECT" => AnswerTo::Connect,
            _ => AnswerTo::Other,
        }
    }

    /// Whether HTTP ends on this connection with a response of this status.
    pub(super) fn switches(self, status: u16) -> bool {
        match self {
            AnswerTo::Connect => (200..300).contains(&status),
            AnswerTo::Upgrade => status == 101,
            AnswerTo::Head | AnswerTo::Other => false,
        }
    }
}

/// Parses a head that is whole, the empty line included, and whose lines all end in CRLF.
pub(super) fn parse(bytes: &[u8], answer_to: AnswerTo) -> Result<Head, Violation> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(n)) if n == bytes.len() => {}
        Ok(_) => return Err(Violation::FieldLine),
        Err(error) => return Err(violation_of(error, Violation::HeadTooLarge)),
    }
    let version = match response.version {
        Some(0) => Version::Http10,
        Some(1) => Version::Http11,
        _ => return Err(Violation::NotHttp),
    };
    let status = response.code.ok_or(Violation::StatusLine)?;
    if !(100..600).contains(&status) {
        return Err(Violation::StatusLine);
    }
    if status == 101 && answer_to != AnswerTo::Upgrade {
        return Err(Violation::Upgrade);
    }
    let framing = framing(version, status, answer_to, response.headers)?;
    let announces_close_explicitly = connection_has(response.headers, "close");
    let keep_alive = connection_has(response.headers, "keep-alive");
    Ok(Head {
        version,
        status,
        reason: reason(bytes),
        framing,
        close: announces_close_explicitly
            || (version == Version::Http10 && !keep_alive)
            || framing == Framing::Eof,
        keep_alive,
        announces_close_explicitly,
        fields: response.headers.iter().map(|field| (field.name.into(), clean(field.value))).collect(),
    })
}

/// Checks trailers that are whole, the empty line included.
pub(super) fn check_trailers(bytes: &[u8]) -> Result<(), Violation> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    match httparse::parse_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete((n, _))) if n == bytes.len() => Ok(()),
        Ok(_) => Err(Violation::FieldLine),
        Err(error) => Err(violation_of(error, Violation::TrailersTooLarge)),
    }
}

fn violation_of(error: httparse::Error, too_many: Violation) -> Violation {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Violation::FieldLine,
        httparse::Error::TooManyHeaders => too_many,
        _ => Violation::StatusLine,
    }
}

/// The line of a head that breaks the rule, for people; the whole head where no line stands out.
pub(super) fn offending(violation: Violation, head: &[u8]) -> &[u8] {
    let mut lines = head.split_inclusive(|&b| b == b'\n');
    let names = |name: &'static str| {
        move |line: &&[u8]| {
            line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        }
    };
    let line = match violation {
        Violation::StatusLine | Violation::Upgrade => lines.next(),
        Violation::ContentLength | Violation::LengthAndEncoding => lines.find(names("content-length")),
        Violation::TransferEncoding => lines.find(names("transfer-encoding")),
        // Without its colon, or with something before it that is no name.
        Violation::FieldLine => lines.skip(1).find(|line| {
            let name = line.split(|&b| b == b':').next().unwrap_or_default();
            **line != *b"\r\n" && (name.is_empty() || !name.iter().all(|&b| is_token(b)))
        }),
        _ => None,
    };
    line.unwrap_or(head)
}

/// What follows the status; httparse leaves out a reason that is not ASCII.
fn reason(bytes: &[u8]) -> Box<str> {
    let line = bytes.split(|&b| b == b'\r').next().unwrap_or_default();
    clean(line.splitn(3, |&b| b == b' ').nth(2).unwrap_or_default())
}

/// RFC 9112 section 6.3. The fields that frame a body are checked even where the status says that there is none.
fn framing(
    version: Version,
    status: u16,
    answer_to: AnswerTo,
    fields: &[httparse::Header<'_>],
) -> Result<Framing, Violation> {
    let length = content_length(fields)?;
    let encoding = transfer_encoding(fields)?;
    if length.is_some() && encoding.is_some() {
        return Err(Violation::LengthAndEncoding);
    }
    if encoding.is_some() && version == Version::Http10 {
        return Err(Violation::TransferEncoding);
    }
    let none = status < 200
        || matches!(status, 204 | 304)
        || answer_to == AnswerTo::Head
        || answer_to.switches(status);
    Ok(match (none, length, encoding) {
        (true, ..) => Framing::None,
        (false, Some(length), _) => Framing::Length(length),
        (false, None, Some(encoding)) => encoding,
        (false, None, None) => Framing::Eof,
    })
}

fn content_length(fields: &[httparse::Header<'_>]) -> Result<Option<u64>, Violation> {
    let mut values = values(fields, "content-length");
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Violation::ContentLength);
    }
    std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .map(Some)
        .ok_or(Violation::ContentLength)
}

/// How the codings frame the body: by chunks if chunked is the last, else by the end of the connection.
fn transfer_encoding(fields: &[httparse::Header<'_>]) -> Result<Option<Framing>, Violation> {
    let mut seen = false;
    let mut chunked_last = false;
    let mut chunked_times = 0;
    for value in values(fields, "transfer-encoding") {
        seen = true;
        for coding in options(value) {
            chunked_last = coding.eq_ignore_ascii_case(b"chunked");
            chunked_times += usize::from(chunked_last);
        }
        if options(value).next().is_none() {
            return Err(Violation::TransferEncoding);
        }
    }
    match (seen, chunked_times) {
        (false, _) => Ok(None),
        (true, 0) => Ok(Some(Framing::Eof)),
        (true, 1) if chunked_last => Ok(Some(Framing::Chunked)),
        // Chunked below another coding: RFC 9112 lets a server do so where the connection ends the body.
        (true, 1) => Ok(Some(Framing::Eof)),
        (true, _) => Err(Violation::TransferEncoding),
    }
}

fn connection_has(fields: &[httparse::Header<'_>], option: &str) -> bool {
    values(fields, "connection").flat_map(options).any(|o| o.eq_ignore_ascii_case(option.as_bytes()))
}

fn values<'a>(fields: &'a [httparse::Header<'a>], name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// The elements of a comma-separated list; empty ones don't count (RFC 9110 section 5.6.1).
fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}
