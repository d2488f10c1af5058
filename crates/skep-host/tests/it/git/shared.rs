//! A worktree that several attempts share: each saves and clears what is its own, and only that.

use super::*;
use skep_core::{id::SwarmName, spec::Glob};
use skep_host::git::{
    Tidied, Tidy, Want,
    snapshot::{Snapshot, SnapshotSpec, changed_since, is_own, snapshot},
};
use std::{os::unix::fs::symlink, thread};

/// A shared worktree at the first commit, which has `a/`, `b/` and `c/` with two files each.
struct Shared {
    world: World,
    dir: PathBuf,
    base: Oid,
}

impl Shared {
    fn new() -> Shared {
        let world = World::with(|root| {
            for folder in ["a", "b", "c"] {
                write(root, &format!("{folder}/one"), "one\n");
                write(root, &format!("{folder}/two"), "two\n");
            }
            write(root, ".gitignore", "target/\n");
        });
        let shared = Shared {
            dir: world.worker("shared"),
            base: world.tip("main"),
            world,
        };
        shared.prepare(&shared.base);
        shared
    }

    fn prepare(&self, base: &Oid) {
        let want = Want {
            dir: &self.dir,
            branch: Some("skep/s.shared"),
            base,
        };
        self.world.repo.prepare(&want).unwrap();
    }

    fn spec(&self, task: &str, globs: &[&str]) -> SnapshotSpec {
        SnapshotSpec {
            base: self.base.clone(),
            merges: None,
            only: Some(globs_of(globs)),
            reference: format!("refs/skep/salvage/s/{task}/1"),
            message: format!("Do {task}"),
            date: 1_800_000_000,
        }
    }

    #[track_caller]
    fn save(&self, task: &str, globs: &[&str]) -> Snapshot {
        snapshot(&self.dir, &self.spec(task, globs)).unwrap()
    }

    fn want<'a>(&'a self, base: &'a Oid, swarm: &'a SwarmName) -> Tidy<'a> {
        Tidy {
            dir: &self.dir,
            base,
            swarm,
            date: 1_800_000_000,
        }
    }

    /// Clears a part, twice: the second time there is nothing to do.
    #[track_caller]
    fn tidy(&self, globs: &[&str]) -> Tidied {
        let swarm = "s".parse().unwrap();
        let want = self.want(&self.base, &swarm);
        let done = self.world.repo.tidy(&want, &globs_of(globs)).unwrap();
        let again = self.world.repo.tidy(&want, &globs_of(globs)).unwrap();
        assert_eq!(again.kept, None, "nothing was left to keep");
        assert_eq!(again.outside, done.outside);
        done
    }

    fn keep_left(&self, base: &Oid) -> Option<String> {
        let swarm = "s".parse().unwrap();
        self.world.repo.keep_left(&self.want(base, &swarm)).unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_else(|e| format!("{name}: {e}"))
    }

    /// The paths at which a commit differs from the base.
    fn changed_in(&self, commit: &str) -> String {
        let args = ["diff", "--name-only", self.base.as_str(), commit];
        git(self.world.root(), &args).replace('\n', " ")
    }
}

/// A file that two sides added, each in its own way, and that nobody has resolved.
fn half_merged(dir: &Path, name: &str) {
    write(dir, name, "<<<<<<<\n");
    let blob = git(dir, &["hash-object", "-w", name]);
    for stage in [2, 3] {
        let entry = format!("100644 {blob} {stage}\t{name}");
        let add = format!("printf '%s\\n' '{entry}' | git update-index --index-info");
        assert!(
            command("sh", dir)
                .args(["-c", &add])
                .status()
                .unwrap()
                .success()
        );
    }
}

fn globs_of(texts: &[&str]) -> Vec<Glob> {
    texts.iter().map(|t| Glob::new(t).unwrap()).collect()
}

