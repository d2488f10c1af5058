//! Bringing a worktree to a commit, whatever state an agent left it in.

use super::{
    error::{GitError, shown},
    exec::{LONG, path, records},
    lock,
    place::{Place, pointer, remove_all, replace_file},
    repo::Repo,
    worktree::Want,
};
use skep_core::id::Oid;
use std::{fs, path::Path};

/// What git leaves in a worktree's folder while something is half done.
const HALF_DONE: &[&str] = &[
    "MERGE_HEAD",
    "MERGE_MSG",
    "MERGE_MODE",
    "MERGE_RR",
    "MERGE_AUTOSTASH",
    "AUTO_MERGE",
    "SQUASH_MSG",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "BISECT_LOG",
    "BISECT_START",
    "BISECT_NAMES",
    "BISECT_TERMS",
    "BISECT_RUN",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
];

/// Whether the worktree is at `base` on `branch` with nothing changed: two processes, both readers.
pub(super) fn is_at(place: &Place, branch: Option<&str>, base: &Oid) -> Result<bool, GitError> {
    let Some(admin) = &place.admin else {
        return Ok(false);
    };
    let head = fs::read(admin.join("HEAD")).unwrap_or_default();
    let half_done = HALF_DONE.iter().any(|n| admin.join(n).exists());
    if head.trim_ascii_end() != head_text(branch, base).as_bytes()
        || half_done
        || admin.join("index.lock").exists()
        || fs::read(admin.join("commondir")).ok().as_deref() != Some(b"../..\n")
        || fs::read(place.files.join(".git")).ok() != Some(pointer("gitdir: ", admin))
    {
        return Ok(false);
    }
    let Ok(status) = status(place) else {
        // A damaged index, for one: whatever it is, it is not "at base".
        return Ok(false);
    };
    let mut at_base = false;
    for record in records(&status) {
        match record.strip_prefix(b"# branch.oid ") {
            Some(id) => at_base = id == base.as_str().as_bytes(),
            None if record.starts_with(b"# ") => {}
            None => return Ok(false),
        }
    }
    Ok(at_base && !has_hiding_flags(place)?)
}

fn head_text(branch: Option<&str>, base: &Oid) -> String {
    branch.map_or_else(|| base.to_string(), |b| format!("ref: refs/heads/{b}"))
}

fn status(place: &Place) -> Result<Vec<u8>, GitError> {
    let git = place
        .git()
        .args(["status", "--porcelain=v2", "--branch", "-z"]);
    let git = git.args(["--untracked-files=normal", "--ignore-submodules=dirty"]);
    let git = git.args(["--no-renames", "--no-ahead-behind"]);
    let text = git.text();
    let seen = git.output()?.complete(text, place.files.clone())?;
    Ok(seen.stdout)
}

/// The paths that are changed or untracked.
pub(super) fn changes(place: &Place) -> Result<Vec<String>, GitError> {
    let status = status(place)?;
    let lines = records(&status).filter(|r| !r.starts_with(b"# "));
    Ok(lines
        .map(|r| {
            let fields = match r.first() {
                Some(b'?') => 1,
                Some(b'u') => 10,
                _ => 8,
            };
            shown(r.splitn(fields + 1, |b| *b == b' ').last().unwrap_or(r))
        })
        .collect())
}

/// Whether the index tells git not to look at some files (`assume-unchanged`, `skip-worktree` without
/// a sparse checkout), which would hide their changes.
fn has_hiding_flags(place: &Place) -> Result<bool, GitError> {
    let listed = place.git().args(["ls-files", "-v", "-z"]).run()?;
    let mut skipped = false;
    for record in records(&listed) {
        match record.first() {
            Some(tag) if tag.is_ascii_lowercase() => return Ok(true),
            Some(b'S') => skipped = true,
            _ => {}
        }
    }
    Ok(skipped && !is_sparse(place)?)
}

/// Whether the worktree is meant to hold only some of the files.
pub(super) fn is_sparse(place: &Place) -> Result<bool, GitError> {
    let git = place.git().args(["config", "--type=bool", "--get"]);
    let said = git.arg("core.sparseCheckout").output()?;
    Ok(said.stdout.trim_ascii() == b"true")
}

/// Brings the worktree to `want`. `new` says that it has no files yet.
pub(super) fn to(repo: &Repo, place: &Place, want: &Want<'_>, new: bool) -> Result<(), GitError> {
    let Some(admin) = &place.admin else {
        return Err(GitError::Refused {
            what: place.files.display().to_string(),
            why: "is not registered with git, even after `git worktree add`".into(),
        });
    };
    mend_folder(place, admin)?;
    point_head(repo, place, admin, want)?;
    if !new {
        forget_sparse_of_agent(repo, place, admin)?;
        mend_index(place, admin, want.base)?;
    }
    let reset = || {
        let git = place.git().args(["reset", "--hard", "--quiet"]);
        git.arg(want.base.as_str())
    };
    place.forcing(reset)?;
    if !new {
        clean(place)?;
        empty_moved_submodules(place)?;
    }
    // Every commit named there has been saved or was there before; old entries would only be
    // looked through again by each snapshot.
    let log = admin.join("logs/HEAD");
    if log.exists() {
        fs::write(&log, "").map_err(GitError::io("empty", &log))?;
    }
    Ok(())
}

