//! `skep demo`: everything at work on a clone of a real repository, without any account or key.
//!
//! The plan is in `crates/skep/demo/plan.toml`. Six of its agents misbehave on purpose. What became of each is
//! told from the state that the run left, so a story that did not happen is not told.

use super::run::{Args as RunArgs, run as run_plan};
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    term,
};
use skep_core::{
    attempt::Outcome,
    state::State,
    task::{FixWhy, Task, TaskState},
};
use skep_host::command::command;
use std::{
    fs,
    path::{Path, PathBuf},
};

const PLAN: &str = include_str!("../../demo/plan.toml");

/// Runs twelve small tasks in three waves on a clone of this repository; six of the agents misbehave.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The repository to clone; this one, if not given
    #[arg(long, value_name = "PATH")]
    repo: Option<PathBuf>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let from = args
        .repo
        .as_ref()
        .map_or_else(|| ctx.dir.clone(), |path| ctx.dir.join(path));
    let folder = folder()?;
    let clone = folder.join("repo");
    clone_repository(&from, &clone)?;
    let plan = folder.join("plan.toml");
    let text = PLAN.replace("DEMO", &folder.to_string_lossy());
    fs::write(&plan, text).map_err(|e| cannot("write the demo's plan", &e))?;
    term::say(&format!(
        "a clone of {} is in {}\ntwelve tasks in three waves; six of the agents will misbehave\n\n",
        from.display(),
        clone.display(),
    ));
    let ctx = Context {
        dir: clone.clone(),
        json: ctx.json,
        color: ctx.color,
        yes: ctx.yes,
    };
    let exit = run_plan(&ctx, RunArgs::of(plan)).await?;
    let state = Place::find(&ctx)?.fold()?;
    if state.finished().is_none() {
        return Ok(exit);
    }
    let (told, all) = stories(&state);
    if !ctx.json {
        term::print(&format!("\n{told}"))?;
        term::print(&format!(
            "\nlook at it:  cd {} && git log --graph --oneline skep/demo\n",
            clone.display()
        ))?;
        term::print(&format!("throw it away:  rm -rf {}\n", folder.display()))?;
    }
    if exit == Exit::Done && !all {
        return Err(Failure::new(
            Exit::Bug,
            "the demo ended, but not all of its mishaps happened as planned",
        )
        .hint("please report it with the text above"));
    }
    Ok(exit)
}

fn cannot(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Refused, format!("cannot {what}")).because(error)
}

/// A new folder in the system's temporary one. It stays: the result is there to be looked at.
fn folder() -> Result<PathBuf, Failure> {
    let base = std::env::temp_dir();
    for number in 1..10_000 {
        let folder = base.join(format!("skep-demo-{}-{number}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot("make a temporary folder", &error)),
        }
    }
    Err(Failure::new(
        Exit::Refused,
        "there are too many demos in the temporary folder already",
    )
    .hint(format!("rm -rf {}/skep-demo-*", base.display())))
}

fn clone_repository(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut git = command("git", from);
    git.args(["clone", "--quiet", "--no-hardlinks", "--", "."])
        .arg(to);
    // A repository in whose name a hook runs us must not redirect the clone.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(name);
    }
    let output = git.output().map_err(|e| cannot("run git", &e))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::usage(format!(
        "cannot clone {}: {}",
        from.display(),
        term::escape(said.trim())
    ))
    .hint("run it in a git repository with at least one commit, or give one with --repo PATH"))
}

/// One mishap: what it is called, and how it was handled, if the state shows that it was.
type Story = (&'static str, fn(&State) -> Option<String>);

const STORIES: [Story; 6] = [
    ("two tasks changed one line", conflict),
    ("an agent claimed success having changed nothing", liar),
    ("an agent crashed twice", crasher),
    ("an agent hung silently", hanger),
    ("an agent left a process behind", daemon),
    ("a task broke the integration check", breaker),
];

/// The stories as text, and whether all of them happened.
fn stories(state: &State) -> (String, bool) {
    let mut text = String::from("what went wrong, and what became of it:\n");
    let mut all = true;
    for (what, tell) in STORIES {
        let told = tell(state);
        all &= told.is_some();
        let (mark, rest) = told.map_or(("??", "not seen in this run".into()), |t| ("ok", t));
        text.push_str(&format!("  {mark}  {what}:\n      {rest}\n"));
    }
    (text, all)
}

fn task<'s>(state: &'s State, id: &str) -> Option<&'s Task> {
    state.tasks().iter().find(|t| t.id().as_str() == id)
}

fn merged(task: &Task) -> bool {
    task.state == TaskState::Merged
}

fn fix_of<'s>(state: &'s State, id: &str) -> Option<&'s Task> {
    state
        .tasks()
        .iter()
        .find(|t| t.fix().is_some_and(|f| f.of.as_str() == id))
}

fn conflict(state: &State) -> Option<String> {
    let conflict = state.conflicts().first()?;
    let late = conflict.tasks.last()?;
    let fix = fix_of(state, late.as_str()).filter(|t| merged(t))?;
    let tasks: Vec<&str> = conflict.tasks.iter().map(|t| t.as_str()).collect();
    Some(format!(
        "{} met in {}; the rest of the wave merged, and {} brought the work of {late} in",
        tasks.join(" and "),
        conflict.file,
        fix.id(),
    ))
}

fn liar(state: &State) -> Option<String> {
    let task = task(state, "liar").filter(|t| merged(t))?;
    let first = task
        .history
        .first()
        .filter(|p| p.outcome == Outcome::Failed)?;
    Some(format!(
        "attempt {} was refused; told why, attempt {} did the work",
        first.attempt,
        task.history.last()?.attempt
    ))
}

fn crasher(state: &State) -> Option<String> {
    let task = task(state, "crasher").filter(|t| merged(t))?;
    let crashes: Vec<String> = task
        .history
        .iter()
        .filter(|p| p.outcome == Outcome::Crashed)
        .map(|p| p.worker.to_string())
        .collect();
    (crashes.len() == 2).then(|| {
        format!(
            "on {}; {} got it done",
            crashes.join(" and "),
            task.history
                .last()
                .map_or(String::new(), |p| p.worker.to_string())
        )
    })
}

fn hanger(state: &State) -> Option<String> {
    let task = task(state, "hanger").filter(|t| merged(t))?;
    let first = task
        .history
        .iter()
        .find(|p| p.outcome == Outcome::TimedOut)?;
    Some(format!(
        "attempt {}: {}; the next one worked",
        first.attempt, first.reason
    ))
}

fn daemon(state: &State) -> Option<String> {
    let task = task(state, "daemon").filter(|t| merged(t))?;
    let survivors = task.accepted.as_ref()?.receipt.survivors;
    (survivors > 0).then(|| {
        format!("{survivors} outlived the agent and were ended before the work was checked")
    })
}

fn breaker(state: &State) -> Option<String> {
    let fix = fix_of(state, "breaker").filter(|t| merged(t))?;
    matches!(fix.fix()?.why, FixWhy::Check(_)).then(|| {
        format!(
            "bisection found it, it was left out, the rest of the wave landed, and {} mended it",
            fix.id()
        )
    })
}
