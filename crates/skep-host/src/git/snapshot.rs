//! Saving what a worktree holds as a commit on a ref, without touching its index or branch.

use super::{
    error::{GitError, oid, shown},
    exec::records,
    lock,
    part::{self, Part},
    place::Place,
    refs,
    repo::DIFF_NAMES,
    tree,
};
use serde::{Deserialize, Serialize};
use skep_core::{id::Oid, spec::Glob};
use std::{collections::BTreeSet, fs, path::Path};

/// What to save, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotSpec {
    /// The commit the attempt started from.
    pub base: Oid,
    /// A second parent that the snapshot must carry: the branch a fix task resolves.
    pub merges: Option<Oid>,
    /// Only what matches one of these, for an attempt that others may run beside; none means everything.
    #[serde(default)]
    pub only: Option<Vec<Glob>>,
    /// The ref to write, under `refs/skep/salvage/`.
    pub reference: String,
    /// The commit's message, trailers included.
    pub message: String,
    /// Author and committer date, in seconds since the epoch: fixed, so that a repeat makes the same commit.
    pub date: u64,
}

/// What was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The commit. Equal to `base` when nothing changed (and then no ref is written).
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Paths that differ from `base`, sorted; at most [`FILES_MAX`].
    pub files: Vec<String>,
    /// How many paths differ in all.
    pub file_count: usize,
    /// The ref that holds `commit`: the one asked for, or a numbered neighbour when that one held
    /// something else. `None` when nothing was written.
    #[serde(default)]
    pub reference: Option<String>,
    /// Paths outside of what was to be saved that differ from `base` all the same, whoever changed them; at
    /// most [`FILES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
}

/// The most paths a [`Snapshot`] lists.
pub const FILES_MAX: usize = 2_000;

/// The most paths that [`changed_since`] lists.
pub const CHANGED_MAX: usize = 100;

/// How the names of our temporary indexes start, in a worktree's git folder.
pub(super) const TEMP_INDEX: &str = "skep-index.";

/// How many snapshots with different content one ref name may collect.
const NEIGHBOURS_MAX: usize = 100;

/// Saves the worktree (its untracked files included, its ignored ones not).
///
/// Saved are all files as they are: changed, deleted, new, their modes, links, files with conflict
/// markers; the files of nested repositories too, as plain files. Not saved: ignored files, changes inside a
/// submodule (only the commit it is at), empty folders.
///
/// The parent is the worktree's HEAD when it descends from `base`, and else `base`. Commits the agent
/// made and left (another branch, a reset) are kept on `<reference>-head`.
///
/// Of a shared worktree only a part is saved, on `base` itself: commits there may hold anybody's work.
///
/// # Errors
/// When git fails; the text is git's. Nothing was changed then but that objects may have been added.
pub fn snapshot(worktree: &Path, spec: &SnapshotSpec) -> Result<Snapshot, String> {
    save(worktree, spec, None).map_err(|e| e.chain())
}

/// The same, but writes no ref for what one of the refs below `known` (such as the swarm's in
/// `refs/skep/salvage/`) holds already: the same files, on top of the same commits. That ref is the answer then.
///
/// For worktrees that nobody knows to have been saved: most of them were, by the attempt that worked there last.
///
/// # Errors
/// As [`snapshot`].
pub fn snapshot_once(
    worktree: &Path,
    spec: &SnapshotSpec,
    known: &str,
) -> Result<Snapshot, String> {
    save(worktree, spec, Some(known)).map_err(|e| e.chain())
}

/// The paths that differ now from what `snapshot` saved as `spec` says (ignored ones aside); at most
/// [`CHANGED_MAX`].
///
/// # Errors
/// When git fails; the text is git's.
pub fn changed_since(
    worktree: &Path,
    spec: &SnapshotSpec,
    snapshot: &Snapshot,
) -> Result<Vec<String>, String> {
    let part = spec.only.as_deref().map(Part);
    let differ = || differences(&Place::find(worktree)?, &snapshot.tree, part);
    let mut paths = differ().map_err(|e: GitError| e.chain())?;
    paths.truncate(CHANGED_MAX);
    Ok(paths)
}

