//! `worktree = false`: all workers in one worktree (W-3, Q-7).

use crate::swarm::{Swarm, report};
use crate::words::{a_plan, id, load, oid, one_task};
use skep_core::{
    attempt::{End, Report, Saved, SavedWork},
    id::{Attempt, WorkerId},
    plan::{Action, order},
    request::{Command, Observation},
    spec::{AgentSpec, Glob, Plan, TaskSpec, Workers},
    task::TaskState,
    worker::WorkerState,
};

/// Every task's own folder is its `files`.
fn share(plan: &mut Plan) {
    plan.swarm.worktree = false;
    plan.swarm.workers = Workers::Count(3);
    plan.tasks.iter_mut().for_each(own_folder);
}

fn own_folder(task: &mut TaskSpec) {
    task.files = vec![Glob::new(&format!("{}/**", task.id)).unwrap()];
}

fn prepares(t: &Swarm) -> Vec<(WorkerId, u64)> {
    let tail = |base: &skep_core::id::Oid| u64::from_str_radix(&base.as_str()[24..], 16).unwrap();
    let actions = t.actions().into_iter();
    actions
        .filter_map(|action| match action {
            Action::Prepare { worker, base, .. } => Some((worker, tail(&base))),
            _ => None,
        })
        .collect()
}

fn standing(t: &Swarm, number: u32) -> WorkerState {
    t.worker(number).state(t.state().swarm().map(|s| &s.tip))
}

// proves: W-3
#[test]
fn the_shared_worktree_is_made_ready_once_for_all_and_again_after_a_merge() {
    let mut plan = a_plan("a b c d<-a");
    share(&mut plan);
    let mut t = Swarm::new();
    t.ask(load(plan, "d1")).unwrap();
    assert_eq!(prepares(&t), [(WorkerId(1), 1)], "by one, for all");
    t.prepare();
    assert_eq!(t.running(), "a:w1 b:w2 c:w3");
    assert_eq!(prepares(&t), [], "nobody resets it under them");
    t.fail("a");
    assert_eq!(
        t.running(),
        "b:w2 c:w3 a:w1",
        "and it needs no reset as a whole"
    );
    for task in ["a", "b", "c"] {
        t.succeed(task);
    }
    t.build();
    t.land();
    assert_eq!(t.running(), "d:w1", "one word was enough");
    assert_eq!(standing(&t, 2), WorkerState::Idle);
    t.finish();
}

// proves: W-3
#[test]
fn it_is_not_made_ready_while_somebody_is_in_it() {
    let mut t = Swarm::load_with("a b c", |p| {
        share(p);
        p.swarm.workers = Workers::Count(2);
    });
    assert_eq!(t.running(), "a:w1 b:w2");
    t.succeed("b");
    assert_eq!(t.running(), "a:w1 c:w2");
    t.ask(Command::AddWorkers {
        count: 1,
        role: None,
    })
    .unwrap();
    assert_eq!(
        standing(&t, 3),
        WorkerState::Idle,
        "it is ready for a new one, too"
    );
    let reason = "somebody removed it".to_string();
    t.see(Observation::WorkerFailed {
        worker: WorkerId(3),
        reason,
    })
    .unwrap();
    t.ask(Command::AddWorkers {
        count: 1,
        role: None,
    })
    .unwrap();
    t.ask(Command::AddTask {
        spec: one_task("e").into(),
    })
    .unwrap();
    assert_eq!(standing(&t, 4), WorkerState::Spawning);
    assert_eq!(prepares(&t), [], "a and c are in it");
    assert!(
        skep_core::waiting::worker(t.state(), t.worker(4), t.now)
            .contains("once the attempts in it have ended")
    );
    t.succeed("a");
    assert_eq!(prepares(&t), []);
    t.succeed("c");
    assert_eq!(t.running(), "e:w1");
}

// proves: W-3, Q-7
#[test]
fn an_order_says_what_of_the_worktree_is_the_attempts_own_and_who_is_beside() {
    let t = Swarm::load_with("a b", share);
    let order = order(t.state(), t.attempt_of("a")).unwrap();
    let shared = order.shared.unwrap();
    assert_eq!(shared.files.unwrap()[0].as_str(), "a/**");
    assert_eq!(shared.beside, [Attempt(2)]);
    let own = Swarm::load("a b");
    let order = skep_core::plan::order(own.state(), own.attempt_of("a")).unwrap();
    assert_eq!(order.shared, None);
}

