//! What the lanes of each scenario see of a server that does all it owes: in control, and in the restart.

pub(crate) mod again;
pub(crate) mod bodies;
pub(crate) mod handover;
pub(crate) mod kinds;
pub(crate) mod leaving;
pub(crate) mod load;
pub(crate) mod silent;
pub(crate) mod versions;

use hotspec::history::event::{Owner, What};

use crate::lane::{LAST, OPEN};
use crate::story::{BORN, CONTROL, NEW, OLD, RESTART, Story, T0, TD, TR, frame};
use crate::told::{NEW_PID, OLD_PID};
use crate::trials;

/// Lanes reach their state here.
pub(crate) const ARMING: u64 = RESTART + 60;
/// A request that is sent while the old process drains.
pub(crate) const LATE: u64 = TD + 300;

/// The scenario's own lanes.
pub(crate) fn lanes(story: &mut Story) {
    match story.scenario.name.as_str() {
        "new-connections" => new_connections(story),
        "keep-alive-traffic" => keep_alive_traffic(story),
        "idle-last-request" => idle_last_request(story),
        "fresh-first-request" => fresh_first_request(story),
        "in-flight-slow" => in_flight_slow(story),
        "in-flight-streamed" => in_flight_streamed(story),
        "in-flight-large" => in_flight_large(story),
        "in-flight-upload" => in_flight_upload(story),
        "half-sent-head" => half_sent_head(story),
        "sent-before-trigger" => sent_before_trigger(story),
        "queued-at-trigger" => queued_at_trigger(story),
        "queued-at-handover" => queued_at_handover(story),
        "accepted-unread" => accepted_unread(story),
        "unix-path" => new_on_path(story),
        "dropped-listener" => dropped_listener(story),
        "many-generations" => many_generations(story),
        "zero-traffic" | "zero-traffic-ipv6" | "zero-traffic-unix" | "zero-traffic-abstract" => {
            zero_traffic(story);
        }
        "pooled-client" => pooled_client(story),
        "pid-file" => pid_file(story),
        "notify" => notify(story),
        "idle-silent" | "fresh-silent" | "half-sent-silent" | "half-closed" => silent::lanes(story),
        "hard-limit" | "slow-start" | "parent-killed" | "old-killed" | "played-parent" => {
            handover::lanes(story)
        }
        "http10" | "http10-keep-alive" | "pipelined" => versions::lanes(story),
        "program-renamed" | "program-switched" => crate::program_replaced::lanes(story),
        "starved" => crate::starved::lanes(story),
        "first-process" => crate::first_process::lanes(story),
        "chunked-upload" | "expect-continue" | "no-body" | "no-body-statuses" | "event-stream" => {
            bodies::lanes(story);
        }
        "half-close" | "half-close-slow" | "client-abort" | "client-abort-reading" => leaving::lanes(story),
        "traffic-ipv6" | "traffic-unix" | "traffic-abstract" => kinds::traffic(story),
        "many-listeners" | "many-listeners-256" => kinds::many(story),
        "five-restarts" => five_restarts(story),
        "failing-configuration"
        | "failing-resources"
        | "failing-program"
        | "failing-start"
        | "failing-killed"
        | "failing-hang"
        | "successor-killed" => trials::lanes(story),
        "double-trigger"
        | "double-trigger-sweep"
        | "triggered-while-starting"
        | "triggered-while-draining"
        | "triggered-at-start"
        | "triggered-at-birth"
        | "successor-triggered"
        | "process-group"
        | "storm"
        | "stopped-amid"
        | "twenty-restarts" => again::lanes(story),
        "load-closed-loop" | "load-new-connections" => load::lanes(story),
        "load-idle-mass" => load::idle_mass(story),
        other => panic!("no correct history is written for the scenario {other}"),
    }
}

fn new_connections(story: &mut Story) {
    for at in [60, 1_060, 3_060, 8_600, T0 + 10, BORN + 20, TR + 10, 9_600, 10_500, 11_500, 13_800] {
        let owner = if at > TR { NEW } else { OLD };
        story.lane("new", at).accepted_by(owner).asked().answered().closed();
        story.lane("new-closing", at + 2).accepted_by(owner).asked().answered_last().fin();
    }
}

fn keep_alive_traffic(story: &mut Story) {
    for (from, until) in [(40, 2_500), (8_600, TD)] {
        let mut busy = story.lane("busy", from).accepted_by(OLD);
        for at in (from + 5..until).step_by(50) {
            busy = busy.at(at).asked().answered();
        }
        match until {
            TD => busy.at(TD + 20).asked().answered_last().fin(),
            _ => busy.closed(),
        }
    }
    let leisurely = story.lane("leisurely", 8_600).accepted_by(OLD).at(TD - 20).asked().answered();
    leisurely.at(TD + 130).asked().answered_last().fin();
    let mut busy = story.lane("busy", TD + 40).accepted_by(NEW);
    for at in (TD + 60..12_000).step_by(150) {
        busy = busy.at(at).asked().answered();
    }
    busy.closed();
    // The last of them goes on after the old process is gone.
    for at in [11_000, 14_000] {
        story.lane("busy", at).accepted_by(NEW).asked().answered().closed();
    }
}

