//! What many runs come to, for those who read it in a terminal.

use super::page::Page;
use super::style::count;
use crate::clause::result::RunVerdict;
use crate::clause::sum::{Failed, Sum, SumOfResets};
use crate::declaration::Span;
use crate::history::Micros;

/// Failed runs shown.
const FAILED: usize = 10;

/// The report on a soak; no line is wider than `width`, except for single words that are.
pub fn render(sum: &Sum, dir: &str, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let word = match sum.verdict() {
        RunVerdict::Pass => "PASS:",
        RunVerdict::Fail => "FAIL:",
        RunVerdict::Inconclusive => "INCONCLUSIVE:",
        RunVerdict::Error => "ERROR:",
        RunVerdict::Invalid => "INVALID:",
    };
    let style = page.styles.of_run(sum.verdict());
    page.lead(0, 0, style, word, &format!(" {}", sentence(sum)));
    if sum.interrupted {
        page.text(0, "The soak was broken off before its end; what there is was added up.");
    }
    page.blank();
    page.field(2, "profile", 7, &sum.profile.to_string());
    page.field(2, "soak", 7, &how(sum));
    sure(&mut page, sum);
    open(&mut page, sum);
    failed(&mut page, sum);
    page.blank();
    page.field(0, "soak directory", 14, dir);
    page.finish()
}

/// One line after each run, for those who wait.
pub fn progress(sum: &Sum, added: u64, wanted: Option<u64>) -> String {
    let of = wanted.map_or_else(String::new, |wanted| format!(" of {wanted}"));
    let broken = match (sum.broken, sum.failures.len()) {
        (0, 0) => "none lost anything".to_owned(),
        (broken, failed) => {
            format!("{broken} broke something, {} failed", count(failed, "pass", "passes"))
        }
    };
    let open = if sum.undecided > 0 { format!(", {} undecided", sum.undecided) } else { String::new() };
    format!(
        "pass {}: {added} more restarts judged, {}{of} in all; {broken}{open}; {}",
        sum.passes,
        sum.restarts,
        long(sum.took_us)
    )
}

fn sentence(sum: &Sum) -> String {
    let restarts = restarts(sum.restarts);
    match sum.verdict() {
        RunVerdict::Pass => format!("{} broke nothing in {restarts}.", sum.target),
        RunVerdict::Fail if sum.broken > 0 => {
            format!("{} broke something in {} of {restarts}.", sum.target, sum.broken)
        }
        RunVerdict::Fail => format!("a pass failed, and no restart of {} broke anything.", sum.target),
        RunVerdict::Inconclusive if sum.restarts == 0 => {
            format!("not one restart of {} could be judged.", sum.target)
        }
        RunVerdict::Inconclusive => {
            format!("{} broke nothing in {restarts}, and not all could be decided.", sum.target)
        }
        RunVerdict::Invalid => format!("{} did not start, or fails without a restart.", sum.target),
        RunVerdict::Error => format!("hotspec itself failed; that says nothing about {}.", sum.target),
    }
}

fn how(sum: &Sum) -> String {
    let last = sum.seed.wrapping_add(sum.passes.saturating_sub(1));
    let seeds =
        if sum.passes > 1 { format!("seeds {} to {last}", sum.seed) } else { format!("seed {}", sum.seed) };
    let undecided = match sum.undecided {
        0 => String::new(),
        undecided => format!(" ({undecided} left something undecided)"),
    };
    let passes = if sum.passes == 1 { "1 pass".to_owned() } else { format!("{} passes", sum.passes) };
    format!("{passes}{undecided} in {}, hotspec {}, {seeds}", long(sum.took_us), sum.hotspec)
}

/// The headline bound counts restarts: what happens within one is not independent.
fn sure(page: &mut Page, sum: &Sum) {
    if sum.restarts == 0 {
        return;
    }
    page.heading("How sure this is");
    let (restarts, number) = (restarts(sum.restarts), sum.restarts);
    let headline = match sum.broken {
        0 if number > 3 => format!(
            "0 of {restarts} broke anything: at 95 % fewer than 3/{number} of restarts ({} %) do.",
            percent(3.0 / number as f64)
        ),
        0 => format!("0 of {restarts} broke anything: too few to say how rare it is."),
        broken => {
            format!("{broken} of {restarts} ({} %) broke something.", percent(broken as f64 / number as f64))
        }
    };
    page.text(2, &headline);
    if sum.known > 0 {
        page.text(2, &format!("In {} of them known deviations showed, which are not counted.", sum.known));
    }
    page.text(
        2,
        &format!(
            "They had {} connections and {} requests, which are not independent within one restart.",
            sum.connections, sum.requests
        ),
    );
    if let Some(text) = resets(&sum.resets) {
        page.text(2, &text);
    }
    let gaps = || sum.unprobed_us.iter();
    let most = gaps().max_by_key(|(_, gap)| **gap);
    let least = gaps().min_by_key(|(_, gap)| **gap);
    if let (Some((worst, most)), Some((best, least))) = (most, least) {
        let mut text = format!(
            "The longest stretch from T0 to Tx with no connect under way was {} ({worst})",
            Span(*most)
        );
        if least < most {
            text.push_str(&format!(
                "; in {best} it was never longer than {}: a listener that is away for longer in every restart \
                 can't have been missed",
                Span(*least)
            ));
        }
        page.text(2, &format!("{text}."));
    }
}

