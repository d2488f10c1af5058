//! What is known of an attempt, in a sentence (L-4a).

use super::{Checkup, Leader, Pace, Reason, Track, due};
use crate::{
    ask::AskId,
    attempt::{Live, Phase},
    state::State,
    time::{Millis, Time},
};
use alloc::{
    format,
    string::{String, ToString},
};

/// After so long without anything new an attempt is called quiet.
const QUIET: Millis = Millis::mins(1);

/// The checkup of a live attempt as of now; none while nothing is measured, or its agent is not at work.
#[must_use]
pub fn checkup(state: &State, live: &Live, now: Time) -> Option<Checkup> {
    let swarm = state.swarm()?;
    let (track, task) = (state.facts().of(live.attempt)?, state.task(&live.task)?);
    if live.phase != Phase::Running {
        return None;
    }
    let mut setting = due::setting(live, task, &swarm.spec.policy);
    setting.usual = state.usual_pace(&Pace::key(&live.agent, &task.spec));
    Some(Checkup::of(track, &setting, now))
}

/// How an attempt does, as a sentence's end; none when nothing is measured of it.
#[must_use]
pub fn tell(state: &State, live: &Live, now: Time) -> Option<String> {
    if let Some(waits) = waits(state, live, now) {
        return Some(waits);
    }
    let track = state.facts().of(live.attempt)?;
    let mut text = signs(track, now);
    if let Some(found) = checkup(state, live, now) {
        let slow = found
            .reasons
            .iter()
            .find(|r| matches!(r, Reason::Slow { .. } | Reason::NoHeartbeat(_)));
        if let Some(reason) = slow {
            text.push_str("; ");
            text.push_str(&reason.to_string());
        }
        text.push_str(&format!("; health {}", found.score));
    }
    Some(text)
}

/// What it waits for, if it says so itself.
fn waits(state: &State, live: &Live, now: Time) -> Option<String> {
    if let Some(ask) = live.asks.iter().find(|ask| ask.waits()) {
        let id = AskId {
            attempt: live.attempt,
            number: ask.question.number,
        };
        let for_so_long = spent(now.since(ask.since));
        return Some(match (&ask.reply, &ask.question.tool) {
            (Some(_), _) => {
                format!("ask {id} is answered, and the answer on its way")
            }
            (None, Some(tool)) => format!(
                "waits for a person since {for_so_long}: may it use {tool}: {} (`skep answer {id} \
                 --allow` or --deny)",
                ask.question.text
            ),
            (None, None) => format!(
                "waits for a person since {for_so_long}: {} (`skep answer {id} TEXT`)",
                ask.question.text
            ),
        });
    }
    let until = state.facts().reading(live.attempt)?.waits_until?;
    (until > now).then(|| {
        format!(
            "waits for its provider, for {} more",
            spent(until.since(now))
        )
    })
}

fn signs(track: &Track, now: Time) -> String {
    let new = now.since(track.clocks.new);
    let (cpu, over) = track.cpu.unwrap_or_default();
    let works = cpu.0.saturating_mul(50) >= over.0 && cpu.0 > 0;
    let doing = if works {
        let names = track.sample.busiest.join(", ");
        let names = if names.is_empty() {
            names
        } else {
            format!(" ({names})")
        };
        format!(
            "its tree used {} of CPU in the last {}{names}",
            spent(cpu),
            spent(over)
        )
    } else {
        format!("its {} uses no CPU", processes(track.sample.processes))
    };
    let hindered = match track.sample.leader {
        Leader::Stopped => Some("its process was stopped by a signal"),
        Leader::Gone => Some("its process has ended and left others behind"),
        Leader::Lives if track.sample.waits_for_input => {
            Some("it reads from a terminal where nobody types")
        }
        Leader::Lives => None,
    };
    if new < QUIET && hindered.is_none() {
        return format!("last output or commit {} ago; {doing}", spent(new));
    }
    let quiet = format!("quiet for {}", spent(new));
    if let Some(what) = hindered {
        return format!("{quiet}: {what}");
    }
    let output = if track.clocks.repeat.is_some() {
        "its output repeats itself"
    } else if track.clocks.marker > track.clocks.new {
        "no output but health markers"
    } else {
        "no output"
    };
    let but = if works { ", but " } else { ", and " };
    format!("{quiet}: {output}{but}{doing}")
}

fn processes(count: u32) -> String {
    match count {
        1 => "process".into(),
        n => format!("tree of {n} processes"),
    }
}

/// In minutes from the second one on, else in seconds, else as it is.
fn spent(length: Millis) -> Millis {
    let unit = match length.0 {
        0..1_000 => 1,
        1_000..120_000 => 1_000,
        _ => 60_000,
    };
    Millis(length.0 - length.0 % unit)
}
