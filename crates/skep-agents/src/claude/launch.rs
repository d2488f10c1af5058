//! How Claude Code is started.

use crate::{
    adapter::{About, Can, Cancel, LoginBy, Resume, Told},
    launch::{Launch, LaunchFault, Login, Permission, Place, Settings, Stdin, session},
    mcp,
};
use alloc::{format, vec};
use skep_core::plan::Order;

/// What it is and can.
pub(crate) const ABOUT: About = About {
    name: "claude",
    title: "Claude Code",
    program: "claude",
    version: &["--version"],
    recorded: "2.1.197",
    logins: &[
        LoginBy::Env("ANTHROPIC_API_KEY"),
        LoginBy::Env("ANTHROPIC_AUTH_TOKEN"),
        LoginBy::Env("CLAUDE_CODE_OAUTH_TOKEN"),
        LoginBy::Env("CLAUDE_CODE_USE_BEDROCK"),
        LoginBy::Env("CLAUDE_CODE_USE_VERTEX"),
        LoginBy::File(CREDENTIALS),
    ],
    least: Permission::Ask,
    can: Can {
        cancel: Cancel::Protocol,
        asks: true,
        nudge: true,
        resume: Resume::SamePath,
        tokens: Told::Live,
        cost: Told::AtTheEnd,
        context: Told::AtTheEnd,
        tells_retries: true,
        mcp: true,
    },
};

const CREDENTIALS: &str = ".claude/.credentials.json";

const PASS: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLOUD_ML_REGION",
    "ANTHROPIC_VERTEX_PROJECT_ID",
    "AWS_REGION",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
];

const QUIET: &[&str] = &[
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_AUTOUPDATER",
    "DISABLE_BUG_COMMAND",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
];

pub(crate) fn launch(
    order: &Order,
    place: &Place<'_>,
    settings: &Settings<'_>,
) -> Result<Launch, LaunchFault> {
    let mut launch = Launch::of(order, place, settings, vec!["claude".into()], PASS);
    launch.words(&[
        "-p",
        "--input-format=stream-json",
        "--output-format=stream-json",
        "--verbose",
        // Else nothing tells what it wrote before its end. They triple its log, which is bounded.
        "--include-partial-messages",
        "--permission-prompt-tool=stdio",
        // The worktree is not trusted: its settings could name hooks, which are commands, and servers.
        "--setting-sources=user",
        "--strict-mcp-config",
    ]);
    let mode = match settings.permission {
        Permission::Ask => "default",
        // Its own mode for everything is refused to root. It asks instead, and is answered at once.
        Permission::Edits | Permission::All => "acceptEdits",
    };
    launch.option("--permission-mode", mode);
    if let Some(command) = &settings.mcp {
        let path = format!("{}/mcp.json", settings.home);
        launch.option("--mcp-config", &path);
        launch.file(path, mcp::claude(command));
        // To speak of its own attempt it need not ask.
        launch.option("--allowedTools", &format!("mcp__{}", mcp::NAME));
    }
    if let Some(model) = &order.model {
        launch.option("--model", model);
    }
    if let Some(id) = settings.resume {
        launch.option("--resume", session(id)?);
    }
    for name in QUIET {
        launch.set(name, "1");
    }
    launch.set("CLAUDE_CONFIG_DIR", format!("{}/.claude", settings.home));
    // Skep owns retrying: its own ten retries take three minutes, even against a wrong key.
    launch.set("CLAUDE_CODE_MAX_RETRIES", "2");
    // Only until the first byte of a reply; a stream that stalls later is for the host to notice.
    launch.set("API_TIMEOUT_MS", "120000");
    launch.logins.push(Login {
        from: CREDENTIALS,
        to: format!("{}/{CREDENTIALS}", settings.home),
    });
    launch.stdin = Stdin::Dialogue;
    Ok(launch.finish(settings))
}
