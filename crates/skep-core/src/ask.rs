//! Questions of agents that wait for a person (L-4b): how they are named, what can be answered, and until when.
//!
//! An ask is open from the moment its agent asked until that agent waits no more, and answered at most once; until
//! the answer has reached the agent both hold.
//!
//! Questions come on two ways. What is asked in an agent's own protocol its shim numbers and holds, and the host says
//! which of those are open. What is asked by the attempt's token (U-8) the state itself holds, under numbers of its
//! own: it is open until its agent has taken the answer, takes the question back, or is at work no more.

use crate::{
    attempt::{Live, Phase},
    event::Event,
    id::Attempt,
    limits,
    request::Refusal,
    state::State,
    time::{Millis, Time},
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Serialize};

/// The most asks that one attempt may have open: agents have one or a few.
pub const ASKS_MAX: usize = 32;

/// The first number of the questions that the state holds. A shim never counts so far.
pub const HELD: u32 = 1_000_001;

/// Names an ask: `7.2` is the second one of attempt 7, and `7.m2` the second one that the state holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AskId {
    /// The attempt.
    pub attempt: Attempt,
    /// Its number there, from 1 or from [`HELD`].
    pub number: u32,
}

impl AskId {
    /// Whether the state holds it, and not a shim.
    #[must_use]
    pub fn is_held(self) -> bool {
        self.number >= HELD
    }
}

impl fmt::Display for AskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (attempt, number) = (self.attempt, self.number);
        match number.checked_sub(HELD) {
            Some(before) => f.pad(&format!("{attempt}.m{}", u64::from(before) + 1)),
            None => f.pad(&format!("{attempt}.{number}")),
        }
    }
}

/// Not the name of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an ask: expected the attempt's number and the question's, such as 7.1")]
pub struct NoAskId;

impl FromStr for AskId {
    type Err = NoAskId;
    fn from_str(text: &str) -> Result<AskId, NoAskId> {
        let number = |text: &str| -> Result<u64, NoAskId> {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_| plain).ok_or(NoAskId)
        };
        let (attempt, of_it) = text.split_once('.').ok_or(NoAskId)?;
        let counted = match of_it.strip_prefix('m') {
            Some(held) => number(held)?
                .checked_sub(1)
                .and_then(|before| before.checked_add(HELD.into())),
            None => Some(number(of_it)?).filter(|n| *n < HELD.into()),
        };
        let counted = counted.and_then(|n| n.try_into().ok());
        Ok(AskId {
            attempt: Attempt(number(attempt)?),
            number: counted.ok_or(NoAskId)?,
        })
    }
}

/// A question as a host saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its number in the attempt, from 1 or from [`HELD`].
    pub number: u32,
    /// The tool that the agent would use, if it asks for a permission.
    pub tool: Option<String>,
    /// What it asks.
    pub text: String,
    /// What it offers; any text will do if it offers nothing.
    pub options: Vec<String>,
}

/// A question that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
    /// Since when.
    pub since: Time,
    /// The answer, if it is on its way to the agent.
    pub reply: Option<Reply>,
}

impl Ask {
    /// Whether the state holds it, and not a shim.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.question.number >= HELD
    }

    /// Whether its agent cannot go on for it. Whether an answer has reached an agent only its shim knows; one that
    /// the state holds lies ready from that moment on.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.reply.is_none() || !self.is_held()
    }
}

/// An answer, as the agent gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Yes, this once.
    Allow,
    /// No, and why.
    Deny(String),
    /// One of the options, or a text.
    Text(String),
}

/// An answer, as somebody gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// Yes, this once.
    Allow,
    /// No, and why, if they say so.
    Deny(Option<String>),
    /// A text.
    Text(String),
    /// One of the options, from 1.
    Option(u32),
}

/// For how long an attempt has waited for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// Since when it waits, if it does.
    pub since: Option<Time>,
    /// For how long it has waited before.
    pub before: Millis,
}

