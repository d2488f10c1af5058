//! A part of a worktree: the files that one of several attempts in it may change.

use super::{
    error::GitError,
    exec::records,
    place::Place,
    tree::{self, TempIndex},
};
use skep_core::{id::Oid, spec::Glob};

/// Paths that match one of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a>(pub(super) &'a [Glob]);

impl Part<'_> {
    pub(super) fn has(self, path: &[u8]) -> bool {
        let path = String::from_utf8_lossy(path);
        self.0.iter().any(|glob| glob.matches(&path))
    }

    /// Whether something below `folder` (with its final slash) may be in it. Errs on the side of "yes".
    pub(super) fn may_hold(self, folder: &[u8]) -> bool {
        let below = Glob::new(&String::from_utf8_lossy(folder));
        below.is_ok_and(|below| self.0.iter().any(|glob| glob.may_overlap(&below)))
            || folder.iter().any(|b| b"[]{}\\!*?".contains(b))
    }
}

/// What one path became from one tree to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) path: Vec<u8>,
    /// As git prints it; all zeros where it is gone.
    mode: Vec<u8>,
    blob: Vec<u8>,
}

/// The changes that `git diff-tree --raw -z` lists.
pub(super) fn changes(raw: &[u8]) -> impl Iterator<Item = Change> {
    let mut fields = records(raw);
    std::iter::from_fn(move || {
        let (facts, path) = (fields.next()?, fields.next()?);
        let mut facts = facts.split(|b| *b == b' ').skip(1);
        let (mode, _, blob) = (facts.next()?, facts.next()?, facts.next()?);
        Some(Change {
            path: path.into(),
            mode: mode.into(),
            blob: blob.into(),
        })
    })
}

/// What changed from one tree to another.
pub(super) fn between(place: &Place, from: &Oid, to: &Oid) -> Result<Vec<Change>, GitError> {
    let git = place.objects().args(RAW).args([from.as_str(), to.as_str()]);
    Ok(changes(&git.run()?).collect())
}

/// How trees are compared.
pub(super) const RAW: [&str; 5] = ["diff-tree", "-r", "-z", "--raw", "--no-renames"];

/// `onto` with the changes made to it, as a tree.
pub(super) fn with(place: &Place, onto: &Oid, changes: &[Change]) -> Result<Oid, GitError> {
    if changes.is_empty() {
        let git = place.objects().args(["rev-parse", "--verify"]);
        return git.arg(format!("{onto}^{{tree}}")).oid();
    }
    let index = TempIndex::new(place);
    let git = index.git(place).args(["read-tree", onto.as_str()]);
    git.run()?;
    let git = index
        .git(place)
        .args(["update-index", "-z", "--index-info"]);
    git.input(lines(changes)).run()?;
    index.git(place).arg("write-tree").oid()
}

/// Changes as `git update-index --index-info` reads them.
pub(super) fn lines(changes: &[Change]) -> Vec<u8> {
    let mut input = Vec::new();
    for change in changes {
        let line = [
            &change.mode,
            &b" "[..],
            &change.blob,
            b"\t",
            &change.path,
            b"\0",
        ];
        input.extend(line.concat());
    }
    input
}

/// A part of a worktree as it is now.
pub(super) struct Found {
    /// `base` with the part as the worktree has it.
    pub(super) tree: Oid,
    /// What else the worktree has other than `base`, whoever changed it.
    pub(super) outside: Vec<Vec<u8>>,
}

/// Writes `base` with `part` of the worktree as a tree.
pub(super) fn write(place: &Place, base: &Oid, part: Part<'_>) -> Result<Found, GitError> {
    let seen = tree::index(place, base, Some(part))?;
    let now = seen.index.git(place).arg("write-tree").oid()?;
    let (mine, others): (Vec<_>, Vec<_>) = between(place, base, &now)?
        .into_iter()
        .partition(|change| part.has(&change.path));
    let mut outside = seen.outside;
    outside.extend(others.into_iter().map(|change| change.path));
    Ok(Found {
        tree: with(place, base, &mine)?,
        outside: outside.into_iter().collect(),
    })
}
