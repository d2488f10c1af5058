//! Words that come in pieces, one in each line of a protocol: no line holds the secret, and all of them do.
//!
//! Two ways, by what a protocol does once the pieces are over. Where it tells the whole message again (claude, codex's
//! server, pi), the pieces are not kept: nobody reads them in a log, and they are most of it. Where it does not (the
//! Agent Client Protocol), the texts of the pieces are one more stream with a [`Flow`] of its own: a line from which
//! nothing has to be taken stays as it is, byte for byte, and another one is told anew with what can be let go.
//!
//! Words may go on after a tool's call, so a flow ends with the turn only. So that the log keeps its order, the few
//! letters that begin many words are let go before another kind of line; the rest of what may begin a secret waits.

use super::{Flow, Secrets};
use crate::{adapter::Adapter, lines::LINE_MAX};
use alloc::{
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

/// What is kept allocated between lines.
const RESERVE: usize = 64 * 1024;

/// Makes what an agent prints fit to be kept: its protocol's pieces first, then every byte.
#[derive(Debug, Default)]
pub struct Cleaner {
    deltas: Option<Deltas>,
    whole: Vec<u8>,
    flow: Flow,
}

impl Adapter {
    /// What makes this agent's standard output fit to be kept.
    #[must_use]
    pub fn cleaner(&self) -> Cleaner {
        let of = match self {
            Adapter::Claude => Some(Of::Claude),
            Adapter::CodexServer => Some(Of::CodexServer),
            Adapter::Acp(_) => Some(Of::Acp),
            Adapter::Pi => Some(Of::Pi),
            // Whole items, and what nothing is known of.
            Adapter::Codex | Adapter::Command(_) => None,
        };
        Cleaner {
            deltas: of.map(Deltas::new),
            ..Cleaner::default()
        }
    }
}

impl Cleaner {
    /// Reads a piece, and appends to `out` what can be let go.
    pub fn push(&mut self, secrets: &Secrets, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(deltas) = &mut self.deltas else {
            self.flow.push(secrets, bytes, out);
            return;
        };
        deltas.push(secrets, bytes, &mut self.whole);
        self.let_go(secrets, out);
    }

    /// The output has ended: what is still held is let go. The next piece begins another output.
    pub fn end(&mut self, secrets: &Secrets, out: &mut Vec<u8>) {
        if let Some(deltas) = &mut self.deltas {
            deltas.end(secrets, &mut self.whole);
            self.let_go(secrets, out);
        }
        self.flow.end(secrets, out);
    }

    fn let_go(&mut self, secrets: &Secrets, out: &mut Vec<u8>) {
        self.flow.push(secrets, &self.whole, out);
        self.whole.clear();
        self.whole.shrink_to(RESERVE);
    }
}

/// Whose pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Claude,
    CodexServer,
    Acp,
    Pi,
}

/// Where in a line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// What it is, is not known before its end.
    Held,
    /// It stays as it is.
    Stays,
    /// It goes.
    Goes,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
}

#[derive(Debug)]
struct Deltas {
    of: Of,
    held: Vec<u8>,
    at: At,
    words: [Words; 3],
}

impl Deltas {
    fn new(of: Of) -> Deltas {
        Deltas {
            of,
            held: Vec::new(),
            at: At::Held,
            words: ["agent_message_chunk", "agent_thought_chunk", OTHERS].map(Words::of),
        }
    }

