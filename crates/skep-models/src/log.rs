//! What was asked of a server, for tests to look at and to wait for.

use crate::{request::Api, script::Fault};
use serde::Serialize;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The most requests that are kept; a server that is run by hand may be asked for ever. Those after it are counted.
const KEPT_MAX: usize = 100_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// When, since the server's start.
    pub at: Duration,
    /// The conversation: `NAME`, or `NAME#WHO`, as the prompt's mark or the key has it. Empty if none was named.
    pub conversation: String,
    /// The path.
    pub path: String,
    /// The protocol; none for requests that are for no turn.
    #[serde(skip)]
    pub api: Option<Api>,
    /// How many marks it holds, its own included: a session that is gone on with holds those of earlier prompts.
    pub marks: usize,
    /// The model.
    pub model: String,
    /// The tools that were declared.
    pub tools: BTreeSet<String>,
    /// It declared no tools, though its script's agents use them: a title, a summary. Such are not counted.
    pub beside: bool,
    /// What it got.
    pub got: Got,
}

/// What a request got.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Got {
    /// This turn of its script, from 0.
    Turn(usize),
    /// This fault.
    Fault(Fault),
    /// A few words beside the script: it declared no tools.
    Words,
    /// 404: there is no such script.
    NoScript,
    /// Something that is no turn: a list of models, a count of tokens.
    Other,
}

/// All requests.
#[derive(Debug)]
pub(crate) struct Log {
    begun: Instant,
    inner: Mutex<Inner>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    asked: Vec<Asked>,
    /// How many requests of each conversation were counted.
    counts: HashMap<String, usize>,
    all: usize,
}

impl Log {
    pub(crate) fn new() -> Log {
        Log {
            begun: Instant::now(),
            inner: Mutex::default(),
            more: Condvar::new(),
        }
    }

    /// Each update is whole, so one that panicked has left nothing half done.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The number of the next request of a conversation.
    pub(crate) fn count(&self, conversation: &str) -> usize {
        let mut inner = self.lock();
        let next = inner.counts.entry(conversation.into()).or_default();
        *next += 1;
        *next - 1
    }

    /// Keeps a request, and gives its number.
    pub(crate) fn add(&self, asked: Asked) -> usize {
        let mut inner = self.lock();
        inner.all += 1;
        if inner.asked.len() < KEPT_MAX {
            inner.asked.push(asked);
        }
        self.more.notify_all();
        inner.all
    }

    pub(crate) fn all(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    pub(crate) fn wait(&self, most: Duration, enough: impl Fn(&[Asked]) -> bool) -> bool {
        let inner = self.lock();
        let waited = self
            .more
            .wait_timeout_while(inner, most, |inner| !enough(&inner.asked));
        let (inner, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(inner);
        !waited.timed_out()
    }
}
