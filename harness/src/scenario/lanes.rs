//! The lanes of one phase: started, watched, called off.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::lane::{self, Context, Signs};
use crate::client::ordinary;
use crate::client::step::{Anchor, Do, LanePlan, Moment};
use crate::declaration::Limits;
use crate::history::Micros;
use crate::scenario::endpoint::{EndpointName, ask};
use crate::scenario::plan::Plan;
use crate::target::file::Endpoints;

/// From one probe to the next.
const PROBE_EVERY: Micros = 25_000;
/// The same from T0 until the old generation drains: a listener may be away for a millisecond only.
const SENTRY_EVERY: Micros = 1_500;
/// So many are sent at that pace at most, however long the successor takes.
const SENTRIES_MAX: u32 = 2_000;
/// From one request on a canary to the next.
const CANARY_EVERY: Micros = 25_000;
/// A canary asks for this long after Td, and then gives the server the chance to time it out.
const CANARY_AFTER_TD: Micros = 1_000_000;
/// A lane that failed at once is followed by another after this long.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// The lanes of one phase.
pub struct Lanes {
    context: Context,
    tasks: JoinSet<()>,
    /// Of the lanes that are opened once: what they wait for, and how far they are.
    counted: Vec<(Readiness, Rc<Signs>)>,
}

/// What a lane has to have done before the trigger, and before a stop ends.
#[derive(Clone, Copy, Debug)]
struct Readiness {
    arms: bool,
    loads: bool,
    waits: bool,
}

impl Lanes {
    /// No lanes yet; `context` is what all will share.
    pub fn new(context: Context) -> Self {
        Self { context, tasks: JoinSet::new(), counted: Vec::new() }
    }

    /// Starts the lanes of the plan.
    pub fn start(&mut self, plan: &Plan) {
        for lane in &plan.lanes {
            self.start_one(lane);
        }
        for (every, lane) in &plan.repeated {
            self.start_repeated(*every, lane.clone(), false);
        }
    }

    fn start_one(&mut self, plan: &LanePlan) {
        let signs = Rc::new(Signs::default());
        let has = |wanted: fn(&Do) -> bool| plan.steps.iter().any(wanted);
        let readiness = Readiness {
            arms: has(|step| matches!(step, Do::Armed)),
            loads: has(|step| matches!(step, Do::Loaded)),
            waits: plan.reconnect || has(|step| matches!(step, Do::Wait(_) | Do::Repeat(..))),
        };
        if !plan.reconnect {
            self.counted.push((readiness, Rc::clone(&signs)));
        }
        let (context, plan) = (self.context.clone(), plan.clone());
        self.tasks.spawn_local(async move {
            tokio::time::sleep(Duration::from_micros(plan.after)).await;
            if plan.pooled {
                pooled_lane(context, &plan).await;
            } else if plan.reconnect {
                reconnecting(context, &plan).await;
            } else {
                lane::run(context, &plan, Rc::clone(&signs)).await;
            }
            signs.done.set(true);
        });
    }

