//! Notifications on the desktop, by a `notify-send` that notes what it is told.

use super::{list, plan, states};
use crate::Sandbox;
use std::{fs, os::unix::fs::PermissionsExt};

/// Runs the plan with only this `notify-send` before the machine's programs, or on a machine without any.
fn run_with(sandbox: &Sandbox, script: &str) {
    let bin = sandbox.home.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("notify-send");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut run = sandbox.command(&["run", "plan.toml"]);
    run.env("PATH", path)
        .env("TOLD", sandbox.home.path().join("told"));
    let ran = crate::ran(run.output().unwrap());
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", &plan("name = \"me\"\nkind = \"desktop\""));
    sandbox
}

// proves: U-6, T-3
#[test]
fn what_a_task_prints_is_neither_option_nor_markup_nor_command_to_the_desktop() {
    let sandbox = sandbox();
    run_with(&sandbox, "#!/bin/sh\nprintf '%s\\0' \"$@\" > \"$TOLD\"\n");
    assert_eq!(states(&list(&sandbox)), ["task_failed/a sent"]);
    let told = fs::read_to_string(sandbox.home.path().join("told")).unwrap();
    let told: Vec<&str> = told.split_terminator('\0').collect();
    let [name, urgency, normal, end, title, text] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        [name, urgency, normal, end],
        ["--app-name=Skep", "--urgency", "normal", "--"]
    );
    assert!(
        title.starts_with("[Skep alerts] warning: task a needs a person"),
        "{title}"
    );
    assert!(
        text.contains("what to do: ") && !text.contains(['<', '>']),
        "{text}"
    );
}

// proves: U-6
#[test]
fn a_desktop_that_is_not_there_is_tried_again_and_told_of() {
    let sandbox = sandbox();
    run_with(&sandbox, "#!/bin/sh\nexit 1\n");
    let list = list(&sandbox);
    assert_eq!(states(&list), ["task_failed/a waiting"], "{list}");
    let trouble = list["deliveries"][0]["trouble"].as_str().unwrap();
    assert!(
        trouble.contains("notify-send failed; the keeper may not be part of a desktop"),
        "{trouble}"
    );
}