/// Whether a path that exists in the worktree is there by what was saved: of a shared worktree it must lie
/// in the part that is the attempt's own, or in what that was added to.
#[must_use]
pub fn is_own(worktree: &Path, spec: &SnapshotSpec, snapshot: &Snapshot, name: &str) -> bool {
    let Some(part) = spec.only.as_deref().map(Part) else {
        return true;
    };
    let in_tree = || {
        let git = Place::find(worktree)?.objects().args(["cat-file", "-e"]);
        let name = name
            .strip_prefix("./")
            .unwrap_or(name)
            .trim_end_matches('/');
        let git = git.arg(format!("{}:{name}", snapshot.tree));
        git.output().map(|said| said.status.success())
    };
    part.has(name.as_bytes()) || in_tree().unwrap_or(false)
}

/// The paths at which the worktree's files, or a part of them, differ from `tree`.
pub(super) fn differences(
    place: &Place,
    tree: &Oid,
    part: Option<Part<'_>>,
) -> Result<Vec<String>, GitError> {
    let now = match part {
        Some(part) => part::write(place, tree, part)?.tree,
        None => tree::write(place, tree)?,
    };
    if now == *tree {
        return Ok(Vec::new());
    }
    let git = place.objects().args(DIFF_NAMES);
    let listed = git.args([tree.as_str(), now.as_str()]).run()?;
    Ok(records(&listed).map(shown).collect())
}

fn save(worktree: &Path, spec: &SnapshotSpec, known: Option<&str>) -> Result<Snapshot, GitError> {
    let place = Place::find(worktree)?;
    let (base_tree, head) = ends(&place, &spec.base)?;
    let part = spec.only.as_deref().map(Part);
    let (tree, outside) = match part {
        Some(part) => {
            let found = part::write(&place, &spec.base, part)?;
            (found.tree, found.outside)
        }
        None => (tree::write(&place, &spec.base)?, Vec::new()),
    };
    let listed = if tree == base_tree {
        Vec::new()
    } else {
        let git = place.objects().args(DIFF_NAMES);
        git.args([base_tree.as_str(), tree.as_str()]).run()?
    };
    let mut files: Vec<_> = records(&listed).map(shown).collect();
    let file_count = files.len();
    files.sort();
    files.truncate(FILES_MAX);

    let parent = match &head {
        Some(head) if part.is_none() && is_ancestor(&place, &spec.base, head)? => head.clone(),
        _ => spec.base.clone(),
    };
    let merged = match &spec.merges {
        Some(theirs) if !is_ancestor(&place, theirs, &parent)? => Some(theirs.clone()),
        _ => None,
    };
    let parent_tree = if parent == spec.base {
        base_tree
    } else {
        let git = place.objects().args(["rev-parse", "--verify"]);
        git.arg(format!("{parent}^{{tree}}")).oid()?
    };
    let clean = tree == parent_tree && merged.is_none();
    let kept = match known {
        Some(below) if merged.is_none() && !(clean && parent == spec.base) => {
            kept_already(&place, below, &tree, &parent)?
        }
        _ => None,
    };
    let outside = outside.iter().take(FILES_MAX).map(|n| shown(n)).collect();
    if let Some((reference, commit)) = kept {
        keep_left_commits(&place, spec, head, &commit)?;
        return Ok(Snapshot {
            commit,
            tree,
            files,
            file_count,
            reference: Some(reference),
            outside,
        });
    }
    let commit = if clean {
        // The agent committed all of it: its own commit is the snapshot.
        parent
    } else {
        let parents = [Some(parent), merged];
        commit(
            &place,
            &tree,
            parents.iter().flatten(),
            &spec.message,
            spec.date,
        )?
    };
    keep_left_commits(&place, spec, head, &commit)?;
    let reference = if commit == spec.base {
        None
    } else {
        Some(keep(&place, &spec.reference, &commit)?)
    };
    Ok(Snapshot {
        commit,
        tree,
        files,
        file_count,
        reference,
        outside,
    })
}

