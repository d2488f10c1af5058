//! Programs that speak the Agent Client Protocol: what differs between them.

use crate::{
    adapter::{About, Can, Cancel, LoginBy, Resume, Told},
    launch::{Launch, LaunchFault, Login, Permission, Place, Settings, Stdin, session},
    mcp,
};
use alloc::{format, string::ToString};
use skep_core::plan::Order;

/// A program that speaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it is and can.
    pub about: About,
    /// Its arguments that make it speak the protocol.
    pub args: &'static [&'static str],
    /// Environment that keeps it quiet and on its own.
    pub env: &'static [(&'static str, &'static str)],
    /// Variables of the user that it needs.
    pub pass: &'static [&'static str],
    /// Files of its home, by path below it: its settings, in JSON, to which the attempt's MCP server is added.
    pub files: &'static [(&'static str, &'static str)],
    /// A variable that must name a file of its home.
    pub config: Option<(&'static str, &'static str)>,
    /// How a model is chosen.
    pub model: Model,
    /// Whether the usage at the end of a turn is of the turn. Some tell their last request only.
    pub counts_turns: bool,
    /// Whether it writes to standard error, and nowhere else, that it tries again: opencode's words are known.
    pub logs_retries: bool,
}

/// How a model is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// By `--model`.
    Argument,
    /// By `session/set_model`.
    Method,
    /// By the option `model` of the session.
    Option,
    /// In the words of the configured command.
    Configured,
}

const CAN: Can = Can {
    cancel: Cancel::Protocol,
    asks: true,
    nudge: true,
    resume: Resume::SamePath,
    tokens: Told::AtTheEnd,
    cost: Told::Never,
    context: Told::Never,
    tells_retries: false,
    mcp: true,
};

/// Gemini CLI. Recorded with 0.61.0. Within the minute in which a session began it cannot be gone on with, and
/// trying to forgets it: the name of its file is made of the minute and the id, and is begun anew.
pub(crate) const GEMINI: Program = Program {
    about: About {
        name: "gemini",
        title: "Gemini CLI",
        program: "gemini",
        version: &["--version"],
        recorded: "0.61.0",
        logins: &[LoginBy::Env("GEMINI_API_KEY")],
        least: Permission::Ask,
        // It connects to servers in folders only that it trusts, and there it obeys the folder's own settings, too:
        // hooks, servers, commands, variables. A worktree may bring any of them, so none is trusted.
        can: Can { mcp: false, ..CAN },
    },
    args: &["--acp"],
    env: &[
        // Without it a second process is started, which no signal reaches.
        ("GEMINI_CLI_NO_RELAUNCH", "true"),
        ("GEMINI_TELEMETRY_ENABLED", "false"),
    ],
    pass: &["GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"],
    // Skep owns retrying: its own ten tries take minutes, and it does not tell of them.
    files: &[(
        ".gemini/settings.json",
        r#"{"security":{"auth":{"selectedType":"gemini-api-key"}},"general":{"maxAttempts":2,"enableAutoUpdate":false,"enableAutoUpdateNotification":false},"privacy":{"usageStatisticsEnabled":false},"telemetry":{"enabled":false}}"#,
    )],
    config: None,
    model: Model::Argument,
    counts_turns: true,
    logs_retries: false,
};

/// opencode. Recorded with 1.18.33. That it tries again it tells in its [log](super::log) only, and its usage at the
/// end of a turn is that of the last request; its cost is of the whole session.
pub(crate) const OPENCODE: Program = Program {
    about: About {
        name: "opencode",
        title: "opencode",
        program: "opencode",
        version: &["--version"],
        recorded: "1.18.33",
        logins: &[
            LoginBy::File(".local/share/opencode/auth.json"),
            LoginBy::Env("ANTHROPIC_API_KEY"),
            LoginBy::Env("OPENAI_API_KEY"),
            LoginBy::Env("OPENROUTER_API_KEY"),
        ],
        least: Permission::Ask,
        can: Can {
            tokens: Told::Never,
            cost: Told::Live,
            context: Told::Live,
            tells_retries: true,
            ..CAN
        },
    },
    // Its protocol does not tell that a provider fails; its errors, in its log, do.
    args: &["acp", "--print-logs", "--log-level", "ERROR"],
    env: &[
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
        ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
        ("OPENCODE_DISABLE_SHARE", "1"),
    ],
    pass: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"],
    files: &[],
    config: Some(("OPENCODE_CONFIG", "opencode.json")),
    model: Model::Option,
    counts_turns: false,
    logs_retries: true,
};

/// A program of the user's own: its command, with everything that it needs, stands in the plan. What it may do
/// is asked by the protocol; what it does not ask about it does.
pub(crate) const CONFIGURED: Program = Program {
    about: About {
        name: "acp",
        title: "an agent that speaks the Agent Client Protocol",
        program: "",
        version: &[],
        recorded: "",
        logins: &[],
        least: Permission::Ask,
        can: CAN,
    },
    args: &[],
    env: &[],
    pass: &[],
    files: &[],
    config: None,
    model: Model::Configured,
    counts_turns: false,
    logs_retries: false,
};

pub(crate) fn launch(
    program: &Program,
    order: &Order,
    place: &Place<'_>,
    settings: &Settings<'_>,
) -> Result<Launch, LaunchFault> {
    settings.resume.map(session).transpose()?;
    let about = &program.about;
    if order.agent_spec.is_some() {
        let mut launch = crate::launch::launch(order, place)?;
        launch.stdin = Stdin::Dialogue;
        return Ok(launch);
    }
    if about.program.is_empty() {
        return Err(LaunchFault::EmptyCommand(about.name.to_string()));
    }
    let argv = [about.program.to_string()].into();
    let mut launch = Launch::of(order, place, settings, argv, program.pass);
    launch.words(program.args);
    if let (Model::Argument, Some(model)) = (program.model, &order.model) {
        launch.option("--model", model);
    }
    for (name, value) in program.env {
        launch.set(name, *value);
    }
    for (path, content) in program.files {
        let content = match &settings.mcp {
            Some(command) => mcp::gemini(content, command),
            None => content.to_string(),
        };
        launch.file(format!("{}/{path}", settings.home), content);
    }
    if let Some((name, file)) = program.config {
        let path = format!("{}/{file}", settings.home);
        launch.file(path.clone(), opencode(settings));
        launch.set(name, path);
    }
    for login in about.logins {
        if let LoginBy::File(from) = login {
            launch.logins.push(Login {
                from,
                to: format!("{}/{from}", settings.home),
            });
        }
    }
    launch.stdin = Stdin::Dialogue;
    Ok(launch.finish(settings))
}

/// It asks about everything; what is granted is [answered](super::permission). Only what lies outside of the
/// worktree is refused at once.
fn opencode(settings: &Settings<'_>) -> alloc::string::String {
    let outside = if settings.permission == Permission::All {
        "ask"
    } else {
        "deny"
    };
    let mut config = serde_json::json!({"autoupdate": false, "share": "disabled", "permission": {"edit": "ask",
        "bash": "ask", "webfetch": "ask", "external_directory": outside}});
    if let Some(command) = &settings.mcp {
        config["mcp"] = mcp::opencode(command);
    }
    config.to_string()
}
