//! What an agent says of its own attempt: `skep checkpoint`, `heartbeat`, `block`, `memo` (U-8).
//!
//! They work only inside an attempt, with the token that Skep gave its agent, and only for that attempt. They need no
//! place: the worktree that the agent stands in is not asked where the keeper is.

use super::look;
use crate::{
    args::{self, Context},
    failure::{Exit, Failure},
    place::{Place, Source},
    term,
};
use skep_host::{site::Site, token};
use skep_server::{
    api::{BlockInput, CheckpointInput, MemoInput, MemoList, TakenDoc},
    client::Speaker,
};
use std::path::Path;

/// Tells Skep and people how far the attempt is.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckpointArgs {
    /// What is done, and what is next
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// How much of it all, from 0 to 100
    #[arg(long, value_name = "N")]
    percent: Option<u64>,
}

/// Tells Skep that the agent is still at it, though it prints nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct HeartbeatArgs {}

/// Says that the attempt cannot go on, and ends it; its work so far is kept.
#[derive(Debug, clap::Args)]
pub(crate) struct BlockArgs {
    /// What is missing
    #[arg(required = true, value_name = "REASON")]
    reason: Vec<String>,
    /// The task that must be merged first; without one, a person is to help
    #[arg(long, value_name = "TASK")]
    on: Option<String>,
}

/// Records a finding for people and for other agents, or lists what was found.
#[derive(Debug, clap::Args)]
pub(crate) struct MemoArgs {
    /// What it is about; without one, all memos are listed
    #[arg(requires = "value")]
    key: Option<String>,
    /// What was found
    #[arg(requires = "source")]
    value: Option<String>,
    /// How that is known: a file and line, a command, a page
    #[arg(long, value_name = "HOW", requires = "value")]
    source: Option<String>,
}

pub(crate) async fn checkpoint(ctx: &Context, args: CheckpointArgs) -> Result<Exit, Failure> {
    let input = CheckpointInput {
        text: args.text.join(" "),
        percent: args.percent,
    };
    taken(ctx, &speaker()?.checkpoint(&input).await?)
}

pub(crate) async fn heartbeat(ctx: &Context) -> Result<Exit, Failure> {
    taken(ctx, &speaker()?.heartbeat().await?)
}

pub(crate) async fn block(ctx: &Context, args: BlockArgs) -> Result<Exit, Failure> {
    let on_task = args.on.as_deref().map(args::task).transpose()?;
    let input = BlockInput {
        reason: args.reason.join(" "),
        on_task: on_task.map(|id| id.to_string()),
    };
    taken(ctx, &speaker()?.block(&input).await?)
}

pub(crate) async fn memo(ctx: &Context, args: MemoArgs) -> Result<Exit, Failure> {
    let (Some(key), Some(value), Some(source)) = (args.key, args.value, args.source) else {
        return memos(ctx).await;
    };
    let input = MemoInput { key, value, source };
    taken(ctx, &speaker()?.memo(&input).await?)
}

async fn memos(ctx: &Context) -> Result<Exit, Failure> {
    let list = match speaker() {
        Ok(speaker) => speaker.memos().await?,
        Err(_) => match Place::find(ctx)?.source().await? {
            Source::Keeper(client) => client.memos().await?,
            Source::Log(log) => MemoList::of(&log.state),
        },
    };
    if ctx.json {
        term::print_json(&list)?;
        return Ok(Exit::Done);
    }
    let width = look(ctx).width;
    for memo in &list.memos {
        let line = |text: &str| {
            term::escape(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
        };
        let (key, value, source) = (line(&memo.key), line(&memo.value), line(&memo.source));
        let text = format!(
            "{key}: {value} ({source}; {}, {})\n",
            memo.worker, memo.task
        );
        term::print(&term::wrap(&text, width, 2))?;
    }
    if list.memos.is_empty() {
        term::say("no agent has recorded anything yet\n");
    }
    Ok(Exit::Done)
}

/// Nothing is printed for a person, since none is there; a program asks with `--json`.
pub(super) fn taken(ctx: &Context, taken: &TakenDoc) -> Result<Exit, Failure> {
    if ctx.json {
        term::print_json(taken)?;
    }
    Ok(Exit::Done)
}

/// Whoever speaks for the attempt that this program was started in.
pub(crate) fn speaker() -> Result<Speaker, Failure> {
    let var = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let Some(token) = var(token::VARIABLE) else {
        return Err(Failure::usage(format!(
            "this is for agents at work, and {} is not set here",
            token::VARIABLE
        ))
        .hint(
            "Skep sets it for the agents that it starts; people have `skep why` and `skep status`",
        ));
    };
    let Some(repo) = var("SKEP_REPO") else {
        return Err(
            Failure::usage("SKEP_REPO is not set, so nobody knows where the keeper is")
                .hint("run this with the environment that Skep gave the agent"),
        );
    };
    let site = Site::new(Path::new(&repo));
    Ok(Speaker::new(&site.socket(), &token))
}
