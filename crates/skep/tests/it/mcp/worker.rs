//! The worker's side.

use super::{Session, runtime};
use crate::{
    Sandbox,
    said::{events, held, token},
};
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

// proves: U-8, T-3
#[test]
fn an_agent_is_offered_its_own_attempt_and_nothing_else() {
    let (sandbox, outside) = (Sandbox::new(), tempfile::tempdir().unwrap());
    sandbox.write("plan.toml", &held(outside.path(), ""));
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let token = token(outside.path());
    runtime().block_on(async {
        let session = Session::worker(&sandbox, &token).await;
        assert_eq!(
            session.names().await,
            [
                "context",
                "checkpoint",
                "heartbeat",
                "memo",
                "memos",
                "block",
                "complete"
            ]
        );
        for other in ["status", "cancel", "add_task", "events", "retry"] {
            let no = session
                .client
                .call_tool(CallToolRequestParams::new(other))
                .await;
            assert!(
                no.unwrap_err().to_string().contains("there is no tool"),
                "{other}"
            );
        }
        let context = session.get("context", json!({})).await;
        assert_eq!(
            (&context["task"], &context["attempt"]),
            (&"one".into(), &1.into())
        );
        assert_eq!(context["mission"], "Make one.");
        assert!(context["time"]["hard_stop_left_ms"].as_u64().unwrap() > 40 * 60_000);
        session
            .get(
                "checkpoint",
                json!({"text": "half\u{1b}[2J of it", "percent": 50}),
            )
            .await;
        let memo = json!({"key": "db", "value": "sqlite", "source": "schema.sql"});
        assert_eq!(session.get("memo", memo).await["attempt"], 1);
        assert_eq!(
            session.get("memos", json!({})).await["memos"][0]["task"],
            "one"
        );
        let known = session.get("context", json!({})).await;
        assert_eq!(
            (&known["checkpoint"]["text"], &known["memos"]),
            (&"half[2J of it".into(), &1.into())
        );
        for (tool, arguments, part) in [
            (
                "checkpoint",
                json!({"text": "x".repeat(5_000)}),
                "4096 is the most",
            ),
            (
                "checkpoint",
                json!({"text": "x", "percent": 900}),
                "percent",
            ),
            (
                "checkpoint",
                json!({"text": "x", "attempt": 2}),
                "unknown field `attempt`",
            ),
            (
                "memo",
                json!({"key": "k", "value": "v"}),
                "missing field `source`",
            ),
            (
                "block",
                json!({"reason": "x", "on_task": "../../x"}),
                "on_task: ",
            ),
            (
                "block",
                json!({"reason": "x", "on_task": "nope"}),
                "there is no task nope",
            ),
            (
                "complete",
                json!({"summary": "x", "no_op": ""}),
                "no_op is 0 bytes long",
            ),
            (
                "complete",
                json!({"summary": "x", "no_op": "y"}),
                "SKEP_RESULT is not set",
            ),
        ] {
            let no = session.no(tool, arguments).await;
            assert!(no.contains(part), "{tool}: {no}");
        }
        let forged = Session::worker(&sandbox, &format!("skep-a1-{}", "0".repeat(64))).await;
        let no = forged.no("context", json!({})).await;
        assert!(no.contains("this is no attempt's token"), "{no}");
        forged.close().await;
        // The token ends with its attempt, for a session that is open, too.
        fs::write(outside.path().join("go"), "").unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(0));
        let no = session.no("checkpoint", json!({"text": "more"})).await;
        assert!(
            no.contains("attempt 1 is over") && no.contains("hint: end now"),
            "{no}"
        );
        session.close().await;
    });
    sandbox.expect(0, &["down"]);
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"hand","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn call(id: u32, tool: &str, arguments: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}).to_string()
}

// proves: U-8, T-3
#[test]
fn half_written_endless_and_senseless_input_ends_nothing() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["mcp"]);
    let mut process = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
    for line in [
        INITIALIZE,
        INITIALIZED,
        "{\"jsonrpc\": \"2.0\", \"id\": 5, \"meth",
        "\u{7}\u{0}",
        "[]",
        "null",
    ] {
        writeln!(input, "{line}").unwrap();
    }
    // A line longer than any message is dropped, and memory does not grow with it.
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..24 {
        input.write_all(&piece).unwrap();
    }
    writeln!(input).unwrap();
    let memory = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let memory = memory.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    let kb: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kb < 64 * 1024, "{memory}");
    writeln!(input, "{}", call(7, "status", &json!({}))).unwrap();
    let answer = output.find_map(|line| {
        let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (answer["id"] == 7).then_some(answer)
    });
    assert_eq!(
        answer.unwrap()["result"]["isError"],
        true,
        "there is no keeper, and that is said"
    );
    // It leaves in the middle of a message.
    input.write_all(b"{\"jsonrpc\": \"2.0\"").unwrap();
    drop(input);
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

// proves: U-8, L-2, W-10
#[test]
fn a_shell_agent_does_its_whole_attempt_by_mcp() {
    let sandbox = Sandbox::new();
    let lines = [
        INITIALIZE.to_string(),
        INITIALIZED.to_string(),
        call(1, "context", &json!({})),
        call(2, "checkpoint", &json!({"text": "begun", "percent": 10})),
        call(
            3,
            "memo",
            &json!({"key": "lang", "value": "sh", "source": "this script"}),
        ),
        call(
            4,
            "complete",
            &json!({"summary": "nothing to do", "no_op": "it was there"}),
        ),
    ];
    sandbox.write("calls.jsonl", &(lines.join("\n") + "\n"));
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-q", "-m", "calls"]);
    // Standard input stays open until the last call is answered, as a client's does.
    let script = r#"
mkfifo calls
"$SKEP_BIN" mcp < calls > answers &
exec 3> calls
rm calls
cat calls.jsonl >&3
n=0; while ! grep -q '"id":4' answers; do n=$((n + 1)); test $n -lt 500 || exit 9; sleep 0.02; done
exec 3>&-
wait
grep -q '"mission":"Do nothing."' answers || exit 8
rm answers
"#;
    sandbox.write(
        "plan.toml",
        &format!(
            "[swarm]\nname = \"whole\"\nworkers = 1\n[[task]]\nid = \"one\"\nmission = \"Do nothing.\"\nallow_no_op = true\n\
             success = [\"test -f calls.jsonl\"]\ncommand = '''{script}'''\n\
             [[task]]\nid = \"lies\"\nmission = \"Claim it.\"\nmax_retries = 0\nsuccess = [\"test -f nowhere\"]\n\
             command = '''{script}'''\n"
        ),
    );
    // A claim is a claim: what does not pass its criteria is not done.
    let ran = sandbox.expect(1, &["run", "plan.toml"]);
    let task = |id: &str| sandbox.json(&["tasks", "show", id, "--json"]);
    let one = task("one");
    assert_eq!(one["state"], "merged", "{}\n{one}", ran.err);
    assert_eq!(one["receipt"]["no_op"], "it was there");
    assert_eq!(task("lies")["state"], "flagged");
    let said = events(&sandbox, "checkpointed");
    // Calls that are sent without waiting are worked on side by side.
    let claims = said.iter().filter(|e| e["percent"] == 100).count();
    assert_eq!((said.len(), claims), (4, 2));
    assert_eq!(sandbox.json(&["memo", "--json"])["memos"][0]["key"], "lang");
}
