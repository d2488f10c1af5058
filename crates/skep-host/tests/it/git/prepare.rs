//! Worktrees: made, reused, mended, removed.

use super::*;
use skep_host::git::{GitError, Prepared, RepoError, Want};
use std::os::unix::fs::symlink;

fn prepare(world: &World, name: &str, base: &Oid) -> Result<Prepared, GitError> {
    let branch = format!("skep/s.{name}");
    world.repo.prepare(&Want {
        dir: &world.worker(name),
        branch: Some(&branch),
        base,
    })
}

/// The worktree is at `base` on its branch with nothing changed.
#[track_caller]
fn assert_at(world: &World, name: &str, base: &Oid) {
    let dir = world.worker(name);
    assert_eq!(git(&dir, &["status", "--porcelain"]), "");
    assert_eq!(git(&dir, &["rev-parse", "HEAD"]), base.as_str());
    let branch = git(&dir, &["symbolic-ref", "HEAD"]);
    assert_eq!(branch, format!("refs/heads/skep/s.{name}"));
    let again = prepare(world, name, base).unwrap();
    assert!(again.untouched || again.fresh, "{again:?}");
}

// proves: W-3, W-13
#[test]
fn a_worktree_is_made_and_then_kept() {
    let world = World::new();
    let base = world.tip("main");
    let before = fingerprint(world.root());
    let first = prepare(&world, "w1", &base).unwrap();
    assert!(first.fresh && !first.untouched);
    assert!(
        prepare(&world, "w1", &base).unwrap().fresh,
        "set-up was not run yet"
    );
    let dir = world.worker("w1");
    world.repo.ready(&dir).unwrap();
    let warm = prepare(&world, "w1", &base).unwrap();
    assert!(warm.untouched && !warm.fresh);
    assert_at(&world, "w1", &base);

    // A worker goes on to the next base; its build cache stays, its rubbish does not.
    let next = world.branch(
        "next",
        "main",
        &[("a.txt", Some("changed\n")), ("new/c.txt", Some("c"))],
    );
    git(world.root(), &["branch", "-D", "next"]);
    write(&dir, "target/cache.bin", "warm");
    write(&dir, "junk/file", "x");
    write(&dir, "src/b.txt", "edited");
    let moved = prepare(&world, "w1", &next).unwrap();
    assert!(!moved.fresh && !moved.untouched);
    assert_at(&world, "w1", &next);
    assert_eq!(
        fs::read_to_string(dir.join("target/cache.bin")).unwrap(),
        "warm"
    );
    assert!(!dir.join("junk").exists());
    assert_eq!(fingerprint(world.root()), before);
}

