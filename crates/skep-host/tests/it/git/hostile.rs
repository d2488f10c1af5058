//! Hostile repositories, machines and moments.

use super::*;
use skep_host::git::{
    GitError, Land, Merge, Want,
    snapshot::{SnapshotSpec, snapshot},
};
use std::{
    fs::FileTimes,
    os::unix::process::CommandExt,
    process::Stdio,
    time::{Duration, Instant, SystemTime},
};

/// Does everything once: prepare, snapshot, merge, land, salvage, remove.
fn everything(world: &World) -> Result<Oid, GitError> {
    let repo = &world.repo;
    let base = world.tip("main");
    let dir = world.worker("w1");
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &base,
    };
    repo.prepare(&want)?;
    write(&dir, "work.txt", "work");
    let spec = SnapshotSpec {
        base: base.clone(),
        merges: None,
        reference: "refs/skep/salvage/s/t/1".into(),
        message: "t".into(),
        date: 1_800_000_000,
    };
    let saved = snapshot(&dir, &spec).unwrap();
    repo.land("refs/heads/skep/s", None, &base, "start")?;
    let Merge::Clean { commit, .. } = repo.merge(&base, &saved.commit, "m", 1_800_000_000)? else {
        panic!("no conflict here")
    };
    let check = world.worker("check");
    repo.checkout_detached(&check, &commit)?;
    assert!(check.join("work.txt").exists());
    let landed = repo.land("refs/heads/skep/s", Some(&base), &commit, "land")?;
    assert!(
        matches!(landed, Land::Moved | Land::AlreadyThere),
        "{landed:?}"
    );
    repo.prepare(&Want {
        base: &commit,
        ..want
    })?;
    repo.drop_merged(&"s".parse().unwrap(), &commit)?;
    for dir in [&dir, &check] {
        repo.remove(dir, &["refs/heads/skep/s"], None)?;
    }
    repo.drop_branch("skep/s.w1", &["refs/heads/skep/s"])?;
    Ok(commit)
}

/// The user's checkout, half edited, half staged.
fn mess(root: &Path) {
    write(root, "a.txt", "dirty\n");
    write(root, "staged", "staged\n");
    git(root, &["add", "staged"]);
    write(root, "untracked", "u\n");
    fs::remove_file(root.join("src/b.txt")).unwrap();
}

// proves: W-6, W-3
#[test]
fn the_users_checkout_is_the_same_byte_for_byte() {
    let world = World::new();
    mess(world.root());
    let before = fingerprint(world.root());
    everything(&world).unwrap();
    assert_eq!(fingerprint(world.root()), before);
    // Zero litter: what is left are the integration branch and Skep's own folder.
    assert_eq!(
        git(
            world.root(),
            &[
                "for-each-ref",
                "--format=%(refname)",
                "refs/skep",
                "refs/heads/skep"
            ]
        ),
        "refs/heads/skep/s"
    );
    assert_eq!(git(world.root(), &["worktree", "list"]).lines().count(), 1);
    assert!(!git(world.root(), &["status", "--porcelain"]).contains(".skep"));
}

// proves: W-6
#[test]
fn hooks_and_helpers_of_the_repository_never_run() {
    let world = World::new();
    let trace = world.dir.path().join("ran");
    let hook = format!(
        "#!/bin/sh\necho \"$0\" >> {}\nsleep 600\nexit 1\n",
        trace.display()
    );
    for name in [
        "pre-commit",
        "post-commit",
        "commit-msg",
        "post-checkout",
        "reference-transaction",
        "pre-merge-commit",
        "post-merge",
        "post-index-change",
        "pre-auto-gc",
        "post-rewrite",
        "prepare-commit-msg",
        "fsmonitor",
    ] {
        script(&world.root().join(".git/hooks").join(name), &hook);
    }
    let own = world.dir.path().join("hooks");
    script(&own.join("reference-transaction"), &hook);
    for (key, value) in [
        ("core.hooksPath", own.to_str().unwrap()),
        (
            "core.fsmonitor",
            world.root().join(".git/hooks/fsmonitor").to_str().unwrap(),
        ),
        ("core.pager", "sleep 600"),
        ("core.editor", "sleep 600"),
        ("gpg.program", "sleep"),
        ("commit.gpgSign", "true"),
        ("diff.external", "sleep 600"),
        ("gc.auto", "1"),
    ] {
        git(world.root(), &["config", key, value]);
    }
    let mut world = world;
    world.repo = world.repo.with_deadline(Duration::from_secs(60));
    let before = fingerprint(world.root());
    everything(&world).unwrap();
    assert!(!trace.exists(), "{}", fs::read_to_string(trace).unwrap());
    assert_eq!(fingerprint(world.root()), before);
}