impl Waited {
    /// Whether nothing was ever asked, which is not stored.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Waited::default()
    }

    /// By how much the attempt's deadlines are later for it, if its clock stands still for `most` in all. While it
    /// waits this is all that there is: what is left of it is not used up yet.
    #[must_use]
    pub fn moves_by(&self, most: Millis) -> Millis {
        match self.since {
            Some(_) => most,
            None => self.before.min(most),
        }
    }

    /// For how long its clock has stood still so far, if it stands still for `most` in all.
    #[must_use]
    pub fn so_far(&self, now: Time, most: Millis) -> Millis {
        let open = self.since.map_or(0, |since| now.since(since).0);
        Millis(self.before.0.saturating_add(open)).min(most)
    }

    pub(crate) fn begin(&mut self, now: Time) {
        self.since.get_or_insert(now);
    }

    /// Nothing is asked any more; gives for how long it was.
    pub(crate) fn end(&mut self, now: Time) -> Millis {
        let waited = self
            .since
            .take()
            .map_or(Millis(0), |since| now.since(since));
        self.before = Millis(self.before.0.saturating_add(waited.0));
        waited
    }
}

/// All asks that are open, oldest attempt first.
pub fn all(state: &State) -> impl Iterator<Item = (AskId, &Ask)> {
    state.live().flat_map(|live| {
        live.asks.iter().map(|ask| {
            let number = ask.question.number;
            (
                AskId {
                    attempt: live.attempt,
                    number,
                },
                ask,
            )
        })
    })
}

/// Those that nobody has answered yet.
pub fn unanswered(state: &State) -> impl Iterator<Item = (AskId, &Ask)> {
    all(state).filter(|(_, ask)| ask.reply.is_none())
}

/// What a host saw of an attempt's asks: the highest number ever given, and those that are open.
pub(crate) fn seen(
    state: &State,
    attempt: Attempt,
    last: u32,
    open: &[Question],
) -> Result<Vec<Event>, Refusal> {
    let live = state.attempt(attempt).ok_or(Refusal::Fenced(attempt))?;
    // What came earlier and arrives later knows of no higher number: it opens and closes nothing anew.
    let closed = live.asks.iter().map(|ask| ask.question.number);
    let closed = closed.filter(|n| *n < HELD && *n <= last && open.iter().all(|q| q.number != *n));
    let closed = closed.map(|number| Event::AskClosed { attempt, number });
    let mut events: Vec<Event> = closed.collect();
    let shims = live.asks.iter().filter(|ask| !ask.is_held());
    let room = ASKS_MAX.saturating_sub(shims.count());
    let fresh = open
        .iter()
        .filter(|q| (live.asked.saturating_add(1)..HELD).contains(&q.number));
    let fresh = fresh.take(room);
    events.extend(fresh.map(|question| Event::Asked {
        attempt,
        question: question.clone().into(),
    }));
    if events.is_empty() {
        Err(Refusal::OutOfDate)
    } else {
        Ok(events)
    }
}

/// The question that the state holds for an attempt, if this is asked there already.
#[must_use]
pub fn held<'s>(live: &'s Live, text: &str, options: &[String]) -> Option<&'s Ask> {
    let same = |ask: &&Ask| ask.question.text == text && ask.question.options == options;
    live.asks.iter().filter(|ask| ask.is_held()).find(same)
}

/// An agent asks by its attempt's token. What waits already is not asked twice: who lost its answer asks again.
pub(crate) fn hold(live: &Live, text: &str, options: &[String]) -> Result<Vec<Event>, Refusal> {
    if held(live, text, options).is_some() {
        return Ok(Vec::new());
    }
    let attempt = live.attempt;
    if live.stopping.is_some() {
        return Err(Refusal::NothingToDo(
            "the attempt is being stopped, so nobody would hear the answer".into(),
        ));
    }
    if live.held >= limits::HELD_ASKS {
        return Err(Refusal::Limit(format!(
            "attempt {attempt} has asked {} questions, which is the most",
            limits::HELD_ASKS
        )));
    }
    if live.asks.iter().filter(|ask| ask.is_held()).count() >= ASKS_MAX {
        return Err(Refusal::Limit(format!(
            "{ASKS_MAX} questions of attempt {attempt} are open, which is the most"
        )));
    }
    Ok([Event::Asked {
        attempt,
        question: Box::new(Question {
            number: HELD + live.held,
            tool: None,
            text: text.into(),
            options: options.into(),
        }),
    }]
    .into())
}