/// As many generations as are compared, each with the same numbers.
fn many_generations(story: &mut Story) {
    warm_up(story, CONTROL + 50);
    for _ in 1..story.scenario.restarts {
        let mut later = frame("many-generations");
        warm_up(&mut later, RESTART + 50);
        story.later.push(later);
    }
    warm_up(story, RESTART + 50);
}

fn warm_up(story: &mut Story, at: u64) {
    for _ in 0..4 {
        let lane = story.lane("warm-up", at).accepted_by(OLD);
        lane.asked().answered().asked().answered().closed();
    }
}

/// The old process has one listener more, which ends with it.
fn dropped_listener(story: &mut Story) {
    new_on_path(story);
    let dropped = |listening, procs: &[u32], from: u64| What::Dropped {
        listening,
        procs: procs.to_vec(),
        from: from * 1_000,
    };
    story.tell(18, dropped(1, &[0], 17));
    story.tell(TD + 100, dropped(0, &[], TD));
}

fn new_on_path(story: &mut Story) {
    for at in [60, 1_060, 3_060, 8_600, T0 + 10, BORN + 20, TR + 10, 9_600, 10_500, 11_500] {
        let owner = if at > TR { NEW } else { OLD };
        story.lane("new", at).accepted_by(owner).asked().answered().closed();
    }
}

fn five_restarts(story: &mut Story) {
    for _ in 0..4 {
        let mut later = frame("five-restarts");
        one_of_five(&mut later);
        story.later.push(later);
    }
    one_of_five(story);
}

/// New connections throughout, and one in steady use until the old process says that it closes.
pub(crate) fn steady_use(story: &mut Story) {
    for at in [60, 1_060, 3_060, 8_600, T0 + 10, BORN + 20, TR + 10, 9_600, 10_500, 11_500, 13_800] {
        let owner = if at > TR { NEW } else { OLD };
        story.lane("new", at).accepted_by(owner).asked().answered().closed();
    }
    for (from, until) in [(40, 4_000), (8_600, TD)] {
        let mut busy = story.lane("busy", from).accepted_by(OLD);
        for at in (from + 5..until).step_by(50) {
            busy = busy.at(at).asked().answered();
        }
        match until {
            TD => busy.at(TD + 20).asked().answered_last().fin(),
            _ => busy.closed(),
        }
    }
}

fn one_of_five(story: &mut Story) {
    steady_use(story);
    let mut busy = story.lane("busy", TD + 40).accepted_by(NEW);
    for at in (TD + 60..12_000).step_by(150) {
        busy = busy.at(at).asked().answered();
    }
    busy.closed();
}

fn idle_last_request(story: &mut Story) {
    for role in ["idle", "idle-pipelining"] {
        story
            .lane(role, CONTROL + 40)
            .accepted_by(OLD)
            .asked()
            .answered()
            .armed()
            .after(1_200)
            .asked()
            .answered()
            .closed();
        story
            .lane(role, ARMING)
            .accepted_by(OLD)
            .asked()
            .answered()
            .armed()
            .at(LATE)
            .asked()
            .answered_last()
            .fin();
    }
    let pair = story.lane("idle-pipelining", ARMING).accepted_by(OLD).asked().answered().armed();
    pair.at(LATE).begun("fast").begun("fast").sent().answered_last().fin();
}

fn fresh_first_request(story: &mut Story) {
    story.lane("fresh", CONTROL + 40).accepted_by(OLD).armed().after(1_200).asked().answered().closed();
    story.lane("fresh", ARMING).accepted_by(OLD).armed().at(LATE).asked().answered_last().fin();
}

fn in_flight_slow(story: &mut Story) {
    story
        .lane("slow", CONTROL + 40)
        .accepted_by(OLD)
        .asked_for("slow")
        .armed()
        .after(5_500)
        .answered()
        .closed();
    story.lane("slow", ARMING).accepted_by(OLD).asked_for("slow").armed().after(5_500).answered_last().fin();
    let kept = story.lane("slow-kept", ARMING).accepted_by(OLD).asked().answered().asked_for("slow").armed();
    kept.after(2_000).answered_last().fin();
}

fn in_flight_streamed(story: &mut Story) {
    for at in [CONTROL + 40, ARMING] {
        let stream = story.lane("stream", at).accepted_by(OLD).asked_for("stream").head(OPEN).armed();
        stream.after(5_500).body(OPEN).after(10).fin();
    }
}

