//! `skep clean`: removes what finished work left behind, and never anything unmerged (W-11, W-12).

use super::confirm;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::{Place, now},
    show::count,
    term,
};
use skep_core::{id::Oid, state::State};
use skep_host::{
    git::{
        Registered, names,
        snapshot::{Snapshot, SnapshotSpec, snapshot},
    },
    run::{Look, look},
    tmux::Session,
};
use std::{fs, path::PathBuf};

/// Removes worktrees, workers' branches, run folders and the tmux session of finished work.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Also remove what is not merged, after saving it (`skep salvage` lists it)
    #[arg(long)]
    force: bool,
}

/// What there is to remove.
struct Litter {
    worktrees: Vec<Registered>,
    runs: Vec<PathBuf>,
    branches: Vec<String>,
    session: Option<Session>,
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
    let session = litter.session.as_ref();
    let said = match session {
        Some(session) => format!("{said}, and the tmux session {}", session.name()),
        None => said,
    };
    let nothing =
        litter.worktrees.is_empty() && litter.branches.is_empty() && litter.runs.is_empty();
    if nothing && session.is_none() {
        term::say("nothing to remove\n");
        return Ok(Exit::Done);
    }
    if args.dry_run {
        term::say(&format!("would remove {said}\n"));
        for worktree in &litter.worktrees {
            term::say(&format!(
                "  {}\n",
                term::escape(&worktree.path.display().to_string())
            ));
        }
        return Ok(Exit::Done);
    }
    if args.force {
        confirm(
            ctx,
            &format!("Remove {said}, saving first what is not merged?"),
        )?;
    }
    remove(&place, &state, &litter, args.force)
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
    // Without tmux, or with a session that is another's, there is nothing of ours.
    let session = place.session(state);
    let session = session.filter(|session| matches!(session.panes(), Ok(Some(_))));
    Ok(Litter {
        worktrees,
        runs,
        branches,
        session,
    })
}

fn remove(place: &Place, state: &State, litter: &Litter, force: bool) -> Result<Exit, Failure> {
    let mut kept = 0;
    let mut keep = |what: &str, why: &str| {
        kept += 1;
        term::say(&format!(
            "kept {}: {}\n",
            term::escape(what),
            term::escape(why)
        ));
    };
    if let Some(session) = &litter.session
        && let Err(error) = session.end()
    {
        keep(session.name(), &error.to_string());
    }
    let kept_in = kept_in(place, state)?;
    let kept_in: Vec<&str> = kept_in.iter().map(String::as_str).collect();
    for worktree in &litter.worktrees {
        if let Err(why) = remove_worktree(place, state, worktree, &kept_in, force) {
            keep(&worktree.path.display().to_string(), &why);
        }
    }
    let all = self::kept_in(place, state)?;
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for branch in &litter.branches {
        if let Err(error) = place.repo.drop_branch(branch, &all) {
            keep(branch, &error.chain());
        }
    }
    for run in &litter.runs {
        let shown = run.display().to_string();
        match look(run) {
            Look::Running(_) => keep(&shown, "its shim is at work"),
            _ => {
                if let Err(error) = fs::remove_dir_all(run) {
                    keep(&shown, &error.to_string());
                }
            }
        }
    }
    if let Some(swarm) = state.swarm() {
        // What was saved and is merged is proven to be elsewhere.
        place.repo.drop_merged(&swarm.spec.name, &swarm.tip)?;
    }
    if kept == 0 {
        term::say("removed\n");
        return Ok(Exit::Done);
    }
    let hint = if force {
        ""
    } else {
        "; `skep clean --force` saves it first and then removes it"
    };
    term::say(&format!(
        "kept {} that would have been lost{hint}\n",
        count(kept, "thing")
    ));
    Ok(Exit::Unfinished)
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
    let spec = SnapshotSpec {
        base: head,
        merges: None,
        reference: format!("{}{}/_{name}/clean", names::SALVAGE, swarm.spec.name),
        message: format!("skep: saved from {name} before it was removed\n"),
        date: now().0 / 1000,
    };
    snapshot(&worktree.path, &spec)
}
