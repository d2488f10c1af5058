//! The kinds of repositories: each function makes a plain one into what it is called.

use super::{Spot, git, quiet};
use skep_host::command::command;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
};

pub(super) fn subfolder(spot: &mut Spot) {
    spot.commit("deep/er/file", "x\n");
    spot.stands = spot.repo.join("deep/er");
}

pub(super) fn linked_worktree(spot: &mut Spot) {
    let other = spot.dir.path().join("other");
    spot.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        other.to_str().unwrap(),
    ]);
    fs::write(other.join("mine"), "unsaved\n").unwrap();
    spot.stands = other;
}

pub(super) fn submodules(spot: &mut Spot) {
    let other = spot.dir.path().join("other");
    fs::create_dir(&other).unwrap();
    git(&other, &["init", "-q", "-b", "main"]);
    fs::write(other.join("lib.c"), "int x;\n").unwrap();
    git(&other, &["add", "-A"]);
    let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
    git(&other, &[&who[..], &["commit", "-q", "-m", "lib"]].concat());
    spot.git(&[
        "submodule",
        "--quiet",
        "add",
        other.to_str().unwrap(),
        "lib",
    ]);
    spot.git(&["commit", "-q", "-m", "with a submodule"]);
    // Changed inside, which the checkout shows and nobody may undo.
    fs::write(spot.repo.join("lib/lib.c"), "int y;\n").unwrap();
}

pub(super) fn shallow_clone(spot: &mut Spot) {
    spot.commit("two", "2\n");
    spot.commit("three", "3\n");
    let full = spot.dir.path().join("other");
    fs::rename(&spot.repo, &full).unwrap();
    let url = format!("file://{}", full.display());
    git(
        spot.dir.path(),
        &[
            "clone",
            "-q",
            "--depth",
            "1",
            &url,
            spot.repo.to_str().unwrap(),
        ],
    );
    assert!(spot.repo.join(".git/shallow").exists());
}

pub(super) fn detached(spot: &mut Spot) {
    spot.git(&["checkout", "-q", "--detach"]);
}

pub(super) fn target_elsewhere(spot: &mut Spot) {
    spot.git(&["checkout", "-q", "-b", "side"]);
    let other = spot.dir.path().join("other");
    spot.git(&["worktree", "add", "-q", other.to_str().unwrap(), "main"]);
    spot.plan = spot.plan.replace("workers", "target = \"main\"\nworkers");
}

/// Hooks that fail, and tell if anybody runs them.
pub(super) fn failing_hooks(spot: &mut Spot) {
    for name in [
        "pre-commit",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "pre-merge-commit",
        "post-merge",
        "reference-transaction",
        "post-index-change",
    ] {
        let hook = spot.repo.join(".git/hooks").join(name);
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        let script = format!(
            "#!/bin/sh\ntouch '{}/hooked'\nexit 1\n",
            spot.repo.display()
        );
        fs::write(&hook, script).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

pub(super) fn locked_index(spot: &mut Spot) {
    fs::write(spot.repo.join(".git/index.lock"), "").unwrap();
}

pub(super) fn unsaved_work(spot: &mut Spot) {
    fs::write(spot.repo.join("README"), "changed\n").unwrap();
    fs::write(spot.repo.join("staged"), "staged\n").unwrap();
    spot.git(&["add", "staged"]);
    fs::write(spot.repo.join("staged"), "and changed again\n").unwrap();
    // The names that the tasks make, so that a run that writes here is found out.
    fs::write(spot.repo.join("made.txt"), "mine\n").unwrap();
    symlink("/nowhere", spot.repo.join("copy.txt")).unwrap();
}

pub(super) fn begun_merge(spot: &mut Spot) {
    spot.git(&["checkout", "-q", "-b", "side"]);
    spot.commit("README", "theirs\n");
    spot.git(&["checkout", "-q", "main"]);
    spot.commit("README", "ours\n");
    let mut git = command("git", &spot.repo);
    let merged = quiet(git.args(["merge", "-q", "side"])).output().unwrap();
    assert!(!merged.status.success(), "it was to conflict");
}

pub(super) fn odd_names(spot: &mut Spot) {
    let names = [
        "with space",
        "it's",
        "say \"hi\"",
        "line\nfeed",
        "tab\there",
        "$(touch pwned)",
        "`id`",
        "-rf",
        "née 漢字 🐝",
        "back\\slash",
        "*",
        "\u{202e}drow",
    ];
    for name in names {
        spot.commit(&format!("{name}/{name}"), "x\n");
    }
    let odd = spot
        .dir
        .path()
        .canonicalize()
        .unwrap()
        .join("it's \"my\"\nnée 漢字 $(touch pwned) repo");
    fs::rename(&spot.repo, &odd).unwrap();
    spot.repo.clone_from(&odd);
    spot.stands = odd.join("$(touch pwned)");
    // And a task that makes such names, in the shell's own quotes.
    spot.plan = spot.plan.replace(
        "echo made > made.txt",
        r#"echo made > made.txt; mkdir \"a b\"; echo x > \"a b/it's 漢字\"; mv -- \"it's/it's\" \"a b/moved\""#,
    );
}

/// Moves the repository to where its path has about `bytes` bytes.
pub(super) fn long_path(spot: &mut Spot, bytes: usize) {
    spot.commit(&"n".repeat(255), "x\n");
    let mut long = spot.dir.path().canonicalize().unwrap();
    while long.as_os_str().len() + 120 < bytes {
        long.push("d".repeat(100));
    }
    fs::create_dir_all(&long).unwrap();
    let long = long.join("repo");
    fs::rename(&spot.repo, &long).unwrap();
    spot.repo.clone_from(&long);
    spot.stands = long;
}

fn give_away(path: &Path, mode: impl Fn(bool) -> u32 + Copy) {
    let meta = fs::symlink_metadata(path).unwrap();
    if meta.is_symlink() {
        return;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path(), mode);
        }
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode(meta.is_dir()))).unwrap();
    if rustix::process::getuid().is_root() {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
}

pub(super) fn read_only(spot: &mut Spot) {
    spot.nobody = true;
    fs::set_permissions(spot.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    give_away(&spot.repo, |dir| if dir { 0o555 } else { 0o444 });
}

pub(super) fn somebody_elses(spot: &mut Spot) {
    spot.nobody = true;
    fs::set_permissions(spot.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

pub(super) fn bare(spot: &mut Spot) {
    let bare = spot.dir.path().canonicalize().unwrap().join("bare.git");
    git(
        spot.dir.path(),
        &[
            "clone",
            "-q",
            "--bare",
            spot.repo.to_str().unwrap(),
            bare.to_str().unwrap(),
        ],
    );
    spot.repo.clone_from(&bare);
    spot.stands = bare;
}

pub(super) fn unborn(spot: &mut Spot) {
    fs::remove_dir_all(spot.repo.join(".git")).unwrap();
    spot.git(&["init", "-q", "-b", "main"]);
}
