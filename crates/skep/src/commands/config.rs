//! `skep config`: the numbers that steer the swarm, shown and changed while it runs (S-8).

use super::look;
use crate::{
    args::{Context, quoted},
    deeds::Deeds,
    failure::{Exit, Failure},
    place::Place,
    show, term,
};
use clap::Subcommand;
use serde_json::Value;
use skep_server::{
    api::ConfigDoc,
    config::{Changes, ConfigFault, Setting, no_such_key, would_take},
};

/// Without a verb: every number, with its default where it differs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every number
    List,
    /// Print one value
    Get {
        /// Its key
        key: String,
    },
    /// Change one; it holds from now on, without a restart
    Set {
        /// Its key
        key: String,
        /// A number, or a length of time such as 20m
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Bring defaults back
    Reset {
        /// The keys
        #[arg(required_unless_present = "all", value_name = "KEY")]
        keys: Vec<String>,
        /// All of them
        #[arg(long, conflicts_with = "keys")]
        all: bool,
    },
    /// Say what a number does
    Explain {
        /// Its key
        key: String,
    },
}

pub(crate) async fn run(ctx: &Context, args: Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    match args.verb.unwrap_or(Verb::List) {
        Verb::List => list(ctx, &place).await,
        Verb::Get { key } => {
            let setting = find(&place, &key).await?;
            if ctx.json {
                term::print_json(&setting)?;
            } else {
                term::print(&format!("{}\n", show::config::value(&setting.value)))?;
            }
            Ok(Exit::Done)
        }
        Verb::Set {
            key,
            value,
            dry_run,
        } => {
            let mut deeds = Deeds::begin(ctx, dry_run)?;
            let result = set(&mut deeds, &key, &value).await;
            deeds.end(result)
        }
        Verb::Reset { keys, all } => {
            let mut deeds = Deeds::begin(ctx, false)?;
            let result = reset(&mut deeds, keys, all).await;
            deeds.end(result)
        }
        Verb::Explain { key } => {
            let setting = find(&place, &key).await?;
            if ctx.json {
                term::print_json(&setting)?;
            } else {
                let text = show::config::explained(&setting);
                term::print(&term::wrap(&text, look(ctx).width, 2))?;
            }
            Ok(Exit::Done)
        }
    }
}

async fn config(place: &Place) -> Result<ConfigDoc, Failure> {
    place.source().await?.config().await
}

async fn list(ctx: &Context, place: &Place) -> Result<Exit, Failure> {
    let config = config(place).await?;
    if ctx.json {
        term::print_json(&config)?;
    } else {
        term::print(&show::config::config(&config, look(ctx)))?;
    }
    Ok(Exit::Done)
}

async fn find(place: &Place, key: &str) -> Result<Setting, Failure> {
    let settings = config(place).await?.settings;
    let keys: Vec<String> = settings.iter().map(|s| s.key.clone()).collect();
    let found = settings.into_iter().find(|s| s.key == key);
    found.ok_or_else(|| refused(no_such_key(key, &keys)))
}

fn refused(fault: ConfigFault) -> Failure {
    let failure = Failure::usage(fault.message);
    match fault.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

async fn set(deeds: &mut Deeds, key: &str, value: &str) -> Result<(), Failure> {
    // A number is one, and so is a list (["a", "b"]); everything else (20m) is a text.
    let typed = match serde_json::from_str(value) {
        Ok(typed @ (Value::Number(_) | Value::Array(_))) => typed,
        _ => Value::String(value.into()),
    };
    let changes = Changes::from([(key.into(), typed)]);
    if deeds.dry_run {
        let was = show::config::value(&find(&deeds.place, key).await?.value);
        would_take(&config(&deeds.place).await?.settings, &changes).map_err(refused)?;
        let said = format!("would set {key} from {was} to {}", quoted(value));
        deeds.only_say(key, &said);
        return Ok(());
    }
    let answer = deeds.place.configure(&changes).await?;
    deeds.note(
        key,
        &format!("{key} is {value} from now on"),
        answer.as_ref(),
    );
    Ok(())
}

async fn reset(deeds: &mut Deeds, mut keys: Vec<String>, all: bool) -> Result<(), Failure> {
    if all {
        let settings = config(&deeds.place).await?.settings.into_iter();
        keys = settings
            .filter(|s| s.value != s.default)
            .map(|s| s.key)
            .collect();
        if keys.is_empty() {
            deeds.only_say("config", "nothing to do: every number is at its default");
            return Ok(());
        }
    }
    let changes: Changes = keys.iter().map(|key| (key.clone(), Value::Null)).collect();
    let answer = deeds.place.configure(&changes).await?;
    let said = format!("at the default again: {}", keys.join(", "));
    deeds.note("config", &said, answer.as_ref());
    Ok(())
}