// proves: W-3, W-12
#[test]
fn a_part_is_saved_on_the_base_without_what_is_anybody_elses() {
    let shared = Shared::new();
    let before = fingerprint(shared.world.root());
    write(&shared.dir, "a/one", "mine\n");
    write(&shared.dir, "a/deep/new", "mine\n");
    fs::remove_file(shared.dir.join("a/two")).unwrap();
    write(&shared.dir, "b/one", "theirs\n");
    write(&shared.dir, "b/staged", "theirs\n");
    write(&shared.dir, "stray", "whose?\n");
    // The other's agent uses git, and commits what it finds.
    git(&shared.dir, &["add", "b"]);
    git(&shared.dir, &["commit", "-qam", "theirs, and half of mine"]);
    write(&shared.dir, "b/two", "theirs, not staged\n");

    let saved = shared.save("a", &["a/**"]);
    assert_eq!(saved.files, ["a/deep/new", "a/one", "a/two"]);
    assert_eq!(saved.file_count, 3);
    assert_eq!(saved.outside, ["b/one", "b/staged", "b/two", "stray"]);
    assert_eq!(
        shared.changed_in(saved.commit.as_str()),
        "a/deep/new a/one a/two"
    );
    let parent = git(
        shared.world.root(),
        &["log", "-1", "--format=%P", saved.commit.as_str()],
    );
    assert_eq!(parent, shared.base.as_str(), "not what was committed there");
    assert_eq!(
        shared.save("a", &["a/**"]),
        saved,
        "a repeat gives the same"
    );

    // What the others do meanwhile is no change of mine.
    let spec = shared.spec("a", &["a/**"]);
    write(&shared.dir, "b/three", "theirs\n");
    assert_eq!(changed_since(&shared.dir, &spec, &saved).unwrap(), [""; 0]);
    write(&shared.dir, "a/log", "of a check\n");
    assert_eq!(
        changed_since(&shared.dir, &spec, &saved).unwrap(),
        ["a/log"]
    );
    // The commits of the agents are kept, too.
    let head = git(&shared.dir, &["rev-parse", "HEAD"]);
    assert_eq!(
        shared.world.tip("refs/skep/salvage/s/a/1-head").as_str(),
        head
    );
    let nothing = shared.save("c", &["c/**"]);
    assert_eq!((nothing.file_count, nothing.reference), (0, None));
    assert_eq!(fingerprint(shared.world.root()), before);
}

// proves: W-10
#[test]
fn what_exists_by_somebody_elses_work_does_not_count() {
    let shared = Shared::new();
    write(&shared.dir, "a/new", "mine\n");
    write(&shared.dir, "a/target/out", "mine and ignored\n");
    write(&shared.dir, "b/new", "theirs\n");
    let (spec, saved) = (shared.spec("a", &["a/**"]), shared.save("a", &["a/**"]));
    let own = |name: &str| is_own(&shared.dir, &spec, &saved, name);
    for name in ["a/new", "./a/new", "a", "a/", "a/target/out", "b/one", "b"] {
        assert!(own(name), "{name}");
    }
    assert!(!own("b/new"));
}

// proves: W-3, W-12
#[test]
fn a_part_is_cleared_of_everything_and_nothing_else_is_touched() {
    let shared = Shared::new();
    let before = fingerprint(shared.world.root());
    // All that a failed attempt can leave: changed, gone, new, staged, a file for a folder and a folder for a
    // file (with ignored files in it), an ignore file that hides more, a repository, a link.
    write(&shared.dir, "a/one", "half\n");
    git(&shared.dir, &["add", "a/one"]);
    fs::remove_file(shared.dir.join("a/two")).unwrap();
    write(&shared.dir, "a/two/target/x", "ignored\n");
    write(&shared.dir, "a/two/y", "new\n");
    write(&shared.dir, "a/deep/er/new", "new\n");
    write(&shared.dir, "a/deep/.gitignore", "hidden\n");
    write(&shared.dir, "a/deep/hidden", "x\n");
    symlink("/etc", shared.dir.join("a/link")).unwrap();
    let inner = shared.dir.join("a/inner");
    fs::create_dir(&inner).unwrap();
    git(&inner, &["init", "-q"]);
    write(&inner, "file", "x\n");
    write(&shared.dir, "a/target/cache", "warm\n");
    half_merged(&shared.dir, "a/merged");
    half_merged(&shared.dir, "b/merged");
    // And beside it somebody is at work.
    write(&shared.dir, "b/one", "theirs\n");
    write(&shared.dir, "b/new", "theirs\n");
    fs::remove_file(shared.dir.join("b/two")).unwrap();
    git(&shared.dir, &["add", "b/new"]);

    let done = shared.tidy(&["a/**"]);
    let listed = git(
        &shared.dir,
        &["status", "--porcelain", "--untracked-files=all"],
    );
    assert_eq!(listed, "AA b/merged\nA  b/new\n M b/one\n D b/two");
    assert_eq!(
        (shared.read("a/one"), shared.read("a/two")),
        ("one\n".into(), "two\n".into())
    );
    for gone in ["a/deep", "a/inner", "a/link", "a/merged"] {
        assert!(
            shared.dir.join(gone).symlink_metadata().is_err(),
            "{gone} stayed"
        );
    }
    assert_eq!(shared.read("a/target/cache"), "warm\n", "build caches stay");
    assert_eq!(shared.read("b/one"), "theirs\n");
    assert_eq!(done.outside, ["b/merged", "b/new", "b/one", "b/two"]);
    // Nobody had saved it, so it is on a ref; what one ignore file hid is on the next.
    let refs = shared.world.repo.refs("refs/skep/salvage/s/_shared/");
    let refs: Vec<String> = refs.unwrap().into_iter().map(|(name, _)| name).collect();
    let last = done.kept.unwrap();
    assert_eq!(shared.changed_in(&last), "a/deep/hidden");
    let first = refs.iter().find(|name| **name != last).unwrap();
    let left = shared.changed_in(first);
    for name in [
        "a/one",
        "a/two/y",
        "a/deep/er/new",
        "a/inner/file",
        "a/link",
    ] {
        assert!(left.contains(name), "{name} is lost: {left}");
    }
    assert_eq!(refs.len(), 2);
    assert_eq!(fingerprint(shared.world.root()), before);
}

