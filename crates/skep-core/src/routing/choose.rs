//! Choosing: what is wanted, what is left of it, and what stands in for it.

use super::{Choice, Instead, Route, Why, agent, cost, shares};
use crate::{
    claim::Unfit,
    provider::{self, Shut},
    spec::{Complexity, ModelWish, RouteBy, SwarmSpec},
    state::State,
    task::Task,
    time::Time,
    worker::Worker,
};
use alloc::{string::String, vec::Vec};

/// A model that is wanted, and why.
struct Wish {
    model: String,
    why: Why,
}

/// Which models a task may no longer use.
type Failed<'f> = &'f dyn Fn(&str) -> bool;

/// The model for a task on a worker.
///
/// # Errors
/// Every model that it may use has failed on it, or waits for its provider.
pub fn route(state: &State, task: &Task, worker: &Worker, now: Time) -> Result<Choice, Unfit> {
    let Some(swarm) = state.swarm().map(|s| &s.spec) else {
        return Ok(Choice::default());
    };
    let agent = agent(swarm, task);
    let server = |model: Option<&str>| provider::of(swarm, &task.spec, agent, model);
    let open = |model: Option<&str>| match server(model) {
        Some(name) => provider::open(state, name, now),
        None => Ok(()),
    };
    let failed = |model: &str| failed(swarm, task, model);
    let Some(wish) = wish(state, task, worker, &failed) else {
        open(None).map_err(Unfit::Provider)?;
        return Ok(Choice {
            provider: server(None).map(Into::into),
            ..Choice::default()
        });
    };
    let model = unfailed(swarm, &wish, &failed)?;
    let failed_first = (model != wish.model).then(|| Instead::Failed(wish.model.clone()));
    let (model, instead) = match open(Some(model)) {
        Ok(()) => (model, failed_first),
        Err(shut) => {
            let free = |other: &&str| !failed(other) && open(Some(other)).is_ok();
            let others = stand_ins(swarm, agent, &wish, model, &shut);
            let other = others.into_iter().find(free);
            let instead = Instead::Parked {
                model: model.into(),
                provider: server(Some(model)).unwrap_or_default().into(),
            };
            (other.ok_or(Unfit::Provider(shut))?, Some(instead))
        }
    };
    let plain = wish.why == Why::Swarm && instead.is_none();
    Ok(Choice {
        model: Some(model.into()),
        provider: server(Some(model)).map(Into::into),
        route: (!plain).then_some(Route {
            why: wish.why,
            instead,
        }),
    })
}

/// Whether any model is left that `worker` may use on a task, whatever its provider does.
///
/// # Errors
/// Every one has failed on it too often.
pub fn left(state: &State, task: &Task, worker: &Worker) -> Result<(), Unfit> {
    let Some(swarm) = state.swarm().map(|s| &s.spec) else {
        return Ok(());
    };
    left_but(state, task, worker, &|model| failed(swarm, task, model))
}

fn left_but(state: &State, task: &Task, worker: &Worker, failed: Failed<'_>) -> Result<(), Unfit> {
    let Some(swarm) = state.swarm().map(|s| &s.spec) else {
        return Ok(());
    };
    match wish(state, task, worker, failed) {
        Some(wish) => unfailed(swarm, &wish, failed).map(|_| ()),
        None => Ok(()),
    }
}

/// What is left for a task after one more failure on a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The model, and no other was tried before it.
    Same,
    /// The model, which took the place of one that failed too often.
    SameAgain,
    /// That one is used up, and there is another.
    Other,
    /// Nothing.
    Nothing,
}

/// The same, for who might take the task.
pub(crate) fn after_failure(state: &State, task: &Task, model: Option<&str>) -> Left {
    let (Some(swarm), Some(model)) = (state.swarm().map(|s| &s.spec), model) else {
        return Left::Same;
    };
    let failures = task.model_failures.get(model).copied().unwrap_or_default();
    if failures + 1 < swarm.policy.model_failures {
        let others = task.model_failures.keys().any(|m| failed(swarm, task, m));
        return if others { Left::SameAgain } else { Left::Same };
    }
    let failed = |other: &str| other == model || failed(swarm, task, other);
    let takes = |w: &&Worker| crate::claim::may_take(task, w).is_ok();
    let mut workers = state.workers().filter(takes);
    if workers.any(|w| left_but(state, task, w, &failed).is_ok()) {
        Left::Other
    } else {
        Left::Nothing
    }
}

