//! Where a plan begins: the branch it builds on, and the integration branch's tip.

use crate::git::{GitError, Head, Land, Merge, Repo, names};
use skep_core::{
    id::{Oid, SwarmName, WorkerId},
    spec::{Landing, Plan},
    state::State,
};
use std::path::PathBuf;

/// Where a plan begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The branch it builds on; a commit's id when HEAD is detached.
    pub target: String,
    /// The integration branch's tip.
    pub base: Oid,
    /// Whether that holds everything the last plan merged.
    pub kept: bool,
}

impl Opening {
    /// Where the plan stands that is under way. No branch may be moved for it: it goes on from there.
    #[must_use]
    pub fn under_way(state: &State) -> Option<Opening> {
        let swarm = state.swarm().filter(|_| state.finished().is_none())?;
        Some(Opening {
            target: swarm.target.clone(),
            base: swarm.tip.clone(),
            kept: true,
        })
    }
}

/// What the last plan left: it tells the swarm's branches from a user's that happen to have their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// The name it had.
    pub swarm: SwarmName,
    /// Where it left the integration branch.
    pub tip: Oid,
    /// The first worker that it did not have.
    pub next_worker: WorkerId,
}

impl Last {
    /// As the log has it; `None` before the first plan.
    #[must_use]
    pub fn of(state: &State) -> Option<Last> {
        let swarm = state.swarm()?;
        Some(Last {
            swarm: swarm.spec.name.clone(),
            tip: swarm.tip.clone(),
            next_worker: state.next_worker(),
        })
    }
}

/// Why a plan cannot begin on this repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// The target does not exist.
    #[error("there is no branch {0:?}")]
    NoTarget(String),
    /// Nothing can land on a commit.
    #[error("HEAD is detached and the plan names no target, so there is no branch to land on")]
    Detached,
    /// The target's files would no longer be what its branch says.
    #[error("landing = \"main\" would move {branch}, which is checked out at {}", path.display())]
    TargetCheckedOut {
        /// The branch.
        branch: String,
        /// Where.
        path: PathBuf,
    },
    /// The integration branch of an earlier run conflicts with the target.
    #[error(
        "{branch} holds unlanded work of an earlier run that conflicts with {target} in {files}"
    )]
    Diverged {
        /// The integration branch.
        branch: String,
        /// The target.
        target: String,
        /// Where.
        files: String,
    },
    /// A branch of that name holds commits that this swarm did not make.
    #[error("the branch {0} is somebody else's: it holds commits that this swarm did not make")]
    Foreign(String),
    /// The branch is of a swarm of this name whose log is gone.
    #[error(
        "{branch} holds work of a swarm whose log is gone, and which the target does not have: {}",
        tasks.join(", ")
    )]
    Forsaken {
        /// The integration branch.
        branch: String,
        /// The tasks that were merged into it, oldest first.
        tasks: Vec<String>,
        /// Branches of its workers, which hold nothing that is not saved.
        workers: Vec<String>,
        /// How many refs hold work that was never merged.
        saved: usize,
    },
    /// git keeps a branch as a file and what is below it in a folder of that name: it cannot have both.
    #[error("git allows no branch {wanted} beside the branch {there}")]
    InTheWay {
        /// The branch there is.
        there: String,
        /// The branch that Skep needs.
        wanted: String,
    },
    /// A worker's branch would be reset to the base of each attempt.
    #[error("the branch {0} is somebody else's, and a worker of this swarm would need that name")]
    ForeignWorker(String),
    /// The integration branch is being moved by somebody else.
    #[error("{0} is being moved by somebody else")]
    Contended(String),
    /// git refused.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl OpeningError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            OpeningError::NoTarget(_) => Some("`git branch --list` shows the branches there are".into()),
            OpeningError::Detached => {
                Some("check out a branch, or set `target` in the plan's [swarm]".into())
            }
            OpeningError::TargetCheckedOut { .. } => Some(
                "leave landing at \"branch\" and merge the result yourself, or check out another branch there"
                    .into(),
            ),
            OpeningError::Diverged { branch, .. } => Some(format!(
                "merge {branch} yourself, or, if you do not want it, `git branch -D {branch}`"
            )),
            OpeningError::Foreign(branch) => Some(format!(
                "give the swarm another `name` in [swarm], or rename the branch: git branch -m {branch} …"
            )),
            OpeningError::Forsaken {
                branch,
                workers,
                saved,
                ..
            } => {
                let workers = workers.join(" ");
                let saved = match saved {
                    0 => String::new(),
                    n => format!("; {n} more that were never merged are in `skep salvage list`"),
                };
                Some(format!(
                    "to keep it: git merge {branch}; to give it up: \
                     git worktree prune && git branch -D {branch} {workers}{saved}"
                ))
            }
            OpeningError::InTheWay { there, .. } => Some(format!(
                "rename that branch: git branch -m {there} {}",
                if there == "skep" { "skep-mine" } else { "…" }
            )),
            OpeningError::ForeignWorker(branch) => Some(format!(
                "give the swarm another `name` in [swarm], or rename the branch: git branch -m {branch} …; \
                 if it is left of a swarm whose .skep folder is gone: git branch -D {branch}"
            )),
            OpeningError::Contended(_) => Some("try again".into()),
            OpeningError::Git(_) => None,
        }
    }
}

