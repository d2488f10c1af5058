//! `skep ask`: an agent asks a person and waits for the answer (U-8, L-4b). As the other verbs for agents it works
//! only inside an attempt, by its token (`say.rs`).

use super::say::{speaker, taken};
use crate::{
    args::{Context, quoted},
    failure::{Exit, Failure},
    term,
};
use skep_core::{ask::AskId, time::Millis};
use skep_server::api::{AskInput, HeardDoc};
use std::time::Duration;

/// Longer than any policy lets a question be open, and short enough to be added to a moment.
const FOR_GOOD: Duration = Duration::from_secs(365 * 24 * 3600);

/// Asks a person, and waits for the answer; the attempt's clock stands still meanwhile.
///
/// Exit codes: 0 answered, and the answer is printed; 1 nobody has answered yet: ask the same again to go on waiting;
/// 3 declined, or the attempt is over: decide yourself.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is asked, with all that a person needs to answer it
    #[arg(value_name = "QUESTION", required_unless_present = "withdraw")]
    question: Vec<String>,
    /// What there is to choose from, separated by commas
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    options: Vec<String>,
    /// One thing to choose from, which may hold commas; may be repeated
    #[arg(long, value_name = "TEXT")]
    option: Vec<String>,
    /// Wait no longer than this; the question stays open
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
    /// Take back a question that needs no answer any more, such as 7.m1
    #[arg(long, value_name = "ASK", conflicts_with_all = ["question", "options", "option", "wait"])]
    withdraw: Option<String>,
}

pub(crate) async fn run(ctx: &Context, args: Args) -> Result<Exit, Failure> {
    if let Some(ask) = &args.withdraw {
        let id: AskId = ask.parse().map_err(|fault| {
            Failure::usage(format!("{} {fault}", quoted(ask)))
                .hint("`skep ask` says a question's id when it waits no longer")
        })?;
        return taken(ctx, &speaker()?.close(&id.to_string()).await?);
    }
    let longest = longest(args.wait.as_deref())?;
    let options = args.options.iter().map(|option| option.trim().to_string());
    let input = AskInput {
        question: args.question.join(" "),
        options: options.chain(args.option).collect(),
    };
    let silent = |_: &HeardDoc| std::future::ready(());
    let heard = speaker()?.answer_to(&input, longest, silent).await?;
    if ctx.json {
        term::print_json(&heard)?;
    }
    match (&heard.answer, &heard.declined) {
        (Some(answer), _) => {
            if !ctx.json {
                term::print(&format!("{}\n", term::escape_lines(answer)))?;
            }
            Ok(Exit::Done)
        }
        (None, Some(why)) => {
            term::say(&format!("declined: {}\n", term::escape(why)));
            Ok(Exit::Refused)
        }
        (None, None) => {
            term::say(&format!(
                "nobody has answered {} yet; ask the same again to go on waiting, until {}\n",
                heard.ask, heard.until
            ));
            Ok(Exit::Unfinished)
        }
    }
}

fn longest(text: Option<&str>) -> Result<Duration, Failure> {
    let Some(text) = text else {
        return Ok(FOR_GOOD);
    };
    let time: Millis = text.parse().map_err(|_| {
        Failure::usage(format!("--wait {} is no length of time", quoted(text)))
            .hint("write it as 90s or 10m")
    })?;
    Ok(time.std().min(FOR_GOOD))
}