    fn push(&mut self, secrets: &Secrets, bytes: &[u8], out: &mut Vec<u8>) {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            self.part(part, out);
            if part.ends_with(b"\n") {
                self.line(secrets, out);
            }
        }
    }

    fn part(&mut self, part: &[u8], out: &mut Vec<u8>) {
        if self.at == At::Held {
            self.held.extend_from_slice(part);
            let first = self.held.iter().find(|b| !b.is_ascii_whitespace());
            if first.is_some_and(|b| *b != b'{') {
                // No message of any protocol.
                self.at = At::Stays;
            } else if self.held.len() > LINE_MAX {
                // Longer than the dialogue reads. What only looks like a piece is no loss.
                self.at = if self.may_be_a_piece(&self.held) {
                    At::Goes
                } else {
                    At::Stays
                };
            } else {
                return;
            }
            let held = core::mem::take(&mut self.held);
            self.pass(&held, out);
        } else {
            self.pass(part, out);
        }
    }

    fn pass(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.at == At::Stays {
            out.extend_from_slice(bytes);
        }
    }

    /// A line is over.
    fn line(&mut self, secrets: &Secrets, out: &mut Vec<u8>) {
        let line = core::mem::take(&mut self.held);
        let at = core::mem::replace(&mut self.at, At::Held);
        if at == At::Held && self.fate(secrets, &line, out) == Fate::Stays {
            out.extend_from_slice(&line);
        }
        self.held = line;
        self.held.clear();
        self.held.shrink_to(RESERVE);
    }

    fn end(&mut self, secrets: &Secrets, out: &mut Vec<u8>) {
        self.line(secrets, out);
        for words in &mut self.words {
            words.end(secrets, out);
        }
    }

    /// Most lines are none, and need not be read again to tell.
    fn may_be_a_piece(&self, line: &[u8]) -> bool {
        let marks: &[&[u8]] = match self.of {
            Of::Claude => &[b"content_block_delta"],
            Of::CodexServer => &[b"elta\""],
            Of::Acp => &[b"_chunk\"", b"in_progress"],
            Of::Pi => &[b"message_update", b"tool_execution_update"],
        };
        let has = |mark: &&[u8]| line.windows(mark.len()).any(|part| part == *mark);
        marks.iter().any(has)
    }

    fn fate(&mut self, secrets: &Secrets, line: &[u8], out: &mut Vec<u8>) -> Fate {
        if self.of != Of::Acp && !self.may_be_a_piece(line) {
            return Fate::Stays;
        }
        let line = String::from_utf8_lossy(line);
        let piece = match self.of {
            Of::Acp => return self.acp(secrets, &line, out),
            Of::Claude => read::<Typed<'_>>(&line).is_some_and(|line| {
                line.kind == "stream_event"
                    && line.event.is_some_and(|event| {
                        read::<Typed<'_>>(event.get())
                            .is_some_and(|event| event.kind == "content_block_delta")
                    })
            }),
            Of::CodexServer => read::<Called<'_>>(&line).is_some_and(|line| {
                line.method.ends_with("/delta") || line.method.ends_with("Delta")
            }),
            // They repeat all that was said so far, and so the beginning of what is only now known to be a secret.
            Of::Pi => read::<Typed<'_>>(&line).is_some_and(|line| {
                matches!(&*line.kind, "message_update" | "tool_execution_update")
            }),
        };
        if piece { Fate::Goes } else { Fate::Stays }
    }

    fn acp(&mut self, secrets: &Secrets, line: &str, out: &mut Vec<u8>) -> Fate {
        let Some(called) = read::<Called<'_>>(line) else {
            return Fate::Stays;
        };
        let update = called.params.filter(|_| called.method == "session/update");
        let params = update.and_then(|params| read::<Params<'_>>(params.get()));
        let Some(Params { session, update }) = params else {
            // A request comes between words; with an answer a turn ends.
            for words in &mut self.words {
                if called.method.is_empty() {
                    words.end(secrets, out);
                } else {
                    words.pause(out);
                }
            }
            return Fate::Stays;
        };
        let kind = &*update.kind;
        if kind.ends_with("_chunk") {
            let text = update.content.and_then(|it| read::<Text<'_>>(it.get()));
            let own = self.words.iter().position(|words| words.kind == kind);
            let own = own.unwrap_or(self.words.len() - 1);
            for (_, words) in self.words.iter_mut().enumerate().filter(|(n, _)| *n != own) {
                words.pause(out);
            }
            return match text {
                Some(text) => self.words[own].say(secrets, &session, kind, &text.text, out),
                None => Fate::Stays,
            };
        }
        let has = |part: Option<&RawValue>| part.is_some_and(|part| !is_empty(part.get()));
        match kind {
            // What a tool printed so far: all of it is told with its end.
            "tool_call_update"
                if update.status == "in_progress"
                    && (has(update.content) || has(update.output)) =>
            {
                return Fate::Goes;
            }
            "tool_call" | "tool_call_update" | "plan" => {
                for words in &mut self.words {
                    words.pause(out);
                }
            }
            // Numbers and settings come at any time, in the middle of words, too.
            _ => {}
        }
        Fate::Stays
    }
}

