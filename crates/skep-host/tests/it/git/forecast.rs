//! Looking at work in flight: all of it is seen, and nobody notices (W-9).

use super::*;
use skep_host::git::{Conflict, Want};

const DATE: u64 = 1_800_000_000;

fn worktree(world: &World, name: &str) -> PathBuf {
    let (dir, base) = (world.worker(name), world.tip("main"));
    let want = Want {
        dir: &dir,
        branch: Some(&format!("skep/s.{name}")),
        base: &base,
    };
    world.repo.prepare(&want).unwrap();
    dir
}

/// Everything that an agent or a person could notice: files, index, HEAD, refs, git's folder of the worktree.
fn noticeable(world: &World, dir: &Path) -> impl PartialEq + std::fmt::Debug + use<> {
    let admin = PathBuf::from(git(dir, &["rev-parse", "--absolute-git-dir"]));
    let folder = fs::read_dir(&admin).unwrap().flatten();
    let names: std::collections::BTreeSet<_> = folder.map(|e| e.file_name()).collect();
    (
        fingerprint(dir),
        fs::read(admin.join("index")).unwrap(),
        fs::read(admin.join("HEAD")).unwrap(),
        names,
        git(world.root(), &["for-each-ref"]),
        fingerprint(world.root()),
    )
}

#[track_caller]
fn in_flight(world: &World, dir: &Path) -> Option<(Oid, Vec<String>)> {
    let before = noticeable(world, dir);
    let base = world.tip("main");
    let look = || world.repo.in_flight(dir, &base, DATE).unwrap();
    let found = look();
    assert_eq!(look(), found, "the same files are the same commit");
    assert!(noticeable(world, dir) == before, "somebody noticed");
    found.map(|flight| (flight.commit, flight.files))
}

// proves: W-9
#[test]
fn a_dirty_worktree_is_seen_as_it_is_and_left_byte_for_byte() {
    let world = World::new();
    let dir = worktree(&world, "w1");
    assert_eq!(in_flight(&world, &dir), None, "nothing has been done");
    write(&dir, "a.txt", "ONE\ntwo\nthree\n");
    write(&dir, "staged.txt", "as staged\n");
    git(&dir, &["add", "staged.txt"]);
    write(&dir, "staged.txt", "as it is\n");
    write(&dir, "new/file", "new\n");
    write(&dir, "secret.o", "ignored\n");
    fs::remove_file(dir.join("src/b.txt")).unwrap();
    let (commit, files) = in_flight(&world, &dir).unwrap();
    assert_eq!(files, ["a.txt", "new/file", "src/b.txt", "staged.txt"]);
    assert_eq!(world.content(&commit, "staged.txt"), "as it is");
    assert_eq!(world.content(&commit, "new/file"), "new");

    // Committed or not, it is the same work.
    git(&dir, &["add", "-A"]);
    git(&dir, &["commit", "-q", "-m", "all of it"]);
    let (committed, files) = in_flight(&world, &dir).unwrap();
    assert_eq!(files.len(), 4);
    let tree = |commit: &Oid| git(world.root(), &["rev-parse", &format!("{commit}^{{tree}}")]);
    assert_eq!(tree(&committed), tree(&commit));
}

// proves: W-9
#[test]
fn a_worktree_in_the_middle_of_a_merge_or_locked_by_its_agent_is_seen_too() {
    let world = World::new();
    let dir = worktree(&world, "w1");
    world.branch("other", "main", &[("a.txt", Some("uno\n"))]);
    write(&dir, "a.txt", "ONE\n");
    git(&dir, &["commit", "-q", "-a", "-m", "mine"]);
    assert!(!try_git(&dir, &["merge", "other"]).0, "it conflicts");
    let admin = PathBuf::from(git(&dir, &["rev-parse", "--absolute-git-dir"]));
    write(&admin, "index.lock", "");
    let (commit, files) = in_flight(&world, &dir).unwrap();
    assert_eq!(files, ["a.txt"]);
    assert!(world.content(&commit, "a.txt").contains("<<<<<<<"));
}

// proves: W-9
#[test]
fn permissions_that_an_agent_took_away_stay_as_they_are() {
    let world = World::new();
    let dir = worktree(&world, "w1");
    write(&dir, "closed/file", "x\n");
    let closed = dir.join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads it all the same; whoever cannot is told so. Neither opens it.
    let _ = world.repo.in_flight(&dir, &world.tip("main"), DATE);
    let mode = fs::metadata(&closed).unwrap().permissions().mode();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(mode & 0o777, 0);
}

// proves: W-9
#[test]
fn two_works_in_flight_are_merged_without_a_checkout() {
    let world = World::new();
    let (one, two) = (worktree(&world, "w1"), worktree(&world, "w2"));
    write(&one, "a.txt", "ONE\ntwo\nthree\n");
    write(&two, "src/b.txt", "B\n");
    let found = |world: &World| -> Vec<Conflict> {
        let base = world.tip("main");
        let commit = |dir| world.repo.in_flight(dir, &base, DATE).unwrap().unwrap();
        let (ours, theirs) = (commit(&one).commit, commit(&two).commit);
        world.repo.forecast(&ours, &theirs).unwrap()
    };
    let before = (noticeable(&world, &one), noticeable(&world, &two));
    assert_eq!(found(&world), [], "they change different files");
    assert!((noticeable(&world, &one), noticeable(&world, &two)) == before);
    write(&two, "a.txt", "uno\ntwo\nthree\n");
    let conflicts = found(&world);
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].path, "a.txt");
    assert_eq!(
        conflicts[0].description,
        "both sides changed the same lines"
    );
}
