//! What is said to agents: answers, interrupts, nudges, and what they ask that was never offered.

use crate::order::{dialogue, order, place, settings};
use serde_json::{Value, json};
use skep_agents::{
    Adapter, AgentEnd, Answer, CannotSay, Dialogue, ErrorKind, Exit, Permission, Say, Seen,
    command::{Rules, RulesFault},
    verdict,
};
use skep_core::attempt::End;

struct Talk(Dialogue);

impl Talk {
    fn with(name: &str) -> Talk {
        let mut talk = Talk(dialogue(&Adapter::named(name).unwrap(), Permission::Ask));
        talk.written();
        talk
    }

    fn reads(&mut self, message: &Value) -> Vec<Seen> {
        self.0.read(format!("{message}\n").as_bytes())
    }

    fn written(&mut self) -> Vec<Value> {
        let bytes = self.0.to_write();
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    fn answer(&mut self, id: &str, answer: Answer) -> Result<Vec<Seen>, CannotSay> {
        let id = id.into();
        self.0.say(&Say::Answer { id, answer })
    }
}

fn acp() -> Talk {
    let mut talk = Talk::with("gemini");
    talk.reads(&json!({"jsonrpc": "2.0", "id": 0, "result": {}}));
    talk.reads(&json!({"jsonrpc": "2.0", "id": 1, "result": {"sessionId": "s"}}));
    talk.written();
    talk
}

fn permission(id: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "session/request_permission", "params": {"options": [
        {"optionId": "always", "kind": "allow_always", "name": "Always"},
        {"optionId": "once", "kind": "allow_once", "name": "Once"},
        {"optionId": "no", "kind": "reject_once", "name": "No"}], "toolCall": {"title": "rm", "kind": "execute"}}})
}

// proves: L-4b
#[test]
fn a_permission_is_answered_once_and_with_no_more_than_was_said() {
    let mut talk = acp();
    let seen = talk.reads(&permission(json!(0)));
    assert!(
        matches!(&seen[0], Seen::PermissionAsked { id, text, .. } if id == "0" && text == "rm")
    );
    talk.answer("0", Answer::Allow).unwrap();
    let outcome = json!({"outcome": {"outcome": "selected", "optionId": "once"}});
    assert_eq!(talk.written()[0]["result"], outcome);
    let again = talk.answer("0", Answer::Allow);
    assert_eq!(again, Err(CannotSay::NotAsked("0".into())));
    assert!(talk.written().is_empty(), "nothing is said twice");
    talk.reads(&permission(json!("0")));
    assert!(
        talk.answer("0", Answer::Allow).is_err(),
        "numbers and texts do not meet"
    );
    talk.answer("\"0\"", Answer::Deny("no".into())).unwrap();
    assert_eq!(talk.written()[0]["result"]["outcome"]["optionId"], "no");
}

// proves: L-4b
#[test]
fn who_cancels_answers_everything_that_is_open() {
    let mut talk = acp();
    for id in 0..3 {
        talk.reads(&permission(json!(id)));
    }
    talk.0.say(&Say::Interrupt).unwrap();
    let said = talk.written();
    assert_eq!(said[0]["method"], "session/cancel");
    assert_eq!(said.len(), 4);
    assert!(
        said[1..]
            .iter()
            .all(|s| s["result"]["outcome"]["outcome"] == "cancelled")
    );
    assert!(talk.0.summary().asks.is_empty());
}

// proves: X-1
#[test]
fn a_nudge_waits_for_the_turn_where_the_protocol_has_one_prompt_at_a_time() {
    let mut talk = acp();
    talk.0.say(&Say::Nudge("and tests".into())).unwrap();
    assert!(talk.written().is_empty());
    let end = json!({"jsonrpc": "2.0", "id": 2, "result": {"stopReason": "end_turn"}});
    let seen = talk.reads(&end);
    assert_eq!(seen, [Seen::TurnBegan], "not done yet");
    assert_eq!(
        talk.written()[0]["params"]["prompt"][0]["text"],
        "and tests"
    );
    let end = json!({"jsonrpc": "2.0", "id": 3, "result": {"stopReason": "end_turn"}});
    assert!(matches!(
        talk.reads(&end)[..],
        [Seen::Done { ok: true, .. }]
    ));
}

