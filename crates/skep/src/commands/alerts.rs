//! `skep alerts`: what people were told of, whether it arrives, and silence (U-6).

use super::look;
use crate::{
    args::{Context, quoted},
    failure::{Exit, Failure},
    place::Place,
    show, term,
};
use skep_core::alert::Rule;
use skep_server::api::{AlertList, CommandDoc, DeliveryDoc};
use std::time::{Duration, Instant};

/// A receiver that hangs is given up by then; a mail server may take a minute.
const PATIENCE: Duration = Duration::from_secs(65);
/// How often it is looked whether a test has arrived.
const LOOK: Duration = Duration::from_millis(100);

/// Lists what is raised, and how messages about it get through.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Send a test by one route, or by each, and say whether it arrived
    Test {
        /// The route's name in the plan
        route: Option<String>,
    },
    /// Hear nothing of a rule for a while; what still holds then is told
    Silence {
        /// The rule, such as fully_scaled
        rule: String,
        /// How long, such as 30m; 0s ends the silence
        #[arg(long = "for", value_name = "TIME", default_value = "1h")]
        lasts: String,
    },
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    match &args.verb {
        None => {
            let alerts = place.source().await?.alerts().await?;
            if ctx.json {
                term::print_json(&alerts)?;
            } else {
                term::print(&show::alerts::all(&alerts, look(ctx)))?;
            }
            Ok(Exit::Done)
        }
        Some(Verb::Test { route }) => test(ctx, &place, route.as_deref()).await,
        Some(Verb::Silence { rule, lasts }) => silence(&place, rule, lasts).await,
    }
}

async fn silence(place: &Place, rule: &str, lasts: &str) -> Result<Exit, Failure> {
    let known = Rule::ALL.into_iter().find(|known| known.word() == rule);
    let known = known.ok_or_else(|| {
        let words = Rule::ALL.map(Rule::word);
        let near = skep_server::nearest(rule, words);
        let hint = near.map_or_else(
            || format!("rules are {}", words.join(", ")),
            |near| format!("did you mean {near}?"),
        );
        Failure::usage(format!("there is no rule {}", quoted(rule))).hint(hint)
    })?;
    let command = CommandDoc::SilenceAlerts {
        rule: known.word().into(),
        lasts: lasts.into(),
    };
    command.read().map_err(|_| {
        Failure::usage(format!("{} is no length of time", quoted(lasts)))
            .hint("write a number with its unit, such as 90s, 30m or 2h")
    })?;
    if place.command(&command).await?.is_some() {
        term::say(&format!("alerts of {known} are silenced for {lasts}\n"));
    }
    Ok(Exit::Done)
}

/// Sends a test and waits for what becomes of it.
async fn test(ctx: &Context, place: &Place, route: Option<&str>) -> Result<Exit, Failure> {
    if !place.client.is_there().await? {
        return Err(
            Failure::new(Exit::NoKeeper, "no keeper runs that could send a test")
                .hint("start one with `skep up --detach`"),
        );
    }
    let command = CommandDoc::TestAlerts {
        route: route.map(Into::into),
    };
    let Some(answer) = place.command(&command).await? else {
        return Ok(Exit::Refused);
    };
    let until = Instant::now() + PATIENCE;
    let tests = loop {
        let list = place.client.alerts().await?;
        let tests = tests_of(list, answer.seq);
        let open = |d: &DeliveryDoc| d.state == "waiting" && d.tries == 0;
        if !tests.iter().any(open) || Instant::now() >= until {
            break tests;
        }
        tokio::time::sleep(LOOK).await;
    };
    if ctx.json {
        term::print_json(&serde_json::json!({ "schema": 1, "deliveries": tests }))?;
    } else {
        term::print(&show::alerts::tests(&tests, look(ctx)))?;
    }
    let all = !tests.is_empty() && tests.iter().all(|d| d.state == "sent");
    Ok(if all { Exit::Done } else { Exit::Refused })
}

/// The deliveries of the last test up to an entry of the log.
fn tests_of(list: AlertList, seq: u64) -> Vec<DeliveryDoc> {
    let tests = list.deliveries.into_iter();
    let tests = tests.filter(|d| d.says == "test" && d.seq <= seq);
    let tests: Vec<DeliveryDoc> = tests.collect();
    let last = tests.iter().map(|d| d.seq).max();
    tests.into_iter().filter(|d| Some(d.seq) == last).collect()
}
