//! Snapshots: everything is saved, nothing else is touched.

use super::*;
use skep_host::git::{
    Want,
    snapshot::{Snapshot, SnapshotSpec, changed_since, snapshot},
};
use std::{
    ffi::OsStr,
    os::unix::{ffi::OsStrExt, fs::symlink},
};

fn worktree(world: &World) -> PathBuf {
    let dir = world.worker("w1");
    let base = world.tip("main");
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &base,
    };
    world.repo.prepare(&want).unwrap();
    dir
}

fn spec(world: &World) -> SnapshotSpec {
    SnapshotSpec {
        base: world.tip("main"),
        merges: None,
        only: None,
        reference: "refs/skep/salvage/s/t/1".into(),
        message: "Save t\n\nSkep-Task: t".into(),
        date: 1_800_000_000,
    }
}

/// Saves, checks that saving changed nothing in the worktree, and that a repeat gives the same.
#[track_caller]
fn save(dir: &Path, spec: &SnapshotSpec) -> Snapshot {
    let admin = PathBuf::from(try_git(dir, &["rev-parse", "--absolute-git-dir"]).1);
    let seen = || {
        (
            tree_of(dir),
            fs::read(admin.join("index")).ok(),
            fs::read(admin.join("HEAD")).ok(),
        )
    };
    let before = seen();
    let first = snapshot(dir, spec).unwrap();
    assert_eq!(
        snapshot(dir, spec).unwrap(),
        first,
        "a repeat gives the same"
    );
    assert_eq!(changed_since(dir, spec, &first).unwrap(), [""; 0]);
    assert!(seen() == before, "the worktree was touched");
    if let Ok(entries) = fs::read_dir(&admin) {
        for entry in entries.flatten() {
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.starts_with("skep-index"), "{name} was left behind");
        }
    }
    first
}

fn tree_of(dir: &Path) -> Vec<(PathBuf, u32)> {
    let mut all = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            all.push((entry.path(), entry.metadata().unwrap().permissions().mode()));
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    all.sort();
    all
}

fn names(world: &World, commit: &Oid) -> Vec<String> {
    let listed = git(
        world.root(),
        &["ls-tree", "-r", "-z", "--name-only", commit.as_str()],
    );
    listed
        .split('\0')
        .filter(|n| !n.is_empty())
        .map(Into::into)
        .collect()
}

// proves: W-12
#[test]
fn what_git_cannot_reach_is_not_taken_for_nothing() {
    for (folder, nested) in [("", false), ("sub", true)] {
        let world = World::new();
        let dir = worktree(&world);
        if nested {
            write(&dir, "sub/b.txt", "b");
            git(&dir.join("sub"), &["init", "-q"]);
        }
        bury(&dir.join(folder), "deep", "precious");
        let refused = snapshot(&dir, &spec(&world)).unwrap_err();
        assert!(refused.contains("could not open directory"), "{refused}");
        assert!(refused.len() < 1_500, "{refused}");
        // Nor is a worktree removed because git saw nothing in it.
        world.repo.remove(&dir, &["main"], None).unwrap_err();
        assert!(dir.join(folder).join("deep").exists());
    }
}

// proves: W-12
#[test]
fn a_change_in_the_second_of_the_checkout_that_leaves_the_size_is_saved() {
    let world = World::new();
    // The time of an inode cannot be set back, so git is told not to look at it.
    git(world.root(), &["config", "core.trustctime", "false"]);
    let dir = worktree(&world);
    let admin = PathBuf::from(git(&dir, &["rev-parse", "--absolute-git-dir"]));
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let date = |path: &Path| {
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(then).unwrap();
    };
    let file = dir.join("a.txt");
    date(&file);
    git(&dir, &["update-index", "--refresh"]);
    fs::write(&file, "ONE\ntwo\nthree\n").unwrap();
    date(&file);
    date(&admin.join("index"));
    let saved = snapshot(&dir, &spec(&world)).unwrap();
    assert_eq!(saved.files, ["a.txt"]);
}