// proves: W-3, T-1
#[test]
fn whatever_an_agent_did_the_worktree_comes_back() {
    type Deed = (&'static str, fn(&Path));
    let deeds: &[Deed] = &[
        ("checkout -b", |d| {
            drop(git(d, &["checkout", "-qb", "mine"]))
        }),
        ("detach", |d| drop(git(d, &["checkout", "-q", "--detach"]))),
        ("orphan", |d| {
            drop(git(d, &["checkout", "-q", "--orphan", "o"]))
        }),
        ("commit", |d| {
            write(d, "n", "n");
            git(d, &["add", "-A"]);
            git(d, &["commit", "-qm", "mine"]);
        }),
        ("reset", |d| drop(git(d, &["update-ref", "-d", "HEAD"]))),
        ("rm .git", |d| fs::remove_file(d.join(".git")).unwrap()),
        ("rm .git, prune", |d| {
            fs::remove_file(d.join(".git")).unwrap();
            let root = d.ancestors().nth(3).unwrap();
            git(root, &["worktree", "prune"]);
        }),
        ("rm .git, init", |d| {
            fs::remove_file(d.join(".git")).unwrap();
            git(d, &["init", "-q"]);
            git(d, &["add", "-A"]);
        }),
        ("forge .git", |d| {
            fs::write(d.join(".git"), "gitdir: /etc").unwrap();
        }),
        ("rm -rf", |d| fs::remove_dir_all(d).unwrap()),
        ("move away", |d| {
            fs::rename(d, d.with_file_name("moved")).unwrap()
        }),
        ("move and lock", |d| {
            git(d, &["worktree", "lock", "--reason", "mine", "."]);
            fs::rename(d, d.with_file_name("moved")).unwrap();
        }),
        ("bad index", |d| {
            fs::write(admin(d).join("index"), "rubbish").unwrap()
        }),
        ("short index", |d| {
            let index = admin(d).join("index");
            let content = fs::read(&index).unwrap();
            fs::write(&index, &content[..content.len() / 2]).unwrap();
        }),
        ("no index", |d| {
            fs::remove_file(admin(d).join("index")).unwrap()
        }),
        ("bad HEAD", |d| {
            fs::write(admin(d).join("HEAD"), "").unwrap()
        }),
        ("no commondir", |d| {
            fs::remove_file(admin(d).join("commondir")).unwrap()
        }),
        ("empty commondir", |d| {
            fs::write(admin(d).join("commondir"), "").unwrap();
        }),
        ("index.lock", |d| {
            fs::write(admin(d).join("index.lock"), "").unwrap()
        }),
        ("nested repository", |d| {
            write(d, "nested/x", "x");
            git(&d.join("nested"), &["init", "-q"]);
            fs::remove_file(d.join("a.txt")).unwrap();
            write(d, "a.txt/deep/x", "x");
            git(&d.join("a.txt/deep"), &["init", "-q"]);
        }),
        ("read-only folder", |d| {
            write(d, "ro/x", "x");
            fs::set_permissions(d.join("ro"), fs::Permissions::from_mode(0o555)).unwrap();
            fs::set_permissions(d.join("src"), fs::Permissions::from_mode(0o555)).unwrap();
        }),
        ("links out", |d| {
            fs::remove_dir_all(d.join("src")).unwrap();
            symlink("/etc", d.join("src")).unwrap();
            symlink("/nowhere", d.join("dangling")).unwrap();
        }),
        ("hidden change", |d| {
            git(d, &["update-index", "--assume-unchanged", "a.txt"]);
            git(d, &["update-index", "--skip-worktree", "src/b.txt"]);
            write(d, "a.txt", "hidden");
            write(d, "src/b.txt", "hidden");
        }),
        ("sparse", |d| {
            drop(git(d, &["sparse-checkout", "set", "nothing"]))
        }),
        ("merge in progress", |d| {
            write(d, "a.txt", "mine");
            git(d, &["commit", "-qam", "mine"]);
            git(d, &["checkout", "-q", "--detach", "HEAD~1"]);
            write(d, "a.txt", "other");
            git(d, &["commit", "-qam", "other"]);
            assert!(!try_git(d, &["merge", "skep/s.w1"]).0);
        }),
        ("rebase in progress", |d| {
            write(d, "a.txt", "mine");
            git(d, &["commit", "-qam", "mine"]);
            git(d, &["checkout", "-q", "--detach", "HEAD~1"]);
            write(d, "a.txt", "other");
            git(d, &["commit", "-qam", "other"]);
            assert!(!try_git(d, &["rebase", "skep/s.w1"]).0);
        }),
        ("bisect", |d| drop(git(d, &["bisect", "start"]))),
        ("ignore everything", |d| {
            write(d, ".gitignore", "*\n");
            write(d, "junk", "x");
        }),
        ("a path too long for git", |d| bury(d, "junk", "f")),
    ];
    for (deed, act) in deeds {
        let world = World::new();
        let base = world.tip("main");
        let before = fingerprint(world.root());
        prepare(&world, "w1", &base).unwrap();
        world.repo.ready(&world.worker("w1")).unwrap();
        act(&world.worker("w1"));
        prepare(&world, "w1", &base).unwrap_or_else(|e| panic!("{deed}: {e}"));
        println!("{deed}");
        assert_at(&world, "w1", &base);
        assert!(!world.worker("w1").join("junk").exists(), "{deed}");
        let mut after = fingerprint(world.root());
        for all in [&before, &after.clone()] {
            assert!(all.contains_key(".git/index"));
        }
        // Branches that the agent made, and settings it made, are its own doing.
        after.insert("refs".into(), before["refs"].clone());
        after.insert(".git/config".into(), before[".git/config"].clone());
        assert_eq!(after, before, "{deed}");
    }
}

fn admin(dir: &Path) -> PathBuf {
    git(dir, &["rev-parse", "--absolute-git-dir"]).into()
}

// proves: W-12
#[test]
fn commits_that_only_the_branch_had_are_kept() {
    let world = World::new();
    let base = world.tip("main");
    prepare(&world, "w1", &base).unwrap();
    let dir = world.worker("w1");
    write(&dir, "n", "n");
    git(&dir, &["add", "-A"]);
    git(&dir, &["commit", "-qm", "mine"]);
    let mine = git(&dir, &["rev-parse", "HEAD"]);
    let moved = prepare(&world, "w1", &base).unwrap();
    assert_eq!(
        moved.kept,
        [format!("refs/skep/salvage/s/_w1/{}", &mine[..10])]
    );
    assert_eq!(world.tip(&moved.kept[0]).as_str(), mine);
}

// proves: W-13
#[test]
fn ten_worktrees_at_once() {
    let world = World::new();
    let base = world.tip("main");
    std::thread::scope(|scope| {
        for n in 0..10 {
            let (world, base) = (&world, &base);
            scope.spawn(move || prepare(world, &format!("w{n}"), base).unwrap());
        }
    });
    for n in 0..10 {
        assert_at(&world, &format!("w{n}"), &base);
    }
    assert_eq!(
        world
            .repo
            .worktrees_below(&world.repo.state_dir())
            .unwrap()
            .len(),
        10
    );
}

// proves: W-3
#[test]
fn a_branch_that_the_user_has_checked_out_is_refused_by_name() {
    let world = World::new();
    let base = world.tip("main");
    let elsewhere = world.dir.path().join("elsewhere");
    let path = elsewhere.to_str().unwrap();
    git(
        world.root(),
        &["worktree", "add", "-q", "-b", "skep/s.w1", path],
    );
    let error = prepare(&world, "w1", &base).unwrap_err();
    let GitError::CheckedOut { branch, path } = error else {
        panic!("{error}")
    };
    assert_eq!(
        (branch.as_str(), path),
        ("skep/s.w1", fs::canonicalize(elsewhere).unwrap())
    );
}

// proves: W-13, T-3
#[test]
fn what_worktreeinclude_names_is_copied_and_nothing_else() {
    let world = World::new();
    let root = world.root();
    write(
        root,
        ".worktreeinclude",
        ".env\nlocal/\nplain.txt\nlink*\n*.o\n",
    );
    write(root, ".env", "SECRET=1");
    write(root, "src/x.o", "object");
    write(root, "other.o.not", "no");
    write(root, "plain.txt", "not ignored, so it would be committed");
    write(root, "local/settings.o", "deep");
    symlink("/etc/passwd", root.join("link.o")).unwrap();
    symlink("src/x.o", root.join("linked.o")).unwrap();
    fs::set_permissions(root.join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    let outside = world.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    // In this commit `src` is a link that leads out of the worktree.
    let trap = world.branch("trap", "main", &[("src", None)]);
    let mut copied = prepare(&world, "w1", &world.tip("main")).unwrap().copied;
    copied.sort();
    assert_eq!(copied, [".env", "linked.o", "local/settings.o", "src/x.o"]);
    let dir = world.worker("w1");
    assert_eq!(fs::read_to_string(dir.join(".env")).unwrap(), "SECRET=1");
    assert_eq!(
        fs::metadata(dir.join(".env")).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(git(&dir, &["status", "--porcelain"]), "");

    let work = world.dir.path().join("t");
    git(
        root,
        &[
            "worktree",
            "add",
            "-q",
            "--detach",
            work.to_str().unwrap(),
            trap.as_str(),
        ],
    );
    symlink(&outside, work.join("src")).unwrap();
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-qm", "trap"]);
    let trap = git(&work, &["rev-parse", "HEAD"]).parse().unwrap();
    prepare(&world, "w2", &trap).unwrap();
    assert_eq!(
        fs::read_dir(&outside).unwrap().count(),
        0,
        "nothing leaves the worktree"
    );
}

// proves: W-11, W-12, W-15
#[test]
fn a_worktree_goes_only_when_nothing_is_lost() {
    let world = World::new();
    let base = world.tip("main");
    prepare(&world, "w1", &base).unwrap();
    let dir = world.worker("w1");
    write(&dir, "new", "x");
    let refused = world.repo.remove(&dir, &["refs/heads/main"], None);
    assert!(
        matches!(refused, Err(GitError::NotSaved { .. })),
        "{refused:?}"
    );
    git(&dir, &["add", "-A"]);
    git(&dir, &["commit", "-qm", "mine"]);
    let refused = world.repo.remove(&dir, &["refs/heads/main"], None);
    assert!(
        matches!(refused, Err(GitError::NotSaved { .. })),
        "{refused:?}"
    );
    let refused = world.repo.drop_branch("skep/s.w1", &["refs/heads/main"]);
    assert!(refused.is_err());
    assert!(dir.join("new").exists());
    for _ in 0..2 {
        let kept = ["refs/heads/main", "refs/heads/skep/s.w1"];
        world.repo.remove(&dir, &kept, None).unwrap();
    }
    git(
        world.root(),
        &["update-ref", "refs/skep/salvage/s/t/1", "skep/s.w1"],
    );
    for _ in 0..2 {
        world
            .repo
            .drop_branch("skep/s.w1", &["refs/skep/salvage/s/t/1"])
            .unwrap();
    }
    assert!(!dir.exists());
    assert_eq!(fs::read_dir(dir.parent().unwrap()).unwrap().count(), 0);
    assert_eq!(git(world.root(), &["worktree", "list"]).lines().count(), 1);
    assert!(world.repo.remove(world.root(), &["HEAD"], None).is_err());
}

// proves: T-1, U-1
#[test]
fn each_bad_place_gets_its_own_answer() {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    let find = |p: &Path| Repo::discover(p).unwrap_err();
    assert!(matches!(
        find(&root.join("none")),
        RepoError::NoDirectory { .. }
    ));
    assert!(matches!(find(root), RepoError::NotARepository { .. }));
    git(root, &["init", "-q", "--bare", "bare"]);
    assert!(matches!(find(&root.join("bare")), RepoError::Bare { .. }));
    git(root, &["init", "-q", "new"]);
    let unborn = find(&root.join("new"));
    assert!(matches!(unborn, RepoError::Unborn { .. }));
    assert!(unborn.to_string().contains("git commit"), "{unborn}");
    assert!(matches!(
        find(&root.join("new/.git")),
        RepoError::Bare { .. }
    ));
    let world = World::new();
    let tip = world.tip("main").to_string();
    let object = format!(".git/objects/{}/{}", &tip[..2], &tip[2..]);
    fs::set_permissions(
        world.root().join(&object),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    fs::write(world.root().join(&object), "rubbish").unwrap();
    let corrupt = find(world.root()).to_string();
    assert!(
        corrupt.contains(&tip[..7]) || corrupt.contains("HEAD"),
        "{corrupt}"
    );
}

// proves: W-3
#[test]
fn a_linked_worktree_shares_the_main_one_s_state() {
    let world = World::new();
    let linked = world.dir.path().join("linked\nby ünïcode");
    git(
        world.root(),
        &[
            "worktree",
            "add",
            "-q",
            "-b",
            "side",
            linked.to_str().unwrap(),
        ],
    );
    let repo = Repo::discover(&linked).unwrap();
    assert_eq!(repo.state_dir(), world.repo.state_dir());
    assert!(
        matches!(repo.head().unwrap(), skep_host::git::Head::Branch { name, .. } if name == "side")
    );
    let all = repo.checked_out().unwrap();
    assert_eq!(all[0], ("main".to_string(), world.root().to_path_buf()));
    assert_eq!(all[1].1, fs::canonicalize(linked).unwrap());
    git(world.root(), &["checkout", "-q", "--detach"]);
    assert!(matches!(
        world.repo.head().unwrap(),
        skep_host::git::Head::Detached(_)
    ));
    assert!(!world.repo.is_shallow());
    assert!(world.repo.resolve("--help").is_err());
    assert_eq!(world.repo.branch_tip("none").unwrap(), None);
}

// proves: W-3, W-10
#[test]
fn what_an_attempt_had_ignored_does_not_end_in_the_next_ones_work() {
    let world = World::new();
    let (dir, base) = (world.worker("w1"), world.tip("main"));
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &base,
    };
    world.repo.prepare(&want).unwrap();
    write(&dir, "lib/.gitignore", "*.z\n");
    write(&dir, "lib/secret.z", "of the first attempt\n");
    write(&dir, "cache.o", "ignored by the repository itself\n");
    world.repo.prepare(&want).unwrap();
    assert_eq!(git(&dir, &["status", "--porcelain"]), "");
    assert!(!dir.join("lib/secret.z").exists());
    assert!(dir.join("cache.o").exists(), "build caches stay");
}