// proves: T-1
#[test]
fn a_hanging_filter_is_ended_with_its_children_at_the_deadline() {
    let world = World::with(|root| {
        write(root, ".gitattributes", "*.big filter=slow\n");
        write(root, "x.big", "x");
    });
    let pids = world.dir.path().join("pid");
    let smudge = format!("sh -c 'echo $$ > {}; exec sleep 600'", pids.display());
    git(world.root(), &["config", "filter.slow.smudge", &smudge]);
    git(world.root(), &["config", "filter.slow.required", "true"]);
    let repo = world
        .repo
        .clone()
        .with_deadline(Duration::from_millis(1500));
    let (dir, base) = (world.worker("w1"), world.tip("main"));
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &base,
    };
    let started = Instant::now();
    let error = repo.prepare(&want).unwrap_err();
    assert!(matches!(error, GitError::TimedOut { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(60));
    let pid = fs::read_to_string(&pids).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(
        state.is_empty() || state.contains(") Z"),
        "the filter lives on: {state}"
    );
    // With the filter mended, the same call finishes what the first began.
    git(world.root(), &["config", "filter.slow.smudge", "cat"]);
    git(world.root(), &["config", "filter.slow.clean", "cat"]);
    assert!(world.repo.prepare(&want).unwrap().fresh);
    assert_eq!(git(&dir, &["status", "--porcelain"]), "");
}

// proves: W-3
#[test]
fn filters_like_those_of_lfs_work_both_ways() {
    let world = World::with(|root| write(root, ".gitattributes", "*.big filter=rot\n"));
    for (key, value) in [
        ("filter.rot.clean", "tr a-z b-za"),
        ("filter.rot.smudge", "tr b-za a-z"),
    ] {
        git(world.root(), &["config", key, value]);
    }
    let (dir, base) = (world.worker("w1"), world.tip("main"));
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &base,
    };
    world.repo.prepare(&want).unwrap();
    write(&dir, "x.big", "abc");
    let spec = SnapshotSpec {
        base: base.clone(),
        merges: None,
        reference: "refs/skep/salvage/s/t/1".into(),
        message: "t".into(),
        date: 1,
    };
    let saved = snapshot(&dir, &spec).unwrap();
    assert_eq!(world.content(&saved.commit, "x.big"), "bcd");
    world
        .repo
        .prepare(&Want {
            base: &saved.commit,
            ..want
        })
        .unwrap();
    assert_eq!(fs::read_to_string(dir.join("x.big")).unwrap(), "abc");
}

fn age(path: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(long_ago))
        .unwrap();
}

// proves: T-1
#[test]
fn locks_of_dead_processes_are_removed_and_those_of_living_ones_are_not() {
    let world = World::new();
    let base = world.tip("main");
    everything(&world).unwrap();
    let next = world.branch("next", "skep/s", &[("n", Some("n"))]);
    let tip = world.tip("skep/s");
    let lock = world.root().join(".git/refs/heads/skep/s.lock");
    let living = fs::File::create(&lock).unwrap();
    age(&lock);
    // This very process has it open, which does not count; another one's does.
    let holder = command("sleep", world.dir.path())
        .arg("600")
        .stdin(living)
        .spawn();
    let mut holder = holder.unwrap();
    let refused = world.repo.land("refs/heads/skep/s", Some(&tip), &next, "m");
    assert!(refused.is_err(), "{refused:?}");
    assert!(lock.exists());
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(
        world
            .repo
            .land("refs/heads/skep/s", Some(&tip), &next, "m")
            .unwrap(),
        Land::Moved
    );
    let packed = world.root().join(".git/packed-refs.lock");
    fs::write(&packed, "").unwrap();
    age(&packed);
    git(
        world.root(),
        &["update-ref", "refs/skep/salvage/s/t/9", "next"],
    );
    assert_eq!(
        world
            .repo
            .drop_merged(&"s".parse().unwrap(), &next)
            .unwrap()
            .len(),
        1
    );

    let dir = world.worker("w1");
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &base,
    };
    world.repo.prepare(&want).unwrap();
    let index = world.root().join(".git/worktrees/w1/index.lock");
    let living = fs::File::create(&index).unwrap();
    let mut holder = command("sleep", world.dir.path())
        .arg("600")
        .stdin(living)
        .spawn()
        .unwrap();
    let hasty = world.repo.clone().with_deadline(Duration::from_secs(1));
    let held = hasty.prepare(&want).unwrap_err();
    assert!(
        matches!(held, GitError::Held { pid, .. } if pid == holder.id()),
        "{held}"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    world.repo.prepare(&want).unwrap();
    assert!(!index.exists());
}