/// An agent has taken the answer to a question that the state holds, or wants none any more. Said twice it is true once.
pub(crate) fn drop_held(live: &Live, number: u32) -> Vec<Event> {
    let mut open = live.asks.iter().filter(|ask| ask.is_held());
    let is_open = open.any(|ask| ask.question.number == number);
    let attempt = live.attempt;
    Vec::from_iter(is_open.then_some(Event::AskClosed { attempt, number }))
}

/// Somebody answers.
pub(crate) fn answer(state: &State, id: AskId, given: &Given) -> Result<Vec<Event>, Refusal> {
    let ask = all(state).find(|(other, _)| *other == id);
    let (_, ask) = ask.ok_or(Refusal::NoSuchAsk(id))?;
    if ask.reply.is_some() {
        return Err(Refusal::NothingToDo(format!(
            "ask {id} was answered already"
        )));
    }
    let reply = reply(&ask.question, given).map_err(|why| Refusal::BadAnswer { ask: id, why })?;
    Ok([Event::Answered {
        attempt: id.attempt,
        number: id.number,
        reply,
    }]
    .into())
}

fn reply(question: &Question, given: &Given) -> Result<Reply, String> {
    let deny = |why: &Option<String>| {
        Reply::Deny(why.clone().unwrap_or_else(|| "a person said no".into()))
    };
    Ok(match (given, &question.tool) {
        (Given::Deny(why), _) => deny(why),
        (Given::Allow, Some(_)) => Reply::Allow,
        (Given::Allow, None) => {
            return Err(
                "it is a question, not a permission; expected a text or one of its options".into(),
            );
        }
        (_, Some(tool)) => {
            return Err(format!(
                "it asks whether {tool} may be used; expected to allow or deny that"
            ));
        }
        (Given::Text(text), None) if text.trim().is_empty() => {
            return Err("the answer is empty; expected a text".into());
        }
        (Given::Text(text), None) => Reply::Text(text.clone()),
        (Given::Option(n), None) => {
            let at = usize::try_from(*n).ok().and_then(|n| n.checked_sub(1));
            let option = at.and_then(|at| question.options.get(at));
            let most = question.options.len();
            let none = || match most {
                0 => "it offers no options; expected a text".to_string(),
                _ => format!("it has no option {n}; expected 1 to {most}"),
            };
            Reply::Text(option.ok_or_else(none)?.clone())
        }
    })
}

/// What becomes of asks by itself.
pub(crate) fn due(state: &State, now: Time) -> Option<Event> {
    nobody_hears(state).or_else(|| nobody_answered(state, now))
}

/// A question that the state holds, of an attempt whose agent is at work no more.
fn nobody_hears(state: &State) -> Option<Event> {
    let over = |live: &&Live| live.phase == Phase::Verifying || live.stopping.is_some();
    state.live().filter(over).find_map(|live| {
        let held = live.asks.iter().find(|ask| ask.is_held())?;
        Some(Event::AskClosed {
            attempt: live.attempt,
            number: held.question.number,
        })
    })
}

/// The answer that is given for a person who is not there.
fn nobody_answered(state: &State, now: Time) -> Option<Event> {
    let limit = state.swarm()?.spec.policy.agents.ask_timeout;
    let (id, ask) = unanswered(state).find(|(_, ask)| ask.since + limit <= now)?;
    let rest = match ask.question.tool {
        Some(_) => "so it is not allowed",
        None => "decide yourself",
    };
    Some(Event::Answered {
        attempt: id.attempt,
        number: id.number,
        reply: Reply::Deny(format!("nobody answered within {limit}; {rest}")),
    })
}

/// When that is due next.
pub(crate) fn wake_at(state: &State) -> Option<Time> {
    let limit = state.swarm()?.spec.policy.agents.ask_timeout;
    unanswered(state).map(|(_, ask)| ask.since + limit).min()
}
