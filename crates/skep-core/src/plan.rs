//! What should be true of the world now, as actions. Level-triggered: the same state gives the same actions
//! until an observation says that they are done, so a crash between deciding and doing costs nothing.

use crate::{
    attempt::{Failure, Phase, StopWhy},
    due, forecast,
    health::Rung,
    hook::{self, Owed},
    id::{Attempt, Oid, SwarmName, WorkerId},
    merge::{MergeStep, Probe, Queued},
    prompt, scale,
    spec::{AgentSpec, Command, Glob, Landing, Permission, Policy, TaskSpec},
    state::State,
    task::{Fix, TaskState},
    time::{Millis, Time},
    worker::{Worker, WorkerState},
};
use alloc::{string::String, sync::Arc, vec::Vec};
use core::mem;
use serde::{Deserialize, Serialize};

/// What should be done now, and when to look again if nothing happens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    /// In order of urgency. Each is harmless to do twice or half.
    pub actions: Vec<Action>,
    /// The next moment at which something is due by itself.
    pub wake_at: Option<Time>,
}

/// One thing that should be true of the world. Equal actions are the same action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// An attempt's shim should run: see [`order`].
    Start {
        /// Which.
        attempt: Attempt,
    },
    /// An attempt should end.
    Stop {
        /// Which.
        attempt: Attempt,
        /// Why.
        why: StopWhy,
        /// Without the grace.
        at_once: bool,
    },
    /// An attempt's agent should know of this rung of the ladder, if it can be spoken to.
    Tell {
        /// Which.
        attempt: Attempt,
        /// The rung.
        rung: Rung,
    },
    /// An answer should reach the agent that waits for it: see [`Live::asks`](crate::attempt::Live::asks).
    Answer {
        /// Of which attempt.
        attempt: Attempt,
        /// To which of its questions.
        number: u32,
    },
    /// A worker's worktree should be clean, at this commit.
    Prepare {
        /// Which.
        worker: WorkerId,
        /// The commit.
        base: Oid,
        /// The worker's [turn](crate::worker::Worker::turn), to be given back with the result.
        turn: u32,
    },
    /// A worker's worktree should be gone.
    Remove {
        /// Which.
        worker: WorkerId,
    },
    /// A chain should be built.
    Build {
        /// For which wave.
        wave: u32,
        /// In which round.
        round: u32,
    },
    /// A commit should be checked.
    Check {
        /// For which wave.
        wave: u32,
        /// In which round.
        round: u32,
        /// After so many links.
        prefix: usize,
        /// The commit.
        commit: Oid,
    },
    /// The integration branch should move.
    Land {
        /// For which wave.
        wave: u32,
        /// From where.
        from: Oid,
        /// To where.
        to: Oid,
    },
    /// It should be known whether work in flight merges: see [`forecast::order`].
    Forecast {
        /// What there is to see; another number, another look.
        mark: u64,
    },
    /// A hook should be run because of what has happened.
    Hook {
        /// Which, and why.
        owed: Owed,
    },
    /// The target branch should move to the integration branch's tip.
    LandTarget {
        /// To where.
        to: Oid,
    },
}

/// What should be done now.
#[must_use]
pub fn plan(state: &State, now: Time) -> Steps {
    let mut actions = Vec::new();
    attempts(state, &mut actions);
    merge(state, &mut actions);
    workers(state, now, &mut actions);
    actions.extend(hook::due(state).map(|owed| Action::Hook { owed: owed.clone() }));
    // Last: whatever else there is to do matters more.
    actions.extend(forecast::due(state, now).map(|mark| Action::Forecast { mark }));
    Steps {
        actions,
        wake_at: due::wake_at(state, now),
    }
}

fn attempts(state: &State, actions: &mut Vec<Action>) {
    for live in state.live() {
        let attempt = live.attempt;
        match live.stopping {
            Some(stop) => {
                actions.push(Action::Stop {
                    attempt,
                    why: stop.why,
                    at_once: stop.at_once,
                });
            }
            None if live.phase == Phase::Claimed => actions.push(Action::Start { attempt }),
            None => {
                let rung = live.health.as_ref().map_or(Rung::Fine, |h| h.rung);
                if rung > live.told {
                    actions.push(Action::Tell { attempt, rung });
                }
                let answered = live
                    .asks
                    .iter()
                    .filter(|ask| ask.reply.is_some() && !ask.is_held());
                actions.extend(answered.map(|ask| Action::Answer {
                    attempt,
                    number: ask.question.number,
                }));
            }
        }
    }
}

