//! Everything at once: keepers, shims, agents and gits killed at random while the disk fills and empties.
//!
//! The seed is printed; `SKEP_SEED=N` repeats its choices as far as real time repeats.

use crate::{
    alone, is_root,
    programs::{fill, kill},
    skip,
    world::{Shape, World},
};
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant, SystemTime},
};

const ROUNDS: u32 = 60;
const TASKS: usize = 24;

/// A stream of numbers from a seed.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let given = std::env::var("SKEP_SEED").ok().and_then(|s| s.parse().ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seed = given.unwrap_or_else(|| now.unwrap().subsec_nanos().into());
        eprintln!("storm: SKEP_SEED={seed}");
        Dice(seed)
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// What a process is to the swarm, from its command line.
fn kind(line: &str) -> &'static str {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    let verb = words.next().unwrap_or_default();
    match (program.rsplit('/').next().unwrap_or_default(), verb) {
        ("skep", "shim") => "shim",
        ("skep", _) => "keeper",
        ("git", _) => "git",
        _ => "agent",
    }
}

// proves: T-1, W-4, W-5, W-12, Q-6
#[test]
fn whatever_is_killed_and_however_full_the_disk_every_task_is_merged_once() {
    if !is_root() {
        skip("storm", "a small disk can only be mounted by root");
        return;
    }
    let _alone = alone();
    let mut dice = Dice::new();
    let shape = Shape {
        tasks: TASKS,
        wide: 6,
        workers: 4,
        // Whatever is killed here is not the task's fault.
        policy: "max_retries = 1000\nspawn_failures = 1000\nhealth.poison_workers = 1000\n",
        meanwhile: "sleep 0.2",
        ..Shape::default()
    };
    let world = World::on_disk(shape, "size=96m,mode=755").expect("root can mount");
    let ballast = world.repo().join(".git/ballast");
    let mut killed: BTreeMap<&str, u32> = BTreeMap::new();
    let mut keeper = world.run();
    let mut rounds = 0;
    let began = Instant::now();
    loop {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "after {rounds} rounds and {killed:?} it is not done:\n{}",
            world.said()
        );
        // A pause of random length, which the keeper's end cuts short.
        let moment = Instant::now() + Duration::from_millis(30 + dice.below(170) as u64);
        let ended = loop {
            match keeper.ended() {
                None if Instant::now() < moment => std::thread::sleep(Duration::from_millis(2)),
                ended => break ended,
            }
        };
        if let Some(status) = ended {
            assert_ne!(status.code(), Some(70), "a bug:\n{}", world.said());
            if status.success() {
                break;
            }
            keeper = world.run();
            continue;
        }
        if rounds >= ROUNDS {
            let _ = fs::remove_file(&ballast);
            continue;
        }
        rounds += 1;
        // A full disk lasts for a round or two, and meanwhile others are killed.
        if dice.below(2) == 0 {
            let _ = fs::remove_file(&ballast);
        }
        if dice.below(6) == 0 {
            fill(&ballast);
        }
        let mut kinds: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (pid, line) in world.processes() {
            kinds.entry(kind(&line)).or_default().push(pid);
        }
        // The keeper, whose end takes the longest to make good, less often than the rest.
        if kinds.len() > 1 && dice.below(3) != 0 {
            kinds.remove("keeper");
        }
        let pick = dice.below(kinds.len().max(1));
        if let Some((kind, all)) = kinds.into_iter().nth(pick) {
            *killed.entry(kind).or_default() += u32::from(kill(all[dice.below(all.len())]));
        }
    }
    let _ = fs::remove_file(&ballast);
    eprintln!(
        "storm: {rounds} rounds, killed {killed:?}, in {:?}",
        began.elapsed()
    );
    assert!(
        rounds > ROUNDS / 3,
        "over too soon to say anything: {killed:?}"
    );
    world.check();
}
