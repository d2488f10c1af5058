//! What an agent printed, as lines that people read: its words, its tool calls, what came of them, what it used.
//!
//! A narrator looks at one line after another and needs nothing that came before, except for words that come in
//! pieces. So a reader may begin anywhere in a log. It decides nothing, and whoever can print lines of the protocol
//! can print this story, too: what counts is what the [`Dialogue`](crate::Dialogue) sees.

use crate::{
    acp,
    adapter::Adapter,
    claude, codex,
    command::{self, Format, Rules},
    json::Json,
    pi,
    protocol::usd,
    seen::Tokens,
    text::{excerpt, plain},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use serde::{Deserialize, Serialize};
use skep_core::money::Usd;

/// The most characters of one line.
const WIDTH: usize = 2_000;
/// The most lines of one message.
const LINES: usize = 400;
/// The most bytes of words that are kept until their end comes.
const WORDS: usize = 64 * 1024;
/// How much is shown of a tool's argument and of what it gave.
const SHORT: usize = 160;

/// One line for people. Its text is a single line without anything that drives a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// What it is.
    pub kind: Kind,
    /// The line.
    pub text: String,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The agent says it.
    Said,
    /// It thinks it.
    Thought,
    /// It calls a tool: its name, and the argument in short.
    Tool,
    /// What the tool gave, in short.
    Result,
    /// Tokens and money.
    Usage,
    /// Something failed.
    Error,
    /// Anything else of interest: a session, a question, another try.
    Note,
    /// No line of the protocol: what a set-up, a check or a plain command printed, or standard error.
    Plain,
}

/// Reads the lines of one agent's log.
#[derive(Debug)]
pub struct Narrator {
    of: Of,
    tale: Tale,
}

#[derive(Debug)]
enum Of {
    Plain,
    Claude,
    Codex,
    CodexServer,
    Acp,
    Pi,
    Rules(Rules),
}

impl Adapter {
    /// Who tells what this agent printed.
    #[must_use]
    pub fn narrator(&self) -> Narrator {
        let of = match self {
            Adapter::Claude => Of::Claude,
            Adapter::Codex => Of::Codex,
            Adapter::CodexServer => Of::CodexServer,
            Adapter::Acp(_) => Of::Acp,
            Adapter::Pi => Of::Pi,
            Adapter::Command(rules) if rules.lines == Format::Json => Of::Rules(rules.clone()),
            // Text is meant for people already.
            Adapter::Command(_) => Of::Plain,
        };
        Narrator {
            of,
            tale: Tale::default(),
        }
    }
}

impl Adapter {
    /// Whether what it prints is text for people as it is.
    #[must_use]
    pub fn prints_text(&self) -> bool {
        matches!(self, Adapter::Command(rules) if rules.lines == Format::Text)
    }
}

impl Narrator {
    /// Who tells what a program printed of which nothing is known.
    #[must_use]
    pub fn plain() -> Narrator {
        Narrator {
            of: Of::Plain,
            tale: Tale::default(),
        }
    }

    /// Reads a line, without its end.
    pub fn line(&mut self, line: &[u8]) -> Vec<Telling> {
        let line = String::from_utf8_lossy(line);
        let json = match self.of {
            Of::Plain => None,
            _ => Json::object(&line),
        };
        let Some(json) = json else {
            self.tale.lines(Kind::Plain, &line);
            return self.tale.take();
        };
        let tale = &mut self.tale;
        let known = match &self.of {
            Of::Plain => false,
            Of::Claude => claude::narrate(&json, tale),
            Of::Codex => codex::narrate(&json, tale),
            Of::CodexServer => codex::narrate_server(&json, tale),
            Of::Acp => acp::narrate(&json, tale),
            Of::Pi => pi::narrate(&json, tale),
            Of::Rules(rules) => command::narrate(rules, &json, tale),
        };
        if !known {
            tale.lines(Kind::Plain, &line);
        }
        tale.take()
    }

    /// Whether words are kept whose end has not come yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.tale.words.is_empty()
    }

    /// Nothing more comes, or nobody waits for it.
    pub fn end(&mut self) -> Vec<Telling> {
        self.tale.flush();
        self.tale.used();
        self.tale.take()
    }
}

/// What is told so far.
#[derive(Debug, Default)]
pub(crate) struct Tale {
    told: Vec<Telling>,
    words: String,
    thinks: bool,
    /// What was used, told at the end of a turn: vendors repeat it all the time.
    tokens: Tokens,
    cost: Option<Usd>,
}

impl Tale {
    fn take(&mut self) -> Vec<Telling> {
        core::mem::take(&mut self.told)
    }

    fn push(&mut self, kind: Kind, text: String) {
        self.flush();
        self.told.push(Telling { kind, text });
    }

    fn lines(&mut self, kind: Kind, text: &str) {
        self.flush();
        let text = plain(text);
        let mut lines = text.lines();
        for line in lines.by_ref().take(LINES) {
            let cut = line.char_indices().nth(WIDTH).map(|(at, _)| at);
            let text = match cut {
                Some(at) => format!("{}…", &line[..at]),
                None => line.into(),
            };
            self.told.push(Telling { kind, text });
        }
        let left = lines.count();
        if left > 0 {
            let text = format!("… {left} more lines");
            self.told.push(Telling { kind, text });
        }
    }

