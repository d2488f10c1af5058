//! What agents say of their own attempts, by the command line and by the socket (U-8): it is heard, it is theirs
//! alone, and nobody else can say it for them.

use crate::{Sandbox, until};
use skep_host::site::Site;
use skep_server::{
    api::{CheckpointInput, Problem},
    client::{ClientError, Speaker},
};
use std::{fs, path::Path, time::Instant};

/// One task whose agent leaves its token where only the test looks, says something, and waits to be let go.
pub(crate) fn held(outside: &Path, says: &str) -> String {
    let outside = outside.display();
    format!(
        r#"
[swarm]
name = "said"
workers = 1
[[task]]
id = "one"
mission = "Make one."
command = """
{says}
printf %s "$SKEP_TOKEN" > {outside}/token.new && mv {outside}/token.new {outside}/token
while ! test -f {outside}/go; do sleep 0.02; done
echo 1 > one.txt
"""
"#
    )
}

pub(crate) fn token(outside: &Path) -> String {
    let file = outside.join("token");
    until("the agent runs", || file.exists());
    fs::read_to_string(file).unwrap()
}

pub(crate) fn events(sandbox: &Sandbox, kind: &str) -> Vec<serde_json::Value> {
    let all = sandbox.expect(0, &["events", "--json"]).out;
    let all = all.lines().map(|line| serde_json::from_str(line).unwrap());
    all.filter(|e: &serde_json::Value| e["type"] == kind)
        .collect()
}

/// Every file below a folder that holds a text.
fn holding(folder: &Path, text: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            holding(&path, text, found);
        } else if fs::read(&path).is_ok_and(|bytes| {
            let text = text.as_bytes();
            bytes.windows(text.len()).any(|part| part == text)
        }) {
            found.push(path.display().to_string());
        }
    }
}

fn refused(answer: Result<impl std::fmt::Debug, ClientError>) -> Problem {
    match answer {
        Err(ClientError::Refused(problem)) => *problem,
        other => panic!("it was not refused: {other:?}"),
    }
}

// proves: U-8, G-5, T-2
#[test]
fn an_agent_reports_by_the_command_line_and_its_token_is_nowhere() {
    let (sandbox, outside) = (Sandbox::new(), tempfile::tempdir().unwrap());
    let says = "\"$SKEP_BIN\" checkpoint parser done, tests next --percent 40
\"$SKEP_BIN\" heartbeat
\"$SKEP_BIN\" memo db sqlite --source db/schema.sql
\"$SKEP_BIN\" memo > memos.txt";
    sandbox.write("plan.toml", &held(outside.path(), says));
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let token = token(outside.path());
    let said = &events(&sandbox, "checkpointed")[0];
    assert_eq!(said["by"], serde_json::json!({ "agent": 1 }));
    assert_eq!(
        (&said["text"], &said["percent"]),
        (&"parser done, tests next".into(), &40.into())
    );
    let why = sandbox.expect(0, &["why", "one"]).out;
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        why.contains("says: 40 %, \"parser done, tests next\""),
        "{why}"
    );
    let memos = sandbox.json(&["memo", "--json"]);
    assert_eq!(memos["memos"][0]["source"], "db/schema.sql");
    // While it lives, the token is in the agent's environment and in no file: of its secret, no part is.
    let mut found = Vec::new();
    holding(sandbox.path(), &token[token.len() - 32..], &mut found);
    assert_eq!(found, [""; 0]);
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let argv = fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&argv).contains(&token),
            "in an argv"
        );
    }
    fs::write(outside.path().join("go"), "").unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let listed = sandbox.git(&["show", "skep/said:memos.txt"]);
    assert!(
        listed.starts_with("db: sqlite (db/schema.sql; w1, one)"),
        "{listed}"
    );
    // Dead with its attempt, for the command line too.
    let mut late = sandbox.command(&["checkpoint", "still here"]);
    late.env("SKEP_TOKEN", &token)
        .env("SKEP_REPO", sandbox.path());
    let late = crate::ran(late.output().unwrap());
    assert_eq!(late.code, 3, "{}", late.err);
    assert!(
        late.err.contains("attempt 1 is over") && late.err.contains("end now"),
        "{}",
        late.err
    );
    let nobody = sandbox.expect(2, &["block", "no network"]).err;
    assert!(nobody.contains("SKEP_TOKEN is not set here"), "{nobody}");
    sandbox.expect(0, &["down"]);
}

