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
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    process::Output,
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
    let made = clone_repository(&from, &clone).and_then(|()| make_room(&from, &clone));
    let pages = made.inspect_err(|_| {
        // Nothing in it is worth looking at, and nobody but this process knows of it.
        let _ = fs::remove_dir_all(&folder);
    })?;
    let plan = folder.join("plan.toml");
    fs::write(&plan, PLAN.replace("PAGES", &pages))
        .map_err(|e| cannot("write the demo's plan", &e))?;
    term::say(&format!(
        "a clone of {} is in {}\ntwelve tasks in three waves; six of the agents will misbehave\n\n",
        term::escape(&from.display().to_string()),
        term::escape(&clone.display().to_string()),
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
            word(&clone)
        ))?;
        // In the run's summary its path is the clone's, where nobody stands.
        let reports = clone.join(".skep/reports");
        term::print(&format!("read its report:  ls {}\n", word(&reports)))?;
        term::print(&format!("throw it away:  rm -rf {}\n", word(&folder)))?;
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

/// A path as a shell reads it back.
fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        return text;
    }
    term::escape(&format!("'{}'", text.replace('\'', r"'\''"))).into_owned()
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

/// git in `dir`, by whose hooks, identity and surroundings nothing is changed: a repository in whose name a hook
/// runs us must not redirect it.
fn git(dir: &Path, args: &[&str]) -> Result<Output, Failure> {
    let mut git = command("git", dir);
    git.args([
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "commit.gpgSign=false",
    ]);
    git.args([
        "-c",
        "user.name=skep demo",
        "-c",
        "user.email=demo@localhost",
    ]);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(name);
    }
    git.args(args).output().map_err(|e| cannot("run git", &e))
}

fn clone_repository(from: &Path, to: &Path) -> Result<(), Failure> {
    // From wherever in it a person stands; a bare one will do as well.
    let found = git(
        from,
        &["rev-parse", "--path-format=absolute", "--git-common-dir"],
    )?;
    let failed = |output: &Output| {
        let said = String::from_utf8_lossy(&output.stderr);
        Failure::usage(format!("cannot clone {}: {}", from.display(), said.trim())).hint(
            "run it in a git repository with at least one commit, or give one with --repo PATH",
        )
    };
    if !found.status.success() {
        return Err(failed(&found));
    }
    let mut common = found.stdout;
    // Only the last line feed is git's; a path may contain others.
    common.pop();
    let common = PathBuf::from(OsString::from_vec(common));
    let mut clone = command("git", from);
    clone.args(["clone", "--quiet", "--no-hardlinks", "--"]);
    let output = clone.arg(common).arg(to).output();
    let output = output.map_err(|e| cannot("run git", &e))?;
    if !output.status.success() {
        return Err(failed(&output));
    }
    let head = git(to, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?;
    if head.status.success() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} has no commit yet, so there is nothing to show the demo on",
        from.display()
    ))
    .hint("commit something there first, or give another repository with --repo PATH"))
}

/// In the folder of the pages git shall see every file, and hold it as it is, whatever holds for the rest.
const ROOM: [(&str, &str); 2] = [
    (".gitignore", "!*\n"),
    (
        ".gitattributes",
        "* -text -filter merge -working-tree-encoding\n",
    ),
];

/// Commits a folder for the demo's pages to the clone, and says what it is called: the repository may have one
/// of the first name, and may ignore or rewrite the files that the tasks make.
fn make_room(from: &Path, clone: &Path) -> Result<String, Failure> {
    let free = |name: &String| fs::symlink_metadata(clone.join(name)).is_err();
    let names = std::iter::once("demo".to_string()).chain((2..).map(|n| format!("demo-{n}")));
    let pages = names.into_iter().find(free).unwrap_or_default();
    let folder = clone.join(&pages);
    fs::create_dir(&folder).map_err(|e| cannot("make the folder of the demo's pages", &e))?;
    for (name, text) in ROOM {
        let path = folder.join(name);
        fs::write(path, text).map_err(|e| cannot("write to the demo's clone", &e))?;
    }
    let step = |args: &[&str]| -> Result<(), Failure> {
        let done = git(clone, args)?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        let text = format!("cannot make room in the demo's clone: {}", said.trim());
        Err(Failure::new(Exit::Refused, text))
    };
    step(&["add", "--force", "--", &pages])?;
    step(&["commit", "--quiet", "-m", "Make room for the demo's pages"])?;
    // A branch `skep` would be in the way of the demo's own.
    let branch = git(clone, &["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    if branch.stdout.starts_with(b"skep") {
        step(&["branch", "-m", "demo-base"])?;
    }
    // Git looks into no folder that is ignored as a whole.
    let page = format!("{pages}/page.txt");
    let ignored = git(
        clone,
        &["check-ignore", "--quiet", "--no-index", "--", &page],
    )?;
    if ignored.status.success() {
        return Err(Failure::usage(format!(
            "{} ignores every new folder, so the demo's tasks could leave nothing there",
            from.display()
        ))
        .hint("give another repository with --repo PATH"));
    }
    Ok(pages)
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
    let first = task.history.iter().find(|p| p.outcome == Outcome::Stale)?;
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