    /// A whole message.
    pub(crate) fn said(&mut self, text: &str) {
        self.lines(Kind::Said, text.trim_end());
    }

    /// A whole thought.
    pub(crate) fn thought(&mut self, text: &str) {
        self.lines(Kind::Thought, text.trim_end());
    }

    /// A piece of a message or, if it `thinks`, of a thought. Pieces are told together.
    pub(crate) fn words(&mut self, thinks: bool, text: &str) {
        if self.thinks != thinks || self.words.len() > WORDS {
            self.flush();
        }
        self.thinks = thinks;
        self.words.push_str(text);
    }

    fn flush(&mut self) {
        let words = core::mem::take(&mut self.words);
        if !words.trim().is_empty() {
            let kind = if self.thinks {
                Kind::Thought
            } else {
                Kind::Said
            };
            self.lines(kind, words.trim_end());
        }
    }

    /// A tool is called.
    pub(crate) fn tool(&mut self, name: &str, argument: &str) {
        let (name, argument) = (excerpt(name, SHORT), excerpt(argument, SHORT));
        self.push(
            Kind::Tool,
            match (name.as_str(), argument.as_str()) {
                (name, "") => name.into(),
                (name, argument) => format!("{name}: {argument}"),
            },
        );
    }

    /// What a tool gave.
    pub(crate) fn result(&mut self, ok: bool, text: &str) {
        let text = text.trim();
        let more = text.lines().filter(|line| !line.trim().is_empty()).count();
        let first = excerpt(text.lines().next().unwrap_or_default(), SHORT);
        let more = match more.saturating_sub(1) {
            0 => String::new(),
            1 => " (and 1 more line)".into(),
            more => format!(" (and {more} more lines)"),
        };
        let failed = if ok { "" } else { "failed: " };
        let first = match first.as_str() {
            "" => "no output",
            first => first,
        };
        self.push(Kind::Result, format!("{failed}{first}{more}"));
    }

    /// What was used until now, or by the turn; the last that is said of either counts.
    pub(crate) fn usage(&mut self, tokens: Tokens, cost: &Json) {
        if tokens != Tokens::default() {
            self.tokens = tokens;
        }
        self.cost = usd(cost).or(self.cost);
    }

    fn used(&mut self) {
        let tokens = core::mem::take(&mut self.tokens);
        let cost = self.cost.take();
        // What failed before it began used nothing, and says so in many ways.
        if [tokens.read(), tokens.output, cost.map(|usd| usd.0)]
            .into_iter()
            .flatten()
            .all(|n| n == 0)
        {
            return;
        }
        let mut parts: Vec<String> = Vec::new();
        if let Some(read) = tokens.read() {
            let cached = tokens.cache_read.filter(|cached| *cached > 0);
            let cached = cached.map_or_else(String::new, |n| format!(" ({n} of them cached)"));
            parts.push(format!("{read} tokens in{cached}"));
        }
        parts.extend(tokens.output.map(|written| format!("{written} tokens out")));
        parts.extend(cost.map(|usd| usd.to_string()));
        if !parts.is_empty() {
            self.push(Kind::Usage, parts.join(", "));
        }
    }

    /// The turn is over: what was used is told.
    pub(crate) fn done(&mut self) {
        self.flush();
        self.used();
    }

    /// Something failed.
    pub(crate) fn error(&mut self, text: &str) {
        let text = excerpt(text, WIDTH);
        let text = if text.is_empty() {
            "it failed and does not say why".into()
        } else {
            text
        };
        self.push(Kind::Error, text);
    }

    /// Something else that is of interest.
    pub(crate) fn note(&mut self, text: &str) {
        self.push(Kind::Note, excerpt(text, WIDTH));
    }
}

/// A tool's arguments in short: what people look for first.
pub(crate) fn argument(arguments: &Json) -> String {
    /// Names that vendors use, the most telling first.
    const TELLING: [&str; 14] = [
        "command",
        "cmd",
        "file_path",
        "filePath",
        "path",
        "absolute_path",
        "pattern",
        "query",
        "url",
        "description",
        "prompt",
        "text",
        "question",
        "name",
    ];
    let words = |value: &Json| match value {
        Json::Text(text) => text.clone(),
        Json::List(items) => {
            let items: Vec<&str> = items.iter().filter_map(Json::text).collect();
            items.join(" ")
        }
        _ => String::new(),
    };
    if let Json::Text(text) = arguments {
        return text.clone();
    }
    let named = TELLING.iter().map(|name| words(arguments.at(name)));
    let any = arguments.fields().iter().map(|(_, value)| words(value));
    named
        .chain(any)
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// The texts in a list of content blocks, or a text.
pub(crate) fn texts(content: &Json) -> String {
    if let Json::Text(text) = content {
        return text.clone();
    }
    let one = |block: &Json| match block.at("type").str() {
        "text" => block.at("text").str().into(),
        // The Agent Client Protocol wraps them once more.
        "content" => block.path("content.text").str().into(),
        "diff" => format!("changes {}", block.at("path").str()),
        _ => String::new(),
    };
    let all: Vec<String> = content.list().iter().map(one).collect();
    all.join("\n")
}