// proves: T-1, W-13
#[test]
fn killed_at_any_moment_and_repeated_it_ends_the_same() {
    let world = World::with(|root| {
        for n in 0..300 {
            write(root, &format!("d{}/f{n}", n % 7), &"x".repeat(200));
        }
    });
    let base = world.tip("main");
    let dir = world.worker("w1");
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &base,
    };
    world.repo.ensure_state_dir().unwrap();
    // The same git commands that `prepare` runs, killed at many points in time.
    for n in 0..40u64 {
        let mut child = command("sh", world.root())
            .arg("-c")
            .arg(format!(
                "git worktree add -q --no-checkout --detach -f -f {0} {base} && cd {0} && git reset -q --hard",
                dir.display()
            ))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_micros(n * 500);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        let group = format!("-{}", child.id());
        let killed = command("kill", world.root())
            .args(["-9", "--", &group])
            .stderr(Stdio::null())
            .status();
        drop(killed);
        child.wait().unwrap();
        let done = world
            .repo
            .prepare(&want)
            .unwrap_or_else(|e| panic!("after {n}: {e}"));
        assert!(done.fresh);
        assert_eq!(git(&dir, &["status", "--porcelain"]), "", "after {n}");
        assert_eq!(git(world.root(), &["worktree", "list"]).lines().count(), 2);
        assert_eq!(
            fs::read_dir(world.root().join(".git/worktrees"))
                .unwrap()
                .count(),
            1
        );
        if n % 2 == 0 {
            world.repo.remove(&dir, &["main"], None).unwrap();
        } else {
            fs::remove_dir_all(&dir).unwrap();
        }
    }
}

// proves: W-3
#[test]
fn shallow_detached_and_sparse_clones_work() {
    let origin = World::with(|root| {
        write(root, "a.txt", "a");
        write(root, "src/b.txt", "b");
        write(root, "docs/c.txt", "c");
    });
    git(
        origin.root(),
        &["commit", "-q", "--allow-empty", "-m", "second"],
    );
    for how in ["shallow", "detached", "sparse"] {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("user");
        let url = format!("file://{}", origin.root().display());
        let depth = if how == "shallow" { "1" } else { "9" };
        git(
            dir.path(),
            &[
                "clone",
                "-q",
                "--depth",
                depth,
                &url,
                root.to_str().unwrap(),
            ],
        );
        git(&root, &["config", "user.name", "Ann"]);
        git(&root, &["config", "user.email", "ann@example.org"]);
        if how == "detached" {
            git(&root, &["checkout", "-q", "--detach"]);
        }
        if how == "sparse" {
            git(&root, &["sparse-checkout", "set", "src"]);
        }
        let repo = Repo::discover(&root).unwrap();
        let world = World { dir, repo };
        assert_eq!(world.repo.is_shallow(), how == "shallow");
        let before = fingerprint(world.root());
        if how == "sparse" {
            let (dir, base) = (world.worker("w9"), world.tip("main"));
            let want = Want {
                dir: &dir,
                branch: Some("skep/s.w9"),
                base: &base,
            };
            world.repo.prepare(&want).unwrap();
            assert!(
                !dir.join("docs").exists() || cfg!(not(unix)),
                "as sparse as the user's"
            );
            // What an agent makes outside the sparse part is saved all the same.
            write(&dir, "docs/new.txt", "new");
            fs::remove_file(dir.join("src/b.txt")).unwrap();
            let spec = SnapshotSpec {
                base: base.clone(),
                merges: None,
                reference: "refs/skep/salvage/s/t/3".into(),
                message: "t".into(),
                date: 1,
            };
            let saved = snapshot(&dir, &spec).unwrap();
            assert_eq!(saved.files, ["docs/new.txt", "src/b.txt"]);
        }
        everything(&world).unwrap_or_else(|e| panic!("{how}: {e}"));
        assert_eq!(fingerprint(world.root()), before, "{how}");
    }
}

