//! Where a plan begins: the branch it builds on, and the integration branch's tip.

use crate::git::{GitError, Head, Land, Merge, Repo, names};
use skep_core::{
    id::Oid,
    spec::{Landing, Plan},
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
            OpeningError::Contended(_) => Some("try again".into()),
            OpeningError::Git(_) => None,
        }
    }
}

/// Finds where `plan` begins, and sees to it that the integration branch is there and holds everything the
/// target holds. Work of an earlier run that has not landed stays on it (W-12); `ours` is where that run left
/// it, and tells it from a branch of the user's that happens to have the name.
///
/// # Errors
/// [`OpeningError`]; no branch was moved then.
pub fn opening(repo: &Repo, plan: &Plan, ours: Option<&Oid>) -> Result<Opening, OpeningError> {
    let (target, tip) = target(repo, plan)?;
    let branch = names::integration(&plan.swarm.name);
    let reference = format!("refs/heads/{branch}");
    let old = repo.branch_tip(&branch)?;
    let base = match &old {
        None => tip,
        Some(old) if repo.is_ancestor(old, &tip)? => tip,
        Some(old) if !holds(repo, old, ours)? => return Err(OpeningError::Foreign(branch)),
        Some(old) if repo.is_ancestor(&tip, old)? => old.clone(),
        Some(old) => bring_in(repo, &branch, old, &target, &tip)?,
    };
    let kept = holds(repo, &base, ours)?;
    match repo.land(&reference, old.as_ref(), &base, "skep: begin a plan")? {
        Land::Moved | Land::AlreadyThere => Ok(Opening { target, base, kept }),
        Land::Refused { .. } => Err(OpeningError::Contended(branch)),
    }
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