/// Finds where `plan` begins, and sees to it that the integration branch is there and holds everything the
/// target holds. Work of an earlier run that has not landed stays on it (W-12).
///
/// # Errors
/// [`OpeningError`]; no branch was moved then.
pub fn opening(repo: &Repo, plan: &Plan, last: Option<&Last>) -> Result<Opening, OpeningError> {
    let (opening, old) = find(repo, plan, last)?;
    let branch = names::integration(&plan.swarm.name);
    let reference = format!("refs/heads/{branch}");
    match repo.land(
        &reference,
        old.as_ref(),
        &opening.base,
        "skep: begin a plan",
    )? {
        Land::Moved | Land::AlreadyThere => Ok(opening),
        Land::Refused { .. } => Err(OpeningError::Contended(branch)),
    }
}

/// The same, but moves nothing: what [`opening`] would say.
///
/// # Errors
/// As [`opening`].
pub fn foresee(repo: &Repo, plan: &Plan, last: Option<&Last>) -> Result<Opening, OpeningError> {
    find(repo, plan, last).map(|(opening, _)| opening)
}

/// Where the plan begins, and where the integration branch is now.
fn find(
    repo: &Repo,
    plan: &Plan,
    last: Option<&Last>,
) -> Result<(Opening, Option<Oid>), OpeningError> {
    let (target, tip) = target(repo, plan)?;
    let branch = names::integration(&plan.swarm.name);
    let old = repo.branch_tip(&branch)?;
    // Other swarms may have had their turn since: then the log knows their tip, and the branch's own log this
    // one's. Without a log nobody knows which tasks the branch holds, whoever moved it last.
    let turns = last.is_some();
    let last = last.filter(|last| last.swarm == plan.swarm.name);
    let base = match &old {
        None => tip,
        Some(old) if repo.is_ancestor(old, &tip)? => tip,
        Some(old) if !(turns && is_ours(repo, &branch, old, last)?) => {
            return Err(stranger(repo, plan, branch, old, &tip, last)?);
        }
        Some(old) if repo.is_ancestor(&tip, old)? => old.clone(),
        Some(old) => bring_in(repo, &branch, old, &target, &tip)?,
    };
    let is_ours = |worker: WorkerId| last.map_or(old.is_some(), |l| worker < l.next_worker);
    names_are_free(repo, &branch, is_ours)?;
    let kept = holds(repo, &base, last.map(|last| &last.tip))?;
    Ok((Opening { target, base, kept }, old))
}

