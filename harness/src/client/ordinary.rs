//! The ordinary client's lane: a pool of connections and a library's own opinion of what went wrong.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::lane::{Context, has_come, reached};
use super::pooled::{PooledClient, Timeouts, TroubleKind};
use super::step::{Ask, LanePlan, Moment};
use crate::history::Micros;
use crate::history::event::What;

/// Asks again and again through a pool of its own until a moment, and records what its user would have seen.
pub async fn run(context: &Context, plan: &LanePlan, ask: &Ask, every: Micros, until: Moment) {
    let recorder = &context.recorder;
    let lane = recorder.new_lane();
    recorder.record(What::Open { lane, role: plan.role.clone(), address: context.address.to_string() });
    let client = match PooledClient::new(&context.address, &context.host, Timeouts::default()) {
        Ok(client) => client,
        Err(trouble) => {
            recorder.record(What::Note { text: format!("the pooled client could not be made: {trouble}") });
            return;
        }
    };
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed ^ u64::from(lane));
    while !has_come(context, until) {
        let from = recorder.now();
        match client.get(&ask.path).await {
            Ok(seen) => {
                recorder.record(What::Fetched { lane, from, status: seen.status, length: seen.length })
            }
            Err(trouble) => {
                let kind = kind_name(trouble.kind).to_owned();
                recorder.record(What::FetchFailed { lane, from, kind, message: trouble.to_string() });
            }
        }
        let pause = Duration::from_micros(random.random_range(every / 2..=every + every / 2));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = reached(context, until) => {}
        }
    }
}

fn kind_name(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::Refused => "refused",
        TroubleKind::Reset => "reset",
        TroubleKind::Closed => "closed",
        TroubleKind::Timeout => "timeout",
        TroubleKind::Local => "local",
        TroubleKind::Other => "other",
    }
}
