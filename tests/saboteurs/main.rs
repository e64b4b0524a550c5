//! All saboteurs in one program: the first argument says which one it is to be.
//!
//! One program links in a few seconds; one for each took minutes, and again whenever anything changed.

use std::process::{ExitCode, Termination};

mod accept_blocks;
mod accepted_dropped;
mod accepts_on;
mod always_closes;
mod answers_on;
mod arguments_lost;
mod bodies_cut;
mod bodies_lost;
mod bound_only;
mod checksum_first;
mod close_decided_early;
mod close_not_kept;
mod close_not_taken_back;
mod closed_by_reset;
mod closed_unread;
mod closes_from_trigger;
mod cold_caches;
mod config_read_late;
mod configuration_kept;
mod descriptor_leaked;
mod drain_cut_short;
mod drain_table_full;
mod drains_at_trigger;
mod end_is_ready;
mod environment_lost;
mod exit_shuts_down;
mod exit_status;
mod failed_not_reaped;
mod failure_untold;
mod faultless;
mod first_parent_told;
mod first_process_ends;
mod flag_misleads;
mod fork_fatal;
mod fresh_closed;
mod fresh_kept;
mod gap_before_listen;
mod group_stopped;
mod half_closed_kept;
mod half_sent_cut;
mod half_sent_kept;
mod handler_panics;
mod helper_hung_up;
mod helper_left;
mod http10_promised;
mod idle_limit_forgotten;
mod idle_limit_short;
mod in_flight_killed;
mod killed_while_draining;
mod limit_not_kept;
mod listener_of_its_own;
mod main_pid_untold;
mod never_drains;
mod no_connection_close;
mod no_exit_code;
mod old_program;
mod option_lost;
mod orphan_exits;
mod path_resolved;
mod pause_for_ready;
mod pid_file_away;
mod pid_file_stale;
mod queue_overflows;
mod ready_too_early;
mod redirects_while_draining;
mod reset_after_last;
mod restarts_once;
mod restarts_twice;
mod reuseport_queue_lost;
mod second_acceptor;
mod sheds_while_warming;
mod sigterm_blocked;
mod slow_answers_cut;
mod slow_readers_cut;
mod spins_while_draining;
mod stalls_while_draining;
mod stderr_lost;
mod successor_forgotten;
mod sweep_forgets;
mod syns_dropped;
mod threaded;
mod trigger_ignored;
mod unavailable_while_draining;
mod unread_dropped;
mod upload_cut;
mod waits_for_successor;
mod zombie;

/// By name.
macro_rules! table {
    ($($name:ident,)*) => { [$((stringify!($name), || $name::main().report())),*] };
}

/// A name, and what it does.
type Saboteur = (&'static str, fn() -> ExitCode);

const SABOTEURS: [Saboteur; 86] = table![
    accept_blocks,
    accepted_dropped,
    accepts_on,
    always_closes,
    answers_on,
    arguments_lost,
    bodies_cut,
    bodies_lost,
    bound_only,
    checksum_first,
    close_decided_early,
    close_not_kept,
    close_not_taken_back,
    closed_by_reset,
    closed_unread,
    closes_from_trigger,
    cold_caches,
    config_read_late,
    configuration_kept,
    descriptor_leaked,
    drain_cut_short,
    drain_table_full,
    drains_at_trigger,
    end_is_ready,
    environment_lost,
    exit_shuts_down,
    exit_status,
    failed_not_reaped,
    failure_untold,
    faultless,
    first_parent_told,
    first_process_ends,
    flag_misleads,
    fork_fatal,
    fresh_closed,
    fresh_kept,
    gap_before_listen,
    group_stopped,
    half_closed_kept,
    half_sent_cut,
    half_sent_kept,
    handler_panics,
    helper_hung_up,
    helper_left,
    http10_promised,
    idle_limit_forgotten,
    idle_limit_short,
    in_flight_killed,
    killed_while_draining,
    limit_not_kept,
    listener_of_its_own,
    main_pid_untold,
    never_drains,
    no_connection_close,
    no_exit_code,
    old_program,
    option_lost,
    orphan_exits,
    path_resolved,
    pause_for_ready,
    pid_file_away,
    pid_file_stale,
    queue_overflows,
    ready_too_early,
    redirects_while_draining,
    reset_after_last,
    restarts_once,
    restarts_twice,
    reuseport_queue_lost,
    second_acceptor,
    sheds_while_warming,
    sigterm_blocked,
    slow_answers_cut,
    slow_readers_cut,
    spins_while_draining,
    stalls_while_draining,
    stderr_lost,
    successor_forgotten,
    sweep_forgets,
    syns_dropped,
    trigger_ignored,
    unavailable_while_draining,
    unread_dropped,
    upload_cut,
    waits_for_successor,
    zombie,
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if let Some((_, run)) = SABOTEURS.iter().find(|(name, _)| *name == wanted) {
        return run();
    }
    let names: Vec<&str> = SABOTEURS.iter().map(|(name, _)| *name).collect();
    eprintln!("no saboteur is named {wanted:?}; the first argument is one of: {}", names.join(", "));
    ExitCode::FAILURE
}