// proves: W-12
#[test]
fn every_kind_of_change_is_saved() {
    let world = World::with(|root| {
        for name in [
            "a.txt",
            "gone",
            "mode",
            "link",
            "file-to-dir",
            "dir-to-file/x",
            "dir-to-link/x",
            "rename",
        ] {
            write(root, name, name);
        }
        write(root, ".gitignore", "*.o\n");
    });
    let before = fingerprint(world.root());
    let dir = worktree(&world);
    write(&dir, "a.txt", "changed");
    write(&dir, "new/deep/file", "new");
    write(&dir, "ignored.o", "no");
    fs::remove_file(dir.join("gone")).unwrap();
    fs::set_permissions(dir.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(dir.join("link")).unwrap();
    symlink("/etc/passwd", dir.join("link")).unwrap();
    fs::remove_file(dir.join("file-to-dir")).unwrap();
    write(&dir, "file-to-dir/x", "x");
    fs::remove_dir_all(dir.join("dir-to-file")).unwrap();
    write(&dir, "dir-to-file", "x");
    fs::remove_dir_all(dir.join("dir-to-link")).unwrap();
    symlink("new", dir.join("dir-to-link")).unwrap();
    fs::rename(dir.join("rename"), dir.join("renamed")).unwrap();
    write(&dir, "Case", "1");
    write(&dir, "case", "2");
    // Half of it staged, as an agent would leave it.
    git(&dir, &["add", "new"]);
    let saved = save(&dir, &spec(&world));
    assert_eq!(
        names(&world, &saved.commit),
        [
            ".gitignore",
            "Case",
            "a.txt",
            "case",
            "dir-to-file",
            "dir-to-link",
            "file-to-dir/x",
            "link",
            "mode",
            "new/deep/file",
            "renamed"
        ]
    );
    assert_eq!(world.content(&saved.commit, "link"), "/etc/passwd");
    assert_eq!(saved.file_count, 15);
    assert_eq!(saved.reference.as_deref(), Some("refs/skep/salvage/s/t/1"));
    assert_eq!(world.tip("refs/skep/salvage/s/t/1"), saved.commit);
    assert_eq!(
        git(
            world.root(),
            &["log", "-1", "--format=%an %s %P", saved.commit.as_str()]
        ),
        format!("Ann Save t {}", world.tip("main"))
    );
    assert_eq!(fingerprint(world.root()), before);

    write(&dir, "later", "x");
    fs::remove_file(dir.join("a.txt")).unwrap();
    assert_eq!(
        changed_since(&dir, &spec(&world), &saved).unwrap(),
        ["a.txt", "later"]
    );
    // Saved again under the same name: the first is not lost.
    let second = save(&dir, &spec(&world));
    assert_eq!(
        second.reference.as_deref(),
        Some("refs/skep/salvage/s/t/1.2")
    );
    assert_eq!(world.tip("refs/skep/salvage/s/t/1"), saved.commit);
    assert_eq!(world.tip("refs/skep/salvage/s/t/1.2"), second.commit);
}

// proves: W-12
#[test]
fn nothing_changed_writes_nothing() {
    let world = World::new();
    let dir = worktree(&world);
    write(&dir, "x.o", "ignored");
    let saved = save(&dir, &spec(&world));
    assert_eq!((saved.commit, saved.reference), (world.tip("main"), None));
    assert_eq!(git(world.root(), &["for-each-ref", "refs/skep"]), "");
    // A fix task that changes nothing still carries the branch it resolves.
    let theirs = world.branch("theirs", "main", &[("t", Some("t"))]);
    let fix = SnapshotSpec {
        merges: Some(theirs.clone()),
        ..spec(&world)
    };
    let saved = save(&dir, &fix);
    let parents = git(
        world.root(),
        &["log", "-1", "--format=%P", saved.commit.as_str()],
    );
    assert_eq!(parents, format!("{} {theirs}", world.tip("main")));
}

// proves: W-12, T-3
#[test]
fn odd_names_are_saved() {
    let world = World::new();
    let dir = worktree(&world);
    let odd: Vec<Vec<u8>> = vec![
        b"new\nline".to_vec(),
        b"-rf".to_vec(),
        b"\"quoted\"".to_vec(),
        b"tab\there".to_vec(),
        b":(glob)*".to_vec(),
        b"*".to_vec(),
        "ünïcode 🐝".into(),
        b"not-utf8-\xff\xfe".to_vec(),
        b"git~1".to_vec(),
        b"back\\slash".to_vec(),
        b" ".to_vec(),
        b"\x1b[31mred".to_vec(),
        vec![b'x'; 255],
    ];
    for name in &odd {
        fs::write(dir.join(OsStr::from_bytes(name)), name).unwrap();
    }
    let saved = save(&dir, &spec(&world));
    assert_eq!(saved.file_count, odd.len());
    for name in saved.files {
        assert!(
            !name.chars().any(char::is_control),
            "{name:?} could drive a terminal"
        );
    }
    // And they all come back on another branch.
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &saved.commit,
    };
    world.repo.prepare(&want).unwrap();
    for name in &odd {
        assert_eq!(&fs::read(dir.join(OsStr::from_bytes(name))).unwrap(), name);
    }
}