fn merge(state: &State, actions: &mut Vec<Action>) {
    let Some(swarm) = state.swarm() else { return };
    if state.needs_person() {
        return;
    }
    if let Some(merge) = state.merge() {
        let (wave, round) = (merge.wave, merge.round);
        match &merge.step {
            MergeStep::Building => actions.push(Action::Build { wave, round }),
            MergeStep::Checking(checking) => {
                if let Probe::Check(prefix) = checking.probe() {
                    let commit = checking.commit(&merge.base, prefix).clone();
                    actions.push(Action::Check {
                        wave,
                        round,
                        prefix,
                        commit,
                    });
                }
            }
            MergeStep::Landing(chain) => {
                if let Some(end) = chain.last().filter(|end| end.commit != merge.base) {
                    let (from, to) = (merge.base.clone(), end.commit.clone());
                    actions.push(Action::Land { wave, from, to });
                }
            }
        }
        return;
    }
    let refused = swarm
        .landing_refused
        .as_ref()
        .is_some_and(|(tip, _)| *tip == swarm.tip);
    let open = swarm.tip != swarm.began_at && swarm.landed.as_ref() != Some(&swarm.tip) && !refused;
    if swarm.spec.landing == Landing::Main && open {
        actions.push(Action::LandTarget {
            to: swarm.tip.clone(),
        });
    }
}

fn workers(state: &State, now: Time, actions: &mut Vec<Action>) {
    let Some(swarm) = state.swarm() else { return };
    let open = state.merge().is_none() && !state.draining();
    let state_of = |worker: &Worker| worker.state(Some(&swarm.tip));
    // Tasks that wait begin from what the next merge leaves: a worktree made ready before it would be made ready
    // again after it, and all of them at the moment when the wave's last results are saved and merged.
    let all = state.count(TaskState::Ready) > 0 || state.unblocked().next().is_some();
    // One is kept ready for the task of an agent that dies, and some for tasks that keep coming (S-3).
    let idle = |worker: &&Worker| state_of(worker) == WorkerState::Idle;
    let wanted = scale::spare(state, now).max(u32::from(state.live().len() > 0));
    let mut spare = wanted.saturating_sub(state.workers().filter(idle).count() as u32);
    // A worktree that all share is brought to a commit at one worker's word for all, while nobody is in it.
    let mut shared = state.shares_worktree().then_some(state.live().len() == 0);
    for worker in state.workers() {
        let turn = match &mut shared {
            Some(free) if state_of(worker) == WorkerState::Spawning => mem::take(free),
            _ => true,
        };
        match state_of(worker) {
            WorkerState::Stopped => actions.push(Action::Remove { worker: worker.id }),
            WorkerState::Spawning if open && turn && (all || spare > 0) => {
                spare = spare.saturating_sub(1);
                actions.push(Action::Prepare {
                    worker: worker.id,
                    base: swarm.tip.clone(),
                    turn: worker.turn,
                });
            }
            _ => {}
        }
    }
}

/// Whether a worker's worktree is being made ready.
pub(crate) fn prepares(state: &State, id: WorkerId, now: Time) -> bool {
    let mut actions = Vec::new();
    workers(state, now, &mut actions);
    let mut all = actions.iter();
    all.any(|action| matches!(action, Action::Prepare { worker, .. } if *worker == id))
}

/// What is to be merged, for [`Action::Build`].
#[derive(Clone, Debug, PartialEq)]
pub struct BuildOrder {
    /// Built on this.
    pub base: Oid,
    /// In this order.
    pub queue: Vec<Queued>,
    /// This branch's own new commits come first.
    pub target: Option<String>,
}

/// The order for a round's build, or `None` if it is over.
#[must_use]
pub fn build_order(state: &State, wave: u32, round: u32) -> Option<BuildOrder> {
    let merge = state
        .merge()
        .filter(|m| m.wave == wave && m.round == round)?;
    let swarm = state.swarm()?;
    let to_target = swarm.spec.landing == Landing::Main;
    Some(BuildOrder {
        base: merge.base.clone(),
        queue: merge.queue.clone(),
        target: to_target.then(|| swarm.target.clone()),
    })
}

