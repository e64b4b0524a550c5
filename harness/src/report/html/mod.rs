//! One page, for whoever wants to see it: the verdict, the restart drawn, and the proof below. It needs no network, and can be
//! read without its script: that one filters, unfolds what a link leads to, and draws rows that were folded.
//!
//! - `head`: the verdict, and what was lost
//! - `restarts`: which drawings there are, the one that shows the worst first
//! - `draw`: one restart: phases, processes, connections by role; `row`: one connection; `story`: all that is known of one that broke
//! - `clauses`, `latency`, `evidence`: what is below
//! - `book`: everything looked up once; `axis`: from time to place; `svg`: shapes; `data`: what the script draws from
//! - `page`: the frame, and a policy that lets no script run and nothing load but what is in it
//!
//! Every text goes through `report/escape.rs`.

mod axis;
mod book;
mod clauses;
mod data;
mod draw;
mod evidence;
mod head;
mod latency;
mod page;
mod restarts;
mod row;
mod story;
mod svg;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Evidence;
use super::human::{causes, recordings::Recordings};
use crate::clause::result::RunResult;
use crate::witness::packets::pcapng::Packet;
use book::Book;
use data::Data;

/// The packets of lanes that failed, as they were stored: by scenario, of each attempt.
pub type Packets = BTreeMap<String, Vec<Vec<Packet>>>;

/// The page on a run. The same run gives the same bytes.
pub fn html(run: &RunResult, evidence: &Evidence<'_>, packets: &Packets) -> String {
    let recordings = Recordings::of(run, evidence);
    let causes = causes::of(run, &recordings);
    let book = Book::new(run, evidence, packets);
    let mut data = Data::new();
    let order = restarts::order(&book, &causes);
    let mut main = String::new();
    head::write(&mut main, run, &causes);
    let mut latency = String::new();
    latency::write(&mut latency, &book, &order);
    page::navigation(&mut main, &book, !latency.is_empty());
    main.push_str("<main id=\"main\">\n");
    head::problems(&mut main, run, evidence);
    let mut restarts = restarts::Restarts::new(&book, &order);
    restarts.first(&mut main, &mut data);
    head::losses(&mut main, &book, &causes);
    head::stale(&mut main, run);
    restarts.others(&mut main, &mut data);
    clauses::write(&mut main, &book);
    main.push_str(&latency);
    evidence::write(&mut main, &book, &causes, evidence);
    main.push_str("</main>\n");
    page::frame(run, &main, &data.element())
}
