//! The decider with its state: requests in, records to append out.
//!
//! Many requests may be decided before one append (group commit), so the state runs ahead of the log by what
//! is staged. Nothing staged may be acknowledged or acted on before [`Engine::committed`]; if an append fails,
//! the engine is thrown away and folded anew from the log.

use crate::{
    decide::decide,
    due,
    event::{By, Event, Key, Record},
    plan::{Steps, plan},
    request::{Answer, Observation, Refusal, Request, What},
    state::State,
    time::Time,
};
use alloc::vec::Vec;
use core::mem;

/// The most events one request may lead to by policy before the rest waits for the next tick: an answer to a
/// policy that contradicts itself, which no test has found.
const CONSEQUENCES: usize = 1_000_000;

/// The decider with its state.
#[derive(Debug, Default)]
pub struct Engine {
    state: State,
    staged: Vec<Record>,
    at_rest: bool,
}

impl Engine {
    /// An engine for a state that was folded from the log.
    #[must_use]
    pub fn new(state: State) -> Engine {
        Engine {
            state,
            ..Engine::default()
        }
    }

    /// An engine that decides commands and lets no policy act: for steering a swarm that nobody performs for.
    /// A claim made now would only age until somebody does.
    #[must_use]
    pub fn at_rest(state: State) -> Engine {
        Engine {
            state,
            at_rest: true,
            ..Engine::default()
        }
    }

    /// The state, staged events included.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Decides a request and everything that follows from it.
    ///
    /// # Errors
    /// A refusal, which stages nothing (but what was due anyway).
    pub fn decide(&mut self, now: Time, request: &Request) -> Result<Answer, Refusal> {
        if let (Some(key), What::Command(command)) = (&request.key, &request.what)
            && let Some((seq, known)) = self.state.answered(key)
        {
            if known != command.fingerprint() {
                return Err(Refusal::KeyReused(key.clone()));
            }
            return Ok(Answer {
                seq,
                repeated: true,
                workers: Vec::new(),
            });
        }
        if let What::Observation(Observation::Vitals { seen }) = &request.what {
            self.state.measure(seen, now);
        }
        if let What::Observation(Observation::Read { seen }) = &request.what {
            self.state.read(seen, now);
        }
        if let What::Observation(Observation::Forecast { mark, cut, .. }) = &request.what {
            self.state.look(*mark, *cut, now);
        }
        if let What::Observation(Observation::Word { attempt, word }) = &request.what {
            self.state.hear(*attempt, word, now);
        }
        let decision = decide(&self.state, now, request);
        let mut answer = Answer::default();
        let refused = match decision {
            Ok(events) => {
                let mut key = key_of(request);
                for event in events {
                    if let Event::WorkerAdded { worker, .. } = &event {
                        answer.workers.push(*worker);
                    }
                    self.stage(now, &request.trace, request.by.clone(), key.take(), event);
                }
                None
            }
            Err(refusal) => Some(refusal),
        };
        self.follow_up(now, &request.trace);
        answer.seq = self.state.seq();
        refused.map_or(Ok(answer), Err)
    }

    /// The records that must be appended, after the log's sequence number given.
    #[must_use]
    pub fn staged(&self) -> (u64, &[Record]) {
        (self.state.seq() - self.staged.len() as u64, &self.staged)
    }

    /// The staged records are in the log; returns them for those who watch.
    pub fn committed(&mut self) -> Vec<Record> {
        mem::take(&mut self.staged)
    }

    /// What should be done now. Only to be acted on when nothing is staged.
    #[must_use]
    pub fn plan(&self, now: Time) -> Steps {
        debug_assert!(
            self.staged.is_empty(),
            "no action leaves before its events are in the log"
        );
        plan(&self.state, now)
    }

    fn follow_up(&mut self, now: Time, trace: &str) {
        for _ in 0..if self.at_rest { 0 } else { CONSEQUENCES } {
            let Some(event) = due::next(&self.state, now) else {
                return;
            };
            self.stage(now, trace, By::Policy, None, event);
        }
    }

    fn stage(&mut self, at: Time, trace: &str, by: By, key: Option<Key>, event: Event) {
        let record = Record {
            seq: self.state.seq() + 1,
            at,
            trace: trace.into(),
            by,
            key,
            event,
        };
        self.state.apply(&record);
        self.staged.push(record);
    }
}

fn key_of(request: &Request) -> Option<Key> {
    match (&request.key, &request.what) {
        (Some(name), What::Command(command)) => Some(Key {
            name: name.clone(),
            command: command.fingerprint(),
        }),
        _ => None,
    }
}
