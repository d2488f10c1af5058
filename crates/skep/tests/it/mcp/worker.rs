//! The worker's side.

use super::{Session, runtime};
use crate::{
    Sandbox,
    said::{events, held, token},
    until,
};
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};
use skep_host::site::Site;
use skep_server::{api::AskInput, client::Speaker};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
    time::Duration,
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
                "ask",
                "withdraw",
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

/// The asks that wait for an answer, once there are so many.
fn asked(sandbox: &Sandbox, count: usize) -> Vec<Value> {
    let mut waiting = Vec::new();
    until("that many are asked", || {
        let list = sandbox.skep(&["asks", "--json"]).out;
        let list: Value = serde_json::from_str(&list).unwrap_or_default();
        let asks = list["asks"].as_array().cloned().unwrap_or_default();
        waiting = asks;
        waiting.retain(|ask| ask["answer"].is_null());
        waiting.len() == count
    });
    waiting
}

// proves: U-8, L-4b, W-4
#[test]
fn a_shell_agent_asks_and_is_answered_though_its_keeper_was_killed() {
    let sandbox = Sandbox::new();
    let mut ask: Value = serde_json::from_str(&call(
        1,
        "ask",
        &json!({"question": "Which\u{1b}[2J db?", "options": ["pg", "sqlite"]}),
    ))
    .unwrap();
    ask["params"]["_meta"] = json!({"progressToken": "p"});
    let lines = [
        INITIALIZE.to_string(),
        INITIALIZED.to_string(),
        ask.to_string(),
    ];
    sandbox.write("calls.jsonl", &(lines.join("\n") + "\n"));
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-q", "-m", "calls"]);
    let script = r#"
mkfifo calls
"$SKEP_BIN" mcp < calls > answers &
exec 3> calls
rm calls
cat calls.jsonl >&3
n=0; while ! grep -q '"id":1' answers; do n=$((n + 1)); test $n -lt 3000 || exit 9; sleep 0.02; done
exec 3>&-
wait
grep '"id":1' answers > answer.txt
grep -c notifications/progress answers > progress.txt
rm answers
"#;
    sandbox.write(
        "plan.toml",
        &format!(
            "[swarm]\nname = \"asks\"\nworkers = 1\n[[task]]\nid = \"one\"\nmission = \"Ask.\"\n\
             max_retries = 0\ncommand = '''{script}'''\n"
        ),
    );
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let ask = asked(&sandbox, 1).remove(0);
    assert_eq!(
        (&ask["id"], &ask["text"], &ask["kind"]),
        (&"1.m1".into(), &"Which[2J db?".into(), &"question".into())
    );
    let why = sandbox.expect(0, &["why", "w1"]).out;
    assert!(why.contains("waits for a person"), "{why}");
    // The keeper is `skep run` itself.
    run.kill().unwrap();
    run.wait().unwrap();
    sandbox.expect(0, &["answer", "1.m1", "--option", "2"]);
    let ran = sandbox.expect(0, &["run", "plan.toml"]);
    let answer = sandbox.git(&["show", "skep/asks:answer.txt"]);
    let answer: Value = serde_json::from_str(answer.trim()).unwrap();
    let heard = &answer["result"]["structuredContent"];
    assert_eq!(heard["answer"], "sqlite", "{}\n{answer}", ran.err);
    let told = sandbox.git(&["show", "skep/asks:progress.txt"]);
    assert_ne!(told.trim(), "0");
    assert_eq!(events(&sandbox, "asked").len(), 1, "nobody was asked twice");
    assert_eq!(events(&sandbox, "ask_closed").len(), 1);
    let late = sandbox.skep(&["answer", "1.m1", "pg"]);
    assert!(late.err.contains("no ask 1.m1"), "{}", late.err);
}

/// Something is asked. The test's own runtime must go on meanwhile.
async fn listed(owner: &Session) {
    let looked = async { while owner.get("asks", json!({})).await["asks"] == json!([]) {} };
    let looked = tokio::time::timeout(Duration::from_secs(60), looked).await;
    looked.expect("something is asked");
}

