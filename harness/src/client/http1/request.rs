//! Requests as bytes.

use std::fmt;
use std::fmt::Write as _;

use super::body::is_token;
use super::head::{AnswerTo, Version};
use super::malformed::escape;

/// What a request carries in `User-Agent`.
const USER_AGENT: &str = concat!("hotspec/", env!("CARGO_PKG_VERSION"));

/// The length of a line of [`body_bytes`].
const LINE_BYTES: usize = 64;

/// What a request says about its connection's future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Connection {
    /// Nothing: the default of its version applies.
    #[default]
    Unsaid,
    /// `Connection: close`
    Close,
    /// `Connection: keep-alive`
    KeepAlive,
}

/// The body of a request; its bytes are [`body_bytes`] of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RequestBody {
    /// Neither body nor a field that frames one.
    #[default]
    None,
    /// With `Content-Length`.
    Length(usize),
    /// With `Transfer-Encoding: chunked`.
    Chunked {
        /// Of the body, in bytes.
        length: usize,
        /// Of each chunk but the last, in bytes; 0 counts as 1.
        chunk: usize,
    },
}

/// A request, to be changed by its methods and then [encoded](Self::encode).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: String,
    target: String,
    version: Version,
    host: String,
    connection: Connection,
    fields: Vec<(String, String)>,
    body: RequestBody,
}

