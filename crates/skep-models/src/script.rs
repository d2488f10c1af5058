//! Scripts: what a scripted model does, as data. Build them in Rust, or read them from JSON.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one task's model does.
///
/// Faults count requests as they arrive; turns are found from the conversation itself, so an agent that tries again,
/// starts anew or resumes gets the turn that is due.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// What the first requests get instead of a turn, in the order of their arrival; `null` lets one pass.
    pub first: Vec<Option<Fault>>,
    /// What every request after those gets instead.
    pub then: Option<Fault>,
    /// The model's turns, counted since the prompt. The last one repeats.
    pub turns: Vec<Turn>,
    /// Answer requests that declare no tools with a turn, too: for agents that use none (aider). Otherwise these
    /// are titles and summaries, answered beside the script and not counted.
    pub toolless: bool,
    /// What each turn used, if it does not say so itself.
    pub usage: Usage,
}

/// One turn of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// What it says, before its calls.
    pub say: String,
    /// What it calls, all at once.
    pub call: Vec<Call>,
    /// Why it stops, unless for its calls.
    pub stop: Stop,
    /// What it used.
    pub usage: Option<Usage>,
    /// How long it thinks before the first byte of its reply, in milliseconds.
    pub think_ms: u64,
    /// How long it takes for each piece of a streamed reply, in milliseconds.
    pub pace_ms: u64,
}

/// A call of a tool, by what it is for: which tool that is, and how its parameters are named, differs by agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// Write a whole file.
    Write {
        /// Relative to the agent's working directory.
        path: String,
        /// All of it.
        content: String,
    },
    /// Replace a piece of a file, which must be there once.
    Edit {
        /// Relative to the agent's working directory.
        path: String,
        /// What is there.
        old: String,
        /// What takes its place.
        new: String,
    },
    /// Run a line of shell.
    Shell(String),
    /// Call this very tool. A name that ends with `*` is the first declared tool that begins so, and one that
    /// begins with `*` the first that ends so: for tools of MCP servers, which every agent names differently.
    Tool {
        /// Its name.
        name: String,
        /// Its arguments.
        args: serde_json::Value,
    },
    /// Call the shell with arguments that are no JSON, or (where a protocol can carry only JSON) with none at all.
    Malformed,
}

/// Why a turn ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It has said all.
    #[default]
    Done,
    /// It was cut off at its longest.
    Length,
    /// It declines.
    Refusal,
}

/// Tokens of one turn. Kinds do not overlap, except that `reasoning` is a part of `output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Read anew.
    pub input: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Read, and written to a cache.
    pub cache_write: u64,
    /// Written.
    pub output: u64,
    /// Of these, while reasoning.
    pub reasoning: u64,
}

impl Default for Usage {
    /// Numbers of which no two sums are the same, so that a test sees which of them were added.
    fn default() -> Usage {
        Usage {
            input: 1200,
            cache_read: 800,
            cache_write: 100,
            output: 40,
            reasoning: 7,
        }
    }
}

impl Usage {
    /// All that was read.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.input + self.cache_read + self.cache_write
    }
}

/// How a provider fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// 429; with the time of the reset in every way that the provider has for it, or without any.
    RateLimit {
        /// In how many seconds it is lifted.
        #[serde(default)]
        reset: Option<u64>,
    },
    /// 429: what was paid for is used up.
    Quota,
    /// 401.
    Auth,
    /// 500.
    Server,
    /// 529, or the provider's nearest.
    Overloaded,
    /// 400: the conversation is too long.
    Context,
    /// The request is taken, and nothing comes.
    Hang,
    /// The reply begins, and nothing more comes.
    HangWithin,
    /// The connection ends before a reply.
    Drop,
    /// The connection ends within the reply.
    CutWithin,
    /// Any other status.
    Status {
        /// Which.
        status: u16,
        /// With these headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// And this body.
        #[serde(default)]
        body: String,
    },
}

impl Script {
    /// Says something, and is done.
    #[must_use]
    pub fn say(text: &str) -> Script {
        Script::default().turn(Turn::say(text))
    }

    /// Writes a file, and is done.
    #[must_use]
    pub fn write(path: &str, content: &str) -> Script {
        Script::calls([Call::write(path, content)])
    }

    /// Runs a line of shell, and is done.
    #[must_use]
    pub fn shell(line: &str) -> Script {
        Script::calls([Call::Shell(line.into())])
    }

    /// Calls these tools, one in each turn, and is done.
    #[must_use]
    pub fn calls(calls: impl IntoIterator<Item = Call>) -> Script {
        let turns = calls.into_iter().map(|call| Turn {
            say: "I will do that.".into(),
            call: vec![call],
            ..Turn::default()
        });
        Script {
            turns: turns.chain([Turn::say("All done.")]).collect(),
            ..Script::default()
        }
    }

    /// Fails for ever.
    #[must_use]
    pub fn fails(fault: Fault) -> Script {
        Script {
            then: Some(fault),
            ..Script::say("This is never said.")
        }
    }

    /// One more turn.
    #[must_use]
    pub fn turn(mut self, turn: Turn) -> Script {
        self.turns.push(turn);
        self
    }

    /// One more of the first requests fails like this.
    #[must_use]
    pub fn first(mut self, fault: Fault) -> Script {
        self.first.push(Some(fault));
        self
    }

    /// One more of the first requests passes.
    #[must_use]
    pub fn passes(mut self) -> Script {
        self.first.push(None);
        self
    }

    /// All requests after the first ones fail like this.
    #[must_use]
    pub fn then(mut self, fault: Fault) -> Script {
        self.then = Some(fault);
        self
    }

    /// See [`Script::toolless`].
    #[must_use]
    pub fn without_tools(mut self) -> Script {
        self.toolless = true;
        self
    }

    /// What its `number`th request (from 0) gets instead of a turn.
    pub(crate) fn fault(&self, number: usize) -> Option<&Fault> {
        match self.first.get(number) {
            Some(fault) => fault.as_ref(),
            None => self.then.as_ref(),
        }
    }

    /// Its `number`th turn (from 0).
    pub(crate) fn due(&self, number: usize) -> Turn {
        let turn = self.turns.get(number).or(self.turns.last());
        turn.cloned().unwrap_or_else(|| Turn::say("All done."))
    }
}

impl Turn {
    /// Says something.
    #[must_use]
    pub fn say(text: &str) -> Turn {
        Turn {
            say: text.into(),
            ..Turn::default()
        }
    }

    /// Calls something, too.
    #[must_use]
    pub fn call(mut self, call: Call) -> Turn {
        self.call.push(call);
        self
    }
}

impl Call {
    /// Writes a file.
    #[must_use]
    pub fn write(path: &str, content: &str) -> Call {
        Call::Write {
            path: path.into(),
            content: content.into(),
        }
    }

    /// Edits a file.
    #[must_use]
    pub fn edit(path: &str, old: &str, new: &str) -> Call {
        Call::Edit {
            path: path.into(),
            old: old.into(),
            new: new.into(),
        }
    }
}
