//! Codex, in its two forms. Recorded with 0.169.0.
//!
//! - [`exec`] runs one prompt: simple, and recorded in every kind of failure. It can be interrupted by a signal
//!   only, asks nothing (what needs a permission is refused), and tells tokens when a turn has ended.
//! - [`server`] is a dialogue: interrupt, permissions, tokens and context while it works, errors with a kind, and
//!   the reset times of limits.

mod exec;
mod narrate;
mod server;

pub(crate) use exec::{ABOUT, Exec, launch};
pub(crate) use narrate::{narrate, narrate_server};
pub(crate) use server::{ABOUT as SERVER, Server, launch as launch_server};

use crate::{
    adapter::LoginBy,
    json::Json,
    launch::{Launch, Login, Permission, Settings},
    mcp,
    seen::Tokens,
};
use alloc::format;

const AUTH: &str = ".codex/auth.json";

const LOGINS: &[LoginBy] = &[
    LoginBy::Env("CODEX_API_KEY"),
    LoginBy::Env("OPENAI_API_KEY"),
    LoginBy::File(AUTH),
];

const PASS: &[&str] = &["CODEX_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"];

/// What both forms need: no plugins (they reach for the net), retries that end, a home of its own.
fn common(launch: &mut Launch, settings: &Settings<'_>) {
    // And no snapshots of its shell: each is a file with all of its environment in it, the attempt's token and the
    // user's key among it.
    for feature in ["plugins", "apps", "remote_plugin", "shell_snapshot"] {
        launch.words(&["--disable", feature]);
    }
    // Without this a provider that is not reached is tried for ever.
    launch.words(&["--disable", "unbounded_connection_retries"]);
    for setting in [
        "check_for_update_on_startup=false",
        "analytics.enabled=false",
        "cli_auth_credentials_store=\"file\"",
    ] {
        launch.words(&["-c", setting]);
    }
    for setting in settings.mcp.iter().flat_map(|command| mcp::codex(command)) {
        launch.words(&["-c", &setting]);
    }
    // Below TMPDIR its sandbox does not work, and no event shows it: every command just fails.
    let home = format!("{}/.codex", settings.home);
    // It does not make its home by itself, and ends without a word on its standard output if there is none.
    launch.file(
        format!("{home}/config.toml"),
        "# Made by Skep, which gives all settings as arguments.\n".into(),
    );
    launch.set("CODEX_HOME", home);
    launch.logins.push(Login {
        from: AUTH,
        to: format!("{}/{AUTH}", settings.home),
    });
}

const fn sandbox(permission: Permission) -> &'static str {
    match permission {
        Permission::Ask => "read-only",
        Permission::Edits => "workspace-write",
        Permission::All => "danger-full-access",
    }
}

/// Its input counts what was read from the cache, too.
fn tokens(input: &Json, cached: &Json, written: &Json, output: &Json, reasoning: &Json) -> Tokens {
    let apart = cached
        .u64()
        .unwrap_or(0)
        .saturating_add(written.u64().unwrap_or(0));
    Tokens {
        input: input.u64().map(|input| input.saturating_sub(apart)),
        cache_read: cached.u64(),
        cache_write: written.u64(),
        output: output.u64(),
        reasoning: reasoning.u64(),
    }
}
