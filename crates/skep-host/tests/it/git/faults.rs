//! Faults of the machine: kills, locks left behind, full disks, damaged objects, hanging helpers.

use super::{hostile::everything, *};
use skep_host::git::{
    GitError, Land, Want,
    snapshot::{SnapshotSpec, snapshot},
};
use std::{
    fs::FileTimes,
    os::unix::process::CommandExt,
    process::Stdio,
    time::{Duration, Instant, SystemTime},
};

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
    // It was killed; on a busy machine it takes a moment until it has gone.
    let gone_by = Instant::now() + Duration::from_secs(10);
    loop {
        let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        if state.is_empty() || state.contains(") Z") {
            break;
        }
        assert!(Instant::now() < gone_by, "the filter lives on: {state}");
        std::thread::yield_now();
    }
    // With the filter mended, the same call finishes what the first began.
    git(world.root(), &["config", "filter.slow.smudge", "cat"]);
    git(world.root(), &["config", "filter.slow.clean", "cat"]);
    assert!(world.repo.prepare(&want).unwrap().fresh);
    assert_eq!(git(&dir, &["status", "--porcelain"]), "");
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
    let salvage = world.root().join(".git/refs/skep/salvage/s/t/7.lock");
    fs::create_dir_all(salvage.parent().unwrap()).unwrap();
    fs::write(&salvage, "").unwrap();
    age(&salvage);
    write(&dir, "new", "new");
    let spec = SnapshotSpec {
        base: base.clone(),
        merges: None,
        only: None,
        reference: "refs/skep/salvage/s/t/7".into(),
        message: "t".into(),
        date: 1,
    };
    assert_eq!(snapshot(&dir, &spec).unwrap().files, ["new"]);
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
            only: None,
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

// proves: T-1, W-12, W-15
#[test]
fn the_keeper_killed_at_any_moment_leaves_nothing_that_the_next_cannot_finish() {
    if let Some(root) = std::env::var_os("SKEP_TEST_KILL") {
        let repo = Repo::discover(Path::new(&root)).unwrap();
        // Inside the parent's folder: killed, this process removes nothing.
        let dir = TempDir::new_in(Path::new(&root).parent().unwrap()).unwrap();
        everything(&World { dir, repo }).unwrap();
        return;
    }
    let mut ended = None;
    for n in 0..25u64 {
        let world = World::new();
        let before = fingerprint(world.root());
        let name = "the_keeper_killed_at_any_moment_leaves_nothing_that_the_next_cannot_finish";
        let mut keeper = command(std::env::current_exe().unwrap(), world.root())
            .args(["--exact", &format!("git::faults::{name}")])
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