// proves: U-8, L-4b, T-3
#[test]
fn a_question_outlives_its_client_and_is_closed_when_it_is_heard() {
    let (sandbox, outside) = (Sandbox::new(), tempfile::tempdir().unwrap());
    sandbox.write("plan.toml", &held(outside.path(), ""));
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let token = token(outside.path());
    let speaker = Speaker::new(&Site::new(sandbox.path()).socket(), &token);
    let question = |text: &str| json!({ "question": text });
    runtime().block_on(async {
        let owner = Session::owner(&sandbox).await;
        // It is killed while it waits.
        let mut lost = Session::worker(&sandbox, &token).await;
        let call = CallToolRequestParams::new("ask")
            .with_arguments(question("Which port?").as_object().unwrap().clone());
        tokio::select! {
            answered = lost.client.call_tool(call) => panic!("nobody has answered: {answered:?}"),
            () = listed(&owner) => {}
        }
        lost.process.kill().unwrap();
        lost.process.wait().unwrap();
        let session = Session::worker(&sandbox, &token).await;
        let bounds = session.no("ask", question(&"x".repeat(5_000))).await;
        assert!(bounds.contains("4096 is the most"), "{bounds}");
        for (ask, part) in [
            ("../../x", "is not an ask"),
            ("2.m1", "no question 2.m1 of this attempt"),
            ("1.1", "no question 1.1 of this attempt"),
        ] {
            let no = session.no("withdraw", json!({ "ask": ask })).await;
            assert!(no.contains(part), "{no}");
        }
        assert_eq!(asked(&sandbox, 1)[0]["id"], "1.m1");
        // The owner's side of MCP shows and answers it like any other.
        assert_eq!(
            owner.get("asks", json!({})).await["asks"][0]["text"],
            "Which port?"
        );
        owner
            .get("answer", json!({"ask": "1.m1", "text": "8080"}))
            .await;
        // Answered, and heard by nobody: who asks again has it at once, and then it is closed.
        let heard = speaker.wait_for("1.m1").await.unwrap();
        assert_eq!(heard.answer.as_deref(), Some("8080"));
        let heard = session.get("ask", question("Which port?")).await;
        assert_eq!(
            (&heard["answer"], &heard["declined"]),
            (&"8080".into(), &Value::Null)
        );
        let gone = speaker.wait_for("1.m1").await.unwrap_err().to_string();
        assert!(gone.contains("no question 1.m1"), "{gone}");
        // Answered while it is waited for, and declined.
        let answers = async {
            let same = AskInput {
                question: "Which host?".into(),
                options: Vec::new(),
            };
            assert_eq!(speaker.ask_person(&same).await.unwrap().ask, "1.m2");
            owner
                .get(
                    "answer",
                    json!({"ask": "1.m2", "deny": true, "text": "yours to say"}),
                )
                .await
        };
        let (heard, _) = tokio::join!(session.get("ask", question("Which host?")), answers);
        assert_eq!(heard["declined"], "yours to say", "{heard}");
        // What is taken back waits no more.
        let third = AskInput {
            question: "Which name?".into(),
            options: vec!["a".into()],
        };
        let third = speaker.ask_person(&third).await.unwrap();
        for _ in 0..2 {
            session.get("withdraw", json!({ "ask": third.ask })).await;
        }
        assert_eq!(asked(&sandbox, 0), [Value::Null; 0]);
        owner.close().await;
        session.close().await;
    });
    // One that nobody answers ends with its attempt.
    runtime().block_on(async {
        let last = AskInput {
            question: "Anybody?".into(),
            options: Vec::new(),
        };
        speaker.ask_person(&last).await.unwrap();
    });
    fs::write(outside.path().join("go"), "").unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(asked(&sandbox, 0), [Value::Null; 0]);
    sandbox.expect(0, &["down"]);
}

// proves: U-8, L-1, L-4b
#[test]
fn who_waits_for_a_person_is_not_ended_for_the_time_that_it_takes() {
    let (sandbox, outside) = (Sandbox::new(), tempfile::tempdir().unwrap());
    let mut plan = held(outside.path(), "");
    // The hard stop comes after six seconds.
    plan.push_str("\n[policy]\ntimebox = \"4s\"\nheartbeat = \"1s\"\nmax_retries = 0\n");
    sandbox.write("plan.toml", &plan);
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let token = token(outside.path());
    let speaker = Speaker::new(&Site::new(sandbox.path()).socket(), &token);
    runtime().block_on(async {
        let question = AskInput {
            question: "Shall I?".into(),
            options: Vec::new(),
        };
        speaker.ask_person(&question).await.unwrap();
    });
    until(
        "more than the time has passed, and none of it was its own",
        || {
            // Asking too often is refused now and then.
            let context = runtime().block_on(speaker.context());
            context.is_ok_and(|context| {
                let time = context.time;
                time.ran_ms > 9_000 && time.hard_stop_left_ms > 0
            })
        },
    );
    sandbox.expect(0, &["answer", "1.m1", "yes"]);
    fs::write(outside.path().join("go"), "").unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    sandbox.expect(0, &["down"]);
}
