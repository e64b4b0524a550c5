//! What hotspec itself costs: the parser beside httparse alone (which reads no bodies), and judging a stored history.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hotspec::client::http1::{AnswerTo, Limits, Parser};
use hotspec::history::{Model, Timeline, file};

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: keep-alive\r\n\r\nhello\n";

fn parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a small response");
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("httparse, head alone", |bencher| {
        bencher.iter(|| {
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let mut response = httparse::Response::new(&mut headers);
            black_box(response.parse(black_box(RESPONSE)))
        });
    });
    group.bench_function("hotspec, head, body and hash", |bencher| {
        bencher.iter(|| {
            let mut parser = Parser::new(AnswerTo::Other, Limits::default());
            let fed = parser.feed(black_box(RESPONSE));
            let mut parts = 0;
            while parser.next_event().is_some() {
                parts += 1;
            }
            black_box((fed, parts))
        });
    });
    group.finish();
}

/// A history of many short connections, as text.
fn history(lanes: u64) -> String {
    let mut text = String::from("{\"t\":0,\"e\":\"begin\",\"schema\":1,\"scenario\":\"bench\"}\n");
    text.push_str("{\"t\":1,\"e\":\"phase\",\"phase\":\"restart\"}\n");
    for lane in 0..lanes {
        let t = 10 + lane * 1000;
        let events = [
            format!(
                "{{\"t\":{t},\"e\":\"open\",\"lane\":{lane},\"role\":\"new\",\"address\":\"127.0.0.1:1\"}}\n"
            ),
            format!("{{\"t\":{},\"e\":\"connected\",\"lane\":{lane},\"retransmits\":0}}\n", t + 50),
            format!(
                "{{\"t\":{},\"e\":\"request\",\"lane\":{lane},\"request\":0,\"endpoint\":\"fast\",\"method\":\"GET\"}}\n",
                t + 60
            ),
            format!(
                "{{\"t\":{},\"e\":\"sent\",\"lane\":{lane},\"request\":0,\"from\":{}}}\n",
                t + 80,
                t + 60
            ),
            format!(
                "{{\"t\":{},\"e\":\"end\",\"lane\":{lane},\"how\":\"fin\",\"errno\":null,\"stage\":\"no-byte\"}}\n",
                t + 90
            ),
        ];
        text.extend(events);
    }
    text
}

fn judging(criterion: &mut Criterion) {
    let text = history(2_000);
    let stored = file::parse(Path::new("bench"), &text).expect("a history of this schema");
    let mut group = criterion.benchmark_group("a history of 10,000 events");
    group.throughput(Throughput::Elements(stored.events.len() as u64));
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            file::parse(Path::new("bench"), black_box(&text)).map(|stored| stored.events.len()).ok()
        });
    });
    group.bench_function("fold into the timeline", |bencher| {
        bencher.iter(|| Timeline::of(Model::Auto, black_box(&stored.events)).procs.len());
    });
    group.finish();
}

criterion_group!(cost, parsing, judging);
criterion_main!(cost);
