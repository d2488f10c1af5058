//! The API against its own description: schemathesis makes requests, good and bad, of the OpenAPI document that a
//! living keeper serves, while that runs a plan.

use crate::{Sandbox, skipped, until};
use skep_host::command::command;
use std::{fs, path::PathBuf};

/// The version that the test was written with.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

const PLAN: &str = r#"
[swarm]
name = "live"
workers = 2
[[task]]
id = "one"
mission = "Work until it is told to stop."
command = "sleep 600"
[[task]]
id = "two"
mission = "<script>alert(1)</script> $(id) '; --"
command = "sleep 600"
depends_on = ["one"]
"#;

/// The tool, installed into the target folder if need be; none where that cannot be had.
fn tool() -> Option<PathBuf> {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (home, dir) = (target.join("schemathesis"), target);
    let tool = home.join("bin/schemathesis");
    if !tool.exists() {
        let done = |command: &mut std::process::Command| {
            command.output().is_ok_and(|output| output.status.success())
        };
        let venv = done(command("python3", &dir).args(["-m", "venv"]).arg(&home));
        let pip = home.join("bin/pip");
        if !venv || !done(command(pip, &dir).args(["install", "-q", SCHEMATHESIS])) {
            skipped(
                "the API against its document: schemathesis cannot be had (Python 3 with venv, and PyPI)",
            );
            return None;
        }
    }
    Some(tool)
}

// proves: U-2
#[test]
fn every_answer_is_as_the_document_says_while_a_plan_runs() {
    let Some(tool) = tool() else { return };
    let sandbox = Sandbox::new();
    let work = tempfile::tempdir().unwrap();
    let plan = work.path().join("plan.toml");
    fs::write(&plan, PLAN).unwrap();
    sandbox.expect(0, &["up", "--detach", "--no-watchdog"]);
    let mut follows = sandbox
        .command(&["run", plan.to_str().unwrap()])
        .spawn()
        .unwrap();
    until("the plan runs", || {
        sandbox.json(&["status", "--json"])["tasks"]["running"] == 1
    });
    let server = fs::read(sandbox.path().join(".skep/server.json")).unwrap();
    let server: serde_json::Value = serde_json::from_slice(&server).unwrap();
    let token = fs::read_to_string(sandbox.path().join(".skep/token")).unwrap();
    let settings = "headers = { Authorization = \"Bearer ${SKEP_OWNER}\" }\n";
    fs::write(work.path().join("schemathesis.toml"), settings).unwrap();
    fs::write(
        work.path().join("leave_out.py"),
        include_str!("contract.py"),
    )
    .unwrap();
    let document = format!("{}api/v1/openapi.json", server["url"].as_str().unwrap());
    let checks = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
    ];
    let mut schemathesis = command(tool, work.path());
    schemathesis
        .env("SKEP_OWNER", token.trim())
        .env("SCHEMATHESIS_HOOKS", "leave_out")
        .env("PYTHONPATH", work.path())
        .args(["run", "--no-color", "--seed", "1", "--max-examples", "8"])
        .args([
            "--phases",
            "coverage,fuzzing",
            "--checks",
            &checks.join(","),
        ])
        // It never ends; `skep-server/tests/it/api.rs` looks at it.
        .args(["--exclude-operation-id", "followEvents"])
        .arg(document);
    let ran = schemathesis.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let keeper = sandbox.skep(&["status", "--json"]);
    let _ = follows.kill();
    let _ = follows.wait();
    assert!(
        ran.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(said.contains("Tested:"), "{said}");
    assert_eq!(keeper.code, 0, "the keeper lives: {}", keeper.err);
}
