//! Moving what a branch or a stray ref holds to a salvage ref, so that its name can go.

use super::{
    error::{GitError, oid},
    lock::moving_refs,
    names::{self, SALVAGE},
    repo::Repo,
};
use skep_core::id::Oid;

impl Repo {
    /// The commit at which two histories part; none if they share nothing.
    ///
    /// # Errors
    /// When git fails.
    pub fn merge_base(&self, one: &Oid, other: &Oid) -> Result<Option<Oid>, GitError> {
        let git = self.git().arg("merge-base");
        let git = git.args([one.as_str(), other.as_str()]);
        let text = git.text();
        let output = git.output()?;
        match output.code() {
            Some(0) => oid(&text, &output.stdout).map(Some),
            Some(1) => Ok(None),
            _ => Err(output.failure(text, self.common_dir().into())),
        }
    }

    /// Deletes a branch; commits of it that none of `kept_in` reaches are on a salvage ref first. A branch that
    /// is gone is as good.
    ///
    /// # Errors
    /// When it is checked out, or git fails.
    pub fn rescue_branch(&self, branch: &str, kept_in: &[&str]) -> Result<(), GitError> {
        let Some(tip) = self.branch_tip(branch)? else {
            return Ok(());
        };
        if self.drop_branch(branch, kept_in).is_ok() {
            return Ok(());
        }
        let reference = names::kept(branch, &tip);
        self.set_ref(&reference, &tip, "skep: kept before its branch is deleted")?;
        self.drop_branch(branch, &[&reference])
    }

    /// Deletes the branch of a worktree of Skep's that is gone or has another branch now. What is merged or saved
    /// needs it no more; the rest of it is on a salvage ref first.
    ///
    /// # Errors
    /// As [`Repo::rescue_branch`].
    pub fn retire_branch(&self, branch: &str) -> Result<(), GitError> {
        // However many refs of saved work there are, the command stays short.
        let mut kept = vec![format!("--glob={SALVAGE}")];
        if let Some((integration, _)) = branch.rsplit_once('.')
            && self.branch_tip(integration)?.is_some()
        {
            kept.push(format!("refs/heads/{integration}"));
        }
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        self.rescue_branch(branch, &kept)
    }

    /// Moves a ref below `refs/skep/` to where salvage is listed, and says where that is.
    ///
    /// # Errors
    /// When it is none of those, or git fails; then it is where it was.
    pub fn rescue_ref(&self, reference: &str) -> Result<Option<String>, GitError> {
        let refuse = |why: &str| GitError::Refused {
            what: reference.into(),
            why: why.into(),
        };
        let rest = reference.strip_prefix("refs/skep/");
        let rest = rest.ok_or_else(|| refuse("is not one of Skep's refs"))?;
        if reference.starts_with(SALVAGE) {
            return Err(refuse("is saved work already"));
        }
        let Some(tip) = self.reference(reference)? else {
            return Ok(None);
        };
        let to = format!(
            "{SALVAGE}_other/_{}/{}",
            rest.replace('/', "."),
            tip.short()
        );
        self.set_ref(&to, &tip, "skep: moved to where it is listed")?;
        moving_refs(self, || {
            let git = self.git().args(["update-ref", "-d", reference]);
            git.arg(tip.as_str()).run().map(drop)
        })?;
        Ok(Some(to))
    }
}
