//! Any steps, against a server that does anything: a lane comes to its end, does its steps in their order, and says why it
//! left some out.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use hotspec::client::address::Address;
use hotspec::client::http1::Connection;
use hotspec::client::lane::{self, Context, Signs};
use hotspec::client::step::{Anchor, Anchors, Ask, Do, LanePlan, Moment, Part, Slowly};
use hotspec::history::event::{Event, SCHEMA, What};
use hotspec::history::recorder::Origin;
use hotspec::history::{Model, Recorder, file};
use hotspec::witness::process::monotonic_ns;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use socket2::SockRef;

/// How long a lane waits for anything that does not come.
const PATIENCE: Duration = Duration::from_millis(60);
/// Far longer than a lane takes that waits in vain at each of its steps, on a machine with much else to do.
const FOR_EVER: Duration = Duration::from_secs(60);

/// What the server does with a request.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Answer,
    AnswerLast,
    AnswerLastAndStay,
    HalfAnHead,
    HalfABody,
    TwoAnswers,
    NoHttp,
    Close,
    Reset,
    Nothing,
}

const DEEDS: &[Deed] = &[
    Deed::Answer,
    Deed::AnswerLast,
    Deed::AnswerLastAndStay,
    Deed::HalfAnHead,
    Deed::HalfABody,
    Deed::TwoAnswers,
    Deed::NoHttp,
    Deed::Close,
    Deed::Reset,
    Deed::Nothing,
];

/// Does these things, one for each request that it reads, and then closes.
fn serve(mut client: TcpStream, deeds: &[Deed]) {
    const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell";
    const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwell";
    let mut bytes = [0; 4096];
    for deed in deeds {
        if !matches!(client.read(&mut bytes), Ok(count) if count > 0) {
            return;
        }
        let answer: &[u8] = match deed {
            Deed::Answer => WHOLE,
            Deed::AnswerLast | Deed::AnswerLastAndStay => LAST,
            Deed::HalfAnHead => &WHOLE[..20],
            Deed::HalfABody => &WHOLE[..WHOLE.len() - 2],
            Deed::TwoAnswers => &[WHOLE, WHOLE].concat(),
            Deed::NoHttp => b"220 mail.example ESMTP\r\n",
            Deed::Nothing | Deed::Close | Deed::Reset => b"",
        };
        let _ = client.write_all(answer);
        match deed {
            Deed::AnswerLast | Deed::Close => return,
            Deed::Reset => {
                let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
                return;
            }
            _ => {}
        }
    }
    let _ = client.read(&mut bytes);
}

fn ask() -> Ask {
    let path = "/".to_owned();
    Ask {
        endpoint: "fast",
        method: "GET",
        path,
        connection: Connection::Unsaid,
        http10: false,
        body: 0,
        chunked: false,
        expect: false,
        events: false,
    }
}

/// Steps of any kind in any order, as a scenario file could have them: one connect, and it comes first.
fn steps() -> impl Strategy<Value = Vec<Do>> {
    let parts = select(&[Part::Whole, Part::Traced, Part::Half, Part::AllButLast][..]);
    let anchors = select(&[Anchor::Ready, Anchor::T0, Anchor::Td, Anchor::Over][..]);
    let moment = anchors.prop_map(|anchor| Moment { anchor, plus: 5_000 });
    let step = prop_oneof![
        3 => (parts, 1..3_u32).prop_map(|(part, count)| Do::Send(ask(), part, if part == Part::Whole { count } else { 1 })),
        2 => Just(Do::Rest),
        4 => Just(Do::Response(None)),
        1 => moment.clone().prop_map(|until| Do::Response(Some(Slowly { bytes: 3, gap: 500, until, stop: false }))),
        1 => Just(Do::Head),
        2 => Just(Do::Armed),
        2 => Just(Do::Loaded),
        2 => moment.clone().prop_map(Do::Wait),
        1 => moment.prop_map(|until| Do::Repeat(ask(), 2_000, until)),
        1 => Just(Do::End(20_000)),
        1 => Just(Do::HalfClose),
        1 => Just(Do::Close),
    ];
    vec(step, 0..8).prop_map(|steps| std::iter::once(Do::Connect(None)).chain(steps).collect())
}

