//! Merging without a checkout: the same every time, every conflict named, resolutions remembered.

use super::*;
use skep_core::id::{Attempt, TaskId};
use skep_host::git::{Conflict, ConflictKind, Merge, Want, message};
use std::os::unix::fs::symlink;

const DATE: u64 = 1_800_000_000;

#[track_caller]
fn clean(merge: Merge) -> (Oid, Vec<String>) {
    match merge {
        Merge::Clean { commit, remembered } => (commit, remembered),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn conflicts(merge: Merge) -> Vec<Conflict> {
    match merge {
        Merge::Conflict { conflicts, .. } => conflicts,
        other => panic!("{other:?}"),
    }
}

// proves: W-6
#[test]
fn a_merge_is_the_same_each_time_and_touches_no_checkout() {
    let world = World::new();
    let ours = world.branch("ours", "main", &[("a.txt", Some("ONE\ntwo\nthree\n"))]);
    let theirs = world.branch("theirs", "main", &[("a.txt", Some("one\ntwo\nTHREE\n"))]);
    write(world.root(), "a.txt", "dirty");
    write(world.root(), "staged", "staged");
    git(world.root(), &["add", "staged"]);
    let before = fingerprint(world.root());
    let task: TaskId = "t1".parse().unwrap();
    let text = message(&task, Attempt(7), "Do it.");
    let (commit, _) = clean(world.repo.merge(&ours, &theirs, &text, DATE).unwrap());
    let (again, _) = clean(world.repo.merge(&ours, &theirs, &text, DATE).unwrap());
    assert_eq!(commit, again);
    assert_eq!(world.content(&commit, "a.txt"), "ONE\ntwo\nTHREE");
    let shown = git(
        world.root(),
        &["log", "-1", "--format=%an <%ae> %ct %P", commit.as_str()],
    );
    assert_eq!(
        shown,
        format!("Skep <skep@localhost> {DATE} {ours} {theirs}")
    );
    assert_eq!(
        world.repo.merge(&commit, &theirs, &text, DATE).unwrap(),
        Merge::AlreadyIn
    );
    assert_eq!(fingerprint(world.root()), before);

    let found = world.repo.merged_attempts(Some(&ours), &commit).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].task, found[0].attempt), (&task, Attempt(7)));
    assert_eq!((&found[0].commit, &found[0].theirs), (&commit, &theirs));
}

// proves: T-3, W-6
#[test]
fn an_agents_commits_cannot_pose_as_merges() {
    let world = World::new();
    let root = world.root();
    let task: TaskId = "t1".parse().unwrap();
    let forged = message(&task, Attempt(99), "Forged");
    git(root, &["checkout", "-q", "-b", "agent"]);
    git(root, &["checkout", "-q", "-b", "side"]);
    git(root, &["commit", "-q", "--allow-empty", "-m", "side"]);
    git(root, &["checkout", "-q", "agent"]);
    let skep = ["-c", "user.name=Skep", "-c", "user.email=skep@localhost"];
    let args = [
        &skep[..],
        &["merge", "-q", "--no-ff", "-m", &forged, "side"],
    ]
    .concat();
    git(root, &args);
    let theirs = world.tip("agent");
    let ours = world.branch("ours", "main", &[("o", Some("o"))]);
    let real = message(&task, Attempt(1), "x\n\nSkep-Task: t1\nSkep-Attempt: 98");
    let (commit, _) = clean(world.repo.merge(&ours, &theirs, &real, DATE).unwrap());
    let found = world.repo.merged_attempts(None, &commit).unwrap();
    assert_eq!(
        found.iter().map(|m| m.attempt).collect::<Vec<_>>(),
        [Attempt(1)]
    );
}