/// Removes what is neither tracked nor ignored. An ignore file that an attempt left goes too, and then what it
/// ignored is untracked: it must not end in the next attempt's work, so it is looked for again.
fn clean(place: &Place) -> Result<(), GitError> {
    // Each round removes the ignore files of one depth more; nobody nests them deeper.
    for _ in 0..8 {
        match place.git().args(["clean", "-ffd"]).run() {
            Ok(said) if !said.windows(10).any(|part| part == b".gitignore") => return Ok(()),
            Ok(_) => {}
            Err(_) => place
                .forcing(|| place.git().args(["clean", "-ffdq"]))
                .or_else(|failed| remove_untracked(place).map_err(|_| failed))?,
        }
    }
    Ok(())
}

/// Removes what `git clean` could not: it gives up on paths that are longer than the system takes in one piece,
/// and a worktree that no reset brings back would take its worker along for good.
fn remove_untracked(place: &Place) -> Result<(), GitError> {
    let git = place.git().args(["ls-files", "-z", "--others"]);
    let listed = git.args(["--directory", "--exclude-standard"]).run()?;
    for name in records(&listed) {
        remove_all(&place.files.join(path(name)))?;
    }
    Ok(())
}

/// Empties submodules that an agent filled and left at another commit, which the next snapshot would
/// carry as its own change. One that is where it belongs stays filled.
fn empty_moved_submodules(place: &Place) -> Result<(), GitError> {
    if !place.files.join(".gitmodules").exists() {
        return Ok(());
    }
    let git = place.git().args(["diff-files", "-z", "--name-only"]);
    let listed = git.arg("--ignore-submodules=dirty").run()?;
    for name in records(&listed) {
        let folder = place.files.join(path(name));
        if fs::symlink_metadata(&folder).is_ok_and(|m| m.is_dir()) {
            remove_all(&folder)?;
            fs::create_dir(&folder).map_err(GitError::io("create", &folder))?;
        }
    }
    Ok(())
}

/// Mends the worktree's git folder and its pointer, and ends whatever is half done.
fn mend_folder(place: &Place, admin: &Path) -> Result<(), GitError> {
    for name in ["index.lock", "HEAD.lock", "config.worktree.lock"] {
        lock::clear(&admin.join(name), &place.files, place.limit)?;
    }
    for name in HALF_DONE {
        remove_all(&admin.join(name))?;
    }
    if let Ok(entries) = fs::read_dir(admin) {
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name
                .as_encoded_bytes()
                .starts_with(super::snapshot::TEMP_INDEX.as_bytes())
            {
                remove_all(&entry.path())?;
            }
        }
    }
    // A killed `git worktree add` leaves its own lock.
    let locked = admin.join("locked");
    if fs::read(&locked).is_ok_and(|t| t.starts_with(b"initializing")) {
        lock::remove_if_there(&locked)?;
    }
    let common = admin.join("commondir");
    if fs::read(&common).ok().as_deref() != Some(b"../..\n") {
        replace_file(&common, b"../..\n")?;
    }
    let dot_git = place.files.join(".git");
    let wanted = pointer("gitdir: ", admin);
    let is_file = fs::symlink_metadata(&dot_git).is_ok_and(|m| m.is_file());
    if !is_file || fs::read(&dot_git).ok().as_ref() != Some(&wanted) {
        remove_all(&dot_git)?;
        replace_file(&dot_git, &wanted)?;
    }
    Ok(())
}

/// Puts HEAD on the branch, and the branch at the base; or HEAD at the base.
fn point_head(repo: &Repo, place: &Place, admin: &Path, want: &Want<'_>) -> Result<(), GitError> {
    let head = fs::read(admin.join("HEAD")).unwrap_or_default();
    let base = want.base.as_str();
    let Some(branch) = want.branch else {
        return lock::moving_refs(repo, || {
            let git = place.git().args(["update-ref", "--no-deref"]);
            git.args(["-m", "skep: prepare", "HEAD", base])
                .run()
                .map(drop)
        });
    };
    let name = format!("refs/heads/{branch}");
    repo.set_ref(&name, want.base, "skep: prepare")?;
    if head.trim_ascii_end() != head_text(want.branch, want.base).as_bytes() {
        lock::moving_refs(repo, || {
            let git = place.git().args(["symbolic-ref", "HEAD", &name]);
            git.run().map(drop)
        })?;
    }
    Ok(())
}

/// An agent may have made its worktree sparse. A worktree is as sparse as the user's checkout is.
fn forget_sparse_of_agent(repo: &Repo, place: &Place, admin: &Path) -> Result<(), GitError> {
    if !admin.join("info/sparse-checkout").exists() || !is_sparse(place)? {
        return Ok(());
    }
    let git = repo.git().args(["config", "--type=bool", "--get"]);
    let user = git.arg("core.sparseCheckout").output()?;
    if user.stdout.trim_ascii() != b"true" {
        let git = place.git().args(["config", "--worktree"]);
        git.args(["core.sparseCheckout", "false"]).run()?;
    }
    Ok(())
}

/// Replaces an index that is damaged, missing or hides files.
fn mend_index(place: &Place, admin: &Path, base: &Oid) -> Result<(), GitError> {
    let index = admin.join("index");
    if index.exists() && matches!(has_hiding_flags(place), Ok(false)) {
        return Ok(());
    }
    lock::remove_if_there(&index)?;
    place.git().args(["read-tree", base.as_str()]).run()?;
    // Files that are right already keep their times, so that build caches stay valid. The exit code
    // only says whether all were.
    let refresh = place.git().args(["update-index", "-q", "--refresh"]);
    refresh.limit(place.limit.max(LONG)).output()?;
    Ok(())
}