// proves: W-3
#[test]
fn submodules_are_carried_and_not_filled() {
    let inner = World::new();
    let world = World::new();
    let url = inner.root().to_str().unwrap();
    git(world.root(), &["submodule", "--quiet", "add", url, "sub"]);
    git(world.root(), &["commit", "-qm", "with sub"]);
    let base = world.tip("main");
    assert!(world.repo.has_submodules(&base).unwrap());
    let before = fingerprint(world.root());
    everything(&world).unwrap();
    assert_eq!(fingerprint(world.root()), before);
    // An agent fills it and goes to another commit: the commit id is carried.
    let dir = world.worker("w1");
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &base,
    };
    world.repo.prepare(&want).unwrap();
    assert_eq!(fs::read_dir(dir.join("sub")).unwrap().count(), 0);
    git(&dir, &["submodule", "--quiet", "update", "--init"]);
    git(
        &dir.join("sub"),
        &[
            "-c",
            "user.name=x",
            "-c",
            "user.email=x",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x",
        ],
    );
    let moved = git(&dir.join("sub"), &["rev-parse", "HEAD"]);
    let spec = SnapshotSpec {
        base: base.clone(),
        merges: None,
        reference: "refs/skep/salvage/s/t/2".into(),
        message: "t".into(),
        date: 1,
    };
    let saved = snapshot(&dir, &spec).unwrap();
    assert_eq!(saved.files, ["sub"]);
    assert!(git(world.root(), &["ls-tree", saved.commit.as_str(), "sub"]).contains(&moved));
}

// proves: T-1
#[test]
fn a_damaged_object_is_named_and_nothing_moves() {
    let world = World::new();
    let theirs = world.branch("theirs", "main", &[("a.txt", Some("one\ntwo\n3\n"))]);
    let ours = world.branch("ours", "main", &[("a.txt", Some("1\ntwo\nthree\n"))]);
    let blob = git(world.root(), &["rev-parse", "theirs:a.txt"]);
    let object = world
        .root()
        .join(format!(".git/objects/{}/{}", &blob[..2], &blob[2..]));
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, "rubbish").unwrap();
    let error = world.repo.merge(&ours, &theirs, "m", 1).unwrap_err();
    assert!(error.to_string().contains(&blob), "{error}");
    let dir = world.worker("w1");
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &theirs,
    };
    let error = world.repo.prepare(&want).unwrap_err();
    assert!(
        error.to_string().contains("corrupt") || error.to_string().contains(&blob),
        "{error}"
    );
}

