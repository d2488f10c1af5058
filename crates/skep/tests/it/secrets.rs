//! Secrets that agents, checks and set-ups print or say are in nothing that Skep keeps or shows (T-2), and keys are in
//! no process list.

use crate::{Sandbox, said::token, until};
use skep_host::command::command;
use std::{fs, path::Path};

const KEY: &str = "Zq7-known-by-its-name-9x";
const SHAPED: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
/// What the log and the views say in its place.
const GONE: &str = "[redacted:DEPLOY_TOKEN]";

/// A plan whose agent tells its secrets in every way that there is, then waits to be let go, and fails.
fn plan(outside: &Path) -> String {
    let outside = outside.display();
    format!(
        r#"
[swarm]
name = "leaky"
workers = 2
[policy]
max_retries = 0
crash_retries = 0
backoff = "1ms"
[[task]]
id = "tells"
mission = "Tell."
command = """
echo "$DEPLOY_TOKEN and $SKEP_TOKEN and $SHAPED"
"$SKEP_BIN" checkpoint "with $DEPLOY_TOKEN" --percent 40
"$SKEP_BIN" memo "db" "$SKEP_TOKEN" --source "$SHAPED"
printf %s "$SKEP_TOKEN" > {outside}/token.new && mv {outside}/token.new {outside}/token
while ! test -f {outside}/go; do sleep 0.02; done
echo "last: $DEPLOY_TOKEN" >&2
exit 7
"""
[[task]]
id = "blocks"
mission = "Block."
command = '"$SKEP_BIN" block "no access with $DEPLOY_TOKEN and $SHAPED"; sleep 60'
[[task]]
id = "nothing"
mission = "Say why not."
allow_no_op = true
command = '''printf '{{"no_op":"%s is enough"}}' "$DEPLOY_TOKEN" > "$SKEP_RESULT"'''
[[task]]
id = "checked"
mission = "Fail the check."
command = "echo 1 > one.txt"
success = ['echo "check with $DEPLOY_TOKEN"; false']
"#
    )
}

fn leaky(sandbox: &Sandbox, args: &[&str]) -> std::process::Command {
    let mut skep = sandbox.command(args);
    skep.env("DEPLOY_TOKEN", KEY).env("SHAPED", SHAPED);
    skep
}

/// Files below `.skep` that hold a text.
fn holding(sandbox: &Sandbox, text: &str) -> String {
    let mut grep = command("grep", sandbox.path());
    let found = grep.args(["-rlaF", "--", text, ".skep"]).output().unwrap();
    String::from_utf8_lossy(&found.stdout).into_owned()
}

// proves: T-2, T-3
#[test]
fn what_agents_tell_of_their_secrets_is_kept_and_shown_nowhere() {
    let (sandbox, outside) = (Sandbox::new(), tempfile::tempdir().unwrap());
    sandbox.write("plan.toml", &plan(outside.path()));
    let run = leaky(&sandbox, &["run", "plan.toml"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let token = token(outside.path());
    // While agents run: keys and tokens are in environments, and on no command line.
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let argv = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let argv = String::from_utf8_lossy(&argv).into_owned();
        // Those with which an agent itself calls are its own affair, and over soon.
        let own = argv.contains("checkpoint") || argv.contains("memo") || argv.contains("block");
        assert!(
            own || !(argv.contains(&token) || argv.contains(KEY)),
            "{argv}"
        );
    }
    until("the others are over", || {
        let list = sandbox.json(&["tasks", "--json"]);
        let tasks = list["tasks"].as_array().unwrap().clone();
        let over = |task: &&serde_json::Value| {
            !matches!(
                task["state"].as_str(),
                Some("ready" | "running" | "waiting" | "claimed")
            )
        };
        tasks.iter().filter(over).count() >= 2
    });
    fs::write(outside.path().join("go"), "").unwrap();
    let ran = crate::ran(run.wait_with_output().unwrap());
    let mut said = ran.out + &ran.err;
    let views: [&[&str]; 19] = [
        &["events"],
        &["events", "--json"],
        &["status"],
        &["status", "--json"],
        &["tasks"],
        &["tasks", "show", "tells"],
        &["tasks", "show", "tells", "--json"],
        &["tasks", "show", "blocks", "--json"],
        &["tasks", "show", "nothing", "--json"],
        &["tasks", "show", "checked", "--json"],
        &["why", "tells"],
        &["why", "blocks"],
        &["why", "checked"],
        &["logs", "tells"],
        &["logs", "tells", "--raw"],
        &["logs", "tells", "--json"],
        &["logs", "checked"],
        &["memo"],
        &["costs", "--json"],
    ];
    for args in views {
        let shown = sandbox.expect(0, args);
        said.push_str(&(shown.out + &shown.err));
    }
    for secret in [KEY, SHAPED, &token[20..]] {
        assert_eq!(holding(&sandbox, secret), "", "{secret} is in a file");
        let at = said.find(secret);
        let around = at.map(|at| &said[said.floor_char_boundary(at.saturating_sub(300))..]);
        assert_eq!(around, None, "{secret} is shown");
    }
    for told in [
        format!("{GONE} and [redacted:SKEP_TOKEN] and [redacted:github-token]"),
        format!("with {GONE}"),
        format!("last: {GONE}"),
        format!("no access with {GONE} and [redacted:github-token]"),
        format!("{GONE} is enough"),
        format!("check with {GONE}"),
        "[redacted:skep-token]".into(),
    ] {
        assert!(said.contains(&told), "{told}: {said}");
    }
}
