//! `skep asks` and `skep answer`: what agents ask people, and what people say to it (L-4b).

use super::look;
use crate::{
    args::{Context, quoted},
    deeds::Deeds,
    failure::{Exit, Failure},
    place::Place,
    show, term,
};
use skep_core::ask::AskId;
use skep_server::api::CommandDoc;

/// Lists the questions and permission prompts that wait for a person.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Answers what an agent asks.
#[derive(Debug, clap::Args)]
pub(crate) struct AnswerArgs {
    /// Which, such as 7.1
    #[arg(value_name = "ASK")]
    ask: String,
    /// The answer, or, with --deny, the reason
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: Vec<String>,
    /// Answer with the option of this number
    #[arg(long, value_name = "N", conflicts_with_all = ["text", "allow", "deny"])]
    option: Option<u32>,
    /// Allow it, this once
    #[arg(long, conflicts_with_all = ["text", "deny"])]
    allow: bool,
    /// Do not allow it, or let the agent decide by itself
    #[arg(long)]
    deny: bool,
}

pub(crate) async fn list(ctx: &Context, _: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    let asks = place.source().await?.asks().await?;
    if ctx.json {
        term::print_json(&asks)?;
    } else {
        term::print(&show::status::asks(&asks, look(ctx)))?;
    }
    Ok(Exit::Done)
}

pub(crate) async fn answer(ctx: &Context, args: &AnswerArgs) -> Result<Exit, Failure> {
    let ask: AskId = args.ask.parse().map_err(|fault| {
        Failure::usage(format!("{} {fault}", quoted(&args.ask)))
            .hint("`skep asks` lists what is asked")
    })?;
    let text = (!args.text.is_empty()).then(|| args.text.join(" "));
    if text.is_none() && args.option.is_none() && !args.allow && !args.deny {
        return Err(Failure::usage(format!("there is no answer to ask {ask}"))
            .hint("give a TEXT, --option N, --allow or --deny; `skep asks` shows which it takes"));
    }
    let command = CommandDoc::Answer {
        ask: ask.to_string(),
        text,
        option: args.option,
        allow: args.allow,
        deny: args.deny,
    };
    let mut deeds = Deeds::begin(ctx, false)?;
    let said = format!("ask {ask} is answered");
    let result = deeds.act(&ask.to_string(), &said, &command).await;
    deeds.end(result)
}
