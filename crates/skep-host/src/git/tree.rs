//! The files of a worktree as a tree, through an index of our own: the worktree's index may be damaged,
//! locked, half merged or made to hide files, and is only read.

use super::{
    error::GitError,
    exec::{Git, path, records},
    lock::remove_if_there,
    part::Part,
    place::{Place, open_up},
    reset::is_sparse,
    snapshot::TEMP_INDEX,
};
use skep_core::id::Oid;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// How deep repositories may lie in each other before we stop looking.
const NESTED_MAX: usize = 32;

/// From this many files on they are stored in one pack instead of one object file each, which is what
/// git does with files above `core.bigFileThreshold`. Measured for 10,000 files: 1.3 s, not 8 s.
const MANY: usize = 200;

/// An index that goes when it is dropped.
pub(super) struct TempIndex(PathBuf);

impl TempIndex {
    pub(super) fn new(place: &Place) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{TEMP_INDEX}{}.{n}", std::process::id());
        Self(place.own().join(name))
    }

    /// A call in the worktree that takes this index for its own.
    pub(super) fn git(&self, place: &Place) -> Git {
        place.git().env("GIT_INDEX_FILE", &self.0)
    }
}

impl Drop for TempIndex {
    fn drop(&mut self) {
        let _ = remove_if_there(&self.0);
        let _ = remove_if_there(&self.0.with_added_extension("lock"));
    }
}

/// What must be done to an index so that it says what the files are.
#[derive(Default)]
struct Changes {
    gone: BTreeSet<Vec<u8>>,
    there: BTreeSet<Vec<u8>>,
    unmerged: BTreeSet<Vec<u8>>,
    nested: Vec<Vec<u8>>,
    hidden: Vec<Vec<u8>>,
}

/// A worktree's files as an index.
pub(super) struct Indexed {
    pub(super) index: TempIndex,
    /// What differs from the worktree's own index and was left as that has it: outside of the part asked for.
    pub(super) outside: BTreeSet<Vec<u8>>,
    /// Folders of repositories that lie in the worktree, each with a final slash.
    pub(super) nested: Vec<Vec<u8>>,
}

/// Writes the worktree's files (ignored ones aside) as a tree. `base` is any tree or commit to start
/// from where the worktree's own index is of no use.
pub(super) fn write(place: &Place, base: &Oid) -> Result<Oid, GitError> {
    index(place, base, None)?
        .index
        .git(place)
        .arg("write-tree")
        .oid()
}

/// Reads the worktree's files into an index of our own; with `part` only those, and all others are as the
/// worktree's index has them.
pub(super) fn index(
    place: &Place,
    base: &Oid,
    part: Option<Part<'_>>,
) -> Result<Indexed, GitError> {
    let index = TempIndex::new(place);
    let git = || index.git(place);
    // Copied, so that what git knows of each file's time and size saves reading it.
    let seed = place.admin.as_ref().map(|admin| admin.join("index"));
    let seeded = seed.is_some_and(|seed| copy_with_time(&seed, &index.0).is_ok());
    let mut changes = Changes::default();
    let usable = seeded
        && match survey(place, &git) {
            Ok(found) => {
                changes = found;
                true
            }
            Err(e @ (GitError::TimedOut { .. } | GitError::Io { .. })) => return Err(e),
            Err(_) => false,
        };
    if !usable {
        remove_if_there(&index.0)?;
        git().args(["read-tree", base.as_str()]).run()?;
        changes = survey(place, &git)?;
    }
    if !changes.hidden.is_empty() {
        for flag in ["--no-assume-unchanged", "--no-skip-worktree"] {
            let git = git().args(["update-index", flag, "-z", "--stdin"]);
            git.input(listed(&changes.hidden)).run()?;
        }
        changes = survey(place, &git)?;
    }
    let nested = changes.nested.clone();
    if let Some(part) = part {
        // Somebody may be making the others at this moment.
        changes.nested.retain(|name| part.may_hold(name));
    }
    expand_nested(place, &mut changes)?;
    let outside = part.map_or_else(BTreeSet::new, |part| changes.keep_only(part));
    if !changes.gone.is_empty() {
        let zero = "0".repeat(base.as_str().len());
        let mut input = Vec::new();
        for gone in &changes.gone {
            input.extend_from_slice(format!("0 {zero}\t").as_bytes());
            input.extend_from_slice(gone);
            input.push(0);
        }
        let git = git().args(["update-index", "-z", "--index-info"]);
        git.input(input).run()?;
    }
    if !changes.there.is_empty() {
        let add = || {
            let mut git = git();
            if changes.there.len() >= MANY {
                git = git.option("core.bigFileThreshold=1");
            }
            let git = git.args([
                "update-index",
                "-z",
                "--add",
                "--remove",
                "--replace",
                "--stdin",
            ]);
            git.input(listed(&changes.there)).run()
        };
        match add() {
            Err(e) if e.says("ermission denied") && !place.guest => {
                open_up(&place.files, false)?;
                add()?;
            }
            Err(e) => return Err(e),
            Ok(_) => {}
        }
    }
    Ok(Indexed {
        index,
        outside,
        nested,
    })
}

