//! Landing by compare-and-set, and what becomes of salvage.

use super::*;
use skep_host::git::{GitError, Land, Merge};

const SKEP: &str = "refs/heads/skep/s";

// proves: W-6, W-17
#[test]
fn a_branch_moves_only_from_where_it_was_expected() {
    let world = World::new();
    let base = world.tip("main");
    let one = world.branch("one", "main", &[("1", Some("1"))]);
    let two = world.branch("two", "one", &[("2", Some("2"))]);
    let aside = world.branch("aside", "main", &[("3", Some("3"))]);
    let land = |old: Option<&Oid>, new: &Oid| world.repo.land(SKEP, old, new, "land");
    assert_eq!(land(None, &base).unwrap(), Land::Moved);
    assert_eq!(land(None, &base).unwrap(), Land::AlreadyThere);
    assert_eq!(
        land(None, &one).unwrap(),
        Land::Refused {
            actual: Some(base.clone())
        }
    );
    assert_eq!(land(Some(&base), &one).unwrap(), Land::Moved);
    assert_eq!(land(Some(&base), &one).unwrap(), Land::AlreadyThere);
    assert_eq!(
        land(Some(&base), &two).unwrap(),
        Land::Refused {
            actual: Some(one.clone())
        }
    );
    assert!(matches!(
        land(Some(&one), &aside),
        Err(GitError::Refused { .. })
    ));
    assert_eq!(world.repo.branch_tip("skep/s").unwrap(), Some(one));
    let missing = world
        .repo
        .land("refs/heads/none", Some(&base), &two, "m")
        .unwrap();
    assert_eq!(missing, Land::Refused { actual: None });

    // The user's own branch, and the user's own checkout of it.
    let refused = world.repo.land("refs/heads/main", Some(&base), &two, "m");
    assert!(
        matches!(refused, Err(GitError::CheckedOut { .. })),
        "{refused:?}"
    );
    assert_eq!(world.tip("main"), base);
}

// proves: W-6, T-1
#[test]
fn of_many_that_land_at_once_one_wins() {
    let world = World::new();
    let base = world.tip("main");
    world.repo.land(SKEP, None, &base, "start").unwrap();
    let tips: Vec<_> = (0..6)
        .map(|n| world.branch(&format!("b{n}"), "main", &[("f", Some(&n.to_string()))]))
        .collect();
    let results: Vec<_> = std::thread::scope(|scope| {
        let (repo, base) = (&world.repo, &base);
        let all: Vec<_> = tips
            .iter()
            .map(|tip| scope.spawn(move || repo.land(SKEP, Some(base), tip, "race").unwrap()))
            .collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(
        results.iter().filter(|r| **r == Land::Moved).count(),
        1,
        "{results:?}"
    );
    let winner = results.iter().position(|r| *r == Land::Moved).unwrap();
    assert_eq!(world.tip("skep/s"), tips[winner]);
}

// proves: W-11, W-12
#[test]
fn salvage_is_listed_restored_and_dropped_only_when_proven_elsewhere() {
    let world = World::new();
    let swarm = "s".parse().unwrap();
    let keep = |task: &str, oid: &Oid| {
        git(
            world.root(),
            &[
                "update-ref",
                &format!("refs/skep/salvage/s/{task}/1"),
                oid.as_str(),
            ],
        );
    };
    let merged = world.branch("merged", "main", &[("m", Some("m"))]);
    let open = world.branch("open", "main", &[("o", Some("o")), ("o2", Some("o"))]);
    let same = world.branch("same", "main", &[("m", Some("m"))]);
    let undone = world.branch("undone", "main", &[("u", Some("u"))]);
    let main = world.tip("main");
    let Merge::Clean { commit, .. } = world.repo.merge(&main, &merged, "m", 1).unwrap() else {
        panic!()
    };
    // The content of `undone` came in by another way and was taken back.
    let into = world.branch("into", commit.as_str(), &[("u", Some("u"))]);
    git(world.root(), &["branch", "-qf", "back", into.as_str()]);
    let into = world.branch("final", "back", &[("u", None)]);
    for (task, oid) in [
        ("merged", &merged),
        ("open", &open),
        ("same", &same),
        ("undone", &undone),
    ] {
        keep(task, oid);
    }
    let all = world.repo.salvage(&swarm, &into).unwrap();
    let seen: Vec<_> = all
        .iter()
        .map(|s| (s.task.as_str(), s.merged, s.file_count))
        .collect();
    for want in [
        ("merged", true, 0),
        ("open", false, 2),
        ("same", true, 1),
        ("undone", false, 1),
    ] {
        assert!(seen.contains(&want), "{want:?} in {seen:?}");
    }
    assert!(
        all.iter()
            .all(|s| s.attempt == "1" && s.date > 1_000_000_000)
    );

    let before = fingerprint(world.root());
    let from = "refs/skep/salvage/s/open/1";
    for _ in 0..2 {
        assert_eq!(world.repo.restore(from, "skep/back").unwrap(), open);
    }
    for (from, to) in [
        (from, "main"),
        ("refs/heads/main", "x"),
        ("refs/skep/salvage/s/no/1", "x"),
        (from, "-x"),
        (from, "a..b"),
        (from, "@{-1}"),
    ] {
        assert!(world.repo.restore(from, to).is_err(), "{from} {to}");
    }
    assert_eq!(fingerprint(world.root()), before);

    let dropped = world.repo.drop_merged(&swarm, &into).unwrap();
    assert_eq!(dropped.len(), 2);
    assert!(world.repo.drop_merged(&swarm, &into).unwrap().is_empty());
    let left: Vec<_> = world.repo.refs("refs/skep/salvage/").unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.iter().any(|(_, oid)| *oid == open) && left.iter().any(|(_, oid)| *oid == undone));
}