/// Whose the integration branch is that is not ours.
fn stranger(
    repo: &Repo,
    plan: &Plan,
    branch: String,
    old: &Oid,
    target: &Oid,
    last: Option<&Last>,
) -> Result<OpeningError, GitError> {
    let merged = match last {
        None => repo.merged_attempts(Some(target), old)?,
        Some(_) => Vec::new(),
    };
    if merged.is_empty() {
        return Ok(OpeningError::Foreign(branch));
    }
    let mut tasks: Vec<String> = merged.iter().map(|m| m.task.to_string()).collect();
    tasks.reverse();
    let below = format!("{branch}.");
    let all = repo.refs("refs/heads/skep")?;
    let workers = all.iter().map(|(n, _)| n.trim_start_matches("refs/heads/"));
    let workers = workers.filter(|name| name.starts_with(&below));
    Ok(OpeningError::Forsaken {
        workers: workers.map(String::from).collect(),
        saved: repo.refs(&names::salvage_of(&plan.swarm.name))?.len(),
        branch,
        tasks,
    })
}

/// Whether git will allow the swarm's branches, and none of them is a user's.
fn names_are_free(
    repo: &Repo,
    branch: &str,
    is_ours: impl Fn(WorkerId) -> bool,
) -> Result<(), OpeningError> {
    // The branch `skep` itself, and all below it.
    for (name, _) in repo.refs("refs/heads/skep")? {
        let there = name.trim_start_matches("refs/heads/");
        let in_the_way = |wanted: &str| OpeningError::InTheWay {
            there: there.into(),
            wanted: wanted.into(),
        };
        if branch
            .strip_prefix(there)
            .is_some_and(|rest| rest.starts_with('/'))
        {
            return Err(in_the_way(branch));
        }
        let Some(rest) = there.strip_prefix(branch) else {
            continue;
        };
        if rest.starts_with('/') {
            return Err(in_the_way(branch));
        }
        let Some(rest) = rest.strip_prefix('.') else {
            continue;
        };
        let (worker, below) = rest
            .split_once('/')
            .map_or((rest, false), |(w, _)| (w, true));
        match worker.parse::<WorkerId>() {
            Ok(_) if below => return Err(in_the_way(&format!("{branch}.{worker}"))),
            Ok(worker) if !is_ours(worker) => {
                return Err(OpeningError::ForeignWorker(there.into()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn target(repo: &Repo, plan: &Plan) -> Result<(String, Oid), OpeningError> {
    let to_target = plan.swarm.landing == Landing::Main;
    let (target, tip) = match (&plan.swarm.target, repo.head()?) {
        (Some(name), _) => {
            let tip = repo
                .branch_tip(name)?
                .ok_or_else(|| OpeningError::NoTarget(name.clone()))?;
            (name.clone(), tip)
        }
        (None, Head::Branch { name, oid }) => (name, oid),
        (None, Head::Detached(_)) if to_target => return Err(OpeningError::Detached),
        (None, Head::Detached(oid)) => (oid.to_string(), oid),
    };
    if to_target
        && let Some((branch, path)) = repo.checked_out()?.into_iter().find(|(b, _)| *b == target)
    {
        return Err(OpeningError::TargetCheckedOut { branch, path });
    }
    Ok((target, tip))
}

/// Whether the commit holds what this swarm last had on its branch.
fn holds(repo: &Repo, commit: &Oid, ours: Option<&Oid>) -> Result<bool, GitError> {
    ours.map_or(Ok(false), |ours| repo.is_ancestor(ours, commit))
}

/// Whether the branch at `old` still holds what this swarm last had there.
fn is_ours(repo: &Repo, branch: &str, old: &Oid, last: Option<&Last>) -> Result<bool, GitError> {
    if let Some(last) = last
        && repo.is_ancestor(&last.tip, old)?
    {
        return Ok(true);
    }
    match repo.left_at(branch)? {
        Some(left) => repo.is_ancestor(&left, old),
        None => Ok(false),
    }
}

fn bring_in(
    repo: &Repo,
    branch: &str,
    old: &Oid,
    target: &str,
    tip: &Oid,
) -> Result<Oid, OpeningError> {
    let date = super::clock::wall().0 / 1000;
    match repo.merge(old, tip, &format!("Merge {target}"), date)? {
        Merge::Clean { commit, .. } => Ok(commit),
        Merge::AlreadyIn => Ok(old.clone()),
        Merge::Conflict { conflicts, .. } => {
            let files: Vec<String> = conflicts.into_iter().map(|c| c.path).collect();
            Err(OpeningError::Diverged {
                branch: branch.into(),
                target: target.into(),
                files: files.join(", "),
            })
        }
    }
}
