//! What budgets make due: meterings, words to people, attempts that are ended or granted more.

use super::{
    Amounts, Level, Measure, Scope, Shortfall, Standing, Told, nothing, price, shared, standings,
    starved, text, used, usual,
};
use crate::{
    attempt::{Live, Phase, StopWhy},
    event::Event,
    spec::{OnCap, Priority},
    state::State,
    time::Time,
};
use alloc::{collections::BTreeMap, format, vec::Vec};

/// The next event that is due, if any.
pub(crate) fn next(state: &State, now: Time) -> Option<Event> {
    state.swarm()?;
    if let Some(event) = state.live().find_map(|live| metered(state, live, now)) {
        return Some(event);
    }
    let shared = shared(state, now);
    told(state, &shared, now)
        .or_else(|| cut_back(state, &shared, now))
        .or_else(|| ladder(state, &shared))
        .or_else(|| state.live().find_map(|live| granted(state, live, now)))
        .or_else(|| halted(state))
}

/// When something of it is due next.
pub(crate) fn wake_at(state: &State, now: Time) -> Option<Time> {
    let budget = &state.swarm()?.spec.policy.budget;
    let shared = shared(state, now);
    let mut moments: Vec<Time> = Vec::new();
    for live in state.live() {
        let pending = state.facts().reading(live.attempt).is_some_and(|reading| {
            let price = price(state, live.model.as_deref());
            live.account.charge.with(&reading.usage, price) != live.account.charge
        });
        if pending {
            moments.push(live.account.metered + budget.interval);
        }
        if spends(live) {
            // Only a cap on minutes makes it matter; then it is looked at anew.
            moments.push(live.age_from + live.account.reserved.time);
        }
    }
    let live = state.live().len() as u64;
    moments.extend(shared.iter().filter_map(|s| s.next_rung(live, now)));
    // Words are good for one window, and what waits for the next begins with it.
    let said = |s: &&Standing| state.ledger().told(s.scope).is_some();
    let waits = live > 0 && state.ready().next().is_some();
    let ends = shared.iter().filter(|s| waits || said(s));
    moments.extend(ends.filter_map(|s| Some(s.window?.to)));
    moments.extend(starved(state, now).and_then(|short| short.until));
    moments.into_iter().filter(|at| *at > now).min()
}

/// Whether it can still be charged, and nobody has told it to stop.
fn spends(live: &Live) -> bool {
    live.phase < Phase::Verifying && live.stopping.is_none()
}

/// What its agent has said since the last metering: at the interval, and at once if it passes what was set aside.
fn metered(state: &State, live: &Live, now: Time) -> Option<Event> {
    let reading = state.facts().reading(live.attempt)?;
    let charge = live
        .account
        .charge
        .with(&reading.usage, price(state, live.model.as_deref()));
    if charge == live.account.charge {
        return None;
    }
    let interval = state.swarm()?.spec.policy.budget.interval;
    let more = charge.amounts().less(live.account.reserved);
    let passes = || {
        let task = state.task(&live.task)?;
        let all = standings(state, task, live.worker, now);
        let passes = |m: &Measure| m.of(&more) > 0 && all.iter().any(|s| m.cap(&s.cap).is_some());
        Some(Measure::ALL.iter().any(passes))
    };
    let over = live.account.metered + interval <= now || live.give_up <= now;
    let passed = !more.is_nothing() && charge.amounts() != live.account.charge.amounts();
    (over || passed && passes() == Some(true)).then(|| Event::Metered {
        attempt: live.attempt,
        task: live.task.clone(),
        charge,
        reserved: live.account.reserved,
    })
}

/// A cap's level has risen in this window; or what people were told is true no more, since the window is over or
/// the cap is another.
fn told(state: &State, shared: &[Standing], now: Time) -> Option<Event> {
    let starved = if shared.is_empty() {
        None
    } else {
        starved(state, now)
    };
    let mut open: BTreeMap<Scope, ()> = BTreeMap::new();
    for standing in shared {
        open.insert(standing.scope, ());
        // What no window could hold is not the window's to tell.
        let helps = |short: &Shortfall| short.until.is_some() || standing.window.is_none();
        let empty = starved
            .filter(helps)
            .is_some_and(|short| short.scope == standing.scope);
        let level = if empty { Level::Full } else { standing.level() };
        let fresh = Told {
            level,
            from: standing.window.map(|window| window.from),
            cap: standing.cap,
        };
        let news = match state.ledger().told(standing.scope) {
            None => level > Level::Fine,
            Some(was) if (was.from, was.cap) == (fresh.from, fresh.cap) => level > was.level,
            Some(_) => true,
        };
        if news {
            return Some(Event::BudgetLevel {
                scope: standing.scope,
                told: fresh,
                text: text(standing, level),
            });
        }
    }
    let past = state
        .ledger()
        .all_told()
        .find(|(scope, _)| !open.contains_key(scope))?;
    Some(Event::BudgetLevel {
        scope: past.0,
        told: Told {
            level: Level::Fine,
            ..*past.1
        },
        text: format!("the budget of {} no longer holds anything", past.0),
    })
}

/// More is set aside than a cap leaves: another attempt spent beyond its reservation, a window or a cap is another.
/// What is not spent is taken back, from the least urgent and newest first; who then passes it is ended.
fn cut_back(state: &State, shared: &[Standing], now: Time) -> Option<Event> {
    let (measure, over) = shared.iter().find_map(Standing::overdrawn)?;
    let rest = |live: &Live| measure.of(&live.account.reserved.less(used(live, now)));
    let last = |live: &&Live| {
        let task = state.task(&live.task);
        (task.map(|t| t.priority), live.attempt)
    };
    let live = state
        .live()
        .filter(|live| rest(live) > 0)
        .max_by_key(last)?;
    let mut reserved = live.account.reserved;
    let amount = measure.of_mut(&mut reserved);
    *amount -= over.min(rest(live));
    Some(Event::Metered {
        attempt: live.attempt,
        task: live.task.clone(),
        charge: live.account.charge,
        reserved,
    })
}

