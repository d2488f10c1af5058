//! Changes while the swarm runs: add, edit, skip, boost, cancel, retry, assign, and their refusals.

use crate::swarm::Swarm;
use crate::words::{a_plan, id, load, one_task};
use skep_core::{
    attempt::StopWhy,
    id::WorkerId,
    plan::Action,
    request::{Command, Refusal},
    spec::{Priority, Workers},
    task::TaskState,
};

fn alone(text: &str) -> Swarm {
    Swarm::load_with(text, |p| p.swarm.workers = Workers::Count(1))
}

fn add(text: &str) -> Command {
    Command::AddTask {
        spec: one_task(text).into(),
    }
}

fn edit(text: &str) -> Command {
    Command::EditTask {
        spec: one_task(text).into(),
    }
}

fn refused(answer: Result<skep_core::request::Answer, Refusal>) -> String {
    answer.map_or_else(|no| no.to_string(), |_| "it was not refused".into())
}

// proves
#[test]
fn a_task_can_be_added_and_edited_and_waves_follow() {
    let mut t = alone("a b<-a");
    t.ask(add("c<-b")).unwrap();
    assert_eq!(t.task("c").wave, 3);
    t.ask(edit("c")).unwrap();
    assert_eq!((t.task("c").wave, t.is("c")), (1, TaskState::Ready));
    t.ask(edit("c<-a")).unwrap();
    assert_eq!((t.task("c").wave, t.is("c")), (2, TaskState::Waiting));
    assert_eq!(refused(t.ask(add("c"))), "there is a task c already");
    assert_eq!(
        refused(t.ask(add("x<-nope"))),
        "task x: there is no task nope"
    );
    let circle = refused(t.ask(edit("b<-a,b")));
    assert!(circle.contains("in a circle: b → b"), "{circle}");
    let running = refused(t.ask(edit("a!0")));
    assert!(
        running.starts_with("task a is running; only a task that nobody has begun"),
        "{running}"
    );
    assert_eq!(refused(t.ask(edit("zzz"))), "there is no task zzz");
    assert_eq!(
        refused(t.ask(edit("c<-a"))),
        "nothing to do: the task reads so already"
    );
    t.finish();
}

// proves: Q-3, L-8
#[test]
fn a_fix_cannot_be_made_to_wait_for_the_task_it_fixes() {
    let mut t = alone("a");
    t.succeed("a");
    t.build_but(&["a"]);
    t.prepare();
    t.fail("a-fix1");
    t.fail("a-fix1");
    assert_eq!(t.is("a-fix1"), TaskState::Flagged);
    let no = refused(t.ask(edit("a-fix1<-a")));
    assert!(no.contains("circle"), "{no}");
    t.ask(add("z<-a")).unwrap();
    let no = refused(t.ask(edit("a-fix1<-z")));
    assert!(no.contains("circle"), "{no}");
}

// proves: Q-3
#[test]
fn a_skipped_task_counts_as_merged() {
    let mut t = alone("a b<-a c");
    t.ask(Command::SkipTask { task: id("b") }).unwrap();
    assert_eq!(t.is("b"), TaskState::Merged);
    let no = refused(t.ask(Command::SkipTask { task: id("a") }));
    assert_eq!(
        no,
        "task a is running; only a task that is not being worked on can be skipped"
    );
    t.fail("a");
    t.fail("a");
    t.ask(Command::SkipTask { task: id("a") }).unwrap();
    t.finish();
    assert!(t.state().finished().is_some());
}

// proves: Q-3
#[test]
fn a_cancelled_task_is_stopped_and_does_not_come_back_by_itself() {
    let mut t = alone("a b");
    t.ask(Command::CancelTask { task: id("a") }).unwrap();
    let stop = t
        .actions()
        .into_iter()
        .find(|a| matches!(a, Action::Stop { .. }))
        .unwrap();
    assert!(matches!(
        stop,
        Action::Stop {
            why: StopWhy::TaskCancelled,
            at_once: false,
            ..
        }
    ));
    let no = refused(t.ask(Command::CancelTask { task: id("a") }));
    assert_eq!(no, "nothing to do: its attempt is being stopped already");
    // It was done before the stop reached it: cancelled all the same.
    t.succeed("a");
    assert_eq!(t.is("a"), TaskState::Cancelled);
    assert_eq!(t.running(), "b:w1");
    t.ask(Command::RetryTask { task: id("a") }).unwrap();
    assert_eq!(t.is("a"), TaskState::Ready);
    let no = refused(t.ask(Command::RetryTask { task: id("a") }));
    assert_eq!(no, "task a is ready; it is in the queue already");
    t.finish();
    assert_eq!(
        refused(t.ask(Command::CancelTask { task: id("a") })),
        "task a is merged; it is over already"
    );
    assert_eq!(
        refused(t.ask(Command::RetryTask { task: id("a") })),
        "task a is merged; it is done already"
    );
}

