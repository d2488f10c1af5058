//! Agents that ask a person by their attempt's token (U-8, L-4b), and people who answer soon, late, twice or never.
//!
//! Who asks, and who answers how, an attempt's number has it: a question more must not throw the dice anew. An agent
//! does what `skep ask` does: it looks for its answer now and then, asks again if its question got lost, takes the
//! answer, and says that it has it until that is heard.

use crate::{
    hosts::ShimStep,
    world::{Due, World},
};
use skep_core::{
    ask::{Ask, AskId, Given},
    attempt::{Live, Phase},
    id::Attempt,
    request::{Command, Observation},
    time::{Millis, Time},
    word::Word,
};

/// How often an agent looks for its answer.
const LOOKS: u64 = 30_000;
/// Who takes a question back does so after this.
const PATIENCE: u64 = 5 * 60_000;
const QUESTION: &str = "Which one?";

/// How a question fares with people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Nobody answers.
    Never,
    /// At once.
    Soon,
    /// At about the moment at which nobody is waited for any more.
    Late,
    /// Two people answer, differently.
    Twice,
    /// Its agent takes it back, and nobody has answered.
    Withdrawn,
}

impl Manner {
    fn of(attempt: Attempt) -> Manner {
        match attempt.0 / 23 % 5 {
            0 => Manner::Twice,
            1 => Manner::Never,
            2 => Manner::Late,
            3 => Manner::Withdrawn,
            _ => Manner::Soon,
        }
    }

    /// When people answer, after it was asked.
    fn answers(self, attempt: Attempt, limit: Millis) -> Vec<u64> {
        match self {
            Manner::Never | Manner::Withdrawn => Vec::new(),
            Manner::Soon => vec![20_000],
            // From a minute before to a minute after.
            Manner::Late => vec![(limit.0 + attempt.0 % 13 * 10_000).saturating_sub(60_000)],
            Manner::Twice => vec![40_000, 41_000],
        }
    }
}

/// A question that its agent waits for.
#[derive(Debug)]
pub(crate) struct Asking {
    since: u64,
    /// Its agent has the answer, or wants none any more.
    pub(crate) heard: bool,
    /// Its agent would have ended meanwhile.
    ends: bool,
}

impl World {
    /// Whether the agent of this attempt asks something.
    pub(crate) fn asks(attempt: Attempt) -> bool {
        matches!(attempt.0 % 23, 1 | 9 | 15 | 19 | 21)
    }

    pub(crate) fn agent_asks(&mut self, attempt: Attempt) {
        let Some(folder) = self.hosts.folders.get_mut(&attempt) else {
            return;
        };
        folder.asking = Some(Asking {
            since: self.now,
            heard: false,
            ends: false,
        });
        let limit = self.audit.state.policy().agents.ask_timeout;
        for after in Manner::of(attempt).answers(attempt, limit) {
            self.after(after, Due::Reply(attempt, after));
        }
        self.ask(attempt);
        self.after(LOOKS, Due::Shim(attempt, ShimStep::Looks));
    }

    fn ask(&mut self, attempt: Attempt) {
        let word = Word::Ask {
            text: QUESTION.into(),
            options: Vec::new(),
        };
        self.observe(Observation::Word { attempt, word });
    }

    /// A person answers.
    pub(crate) fn reply(&mut self, attempt: Attempt, after: u64) {
        if !self.options.people {
            return;
        }
        let live = self.audit.state.attempt(attempt);
        let Some(ask) = live.and_then(question) else {
            return;
        };
        if ask.reply.is_some() {
            self.coverage.hit("ask: answered again");
        }
        let number = ask.question.number;
        self.command(Command::Answer {
            ask: AskId { attempt, number },
            given: Given::Text(format!("the one after {after}")),
        });
    }

    /// An agent that waits looks for its answer.
    pub(crate) fn agent_looks(&mut self, attempt: Attempt) {
        let now = self.now;
        let live = self.audit.state.attempt(attempt);
        let stands = live.map(|live| self.stands(live));
        let seen = live.and_then(question);
        let seen = seen.map(|ask| (ask.question.number, ask.reply.is_some()));
        // Nobody would hear it: then it is told so.
        let alone = live.is_none_or(|l| l.stopping.is_some() || l.phase == Phase::Verifying);
        let Some(folder) = self.hosts.folders.get_mut(&attempt) else {
            return;
        };
        folder.stands = stands.unwrap_or(folder.stands);
        folder.stood = now;
        let Some(asking) = &mut folder.asking else {
            return;
        };
        let bored = Manner::of(attempt) == Manner::Withdrawn && now - asking.since >= PATIENCE;
        asking.heard |= seen.is_some_and(|(_, answered)| answered || bored);
        match seen {
            Some((number, _)) if asking.heard => {
                let word = Word::Close { number };
                self.observe(Observation::Word { attempt, word });
            }
            Some(_) => {}
            None if asking.heard || alone => return self.agent_goes_on(attempt),
            None => {
                self.coverage.hit("ask: asked again");
                self.ask(attempt);
            }
        }
        self.after(LOOKS, Due::Shim(attempt, ShimStep::Looks));
    }

    fn agent_goes_on(&mut self, attempt: Attempt) {
        let asking = self.hosts.folders.get_mut(&attempt);
        let asking = asking.and_then(|folder| folder.asking.take());
        if asking.is_some_and(|asking| asking.ends) {
            self.after(1, Due::Shim(attempt, ShimStep::AgentEnds));
        }
    }

    /// Whether an agent does not end yet because it waits. Its shim's clock stands still no longer than keepers say.
    pub(crate) fn waits_on(&mut self, attempt: Attempt) -> bool {
        let total = self.audit.policy().agents.ask_total.0;
        let Some(folder) = self.hosts.folders.get_mut(&attempt) else {
            return false;
        };
        let Some(asking) = &mut folder.asking else {
            return false;
        };
        let until = asking.since + total;
        if until <= self.now {
            return false;
        }
        if !asking.ends {
            asking.ends = true;
            self.after(until - self.now, Due::Shim(attempt, ShimStep::AgentEnds));
        }
        true
    }

    /// By how much a shim's ceiling is later, as keepers have left it in its folder.
    pub(crate) fn ceiling_moves(&self, attempt: Attempt) -> u64 {
        self.hosts.folders.get(&attempt).map_or(0, |f| f.stands)
    }

    fn stands(&self, live: &Live) -> u64 {
        let total = self.audit.policy().agents.ask_total;
        live.waited.moves_by(total).0
    }
}

/// What it asks, if that is open.
fn question(live: &Live) -> Option<&Ask> {
    let ours = |ask: &&Ask| ask.is_held() && ask.question.text == QUESTION;
    live.asks.iter().find(ours)
}

/// When a question is nobody's any more.
pub(crate) fn ends(ask: &Ask, limit: Millis) -> Time {
    ask.since + limit
}