/// Kinds that a later version of the protocol may have share a flow.
const OTHERS: &str = "user_message_chunk";

/// The words of one kind.
#[derive(Debug)]
struct Words {
    kind: &'static str,
    flow: Flow,
    /// How the last line of them was called.
    session: String,
    called: String,
    clean: Vec<u8>,
}

impl Words {
    fn of(kind: &'static str) -> Words {
        Words {
            kind,
            flow: Flow::default(),
            session: String::new(),
            called: kind.to_string(),
            clean: Vec::new(),
        }
    }

    fn say(
        &mut self,
        secrets: &Secrets,
        session: &str,
        kind: &str,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Fate {
        for (mine, new) in [(&mut self.session, session), (&mut self.called, kind)] {
            if mine != new {
                *mine = new.to_string();
            }
        }
        self.flow.push(secrets, text.as_bytes(), &mut self.clean);
        if self.clean == text.as_bytes() {
            self.clean.clear();
            return Fate::Stays;
        }
        self.tell(out);
        Fate::Goes
    }

    fn pause(&mut self, out: &mut Vec<u8>) {
        self.flow.let_few_go(&mut self.clean);
        self.tell(out);
    }

    fn end(&mut self, secrets: &Secrets, out: &mut Vec<u8>) {
        self.flow.end(secrets, &mut self.clean);
        self.tell(out);
    }

    fn tell(&mut self, out: &mut Vec<u8>) {
        if self.clean.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.clean);
        let line = json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": self.session,
            "update": {"sessionUpdate": self.called, "content": {"type": "text", "text": text}}}});
        out.extend_from_slice(line.to_string().as_bytes());
        out.push(b'\n');
        self.clean.clear();
        self.clean.shrink_to(RESERVE);
    }
}

fn is_empty(json: &str) -> bool {
    matches!(json, "null" | "[]" | "{}" | "\"\"")
}

fn read<'l, T: Deserialize<'l>>(line: &'l str) -> Option<T> {
    serde_json::from_str(line).ok()
}

#[derive(Deserialize)]
struct Typed<'l> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'l, str>,
    #[serde(borrow)]
    event: Option<&'l RawValue>,
}

#[derive(Deserialize)]
struct Called<'l> {
    #[serde(borrow, default)]
    method: Cow<'l, str>,
    #[serde(borrow)]
    params: Option<&'l RawValue>,
}

#[derive(Deserialize)]
struct Params<'l> {
    #[serde(borrow, default, rename = "sessionId")]
    session: Cow<'l, str>,
    #[serde(borrow)]
    update: Update<'l>,
}

#[derive(Deserialize)]
struct Update<'l> {
    #[serde(borrow, default, rename = "sessionUpdate")]
    kind: Cow<'l, str>,
    #[serde(borrow, default)]
    status: Cow<'l, str>,
    #[serde(borrow)]
    content: Option<&'l RawValue>,
    #[serde(borrow, rename = "rawOutput")]
    output: Option<&'l RawValue>,
}

#[derive(Deserialize)]
struct Text<'l> {
    #[serde(borrow)]
    text: Cow<'l, str>,
}
