//! The owner's side.

use super::{Session, runtime};
use crate::{Sandbox, agents::Bench, skipped, until};
use rmcp::model::CallToolRequestParams;
use serde_json::json;
use skep_host::command::command;
use std::{collections::BTreeSet, process::Child};

const PLAN: &str = r#"
[swarm]
name = "owned"
workers = 0
[[task]]
id = "one"
mission = "Make one."
command = '''printf 'made\033[31m one\n'; echo 1 > one.txt'''
[[task]]
id = "two"
mission = "Make two."
command = "echo 2 > two.txt"
"#;

/// A keeper with the plan loaded, and who loaded it.
fn swarm() -> (Sandbox, Loader) {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.expect(0, &["up", "--detach"]);
    let run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("loaded", || sandbox.skep(&["tasks"]).out.contains("two"));
    (sandbox, Loader(run))
}

/// `skep run`, which would follow to the end.
struct Loader(Child);

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// proves: U-8, Q-3
#[test]
fn a_persons_agent_sees_and_steers_the_swarm() {
    let (sandbox, _run) = swarm();
    runtime().block_on(async {
        let session = Session::owner(&sandbox).await;
        let told = session.client.peer_info().unwrap();
        assert_eq!(told.server_info.as_ref().unwrap().name, "skep");
        let tools = session.client.list_all_tools().await.unwrap();
        let destructive: BTreeSet<_> = tools
            .iter()
            .filter(|t| t.annotations.as_ref().is_some_and(|a| a.is_destructive() && a.read_only_hint != Some(true)))
            .map(|t| t.name.to_string())
            .collect();
        assert_eq!(destructive, BTreeSet::from(["cancel".to_string()]));
        for tool in &tools {
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            assert_eq!(tool.output_schema.as_ref().unwrap()["type"], "object", "{}", tool.name);
        }
        assert_eq!(session.get("status", json!({})).await["tasks"]["ready"], 2);
        session
            .get("add_task", json!({"id": "three", "mission": "Make three.", "command": "echo 3 > three.txt", "depends_on": ["two"]}))
            .await;
        session.get("boost", json!({"task": "two", "priority": "P1"})).await;
        assert_eq!(session.get("task", json!({"task": "two"})).await["priority"], "P1");
        session.get("cancel", json!({"task": "three"})).await;
        let cancelled = session.get("tasks", json!({"state": "cancelled"})).await;
        assert_eq!(cancelled["tasks"][0]["id"], "three");
        session.get("retry", json!({"task": "three"})).await;
        session.get("pause", json!({})).await;
        let why = session.get("why", json!({"name": "one"})).await;
        assert!(why["reason"].as_str().unwrap().contains("paused"), "{why}");
        session.get("resume", json!({})).await;
        session.get("scale", json!({"min": 1, "max": 2})).await;
        until("all is merged", || sandbox.skep(&["status"]).out.contains("3 merged"));
        let log = session.get("logs", json!({"task": "one"})).await;
        assert_eq!(log["output"], "made[31m one\n", "what drives a terminal is taken out");
        let mut page = session.get("events", json!({"limit": 3})).await;
        let (mut seen, mut last) = (0, 0);
        loop {
            for event in page["events"].as_array().unwrap() {
                seen += 1;
                assert_eq!(event["seq"], last + 1, "no gap and no repeat");
                last += 1;
            }
            if page["more"] != true {
                break;
            }
            page = session.get("events", json!({"after": last, "limit": 50})).await;
        }
        assert!(seen > 20);
        session.close().await;
    });
    sandbox.expect(0, &["down"]);
}

// proves: U-8, U-1, T-3
#[test]
fn whatever_cannot_be_done_is_said_with_what_to_do() {
    let (sandbox, _run) = swarm();
    runtime().block_on(async {
        let session = Session::owner(&sandbox).await;
        for (tool, arguments, part) in [
            (
                "task",
                json!({"task": "tow"}),
                "there is no task tow\nhint: ",
            ),
            (
                "task",
                json!({"task": "../../../etc/passwd"}),
                "must start with a letter or a digit",
            ),
            ("logs", json!({"task": "a/../b"}), "only letters, digits"),
            (
                "logs",
                json!({"task": "one", "attempt": 7}),
                "one has no attempt 7\nhint: ",
            ),
            (
                "logs",
                json!({"task": "one"}),
                "no attempt of one was made yet\nhint: `why`",
            ),
            (
                "why",
                json!({"name": "w9"}),
                "there is no task or worker w9",
            ),
            ("cancel", json!({}), "missing field `task`"),
            (
                "cancel",
                json!({"task": "one", "force": true}),
                "unknown field `force`",
            ),
            (
                "boost",
                json!({"task": "one", "priority": "P9"}),
                "they are P0 (critical)",
            ),
            (
                "assign",
                json!({"task": "one", "worker": "bob"}),
                "workers are written w1",
            ),
            ("add_task", json!({"id": "../x", "mission": "x"}), "id: "),
            ("scale", json!({"min": 3}), "max: it is missing beside min"),
            ("resume", json!({}), "not paused"),
            (
                "answer",
                json!({"ask": "one", "allow": true}),
                "such as 7.1",
            ),
            ("answer", json!({"ask": "7.1", "allow": true}), "no ask 7.1"),
            ("answer", json!({"ask": "7.1"}), "expected one of `text`"),
            (
                "answer",
                json!({"ask": "7.1", "text": "yes", "option": 1}),
                "expected one of `text`",
            ),
            (
                "costs",
                json!({"by": "moon"}),
                "unknown variant `moon`, expected one of `task`, `model`",
            ),
        ] {
            let no = session.no(tool, arguments).await;
            assert!(no.contains(part), "{tool}: {no}");
        }
        let none = session
            .client
            .call_tool(CallToolRequestParams::new("shutdown"))
            .await;
        assert!(
            none.unwrap_err()
                .to_string()
                .contains("there is no tool \"shutdown\"")
        );
        // Its keeper is killed in the middle of everything: that is said, and it works again after.
        let keeper = sandbox.path().join(".skep/keeper.json");
        let keeper: serde_json::Value =
            serde_json::from_slice(&std::fs::read(keeper).unwrap()).unwrap();
        let pid = i32::try_from(keeper["pid"].as_u64().unwrap()).unwrap();
        sandbox.expect(0, &["pause"]);
        let kill = rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::KILL,
        );
        kill.unwrap();
        until("it is gone", || {
            !std::path::Path::new(&format!("/proc/{pid}/exe")).exists()
        });
        let result = session.result("status", json!({})).await;
        // The watchdog may have started the next one already.
        if result.is_error == Some(true) {
            let no = super::text(&result);
            assert!(no.contains("keeper") && no.contains("hint: "), "{no}");
        }
        let next = || {
            let file = std::fs::read(sandbox.path().join(".skep/keeper.json")).ok()?;
            let file: serde_json::Value = serde_json::from_slice(&file).ok()?;
            file["pid"].as_u64()
        };
        until("the watchdog's next keeper answers", || {
            next() != u64::try_from(pid).ok() && sandbox.skep(&["status", "--json"]).err.is_empty()
        });
        assert_eq!(
            session.get("status", json!({})).await["paused"],
            true,
            "nothing was lost"
        );
        session.close().await;
    });
    sandbox.expect(0, &["down"]);
}