fn clash(agent: &str) -> Swarm {
    let mut t = Swarm::load_with("a b", |p| {
        share(p);
        p.swarm.agent = agent.into();
        let spec = AgentSpec {
            command: vec!["fake".into()],
            stdin: false,
            env: Default::default(),
            rate_limited_exit: Vec::new(),
            provider: None,
            protocol: None,
            rules: None,
            permission: None,
            args: Vec::new(),
        };
        p.swarm.agents.insert("fake".into(), spec);
        if agent != "shell" {
            p.tasks.iter_mut().for_each(|task| task.command = None);
        }
    });
    t.succeed("a");
    t.succeed("b");
    let mut beside = one_task("c");
    own_folder(&mut beside);
    if agent != "shell" {
        beside.command = None;
    }
    t.build_but(&["b"]);
    t.ask(Command::AddTask {
        spec: beside.into(),
    })
    .unwrap();
    t.land();
    t.prepare();
    t
}

// proves: W-7, W-3
#[test]
fn a_fix_that_resolves_a_merge_has_the_worktree_to_itself() {
    let mut t = clash("fake");
    let first = t.first().unwrap();
    let then = if first == "c" { "b-fix1" } else { "c" };
    assert_eq!(t.state().live().len(), 1, "{}", t.running());
    assert!(t.why(then).contains("may touch the same files"));
    t.succeed(&first);
    t.prepare();
    assert_eq!(t.first().as_deref(), Some(then));
    let fix = order(t.state(), t.attempt_of(then)).unwrap();
    if then == "b-fix1" {
        assert_eq!(fix.shared.unwrap().files, None, "all of it is its own");
    }
    t.finish();
    assert_eq!(t.is("b"), TaskState::Merged);
    let redone = clash("shell");
    assert_eq!(
        redone.state().live().len(),
        2,
        "one that does its task again needs no more than the task"
    );
}

// proves: W-1, W-3
#[test]
fn a_worker_added_after_the_last_one_left_makes_it_ready_anew() {
    let mut t = Swarm::load_with("a", |p| {
        share(p);
        p.swarm.workers = Workers::Count(1);
    });
    t.fail("a");
    let leave = Command::RemoveWorker {
        worker: WorkerId(1),
        now: true,
    };
    t.ask(leave).unwrap();
    t.heed_stop("a");
    assert_eq!(
        t.actions(),
        [Action::Remove {
            worker: WorkerId(1)
        }]
    );
    t.ask(Command::AddWorkers {
        count: 1,
        role: None,
    })
    .unwrap();
    assert_eq!(prepares(&t), [(WorkerId(2), 1)], "it may be gone by then");
}

// proves: W-3
#[test]
fn another_plan_may_have_another_kind_of_worktree() {
    let mut t = Swarm::load("a");
    t.finish();
    let tip = t.state().swarm().unwrap().tip.clone();
    let mut plan = a_plan("x y");
    share(&mut plan);
    t.ask(Command::LoadPlan {
        plan: Box::new(plan),
        digest: "d2".into(),
        target: "main".into(),
        base: tip,
        kept: false,
        again: true,
    })
    .unwrap();
    assert_eq!(t.running(), "", "what was ready was another worktree");
    t.prepare();
    assert_eq!(t.running(), "x:w1 y:w2");
}

// proves: W-14
#[test]
fn what_nobody_may_change_is_named_in_the_receipt_of_who_was_there() {
    let mut t = Swarm::load_with("a b", share);
    let work = SavedWork {
        commit: oid(77),
        files: vec!["a/x".into()],
        file_count: 1,
    };
    let outside = vec!["b/y".into(), "Cargo.lock".into()];
    let done = Report {
        saved: Saved::Commit(work),
        outside,
        ..report(End::Exited(0))
    };
    t.end("a", done);
    let receipt = &t.task("a").accepted.as_ref().unwrap().receipt;
    assert_eq!(receipt.files, ["a/x"]);
    assert_eq!(receipt.outside_files, ["Cargo.lock"], "b/y may well be b's");
    let nothing = Report {
        outside: vec!["README".into()],
        ..report(End::Exited(0))
    };
    t.end("b", nothing);
    let failure = t.task("b").last_failure.clone().unwrap();
    assert!(
        failure
            .reason
            .starts_with("nothing that matches `files` has changed, but README has"),
        "{}",
        failure.reason
    );
    assert_eq!(t.state().task(&id("b")).unwrap().failures, 1);
}
