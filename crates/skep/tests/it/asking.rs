//! `skep ask`: an agent asks a person by the command line, and its exit code says what came of it (U-8, L-4b).

use crate::{Sandbox, said::events, until};
use serde_json::Value;

const PLAN: &str = r#"
[swarm]
name = "asking"
workers = 1
[[task]]
id = "one"
mission = "Ask."
max_retries = 0
command = '''
"$SKEP_BIN" ask "Which db,   now?" --options "pg, sqlite" --option "none, yet" > answer.txt; echo $? >> answer.txt
"$SKEP_BIN" ask Which host? > declined.txt 2>&1; echo $? >> declined.txt
"$SKEP_BIN" ask Anybody? --wait 50ms > yet.txt 2>&1; echo $? >> yet.txt
"$SKEP_BIN" ask --withdraw 1.m3 && "$SKEP_BIN" ask --withdraw 1.m3 || exit 9
"$SKEP_BIN" ask --withdraw 2.m1 2> theirs.txt; echo $? >> theirs.txt
"$SKEP_BIN" ask "" 2> empty.txt; echo $? >> empty.txt
"$SKEP_BIN" ask --json Which name? > name.json
'''
"#;

/// The question that waits for an answer, once it is this one.
fn asked(sandbox: &Sandbox, id: &str) -> Value {
    let mut found = Value::Null;
    until("it is asked", || {
        let list = sandbox.skep(&["asks", "--json"]).out;
        let list: Value = serde_json::from_str(&list).unwrap_or_default();
        let asks = list["asks"].as_array().cloned().unwrap_or_default();
        let this = asks.into_iter().find(|ask| ask["id"] == id);
        found = this.unwrap_or_default();
        !found.is_null()
    });
    found
}

// proves: U-8, L-4b, W-4
#[test]
fn an_agent_asks_by_the_command_line_though_its_keeper_is_killed() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let ask = asked(&sandbox, "1.m1");
    assert_eq!(ask["text"], "Which db,   now?");
    assert_eq!(
        ask["options"],
        serde_json::json!(["pg", "sqlite", "none, yet"])
    );
    // The keeper is `skep run` itself.
    run.kill().unwrap();
    run.wait().unwrap();
    sandbox.expect(0, &["answer", "1.m1", "--option", "2"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    asked(&sandbox, "1.m2");
    sandbox.expect(0, &["answer", "1.m2", "--deny", "yours", "to", "say"]);
    asked(&sandbox, "1.m4");
    sandbox.expect(0, &["answer", "1.m4", "swarm"]);
    assert_eq!(run.wait().unwrap().code(), Some(0));

    let made = |name: &str| sandbox.git(&["show", &format!("skep/asking:{name}")]);
    assert_eq!(made("answer.txt"), "sqlite\n0\n");
    assert_eq!(made("declined.txt"), "declined: yours to say\n3\n");
    let yet = made("yet.txt");
    assert!(
        yet.starts_with("nobody has answered 1.m3 yet; ask the same again")
            && yet.ends_with("\n1\n"),
        "{yet}"
    );
    let theirs = made("theirs.txt");
    assert!(
        theirs.contains("no question 2.m1 of this attempt") && theirs.ends_with("\n3\n"),
        "{theirs}"
    );
    let empty = made("empty.txt");
    assert!(
        empty.contains("error:") && empty.ends_with("\n2\n"),
        "{empty}"
    );
    let name: Value = serde_json::from_str(&made("name.json")).unwrap();
    assert_eq!(
        (&name["answer"], &name["declined"]),
        (&"swarm".into(), &Value::Null)
    );
    assert_eq!(events(&sandbox, "asked").len(), 4, "nobody was asked twice");
    assert_eq!(events(&sandbox, "ask_closed").len(), 4);
}

// proves: U-8
#[test]
fn who_is_no_agent_asks_nobody() {
    let sandbox = Sandbox::new();
    let nobody = sandbox.expect(2, &["ask", "Who am I?"]).err;
    assert!(nobody.contains("SKEP_TOKEN is not set here"), "{nobody}");
    let wait = sandbox.expect(2, &["ask", "Now?", "--wait", "soon"]).err;
    assert!(
        wait.contains("--wait \"soon\" is no length of time"),
        "{wait}"
    );
    let id = sandbox.expect(2, &["ask", "--withdraw", "../x"]).err;
    assert!(id.contains("is not an ask"), "{id}");
    sandbox.expect(2, &["ask"]);
}
