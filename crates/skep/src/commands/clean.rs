//! `skep clean`: removes what finished work left behind, and never anything unmerged (W-11, W-12).

use super::confirm;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    show::count,
    term,
};
use serde::Serialize;
use skep_core::{
    state::State,
    task::{Task, TaskState},
};
use skep_host::{
    agents::homes,
    git::{Registered, names},
    litter::{kept_in, put_away},
    run::{Look, look},
    tmux::Session,
};
use skep_server::api::SCHEMA;
use std::{collections::BTreeSet, fs, path::PathBuf};

/// Removes worktrees, workers' branches, run folders, agents' homes and the tmux session of finished work.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Also remove what is not merged, after saving it (`skep salvage` lists it)
    #[arg(long)]
    force: bool,
}

/// What was removed and what was not, for programs.
#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    dry_run: bool,
    removed: Vec<String>,
    kept: Vec<Kept>,
}

#[derive(Debug, Serialize)]
struct Kept {
    what: String,
    why: String,
}

impl Report {
    fn new(dry_run: bool) -> Report {
        Report {
            schema: SCHEMA,
            dry_run,
            removed: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Notes what became of one thing.
    fn note(&mut self, what: impl Into<String>, done: Result<(), String>) {
        let what = what.into();
        match done {
            Ok(()) => self.removed.push(what),
            Err(why) => {
                term::say(&format!(
                    "kept {}: {}\n",
                    term::escape(&what),
                    term::escape(&why)
                ));
                self.kept.push(Kept { what, why });
            }
        }
    }

    fn print(&self, ctx: &Context) -> Result<(), Failure> {
        if ctx.json {
            term::print_json(self)
        } else {
            Ok(())
        }
    }
}

/// What there is to remove.
struct Litter {
    worktrees: Vec<Registered>,
    runs: Vec<PathBuf>,
    /// Agents' homes: sessions, and links to logins.
    homes: Vec<PathBuf>,
    branches: Vec<String>,
    session: Option<Session>,
    /// Run folders that stay: somebody is to look at what the agents said.
    wanted: Vec<String>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    if place.client.is_there().await? {
        return Err(Failure::new(
            Exit::Refused,
            "a keeper runs, and its workers use these files",
        )
        .hint("`skep down` first"));
    }
    // One that starts meanwhile would find its worktrees going.
    let _rest = if args.dry_run { None } else { place.rest()? };
    let state = place.fold()?;
    if state.live().len() > 0 {
        let live = count(state.live().len(), "attempt");
        return Err(Failure::new(Exit::Refused, format!("{live} may still be at work"))
            .hint("`skep run` lets them end; `skep up --detach && skep down --now` stops and saves them"));
    }
    let litter = find(&place, &state, args.force)?;
    if !litter.wanted.is_empty() {
        term::say(&format!(
            "the logs of tasks that need a person stay ({}); `skep logs` shows them\n",
            litter.wanted.join(", ")
        ));
    }
    let said = format!(
        "{}, {} and {}",
        count(litter.worktrees.len(), "worktree"),
        count(litter.branches.len(), "worker branch").replace("branchs", "branches"),
        count(litter.runs.len(), "run folder")
    );
    let session = litter.session.as_ref();
    let said = match session {
        Some(session) => format!("{said}, and the tmux session {}", session.name()),
        None => said,
    };
    let said = match litter.homes.len() {
        0 => said,
        homes => format!(
            "{said}, and the agents' homes of {}",
            count(homes, "worker")
        ),
    };
    let nothing = litter.worktrees.is_empty()
        && litter.branches.is_empty()
        && litter.runs.is_empty()
        && litter.homes.is_empty();
    if nothing && session.is_none() {
        term::say("nothing to remove\n");
        Report::new(args.dry_run).print(ctx)?;
        return Ok(Exit::Done);
    }
    if args.dry_run {
        term::say(&format!("would remove {said}\n"));
        let mut report = Report::new(true);
        let folders = litter.worktrees.iter().map(|w| &w.path);
        for path in folders.chain(&litter.runs).chain(&litter.homes) {
            report.removed.push(path.display().to_string());
        }
        report.removed.extend(litter.branches.iter().cloned());
        if !ctx.json {
            for worktree in report.removed.iter().take(litter.worktrees.len()) {
                term::say(&format!("  {}\n", term::escape(worktree)));
            }
        }
        report.print(ctx)?;
        return Ok(Exit::Done);
    }
    if args.force {
        confirm(
            ctx,
            &format!("Remove {said}, saving first what is not merged?"),
        )?;
    }
    let report = remove(&place, &state, &litter, args.force)?;
    report.print(ctx)?;
    if report.kept.is_empty() {
        term::say("removed\n");
        return Ok(Exit::Done);
    }
    let hint = if args.force {
        ""
    } else {
        "; `skep clean --force` saves it first and then removes it"
    };
    term::say(&format!(
        "kept {} that would have been lost{hint}\n",
        count(report.kept.len(), "thing")
    ));
    Ok(Exit::Unfinished)
}

fn find(place: &Place, state: &State, force: bool) -> Result<Litter, Failure> {
    let worktrees = place.repo.worktrees_below(&place.site.worktrees())?;
    let mut branches = Vec::new();
    if let Some(swarm) = state.swarm() {
        let prefix = format!("refs/heads/{}.", names::integration(&swarm.spec.name));
        let refs = place.repo.refs("refs/heads/skep/")?;
        let own = refs
            .into_iter()
            .filter(|(name, _)| name.starts_with(&prefix));
        branches = own
            .map(|(name, _)| name.trim_start_matches("refs/heads/").into())
            .collect();
    }
    let entries = fs::read_dir(place.site.runs())
        .into_iter()
        .flatten()
        .flatten();
    let runs = entries.map(|e| e.path()).filter(|p| p.is_dir());
    let (wanted, kept) = if force {
        Default::default()
    } else {
        wanted(place, state)
    };
    let runs = runs.filter(|run| !kept.contains(run)).collect();
    // Without tmux, or with a session that is another's, there is nothing of ours.
    let session = place.session(state);
    let session = session.filter(|session| matches!(session.panes(), Ok(Some(_))));
    Ok(Litter {
        worktrees,
        runs,
        homes: homes(&place.site),
        branches,
        session,
        wanted,
    })
}

/// The tasks that a person is to look at, and the folders of their attempts.
fn wanted(place: &Place, state: &State) -> (Vec<String>, BTreeSet<PathBuf>) {
    let needs = |task: &&Task| matches!(task.state, TaskState::Flagged | TaskState::Dead);
    let needs: Vec<&Task> = state.tasks().iter().filter(needs).collect();
    let runs = place.site.runs();
    let attempts = needs.iter().flat_map(|task| &task.history);
    let folders = attempts.map(|past| runs.join(format!("a{}", past.attempt)));
    let folders: BTreeSet<PathBuf> = folders.filter(|folder| folder.is_dir()).collect();
    let named = needs.iter().filter(|task| {
        let mut all = task.history.iter();
        all.any(|past| folders.contains(&runs.join(format!("a{}", past.attempt))))
    });
    (named.map(|task| task.id().to_string()).collect(), folders)
}

fn remove(place: &Place, state: &State, litter: &Litter, force: bool) -> Result<Report, Failure> {
    let mut report = Report::new(false);
    if let Some(session) = &litter.session {
        let done = session.end().map(drop).map_err(|e| e.to_string());
        report.note(session.name(), done);
    }
    for worktree in &litter.worktrees {
        let done = put_away(&place.repo, state, &worktree.path, force);
        report.note(worktree.path.display().to_string(), done.map(drop));
    }
    let all = kept_in(&place.repo, state).map_err(|why| Failure::new(Exit::Refused, why))?;
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for branch in &litter.branches {
        let done = place.repo.drop_branch(branch, &all);
        report.note(branch, done.map_err(|e| e.chain()));
    }
    for run in &litter.runs {
        let done = match look(run) {
            Look::Running(_) => Err("its shim is at work".into()),
            _ => fs::remove_dir_all(run).map_err(|e| e.to_string()),
        };
        report.note(run.display().to_string(), done);
    }
    for home in &litter.homes {
        let done = fs::remove_dir_all(home).map_err(|e| e.to_string());
        report.note(home.display().to_string(), done);
    }
    let _ = fs::remove_dir(place.site.agents());
    if let Some(swarm) = state.swarm() {
        // What was saved and is merged is proven to be elsewhere.
        let gone = place.repo.drop_merged(&swarm.spec.name, &swarm.tip)?;
        report.removed.extend(gone);
    }
    Ok(report)
}
