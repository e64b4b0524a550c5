//! What can be asked of a target: endpoints by what they do, and the requests to them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::client::http1::Connection;
use crate::client::step::Ask;
use crate::history::Micros;
use crate::target::file::{Endpoints, fill};

/// A body larger than what both kernels buffer, so that most of it waits in the server's memory.
const LARGE_BYTES: u64 = 8 << 20;
/// Between two chunks of a stream.
const CHUNK_EVERY: Micros = 100_000;

/// An endpoint by what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointName {
    /// Answers at once.
    #[default]
    Fast,
    /// The same, asked by HEAD.
    Head,
    /// Answers after a while.
    Slow,
    /// Sends chunk after chunk.
    Stream,
    /// Answers with a large body.
    Large,
    /// Takes a body.
    Upload,
    /// Answers 204.
    NoContent,
    /// Answers 304.
    NotModified,
}

impl EndpointName {
    /// All of them.
    pub const ALL: [EndpointName; 8] = [
        EndpointName::Fast,
        EndpointName::Head,
        EndpointName::Slow,
        EndpointName::Stream,
        EndpointName::Large,
        EndpointName::Upload,
        EndpointName::NoContent,
        EndpointName::NotModified,
    ];

    /// Its name in histories.
    pub fn as_str(self) -> &'static str {
        match self {
            EndpointName::Fast => "fast",
            EndpointName::Head => "head",
            EndpointName::Slow => "slow",
            EndpointName::Stream => "stream",
            EndpointName::Large => "large",
            EndpointName::Upload => "upload",
            EndpointName::NoContent => "no-content",
            EndpointName::NotModified => "not-modified",
        }
    }

    fn method(self) -> &'static str {
        match self {
            EndpointName::Head => "HEAD",
            EndpointName::Upload => "POST",
            _ => "GET",
        }
    }
}

/// Where an endpoint is, if the target has it.
pub(super) fn path_of(endpoints: &Endpoints, name: EndpointName) -> Option<&str> {
    match name {
        EndpointName::Fast | EndpointName::Head => Some(endpoints.fast.as_deref().unwrap_or("/")),
        EndpointName::Slow => endpoints.slow.as_deref(),
        EndpointName::Stream => endpoints.stream.as_deref(),
        EndpointName::Large => endpoints.large.as_deref(),
        // Most servers read a body wherever it is sent; control shows whether this one does.
        EndpointName::Upload => {
            Some(endpoints.upload.as_deref().unwrap_or_else(|| endpoints.fast.as_deref().unwrap_or("/")))
        }
        EndpointName::NoContent => endpoints.no_content.as_deref(),
        EndpointName::NotModified => endpoints.not_modified.as_deref(),
    }
}

/// A request to an endpoint.
pub fn ask(endpoints: &Endpoints, name: EndpointName, lasting: Micros) -> Ask {
    let chunks = (lasting / CHUNK_EVERY).max(1);
    let ms = if name == EndpointName::Stream { CHUNK_EVERY / 1000 } else { lasting / 1000 };
    let values = BTreeMap::from([
        ("ms", ms.to_string()),
        ("chunks", chunks.to_string()),
        ("n", LARGE_BYTES.to_string()),
    ]);
    Ask {
        endpoint: name.as_str(),
        method: name.method(),
        path: fill(path_of(endpoints, name).unwrap_or("/"), &values),
        connection: Connection::Unsaid,
        http10: false,
        body: 0,
        chunked: false,
        expect: false,
        events: false,
    }
}
