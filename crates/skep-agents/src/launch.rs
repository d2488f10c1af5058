//! From an order to a command: argv, environment, files of the agent's home, and standard input.
//!
//! Values from plans, models, agents and people are inserted into single words and never split, joined or
//! quoted: no shell sees them, unless the plan itself wrote a shell line. A value that could be read as an
//! option is joined to its option with `=`, or refused.

mod program;

pub(crate) use program::facts;
pub use program::launch;

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
pub use skep_core::spec::Permission;

/// Where an attempt runs. Paths are absolute.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// The worktree it works in.
    pub worktree: &'p str,
    /// The repository's main worktree.
    pub repo: &'p str,
    /// A file that holds the prompt.
    pub prompt_file: &'p str,
    /// The file where the agent may leave a result.
    pub result_file: &'p str,
    /// A file that holds the end of the output of the failure before.
    pub failure_file: &'p str,
    /// The first port of the worktree's own block.
    pub port_base: u16,
}

/// How an agent is to be run, beyond its order.
#[derive(Clone, Debug, Default)]
pub struct Settings<'s> {
    /// A folder of this agent alone, absolute. It becomes its `HOME`: what one agent writes there never
    /// changes another one, and the user's own configuration is neither read nor touched.
    pub home: &'s str,
    /// What it may do without asking.
    pub permission: Permission,
    /// The session to go on with. Only from the same worktree path: most agents find it by that.
    pub resume: Option<&'s str>,
    /// The MCP server by which the agent speaks for its attempt: program (absolute) and arguments, which is the
    /// `skep` program and `mcp`. It finds its token in the environment that a shim gives the agent. `None` for agents
    /// that are to do without it; those that cannot have one ignore it, and have the verbs of `$SKEP_BIN`.
    pub mcp: Option<Vec<String>>,
    /// Environment that the user configured; wins over the adapter's own.
    pub env: BTreeMap<String, String>,
    /// Arguments that the user configured, after the adapter's own.
    pub args: Vec<String>,
}

/// A command to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Set on top of the environment that every attempt gets.
    pub env: BTreeMap<String, String>,
    /// Variables to hand on from the user's environment, if they are set. With the empty list of an agent
    /// that is a plain command, the environment is the host's choice.
    pub pass: Vec<&'static str>,
    /// Variables that keep other tools where the user has them, though `HOME` is another: each name with its
    /// place below the user's home, to be set if the user has not set it and the place exists. Without them an
    /// agent's builds would find no toolchain and fetch everything again.
    pub tools: &'static [(&'static str, &'static str)],
    /// Files to write before it starts.
    pub files: Vec<HomeFile>,
    /// Files of the user that hold a login, to be linked (never copied: a login that is renewed in a copy is
    /// lost to the user) to this place, if they exist.
    pub logins: Vec<Login>,
    /// Standard input.
    pub stdin: Stdin,
}

/// A file to write, with mode 0600, before an agent starts. Writing it again is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeFile {
    /// Where; absolute, below the agent's home.
    pub path: String,
    /// All of it.
    pub content: String,
}

/// A login to lend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Below the user's home.
    pub from: &'static str,
    /// Where; absolute, below the agent's home.
    pub to: String,
}

/// Standard input of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Empty: opened on `/dev/null`. Some agents wait for the end of what is left open.
    #[default]
    Empty,
    /// This text, then its end.
    Text(String),
    /// Held open for a [`Dialogue`](crate::Dialogue), which says what to write and when to close it.
    Dialogue,
}

impl Stdin {
    /// The text, if it is one: for hosts that hold no dialogue.
    #[must_use]
    pub fn into_text(self) -> Option<String> {
        match self {
            Stdin::Text(text) => Some(text),
            Stdin::Empty | Stdin::Dialogue => None,
        }
    }
}