/// What a lane recorded, and whether it said that it is done; none if it did not come to its end.
fn played(steps: Vec<Do>, deeds: Vec<Deed>) -> Option<(Vec<Event>, bool)> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = Address::Tcp(listener.local_addr().expect("its address"));
    let server = std::thread::spawn(move || {
        // One lane makes one connection.
        if let Ok((client, _)) = listener.accept() {
            serve(client, &deeds);
        }
    });
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("history.ndjson");
    let recorder =
        Rc::new(Recorder::create(&path, Origin::now(monotonic_ns()), Model::Auto).expect("a history"));
    recorder.record(What::Begin { schema: SCHEMA, scenario: "any".to_owned() });
    let mut reached = Anchors::default();
    for anchor in
        [Anchor::Ready, Anchor::Stopped, Anchor::T0, Anchor::Tr, Anchor::Td, Anchor::Tx, Anchor::Over]
    {
        reached.reach(anchor, recorder.now());
    }
    let (_keep, anchors) = tokio::sync::watch::channel(reached);
    let context = Context {
        recorder: Rc::clone(&recorder),
        anchors,
        addresses: Rc::new(vec![address.clone()]),
        address,
        owner: None,
        patience: PATIENCE,
        markers: Rc::new(Vec::new()),
        presence: Rc::new(()),
    };
    let plan = LanePlan { role: "any".to_owned(), steps, seed: 7, ..LanePlan::default() };
    let signs = Rc::new(Signs::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ended = runtime.block_on(async {
        tokio::time::timeout(FOR_EVER, lane::run(context, &plan, Rc::clone(&signs))).await.is_ok()
    });
    recorder.finish().expect("the history is written");
    if ended {
        server.join().expect("the server ends");
    }
    let stored = file::read(&path).expect("the history is read");
    ended.then(|| (stored.events, signs.done.get()))
}

/// The steps that leave a mark whatever the server does, in their order, up to one that ends the lane.
fn owed(steps: &[Do]) -> Vec<&'static str> {
    let until_close = steps.iter().take_while(|step| !matches!(step, Do::Close));
    until_close.filter_map(mark_of_step).collect()
}

fn mark_of_step(step: &Do) -> Option<&'static str> {
    match step {
        Do::Armed => Some("armed"),
        Do::Loaded => Some("loaded"),
        _ => None,
    }
}

fn mark(event: &Event) -> Option<&'static str> {
    match event.what {
        What::Armed { .. } => Some("armed"),
        What::Loaded { .. } => Some("loaded"),
        _ => None,
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event.what, What::End { .. } | What::ConnectFailed { .. })
}

/// Nothing, if the lane kept what it promises.
fn broken(steps: Vec<Do>, deeds: Vec<Deed>) -> Option<String> {
    let shown = format!("{steps:?} against {deeds:?}");
    let wanted = owed(&steps);
    let Some((events, done)) = played(steps, deeds) else {
        return Some(format!("no end: {shown}"));
    };
    let shown = format!("{shown}: {events:?}");
    if !done {
        return Some(format!("it does not say that it is done: {shown}"));
    }
    if !matches!(events[1].what, What::Open { .. }) {
        return Some(format!("it does not begin with its opening: {shown}"));
    }
    let ends: Vec<usize> =
        events.iter().enumerate().filter(|(_, event)| is_end(event)).map(|(at, _)| at).collect();
    if ends != [events.len() - 1] {
        return Some(format!("it ends other than once, or something comes after that: {shown}"));
    }
    let marks: Vec<&str> = events.iter().filter_map(mark).collect();
    let in_turn = marks[..] == wanted[..marks.len().min(wanted.len())];
    (!in_turn).then(|| format!("a step is done before its turn, or twice: {shown}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4) })]

    // Many lanes at a time: what they do most is to wait.
    #[test]
    fn every_step_is_done_in_its_order_or_the_end_says_why_not(
        lanes in vec((steps(), vec(select(DEEDS), 0..5)), 24),
    ) {
        let wrong: Vec<String> = std::thread::scope(|scope| {
            let lanes = lanes.into_iter().map(|(steps, deeds)| scope.spawn(|| broken(steps, deeds)));
            let lanes: Vec<_> = lanes.collect();
            lanes.into_iter().filter_map(|lane| lane.join().expect("a lane's thread")).collect()
        });
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Asks twice, with a mark after each answer.
fn asks_twice() -> Vec<Do> {
    let ask = || Do::Send(ask(), Part::Whole, 1);
    vec![Do::Connect(None), ask(), Do::Response(None), Do::Armed, ask(), Do::Response(None), Do::Loaded]
}

#[test]
fn a_lane_that_was_left_in_peace_does_all_its_steps() {
    let mut steps = asks_twice();
    steps.push(Do::Close);
    let (events, done) = played(steps, vec![Deed::Answer, Deed::Answer]).unwrap();
    assert!(done);
    assert_eq!(events.iter().filter_map(mark).collect::<Vec<_>>(), ["armed", "loaded"]);
}

#[test]
fn steps_that_were_not_reached_are_told_by_the_end_before_them() {
    let (events, _) = played(asks_twice(), vec![Deed::Answer, Deed::Reset]).unwrap();
    assert_eq!(events.iter().filter_map(mark).collect::<Vec<_>>(), ["armed"]);
    assert!(events.last().is_some_and(is_end), "{events:?}");
}
