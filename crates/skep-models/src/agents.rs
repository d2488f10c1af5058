//! The real agent CLIs: where `cargo xtask agents` has put them, and how each is pointed at a server.

use serde_json::json;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The agents of which this knows something, by their names in plans.
pub const AGENTS: &[&str] = &[
    "claude",
    "codex",
    "codex-server",
    "gemini",
    "opencode",
    "pi",
    "aider",
];

/// The model that is named to agents that take any name.
pub const MODEL: &str = "scripted";

/// What points an agent at a server: environment, arguments and files, and nothing of the user's.
///
/// The first two are what a plan can give an agent. Only pi needs a file, below its home; `PI_CODING_AGENT_DIR`
/// in the environment names another folder for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    /// The model to ask for: the name that the agent needs to accept it.
    pub model: String,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Arguments, after the adapter's own. For aider, which has no adapter, all of them.
    pub args: Vec<String>,
    /// Files to be there before it starts: by their path below the agent's home.
    pub files: Vec<(String, String)>,
}

/// Why an agent cannot be driven here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{agent} is not installed in {}; `cargo xtask agents` installs it, or says why it cannot", folder.display()
)]
pub struct NotInstalled {
    /// Which.
    pub agent: String,
    /// Where it was looked for.
    pub folder: PathBuf,
}

/// The folder with the programs: below `SKEP_AGENTS`, or below `target/agents` of this repository.
#[must_use]
pub fn programs() -> PathBuf {
    std::env::var_os("SKEP_AGENTS")
        .map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/agents"),
            PathBuf::from,
        )
        .join("bin")
}

/// The program of an agent.
///
/// # Errors
/// [`NotInstalled`]: then its tests are to be skipped, and not passed.
pub fn installed(agent: &str) -> Result<PathBuf, NotInstalled> {
    let folder = programs();
    let program = folder.join(agent.trim_end_matches("-server"));
    if program.exists() {
        Ok(program)
    } else {
        Err(NotInstalled {
            agent: agent.into(),
            folder,
        })
    }
}

/// `PATH` with the programs first.
#[must_use]
pub fn path() -> OsString {
    let others = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(programs()).chain(std::env::split_paths(&others));
    // A folder with a colon in its name cannot be on a path; then the agents are not found, and that is said.
    std::env::join_paths(all).unwrap_or(others)
}

/// An environment in which everything but loopback is out of reach for programs that heed it: proxies that nobody
/// answers at. With it a test shows that an agent needs nothing else.
#[must_use]
pub fn nowhere() -> BTreeMap<String, String> {
    let none = "127.0.0.1,localhost,::1";
    let dead = "http://127.0.0.1:9";
    [
        ("HTTP_PROXY", dead),
        ("HTTPS_PROXY", dead),
        ("http_proxy", dead),
        ("https_proxy", dead),
        ("NO_PROXY", none),
        ("no_proxy", none),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value.into()))
    .collect()
}

/// What points `agent` at the server at `url`. The key `script-NAME` chooses a script for prompts without a mark.
#[must_use]
pub fn wiring(agent: &str, url: &str, key: &str) -> Option<Wiring> {
    let mut wiring = Wiring {
        model: MODEL.into(),
        ..Wiring::default()
    };
    let mut set = |name: &str, value: &str| wiring.env.insert(name.into(), value.into());
    match agent {
        "claude" => {
            set("ANTHROPIC_BASE_URL", url);
            set("ANTHROPIC_API_KEY", key);
            // Of names that it does not know it does not know the prices either.
            wiring.model = "claude-sonnet-4-5".into();
        }
        "codex" | "codex-server" => {
            set("CODEX_API_KEY", key);
            // Others drop tools, or send none.
            wiring.model = "gpt-5.5".into();
            let provider = format!(
                "model_providers.scripted={{name=\"scripted\",base_url=\"{url}/v1\",wire_api=\"responses\",\
                 env_key=\"CODEX_API_KEY\",supports_websockets=false}}"
            );
            for setting in [provider.as_str(), "model_provider=\"scripted\""] {
                wiring.args.extend(["-c".into(), setting.into()]);
            }
        }
        "gemini" => {
            set("GEMINI_API_KEY", key);
            set("GOOGLE_GEMINI_BASE_URL", url);
            wiring.model = "gemini-2.5-flash".into();
        }
        "opencode" => {
            let model = format!("scripted/{MODEL}");
            let provider = json!({"npm": "@ai-sdk/openai-compatible",
                "options": {"baseURL": format!("{url}/v1"), "apiKey": key},
                "models": {MODEL: {"tool_call": true, "limit": {"context": 128_000, "output": 8192},
                    "cost": {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75}}}});
            let config = json!({"model": model, "small_model": model, "enabled_providers": ["scripted"],
                "provider": {"scripted": provider}});
            set("OPENCODE_CONFIG_CONTENT", &config.to_string());
            wiring.model = model;
        }
        "pi" => {
            let model = json!({"id": MODEL, "contextWindow": 128_000, "maxTokens": 8192, "input": ["text"],
                "reasoning": false,
                "cost": {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75}});
            let provider = json!({"baseUrl": format!("{url}/v1"), "api": "openai-completions", "apiKey": key,
                "models": [model]});
            let models = json!({"providers": {"scripted": provider}});
            wiring.files = vec![(".pi/agent/models.json".into(), models.to_string())];
            wiring.args = vec!["--provider".into(), "scripted".into()];
        }
        "aider" => {
            set("OPENAI_API_BASE", &format!("{url}/v1"));
            set("OPENAI_API_KEY", key);
            wiring.model = format!("openai/{MODEL}");
            // It fetches a list of prices otherwise, and waits for it.
            let prices = ".aider/caches/model_prices_and_context_window.json";
            let model = json!({"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128_000,
                "max_output_tokens": 8192, "input_cost_per_token": 3e-6, "output_cost_per_token": 15e-6});
            let list = json!({ MODEL: model, wiring.model.as_str(): model });
            wiring.files = vec![(prices.into(), list.to_string())];
            let model = format!("--model={}", wiring.model);
            wiring.args = [
                model.as_str(),
                "--message-file={prompt_file}",
                "--yes-always",
                "--no-pretty",
                "--no-check-update",
                "--analytics-disable",
                "--no-show-model-warnings",
                "--no-show-release-notes",
                "--no-gitignore",
                // It keeps this in the worktree, where it would be taken for work.
                "--chat-history-file=/dev/null",
                "--input-history-file=/dev/null",
                "--no-auto-commits",
                "--no-dirty-commits",
                "--map-tokens=0",
                "--edit-format=diff",
            ]
            .map(String::from)
            .into();
        }
        _ => return None,
    }
    Some(wiring)
}