/// By the time of the index git knows which files may have changed in the second in which it last looked at them,
/// and compares their content: with a newer time, a change of that second that leaves the size is not seen.
fn copy_with_time(from: &Path, to: &Path) -> io::Result<()> {
    let mut seed = fs::File::open(from)?;
    let modified = seed.metadata()?.modified()?;
    let mut copy = fs::File::create(to)?;
    io::copy(&mut seed, &mut copy)?;
    copy.set_modified(modified)
}

impl Changes {
    /// Drops what lies outside of `part`, and says what that was.
    fn keep_only(&mut self, part: Part<'_>) -> BTreeSet<Vec<u8>> {
        let mut outside = BTreeSet::new();
        for set in [&mut self.gone, &mut self.there] {
            let (mine, others) = std::mem::take(set).into_iter().partition(|n| part.has(n));
            *set = mine;
            outside.append(&mut { others });
        }
        // An index with half a merge in it makes no tree. What it is out there is not asked.
        let unmerged = std::mem::take(&mut self.unmerged);
        self.gone
            .extend(unmerged.into_iter().filter(|name| !part.has(name)));
        outside
    }
}

/// Compares index and files, in one process.
fn survey(place: &Place, git: &dyn Fn() -> Git) -> Result<Changes, GitError> {
    let output = list(place, &place.files, &|| {
        let git = git().args([
            "ls-files",
            "-z",
            "-v",
            "--cached",
            "--modified",
            "--deleted",
        ]);
        git.args(["--others", "--exclude-standard"])
    })?;
    let mut changes = Changes::default();
    let mut links = Links::default();
    let mut skipped = Vec::new();
    for record in records(&output) {
        let Some((tag, name)) = record.split_first().map(|(t, r)| (*t, r.get(1..))) else {
            continue;
        };
        let name = name.unwrap_or_default().to_vec();
        match tag {
            b'?' if name.ends_with(b"/") => changes.nested.push(name),
            // A folder gave way to a link, behind which there is a file of that name. It is not this one.
            b'C' | b'M' if links.lead_to(place, &name) => {
                changes.gone.insert(name);
            }
            b'?' | b'C' => {
                changes.there.insert(name);
            }
            b'R' => {
                changes.gone.insert(name);
            }
            // In the middle of a merge: what the file says now is what is saved.
            b'M' => {
                let there = fs::symlink_metadata(place.files.join(path(&name))).is_ok();
                let list = if there {
                    &mut changes.there
                } else {
                    &mut changes.gone
                };
                list.insert(name.clone());
                changes.unmerged.insert(name);
            }
            b'S' => skipped.push(name),
            b'K' | b'H' => {}
            _ if tag.is_ascii_lowercase() => changes.hidden.push(name),
            _ => {}
        }
    }
    if !skipped.is_empty() {
        let sparse = is_sparse(place)?;
        skipped.retain(|name| !sparse || place.files.join(path(name)).symlink_metadata().is_ok());
        changes.hidden.extend(skipped);
    }
    let Changes { gone, there, .. } = &mut changes;
    there.retain(|name| !gone.contains(name));
    Ok(changes)
}

/// What a call lists of the files in `folder`, with permissions out of its way.
fn list(place: &Place, folder: &Path, call: &dyn Fn() -> Git) -> Result<Vec<u8>, GitError> {
    let look = || {
        let git = call();
        let text = git.text();
        git.output()?.complete(text, folder.into())
    };
    let seen = match look() {
        Err(e) if e.says("Permission denied") && !place.guest => {
            open_up(folder, false)?;
            look()
        }
        seen => seen,
    };
    seen.map(|output| output.stdout)
}

/// Which folders are links, by their paths.
#[derive(Default)]
struct Links(BTreeMap<PathBuf, bool>);

impl Links {
    /// Whether a folder on the way to `name` is a link.
    fn lead_to(&mut self, place: &Place, name: &[u8]) -> bool {
        let folders = path(name).ancestors().skip(1);
        folders.filter(|f| !f.as_os_str().is_empty()).any(|folder| {
            if let Some(known) = self.0.get(folder) {
                return *known;
            }
            let meta = fs::symlink_metadata(place.files.join(folder));
            let link = meta.is_ok_and(|m| m.is_symlink());
            self.0.insert(folder.into(), link);
            link
        })
    }
}

/// Lists the files of repositories that lie in the worktree. git would store such a repository as a bare
/// commit id, which saves nothing, or refuse it.
fn expand_nested(place: &Place, changes: &mut Changes) -> Result<(), GitError> {
    let mut todo: Vec<_> = changes.nested.drain(..).map(|n| (n, 0)).collect();
    while let Some((name, depth)) = todo.pop() {
        let folder = place.files.join(path(&name));
        let listed = list(place, &folder, &|| {
            let git = Git::new(&folder).limit(place.limit);
            let git = git
                .env("GIT_DIR", &place.common)
                .env("GIT_WORK_TREE", &folder)
                .env("GIT_INDEX_FILE", place.common.join("skep-no-index"));
            git.args(["ls-files", "-z", "--others", "--exclude-standard"])
        })?;
        for inner in records(&listed) {
            let whole = [&name, inner].concat();
            if !inner.ends_with(b"/") {
                changes.there.insert(whole);
            } else if depth < NESTED_MAX {
                todo.push((whole, depth + 1));
            }
        }
    }
    Ok(())
}

fn listed<'a>(names: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    super::exec::joined(names.into_iter().map(Vec::as_slice))
}
