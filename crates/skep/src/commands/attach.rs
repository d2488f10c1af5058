//! `skep attach`: watching workers in their panes (U-1, W-2).

use crate::{
    args::{self, Context},
    failure::{Exit, Failure},
    place::Place,
    term,
};
use serde_json::json;
use skep_core::id::WorkerId;
use skep_host::tmux::{Pane, Session};
use skep_server::api::SCHEMA;
use std::{
    ffi::OsStr,
    io::{self, IsTerminal},
    os::unix::process::CommandExt,
    process::Stdio,
};

/// Attaches this terminal to the swarm's tmux session; inside tmux, switches to it.
///
/// `C-b d` leaves it again, and everything goes on. With `--json` it says where the session and its panes are, and
/// attaches nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Begin with this worker's pane in front
    #[arg(value_name = "WORKER")]
    worker: Option<String>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let worker = args.worker.as_deref().map(args::worker).transpose()?;
    let place = Place::find(ctx)?;
    let state = place.fold()?;
    let Some(session) = place.session(&state) else {
        return Err(
            Failure::usage("no plan has been loaded, so there is nothing to attach to")
                .hint("`skep run PLAN --host tmux` runs one in tmux"),
        );
    };
    if let Some(worker) = worker.filter(|w| state.worker(*w).is_none()) {
        return Err(Failure::usage(format!("there is no worker {worker}"))
            .hint("`skep workers` lists them"));
    }
    // tmux is not asked for what headless swarms can do without.
    let panes = session.panes();
    let Some(panes) = panes.as_ref().ok().and_then(Option::as_ref) else {
        let tmux = place.source().await?.status().await?.workers;
        let tmux = tmux.iter().any(|w| w.host == "tmux");
        return Err(match panes {
            Err(error) if tmux => error.into(),
            _ => nothing(tmux, worker),
        });
    };
    if let Some(worker) = worker {
        let pane = panes.iter().find(|p| p.worker == Some(worker));
        let pane = pane.ok_or_else(|| nothing(true, Some(worker)))?;
        session.select(&pane.id)?;
    }
    if ctx.json {
        return describe(&session, panes);
    }
    let inside = inside(&session);
    if !inside && !io::stdin().is_terminal() {
        let by_hand = format!(
            "{}attach-session -t {}",
            session.tmux().shown(),
            session.name()
        );
        return Err(Failure::usage("there is no terminal here to attach")
            .hint(format!("in a terminal, `skep attach` or `{by_hand}`")));
    }
    let verb = if inside {
        "switch-client"
    } else {
        "attach-session"
    };
    let mut command = session.tmux().command();
    command.args([verb, "-t", &format!("={}", session.name())]);
    if inside {
        // Which of its clients is to switch, tmux knows by this.
        for name in ["TMUX", "TMUX_PANE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
    }
    let error = command.stdin(Stdio::inherit()).exec();
    Err(Failure::new(Exit::Refused, "cannot start tmux").because(&error))
}

/// What a program needs to attach by itself, or to show the panes elsewhere: it has no terminal to attach.
fn describe(session: &Session, panes: &[Pane]) -> Result<Exit, Failure> {
    let pane = |p: &Pane| {
        json!({ "pane": p.id, "worker": p.worker.map(|w| w.to_string()), "dead": p.dead,
            "attempt": p.shown })
    };
    let panes: Vec<_> = panes.iter().map(pane).collect();
    term::print_json(&json!({
        "schema": SCHEMA,
        "session": session.name(),
        "socket": session.socket()?,
        "panes": panes,
    }))?;
    Ok(Exit::Done)
}

/// Whether this process runs inside the very server that the session is on.
fn inside(session: &Session) -> bool {
    let Some(around) = std::env::var_os("TMUX") else {
        return false;
    };
    // The socket, the server's process and the session's number, with commas between.
    let around = around.as_encoded_bytes().split(|b| *b == b',').next();
    let socket = session.socket().ok();
    socket.is_some_and(|socket| around == Some(OsStr::new(&socket).as_encoded_bytes()))
}

fn nothing(tmux: bool, worker: Option<WorkerId>) -> Failure {
    let name = worker.map_or_else(|| "TASK".into(), |w| w.to_string());
    let logs = format!("`skep logs {name} -f` shows what it prints");
    if tmux {
        let what = worker.map_or_else(|| "no tmux session".into(), |w| format!("no pane of {w}"));
        return Failure::new(Exit::Refused, format!("there is {what} now")).hint(format!(
            "a keeper makes it: `skep run` or `skep up`. {logs}"
        ));
    }
    Failure::new(
        Exit::Refused,
        "workers run headless, so there is nothing to attach to",
    )
    .hint(format!(
        "{logs}; `--host tmux`, or host = \"tmux\" under [swarm], gives each a pane"
    ))
}