// proves: W-12, T-1
#[test]
fn a_worktree_in_any_state_is_saved() {
    type Deed = (&'static str, fn(&Path));
    let deeds: &[Deed] = &[
        ("nothing", |_| ()),
        ("rm .git", |d| fs::remove_file(d.join(".git")).unwrap()),
        ("rm .git, prune", |d| {
            fs::remove_file(d.join(".git")).unwrap();
            git(d.ancestors().nth(3).unwrap(), &["worktree", "prune"]);
        }),
        ("rm .git, init, commit", |d| {
            fs::remove_file(d.join(".git")).unwrap();
            git(d, &["init", "-q"]);
            git(d, &["add", "-A"]);
            git(
                d,
                &[
                    "-c",
                    "user.name=x",
                    "-c",
                    "user.email=x",
                    "commit",
                    "-qm",
                    "x",
                ],
            );
        }),
        ("bad index", |d| {
            fs::write(admin(d).join("index"), "rubbish").unwrap()
        }),
        ("no index", |d| {
            fs::remove_file(admin(d).join("index")).unwrap()
        }),
        ("index.lock", |d| {
            fs::write(admin(d).join("index.lock"), "").unwrap()
        }),
        ("no HEAD", |d| fs::write(admin(d).join("HEAD"), "").unwrap()),
        ("orphan branch", |d| {
            drop(git(d, &["checkout", "-q", "--orphan", "o"]))
        }),
        ("hidden", |d| {
            git(d, &["update-index", "--assume-unchanged", "a.txt"]);
            git(d, &["update-index", "--skip-worktree", "src/b.txt"]);
        }),
        ("gone from the index", |d| {
            drop(git(d, &["rm", "-rq", "--cached", "."]))
        }),
        ("intent to add", |d| {
            write(d, "new", "");
            git(d, &["add", "-N", "new"]);
        }),
        ("git gc", |d| drop(git(d, &["gc", "-q", "--prune=now"]))),
    ];
    for (deed, act) in deeds {
        let world = World::new();
        let dir = worktree(&world);
        act(&dir);
        write(&dir, "a.txt", "changed");
        write(&dir, "src/b.txt", "changed too");
        write(&dir, "new", "new");
        if *deed == "rm .git, init, commit" {
            // That repository is the agent's own; it is saved as files.
            assert_ne!(
                git(&dir, &["rev-parse", "HEAD"]),
                world.tip("main").as_str()
            );
        }
        let saved = save(&dir, &spec(&world));
        assert_eq!(saved.files, ["a.txt", "new", "src/b.txt"], "{deed}");
        assert_eq!(world.content(&saved.commit, "a.txt"), "changed", "{deed}");
    }
}

fn admin(dir: &Path) -> PathBuf {
    git(dir, &["rev-parse", "--absolute-git-dir"]).into()
}

// proves: W-12
#[test]
fn commits_of_the_agent_are_parents_and_those_it_left_are_kept() {
    let world = World::new();
    let dir = worktree(&world);
    let commit = |name: &str| {
        write(&dir, name, name);
        git(&dir, &["add", "-A"]);
        git(&dir, &["commit", "-qm", name]);
        git(&dir, &["rev-parse", "HEAD"])
    };
    let one = commit("one");
    // All of it committed: the agent's commit is the snapshot.
    let saved = save(&dir, &spec(&world));
    assert_eq!(saved.commit.as_str(), one);
    let left = commit("left");
    git(&dir, &["reset", "-q", "--hard", "HEAD~1"]);
    git(&dir, &["checkout", "-q", "--detach", "HEAD~1"]);
    let detached = commit("detached");
    git(&dir, &["checkout", "-q", "--detach", &one]);
    write(&dir, "open", "work");
    let saved = save(
        &dir,
        &SnapshotSpec {
            reference: "refs/skep/salvage/s/t/2".into(),
            ..spec(&world)
        },
    );
    let parents = git(
        world.root(),
        &["log", "-1", "--format=%P", saved.commit.as_str()],
    );
    assert_eq!(parents, one);
    let head = world.tip("refs/skep/salvage/s/t/2-head");
    for commit in [left, detached] {
        assert!(
            world
                .repo
                .is_ancestor(&commit.parse().unwrap(), &head)
                .unwrap()
        );
    }
    // HEAD on something unrelated.
    git(&dir, &["checkout", "-q", "-f", "--orphan", "unrelated"]);
    let unrelated = commit("unrelated");
    let saved = save(
        &dir,
        &SnapshotSpec {
            reference: "refs/skep/salvage/s/t/3".into(),
            ..spec(&world)
        },
    );
    let parents = git(
        world.root(),
        &["log", "-1", "--format=%P", saved.commit.as_str()],
    );
    assert_eq!(parents, world.tip("main").as_str());
    git(&dir, &["checkout", "-q", "--detach", "main"]);
    git(&dir, &["branch", "-qD", "unrelated"]);
    let again = SnapshotSpec {
        reference: "refs/skep/salvage/s/t/4".into(),
        ..spec(&world)
    };
    save(&dir, &again);
    let head = world.tip("refs/skep/salvage/s/t/4-head");
    assert!(
        world
            .repo
            .is_ancestor(&unrelated.parse().unwrap(), &head)
            .unwrap()
    );
}

// proves: W-12
#[test]
fn nested_repositories_are_saved_as_files() {
    let world = World::new();
    let dir = worktree(&world);
    for nested in ["vendor/lib", "vendor/lib/deeper", "empty"] {
        write(&dir, &format!("{nested}/file"), nested);
        write(&dir, &format!("{nested}/.gitignore"), "skipped\n");
        write(&dir, &format!("{nested}/skipped"), nested);
        git(&dir.join(nested), &["init", "-q"]);
    }
    git(&dir.join("vendor/lib"), &["add", "file"]);
    git(
        &dir.join("vendor/lib"),
        &[
            "-c",
            "user.name=x",
            "-c",
            "user.email=x",
            "commit",
            "-qm",
            "x",
        ],
    );
    let saved = save(&dir, &spec(&world));
    assert_eq!(
        saved.files,
        [
            "empty/.gitignore",
            "empty/file",
            "vendor/lib/.gitignore",
            "vendor/lib/deeper/.gitignore",
            "vendor/lib/deeper/file",
            "vendor/lib/file"
        ]
    );
}

// proves: W-12, W-7
#[test]
fn an_unfinished_merge_is_saved_with_its_markers() {
    let world = World::new();
    let theirs = world.branch(
        "theirs",
        "main",
        &[("a.txt", Some("theirs\n")), ("src/b.txt", None)],
    );
    let dir = worktree(&world);
    write(&dir, "a.txt", "mine\n");
    write(&dir, "src/b.txt", "mine\n");
    git(&dir, &["commit", "-qam", "mine"]);
    assert!(!try_git(&dir, &["merge", theirs.as_str()]).0);
    let saved = save(&dir, &spec(&world));
    assert!(world.content(&saved.commit, "a.txt").contains("<<<<<<<"));
    assert_eq!(saved.files, ["a.txt", "src/b.txt"]);
}

// proves: W-12
#[test]
fn ten_thousand_files_and_a_big_one() {
    let world = World::new();
    let dir = worktree(&world);
    for n in 0..10_000 {
        write(&dir, &format!("d{}/f{n}", n % 100), &n.to_string());
    }
    fs::write(dir.join("big"), vec![7; 64 << 20]).unwrap();
    let started = std::time::Instant::now();
    let saved = snapshot(&dir, &spec(&world)).unwrap();
    println!("saved in {:?}", started.elapsed());
    let started = std::time::Instant::now();
    assert_eq!(changed_since(&dir, &spec(&world), &saved).unwrap(), [""; 0]);
    println!("compared in {:?}", started.elapsed());
    assert_eq!(saved.file_count, 10_001);
    assert_eq!(saved.files.len(), skep_host::git::snapshot::FILES_MAX);
}

// proves: W-12
#[test]
fn a_folder_that_became_a_link_to_where_its_files_went_is_saved_as_one() {
    let world = World::new();
    let dir = worktree(&world);
    fs::rename(dir.join("src"), dir.join("lib")).unwrap();
    symlink("lib", dir.join("src")).unwrap();
    write(&dir, "lib/b.txt", "edited\n");
    let saved = save(&dir, &spec(&world));
    assert_eq!(saved.files, ["lib/b.txt", "src", "src/b.txt"]);
    assert_eq!(world.content(&saved.commit, "src"), "lib");
}

// proves: W-12
#[test]
fn a_users_own_checkout_can_be_saved_too() {
    let world = World::new();
    write(world.root(), "open", "work");
    let before = fingerprint(world.root());
    let saved = snapshot(world.root(), &spec(&world)).unwrap();
    assert_eq!(saved.files, ["open"]);
    assert_eq!(fingerprint(world.root()), before);
}
