//! Plans that cannot begin on a repository: said before anything starts, by `run` as by `run --dry-run`, and
//! nothing is touched.

use crate::Sandbox;

const PLAN: &str = r#"
[swarm]
name = "two"
workers = 1
[[task]]
id = "a"
mission = "Make a."
command = "echo a > a.txt"
"#;

/// Both ways to ask say the same, with the same exit code, and leave every ref and file as it was.
#[track_caller]
fn refused(sandbox: &Sandbox, code: i32, says: &str, hint: &str) {
    let refs = sandbox.git(&["for-each-ref"]);
    for args in [
        &["run", "plan.toml", "--dry-run"][..],
        &["run", "plan.toml"],
    ] {
        let ran = sandbox.expect(code, args);
        assert!(ran.err.contains(says), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(hint), "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{args:?}");
        assert_eq!(sandbox.git(&["for-each-ref"]), refs, "{args:?}");
        assert!(!sandbox.path().join(".skep").exists(), "{args:?}");
    }
}

// proves: U-1, U-12
#[test]
fn a_missing_target_is_refused_by_the_forecast_too() {
    let sandbox = Sandbox::new();
    let plan = PLAN.replace("workers = 1", "workers = 1\ntarget = \"mian\"");
    sandbox.write("plan.toml", &plan);
    refused(
        &sandbox,
        2,
        "there is no branch \"mian\"",
        "git branch --list",
    );
}

// proves: U-1
#[test]
fn a_plan_for_main_that_is_checked_out_is_refused_by_the_forecast_too() {
    let sandbox = Sandbox::new();
    let plan = PLAN.replace("workers = 1", "workers = 1\nlanding = \"main\"");
    sandbox.write("plan.toml", &plan);
    refused(
        &sandbox,
        2,
        "would move main, which is checked out",
        "leave landing at",
    );
}

// proves: U-1, W-12
#[test]
fn a_branch_called_skep_is_named_before_git_trips_over_it() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.git(&["branch", "skep"]);
    refused(
        &sandbox,
        2,
        "git allows no branch skep/two beside the branch skep",
        "git branch -m skep skep-mine",
    );
    // The hint works.
    sandbox.git(&["branch", "-m", "skep", "skep-mine"]);
    sandbox.expect(0, &["run", "plan.toml"]);
}

// proves: U-1, W-12
#[test]
fn a_branch_below_the_integration_branch_is_named_too() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.git(&["branch", "skep/two/idea"]);
    refused(
        &sandbox,
        2,
        "git allows no branch skep/two beside the branch skep/two/idea",
        "git branch -m skep/two/idea",
    );
    sandbox.git(&["branch", "-m", "skep/two/idea", "skep/two.w1/idea"]);
    refused(
        &sandbox,
        2,
        "no branch skep/two.w1 beside the branch skep/two.w1/idea",
        "git branch -m skep/two.w1/idea",
    );
}

// proves: W-12
#[test]
fn a_users_branch_with_a_workers_name_is_not_taken_over() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.git(&["branch", "skep/two.w1"]);
    refused(
        &sandbox,
        2,
        "the branch skep/two.w1 is somebody else's",
        "git branch -m skep/two.w1",
    );
    sandbox.git(&["branch", "-D", "skep/two.w1"]);
    sandbox.expect(0, &["run", "plan.toml"]);
    // Now it is the swarm's own, which the next plan of that name goes on with.
    sandbox.git(&["rev-parse", "--verify", "skep/two.w1"]);
    sandbox.write("plan.toml", &PLAN.replace("a.txt", "b.txt"));
    sandbox.expect(0, &["run", "plan.toml"]);
}

// proves: U-1, U-12
#[test]
fn a_plan_without_workers_says_that_nobody_would_begin() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", &PLAN.replace("workers = 1", "workers = 0"));
    let text = sandbox.expect(0, &["run", "plan.toml", "--dry-run"]).out;
    assert!(text.contains("workers: none"), "{text}");
    assert!(text.contains("until `skep workers add`"), "{text}");
    let forecast = sandbox.json(&["run", "plan.toml", "--dry-run", "--json"]);
    assert_eq!(forecast["notes"].as_array().unwrap().len(), 1, "{forecast}");
}

// proves: U-12
#[test]
fn the_forecast_knows_what_was_run_and_what_is_under_way() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.expect(0, &["run", "plan.toml"]);
    let text = sandbox.expect(0, &["run", "plan.toml", "--dry-run"]).out;
    assert!(text.contains("was run already"), "{text}");
    let again = sandbox.expect(0, &["run", "plan.toml", "--dry-run", "--again"]);
    assert!(!again.out.contains("was run already"), "{}", again.out);
    sandbox.expect(0, &["up", "--detach"]);
    sandbox.write("held.toml", &PLAN.replace("echo a", "sleep 600; echo b"));
    let mut run = sandbox.command(&["run", "held.toml"]).spawn().unwrap();
    crate::until("at work", || {
        sandbox.skep(&["why", "a"]).out.contains("at work")
    });
    sandbox.write("third.toml", &PLAN.replace("echo a", "echo c"));
    let third = sandbox.expect(3, &["run", "third.toml", "--dry-run"]);
    assert!(
        third.err.contains("`skep run` without a plan"),
        "{}",
        third.err
    );
    sandbox.expect(0, &["run", "held.toml", "--dry-run"]);
    run.kill().unwrap();
    run.wait().unwrap();
}

// proves: W-17
#[test]
fn the_second_plan_says_whose_commit_it_begins_on() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.expect(0, &["run", "plan.toml"]);
    sandbox.write("plan.toml", &PLAN.replace("a.txt", "b.txt"));
    let tip = sandbox.git(&["rev-parse", "--short=10", "skep/two"]);
    let ran = sandbox.expect(0, &["run", "plan.toml"]);
    let line = format!("1 task for main, on skep/two at {}", tip.trim());
    assert!(ran.err.contains(&line), "{}", ran.err);
}

// proves: W-12, W-17
#[test]
fn swarms_that_take_turns_know_their_own_branches() {
    let sandbox = Sandbox::new();
    let plan = |name: &str, file: &str| {
        let text = PLAN.replace("\"two\"", &format!("{name:?}"));
        sandbox.write("plan.toml", &text.replace("a.txt", file));
    };
    for (name, file) in [("one", "1"), ("two", "2"), ("one", "3"), ("two", "4")] {
        plan(name, file);
        sandbox.expect(0, &["run", "plan.toml"]);
    }
    // Nothing of it has landed, and nothing of it was lost on the way.
    assert_eq!(
        sandbox.git(&["ls-tree", "--name-only", "skep/one"]),
        "1\n3\n"
    );
    assert_eq!(
        sandbox.git(&["ls-tree", "--name-only", "skep/two"]),
        "2\n4\n"
    );
    // A branch that a person made anew under the name is theirs.
    sandbox.git(&["branch", "-D", "skep/one"]);
    let tree = sandbox.git(&["write-tree"]);
    let mine = sandbox.git(&["commit-tree", tree.trim(), "-p", "main", "-m", "mine"]);
    sandbox.git(&["branch", "skep/one", mine.trim()]);
    plan("one", "5");
    let refused = sandbox.expect(2, &["run", "plan.toml"]);
    assert!(refused.err.contains("somebody else's"), "{}", refused.err);
    assert_eq!(sandbox.git(&["rev-parse", "skep/one"]), mine);
}
