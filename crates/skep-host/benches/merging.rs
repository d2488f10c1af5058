//! Merging 50 branches, a tenth of them in conflict: Skep's way beside plain git; and what each step
//! costs in a repository of 50,000 files. `cargo bench -p skep-host` prints two tables.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use skep_core::id::{Attempt, Oid, TaskId};
use skep_host::{
    command::command,
    git::{
        Land, Merge, Repo, Want, message,
        snapshot::{SnapshotSpec, snapshot},
    },
};
use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const BRANCHES: usize = 50;

fn main() {
    merging();
    large();
}

fn merging() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("user");
    let repo = fill(&root, 5_000, BRANCHES);
    let base = repo.resolve("main").unwrap();
    let tips: Vec<Oid> = (0..BRANCHES)
        .map(|n| repo.resolve(&format!("b{n}")).unwrap())
        .collect();

    println!("| {BRANCHES} branches, 5,000 files | total ms | a branch ms | merged | conflicts |");
    println!("|---|---|---|---|---|");
    let row = |name: &str, took: Duration, merged: usize| {
        let ms = took.as_secs_f64() * 1e3;
        let each = ms / BRANCHES as f64;
        println!(
            "| {name} | {ms:.0} | {each:.1} | {merged} | {} |",
            BRANCHES - merged
        );
    };

    let started = Instant::now();
    let mut tip = base.clone();
    repo.land("refs/heads/skep/s", None, &base, "start")
        .unwrap();
    let mut merged = 0;
    for (n, theirs) in tips.iter().enumerate() {
        let task: TaskId = format!("t{n}").parse().unwrap();
        let text = message(&task, Attempt(n as u64), "A mission.");
        if let Merge::Clean { commit, .. } = repo.merge(&tip, theirs, &text, 1).unwrap() {
            let landed = repo
                .land("refs/heads/skep/s", Some(&tip), &commit, "land")
                .unwrap();
            assert_eq!(landed, Land::Moved);
            tip = commit;
            merged += 1;
        }
    }
    row("Skep: merge and land", started.elapsed(), merged);

    let started = Instant::now();
    let mut merged = 0;
    for theirs in &tips {
        merged += usize::from(repo.forecast(&base, theirs).unwrap().is_empty());
    }
    row(
        "Skep: forecast only, each against the base",
        started.elapsed(),
        merged,
    );

    let started = Instant::now();
    let mut merged = 0;
    for theirs in &tips {
        merged += usize::from(git(
            &root,
            &["merge-tree", "--write-tree", tip.as_str(), theirs.as_str()],
        ));
    }
    row(
        "git merge-tree alone, against the result",
        started.elapsed(),
        merged,
    );

    let work = dir.path().join("work");
    assert!(git(
        &root,
        &[
            "worktree",
            "add",
            "-q",
            "-b",
            "plain",
            work.to_str().unwrap(),
            "main"
        ]
    ));
    let started = Instant::now();
    let mut merged = 0;
    for theirs in &tips {
        if git(
            &work,
            &["merge", "-q", "--no-ff", "-m", "x", theirs.as_str()],
        ) {
            merged += 1;
        } else {
            assert!(git(&work, &["merge", "--abort"]));
        }
    }
    row("git merge in a worktree", started.elapsed(), merged);
    println!();
}