/// Why an order cannot become a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchFault {
    /// The shell agent has nothing to run.
    #[error("the shell agent needs a command; give the task `command`")]
    NoCommand,
    /// Neither built in nor configured.
    #[error("there is no agent {0:?}")]
    NoSuchAgent(String),
    /// The configured command has no words.
    #[error("the command of agent {0:?} is empty")]
    EmptyCommand(String),
    /// The agent has no way to keep to it.
    #[error(
        "agent {agent:?} cannot be held to `permission = \"{asked}\"`, only to \"{able}\"; allow that, or use another agent"
    )]
    CannotHold {
        /// Which agent.
        agent: &'static str,
        /// What was asked for.
        asked: &'static str,
        /// The least it can be held to.
        able: &'static str,
    },
    /// It came from an agent's output and could be read as something else.
    #[error(
        "{0:?} is not the id of a session: expected letters, digits, `-`, `_`, `.` and `:`, beginning with a letter or digit"
    )]
    NotASession(String),
    /// It would be read as an option.
    #[error("{0:?} is not the name of a model: it begins with `-`")]
    NotAModel(String),
}

impl Launch {
    /// The beginning of every adapter's command: facts, home, and what every agent is told.
    pub(crate) fn of(
        order: &skep_core::plan::Order,
        place: &Place<'_>,
        settings: &Settings<'_>,
        argv: Vec<String>,
        pass: &[&'static str],
    ) -> Launch {
        let mut env: BTreeMap<String, String> = facts(order, place)
            .into_iter()
            .map(|(name, value)| (name.to_string(), value))
            .collect();
        for (name, value) in [
            ("HOME", settings.home),
            // An escape sequence that is not printed need not be taken out.
            ("NO_COLOR", "1"),
            ("TERM", "dumb"),
            ("DO_NOT_TRACK", "1"),
            // A pager or an editor would wait for a person who is not there.
            ("GIT_EDITOR", "true"),
            ("GIT_PAGER", "cat"),
            ("PAGER", "cat"),
        ] {
            env.insert(name.into(), value.into());
        }
        Launch {
            argv,
            env,
            pass: PASS
                .iter()
                .chain(TOOLS.iter().map(|(name, _)| name))
                .chain(pass)
                .copied()
                .collect(),
            tools: TOOLS,
            ..Launch::default()
        }
    }

    /// What the user configured comes last.
    pub(crate) fn finish(mut self, settings: &Settings<'_>) -> Launch {
        self.argv.extend(settings.args.iter().cloned());
        self.env
            .extend(settings.env.iter().map(|(n, v)| (n.clone(), v.clone())));
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.insert(name.into(), value.into());
    }

    /// `--name=value`: one word, so that no value is ever read as an option.
    pub(crate) fn option(&mut self, name: &str, value: &str) {
        self.argv.push(format!("{name}={value}"));
    }

    pub(crate) fn words(&mut self, words: &[&str]) {
        self.argv.extend(words.iter().map(ToString::to_string));
    }

    pub(crate) fn file(&mut self, path: String, content: String) {
        self.files.push(HomeFile { path, content });
    }
}

/// What any agent may see of the user's environment: how to find programs, how to speak, how to reach the
/// net. No secret is among them; each adapter adds the names of its own.
const PASS: &[&str] = &[
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
];

/// Where toolchains and their caches are. Who the user is to git is among them: agents commit.
const TOOLS: &[(&str, &str)] = &[
    ("CARGO_HOME", ".cargo"),
    ("RUSTUP_HOME", ".rustup"),
    ("GOPATH", "go"),
    ("GRADLE_USER_HOME", ".gradle"),
    ("MAVEN_USER_HOME", ".m2"),
    ("NPM_CONFIG_CACHE", ".npm"),
    ("PIP_CACHE_DIR", ".cache/pip"),
    ("UV_CACHE_DIR", ".cache/uv"),
    ("GIT_CONFIG_GLOBAL", ".gitconfig"),
];

/// A session id from an agent's output, fit to be a word of a command.
pub(crate) fn session(id: &str) -> Result<&str, LaunchFault> {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let first = id.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if first && id.chars().all(fit) && id.len() <= crate::text::NAME {
        Ok(id)
    } else {
        Err(LaunchFault::NotASession(id.to_string()))
    }
}

/// The prompt as it must be for agents that read `/word` as a command of their own.
pub(crate) fn not_a_command(text: &str) -> alloc::borrow::Cow<'_, str> {
    if text.trim_start().starts_with('/') {
        alloc::borrow::Cow::Owned(format!("Task:\n{text}"))
    } else {
        text.into()
    }
}