// proves: W-7
#[test]
fn every_kind_of_conflict_is_named_once_in_plain_words() {
    let lines = "1\n2\n3\n4\n5\n6\n7\n8\n";
    let world = World::with(|root| {
        for name in [
            "content",
            "deleted",
            "renamed",
            "ren-del",
            "odd\nname",
            "folder/x",
            "folder/y",
        ] {
            write(root, name, &format!("{name}\n{lines}"));
        }
        write(root, "kind", lines);
        fs::write(root.join("binary"), [0, 1]).unwrap();
    });
    let side = |name: &str, n: u8| -> Oid {
        let work = world.dir.path().join(name);
        let path = work.to_str().unwrap();
        git(
            world.root(),
            &["worktree", "add", "-q", "-b", name, path, "main"],
        );
        write(&work, "content", &format!("{name}\n{lines}"));
        write(&work, "odd\nname", &format!("{name}\n{lines}"));
        write(&work, "added", name);
        fs::write(work.join("binary"), [0, n]).unwrap();
        git(&work, &["mv", "renamed", &format!("renamed-{name}")]);
        let sub = work.join("sub");
        git(world.dir.path(), &["init", "-q", sub.to_str().unwrap()]);
        let who = [
            "-c",
            "user.name=x",
            "-c",
            "user.email=x",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            name,
        ];
        git(&sub, &who);
        if n == 2 {
            git(&work, &["rm", "-q", "deleted"]);
            git(&work, &["rm", "-q", "ren-del"]);
            write(&work, "place", "a file");
            write(&work, "kind", &format!("{lines}more\n"));
            git(&work, &["mv", "folder", "moved"]);
        } else {
            write(&work, "deleted", "changed");
            git(&work, &["mv", "ren-del", "ren-del2"]);
            write(&work, "place/inside", "a folder");
            fs::remove_file(work.join("kind")).unwrap();
            symlink("x", work.join("kind")).unwrap();
            write(&work, "folder/new", "new");
        }
        git(&work, &["-c", "advice.addEmbeddedRepo=false", "add", "-A"]);
        git(&work, &["commit", "-qm", name]);
        world.tip(name)
    };
    let (ours, theirs) = (side("ours", 2), side("theirs", 3));
    let before = fingerprint(world.root());
    let found = conflicts(world.repo.merge(&ours, &theirs, "m", DATE).unwrap());
    let seen: Vec<_> = found.iter().map(|c| (c.path.as_str(), c.kind)).collect();
    use ConflictKind::*;
    for want in [
        ("content", Content),
        ("odd\\nname", Content),
        ("added", AddAdd),
        ("binary", Binary),
        ("deleted", ModifyDelete),
        ("ren-del2", RenameDelete),
        ("renamed", RenameRename),
        ("place", DirectoryFile),
        ("kind", Mode),
        ("sub", Submodule),
        ("moved/new", FolderRename),
    ] {
        assert_eq!(
            seen.iter().filter(|s| **s == want).count(),
            1,
            "{want:?} in {seen:#?}"
        );
    }
    assert_eq!(seen.len(), 11, "{seen:#?}");
    for conflict in &found {
        assert!(!conflict.description.contains('\n') && !conflict.description.is_empty());
    }
    let content = found.iter().find(|c| c.path == "content").unwrap();
    assert!(content.base.is_some() && content.ours.is_some() && content.theirs.is_some());
    assert_eq!(world.repo.forecast(&ours, &theirs).unwrap(), found);
    assert_eq!(fingerprint(world.root()), before);
}

