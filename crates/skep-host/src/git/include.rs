//! `.worktreeinclude`: ignored files of the user's checkout (`.env`, local settings) that a fresh
//! worktree needs before it builds.

use super::{
    error::{GitError, shown},
    exec::{Git, bytes, glued, joined, path, records},
    place::Place,
    repo::{Repo, STATE_DIR},
};
use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Component, Path},
};

/// The file, at the root of the user's checkout, with patterns as in `.gitignore`.
pub const INCLUDE_FILE: &str = ".worktreeinclude";

/// Copies what `.worktreeinclude` names into a fresh worktree, and says what it copied.
///
/// Copied is only what git ignores in the worktree too, since anything else would be committed with
/// the agent's work (and `.env` holds secrets). What is there already stays.
pub(super) fn copy(repo: &Repo, place: &Place) -> Result<Vec<String>, GitError> {
    let list = repo.root().join(INCLUDE_FILE);
    if !fs::symlink_metadata(&list).is_ok_and(|m| m.is_file()) {
        return Ok(Vec::new());
    }
    // The user's own checkout, read only, with the user's own index.
    let git = Git::new(repo.root()).args(["ls-files", "-z", "--others", "--ignored"]);
    let git = git.arg(glued("--exclude-from=", &list)).limit(place.limit);
    let listed = git.run()?;
    let state = [STATE_DIR.as_bytes(), b"/"].concat();
    let named: Vec<_> = records(&listed)
        .filter(|p| !p.starts_with(&state) && !p.ends_with(b"/"))
        .filter(|p| way_is_clear(&place.files, path(p)))
        .collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    // This command knows no literal paths; behind `./` no path looks like a pattern to it.
    let check = place.git().env("GIT_LITERAL_PATHSPECS", "0");
    let check = check.args(["check-ignore", "-z", "--stdin"]);
    let (text, dir) = (check.text(), place.files.clone());
    let asked: Vec<_> = named.iter().map(|n| [b"./", *n].concat()).collect();
    let checked = check
        .input(joined(asked.iter().map(Vec::as_slice)))
        .output()?;
    if !matches!(checked.code(), Some(0 | 1)) {
        return Err(checked.failure(text, dir));
    }
    let ignored: HashSet<&[u8]> = records(&checked.stdout)
        .filter_map(|n| n.strip_prefix(b"./"))
        .collect();
    let mut copied = Vec::new();
    for name in named.into_iter().filter(|n| ignored.contains(n)) {
        if copy_one(repo.root(), &place.files, path(name))? {
            copied.push(shown(name));
        }
    }
    Ok(copied)
}

/// Copies one file or link. `false` when it is there already or must not be copied.
fn copy_one(from: &Path, to: &Path, name: &Path) -> Result<bool, GitError> {
    let (source, target) = (from.join(name), to.join(name));
    let Ok(meta) = fs::symlink_metadata(&source) else {
        return Ok(false);
    };
    if fs::symlink_metadata(&target).is_ok() || !make_parents(to, name)? {
        return Ok(false);
    }
    let failed = GitError::io("copy", &source);
    if meta.is_symlink() {
        let Ok(points_to) = fs::read_link(&source) else {
            return Ok(false);
        };
        if !stays_inside(name, &points_to) {
            return Ok(false);
        }
        symlink(points_to, &target).map_err(failed)?;
        return Ok(true);
    }
    if !meta.is_file() {
        return Ok(false);
    }
    let copy = || -> io::Result<()> {
        let mut input = fs::File::open(&source)?;
        // Under another name first: half a copy must not look like a whole one after a crash.
        let mut half = target.clone().into_os_string();
        half.push(".skep-half");
        let _ = fs::remove_file(&half);
        let mut output = fs::File::create_new(&half)?;
        // Between two files this is `copy_file_range`, which shares blocks where it can.
        io::copy(&mut input, &mut output)?;
        output.set_permissions(fs::Permissions::from_mode(meta.permissions().mode()))?;
        fs::rename(&half, &target)
    };
    copy().map_err(failed)?;
    Ok(true)
}

/// Whether no link and no file stands where a folder above `name` should be.
fn way_is_clear(root: &Path, name: &Path) -> bool {
    let above = name.ancestors().skip(1);
    above
        .filter_map(|folder| fs::symlink_metadata(root.join(folder)).ok())
        .all(|meta| meta.is_dir())
}

/// Makes the folders above `name` below `root`. `false` when a link or a file is in the way: a link
/// in the worktree could lead anywhere.
fn make_parents(root: &Path, name: &Path) -> Result<bool, GitError> {
    let mut folder = root.to_path_buf();
    for part in name.parent().into_iter().flat_map(Path::components) {
        let Component::Normal(part) = part else {
            return Ok(false);
        };
        folder.push(part);
        match fs::symlink_metadata(&folder) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Ok(false),
            Err(_) => fs::create_dir(&folder).map_err(GitError::io("create", &folder))?,
        }
    }
    Ok(true)
}

/// Whether a link at `name` that points to `target` stays below the root.
fn stays_inside(name: &Path, target: &Path) -> bool {
    let mut depth = name.components().count() as isize - 1;
    for part in target.components() {
        match part {
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if depth < 0 {
            return false;
        }
    }
    !bytes(target).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out_are_told() {
        for (name, target, inside) in [
            ("a", "b", true),
            ("d/a", "../b", true),
            ("d/a", "../../b", false),
            ("a", "/etc/passwd", false),
            ("a", "x/../../y", false),
        ] {
            assert_eq!(
                stays_inside(Path::new(name), Path::new(target)),
                inside,
                "{name} {target}"
            );
        }
    }
}
