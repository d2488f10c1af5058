//! `skep clean`: removes what finished work left behind, and never anything unmerged (W-11, W-12).

use super::confirm;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::{Place, now},
    show::count,
    term,
};
use serde::Serialize;
use skep_core::{id::Oid, state::State};
use skep_host::{
    git::{
        Registered, names,
        snapshot::{Snapshot, SnapshotSpec, snapshot_once},
    },
    run::{Look, look},
};
use skep_server::api::SCHEMA;
use std::{fs, path::PathBuf};

/// Removes worktrees, workers' branches and run folders of finished work.
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
    branches: Vec<String>,
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
    let state = place.fold()?;
    if state.live().len() > 0 {
        let live = count(state.live().len(), "attempt");
        return Err(Failure::new(Exit::Refused, format!("{live} may still be at work"))
            .hint("`skep run` lets them end; `skep up --detach && skep down --now` stops and saves them"));
    }
    let litter = find(&place, &state)?;
    let said = format!(
        "{}, {} and {}",
        count(litter.worktrees.len(), "worktree"),
        count(litter.branches.len(), "worker branch").replace("branchs", "branches"),
        count(litter.runs.len(), "run folder")
    );
    if litter.worktrees.is_empty() && litter.branches.is_empty() && litter.runs.is_empty() {
        term::say("nothing to remove\n");
        Report::new(args.dry_run).print(ctx)?;
        return Ok(Exit::Done);
    }
    if args.dry_run {
        term::say(&format!("would remove {said}\n"));
        let mut report = Report::new(true);
        for path in litter.worktrees.iter().map(|w| &w.path).chain(&litter.runs) {
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

fn find(place: &Place, state: &State) -> Result<Litter, Failure> {
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
    let runs = entries.map(|e| e.path()).filter(|p| p.is_dir()).collect();
    Ok(Litter {
        worktrees,
        runs,
        branches,
    })
}

fn remove(place: &Place, state: &State, litter: &Litter, force: bool) -> Result<Report, Failure> {
    let mut report = Report::new(false);
    let kept_in = kept_in(place, state)?;
    let kept_in: Vec<&str> = kept_in.iter().map(String::as_str).collect();
    for worktree in &litter.worktrees {
        let done = remove_worktree(place, state, worktree, &kept_in, force);
        report.note(worktree.path.display().to_string(), done);
    }
    let all = self::kept_in(place, state)?;
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
    if let Some(swarm) = state.swarm() {
        // What was saved and is merged is proven to be elsewhere.
        let gone = place.repo.drop_merged(&swarm.spec.name, &swarm.tip)?;
        report.removed.extend(gone);
    }
    Ok(report)
}

/// Removes a worktree of which nothing would be lost. What it holds is saved first, and then compared with
/// what is merged: only `force` removes more than that.
fn remove_worktree(
    place: &Place,
    state: &State,
    worktree: &Registered,
    kept_in: &[&str],
    force: bool,
) -> Result<(), String> {
    if place.repo.remove(&worktree.path, kept_in, None).is_ok() {
        return Ok(());
    }
    let swarm = state.swarm().ok_or("no plan has been run here")?;
    let saved = save(state, worktree)?;
    let mut kept_in = kept_in.to_vec();
    if let Some(reference) = &saved.reference {
        let all = place
            .repo
            .salvage(&swarm.spec.name, &swarm.tip)
            .map_err(|e| e.chain())?;
        let merged = all.iter().any(|s| s.reference == *reference && s.merged);
        if !merged && !force {
            return Err(format!("{} files in it are not merged", saved.file_count));
        }
        kept_in.push(reference);
    }
    place
        .repo
        .remove(&worktree.path, &kept_in, Some(&saved))
        .map_err(|e| e.chain())
}

/// Refs that hold what is merged or saved: whatever they reach is not lost.
fn kept_in(place: &Place, state: &State) -> Result<Vec<String>, Failure> {
    let mut refs = Vec::new();
    if let Some(swarm) = state.swarm() {
        let branch = names::integration(&swarm.spec.name);
        if place.repo.branch_tip(&branch)?.is_some() {
            refs.push(format!("refs/heads/{branch}"));
        }
        if place.repo.branch_tip(&swarm.target)?.is_some() {
            refs.push(format!("refs/heads/{}", swarm.target));
        }
    }
    refs.extend(
        place
            .repo
            .refs(names::SALVAGE)?
            .into_iter()
            .map(|(name, _)| name),
    );
    Ok(refs)
}

/// Saves what a worktree holds, as an attempt's end would.
fn save(state: &State, worktree: &Registered) -> Result<Snapshot, String> {
    let swarm = state.swarm().ok_or("no plan has been run here")?;
    let head: Oid = worktree
        .head
        .clone()
        .ok_or("git does not know its commit")?;
    let name = worktree
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let known = names::salvage_of(&swarm.spec.name);
    let spec = SnapshotSpec {
        base: head,
        merges: None,
        only: None,
        reference: format!("{known}_{name}/clean"),
        message: format!("skep: saved from {name} before it was removed\n"),
        date: now().0 / 1000,
    };
    snapshot_once(&worktree.path, &spec, &known)
}
