//! How a step's agent is spoken with, and what came of it: the files between a keeper and the shim that holds the
//! agent's pipes. Both sides may die and be followed by another, so nothing is said in any other way.

use serde::{Deserialize, Serialize};
use skep_agents::{
    Adapter, Answer, Before, ByUs, Dialogue, Patience, Permission, Place, Settings, Summary,
    command::Rules, redact::Secrets,
};
use skep_core::{
    attempt::{Reading, Usage},
    plan::Order,
    time::{Millis, Time},
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// What the shim heard so far.
const HEARD: &str = "heard.json";
/// Where a keeper puts what is to be said: one file a word, never changed once it is there.
pub(crate) const WORDS: &str = "words";
/// A word is an answer of a person's; a longer one is not read.
pub(crate) const WORD_MAX: u64 = 64 * 1024;

/// How a step's agent is spoken with: enough to make its [`Dialogue`] anew. No secret is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Talk {
    /// The adapter's name; none if the agent's output is read by `rules`.
    pub adapter: Option<String>,
    /// Rules for its output, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// What it is to do.
    pub order: Box<Order>,
    /// Its worktree.
    pub worktree: String,
    /// The folder that is its home.
    pub home: String,
    /// What it may do without asking.
    pub permission: Permission,
    /// The session that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// Standard input is held open for the dialogue.
    pub dialogue: bool,
    /// It is interrupted by SIGINT.
    pub interrupt_by_signal: bool,
    /// Its whole environment, beside what is handed on; none: that of the run.
    pub env: Option<BTreeMap<String, String>>,
    /// Which of the run's [passed](super::files::RunSpec::passed) variables it gets.
    pub pass: Vec<String>,
    /// How long it may get nowhere.
    pub patience: PatienceMs,
    /// How often what was heard is written down.
    pub metering_ms: u64,
    /// Its deadlines stand still while a person is asked, for so long in all.
    pub ask_total_ms: u64,
}

/// [`Patience`], for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatienceMs {
    /// Until the model's first sign of life.
    pub first: u64,
    /// Between two of them.
    pub reply: u64,
    /// While a tool runs.
    pub tool: u64,
    /// How often it may try again by itself.
    pub retries: u32,
}

impl From<PatienceMs> for Patience {
    fn from(ms: PatienceMs) -> Patience {
        Patience {
            first: Millis(ms.first),
            reply: Millis(ms.reply),
            tool: Millis(ms.tool),
            retries: ms.retries,
        }
    }
}

impl Talk {
    /// The dialogue, from its start.
    ///
    /// # Errors
    /// When there is no such adapter in this version of Skep, or the rules make no sense, in a sentence.
    pub fn begin(&self) -> Result<Dialogue, String> {
        let adapter = adapter(self)?;
        // Dialogues know no files.
        let place = Place {
            worktree: &self.worktree,
            repo: "",
            prompt_file: "",
            result_file: "",
            failure_file: "",
            port_base: 0,
        };
        let settings = Settings {
            home: &self.home,
            permission: self.permission,
            resume: self.resume.as_deref(),
            ..Settings::default()
        };
        Ok(adapter.dialogue(&self.order, &place, &settings))
    }
}

impl Talk {
    /// Whether what the agent prints is a protocol, and not text for people.
    #[must_use]
    pub(super) fn is_protocol(&self) -> bool {
        adapter(self).is_ok_and(|adapter| !adapter.prints_text())
    }
}

/// Who speaks with such an agent.
pub(crate) fn adapter(talk: &Talk) -> Result<Adapter, String> {
    match (&talk.adapter, &talk.rules) {
        (Some(name), _) => {
            Adapter::named(name).ok_or_else(|| format!("there is no adapter {name:?}"))
        }
        (None, Some(rules)) => {
            let rules = Rules::parse(rules).map_err(|e| e.to_string())?;
            Ok(Adapter::Command(rules))
        }
        (None, None) => Err("neither an adapter nor output rules are named".into()),
    }
}

