//! A wave of fifty branches, one in ten of which conflicts: from the last one accepted until it has landed.

use crate::{
    table::{Row, Table, short},
    world::{Swarm, World, git, plan},
};
use serde_json::{Value, json};
use skep_core::event::Event;
use skep_host::command::command;
use std::{path::Path, time::Instant};

const BRANCHES: usize = 50;
const CLASHING: usize = 5;
const RUNS: usize = 3;

pub(crate) fn wave(table: &mut Table) {
    let mut took = Vec::new();
    let mut plain = Vec::new();
    let mut bare = Vec::new();
    for _ in 0..RUNS {
        let world = World::new();
        let mut swarm = Swarm::start(&world.root());
        let load = swarm.load(plan(8, tasks()));
        swarm.ask(load);
        let (began, started) = swarm.wait_for(|e| matches!(e, Event::MergeStarted { .. }));
        let (ended, landed) = swarm.wait_for(|e| matches!(e, Event::WaveLanded { .. }));
        took.push((ended - began).as_secs_f64() * 1e3);
        let Event::MergeStarted { queue, base, .. } = started else {
            return;
        };
        let Event::WaveLanded { merged, .. } = landed else {
            return;
        };
        assert_eq!((queue.len(), merged.len()), (BRANCHES, BRANCHES - CLASHING));
        swarm.finished();
        swarm.stop();
        let commits: Vec<_> = queue.iter().map(|q| q.commit.to_string()).collect();
        plain.push(checkout_merges(&world, base.as_str(), &commits));
        bare.push(tree_merges(&world, base.as_str(), &commits));
    }
    for (name, other, met) in [
        ("git merge", plain, true),
        ("merge-tree + commit-tree", bare, true),
    ] {
        table.row(&Row {
            what: "50 branches, 5 conflict: accepted → landed",
            skep: format!("{} ms", short(median(&took))),
            beside: format!("{name}, a process each: {} ms", short(median(&other))),
            ratio: median(&took) / median(&other),
            aim: "–",
            met,
        });
    }
}

/// Every task changes a file of its own, and the last few one that another changes, too.
fn tasks() -> Value {
    let task = |n: usize| {
        let shared = n.checked_sub(BRANCHES - CLASHING).unwrap_or(n);
        let line = match n {
            n if !(CLASHING..BRANCHES - CLASHING).contains(&n) => {
                // The fix comes later and finds the file changed; it only has to differ.
                format!("echo {n} > src/part{shared}/file{shared}.txt; echo $SKEP_FIX_OF >> fix{n}")
            }
            n => format!(
                "echo {n} >> src/part{}/file{n}.txt; echo {n} > new{n}",
                n % 10
            ),
        };
        json!({ "id": format!("t{n:02}"), "mission": "Do it.", "command": line })
    };
    Value::Array((0..BRANCHES).map(task).collect())
}

/// As a person would: in a checkout, one after the other, giving up what conflicts.
fn checkout_merges(world: &World, base: &str, commits: &[String]) -> f64 {
    let dir = world.dir.path().join("plain");
    let place = dir.to_str().unwrap();
    git(
        &world.root(),
        &["worktree", "add", "-q", "--detach", place, base],
    );
    let began = Instant::now();
    for commit in commits {
        let merge = ["merge", "-q", "--no-ff", "-m", "merge", commit];
        if !run(&dir, &merge).1 {
            git(&dir, &["merge", "--abort"]);
        }
    }
    let took = began.elapsed().as_secs_f64() * 1e3;
    git(&world.root(), &["worktree", "remove", "--force", place]);
    took
}

/// The least that git itself needs: two processes a branch.
fn tree_merges(world: &World, base: &str, commits: &[String]) -> f64 {
    let began = Instant::now();
    let mut tip = base.to_string();
    for commit in commits {
        let (tree, clean) = run(&world.root(), &["merge-tree", "--write-tree", &tip, commit]);
        if clean {
            let make = [
                "commit-tree",
                &tree,
                "-p",
                &tip,
                "-p",
                commit,
                "-m",
                "merge",
            ];
            tip = run(&world.root(), &make).0;
        }
    }
    began.elapsed().as_secs_f64() * 1e3
}

fn run(dir: &Path, args: &[&str]) -> (String, bool) {
    let output = command("git", dir).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    (text, output.status.success())
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