// proves: W-12
#[test]
fn what_an_attempt_saved_is_not_kept_again() {
    let shared = Shared::new();
    write(&shared.dir, "a/one", "saved\n");
    shared.save("a", &["a/**"]);
    assert_eq!(shared.tidy(&["a/**"]).kept, None);
    assert_eq!(shared.read("a/one"), "one\n");
    // Changed since, it is.
    write(&shared.dir, "a/one", "saved\n");
    write(&shared.dir, "a/two", "by a check\n");
    let kept = shared.tidy(&["a/**"]).kept.unwrap();
    assert_eq!(shared.changed_in(&kept), "a/two");
}

// proves: W-3, W-12
#[test]
fn before_the_next_base_all_is_kept_that_nobody_saved() {
    let shared = Shared::new();
    write(&shared.dir, "a/one", "a's\n");
    write(&shared.dir, "b/one", "b's\n");
    write(&shared.dir, "stray", "s\n");
    let a = shared.save("a", &["a/**"]);
    git(shared.world.root(), &["branch", "next", a.commit.as_str()]);
    let next = shared
        .world
        .branch("more", "next", &[("c/one", Some("c's\n"))]);
    shared.save("b", &["b/**"]);
    // a is merged, b is saved, c was never here.
    let kept = shared.keep_left(&next).unwrap();
    assert_eq!(shared.changed_in(&kept), "stray");
    assert_eq!(shared.keep_left(&next), None, "twice is once");
    shared.prepare(&next);
    assert_eq!(git(&shared.dir, &["status", "--porcelain"]), "");
    assert_eq!(shared.read("c/one"), "c's\n");
    assert_eq!(shared.keep_left(&next), None);
    // A worktree that was never made holds nothing.
    let swarm: SwarmName = "s".parse().unwrap();
    let gone = shared.world.worker("gone");
    let want = Tidy {
        dir: &gone,
        ..shared.want(&next, &swarm)
    };
    assert_eq!(shared.world.repo.keep_left(&want).unwrap(), None);
}

// proves: W-3, W-12
#[test]
fn many_save_and_clear_at_once() {
    let shared = Shared::new();
    for n in 0..8 {
        for file in 0..30 {
            write(
                &shared.dir,
                &format!("p{n}/f{file}"),
                &format!("{n} {file}\n"),
            );
        }
    }
    thread::scope(|scope| {
        for n in 0..8 {
            let shared = &shared;
            scope.spawn(move || {
                let glob = format!("p{n}/**");
                let task = format!("t{n}");
                for _ in 0..3 {
                    let saved = shared.save(&task, &[&glob]);
                    assert_eq!(saved.file_count, 30);
                    assert!(saved.files.iter().all(|f| f.starts_with(&format!("p{n}/"))));
                }
                if n % 2 == 0 {
                    // What it finds elsewhere changes meanwhile.
                    let swarm = "s".parse().unwrap();
                    let want = shared.want(&shared.base, &swarm);
                    let done = shared.world.repo.tidy(&want, &globs_of(&[&glob]));
                    assert_eq!(done.unwrap().kept, None);
                }
            });
        }
    });
    for n in 0..8 {
        let there = shared.dir.join(format!("p{n}")).exists();
        assert_eq!(there, n % 2 == 1, "p{n}");
    }
    let admin = git(&shared.dir, &["rev-parse", "--absolute-git-dir"]);
    let left = fs::read_dir(admin).unwrap().flatten();
    let left: Vec<_> = left
        .map(|e| e.file_name().into_string().unwrap())
        .filter(|name| name.starts_with("skep-index") || name.ends_with(".lock"))
        .collect();
    assert_eq!(left, [""; 0]);
}

// proves: T-3
#[test]
fn nothing_is_removed_through_a_link() {
    let shared = Shared::new();
    let outside = shared.world.dir.path().join("outside");
    write(&outside, "one", "precious\n");
    write(&outside, "new", "precious\n");
    fs::remove_dir_all(shared.dir.join("a")).unwrap();
    symlink(&outside, shared.dir.join("a")).unwrap();
    let swarm = "s".parse().unwrap();
    let want = shared.want(&shared.base, &swarm);
    // Whether it can be cleared or not: what lies behind the link stays.
    let _ = shared.world.repo.tidy(&want, &globs_of(&["a/*"]));
    assert_eq!(
        fs::read_to_string(outside.join("one")).unwrap(),
        "precious\n"
    );
    assert_eq!(
        fs::read_to_string(outside.join("new")).unwrap(),
        "precious\n"
    );
    // Whoever may touch the link itself puts it right.
    shared.tidy(&["a", "a/**"]);
    assert_eq!(shared.read("a/one"), "one\n");
    assert_eq!(
        fs::read_to_string(outside.join("one")).unwrap(),
        "precious\n"
    );
}