    fn start_repeated(&mut self, every: Micros, plan: LanePlan, sentry: bool) {
        let context = self.context.clone();
        self.tasks.spawn_local(async move {
            let mut lanes = JoinSet::new();
            let mut turn = 0;
            let mut sentries = if sentry { SENTRIES_MAX } else { 0 };
            let handover = |context: &Context| {
                let drained = Moment { anchor: Anchor::Td, plus: 100_000 };
                lane::has_come(context, Moment { anchor: Anchor::T0, plus: 0 }) && !lane::has_come(context, drained)
            };
            while !lane::has_come(&context, Moment { anchor: Anchor::Over, plus: 0 }) {
                let (context_of_one, mut plan) = (context.clone(), plan.clone());
                if plan.in_turn {
                    plan.listener = turn % context.addresses.len().max(1);
                    turn += 1;
                }
                lanes.spawn_local(async move { lane::run(context_of_one, &plan, Rc::default()).await });
                while lanes.try_join_next().is_some() {}
                let hurried = sentries > 0 && handover(&context);
                sentries -= u32::from(hurried);
                let pause = Duration::from_micros(if hurried { SENTRY_EVERY } else { every });
                let begun = Moment { anchor: Anchor::T0, plus: 0 };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    // The pace changes with the trigger.
                    () = lane::reached(&context, begun), if sentries > 0 && !lane::has_come(&context, begun) => {}
                }
            }
            while lanes.join_next().await.is_some() {}
        });
    }

    /// New connections, one after another, to see when the successor answers.
    pub fn start_probes(&mut self, endpoints: &Endpoints) {
        let steps = vec![
            Do::Connect(None),
            Do::Send(ask(endpoints, EndpointName::Fast, 0), crate::client::step::Part::Traced, 1),
            Do::Response(None),
            Do::Close,
        ];
        let plan = LanePlan { role: "probe".to_owned(), steps, ..LanePlan::default() };
        self.start_repeated(PROBE_EVERY, plan, true);
    }

    /// One connection in steady use and one idle, to see when their owner starts to drain.
    pub fn start_canaries(&mut self, endpoints: &Endpoints, limits: &Limits, pairs: u32) {
        let ask = ask(endpoints, EndpointName::Fast, 0);
        let end = Do::End(limits.idle_max + limits.drain_max);
        let until = Moment { anchor: Anchor::Td, plus: CANARY_AFTER_TD };
        let busy = vec![Do::Connect(None), Do::Repeat(ask.clone(), CANARY_EVERY, until), end.clone()];
        let first = Do::Send(ask, crate::client::step::Part::Traced, 1);
        let idle = vec![Do::Connect(None), first, Do::Response(None), end];
        for pair in 0..pairs {
            for (role, steps) in [("canary", &busy), ("canary-idle", &idle)] {
                let plan = LanePlan {
                    role: role.to_owned(),
                    steps: steps.clone(),
                    seed: u64::from(pair),
                    ..LanePlan::default()
                };
                let context = self.context.clone();
                self.tasks.spawn_local(async move { lane::run(context, &plan, Rc::default()).await });
            }
        }
    }

    /// Every lane is in the state that the restart is to find it in, or over.
    pub fn all_ready(&self) -> bool {
        self.counted.iter().all(|(readiness, signs)| {
            signs.armed.get() || signs.done.get() || (!readiness.arms && readiness.waits)
        })
    }

    /// Every lane for which the old generation was stopped is in its state, or over.
    pub fn all_loaded(&self) -> bool {
        self.counted
            .iter()
            .all(|(readiness, signs)| !readiness.loads || signs.loaded.get() || signs.done.get())
    }

    /// Every lane that is opened once is over.
    pub fn all_done(&self) -> bool {
        self.counted.iter().all(|(_, signs)| signs.done.get())
    }

    /// Everything that was started is over.
    pub fn all_over(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.is_empty()
    }

    /// Calls off whatever is left; each records that it ended so.
    pub async fn call_off(&mut self) {
        self.tasks.shutdown().await;
    }
}

/// Lane after lane until the load ends, as an ordinary client connects again.
async fn reconnecting(context: Context, plan: &LanePlan) {
    let over = Moment { anchor: Anchor::Over, plus: 0 };
    while !lane::has_come(&context, over) {
        let begun = context.recorder.now();
        lane::run(context.clone(), plan, Rc::default()).await;
        if context.recorder.now() < begun + RECONNECT_PAUSE.as_micros() as Micros {
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }
}

/// An ordinary client: asks again and again through a pool, and records what its user would have seen.
async fn pooled_lane(context: Context, plan: &LanePlan) {
    for step in &plan.steps {
        if let Do::Repeat(ask, every, until) = step {
            ordinary::run(&context, plan, ask, *every, *until).await;
        }
    }
}