/// What the kernel of the target's side counted, if that side had a network of its own.
fn resets(sum: &SumOfResets) -> Option<String> {
    let SumOfResets { counted_in, none_in, counted, heard } = sum;
    let of = restarts(*counted_in);
    match counted_in - none_in {
        _ if *counted_in == 0 => None,
        0 => Some(format!(
            "In all {of} OutRsts of the server's side stayed as it was: proof that it sent no reset."
        )),
        others => Some(format!(
            "In {none_in} of {of} OutRsts of the server's side stayed as it was: proof that it sent no reset. In the other \
             {others} it sent {counted}: {} answered bytes that came after the close ({} matched with their connections), \
             {} broke a connection off.",
            heard.after_close, heard.after_close_matched, heard.breaking
        )),
    }
}

fn open(page: &mut Page, sum: &Sum) {
    let undecided = sum.undecided_clauses();
    if undecided.is_empty() || sum.passes == 0 {
        return;
    }
    page.heading("No pass could decide");
    for id in undecided {
        let scenarios: Vec<&str> = sum.open[id].iter().map(String::as_str).collect();
        page.text(2, &format!("{id} (in {})", scenarios.join(", ")));
    }
}

fn failed(page: &mut Page, sum: &Sum) {
    if sum.failures.is_empty() {
        return;
    }
    page.heading("Passes that failed");
    for Failed { pass, seed, why, dir, .. } in sum.failures.iter().take(FAILED) {
        page.text(2, &format!("pass {pass}, seed {seed}: {}", why.join(", ")));
        if let Some(dir) = dir {
            page.text(4, dir);
        }
    }
    if sum.failures.len() > FAILED {
        page.text(2, &format!("and {} more", sum.failures.len() - FAILED));
    }
}

fn restarts(number: u64) -> String {
    if number == 1 { "1 restart".to_owned() } else { format!("{number} restarts") }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 0.1 { format!("{percent:.3}") } else { format!("{percent:.1}") }
}

/// A long time: seconds below a minute, and then hours, minutes and seconds.
fn long(micros: Micros) -> String {
    let seconds = micros / 1_000_000;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => Span(micros).to_string(),
        (0, _) => format!("{minutes} min {rest} s"),
        _ => format!("{hours} h {minutes} min {rest} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::human::sample;
    use super::*;
    use crate::clause::Level;
    use crate::clause::accounts::Resets;
    use crate::declaration::Profile;

    fn sum() -> Sum {
        Sum::new("nginx", Profile::Falcore, Level::Must, 9)
    }

    #[test]
    fn the_bound_is_of_restarts_and_connections_stand_beside_it() {
        let mut sum = sum();
        sum.add(&sample::passing());
        (sum.restarts, sum.connections, sum.requests) = (1_000, 12_345, 54_321);
        let text = render(&sum, "runs/soak", 100, false);
        assert!(text.contains("at 95 % fewer than 3/1000 of restarts (0.3 %) do"), "{text}");
        assert!(text.contains("12345 connections and 54321 requests"), "{text}");
        assert!(text.starts_with("PASS: "), "{text}");
    }

    #[test]
    fn resets_that_were_counted_are_proof_where_there_were_none() {
        let mut sum = sum();
        let mut run = sample::passing();
        sum.add(&run);
        let text = |sum: &Sum| render(sum, "runs/soak", 4_000, false);
        assert!(!text(&sum).contains("OutRsts"), "who shares a network proves nothing: {}", text(&sum));
        run.restarts.iter_mut().for_each(|restart| restart.resets_counted = Some(0));
        sum.add(&run);
        assert!(text(&sum).contains("stayed as it was: proof that it sent no reset.\n"), "{}", text(&sum));
        let heard = Resets { sent: 3, after_close: 3, after_close_matched: 2, ..Resets::default() };
        (run.restarts[0].resets_counted, run.restarts[0].resets) = (Some(3), Some(heard));
        sum.add(&run);
        let said = "In the other 1 it sent 3: 3 answered bytes that came after the close (2 matched with their connections)";
        assert!(text(&sum).contains(said), "{}", text(&sum));
    }

    #[test]
    fn a_soak_that_failed_names_the_passes_and_claims_no_bound() {
        let mut sum = sum();
        sum.add(&sample::passing());
        sum.add(&sample::failing());
        let text = render(&sum, "runs/soak", 100, false);
        assert!(text.starts_with("FAIL: ") && text.contains("pass 2, seed"), "{text}");
        assert!(!text.contains("95 %"), "{text}");
    }

    #[test]
    fn nothing_that_a_target_said_steers_the_terminal() {
        let mut sum = sum();
        let mut run = sample::invalid();
        run.problems[0].message = "\x1b[2Jgone".to_owned();
        sum.add(&run);
        let text = render(&sum, "\x1b[31m", 80, false);
        assert!(!text.contains('\x1b'), "{text:?}");
    }

    #[test]
    fn a_long_time_is_told_in_hours_minutes_and_seconds() {
        assert_eq!(long(59_000_000), "59 s");
        assert_eq!(long(3_723_000_000), "1 h 2 min 3 s");
        assert_eq!(long(62_000_000), "1 min 2 s");
    }
}