/// The tree of `base`, and the commit that the worktree's HEAD is at, if it is at one: from one process, or
/// one by one where that has no answer.
pub(super) fn ends(place: &Place, base: &Oid) -> Result<(Oid, Option<Oid>), GitError> {
    if let Some(admin) = &place.admin {
        let git = place.objects().env("GIT_DIR", admin);
        let git = git.env("GIT_COMMON_DIR", &place.common);
        let git = git.args(["cat-file", "--batch-check=%(objectname)"]);
        let asked = format!("{base}^{{tree}}\nHEAD^{{commit}}\n");
        let said = git.input(asked).output()?;
        let text = String::from_utf8_lossy(&said.stdout);
        let mut found = text.lines().map(|line| line.parse().ok());
        if said.status.success()
            && let (Some(Some(tree)), Some(head)) = (found.next(), found.next())
        {
            return Ok((tree, head));
        }
    }
    let tree = place.objects().args(["rev-parse", "--verify"]);
    let tree = tree.arg(format!("{base}^{{tree}}")).oid()?;
    Ok((tree, head(place)?))
}

/// The commit that the worktree's HEAD is at, if it is at one.
pub(super) fn head(place: &Place) -> Result<Option<Oid>, GitError> {
    let Some(admin) = &place.admin else {
        return Ok(None);
    };
    let git = place.objects().env("GIT_DIR", admin);
    let git = git.env("GIT_COMMON_DIR", &place.common);
    let git = git.args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
    let text = git.text();
    let output = git.output()?;
    // A HEAD without a commit (an agent's orphan branch, a ref it deleted) is no parent.
    let found = output.status.success().then(|| oid(&text, &output.stdout));
    found.transpose()
}

pub(super) fn is_ancestor(place: &Place, old: &Oid, new: &Oid) -> Result<bool, GitError> {
    if old == new {
        return Ok(true);
    }
    let git = place.objects().args(["merge-base", "--is-ancestor"]);
    let git = git.args([old.as_str(), new.as_str()]);
    let text = git.text();
    let output = git.output()?;
    match output.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(output.failure(text, place.files.clone())),
    }
}

/// Makes a commit in the user's name, or in ours where the user has set none.
pub(super) fn commit<'a>(
    place: &Place,
    tree: &Oid,
    parents: impl Iterator<Item = &'a Oid> + Clone,
    message: &str,
    date: u64,
) -> Result<Oid, GitError> {
    let make = |ours: bool| {
        let git = place.objects().signed(ours, date);
        let git = git.args(["commit-tree", tree.as_str(), "-F", "-"]);
        let git = parents
            .clone()
            .fold(git, |git, p| git.args(["-p", p.as_str()]));
        // git refuses no message at all, and reads none from an empty input.
        git.input(format!("{}\n", message.trim_end())).oid()
    };
    match make(false) {
        Err(e)
            if e.says("empty ident")
                || e.says("auto-detect")
                || e.says("no email was given")
                || e.says("no name was given") =>
        {
            make(true)
        }
        done => done,
    }
}

/// A ref below `prefix` whose commit has these very files and holds `parent`, with that commit.
fn kept_already(
    place: &Place,
    prefix: &str,
    tree: &Oid,
    parent: &Oid,
) -> Result<Option<(String, Oid)>, GitError> {
    let format = "--format=%(tree) %(objectname) %(refname)";
    let git = place.objects().args(["for-each-ref", format, "--", prefix]);
    let listed = git.run()?;
    for line in String::from_utf8_lossy(&listed).lines() {
        let mut fields = line.splitn(3, ' ');
        let same = fields.next() == Some(tree.as_str());
        let (Some(id), Some(name)) = (fields.next(), fields.next()) else {
            continue;
        };
        if !same {
            continue;
        }
        let commit = oid("for-each-ref", id.as_bytes())?;
        if is_ancestor(place, parent, &commit)? {
            return Ok(Some((name.into(), commit)));
        }
    }
    Ok(None)
}