/// All that a host must know to start an attempt, for [`Action::Start`]. It can be written down for the process
/// that runs the attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub attempt: Attempt,
    /// The swarm's name.
    pub swarm: SwarmName,
    /// The task.
    pub task: Arc<TaskSpec>,
    /// Who runs it.
    pub worker: WorkerId,
    /// The worker's role.
    pub role: Option<String>,
    /// The adapter.
    pub agent: String,
    /// The adapter's configuration, if it is one by configuration.
    pub agent_spec: Option<AgentSpec>,
    /// The model.
    pub model: Option<String>,
    /// What it may do without asking, if anybody said so.
    pub permission: Option<Permission>,
    /// The commit it starts from.
    pub base: Oid,
    /// What the agent is told (L-2).
    pub prompt: String,
    /// The failure before, if there was one.
    pub previous: Option<Failure>,
    /// What it is to bring in, if it is a fix.
    pub fix: Option<Fix>,
    /// Run before the agent in a fresh worktree.
    pub setup: Vec<Command>,
    /// What it shares its worktree with, if the swarm's workers have none of their own.
    pub shared: Option<Shared>,
    /// Times and sizes.
    pub limits: OrderLimits,
    /// When it was claimed: dates its commits.
    pub claimed: Time,
}

/// An attempt's part of a worktree that all share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The files that are its own; `None` is all of them.
    pub files: Option<Vec<Glob>>,
    /// The other attempts that are live.
    pub beside: Vec<Attempt>,
}

/// Times and sizes of an [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLimits {
    /// The agent's hard stop.
    pub hard_stop: Millis,
    /// The end of everything.
    pub ceiling: Millis,
    /// Between SIGTERM and SIGKILL.
    pub grace: Millis,
    /// How often the shim shows that it lives.
    pub heartbeat: Millis,
    /// One success criterion's command.
    pub criterion: Millis,
    /// One setup command.
    pub setup: Millis,
    /// Output kept, in bytes.
    pub output_bytes: u64,
    /// Ports of its own.
    pub ports: u16,
    /// How agents that speak a protocol are spoken with.
    #[serde(default)]
    pub agents: Talking,
}

impl OrderLimits {
    /// Those of a task with this timebox, or the policy's.
    #[must_use]
    pub fn of(policy: &Policy, timebox: Option<Millis>) -> OrderLimits {
        let agents = &policy.agents;
        OrderLimits {
            hard_stop: policy.hard_stop(timebox),
            ceiling: policy.ceiling(timebox),
            grace: policy.grace,
            heartbeat: policy.heartbeat,
            criterion: policy.criterion_timeout,
            setup: policy.setup_timeout,
            output_bytes: policy.output_bytes,
            ports: policy.ports_per_worktree,
            agents: Talking {
                first_reply: agents.first_reply,
                reply: agents.reply,
                tool: agents.tool,
                retries: agents.retries,
                metering: agents.metering,
                ask_total: agents.ask_total,
            },
        }
    }
}

/// Of [`Agents`](crate::spec::Agents), what holds for one attempt from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talking {
    /// The longest wait for a model's first sign of life.
    pub first_reply: Millis,
    /// The longest silence between two of them.
    pub reply: Millis,
    /// The longest silence while a tool runs.
    pub tool: Millis,
    /// How often it may try its provider again by itself.
    pub retries: u32,
    /// How often what it has used is read.
    pub metering: Millis,
    /// For how long its clock may stand still while a person is asked.
    pub ask_total: Millis,
}

/// The order for a live attempt, or `None` if it is not live any more.
#[must_use]
pub fn order(state: &State, attempt: Attempt) -> Option<Order> {
    let live = state.attempt(attempt)?;
    let task = state.task(&live.task)?;
    let swarm = state.swarm()?;
    let policy = &swarm.spec.policy;
    let agent_spec = swarm.spec.agents.get(&live.agent);
    let role = state.worker(live.worker).and_then(|w| w.role.as_ref());
    let of_role = role.and_then(|role| swarm.spec.roles.get(role)?.permission);
    Some(Order {
        attempt,
        swarm: swarm.spec.name.clone(),
        task: task.spec.clone(),
        worker: live.worker,
        role: role.cloned(),
        agent: live.agent.clone(),
        agent_spec: agent_spec.cloned(),
        model: live.model.clone(),
        permission: agent_spec
            .and_then(|spec| spec.permission)
            .or(of_role)
            .or(swarm.spec.permission),
        base: live.base.clone(),
        prompt: prompt::render(
            swarm.spec.prompt.as_deref().unwrap_or(prompt::TEMPLATE),
            &prompt::facts(swarm, task, live),
        ),
        previous: task.last_failure.clone(),
        fix: task.fix().cloned(),
        setup: swarm.spec.setup.clone(),
        shared: state.shares_worktree().then(|| Shared {
            files: task.scope().map(<[Glob]>::to_vec),
            beside: state
                .live()
                .map(|other| other.attempt)
                .filter(|other| *other != attempt)
                .collect(),
        }),
        limits: OrderLimits::of(policy, task.spec.timebox),
        claimed: live.claimed,
    })
}
