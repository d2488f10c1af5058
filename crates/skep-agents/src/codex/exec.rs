//! `codex exec --json`: one prompt, events as lines.

use super::{LOGINS, PASS, common, sandbox, tokens};
use crate::{
    adapter::{About, Can, Cancel, Resume, Told},
    fault::{ErrorKind, Fault, of_text},
    json::Json,
    launch::{Launch, LaunchFault, Permission, Place, Settings, Stdin, session},
    protocol::{Out, Protocol},
    seen::{Seen, Span},
    wait,
};
use alloc::vec;
use skep_core::plan::Order;

/// What it is and can.
pub(crate) const ABOUT: About = About {
    name: "codex",
    title: "Codex",
    program: "codex",
    version: &["--version"],
    recorded: "0.169.0",
    logins: LOGINS,
    least: Permission::Ask,
    can: Can {
        cancel: Cancel::Interrupt,
        asks: false,
        nudge: false,
        resume: Resume::Anywhere,
        tokens: Told::AtTheEnd,
        cost: Told::Never,
        context: Told::Never,
        tells_retries: true,
        mcp: true,
    },
};

pub(crate) fn launch(
    order: &Order,
    place: &Place<'_>,
    settings: &Settings<'_>,
) -> Result<Launch, LaunchFault> {
    let mut launch = Launch::of(order, place, settings, vec!["codex".into()], PASS);
    launch.words(&["exec", "--json"]);
    common(&mut launch, settings);
    match settings.permission {
        Permission::All => launch.words(&["--dangerously-bypass-approvals-and-sandbox"]),
        held => launch.option("--sandbox", sandbox(held)),
    }
    if let Some(model) = &order.model {
        launch.option("--model", model);
    }
    let mut launch = launch.finish(settings);
    if let Some(id) = settings.resume {
        launch.words(&["resume", session(id)?]);
    }
    // On standard input: a long prompt does not fit a word of a command.
    launch.words(&["-"]);
    launch.stdin = Stdin::Text(order.prompt.clone());
    Ok(launch)
}

/// The reader's state.
#[derive(Debug, Default)]
pub(crate) struct Exec {
    /// The last error's text: `turn.failed` repeats it.
    error: alloc::string::String,
}

impl Exec {
    fn item(item: &Json, ended: bool, out: &mut Out) {
        let id = item.at("id").str();
        match item.at("type").str() {
            kind @ ("command_execution" | "file_change" | "web_search") if !ended => {
                out.tool_began(id, kind);
            }
            "mcp_tool_call" if !ended => out.tool_began(id, item.at("tool").str()),
            "command_execution" | "file_change" | "web_search" | "mcp_tool_call" => {
                let ok = matches!(item.at("status").str(), "completed" | "");
                out.tool_ended(id, ok);
            }
            "agent_message" if ended => out.said(item.at("text").str()),
            // Reasoning, plans; and items of type `error`, which are warnings.
            _ => out.see(Seen::Progress),
        }
    }

    fn error(&mut self, text: &str, out: &mut Out) {
        if let Some(rest) = text.strip_prefix("Reconnecting... ") {
            let (count, why) = rest.split_once(" (").unwrap_or((rest, ""));
            let count = count.split_once('/').map_or("", |(count, _)| count);
            out.see(Seen::Retrying {
                attempt: count.parse().ok(),
                wait: None,
                fault: fault(why.strip_suffix(')').unwrap_or(why)),
            });
            return;
        }
        // Some are only a step on the way to another try, so the turn goes on until it says otherwise.
        let fault = fault(text);
        if matches!(fault.kind, ErrorKind::RateLimit | ErrorKind::Quota) {
            out.see(Seen::RateLimited {
                until: wait::told(text),
                text: fault.text.clone(),
            });
        }
        self.error = fault.text.clone();
        out.see(Seen::Error(fault));
    }
}

impl Protocol for Exec {
    fn line(&mut self, line: &str, out: &mut Out) {
        let Some(line) = Json::object(line) else {
            return;
        };
        match line.at("type").str() {
            "thread.started" => out.started(line.at("thread_id").str()),
            "turn.started" => out.see(Seen::TurnBegan),
            "item.started" => Exec::item(line.at("item"), false, out),
            "item.completed" => Exec::item(line.at("item"), true, out),
            "error" => self.error(line.at("message").str(), out),
            "turn.failed" => {
                let text = line.path("error.message").str();
                if fault(text).text != self.error {
                    self.error(text, out);
                }
                out.done(false, text);
            }
            "turn.completed" => {
                let usage = line.at("usage");
                out.see(Seen::Usage {
                    tokens: tokens(
                        usage.at("input_tokens"),
                        usage.at("cached_input_tokens"),
                        usage.at("cache_write_input_tokens"),
                        usage.at("output_tokens"),
                        usage.at("reasoning_output_tokens"),
                    ),
                    // Of the whole thread, from its first process on.
                    span: Span::Session,
                });
                out.done(true, "");
            }
            _ => out.see(Seen::Progress),
        }
    }
}

fn fault(text: &str) -> Fault {
    Fault::new(of_text(text), text)
}