/// Writes `commit` to `reference`, or to `<reference>.2`, `.3`, … when that holds something else:
/// what a ref holds is never overwritten. Says which it was.
pub(super) fn keep(place: &Place, reference: &str, commit: &Oid) -> Result<String, GitError> {
    for n in 1..=NEIGHBOURS_MAX {
        let name = match n {
            1 => reference.to_string(),
            n => format!("{reference}.{n}"),
        };
        let found = match refs::read(&place.common, &name) {
            Some(known) => known.map(|id| id.to_string().into_bytes()),
            None => {
                let git = place.git().args(["rev-parse", "--verify", "--quiet"]);
                let said = git.args(["--end-of-options", &name]).output()?.stdout;
                Some(said).filter(|said| !said.is_empty())
            }
        };
        let Some(found) = found else {
            // Create only: should another snapshot win the name now, it stays.
            let zero = "0".repeat(commit.as_str().len());
            let created = lock::mending(&place.common, &[&place.files, &place.common], || {
                let git = place.objects().args(["update-ref", "-m", "skep: snapshot"]);
                git.args([&name, commit.as_str(), &zero]).run()
            });
            match created {
                Ok(_) => return Ok(name),
                Err(e) if e.says("already exists") => {}
                Err(e) => return Err(e),
            }
            let git = place
                .git()
                .args(["rev-parse", "--verify", "--quiet", &name]);
            if git.run()?.trim_ascii() == commit.as_str().as_bytes() {
                return Ok(name);
            }
            continue;
        };
        if found.trim_ascii() == commit.as_str().as_bytes() {
            return Ok(name);
        }
    }
    Err(GitError::Refused {
        what: reference.into(),
        why: format!("has {NEIGHBOURS_MAX} snapshots already, all different"),
    })
}

/// Keeps commits that the agent made and then left, by checking out something else or by a reset:
/// HEAD's log names them. One such commit gets the ref itself; of several a commit that has them all as parents.
fn keep_left_commits(
    place: &Place,
    spec: &SnapshotSpec,
    head: Option<Oid>,
    commit: &Oid,
) -> Result<(), GitError> {
    let Some(admin) = place.admin.as_ref().filter(|a| **a != place.common) else {
        return Ok(());
    };
    let log = fs::read(admin.join("logs/HEAD")).unwrap_or_default();
    let mut seen: BTreeSet<Oid> = head.into_iter().collect();
    for line in log.split(|b| *b == b'\n') {
        let ids = line.split(|b| *b == b' ').take(2);
        let ids = ids.filter_map(|id| std::str::from_utf8(id).ok()?.parse().ok());
        seen.extend(ids.filter(|id: &Oid| id.as_str().bytes().any(|b| b != b'0')));
    }
    seen.remove(commit);
    seen.remove(&spec.base);
    if seen.is_empty() {
        return Ok(());
    }
    // What the log names may be gone since (`git gc --prune=now`); what is gone cannot be kept.
    let list: String = seen.iter().map(|id| format!("{id}^{{commit}}\n")).collect();
    let git = place
        .git()
        .args(["cat-file", "--batch-check=%(objectname)"]);
    let there = git.input(list).run()?;
    let there = String::from_utf8_lossy(&there).into_owned();
    let there: Vec<&str> = there.lines().filter(|l| l.parse::<Oid>().is_ok()).collect();
    // The worker's own branch does not count as a place where a commit is safe: it will be reset.
    let safe = ["--not", commit.as_str(), spec.base.as_str()];
    let roots = [
        "--exclude=skep/*",
        "--branches",
        "--tags",
        "--remotes",
        "--glob=refs/skep/",
    ];
    let list: String = there.iter().map(|id| format!("{id}\n")).collect();
    if list.is_empty() {
        return Ok(());
    }
    let args = safe.iter().chain(&roots).map(|a| format!("{a}\n"));
    let input = list + &args.collect::<String>();
    let git = place.objects().args(["rev-list", "--stdin"]);
    let loose = git.input(input).run()?;
    let loose: BTreeSet<&[u8]> = loose.split(|b| *b == b'\n').collect();
    let tips: Vec<&str> = there
        .into_iter()
        .filter(|id| loose.contains(id.as_bytes()))
        .collect();
    let kept = match tips.as_slice() {
        [] => return Ok(()),
        [one] => oid("reflog", one.as_bytes())?,
        many => {
            // git takes a few dozen at a time; an agent that leaves more lines than that gets the first.
            let git = place.objects().args(["merge-base", "--independent"]);
            let found = git.args(many.iter().take(200)).run()?;
            let text = String::from_utf8_lossy(&found);
            let ids: Vec<Oid> = text.lines().filter_map(|l| l.parse().ok()).collect();
            match ids.as_slice() {
                [one] => one.clone(),
                all => {
                    let git = place.objects().args(["rev-parse", "--verify"]);
                    let tree = git.arg(format!("{commit}^{{tree}}")).oid()?;
                    self::commit(place, &tree, all.iter(), &spec.message, spec.date)?
                }
            }
        }
    };
    keep(place, &format!("{}-head", spec.reference), &kept).map(drop)
}