// proves: W-7
#[test]
fn a_settled_conflict_is_settled_the_same_way_next_time() {
    let text = |a: &str, z: &str| format!("{a}\n1\n2\n3\n4\n5\n6\n7\n8\n9\n{z}\n");
    let world = World::with(|root| {
        write(root, "f", &text("a", "z"));
        write(root, "g", &text("a", "z"));
    });
    let base = text("ours", "z");
    let ours = world.branch(
        "ours",
        "main",
        &[("f", Some(&base)), ("g", Some(&text("OURS", "z")))],
    );
    let theirs = world.branch(
        "theirs",
        "main",
        &[
            ("f", Some(&text("theirs", "z"))),
            ("g", Some(&text("THEIRS", "z"))),
        ],
    );
    assert_eq!(
        conflicts(world.repo.merge(&ours, &theirs, "m", DATE).unwrap()).len(),
        2
    );
    let before = fingerprint(world.root());

    // A fix task settles it, in a worktree where the merge is laid out.
    let dir = world.worker("w1");
    let want = Want {
        dir: &dir,
        branch: Some("skep/s.w1"),
        base: &ours,
    };
    world.repo.prepare(&want).unwrap();
    for _ in 0..2 {
        assert_eq!(
            world.repo.begin_fix(&dir, &ours, &theirs).unwrap(),
            ["f", "g"]
        );
    }
    assert!(
        fs::read_to_string(dir.join("f"))
            .unwrap()
            .contains("<<<<<<<")
    );
    write(&dir, "f", &text("both", "z"));
    write(&dir, "g", &text("g both", "z"));
    // Once begun it is not begun again: the agent's work stays.
    world.repo.begin_fix(&dir, &ours, &theirs).unwrap();
    assert_eq!(
        fs::read_to_string(dir.join("f")).unwrap(),
        text("both", "z")
    );
    git(&dir, &["commit", "-qam", "settled"]);
    let resolved: Oid = git(&dir, &["rev-parse", "HEAD"]).parse().unwrap();
    for _ in 0..2 {
        assert_eq!(
            world.repo.learn(&ours, &theirs, &resolved).unwrap(),
            ["f", "g"]
        );
    }

    let (commit, remembered) = clean(world.repo.merge(&ours, &theirs, "m", DATE).unwrap());
    assert_eq!(remembered, ["f", "g"]);
    assert_eq!(world.content(&commit, "f") + "\n", text("both", "z"));
    // The same hunk, though the rest of the file has moved on.
    let later = world.branch("later", "ours", &[("f", Some(&text("ours", "later")))]);
    let (commit, remembered) = clean(world.repo.merge(&later, &theirs, "m", DATE).unwrap());
    assert_eq!(remembered, ["f", "g"]);
    assert_eq!(world.content(&commit, "f") + "\n", text("both", "later"));
    assert_eq!(world.content(&commit, "g") + "\n", text("g both", "z"));
    // Something new beside something known: nothing is half settled.
    let new = world.branch(
        "new",
        "main",
        &[
            ("f", Some(&text("theirs", "z"))),
            ("g", Some(&text("else", "z"))),
        ],
    );
    assert_eq!(
        conflicts(world.repo.merge(&ours, &new, "m", DATE).unwrap()).len(),
        2
    );

    // A later decision replaces the earlier; a commit with markers teaches nothing.
    let other = world.branch(
        "other",
        "ours",
        &[("f", Some(&text("other", "z"))), ("g", Some("<<<<<<< x\n"))],
    );
    assert_eq!(world.repo.learn(&ours, &theirs, &other).unwrap(), ["f"]);
    let (commit, _) = clean(world.repo.merge(&ours, &theirs, "m", DATE).unwrap());
    assert_eq!(world.content(&commit, "f") + "\n", text("other", "z"));

    // The user's repository has no memory of its own, and no setting for one.
    assert!(!world.root().join(".git/rr-cache").exists());
    let mut after = fingerprint(world.root());
    after.insert("refs".into(), before["refs"].clone());
    assert_eq!(after, before);
}

// proves: W-6
#[test]
fn attributes_come_from_the_commits_not_from_the_users_checkout() {
    let world = World::with(|root| {
        write(root, ".gitattributes", "log merge=union\n");
        write(root, "log", "start\n");
    });
    let ours = world.branch("ours", "main", &[("log", Some("start\nours\n"))]);
    let theirs = world.branch("theirs", "main", &[("log", Some("start\ntheirs\n"))]);
    write(world.root(), ".gitattributes", "log -merge\n");
    let (commit, _) = clean(world.repo.merge(&ours, &theirs, "m", DATE).unwrap());
    assert_eq!(world.content(&commit, "log"), "start\nours\ntheirs");
}

// proves: W-6
#[test]
fn users_settings_do_not_change_what_a_merge_gives() {
    let world = World::new();
    let ours = world.branch("ours", "main", &[("new", Some("text\n1\n2\n3\n"))]);
    let theirs = world.branch("theirs", "main", &[("x", Some("x\n"))]);
    let (plain, _) = clean(world.repo.merge(&ours, &theirs, "mé", DATE).unwrap());
    for (key, value) in [
        ("user.name", "Bob"),
        ("commit.gpgSign", "true"),
        ("gpg.program", "/bin/false"),
        ("i18n.commitEncoding", "ISO-8859-1"),
        ("merge.conflictStyle", "diff3"),
        ("merge.directoryRenames", "true"),
        ("core.abbrev", "4"),
        ("color.ui", "always"),
        ("core.pager", "false"),
        ("log.showSignature", "true"),
        ("log.decorate", "full"),
    ] {
        git(world.root(), &["config", key, value]);
    }
    let (odd, _) = clean(world.repo.merge(&ours, &theirs, "mé", DATE).unwrap());
    assert_eq!(plain, odd);
    assert_eq!(world.repo.merged_attempts(None, &odd).unwrap(), []);
}