fn large() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("user");
    let repo = fill(&root, 50_000, 1);
    let base = repo.resolve("main").unwrap();
    let other = repo.resolve("b0").unwrap();
    let work = repo.state_dir().join("worktrees/w1");
    let want = |base| Want {
        dir: &work,
        branch: Some("skep/s.w1"),
        base,
    };
    println!("| 50,000 files | ms |\n|---|---|");
    let row = |name: &str, started: Instant| {
        println!("| {name} | {:.0} |", started.elapsed().as_secs_f64() * 1e3);
    };
    let started = Instant::now();
    repo.prepare(&want(&base)).unwrap();
    row("prepare, fresh", started);
    repo.ready(&work).unwrap();
    let started = Instant::now();
    assert!(repo.prepare(&want(&base)).unwrap().untouched);
    row("prepare, warm and clean", started);
    let started = Instant::now();
    repo.prepare(&want(&other)).unwrap();
    row("prepare, to the next base", started);
    for n in 0..10 {
        fs::write(work.join(format!("d{n}/new")), "new").unwrap();
    }
    for name in ["look at work in flight", "look at it again"] {
        let started = Instant::now();
        let flight = repo.in_flight(&work, &other, 1).unwrap();
        assert_eq!(flight.unwrap().files.len(), 10);
        row(name, started);
    }
    let spec = SnapshotSpec {
        base: other.clone(),
        merges: None,
        only: None,
        reference: "refs/skep/salvage/s/t/1".into(),
        message: "t".into(),
        date: 1,
    };
    let started = Instant::now();
    let saved = snapshot(&work, &spec).unwrap();
    assert_eq!(saved.file_count, 10);
    row("snapshot, 10 new files", started);
    let started = Instant::now();
    let merge = repo.merge(&base, &saved.commit, "m", 1).unwrap();
    assert!(matches!(merge, Merge::Clean { .. }));
    row("merge", started);
    let started = Instant::now();
    assert!(repo.forecast(&base, &saved.commit).unwrap().is_empty());
    row("foresee the merge", started);
    let started = Instant::now();
    repo.prepare(&want(&base)).unwrap();
    row("prepare, back with 10 files to clean", started);
    let started = Instant::now();
    repo.remove(&work, &["main"], None).unwrap();
    row("remove", started);
    let plain = dir.path().join("plain");
    let started = Instant::now();
    assert!(git(
        &root,
        &["worktree", "add", "-q", "--detach", plain.to_str().unwrap()]
    ));
    row("(plain `git worktree add`)", started);
    let started = Instant::now();
    assert!(git(&plain, &["status", "--porcelain"]));
    row("(plain `git status`)", started);
}

/// A repository on `main` with `files` files and branches `b0`, `b1`, … of which each tenth changes a
/// line that all those change. Through `fast-import`, which takes a second where `git add` takes a minute.
fn fill(root: &Path, files: usize, branches: usize) -> Repo {
    fs::create_dir(root).unwrap();
    assert!(git(root, &["init", "-q", "-b", "main"]));
    let mut all = String::from("commit refs/heads/main\ncommitter a <a@b> 1 +0000\ndata 1\nx\n");
    let file = |name: &str, content: &str| {
        format!("M 644 inline {name}\ndata {}\n{content}\n", content.len())
    };
    for n in 0..files {
        all += &file(
            &format!("d{}/f{n}", n % 500),
            &format!("file {n}\n").repeat(20),
        );
    }
    all += &file("shared", "line\n");
    for n in 0..branches {
        write!(
            all,
            "commit refs/heads/b{n}\ncommitter a <a@b> 2 +0000\ndata 1\nx\n"
        )
        .unwrap();
        all += "from refs/heads/main\n";
        for k in 0..3 {
            let n = n * 7 + k;
            all += &file(&format!("d{}/f{n}", n % 500), &format!("changed {n}\n"));
        }
        if n % 10 == 0 || n == 1 {
            all += &file("shared", &format!("line of {n}\n"));
        }
    }
    let list = root.join(".git/import");
    fs::write(&list, all).unwrap();
    let import = command("git", root)
        .args(["fast-import", "--quiet"])
        .stdin(fs::File::open(&list).unwrap())
        .status();
    assert!(import.unwrap().success());
    fs::remove_file(list).unwrap();
    assert!(git(root, &["reset", "-q", "--hard"]));
    Repo::discover(root).unwrap()
}

fn git(dir: &Path, args: &[&str]) -> bool {
    let mut git = command("git", dir);
    git.args(["-c", "user.name=a", "-c", "user.email=a@b"]);
    let ran = git.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    ran.status().unwrap().success()
}
