//! Standard output that cannot be written, or that nobody reads any more.

use crate::{Sandbox, ran};
use std::{fs::File, io::pipe, process::Stdio};

const PLAN: &str = r#"
[swarm]
name = "out"
workers = 1
[[task]]
id = "a"
mission = "Say and do something."
command = "echo said; echo a > a.txt"
[[task]]
id = "b"
mission = "Fail."
command = "echo b > b.txt; exit 3"
max_retries = 0
"#;

/// Every verb that prints data, after a run that ended with exit code 1.
const VERBS: [&[&str]; 36] = [
    &["--help"],
    &["--version"],
    &["run", "--help"],
    &["init", "--dry-run"],
    &["run", "plan.toml", "--dry-run"],
    &["run", "plan.toml", "--dry-run", "--json"],
    &["run"],
    &["run", "--json"],
    &["status"],
    &["status", "--json"],
    &["status", "--watch"],
    &["concerns"],
    &["concerns", "--json"],
    &["tasks"],
    &["tasks", "--json"],
    &["tasks", "show", "a"],
    &["tasks", "show", "a", "--json"],
    &[
        "tasks",
        "add",
        "c",
        "-m",
        "x",
        "--command",
        "true",
        "--dry-run",
    ],
    &["workers"],
    &["workers", "--json"],
    &["logs", "a"],
    &["logs", "a", "--json"],
    &["why", "a"],
    &["why", "a", "--json"],
    &["salvage"],
    &["salvage", "--json"],
    &["salvage", "show", "b/2"],
    &["salvage", "drop", "--dry-run", "--json"],
    &["clean", "--dry-run", "--json"],
    &["events"],
    &["events", "--json"],
    &["doctor"],
    &["import", "list.md"],
    &["import", "list.md", "--json"],
    &["completions", "bash"],
    &["schema"],
];

fn after_a_run() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.write("list.md", "- [ ] **a**: Do it.\n");
    sandbox.expect(1, &["run", "plan.toml"]);
    sandbox
}

// proves: U-1, T-1
#[test]
fn output_that_cannot_be_written_is_an_error_of_every_verb() {
    let sandbox = after_a_run();
    for args in VERBS {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut skep = sandbox.command(args);
        let ran = ran(skep.stdout(full).output().unwrap());
        assert_eq!(ran.code, 3, "{args:?}: {}", ran.err);
        for part in [
            "error: cannot write the output",
            "No space left on device",
            "hint:",
        ] {
            assert!(ran.err.contains(part), "{args:?}: {}", ran.err);
        }
    }
}

// proves: U-1
#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let sandbox = after_a_run();
    for args in VERBS {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut skep = sandbox.command(args);
        let ran = ran(skep.stdout(Stdio::from(writer)).output().unwrap());
        // How the run went is said all the same.
        let code = if matches!(args, ["run"] | ["run", "--json"]) {
            1
        } else {
            0
        };
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(!ran.err.contains("error"), "{args:?}: {}", ran.err);
    }
}