// proves: U-8, T-3, Q-6
#[test]
fn forged_tokens_and_floods_and_oversize_words_are_refused_and_noted_once() {
    let (sandbox, outside) = (Sandbox::new(), tempfile::tempdir().unwrap());
    sandbox.write("plan.toml", &held(outside.path(), ""));
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let token = token(outside.path());
    let socket = Site::new(sandbox.path()).socket();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let zeros = "0".repeat(64);
    runtime.block_on(async {
        for forged in [
            format!("skep-a1-{zeros}"),
            format!("skep-a9-{zeros}"),
            format!("skep-a../../a1-{zeros}"),
            token.to_uppercase(),
            "x".repeat(4_000),
        ] {
            for _ in 0..20 {
                let no = refused(Speaker::new(&socket, &forged).context().await);
                assert_eq!((no.status, &*no.code), (401, "bad_token"));
            }
        }
        let speaker = Speaker::new(&socket, &token);
        let say = |text: String| CheckpointInput {
            text,
            percent: None,
        };
        let long = refused(speaker.checkpoint(&say("x".repeat(4_097))).await);
        assert_eq!(&*long.code, "bad_word");
        assert!(
            long.detail
                .contains("text is 4097 bytes long; 4096 is the most"),
            "{}",
            long.detail
        );
        let huge = refused(speaker.checkpoint(&say("x".repeat(80_000))).await);
        assert_eq!(huge.status, 413);
        speaker
            .checkpoint(&say("a\x1b]0;pwned\x07b\u{202e}".into()))
            .await
            .unwrap();
        let (began, mut taken, mut limited) = (Instant::now(), 0_u128, 0);
        for _ in 0..2_000 {
            match speaker.heartbeat().await {
                Ok(_) => taken += 1,
                answer => {
                    let no = refused(answer);
                    assert_eq!((no.status, &*no.code), (429, "too_many"));
                    limited += 1;
                }
            }
        }
        let fair = 30 + began.elapsed().as_millis() / 200 + 1;
        assert!(
            taken <= fair && limited > 0,
            "{taken} of 2,000 were taken, {fair} were due"
        );
    });
    assert_eq!(events(&sandbox, "checkpointed")[0]["text"], "a]0;pwnedb");
    let noted: Vec<String> = events(&sandbox, "signal")
        .iter()
        .map(|e| e["text"].to_string())
        .filter(|text| text.contains("forged"))
        .collect();
    assert_eq!(
        noted.len(),
        2,
        "one for attempt 1, one for none: {noted:#?}"
    );
    assert!(
        !noted.concat().contains(&zeros),
        "what was presented is not repeated"
    );
    fs::write(outside.path().join("go"), "").unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    sandbox.expect(0, &["down"]);
}

const BLOCKS: &str = r#"
[swarm]
name = "blocks"
workers = 1
[[task]]
id = "one"
mission = "Make one."
priority = "P0"
command = """
if test -f two.txt; then echo 1 > one.txt; exit 0; fi
echo half > half.txt
"$SKEP_BIN" block needs the file of two --on two
sleep 60
"""
[[task]]
id = "two"
mission = "Make two."
command = "echo 2 > two.txt"
[[task]]
id = "three"
mission = "Make three."
command = "\"$SKEP_BIN\" block nobody told me the password; echo 3 > three.txt"
"#;

// proves: U-8, L-8, W-12
#[test]
fn a_blocked_task_waits_for_another_or_for_a_person_and_its_work_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", BLOCKS);
    let ran = sandbox.expect(1, &["run", "plan.toml"]);
    assert!(
        ran.err
            .contains("its agent cannot go on before two is merged"),
        "{}",
        ran.err
    );
    assert_eq!(sandbox.git(&["show", "skep/blocks:one.txt"]), "1\n");
    assert_eq!(sandbox.json(&["status", "--json"])["tasks"]["blocked"], 1);
    let why = sandbox.expect(0, &["why", "three"]).out;
    assert!(why.contains("nobody told me the password"), "{why}");
    let salvage = sandbox.expect(0, &["salvage"]).out;
    assert!(salvage.contains("one/1"), "{salvage}");
}
