//! What agents say of themselves, and what is said to them, by way of their runs' folders: see `run/talk.rs`.

use super::{World, attempts};
use crate::run::{
    self,
    talk::{self, Heard, Word},
};
use skep_agents::{Answer, speak};
use skep_core::{
    ask::{Question, Reply},
    health::Rung,
    id::Attempt,
    request::Observation,
    state::State,
};

/// What an attempt's agent has said so far: its use, and its questions. Nothing for one that says nothing.
pub(super) fn look(world: &World, attempt: Attempt) -> Vec<Observation> {
    // One that cannot be read is read at the next beat.
    match talk::heard(&attempts::folder(world, attempt)) {
        Ok(Some(heard)) => observations(attempt, &heard),
        Ok(None) | Err(_) => Vec::new(),
    }
}

fn observations(attempt: Attempt, heard: &Heard) -> Vec<Observation> {
    let read = Observation::Read {
        seen: vec![(attempt, heard.reading())],
    };
    let open = heard.asks.iter().map(|ask| Question {
        number: ask.number,
        tool: ask.tool.clone(),
        text: ask.text.clone(),
        options: ask.options.clone(),
    });
    // Refused where nothing of it is new.
    let asks = Observation::Asks {
        attempt,
        last: heard.asked,
        open: open.collect(),
    };
    vec![read, asks]
}

/// The answer that is on its way to a question.
pub(super) fn reply(state: &State, attempt: Attempt, number: u32) -> Option<Reply> {
    let live = state.attempt(attempt)?;
    let ask = live.asks.iter().find(|ask| ask.question.number == number)?;
    ask.reply.clone()
}

/// Leaves an answer for an attempt's shim. That it has reached the agent is seen in what is heard then.
pub(super) fn answer(
    world: &World,
    attempt: Attempt,
    number: u32,
    reply: Reply,
) -> Vec<Observation> {
    let answer = match reply {
        Reply::Allow => Answer::Allow,
        Reply::Deny(why) => Answer::Deny(why),
        Reply::Text(text) => Answer::Text(text),
    };
    let ask = number;
    // What could not be written is still wanted, and tried again.
    let _ = talk::say(
        &attempts::folder(world, attempt),
        &Word::Answer { ask, answer },
    );
    look(world, attempt)
}

/// Tells an agent of a rung of the ladder, if it takes words while it works.
pub(super) fn tell(world: &World, attempt: Attempt, rung: Rung) -> Vec<Observation> {
    let folder = attempts::folder(world, attempt);
    let spec = run::read_spec(&folder).ok();
    let spoken = spec.and_then(|spec| spec.steps.into_iter().find_map(|step| step.talk));
    let words = spoken.and_then(|talk| speak(talk.adapter.as_deref()?, rung));
    let delivered = words.is_some_and(|words| {
        let nudge = Word::Nudge {
            name: rung.word().into(),
            text: words.0,
        };
        talk::say(&folder, &nudge).is_ok()
    });
    vec![Observation::Told {
        attempt,
        rung,
        delivered,
    }]
}