// proves: T-1, W-12
#[test]
fn a_full_disk_is_said_and_damages_nothing() {
    let dir = TempDir::new().unwrap();
    let tiny = dir.path().join("tiny");
    fs::create_dir(&tiny).unwrap();
    let mount = command("mount", dir.path())
        .args(["-t", "tmpfs", "-o", "size=3m", "none"])
        .arg(&tiny)
        .output();
    if !mount.is_ok_and(|o| o.status.success()) {
        println!("skipped: mounting a tmpfs needs root");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let root = tiny.join("user");
        fs::create_dir(&root).unwrap();
        git(&root, &["init", "-q", "-b", "main"]);
        write(&root, "a.txt", "a");
        git(&root, &["add", "-A"]);
        git(
            &root,
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
        let repo = Repo::discover(&root).unwrap();
        let (base, work) = (
            repo.resolve("main").unwrap(),
            repo.state_dir().join("worktrees/w1"),
        );
        let want = Want {
            dir: &work,
            branch: Some("skep/s.w1"),
            base: &base,
        };
        repo.prepare(&want).unwrap();
        let noise: Vec<u8> = (0..900_000u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        fs::write(work.join("noise"), &noise).unwrap();
        write(&work, "a.txt", "changed");
        let mut filler = Vec::new();
        while fs::write(
            tiny.join(format!("fill{}", filler.len())),
            vec![0; 64 << 10],
        )
        .is_ok()
        {
            filler.push(tiny.join(format!("fill{}", filler.len())));
        }
        let spec = SnapshotSpec {
            base: base.clone(),
            merges: None,
            reference: "refs/skep/salvage/s/t/1".into(),
            message: "t".into(),
            date: 1,
        };
        let error = snapshot(&work, &spec).unwrap_err();
        let said = ["No space left", "Out of diskspace"];
        assert!(said.iter().any(|s| error.contains(s)), "{error}");
        assert_eq!(fs::read(work.join("noise")).unwrap(), noise);
        for file in filler {
            fs::remove_file(file).unwrap();
        }
        let saved = snapshot(&work, &spec).unwrap();
        assert_eq!(saved.files, ["a.txt", "noise"]);
        git(&root, &["fsck", "--no-dangling"]);
    });
    let _ = command("umount", dir.path()).arg("-l").arg(&tiny).status();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

// proves: T-3
#[test]
fn inherited_git_variables_do_not_redirect() {
    // Set for a child of the test binary: this very test, run again with the variables set.
    if std::env::var_os("GIT_DIR").is_some() {
        let world_root = std::env::var_os("SKEP_TEST_ROOT").unwrap();
        let repo = Repo::discover(Path::new(&world_root)).unwrap();
        assert_eq!(repo.root(), fs::canonicalize(&world_root).unwrap());
        let head = repo.resolve("HEAD").unwrap();
        repo.prepare(&Want {
            dir: &repo.state_dir().join("worktrees/w1"),
            branch: Some("skep/s.w1"),
            base: &head,
        })
        .unwrap();
        return;
    }
    let world = World::new();
    let other = World::new();
    let before = fingerprint(other.root());
    let dot_git = other.root().join(".git");
    let ran = command(std::env::current_exe().unwrap(), world.root())
        .args([
            "--exact",
            "git::hostile::inherited_git_variables_do_not_redirect",
        ])
        .env("SKEP_TEST_ROOT", world.root())
        .env("GIT_DIR", &dot_git)
        .env("GIT_INDEX_FILE", dot_git.join("index"))
        .env("GIT_WORK_TREE", other.root())
        .env("GIT_OBJECT_DIRECTORY", "/nowhere")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "core.hooksPath")
        .env("GIT_CONFIG_VALUE_0", "/tmp")
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stdout)
    );
    assert!(world.worker("w1").join("a.txt").exists());
    assert_eq!(fingerprint(other.root()), before);
}

// proves: T-1, W-12, W-15
#[test]
fn the_keeper_killed_at_any_moment_leaves_nothing_that_the_next_cannot_finish() {
    if let Some(root) = std::env::var_os("SKEP_TEST_KILL") {
        let repo = Repo::discover(Path::new(&root)).unwrap();
        let dir = TempDir::new().unwrap();
        everything(&World { dir, repo }).unwrap();
        return;
    }
    let mut ended = None;
    for n in 0..25u64 {
        let world = World::new();
        let before = fingerprint(world.root());
        let name = "the_keeper_killed_at_any_moment_leaves_nothing_that_the_next_cannot_finish";
        let mut keeper = command(std::env::current_exe().unwrap(), world.root())
            .args(["--exact", &format!("git::hostile::{name}")])
            .env("SKEP_TEST_KILL", world.root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_millis(5 + n * 9);
        while Instant::now() < until && keeper.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        keeper.kill().unwrap();
        keeper.wait().unwrap();
        let commit = everything(&world).unwrap_or_else(|e| panic!("after {n}: {e}"));
        let base = world.tip("main");
        let tree = git(world.root(), &["rev-parse", &format!("{commit}^{{tree}}")]);
        let ended = ended.get_or_insert_with(|| tree.clone());
        assert_eq!(*ended, tree, "after {n}");
        assert!(world.repo.is_ancestor(&base, &commit).unwrap());
        assert_eq!(fingerprint(world.root()), before, "after {n}");
        assert_eq!(git(world.root(), &["worktree", "list"]).lines().count(), 1);
        let left = fs::read_dir(world.root().join(".git/worktrees"))
            .into_iter()
            .flatten();
        assert_eq!(left.count(), 0, "after {n}");
        let left = fs::read_dir(world.worker("w1").parent().unwrap()).unwrap();
        assert_eq!(left.count(), 0, "after {n}");
    }
}