// proves: U-8, L-4b, S-7
#[test]
fn a_persons_agent_answers_for_the_person_and_sees_what_it_cost() {
    let bench = Bench::new();
    bench.plan(&["question", "permission"], "");
    let mut run = bench.command(&["run", "plan.toml"]).spawn().unwrap();
    runtime().block_on(async {
        bench.asks();
        let session = Session::owner(&bench.sandbox).await;
        let list = session.get("asks", json!({})).await;
        let ask = &list["asks"][0];
        assert_eq!(
            (&ask["kind"], &ask["options"][1]),
            (&"question".into(), &"sqlite".into())
        );
        let no = session
            .no("answer", json!({"ask": ask["id"], "allow": true}))
            .await;
        assert!(no.contains("expected a text"), "{no}");
        session
            .get("answer", json!({"ask": ask["id"], "option": 2}))
            .await;
        let mut asks = json!([]);
        until("the next one asks", || {
            asks = bench.asks();
            asks[0]["kind"] == "permission"
        });
        let why = json!({"ask": asks[0]["id"], "deny": true, "text": "not here"});
        session.get("answer", why).await;
        session.close().await;
    });
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert!(bench.file("answer.txt").contains("sqlite"));
    assert_eq!(bench.file("denied.txt").trim(), "denied");
    bench.sandbox.expect(0, &["up", "--detach"]);
    let shown = bench.sandbox.json(&["costs", "--by", "worker", "--json"]);
    runtime().block_on(async {
        let session = Session::owner(&bench.sandbox).await;
        let by_worker = session.get("costs", json!({"by": "worker"})).await;
        assert_eq!(by_worker, shown);
        assert_eq!(by_worker["rows"][0]["attempts"], 2, "{by_worker}");
        let by_task = session.get("costs", json!({})).await;
        assert_eq!(by_task["rows"].as_array().unwrap().len(), 2, "{by_task}");
        assert_eq!(by_task["total"]["usd"], by_worker["total"]["usd"]);
        session.close().await;
    });
    bench.sandbox.expect(0, &["down"]);
}

// proves: U-8
#[test]
fn without_a_keeper_or_a_client_it_says_so_and_ends() {
    let sandbox = Sandbox::new();
    runtime().block_on(async {
        let session = Session::owner(&sandbox).await;
        let no = session.no("status", json!({})).await;
        assert!(
            no.contains("no keeper runs") && no.contains("`skep run` or `skep up`"),
            "{no}"
        );
        session.close().await;
    });
    // Nobody at the other end is no fault.
    let output = sandbox
        .command(&["mcp"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        crate::text(&output.stderr)
    );
    assert!(output.stdout.is_empty());
}

// proves: U-8
#[test]
fn the_official_inspector_finds_nothing_wrong() {
    let (sandbox, _run) = swarm();
    let home = tempfile::tempdir().unwrap();
    let inspect = |args: &[&str]| {
        let mut npx = command("npx", sandbox.path());
        npx.args(["--yes", "@modelcontextprotocol/inspector", "--cli"])
            .arg(env!("CARGO_BIN_EXE_skep"))
            .arg("mcp")
            .args(args)
            .env("HOME", home.path())
            .env("npm_config_update_notifier", "false");
        npx.output()
    };
    let listed = match inspect(&["--method", "tools/list"]) {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => {
            return skipped(&format!(
                "the MCP inspector: {}",
                crate::text(&output.stderr)
            ));
        }
        Err(error) => return skipped(&format!("the MCP inspector: no npx: {error}")),
    };
    let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
    assert!(listed["tools"].as_array().unwrap().len() > 10);
    let called = inspect(&["--method", "tools/call", "--tool-name", "status"]).unwrap();
    let called: serde_json::Value = serde_json::from_slice(&called.stdout).unwrap();
    assert_eq!(called["structuredContent"]["swarm"], "owned");
    sandbox.expect(0, &["down"]);
}
