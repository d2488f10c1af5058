//! `skep config`: the numbers that steer the swarm, where they come from (U-11), and changed while it runs (S-8).

use super::look;
use crate::{
    args::{Context, quoted},
    deeds::Deeds,
    failure::{Exit, Failure},
    layers,
    place::{Place, Source},
    show, term,
};
use clap::Subcommand;
use serde_json::Value;
use skep_server::{
    api::{ConfigDoc, SCHEMA},
    config::{self, Changes, ConfigFault, Setting, no_such_key, would_take},
    plan::layers as plan_layers,
};

/// Without a verb: every number, where it comes from, and its default where it differs.
///
/// A value is an option's of `skep run`, else the environment's (SKEP_POLICY_CONCURRENCY=2), else that of
/// skep.local.toml, the plan, skep.toml, or your own config.toml, as they were when the plan began. What is set here
/// goes before all of them, until it is reset or another plan begins.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every number
    List,
    /// The files that configuration comes from, and whether they are there
    Files,
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
    /// Bring back what the plan and the configuration say
    Reset {
        /// The keys
        #[arg(required_unless_present = "all", value_name = "KEY")]
        keys: Vec<String>,
        /// All of them
        #[arg(long, conflicts_with = "keys")]
        all: bool,
        /// Bring back Skep's own defaults instead
        #[arg(long)]
        default: bool,
    },
    /// Say what a number does, and what each layer says of it
    Explain {
        /// Its key
        key: String,
    },
}

pub(crate) async fn run(ctx: &Context, args: Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    match args.verb.unwrap_or(Verb::List) {
        Verb::List => list(ctx, &place).await,
        Verb::Files => files(ctx, &place),
        Verb::Get { key } => {
            let setting = find(ctx, &place, &key).await?;
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
            let result = set(ctx, &mut deeds, &key, &value).await;
            deeds.end(result)
        }
        Verb::Reset { keys, all, default } => {
            let mut deeds = Deeds::begin(ctx, false)?;
            let result = reset(ctx, &mut deeds, keys, all, default).await;
            deeds.end(result)
        }
        Verb::Explain { key } => explain(ctx, &place, &key).await,
    }
}

async fn config(ctx: &Context, place: &Place) -> Result<ConfigDoc, Failure> {
    let source = place.source().await?;
    let before_any_plan = match &source {
        Source::Log(log) => log.state.swarm().is_none(),
        Source::Keeper(_) => source.status().await?.swarm.is_none(),
    };
    if !before_any_plan {
        return source.config().await;
    }
    // What a plan that says nothing would begin with.
    let (policy, origins) = layers::policy(ctx, place)?;
    Ok(ConfigDoc {
        schema: SCHEMA,
        settings: config::of_layers(&policy, &origins),
    })
}

fn files(ctx: &Context, place: &Place) -> Result<Exit, Failure> {
    let (_, files) = layers::find(place, &[])?;
    if ctx.json {
        term::print_json(&serde_json::json!({ "schema": SCHEMA, "files": files }))?;
    } else {
        term::print(&show::config::files(&files, look(ctx)))?;
    }
    Ok(Exit::Done)
}

/// A value, what it does, and what each layer says of it now.
async fn explain(ctx: &Context, place: &Place, key: &str) -> Result<Exit, Failure> {
    let stated = layers::stated(ctx, place)?;
    let key = key.strip_prefix("policy.").unwrap_or(key);
    let full = format!("policy.{key}");
    if let Some(about) = config::about(key).filter(|_| config::about(&full).is_none()) {
        // Not a number of the policy: it is taken as a plan begins, and there is nothing to change live.
        let said = stated.get(key).cloned().unwrap_or_default();
        if ctx.json {
            let document =
                serde_json::json!({ "schema": SCHEMA, "key": key, "about": about, "layers": said });
            term::print_json(&document)?;
        } else {
            let text = show::config::fixed(key, &about, &said);
            term::print(&term::wrap(&text, look(ctx).width, 2))?;
        }
        return Ok(Exit::Done);
    }
    let setting = find(ctx, place, key).await?;
    let said = stated.get(&full).cloned().unwrap_or_default();
    if ctx.json {
        let mut document = serde_json::to_value(&setting).unwrap_or_default();
        document["layers"] = serde_json::to_value(&said).unwrap_or_default();
        document["variable"] = plan_layers::variable(&full).into();
        document["live"] = true.into();
        term::print_json(&document)?;
    } else {
        let text = show::config::explained(&setting, &said);
        term::print(&term::wrap(&text, look(ctx).width, 2))?;
    }
    Ok(Exit::Done)
}

async fn list(ctx: &Context, place: &Place) -> Result<Exit, Failure> {
    let config = config(ctx, place).await?;
    if ctx.json {
        term::print_json(&config)?;
    } else {
        term::print(&show::config::config(&config, look(ctx)))?;
    }
    Ok(Exit::Done)
}

async fn find(ctx: &Context, place: &Place, key: &str) -> Result<Setting, Failure> {
    let settings = config(ctx, place).await?.settings;
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

async fn set(ctx: &Context, deeds: &mut Deeds, key: &str, value: &str) -> Result<(), Failure> {
    // A number is one, and so is a list (["a", "b"]); everything else (20m) is a text.
    let typed = match serde_json::from_str(value) {
        Ok(typed @ (Value::Number(_) | Value::Array(_))) => typed,
        _ => Value::String(value.into()),
    };
    let changes = Changes::from([(key.into(), typed)]);
    if deeds.dry_run {
        let was = show::config::value(&find(ctx, &deeds.place, key).await?.value);
        would_take(&config(ctx, &deeds.place).await?.settings, &changes).map_err(refused)?;
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

async fn reset(
    ctx: &Context,
    deeds: &mut Deeds,
    mut keys: Vec<String>,
    all: bool,
    default: bool,
) -> Result<(), Failure> {
    let settings = config(ctx, &deeds.place).await?.settings;
    let back = |s: &Setting| {
        if default {
            s.default.clone()
        } else {
            s.configured.clone()
        }
    };
    if all {
        let others = settings.iter().filter(|s| s.value != back(s));
        keys = others.map(|s| s.key.clone()).collect();
        if keys.is_empty() {
            let said = if default {
                "nothing to do: every number is at its default"
            } else {
                "nothing to do: every number is as the plan and the configuration have it"
            };
            deeds.only_say("config", said);
            return Ok(());
        }
    }
    let known: Vec<String> = settings.iter().map(|s| s.key.clone()).collect();
    let mut changes = Changes::new();
    for key in &keys {
        let setting = settings.iter().find(|s| s.key == *key);
        let setting = setting.ok_or_else(|| refused(no_such_key(key, &known)))?;
        let value = back(setting);
        // Null is how the default is asked for; some numbers have no other way to write it.
        let value = if value == setting.default {
            Value::Null
        } else {
            value
        };
        changes.insert(key.clone(), value);
    }
    let answer = deeds.place.configure(&changes).await?;
    let what = if default {
        "at the default"
    } else {
        "as configured"
    };
    let said = format!("{what} again: {}", keys.join(", "));
    deeds.note("config", &said, answer.as_ref());
    Ok(())
}