impl Request {
    /// HTTP/1.1, without a body.
    #[must_use]
    pub fn new(method: &str, target: &str, host: &str) -> Self {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            version: Version::Http11,
            host: host.to_owned(),
            connection: Connection::Unsaid,
            fields: Vec::new(),
            body: RequestBody::None,
        }
    }

    /// `GET`
    #[must_use]
    pub fn get(target: &str, host: &str) -> Self {
        Request::new("GET", target, host)
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Sets the `Connection` field.
    #[must_use]
    pub fn connection(mut self, connection: Connection) -> Self {
        self.connection = connection;
        self
    }

    /// Adds a field after those that every request has.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: RequestBody) -> Self {
        self.body = body;
        self
    }

    /// What the parser has to know of this request.
    #[must_use]
    pub fn answer_to(&self) -> AnswerTo {
        let upgrades = |(name, _): &(String, String)| name.eq_ignore_ascii_case("upgrade");
        match AnswerTo::method(&self.method) {
            AnswerTo::Other if self.fields.iter().any(upgrades) => AnswerTo::Upgrade,
            by_method => by_method,
        }
    }

    /// The bytes of the request.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`], if a part of it would break the framing: a method or a field name that is not a token, a target
    /// with a blank, a line end or another control character anywhere.
    pub fn encode(&self) -> Result<Encoded, InvalidRequest> {
        self.check()?;
        let version = self.version;
        let mut head = format!(
            "{} {} {version}\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\n",
            self.method, self.target, self.host
        );
        let mut field = |name: &str, value: &dyn fmt::Display| {
            // Writing to a String can't fail.
            let _ = write!(head, "{name}: {value}\r\n");
        };
        match self.connection {
            Connection::Unsaid => {}
            Connection::Close => field("Connection", &"close"),
            Connection::KeepAlive => field("Connection", &"keep-alive"),
        }
        for (name, value) in &self.fields {
            field(name, value);
        }
        match self.body {
            RequestBody::None => {}
            RequestBody::Length(length) => field("Content-Length", &length),
            RequestBody::Chunked { .. } => field("Transfer-Encoding", &"chunked"),
        }
        head.push_str("\r\n");
        let head_length = head.len();
        let mut bytes = head.into_bytes();
        match self.body {
            RequestBody::None => {}
            RequestBody::Length(length) => bytes.extend(body_bytes(length)),
            RequestBody::Chunked { length, chunk } => {
                for part in body_bytes(length).chunks(chunk.max(1)) {
                    bytes.extend(format!("{:x}\r\n", part.len()).into_bytes());
                    bytes.extend_from_slice(part);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        Ok(Encoded { bytes, head_length })
    }

    fn check(&self) -> Result<(), InvalidRequest> {
        let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
        let visible = |text: &str| !text.is_empty() && !text.bytes().any(|b| b <= b' ' || b == 0x7f);
        let on_one_line = |text: &str| !text.chars().any(|c| c.is_control() && c != '\t');
        let bad = |part: &'static str, text: &str| InvalidRequest { part, text: escape(text.as_bytes(), 64) };
        if !token(&self.method) {
            return Err(bad("method", &self.method));
        }
        if !visible(&self.target) {
            return Err(bad("target", &self.target));
        }
        if !on_one_line(&self.host) {
            return Err(bad("host", &self.host));
        }
        for (name, value) in &self.fields {
            if !token(name) {
                return Err(bad("field name", name));
            }
            if !on_one_line(value) {
                return Err(bad("field value", value));
            }
        }
        Ok(())
    }
}

/// A request's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// How many of them are the head, its empty line included.
    pub head_length: usize,
}

/// A request that can't be written as HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {part} \"{text}\" can't be sent: it is empty or has a character that HTTP does not allow there")]
pub struct InvalidRequest {
    part: &'static str,
    text: String,
}

/// The first `length` bytes of an endless text that says in every line of 64 bytes at which offset it stands, so that a lost, doubled or
/// moved part changes it.
#[must_use]
pub fn body_bytes(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + LINE_BYTES);
    while bytes.len() < length {
        let line = format!("{:016x} hotspec request body, one line of 64 bytes ...\n", bytes.len());
        bytes.extend_from_slice(line.as_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_it_was_described() {
        let request = Request::new("POST", "/a?b", "127.0.0.1:80")
            .version(Version::Http10)
            .connection(Connection::KeepAlive)
            .field("X-Lane", "7")
            .body(RequestBody::Chunked { length: 70, chunk: 64 });
        let encoded = request.encode().unwrap();
        let body = String::from_utf8(body_bytes(70)).unwrap();
        let expected = format!(
            "POST /a?b HTTP/1.0\r\nHost: 127.0.0.1:80\r\nUser-Agent: {USER_AGENT}\r\nConnection: keep-alive\r\n\
             X-Lane: 7\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{}\r\n6\r\n{}\r\n0\r\n\r\n",
            &body[..64],
            &body[64..]
        );
        assert_eq!(String::from_utf8(encoded.bytes.clone()).unwrap(), expected);
        assert!(encoded.bytes[..encoded.head_length].ends_with(b"\r\n\r\n"));

        let plain = Request::get("/", "h").body(RequestBody::Length(0)).encode().unwrap();
        assert!(plain.bytes.ends_with(b"\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(plain.head_length, plain.bytes.len());
    }

    #[test]
    fn nothing_smuggles_a_line_into_a_request() {
        for request in [
            Request::new("GET /", "/", "h"),
            Request::new("", "/", "h"),
            Request::get("/ x", "h"),
            Request::get("", "h"),
            Request::get("/", "h\r\nX: y"),
            Request::get("/", "h").field("X y", "z"),
            Request::get("/", "h").field("X", "a\nb"),
        ] {
            let error = request.encode().unwrap_err().to_string();
            assert!(error.contains("can't be sent"), "{error}");
        }
    }

    #[test]
    fn the_parser_learns_of_the_request_what_it_needs() {
        assert_eq!(Request::new("HEAD", "/", "h").answer_to(), AnswerTo::Head);
        assert_eq!(Request::get("/", "h").answer_to(), AnswerTo::Other);
        let upgrade = Request::get("/", "h").field("upgrade", "websocket");
        assert_eq!(upgrade.answer_to(), AnswerTo::Upgrade);
    }

    #[test]
    fn each_line_of_a_body_differs() {
        let body = body_bytes(6400);
        let lines: std::collections::HashSet<_> = body.chunks(64).collect();
        assert_eq!(lines.len(), 100);
        assert!(body.chunks(64).all(|line| line.ends_with(b"\n")));
        assert_eq!(body_bytes(100), body[..100]);
    }
}
