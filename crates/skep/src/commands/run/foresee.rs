//! What would become of a plan, found without starting anything: whether it would be refused, and its shape.

use super::super::look;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::{Place, now},
    show::forecast::Forecast,
    term,
};
use skep_core::{
    engine::Engine,
    event::By,
    request::{Command, Refusal, Request, What},
    spec::Plan,
    state::State,
};
use skep_host::keeper::opening::{self, Last, Opening};
use skep_server::{
    api::{cannot_open, refusal},
    http,
};

/// How a plan that is not refused would be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It would begin, or go on.
    Begun,
    /// It was run already.
    Done,
}

/// Asks the same questions that a keeper would ask of the plan, in the same order, and lets nothing come of the
/// answers. A plan that is refused here has touched nothing, not even to make `.skep`.
pub(super) fn taken(
    place: &Place,
    state: State,
    plan: &Plan,
    again: bool,
) -> Result<Taken, Failure> {
    let Opening { target, base, kept } = match Opening::under_way(&state) {
        Some(opening) => opening,
        None => opening::foresee(&place.repo, plan, Last::of(&state).as_ref())
            .map_err(|error| cannot_open(&error))?,
    };
    let command = Command::LoadPlan {
        plan: Box::new(plan.clone()),
        digest: http::digest(plan),
        target,
        base,
        kept,
        again,
    };
    let request = Request {
        key: None,
        trace: String::new(),
        by: By::Person("cli".into()),
        what: What::Command(command),
    };
    let under_way = Opening::under_way(&state).is_some();
    let mut engine = Engine::new(state);
    match engine.decide(now(), &request) {
        Ok(_) => Ok(Taken::Begun),
        Err(Refusal::NothingToDo(_)) if under_way => Ok(Taken::Begun),
        Err(Refusal::NothingToDo(_)) => Ok(Taken::Done),
        Err(no) => Err(refusal(engine.state(), &no).into()),
    }
}

/// `skep run PLAN --dry-run`.
pub(super) fn dry_run(
    ctx: &Context,
    place: &Place,
    plan: &Plan,
    again: bool,
) -> Result<Exit, Failure> {
    let state = place.fold()?;
    let has_workers = state.workers().any(|worker| !worker.stopping);
    let taken = taken(place, state, plan, again)?;
    let mut forecast = Forecast::of(plan);
    if taken == Taken::Done {
        forecast.note(
            "this plan was run already, so nothing would be done; `--again` runs it once more",
        );
    }
    if forecast.has_no_workers() && !has_workers {
        forecast.note(
            "the plan has no workers: no task would be begun until `skep workers add` adds some, \
             or set `workers` in [swarm]",
        );
    }
    if ctx.json {
        term::print_json(&forecast)?;
    } else {
        let look = look(ctx);
        term::print(&forecast.render(look.width, look.color))?;
    }
    Ok(Exit::Done)
}
