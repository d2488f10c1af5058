//! Work that is on no branch: listed, brought back, and dropped once it is proven to be elsewhere.

use super::{
    error::{GitError, oid, shown},
    exec::records,
    lock::moving_refs,
    names::SALVAGE,
    repo::Repo,
};
use skep_core::id::{Oid, SwarmName};

/// One thing saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// Its ref, in full.
    pub reference: String,
    /// The task, or `_w1` for commits found on a worker's branch.
    pub task: String,
    /// The attempt, with `.2` or `-head` behind it for what was saved beside the first.
    pub attempt: String,
    /// The commit.
    pub commit: Oid,
    /// When it was saved, in seconds since the epoch.
    pub date: u64,
    /// How many files it changes, compared with where it left the branch asked about.
    pub file_count: usize,
    /// Whether everything in it is in the branch asked about.
    pub merged: bool,
}

impl Repo {
    /// What was saved for a swarm, oldest first, compared with the commit `into`.
    ///
    /// # Errors
    /// When git fails.
    pub fn salvage(&self, swarm: &SwarmName, into: &Oid) -> Result<Vec<Salvage>, GitError> {
        let prefix = format!("{SALVAGE}{swarm}/");
        let format = "--format=%(objectname) %(committerdate:unix) %(refname)";
        let git = self
            .git()
            .args(["for-each-ref", "--sort=committerdate", format]);
        let git = git.arg(&prefix);
        let text = git.text();
        let listed = git.run()?;
        let mut all = Vec::new();
        for line in String::from_utf8_lossy(&listed).lines() {
            let mut fields = line.splitn(3, ' ');
            let mut next = || fields.next().unwrap_or_default();
            let (id, date, name) = (next(), next(), next());
            let rest = name.strip_prefix(&prefix).unwrap_or(name);
            let (task, attempt) = rest.split_once('/').unwrap_or((rest, ""));
            let commit = oid(&text, id.as_bytes())?;
            let files = self.files_since(into, &commit)?;
            all.push(Salvage {
                reference: name.into(),
                task: task.into(),
                attempt: attempt.into(),
                date: date.parse().unwrap_or(0),
                file_count: files,
                merged: files == 0 || self.is_within(&commit, into)?,
                commit,
            });
        }
        Ok(all)
    }

    /// How many files `commit` changes since it left `into`: none when it is an ancestor.
    fn files_since(&self, into: &Oid, commit: &Oid) -> Result<usize, GitError> {
        if self.is_ancestor(commit, into)? {
            return Ok(0);
        }
        let git = self.git().args(super::repo::DIFF_NAMES).arg("--merge-base");
        let git = git.args([into.as_str(), commit.as_str()]);
        match git.run() {
            Ok(listed) => Ok(records(&listed).count()),
            // Histories that share nothing: everything in it counts.
            Err(GitError::Failed { .. }) => {
                let git = self.git().args(["ls-tree", "-r", "-z", "--name-only"]);
                Ok(records(&git.arg(commit.as_str()).run()?).count().max(1))
            }
            Err(e) => Err(e),
        }
    }

    /// Whether `into` holds all of `commit`: as an ancestor, or because merging it would change nothing.
    /// Work that was merged and later taken back is not within: merging it would bring it again.
    fn is_within(&self, commit: &Oid, into: &Oid) -> Result<bool, GitError> {
        if self.is_ancestor(commit, into)? {
            return Ok(true);
        }
        let tree = |rev: &Oid| {
            let git = self.git().args(["rev-parse", "--verify"]);
            git.arg(format!("{rev}^{{tree}}")).oid()
        };
        match self.merge_tree(into, commit) {
            Ok(merged) => Ok(merged.conflicts.is_empty() && merged.tree == tree(into)?),
            Err(GitError::Failed { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Makes a branch (without `refs/heads/`) at what `reference` saved. An existing branch is never moved;
    /// one that is there already, at that commit, is as good.
    ///
    /// # Errors
    /// [`GitError::Refused`] when the name is taken, or no branch's name.
    pub fn restore(&self, reference: &str, branch: &str) -> Result<Oid, GitError> {
        let refuse = |what: &str, why: &str| GitError::Refused {
            what: shown(what.as_bytes()),
            why: why.into(),
        };
        if !reference.starts_with(SALVAGE) {
            return Err(refuse(reference, "is not a salvage ref"));
        }
        let commit = self.reference(reference)?;
        let commit = commit.ok_or_else(|| refuse(reference, "does not exist"))?;
        let check = self.git().args(["check-ref-format", "--branch", branch]);
        let sound = check.output()?;
        if !sound.status.success() || sound.stdout.trim_ascii_end() != branch.as_bytes() {
            return Err(refuse(branch, "cannot be a branch's name"));
        }
        let full = format!("refs/heads/{branch}");
        match self.reference(&full)? {
            Some(there) if there == commit => return Ok(commit),
            Some(_) => return Err(refuse(branch, "exists already; choose another name")),
            None => {}
        }
        let zero = self.zero();
        moving_refs(self, || {
            let git = self.git().args(["update-ref", "-m", "skep: restore"]);
            git.args([&full, commit.as_str(), &zero]).run().map(drop)
        })?;
        Ok(commit)
    }

    /// Drops what is proven to be in `into`, all or nothing, and says which refs those were.
    ///
    /// # Errors
    /// When git fails, or a ref moved meanwhile; nothing was dropped then.
    pub fn drop_merged(&self, swarm: &SwarmName, into: &Oid) -> Result<Vec<String>, GitError> {
        let all = self.salvage(swarm, into)?;
        let gone: Vec<_> = all.into_iter().filter(|s| s.merged).collect();
        self.drop_saved(&gone)?;
        Ok(gone.into_iter().map(|s| s.reference).collect())
    }

    /// Drops what a person gave up, merged or not, all or nothing. To be sure of that is the caller's duty.
    ///
    /// # Errors
    /// When git fails, or a ref moved since it was listed; nothing was dropped then.
    pub fn drop_saved(&self, gone: &[Salvage]) -> Result<(), GitError> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut input = String::from("start\n");
        for saved in gone {
            // The old value: a ref that moved since it was looked at is kept, and so are all others.
            input += &format!("delete {} {}\n", saved.reference, saved.commit);
        }
        input += "prepare\ncommit\n";
        moving_refs(self, || {
            let git = self.git().args(["update-ref", "--stdin"]);
            git.input(input.clone()).run().map(drop)
        })
    }
}