// proves: X-1, T-3
#[test]
fn what_was_never_offered_is_refused_in_the_agents_own_protocol() {
    let mut talk = acp();
    talk.reads(&json!({"jsonrpc": "2.0", "id": 9, "method": "fs/write_text_file", "params": {"path": "/etc/x"}}));
    assert_eq!(talk.written()[0]["error"]["code"], -32601);
    let mut codex = Talk::with("codex-server");
    codex.reads(&json!({"id": "z", "method": "account/chatgptAuthTokens/refresh", "params": {}}));
    assert_eq!(
        codex.written()[0],
        json!({"id": "z", "error": {"code": -32601,
        "message": "Skep does not offer account/chatgptAuthTokens/refresh"}})
    );
    let mut claude = Talk::with("claude");
    claude.reads(&json!({"type": "control_request", "request_id": "h", "request": {"subtype": "hook_callback"}}));
    assert_eq!(claude.written()[0]["response"]["subtype"], "error");
}

// proves: L-4b, T-3
#[test]
fn claude_gets_back_exactly_what_it_asked_about() {
    let mut talk = Talk::with("claude");
    let input = r#"{"file_path":"a\u0000b","content":"x\n\"}","n":1.50,"big":123456789012345678901234567890}"#;
    talk.0.read(format!(r#"{{"type":"control_request","request_id":"r\"1","request":{{"subtype":"can_use_tool","tool_name":"Write","input":{input}}}}}"#).as_bytes());
    talk.0.read(b"\n");
    talk.answer("r\"1", Answer::Allow).unwrap();
    let bytes = String::from_utf8(talk.0.to_write()).unwrap();
    assert!(
        bytes.contains(&format!("\"updatedInput\":{input}")),
        "{bytes}"
    );
    assert_eq!(bytes.matches('\n').count(), 1);
}

// proves: L-4b
#[test]
fn a_question_is_asked_with_its_options_and_answered_with_a_text() {
    let mut talk = Talk::with("claude");
    let input = json!({"questions": [{"question": "Which db?", "options": [{"label": "pg"}, {"label": "sqlite"}]}]});
    let seen = talk.reads(&json!({"type": "control_request", "request_id": "q",
        "request": {"subtype": "can_use_tool", "tool_name": "AskUserQuestion", "input": input}}));
    let expected = Seen::Question {
        id: "q".into(),
        text: "Which db?".into(),
        options: vec!["pg".into(), "sqlite".into()],
    };
    assert_eq!(seen, [expected]);
    let no = talk.answer("q", Answer::Allow);
    assert_eq!(no, Err(CannotSay::NotAnAnswer("q".into())));
    talk.answer("q", Answer::Text("pg".into())).unwrap();
    let said = &talk.written()[0]["response"]["response"];
    assert_eq!(said["updatedInput"]["answers"], json!({"Which db?": "pg"}));

    let mut codex = Talk::with("codex-server");
    codex.reads(
        &json!({"id": 5, "method": "item/tool/requestUserInput", "params": {"questions": [
        {"id": "a", "question": "Which?", "options": [{"label": "x"}]}]}}),
    );
    codex.answer("5", Answer::Text("x".into())).unwrap();
    assert_eq!(
        codex.written()[0],
        json!({"id": 5, "result": {"answers": {"a": {"answers": ["x"]}}}})
    );
}

// proves: L-4b
#[test]
fn a_question_that_is_withdrawn_or_outlived_waits_for_nobody() {
    let ask = json!({"type": "control_request", "request_id": "r",
        "request": {"subtype": "can_use_tool", "tool_name": "Bash", "input": {}}});
    let settled = Seen::Settled { id: "r".into() };
    let mut talk = Talk::with("claude");
    talk.reads(&ask);
    let seen = talk.reads(&json!({"type": "control_cancel_request", "request_id": "r"}));
    assert_eq!(seen, std::slice::from_ref(&settled));
    talk.reads(&ask);
    let seen = talk.reads(&json!({"type": "result", "subtype": "success", "is_error": false}));
    assert!(seen.contains(&settled));
    assert!(talk.answer("r", Answer::Allow).is_err());
}

// proves: X-1
#[test]
fn a_prompt_that_looks_like_a_command_of_the_agent_is_none() {
    for name in ["claude", "pi", "gemini"] {
        let adapter = Adapter::named(name).unwrap();
        let order = order(" /clear\nand do it");
        let mut dialogue = adapter.dialogue(&order, &place(), &settings(Permission::All));
        for id in 0..2 {
            let answer = json!({"jsonrpc": "2.0", "id": id, "result": {"sessionId": "s"}});
            dialogue.read(format!("{answer}\n").as_bytes());
        }
        let said = String::from_utf8(dialogue.to_write()).unwrap();
        assert!(
            said.contains(r#""Task:\n /clear\nand do it""#),
            "{name}: {said}"
        );
    }
}

// proves: X-1, T-3
#[test]
fn what_the_settings_grant_is_answered_at_once_and_nothing_else_is() {
    let call = |kind: &str, paths: &[&str]| {
        let places: Vec<Value> = paths.iter().map(|path| json!({"path": path})).collect();
        let mut message = permission(json!(7));
        message["params"]["toolCall"] =
            json!({"toolCallId": "c", "kind": kind, "title": "x", "locations": places});
        message
    };
    let granted = |permission, message: &Value| {
        let mut talk = Talk(dialogue(&Adapter::named("gemini").unwrap(), permission));
        talk.reads(&json!({"jsonrpc": "2.0", "id": 0, "result": {}}));
        talk.reads(&json!({"jsonrpc": "2.0", "id": 1, "result": {"sessionId": "s"}}));
        talk.written();
        let seen = talk.reads(message);
        let said = talk.written();
        assert_eq!(said.is_empty(), talk.0.summary().asks.len() == 1);
        if let Some(said) = said.first() {
            assert_eq!(said["result"]["outcome"]["optionId"], "once");
            assert!(matches!(&seen[..], [Seen::ToolBegan { .. }]), "{seen:?}");
        }
        !said.is_empty()
    };
    let edit = call("edit", &["/repo/src/a", "/repo/b"]);
    assert!(!granted(Permission::Ask, &edit));
    assert!(granted(Permission::Edits, &edit));
    for message in [
        call("execute", &["/repo"]),
        call("edit", &[]),
        call("edit", &["/repo/a", "/etc/passwd"]),
        call("edit", &["/repository/a"]),
        call("edit", &["/repo/../x"]),
        call("edit", &["/repo/.git/hooks/post-commit"]),
        call("edit", &["/repo"]),
    ] {
        assert!(!granted(Permission::Edits, &message), "{message}");
        assert!(granted(Permission::All, &message));
    }
}

// proves: X-1
#[test]
fn what_is_asked_while_a_turn_is_being_interrupted_is_refused() {
    let mut talk = acp();
    talk.0.say(&Say::Interrupt).unwrap();
    talk.written();
    assert!(talk.reads(&permission(json!(3))).is_empty());
    assert_eq!(
        talk.written()[0]["result"]["outcome"]["outcome"],
        "cancelled"
    );
    let mut claude = Talk::with("claude");
    claude.0.say(&Say::Interrupt).unwrap();
    claude.written();
    claude.reads(&json!({"type": "control_request", "request_id": "r",
        "request": {"subtype": "can_use_tool", "tool_name": "Bash", "input": {}}}));
    assert_eq!(
        claude.written()[0]["response"]["response"]["behavior"],
        "deny"
    );
}

// proves: X-1
#[test]
fn rules_that_cannot_work_are_refused_with_what_is_wrong() {
    let fault = |text: &str| Rules::parse(text).unwrap_err();
    assert_eq!(
        fault(r#"{"lines":"json","rules":[]}"#),
        RulesFault::Number(0)
    );
    let no_when = fault(r#"{"lines":"json","rules":[{"see":[{"progress":{}}]}]}"#);
    assert_eq!(
        no_when.to_string(),
        "output rule 1 needs `when`: the lines are JSON"
    );
    let hole =
        fault(r#"{"lines":"text","rules":[{"line":"a {x}","see":[{"said":{"text":"y"}}]}]}"#);
    assert_eq!(
        hole.to_string(),
        "output rule 1 uses {y}, which its line does not have; it has x"
    );
    let unknown = fault(r#"{"lines":"text","rules":[{"line":"a","see":[{"sang":{}}]}]}"#);
    assert!(
        unknown.to_string().contains("unknown variant `sang`"),
        "{unknown}"
    );
    let open = fault(r#"{"lines":"text","rules":[{"line":"a {x","see":[]}]}"#);
    assert!(
        open.to_string().contains("the hole {x has no end"),
        "{open}"
    );
}

// proves: X-1a
#[test]
fn a_turn_that_was_cancelled_is_no_claim_whatever_its_end_is_called() {
    let mut talk = acp();
    talk.0.say(&Say::Interrupt).unwrap();
    // opencode, while it tried again in secret.
    let seen =
        talk.reads(&json!({"jsonrpc": "2.0", "id": 2, "result": {"stopReason": "end_turn"}}));
    assert!(matches!(seen.last(), Some(Seen::Done { ok: false, .. })));
}

/// A pi whose first request was refused, which may try again.
fn refused_pi() -> (Talk, Value) {
    let mut talk = Talk::with("pi");
    talk.reads(&json!({"type": "agent_start"}));
    talk.reads(
        &json!({"type": "message_end", "message": {"role": "assistant", "stopReason": "error",
        "errorMessage": "500 broken", "content": []}}),
    );
    let seen = talk.reads(&json!({"type": "agent_end", "messages": []}));
    assert!(matches!(seen[..], [Seen::Error(_)]), "not done: {seen:?}");
    let asked = talk.written().pop().unwrap();
    (talk, asked["id"].clone())
}

fn done(seen: &[Seen]) -> bool {
    seen.iter()
        .any(|seen| matches!(seen, Seen::Done { ok: false, .. }))
}

// proves: X-1a
#[test]
fn pi_is_done_only_once_it_does_not_try_again() {
    let answer =
        |id: &Value| json!({"type": "response", "command": "get_state", "success": true, "id": id});
    let (mut gives_up, asked) = refused_pi();
    assert!(!done(&gives_up.reads(&answer(&json!("1")))), "another's");
    assert!(done(&gives_up.reads(&answer(&asked))));
    assert!(!done(&gives_up.reads(&answer(&asked))), "twice");

    let (mut again, asked) = refused_pi();
    again.reads(&json!({"type": "auto_retry_start", "attempt": 1, "delayMs": 2000, "errorMessage": "500 broken"}));
    assert!(!done(&again.reads(&answer(&asked))));
    // An interrupt while it waits for the next try has no other end.
    again.0.say(&Say::Interrupt).unwrap();
    let end = json!({"type": "auto_retry_end", "success": false, "finalError": "Retry cancelled"});
    assert!(done(&again.reads(&end)));

    let (mut dies, _) = refused_pi();
    assert!(done(&dies.0.end()));
}

fn fails(talk: &Talk) -> Option<ErrorKind> {
    let exit = Exit {
        end: End::Exited(0),
        by_us: None,
    };
    match verdict(talk.0.summary(), &exit) {
        AgentEnd::Ended { kind, .. } => kind,
        AgentEnd::Claims { .. } => None,
    }
}

// proves: X-1a
#[test]
fn a_model_that_declines_or_is_full_is_no_agent_that_is_done() {
    let mut claude = Talk::with("claude");
    claude.reads(
        &json!({"type": "result", "subtype": "success", "is_error": true, "stop_reason": "refusal",
        "result": "API Error: Claude Code is unable to respond to this request"}),
    );
    assert_eq!(fails(&claude), Some(ErrorKind::Policy));
    let mut opencode = acp();
    opencode.reads(&json!({"jsonrpc": "2.0", "id": 2, "error": {"code": -32603,
        "message": "Internal error: Session too large to compact", "data": {"errorName": "ContextOverflowError"}}}));
    assert_eq!(fails(&opencode), Some(ErrorKind::Context));
    let rules = Rules::parse(skep_agents::command::AIDER).unwrap();
    let mut aider = Talk(dialogue(&Adapter::Command(rules), Permission::All));
    aider.0.read(b"Aider v0.86.2\nTokens: 2.4k sent, 0 received.\n\nModel openai/scripted has hit a token limit!\n");
    assert_eq!(fails(&aider), Some(ErrorKind::Context));
}
