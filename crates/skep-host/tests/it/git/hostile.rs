//! Repositories of every kind, hostile ones too: nothing of the user's is touched, nothing of theirs runs.

use super::*;
use skep_host::git::{
    GitError, Land, Merge, Want,
    snapshot::{SnapshotSpec, snapshot},
};
use std::time::Duration;

/// Does everything once: prepare, snapshot, merge, land, salvage, remove.
pub(super) fn everything(world: &World) -> Result<Oid, GitError> {
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
        only: None,
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
        only: None,
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
                only: None,
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
        only: None,
        reference: "refs/skep/salvage/s/t/2".into(),
        message: "t".into(),
        date: 1,
    };
    let saved = snapshot(&dir, &spec).unwrap();
    assert_eq!(saved.files, ["sub"]);
    assert!(git(world.root(), &["ls-tree", saved.commit.as_str(), "sub"]).contains(&moved));
    // The next attempt starts without it.
    world.repo.prepare(&want).unwrap();
    assert_eq!(git(&dir, &["status", "--porcelain"]), "");
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

// proves: T-1, U-1
#[test]
fn a_repository_that_is_not_ours_or_cannot_be_written_is_refused_with_the_reason() {
    use skep_host::git::RepoError;
    let world = World::new();
    let root = world.root();
    let bind = |args: &[&str]| {
        let ran = command("mount", Path::new("/"))
            .args(args)
            .arg(root)
            .output();
        ran.is_ok_and(|o| o.status.success())
    };
    let path = root.to_str().unwrap();
    if !bind(&["--bind", path]) {
        println!("skipped: mounting needs root");
        return;
    }
    let found = bind(&["-o", "remount,bind,ro"]).then(|| Repo::discover(root));
    let unmounted = command("umount", Path::new("/"))
        .arg("-l")
        .arg(root)
        .status();
    assert!(unmounted.unwrap().success());
    if let Some(found) = found {
        let error = found.unwrap_err();
        assert!(matches!(error, RepoError::ReadOnly { .. }), "{error}");
    }
    let given = command("chown", root).args(["-R", "12345", "."]).status();
    assert!(given.unwrap().success());
    let error = Repo::discover(root).unwrap_err();
    assert!(matches!(error, RepoError::Untrusted { .. }), "{error}");
    assert!(error.to_string().contains("safe.directory"), "{error}");
}