fn in_flight_large(story: &mut Story) {
    for at in [CONTROL + 40, ARMING] {
        let slow = story.lane("slow-reader", at).accepted_by(OLD).asked_for("large").head(OPEN).armed();
        slow.after(4_000).body(OPEN).after(10).fin();
    }
}

fn in_flight_upload(story: &mut Story) {
    let upload = story.lane("upload", CONTROL + 20).accepted_by(OLD).begun("upload").armed();
    upload.after(7_950).sent().answered().closed();
    story
        .lane("upload", ARMING)
        .accepted_by(OLD)
        .begun("upload")
        .armed()
        .after(8_000)
        .sent()
        .answered_last()
        .fin();
    for (at, id) in [(8_000, "0-0"), (ARMING + 8_001, "1-0")] {
        story.tell(at, What::Executed { id: id.to_owned() });
    }
}

fn half_sent_head(story: &mut Story) {
    story
        .lane("half-sent", CONTROL + 40)
        .accepted_by(OLD)
        .begun("fast")
        .armed()
        .after(1_200)
        .sent()
        .answered()
        .closed();
    story
        .lane("half-sent", ARMING)
        .accepted_by(OLD)
        .begun("fast")
        .armed()
        .at(LATE)
        .sent()
        .answered_last()
        .fin();
}

fn sent_before_trigger(story: &mut Story) {
    story
        .lane("just-sent", CONTROL + 40)
        .accepted_by(OLD)
        .begun("fast")
        .armed()
        .sent()
        .loaded()
        .after(50)
        .answered()
        .closed();
    let sent =
        story.lane("just-sent", ARMING).accepted_by(OLD).begun("fast").armed().at(8_810).sent().loaded();
    sent.at(T0 + 5).answered().at(13_250).fin();
}

fn queued_at_trigger(story: &mut Story) {
    for (at, accepted) in [(CONTROL + 40, CONTROL + 90), (8_810, T0 + 3)] {
        let queued = story.lane("queued", at).connected().owner(Owner::Queued).asked().loaded();
        queued.at(accepted).owner(OLD).answered().closed();
    }
}

fn queued_at_handover(story: &mut Story) {
    for _ in 0..2 {
        let mut later = frame("queued-at-handover");
        one_handover(&mut later);
        story.later.push(later);
    }
    one_handover(story);
}

fn one_handover(story: &mut Story) {
    for (at, accepted, owner) in [(CONTROL + 40, CONTROL + 90, OLD), (BORN + 10, BORN + 65, NEW)] {
        let queued = story.lane("queued", at).connected().owner(Owner::Queued).asked().loaded();
        queued.at(accepted).owner(owner).answered().closed();
    }
}

fn accepted_unread(story: &mut Story) {
    story
        .lane("unread", CONTROL + 40)
        .accepted_by(OLD)
        .armed()
        .asked()
        .loaded()
        .after(50)
        .answered()
        .closed();
    story
        .lane("unread", ARMING)
        .accepted_by(OLD)
        .armed()
        .at(BORN + 10)
        .asked()
        .loaded()
        .at(TD + 30)
        .answered_as(LAST)
        .fin();
}

fn zero_traffic(story: &mut Story) {
    for at in [CONTROL + 40, 1_000, ARMING] {
        story.lane("before", at).accepted_by(OLD).asked().answered().closed();
    }
    story.lane("after", CONTROL + 400).accepted_by(OLD).asked().answered().closed();
    story.lane("after", 13_700).accepted_by(NEW).asked().answered().closed();
}

fn pooled_client(story: &mut Story) {
    for (from, until) in [(60, 2_000), (8_500, 14_600)] {
        let mut pooled = story.lane("pooled", from);
        for at in (from + 5..until).step_by(50) {
            pooled = pooled.at(at).fetched();
        }
        pooled.closed();
    }
}

/// The old process is kept for a while.
fn held(story: &mut Story) {
    for (at, until) in [(CONTROL + 40, CONTROL + 600), (ARMING, TD + 400)] {
        let holding = story.lane("holding", at).accepted_by(OLD).asked().answered().armed();
        holding.at(until).closed();
    }
    story.old_until = (TD + 400) * 1_000;
}

fn pid_file(story: &mut Story) {
    held(story);
    story.pid_file(RESTART - 1, Some(OLD_PID));
    story.pid_file(TR - 10, Some(NEW_PID));
    story.pid_file(19_000, Some(NEW_PID));
}

fn notify(story: &mut Story) {
    held(story);
    story.notified(12, OLD_PID, "READY=1");
    story.notified(T0 + 1, OLD_PID, "RELOADING=1");
    story.notified(TR - 5, NEW_PID, "MAINPID=101 READY=1");
}
