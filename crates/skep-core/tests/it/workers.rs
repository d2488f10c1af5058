//! Workers: how many, of which roles, coming and going (W-1), and what is believed of their worktrees.

use crate::swarm::Swarm;
use crate::words::{a_plan, load, oid};
use skep_core::{
    id::WorkerId,
    plan::Action,
    request::{Command, Observation, Refusal},
    spec::{Plan, Workers},
    worker::WorkerState,
};

fn roles_with(text: &str, change: impl FnOnce(&mut Plan)) -> Vec<String> {
    let mut plan = a_plan(text);
    change(&mut plan);
    let mut t = Swarm::new();
    t.ask(load(plan, "d1")).unwrap();
    let role = |w: &skep_core::worker::Worker| w.role.clone().unwrap_or_else(|| "any".into());
    // What the tasks ask for beyond that is for `scaling`.
    let of_plan = t.state().workers().filter(|w| w.added.is_none());
    of_plan.map(role).collect()
}

fn give_roles(plan: &mut Plan, roles: &[&str]) {
    for (task, role) in plan.tasks.iter_mut().zip(roles) {
        task.role = Some((*role).into());
    }
}

// proves: W-1
#[test]
fn each_spawn_strategy_makes_its_workers() {
    assert_eq!(
        roles_with("a b", |p| p.swarm.workers = Workers::Count(0)),
        [""; 0]
    );
    assert_eq!(
        roles_with("a b", |p| p.swarm.workers = Workers::Count(3)),
        ["any"; 3]
    );
    let per_role = roles_with("a b", |p| {
        give_roles(p, &["back", "front"]);
        p.swarm.workers = Workers::PerRole([("back".into(), 2), ("front".into(), 1)].into());
    });
    assert_eq!(per_role, ["back", "back", "front"]);
    let auto = roles_with("a b c", |p| {
        give_roles(p, &["front", "back", "back"]);
        p.swarm.workers = Workers::Auto;
    });
    assert_eq!(auto, ["back", "front"], "one per distinct role");
    let wide = roles_with("a b c d<-a e<-a", |p| p.swarm.workers = Workers::Auto);
    assert_eq!(
        wide.len(),
        3,
        "without roles, as many as the widest wave can use"
    );
}

// proves: W-1, Q-3
#[test]
fn workers_come_and_go_while_the_swarm_runs() {
    let mut t = Swarm::load_with("a b c d", |p| p.swarm.workers = Workers::Count(1));
    let answer = t
        .ask(Command::AddWorkers {
            count: 2,
            role: None,
        })
        .unwrap();
    assert_eq!(answer.workers, [WorkerId(2), WorkerId(3)]);
    t.prepare();
    assert_eq!(t.running(), "a:w1 b:w2 c:w3");
    t.ask(Command::RemoveWorker {
        worker: WorkerId(2),
        now: false,
    })
    .unwrap();
    assert!(
        !t.actions().contains(&Action::Remove {
            worker: WorkerId(2)
        }),
        "it ends its attempt"
    );
    t.succeed("b");
    assert!(t.actions().contains(&Action::Remove {
        worker: WorkerId(2)
    }));
    t.see(Observation::WorkerGone {
        worker: WorkerId(2),
    })
    .unwrap();
    let gone = t.ask(Command::PauseWorker {
        worker: WorkerId(2),
    });
    assert_eq!(gone, Err(Refusal::NoSuchWorker(WorkerId(2))));
    t.ask(Command::RemoveWorker {
        worker: WorkerId(3),
        now: true,
    })
    .unwrap();
    t.heed_stop("c");
    assert_eq!(
        t.task("c").failures + t.task("c").crashes,
        0,
        "it is nobody's fault"
    );
    assert_eq!(t.running(), "a:w1");
    assert_eq!(
        t.ask(Command::AddWorkers {
            count: 1,
            role: None
        })
        .unwrap()
        .workers,
        [WorkerId(4)]
    );
}

// proves: U-3, L-3
#[test]
fn a_paused_worker_takes_nothing_and_a_restarted_one_begins_anew() {
    let mut t = Swarm::load("a b c");
    let state = |t: &Swarm, n| t.worker(n).state(t.state().swarm().map(|s| &s.tip));
    t.ask(Command::PauseWorker {
        worker: WorkerId(1),
    })
    .unwrap();
    t.succeed("a");
    assert_eq!(state(&t, 1), WorkerState::Paused);
    t.ask(Command::ResumeWorker {
        worker: WorkerId(1),
    })
    .unwrap();
    t.prepare();
    assert_eq!(t.running(), "b:w2 c:w1");
    t.ask(Command::RestartWorker {
        worker: WorkerId(2),
    })
    .unwrap();
    t.heed_stop("b");
    assert_eq!(t.running(), "c:w1 b:w2");
}

// proves: W-3
#[test]
fn a_late_word_that_a_worktree_is_ready_is_not_believed_after_it_was_used() {
    let mut t = Swarm::load_with("a b", |p| p.swarm.workers = Workers::Count(1));
    let late = Observation::WorkerReady {
        worker: WorkerId(1),
        base: oid(1),
        turn: 0,
    };
    t.fail("a");
    assert_eq!(t.running(), "a:w1");
    let attempt = t.attempt_of("a");
    let ended = crate::swarm::report(skep_core::attempt::End::Exited(1)).into();
    t.see(Observation::Ended {
        attempt,
        report: ended,
        untouched: false,
    })
    .unwrap();
    assert_eq!(t.see(late), Err(Refusal::OutOfDate));
    assert_eq!(t.running(), "");
    t.prepare();
    assert_eq!(t.running(), "b:w1");
}
