//! `skep tasks`: list and change tasks while the swarm runs.

use super::{
    look,
    retry::{each, ids},
};
use crate::{
    args::{self, Context, quoted},
    deeds::Deeds,
    failure::{Exit, Failure},
    place::Place,
    show, term,
};
use clap::Subcommand;
use skep_server::api::{CommandDoc, CommandInput, CriterionInput, TaskInput};
use std::{fs, path::PathBuf};

/// Without a verb: all tasks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All tasks
    List {
        /// Only those in this state
        #[arg(long)]
        state: Option<String>,
    },
    /// Everything known of a task
    Show {
        /// Which
        task: String,
    },
    /// Add a task
    Add(Box<Fields>),
    /// Change a task that nobody has begun, or that was given up
    Edit(Box<Fields>),
    /// Count tasks as merged without doing them
    Skip(Several),
    /// Give tasks up
    Cancel(Several),
    /// Begin tasks anew
    Retry(Several),
    /// Change a task's priority
    Boost {
        /// Which
        task: String,
        /// P0 to P3
        #[arg(default_value = "P0")]
        priority: String,
    },
    /// Let only one worker claim a task
    Assign {
        /// Which
        task: String,
        /// The worker, or "any"
        worker: String,
    },
}

#[derive(Debug, clap::Args)]
struct Several {
    /// The tasks
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// A task's keys, as in a plan. What is left out keeps its value, or takes its default.
#[derive(Debug, clap::Args)]
struct Fields {
    /// The task's id
    task: String,
    /// The goal in one sentence
    #[arg(long, short)]
    mission: Option<String>,
    /// Longer text
    #[arg(long)]
    brief: Option<String>,
    /// A command that must exit 0; may be given several times
    #[arg(long, value_name = "COMMAND")]
    success: Vec<String>,
    /// A task that must be merged before; may be given several times
    #[arg(long = "after", value_name = "TASK")]
    depends_on: Vec<String>,
    /// The role a worker must have
    #[arg(long)]
    role: Option<String>,
    /// P0 to P3
    #[arg(long)]
    priority: Option<String>,
    /// The agent
    #[arg(long)]
    agent: Option<String>,
    /// What the shell agent runs
    #[arg(long)]
    command: Option<String>,
    /// The time the agent is told, such as 20m
    #[arg(long)]
    timebox: Option<String>,
    /// A path pattern it may touch; may be given several times
    #[arg(long, value_name = "GLOB")]
    files: Vec<String>,
    /// All keys as a JSON object in this file; - is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only print the task as it would be
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(ctx: &Context, args: Args) -> Result<Exit, Failure> {
    match args.verb.unwrap_or(Verb::List { state: None }) {
        Verb::List { state } => list(ctx, state.as_deref()).await,
        Verb::Show { task } => show(ctx, &task).await,
        Verb::Add(fields) => add(ctx, &fields).await,
        Verb::Edit(fields) => edit(ctx, &fields).await,
        Verb::Skip(s) => {
            let command = |task| CommandDoc::SkipTask { task };
            several(ctx, &s, "counts as merged", command).await
        }
        Verb::Cancel(s) => {
            let command = |task| CommandDoc::CancelTask { task };
            several(ctx, &s, "is given up", command).await
        }
        Verb::Retry(s) => {
            let command = |task| CommandDoc::RetryTask { task };
            several(ctx, &s, "begins anew", command).await
        }
        Verb::Boost { task, priority } => {
            let id = args::task(&task)?;
            let done = format!("has priority {}", priority.to_uppercase());
            let command = |task| CommandDoc::BoostTask {
                task,
                priority: Some(priority.clone()),
            };
            each(Deeds::begin(ctx, false)?, &[id], &done, command).await
        }
        Verb::Assign { task, worker } => {
            let id = args::task(&task)?;
            let worker = match worker.as_str() {
                "any" => None,
                other => Some(args::worker(other)?.to_string()),
            };
            let done = format!("is for {}", worker.as_deref().unwrap_or("any worker"));
            let command = |task| CommandDoc::AssignTask {
                task,
                worker: worker.clone(),
            };
            each(Deeds::begin(ctx, false)?, &[id], &done, command).await
        }
    }
}

async fn several(
    ctx: &Context,
    several: &Several,
    done: &str,
    command: impl Fn(String) -> CommandDoc,
) -> Result<Exit, Failure> {
    let ids = ids(&several.tasks)?;
    each(Deeds::begin(ctx, several.dry_run)?, &ids, done, command).await
}

async fn list(ctx: &Context, state: Option<&str>) -> Result<Exit, Failure> {
    if let Some(state) = state {
        let known = skep_core::task::TaskState::ALL.map(skep_core::task::TaskState::word);
        if !known.contains(&state) {
            return Err(
                Failure::usage(format!("{} is not a task's state", quoted(state)))
                    .hint(format!("they are {}", known.join(", "))),
            );
        }
    }
    let mut list = Place::find(ctx)?.source().await?.tasks().await?;
    list.tasks.retain(|t| state.is_none_or(|s| t.state == s));
    if ctx.json {
        term::print_json(&list)?;
    } else {
        term::print(&show::status::tasks(&list, look(ctx)))?;
    }
    Ok(Exit::Done)
}

async fn show(ctx: &Context, task: &str) -> Result<Exit, Failure> {
    let id = args::task(task)?;
    let detail = Place::find(ctx)?.source().await?.task(&id).await?;
    if ctx.json {
        term::print_json(&detail)?;
    } else {
        term::print(&show::status::task(&detail, look(ctx)))?;
    }
    Ok(Exit::Done)
}

async fn add(ctx: &Context, fields: &Fields) -> Result<Exit, Failure> {
    let id = args::task(&fields.task)?;
    let task = filled(
        ctx,
        fields,
        TaskInput {
            id: id.to_string(),
            ..TaskInput::default()
        },
    )?;
    if task.mission.trim().is_empty() {
        return Err(Failure::usage("the task has no mission")
            .hint("`--mission \"…\"` says in one sentence what it is to do"));
    }
    change(ctx, fields.dry_run, task, "added", |task| {
        CommandDoc::AddTask { task }
    })
    .await
}

async fn edit(ctx: &Context, fields: &Fields) -> Result<Exit, Failure> {
    let id = args::task(&fields.task)?;
    let place = Place::find(ctx)?;
    // From the events: the documents show it for people, not for editing.
    let state = place.state().await?;
    let Some(task) = state.task(&id) else {
        return Err(Failure::usage(format!("there is no task {id}"))
            .hint(skep_server::task_hint(&state, id.as_str())));
    };
    let task = filled(ctx, fields, TaskInput::of(&task.spec))?;
    change(ctx, fields.dry_run, task, "changed", |task| {
        CommandDoc::EditTask { task }
    })
    .await
}

async fn change(
    ctx: &Context,
    dry_run: bool,
    task: TaskInput,
    done: &str,
    command: impl Fn(Box<TaskInput>) -> CommandDoc,
) -> Result<Exit, Failure> {
    task.read().map_err(Failure::usage)?;
    if dry_run {
        term::print_json(&task)?;
        return Ok(Exit::Done);
    }
    let id = task.id.clone();
    let mut deeds = Deeds::begin(ctx, false)?;
    let command = command(Box::new(task));
    let result = deeds.act(&id, &format!("{id} {done}"), &command).await;
    deeds.end(result)
}

/// The task with what the file and the options say.
fn filled(ctx: &Context, fields: &Fields, mut task: TaskInput) -> Result<TaskInput, Failure> {
    if let Some(file) = &fields.file {
        let cannot = |e| {
            let name = file.display().to_string();
            Failure::usage(format!("cannot read {}", quoted(&name))).because(&e)
        };
        let text = if file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin()).map_err(cannot)?
        } else {
            fs::read_to_string(ctx.dir.join(file)).map_err(cannot)?
        };
        let id = task.id;
        task = serde_json::from_str(&text)
            .map_err(|e| Failure::usage("this is not a task").because(&e))?;
        task.id = id;
    }
    let set = |into: &mut Option<String>, from: &Option<String>| {
        if from.is_some() {
            into.clone_from(from);
        }
    };
    set(&mut task.role, &fields.role);
    set(&mut task.priority, &fields.priority);
    set(&mut task.agent, &fields.agent);
    set(&mut task.timebox, &fields.timebox);
    if let Some(mission) = &fields.mission {
        task.mission.clone_from(mission);
    }
    if let Some(brief) = &fields.brief {
        task.brief.clone_from(brief);
    }
    if let Some(command) = &fields.command {
        task.command = Some(CommandInput::Line(command.clone()));
    }
    if !fields.success.is_empty() {
        let line = |s: &String| CriterionInput::Run(CommandInput::Line(s.clone()));
        task.success = fields.success.iter().map(line).collect();
    }
    if !fields.depends_on.is_empty() {
        task.depends_on.clone_from(&fields.depends_on);
    }
    if !fields.files.is_empty() {
        task.files.clone_from(&fields.files);
    }
    Ok(task)
}
