//! The agents that Skep knows by itself: what each is, what it can, how it is started and understood.

use crate::{
    acp, claude, codex,
    command::Rules,
    dialogue::Dialogue,
    launch::{self, Launch, LaunchFault, Permission, Place, Settings},
    pi,
};
use skep_core::plan::Order;

/// What an agent is and can; for `skep doctor`, for choosing, and for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// The name in plans.
    pub name: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// The program that must be on the path.
    pub program: &'static str,
    /// Its arguments that make it print its version and end; some print it to standard error. See [`version_in`].
    pub version: &'static [&'static str],
    /// The version that it was recorded with: another one may print other things.
    pub recorded: &'static str,
    /// What can hold a login; one is enough. None of them says whether the login is good.
    pub logins: &'static [LoginBy],
    /// The least permission it can be held to.
    pub least: Permission,
    /// What it can.
    pub can: Can,
}

/// Where a login may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginBy {
    /// In a variable of the environment.
    Env(&'static str),
    /// In a file below the user's home.
    File(&'static str),
}

/// What an agent's protocol can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Can {
    /// How it is interrupted.
    pub cancel: Cancel,
    /// Whether it asks for permissions and waits for the answer. One that cannot ask refuses by itself.
    pub asks: bool,
    /// Whether it can be told something while it works.
    pub nudge: bool,
    /// Whether it can go on with an earlier session.
    pub resume: Resume,
    /// Whether it tells tokens.
    pub tokens: Told,
    /// Whether it tells money.
    pub cost: Told,
    /// Whether it tells how full its context is.
    pub context: Told,
    /// Whether it tells that it tries again. One that does not looks like one that is stuck.
    pub tells_retries: bool,
    /// Whether it connects to Skep's MCP server. One that does not speaks for its attempt by the program, in its shell.
    pub mcp: bool,
}

/// How an agent is interrupted. Signals come after the protocol, never before, and in every case the whole
/// process tree is ended at last: tools sit in sessions of their own, which no signal to a group reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// By its protocol, its tools with it.
    Protocol,
    /// By its protocol; a tool that runs is left behind.
    ProtocolLeavesTools,
    /// By SIGINT: it ends its tool and itself.
    Interrupt,
}

/// Whether an agent can go on with an earlier session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// From the same working directory only.
    SamePath,
    /// From anywhere.
    Anywhere,
}

/// Whether and when an agent tells a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Never: it stays unknown.
    Never,
    /// When a turn has ended.
    AtTheEnd,
    /// While it works.
    Live,
}

/// An agent.
#[derive(Clone, Debug)]
pub enum Adapter {
    /// Claude Code.
    Claude,
    /// Codex, one prompt at a time.
    Codex,
    /// Codex as a server: it can be interrupted, asks, and tells tokens while it works.
    CodexServer,
    /// A program that speaks the Agent Client Protocol.
    Acp(&'static acp::Program),
    /// pi.
    Pi,
    /// Any other program: the order's configured command, and rules for what it prints.
    Command(Rules),
}

/// The version in what a program printed when it was asked for it: `codex-cli 0.169.0`, `2.1.197 (Claude Code)`.
#[must_use]
pub fn version_in(printed: &str) -> Option<&str> {
    let version = |word: &&str| {
        let numbers = word.split('.').take(2);
        let number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
        word.contains('.') && numbers.clone().all(number) && word.chars().all(plain)
    };
    printed
        .split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .find(version)
}

/// What is known by name.
pub const KNOWN: &[About] = &[
    claude::ABOUT,
    codex::ABOUT,
    codex::SERVER,
    acp::GEMINI.about,
    acp::OPENCODE.about,
    pi::ABOUT,
];

impl Adapter {
    /// The adapter of this name, if it is built in.
    #[must_use]
    pub fn named(name: &str) -> Option<Adapter> {
        Some(match name {
            "claude" => Adapter::Claude,
            "codex" => Adapter::Codex,
            "codex-server" => Adapter::CodexServer,
            "gemini" => Adapter::Acp(&acp::GEMINI),
            "opencode" => Adapter::Acp(&acp::OPENCODE),
            "acp" => Adapter::Acp(&acp::CONFIGURED),
            "pi" => Adapter::Pi,
            _ => return None,
        })
    }

    /// What it is and can; nothing is known of a program that is only configured.
    #[must_use]
    pub fn about(&self) -> Option<About> {
        Some(match self {
            Adapter::Claude => claude::ABOUT,
            Adapter::Codex => codex::ABOUT,
            Adapter::CodexServer => codex::SERVER,
            Adapter::Acp(program) => program.about,
            Adapter::Pi => pi::ABOUT,
            Adapter::Command(_) => return None,
        })
    }

    /// How it is started for `order` at `place`.
    ///
    /// # Errors
    /// [`LaunchFault`] when it cannot do that, or cannot be held to the settings.
    pub fn launch(
        &self,
        order: &Order,
        place: &Place<'_>,
        settings: &Settings<'_>,
    ) -> Result<Launch, LaunchFault> {
        if let Some(about) = self.about()
            && settings.permission < about.least
        {
            return Err(LaunchFault::CannotHold {
                agent: about.name,
                asked: settings.permission.word(),
                able: about.least.word(),
            });
        }
        match self {
            Adapter::Claude => claude::launch(order, place, settings),
            Adapter::Codex => codex::launch(order, place, settings),
            Adapter::CodexServer => codex::launch_server(order, place, settings),
            Adapter::Acp(program) => acp::launch(program, order, place, settings),
            Adapter::Pi => pi::launch(order, place, settings),
            Adapter::Command(_) => launch::launch(order, place),
        }
    }

    /// What is spoken with it for `order`, from its start.
    #[must_use]
    pub fn dialogue(&self, order: &Order, place: &Place<'_>, settings: &Settings<'_>) -> Dialogue {
        match self {
            Adapter::Claude => {
                Dialogue::new(claude::Claude::new(&order.prompt, settings.permission))
            }
            Adapter::Codex => Dialogue::new(codex::Exec::default()),
            Adapter::CodexServer => Dialogue::new(codex::Server::new(order, place, settings)),
            Adapter::Acp(program) => Dialogue::new(acp::Acp::new(program, order, place, settings)),
            Adapter::Pi => Dialogue::new(pi::Pi::new(&order.prompt)),
            Adapter::Command(rules) => Dialogue::new(rules.reader()),
        }
    }
}
