//! `skep alerts`: what people were told of, whether it arrives, and silence (U-6).

use super::look;
use crate::{
    args::{Context, quoted},
    deeds::Deeds,
    failure::{Exit, Failure},
    place::Place,
    show, term,
};
use skep_core::{alert::Rule, request::Command, time::Millis};
use skep_server::{
    api::{AlertList, CommandDoc, DeliveryDoc, SCHEMA},
    client::Client,
};
use std::time::{Duration, Instant};

/// A receiver that hangs is given up by then; a mail server may take a minute.
const PATIENCE: Duration = Duration::from_secs(65);
/// How often it is looked whether a test has arrived.
const LOOK: Duration = Duration::from_millis(100);

/// What a person needs who has no route yet.
const WHERE: &str = "\
Whom alerts reach is in the plan, one table for each way (kind: webhook, slack, email or desktop):
  [[alerts.route]]
  name = \"me\"
  kind = \"desktop\"
From when on people are told of what is in `skep config`, under policy.alerts.";

/// Lists what is raised, and how messages about it get through.
#[derive(Debug, clap::Args)]
#[command(after_help = WHERE)]
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
        #[arg(help = format!("The rule: {}", words()))]
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
        Some(Verb::Silence { rule, lasts }) => silence(ctx, rule, lasts).await,
    }
}

/// The words of all rules.
fn words() -> String {
    Rule::ALL.map(Rule::word).join(", ")
}

async fn silence(ctx: &Context, rule: &str, lasts: &str) -> Result<Exit, Failure> {
    let known = Rule::ALL.into_iter().find(|known| known.word() == rule);
    let known = known.ok_or_else(|| {
        let near = skep_server::nearest(rule, Rule::ALL.map(Rule::word));
        let hint = near.map_or_else(
            || format!("rules are {}", words()),
            |near| format!("did you mean {near}?"),
        );
        Failure::usage(format!("there is no rule {}", quoted(rule))).hint(hint)
    })?;
    let command = CommandDoc::SilenceAlerts {
        rule: known.word().into(),
        lasts: lasts.into(),
    };
    let Ok(Command::SilenceAlerts { lasts: length, .. }) = command.read() else {
        let what = format!("{} is no length of time", quoted(lasts));
        return Err(
            Failure::usage(what).hint("write a number with its unit, such as 90s, 30m or 2h")
        );
    };
    let said = if length == Millis(0) {
        format!("alerts of {known} are told again")
    } else {
        format!("alerts of {known} are silenced for {length}")
    };
    let mut deeds = Deeds::begin(ctx, false)?;
    let result = deeds.act(known.word(), &said, &command).await;
    deeds.end(result)
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
    let tests = match place.command(&command).await? {
        Some(answer) => outcome(&place.client, answer.seq).await?,
        // Without any route, which was said.
        None => Vec::new(),
    };
    if ctx.json {
        term::print_json(&serde_json::json!({ "schema": SCHEMA, "deliveries": tests }))?;
    } else {
        term::print(&show::alerts::tests(&tests, look(ctx)))?;
    }
    let all = !tests.is_empty() && tests.iter().all(|d| d.state == "sent");
    Ok(if all { Exit::Done } else { Exit::Refused })
}

/// What became of a test, as soon as each route's first try is over.
async fn outcome(client: &Client, seq: u64) -> Result<Vec<DeliveryDoc>, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        let tests = tests_of(client.alerts().await?, seq);
        let open = |d: &DeliveryDoc| d.state == "waiting" && d.tries == 0;
        if !tests.iter().any(open) || Instant::now() >= until {
            return Ok(tests);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The deliveries of the last test up to an entry of the log.
fn tests_of(list: AlertList, seq: u64) -> Vec<DeliveryDoc> {
    let tests = list.deliveries.into_iter();
    let tests = tests.filter(|d| d.says == "test" && d.seq <= seq);
    let tests: Vec<DeliveryDoc> = tests.collect();
    let last = tests.iter().map(|d| d.seq).max();
    tests.into_iter().filter(|d| Some(d.seq) == last).collect()
}