/// Ends attempts that the fullest cap spares no more; at 100 %, at once.
fn ladder(state: &State, shared: &[Standing]) -> Option<Event> {
    let level = shared.iter().map(Standing::level).max()?;
    if level < Level::Critical {
        return None;
    }
    let at_once = level == Level::Full;
    let ends = |live: &&Live| {
        let spared = state
            .task(&live.task)
            .is_none_or(|t| level.spares(t.priority));
        let asked = live
            .stopping
            .is_some_and(|stop| stop.why != StopWhy::OverBudget || stop.at_once || !at_once);
        live.phase < Phase::Verifying && !spared && !asked
    };
    let live = state.live().find(ends)?;
    Some(Event::StopAsked {
        attempt: live.attempt,
        why: StopWhy::OverBudget,
        at_once,
    })
}

/// An attempt that has passed what was set aside for it, or would with its next metering, gets more, or is ended.
fn granted(state: &State, live: &Live, now: Time) -> Option<Event> {
    if !spends(live) {
        return None;
    }
    let task = state.task(&live.task)?;
    let standings = standings(state, task, live.worker, now);
    let (account, used) = (&live.account, used(live, now));
    let wanted = used.plus(account.growth);
    let capped = |m: &Measure| standings.iter().any(|s| m.cap(&s.cap).is_some());
    let passed = |m: &Measure| match m {
        Measure::Minutes => used.time >= account.reserved.time,
        _ => m.of(&wanted) > m.of(&account.reserved),
    };
    let short: Vec<Measure> = Measure::ALL
        .into_iter()
        .filter(|m| capped(m) && passed(m))
        .collect();
    if short.is_empty() {
        return None;
    }
    let spent = standings.iter().any(|s| s.level() == Level::Full);
    let step = usual::step(state, account.reserved, account.growth);
    let least = Amounts {
        time: state.swarm()?.spec.policy.budget.interval,
        ..nothing()
    };
    let mut rest = nothing();
    for more in [step, least] {
        let mut reserved = account.reserved;
        for measure in &short {
            *measure.of_mut(&mut reserved) = measure.of(&wanted).saturating_add(measure.of(&more));
        }
        // What it has used beyond what was set aside is booked already.
        rest = reserved.less(used).less(account.reserved.less(used));
        if !spent && standings.iter().all(|s| s.allows(rest)) {
            return Some(Event::Metered {
                attempt: live.attempt,
                task: live.task.clone(),
                charge: account.charge,
                reserved,
            });
        }
    }
    if let Some(given) = yielded(state, task.priority, &standings, rest, now).filter(|_| !spent) {
        return Some(given);
    }
    Some(Event::StopAsked {
        attempt: live.attempt,
        why: StopWhy::OverBudget,
        // One that would only pass it with its next metering has the grace for an end of its own.
        at_once: spent || !used.less(account.reserved).is_nothing(),
    })
}

/// What less urgent attempts have not spent is for the more urgent one that needs so much more: the least urgent and
/// newest gives first, and is then itself the one that gets no more. Nothing is taken that would not be enough.
fn yielded(
    state: &State,
    priority: Priority,
    standings: &[Standing],
    more: Amounts,
    now: Time,
) -> Option<Event> {
    let short = || standings.iter().filter(|s| !s.allows(more));
    // A task's, a worker's or a role's cap is nobody else's to give from.
    if !short().all(|s| Scope::SHARED.contains(&s.scope)) {
        return None;
    }
    let standing = short().next()?;
    let lacking = more.less(standing.left());
    let measure = Measure::ALL
        .into_iter()
        .find(|m| m.cap(&standing.cap).is_some() && m.of(&lacking) > 0)?;
    let rest = |live: &Live| measure.of(&live.account.reserved.less(used(live, now)));
    let urgency = |live: &Live| state.task(&live.task).map(|t| t.priority);
    let givers = || {
        let gives = |live: &&Live| spends(live) && rest(live) > 0;
        let less_urgent = move |live: &&Live| urgency(live) > Some(priority);
        state.live().filter(gives).filter(less_urgent)
    };
    let all = givers().fold(0u64, |sum, live| sum.saturating_add(rest(live)));
    if all < measure.of(&lacking) {
        return None;
    }
    let giver = givers().max_by_key(|live| (urgency(live), live.attempt))?;
    let mut reserved = giver.account.reserved;
    let amount = measure.of_mut(&mut reserved);
    *amount -= measure.of(&lacking).min(rest(giver));
    Some(Event::Metered {
        attempt: giver.attempt,
        task: giver.task.clone(),
        charge: giver.account.charge,
        reserved,
    })
}

/// `on_cap = "stop"`: a person must resume.
fn halted(state: &State) -> Option<Event> {
    let stops = state.swarm()?.spec.policy.budget.on_cap == OnCap::Stop;
    if !stops || state.halted().is_some() || state.finished().is_some() || !state.ledger().is_full()
    {
        return None;
    }
    Some(Event::SwarmHalted {
        reason: "out of budget; raise the cap with `skep config set budget.…`, then `skep resume`"
            .into(),
        probe_at: None,
    })
}