/// What the shim heard of an agent: as `heard.json` while it runs, and in the report of its step at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// What was seen adds up to this.
    pub summary: Summary,
    /// What waits for a person, oldest first.
    pub asks: Vec<Asking>,
    /// How many questions were ever asked: their numbers go from 1.
    pub asked: u32,
    /// Whether the shim ended the agent, and why.
    pub by_us: Option<ByUs>,
    /// The limit that was hit is lifted then, milliseconds since the epoch.
    pub limited_until: Option<u64>,
    /// The agent waits for its provider until then.
    pub waits_until: Option<u64>,
    /// It went on with a session of which nobody knows what it had used before.
    pub resumed: bool,
}

/// A question that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// Its number in the attempt.
    pub number: u32,
    /// What the agent calls it.
    pub id: String,
    /// The tool that it would use, if it asks for a permission.
    pub tool: Option<String>,
    /// What it asks.
    pub text: String,
    /// What it offers.
    pub options: Vec<String>,
    /// Since when, milliseconds since the epoch.
    pub since: u64,
}

impl Heard {
    /// What is known of its use.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.summary.usage(if self.resumed {
            Before::Unknown
        } else {
            Before::Nothing
        })
    }

    /// What the core is told while it runs.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let summary = &self.summary;
        Reading {
            usage: self.usage(),
            context: summary.context,
            session: summary.session.clone(),
            tool_calls: summary.tool_calls,
            retries: summary.retries,
            waits_until: self.waits_until.map(Time),
        }
    }

    /// Takes the secrets out of every text.
    pub(crate) fn clean(&mut self, secrets: &Secrets) {
        self.summary.clean(secrets);
        if let Some(why) = &mut self.by_us {
            why.clean(secrets);
        }
        for ask in &mut self.asks {
            let texts = [&mut ask.id, &mut ask.text].into_iter();
            let texts = texts.chain(&mut ask.tool).chain(&mut ask.options);
            texts.for_each(|text| secrets.clean_mut(text));
        }
    }

    /// Writes it down: whole, or not at all. Not synced, for it is measured again; the report holds the last.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        put(folder, HEARD, &serde_json::to_vec(self)?)
    }
}

/// What was heard of the run in `folder`; none before anything was.
///
/// # Errors
/// When the file is there but cannot be read or understood.
pub fn heard(folder: &Path) -> io::Result<Option<Heard>> {
    match fs::read(folder.join(HEARD)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Something that a keeper has to say to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The answer to a question.
    Answer {
        /// Its number.
        ask: u32,
        /// What.
        answer: Answer,
    },
    /// To be told while it works.
    Nudge {
        /// Once for each of these.
        name: String,
        /// What.
        text: String,
    },
}

impl Word {
    fn file(&self) -> String {
        match self {
            Word::Answer { ask, .. } => format!("answer-{ask}.json"),
            Word::Nudge { name, .. } => format!("nudge-{name}.json"),
        }
    }
}

/// Leaves a word for the agent of the run in `folder`. The first answer to a question stands: said twice, by two
/// keepers even, it is heard once.
///
/// # Errors
/// When it cannot be written.
pub fn say(folder: &Path, word: &Word) -> io::Result<()> {
    let words = make_words(folder)?;
    let name = word.file();
    if words.join(&name).exists() {
        return Ok(());
    }
    // Made outside, so that it appears there whole.
    let next = folder.join(format!("{name}.{}.tmp", std::process::id()));
    write_whole(&next, &serde_json::to_vec(word)?, true)?;
    let linked = fs::hard_link(&next, words.join(&name));
    let _ = fs::remove_file(&next);
    match linked {
        Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => Err(fault),
        _ => File::open(&words)?.sync_all(),
    }
}

/// The folder for words, made if it is not there.
pub(crate) fn make_words(folder: &Path) -> io::Result<std::path::PathBuf> {
    let words = folder.join(WORDS);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&words)?;
    Ok(words)
}

/// Reads a word; none if it is no word.
pub(crate) fn read_word(path: &Path) -> Option<Word> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(WORD_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let next = folder.join(format!("{name}.tmp"));
    write_whole(&next, bytes, false)?;
    fs::rename(&next, folder.join(name))
}

fn write_whole(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    if sync { file.sync_all() } else { Ok(()) }
}
