//! Secrets in what agents print, replaced before anything is kept: values that are known, and shapes that speak for
//! themselves.
//!
//! A [`Redactor`] reads a stream in pieces. What is found is a function of the whole stream, however it is cut: bytes
//! are held back only while they may still turn out to be the beginning of a secret, a few hundred at most. As soon
//! as it is certain that one has begun, it is replaced, and the rest of it is dropped as it comes.
//!
//! A shape is a prefix that nothing else has, and enough behind it that looks random; where the prefix is short, it
//! must begin a word, too. So hashes, UUIDs, lock files and base64 pass as they are. What is not found: a secret that
//! is nowhere known and has no shape, or one that was encoded (base64, one letter a line).

mod deltas;
mod heard;
mod known;
mod shapes;

pub use deltas::Cleaner;
pub use known::Secrets;

use alloc::{string::String, vec::Vec};
use known::Known;
use shapes::{Look, Rest};

/// How much of what was let go is remembered: enough to tell whether a word begins.
const BEFORE: usize = 16;
/// Not more than this is taken for the rest of one secret.
const REST_MAX: usize = 64 * 1024;

/// What was found where.
#[derive(Clone, Copy, Debug)]
enum State {
    Text,
    /// In the rest of a secret, so many bytes in.
    Rest(Rest, usize),
}

/// Replaces secrets in one stream.
#[derive(Debug)]
pub struct Redactor<'s> {
    secrets: &'s Secrets,
    flow: Flow,
}

/// Where a stream is, without the secrets: for those who keep both.
#[derive(Debug)]
pub struct Flow {
    /// What was let go last, and what is held back.
    held: Vec<u8>,
    /// Where in it that begins which is held back.
    from: usize,
    /// So many bytes from there on were let go before it was known what they begin.
    gone: usize,
    state: State,
    found: u64,
}

impl Default for Flow {
    fn default() -> Self {
        Flow {
            held: Vec::new(),
            from: 0,
            gone: 0,
            state: State::Text,
            found: 0,
        }
    }
}

impl<'s> Redactor<'s> {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(secrets: &'s Secrets) -> Redactor<'s> {
        Redactor {
            secrets,
            flow: Flow::default(),
        }
    }

    /// Reads a piece, and appends to `out` what can be let go.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.flow.push(self.secrets, bytes, out);
    }

    /// The stream has ended: what is still held is let go.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.flow.end(self.secrets, out);
    }
}

impl Flow {
    /// Reads a piece, and appends to `out` what can be let go.
    pub fn push(&mut self, secrets: &Secrets, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(bytes);
        self.go(secrets, false, out);
        let keep = self.from.saturating_sub(BEFORE);
        self.held.drain(..keep);
        self.from -= keep;
    }

    /// The stream has ended: what is still held is let go. The next piece begins another stream.
    pub fn end(&mut self, secrets: &Secrets, out: &mut Vec<u8>) {
        self.go(secrets, true, out);
        let found = self.found;
        *self = Flow::default();
        self.found = found;
    }

    /// How many secrets were found so far.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Whether what is held back is more than the few letters that begin many words.
    fn holds_a_part(&self) -> bool {
        const FEW: usize = 6;
        let held = &self.held[self.from..];
        match held.strip_prefix(b"://") {
            // Most addresses have no password.
            Some(rest) => rest.contains(&b':'),
            None => held.len() >= FEW && held != b"Bearer " && held != b"bearer ",
        }
    }

    /// Lets go of what is held back if it is no more than the few letters that begin many words. Should a secret have
    /// begun with them, the rest of it is found nevertheless.
    fn let_few_go(&mut self, out: &mut Vec<u8>) {
        let new = self.from + self.gone;
        if matches!(self.state, State::Text) && new < self.held.len() && !self.holds_a_part() {
            out.extend_from_slice(&self.held[new..]);
            self.gone = self.held.len() - self.from;
        }
    }

    fn go(&mut self, secrets: &Secrets, last: bool, out: &mut Vec<u8>) {
        let held = core::mem::take(&mut self.held);
        let mut at = self.from;
        // What lies before has been let go. Up to `at` the rest is looked at, which may be less.
        let mut clean = at + self.gone;
        while at < held.len() {
            match self.state {
                State::Text => {
                    at += secrets.skip(&held[at..], last);
                    if at >= held.len() {
                        break;
                    }
                    match secrets.look(&held[..at], &held[at..], last) {
                        Look::No => at += 1,
                        Look::More => break,
                        Look::Secret { from, kind, rest } => {
                            out.extend_from_slice(held.get(clean..at + from).unwrap_or_default());
                            out.extend_from_slice(b"[redacted:");
                            out.extend_from_slice(kind.as_bytes());
                            out.push(b']');
                            self.found += 1;
                            at += from;
                            clean = at;
                            self.state = State::Rest(rest, 0);
                        }
                    }
                }
                State::Rest(rest, done) => {
                    let room = (held.len() - at).min(REST_MAX - done);
                    let bytes = &held[at..at + room];
                    // A value that is known can begin in it and go on behind it.
                    let known = match rest {
                        Rest::While(_) => secrets.known_at(&held[at..], last),
                        Rest::Left(_) | Rest::Then(..) | Rest::Key => Known::No,
                    };
                    let step = match known {
                        Known::Yes(length, _) => Some((length.min(room), rest)),
                        Known::Perhaps => None,
                        Known::No => rest.step(bytes, done, last || done + room == REST_MAX),
                    };
                    let Some((step, rest)) = step else { break };
                    at += step;
                    clean = at;
                    self.state = if step == 0 {
                        State::Text
                    } else {
                        State::Rest(rest, done + step)
                    };
                }
            }
        }
        out.extend_from_slice(held.get(clean..at).unwrap_or_default());
        self.held = held;
        self.from = at;
        self.gone = clean.saturating_sub(at);
    }
}

impl Secrets {
    /// The text without its secrets. One that was cut short (`…`) may end in the middle of a secret: what could be
    /// the beginning of one goes, too.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut flow = Flow::default();
        let mut out = Vec::with_capacity(text.len());
        if let Some(text) = text.strip_suffix('…') {
            flow.push(self, text.as_bytes(), &mut out);
            if flow.holds_a_part() {
                out.extend_from_slice(b"[redacted:cut]");
            } else {
                flow.end(self, &mut out);
            }
            out.extend_from_slice("…".as_bytes());
        } else {
            flow.push(self, text.as_bytes(), &mut out);
            flow.end(self, &mut out);
        }
        // Shapes are ASCII and known values are text, so what is between them is text.
        String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into())
    }

    /// Takes the secrets out of a text.
    pub fn clean_mut(&self, text: &mut String) {
        let clean = self.clean(text);
        if clean != *text {
            *text = clean;
        }
    }
}