// proves
#[test]
fn a_boosted_task_comes_first() {
    let mut t = alone("a b c!3");
    t.ask(Command::BoostTask {
        task: id("c"),
        priority: None,
    })
    .unwrap();
    t.succeed("a");
    assert_eq!(t.running(), "c:w1");
    let again = Command::BoostTask {
        task: id("c"),
        priority: Some(Priority::P0),
    };
    assert_eq!(
        refused(t.ask(again)),
        "nothing to do: the task has this priority already"
    );
    t.finish();
    let over = Command::BoostTask {
        task: id("a"),
        priority: None,
    };
    assert_eq!(refused(t.ask(over)), "task a is merged; it is over");
}

// proves: Q-3
#[test]
fn an_assigned_task_waits_for_its_worker() {
    let mut t = Swarm::load("a b c d");
    let assign = |task, worker| Command::AssignTask {
        task: id(task),
        worker,
    };
    t.ask(assign("c", Some(WorkerId(2)))).unwrap();
    t.succeed("a");
    assert_eq!(t.running(), "b:w2 d:w1");
    t.succeed("b");
    assert_eq!(t.running(), "d:w1 c:w2");
    let no = refused(t.ask(assign("c", None)));
    assert_eq!(
        no,
        "task c is running; only a task that nobody has begun can be assigned"
    );
    assert_eq!(
        refused(t.ask(assign("d", Some(WorkerId(9))))),
        "there is no worker w9"
    );
    t.finish();
}

// proves: Q-3, W-1
#[test]
fn a_worker_that_leaves_keeps_no_task_for_itself() {
    let mut t = Swarm::load("a b c");
    let assign = |task, worker| Command::AssignTask {
        task: id(task),
        worker: Some(WorkerId(worker)),
    };
    t.ask(assign("c", 2)).unwrap();
    let leave = Command::RemoveWorker {
        worker: WorkerId(2),
        now: false,
    };
    t.ask(leave).unwrap();
    assert_eq!(t.task("c").assigned, None);
    assert_eq!(
        refused(t.ask(assign("c", 2))),
        "worker w2 is leaving and takes no more tasks"
    );
    t.succeed("a");
    assert_eq!(t.running(), "b:w2 c:w1");
    t.finish();
}

// proves: Q-3, W-7
#[test]
fn a_fix_is_not_skipped_and_not_retried_after_its_task_went_on_without_it() {
    let mut t = alone("a b");
    t.succeed("a");
    t.succeed("b");
    t.build_but(&["a"]);
    t.check_all(&[]);
    t.land();
    let no = refused(t.ask(Command::SkipTask { task: id("a-fix1") }));
    assert!(no.contains("a-fix1 is running"), "{no}");
    t.fail("a-fix1");
    t.fail("a-fix1");
    let no = refused(t.ask(Command::SkipTask { task: id("a-fix1") }));
    assert!(no.contains("skip the task it fixes instead"), "{no}");
    t.ask(Command::RetryTask { task: id("a") }).unwrap();
    assert_eq!(t.is("a-fix1"), TaskState::Cancelled);
    let no = refused(t.ask(Command::RetryTask { task: id("a-fix1") }));
    assert!(
        no.contains("the task it fixes no longer waits for it"),
        "{no}"
    );
    t.prepare();
    t.finish();
    assert!(t.state().finished().is_some());
}

// proves: Q-3, W-12
#[test]
fn a_plan_that_grew_does_only_what_is_new_or_changed() {
    let grown = |kept, again| {
        let mut t = alone("a b<-a");
        t.finish();
        assert!(t.state().finished().is_some());
        let mut plan = a_plan("a b<-a c<-b d");
        plan.tasks[1].mission = "Do b otherwise.".into();
        let mut command = load(plan, "d2");
        if let Command::LoadPlan {
            kept: k, again: a, ..
        } = &mut command
        {
            (*k, *a) = (kept, again);
        }
        t.ask(command).unwrap();
        t
    };
    let t = grown(true, false);
    assert_eq!(t.is("a"), TaskState::Merged);
    assert_ne!(t.is("b"), TaskState::Merged, "it reads otherwise now");
    assert_eq!((t.task("b").wave, t.task("c").wave), (1, 2));
    for (kept, again) in [(false, false), (true, true)] {
        let t = grown(kept, again);
        assert_ne!(t.is("a"), TaskState::Merged, "kept {kept}, again {again}");
    }
}