fn failed(swarm: &SwarmSpec, task: &Task, model: &str) -> bool {
    let failures = task.model_failures.get(model);
    failures.is_some_and(|n| *n >= swarm.policy.model_failures)
}

/// What is wanted: see the order above.
fn wish(state: &State, task: &Task, worker: &Worker, failed: Failed<'_>) -> Option<Wish> {
    let swarm = &state.swarm()?.spec;
    let routing = &swarm.policy.routing;
    let named = |model: &Option<String>, why: Why| {
        let model = model.clone()?;
        Some(Wish { model, why })
    };
    let of_task = |required: bool| match &task.spec.model {
        Some(ModelWish::Required(model)) if required => named(&Some(model.clone()), Why::Required),
        Some(ModelWish::Preferred(model)) if !required => {
            named(&Some(model.clone()), Why::Preferred)
        }
        _ => None,
    };
    let of_role = || {
        let name = task.spec.role.as_ref()?;
        named(&swarm.roles.get(name)?.model, Why::Role(name.clone()))
    };
    let of_complexity = || {
        let complexity = task.spec.complexity?;
        let model = match complexity {
            Complexity::Simple => &routing.simple,
            Complexity::Moderate => &routing.moderate,
            Complexity::Complex => &routing.complex,
        };
        named(model, Why::Complexity(complexity))
    };
    let found = || {
        if routing.by == RouteBy::Model {
            return None;
        }
        let models = usable(swarm, task, failed);
        if models.is_empty() {
            // Nothing to choose among: not even the strongest, which then says why.
            return named(&swarm.models.last().cloned(), Why::Swarm);
        }
        let (model, why) = match routing.by {
            RouteBy::Shares => shares::choose(state, &models)?,
            RouteBy::Model | RouteBy::Cost => cost::choose(state, task, &models)?,
        };
        Some(Wish { model, why })
    };
    of_task(true)
        .or_else(|| named(&worker.model, Why::Worker))
        .or_else(|| of_task(false))
        .or_else(of_role)
        .or_else(of_complexity)
        .or_else(found)
        .or_else(|| named(&swarm.model, Why::Swarm))
}

/// The models among which may be chosen, from weakest to strongest.
fn usable<'s>(swarm: &'s SwarmSpec, task: &Task, failed: Failed<'_>) -> Vec<&'s str> {
    let agent = agent(swarm, task);
    let models = swarm.models.iter().map(String::as_str);
    models
        .filter(|m| !failed(m) && agent_has(swarm, agent, m))
        .collect()
}

/// Whether an agent can use a model at all, as far as the plan says: one with a provider of its own uses no other.
fn agent_has(swarm: &SwarmSpec, agent: &str, model: &str) -> bool {
    let own = swarm.agents.get(agent).and_then(|a| a.provider.as_ref());
    let of_model = swarm.catalog.get(model).map(|m| &m.provider);
    own.is_none() || of_model.is_none() || own == of_model
}

/// The model wanted, or, if it has failed too often, the next stronger one that has not.
fn unfailed<'s>(
    swarm: &'s SwarmSpec,
    wish: &'s Wish,
    failed: Failed<'_>,
) -> Result<&'s str, Unfit> {
    if !failed(&wish.model) {
        return Ok(&wish.model);
    }
    let models = swarm.models.iter().map(String::as_str);
    let mut stronger = models.skip_while(|m| *m != wish.model).skip(1);
    let next = stronger.find(|m| !failed(m));
    next.filter(|_| wish.why != Why::Required)
        .ok_or_else(|| Unfit::ModelsFailed(wish.model.clone()))
}

/// What may stand in for a model whose provider is shut, the best first. One that is merely full is waited for: that
/// passes with the next attempt's end, and another model may cost more.
fn stand_ins<'s>(
    swarm: &'s SwarmSpec,
    agent: &str,
    wish: &Wish,
    model: &str,
    shut: &Shut,
) -> Vec<&'s str> {
    if wish.why == Why::Required || matches!(shut, Shut::Full { .. }) {
        return Vec::new();
    }
    let named = &swarm.policy.routing.fallback;
    let tier = |model: &str| swarm.catalog.get(model).map(|m| m.tier);
    let alike = |m: &&str| tier(m).is_some() && tier(m) == tier(model);
    if named.is_empty() {
        let models = swarm.models.iter().map(String::as_str);
        let models = models.filter(alike);
        models.filter(|m| agent_has(swarm, agent, m)).collect()
    } else {
        let models = named.iter().map(String::as_str);
        models.filter(|m| agent_has(swarm, agent, m)).collect()
    }
}
