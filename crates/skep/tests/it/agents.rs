//! Agents that say what they do: a program that speaks claude's protocol, driven by the whole of Skep.

use crate::{Sandbox, until};
use skep_host::command::command;
use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

/// A repository beside a folder with the fake `claude` in it.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    beside: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let beside = tempfile::tempdir().unwrap();
        let fakes = concat!(env!("CARGO_MANIFEST_DIR"), "/../skep-host/tests/fakes");
        let programs = beside.path().join("bin");
        fs::create_dir_all(&programs).unwrap();
        fs::create_dir_all(beside.path().join("home")).unwrap();
        for fake in fs::read_dir(fs::canonicalize(fakes).unwrap())
            .unwrap()
            .flatten()
        {
            symlink(fake.path(), programs.join(fake.file_name())).unwrap();
        }
        Bench {
            sandbox: Sandbox::new(),
            beside,
        }
    }

    fn log(&self) -> PathBuf {
        self.beside.path().join("log")
    }

    fn got(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn home(&self) -> PathBuf {
        self.beside.path().join("home")
    }

    /// A plan with one task for each play, and `more` at its end.
    pub(crate) fn plan(&self, plays: &[&str], more: &str) {
        let log = self.log();
        let mut plan = format!(
            "[swarm]\nname = \"fakes\"\nagent = \"claude\"\nworkers = 1\n\
             [agents.claude.env]\nFAKE_LOG = \"{}\"\nFAKE_RESET = \"4000000000\"\n\
             [policy]\nbackoff = \"1ms\"\ngrace = \"500ms\"\nmax_retries = 0\ncrash_retries = 0\n{more}\n",
            log.display()
        );
        for play in plays {
            plan.push_str(&format!(
                "[[task]]\nid = \"{play}\"\nmission = \"PLAY {play}\"\n"
            ));
        }
        self.sandbox.write("plan.toml", &plan);
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut skep = self.sandbox.command(args);
        let programs = self.beside.path().join("bin");
        let path = std::env::var("PATH").unwrap();
        skep.env("PATH", format!("{}:{path}", programs.display()))
            .env("HOME", self.home())
            .env("ANTHROPIC_API_KEY", "sk-ant-very-secret")
            .env("SOMETHING_ELSE", "not for agents");
        for (name, value) in [
            ("GIT_AUTHOR_NAME", "test"),
            ("GIT_AUTHOR_EMAIL", "test@localhost"),
            ("GIT_COMMITTER_NAME", "test"),
            ("GIT_COMMITTER_EMAIL", "test@localhost"),
        ] {
            skep.env(name, value);
        }
        skep
    }

    fn run(&self) -> crate::Ran {
        crate::ran(self.command(&["run", "plan.toml"]).output().unwrap())
    }

    /// The asks that wait, once there is one.
    pub(crate) fn asks(&self) -> serde_json::Value {
        let mut asks = serde_json::Value::Null;
        until("something is asked", || {
            // Before there is a log there is nothing to list.
            let list = self.sandbox.skep(&["asks", "--json"]).out;
            let list: serde_json::Value = serde_json::from_str(&list).unwrap_or_default();
            asks = list["asks"].clone();
            asks.as_array().is_some_and(|asks| !asks.is_empty())
        });
        asks
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.sandbox.git(&["show", &format!("skep/fakes:{name}")])
    }

    fn keeper(&self) -> i32 {
        let text = fs::read_to_string(self.sandbox.path().join(".skep/keeper.json")).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        file["pid"].as_i64().unwrap() as i32
    }
}

// proves: X-1, X-1a, X-2, T-2
#[test]
fn an_agent_works_and_its_work_is_merged() {
    let bench = Bench::new();
    let login = bench.home().join(".claude/.credentials.json");
    fs::create_dir_all(login.parent().unwrap()).unwrap();
    fs::write(&login, "{}").unwrap();
    bench.plan(&["hello"], "");
    let ran = bench.run();
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert_eq!(bench.file("made.txt").trim(), "made");
    let task = bench.sandbox.json(&["tasks", "show", "hello", "--json"]);
    let usage = &task["receipt"]["usage"];
    assert_eq!(usage["output_tokens"], 80, "{task}");
    assert_eq!(usage["usd"], 0.25, "{task}");
    let got = bench.got();
    assert!(
        got.contains("ANTHROPIC_API_KEY=sk-ant-very-secret"),
        "{got}"
    );
    assert!(!got.contains("SOMETHING_ELSE"), "{got}");
    let home = bench.sandbox.path().join(".skep/agents/w1/claude");
    assert!(got.contains(&format!("HOME={}", home.display())), "{got}");
    assert!(got.contains("--permission-mode=acceptEdits"), "{got}");
    let log = bench.sandbox.expect(0, &["logs", "hello"]).out;
    let told = "I make it.\n> Bash\nMade.\n= 200 tokens in, 80 tokens out, $0.25\n";
    assert!(log.ends_with(told), "{log}");
    let raw = bench.sandbox.expect(0, &["logs", "hello", "--raw"]).out;
    assert!(raw.contains(r#"{"type":"result""#), "{raw}");
    // Lent, not copied; and nothing of it stays when its worker is gone.
    assert_eq!(
        fs::read_link(home.join(".claude/.credentials.json")).unwrap(),
        login
    );
    let grep = ["-rlaF", "sk-ant-very-secret", ".skep"];
    let found = command("grep", bench.sandbox.path())
        .args(grep)
        .output()
        .unwrap();
    assert_eq!(crate::text(&found.stdout), "", "it is in no file");
    bench.sandbox.expect(0, &["clean", "--yes"]);
    assert!(!bench.sandbox.path().join(".skep/agents").exists());
}

// proves: X-1a
#[test]
fn an_exit_code_of_zero_after_total_failure_is_no_success() {
    let bench = Bench::new();
    // The provider of `refused` fails for ever, which is not the task's fault: it waits until it works again.
    bench.plan(&["badexit", "refused"], "[policy.providers]\nfailures = 2");
    let mut run = bench.command(&["run", "plan.toml"]).spawn().unwrap();
    let of = |task: &str| bench.sandbox.json(&["tasks", "show", task, "--json"]);
    until("the provider is left alone", || {
        let why = bench.sandbox.skep(&["why", "refused"]).out;
        why.contains("waits for provider claude: ")
    });
    let refused = of("refused");
    assert_eq!(refused["state"], "ready", "{refused}");
    for past in refused["history"].as_array().unwrap() {
        assert_eq!(past["outcome"], "crashed", "{refused}");
        assert!(past["reason"].to_string().contains("overloaded"));
    }
    assert_eq!(refused["crashes"], 0, "charged to nobody: {refused}");
    assert!(["accepted", "merged"].contains(&of("badexit")["state"].as_str().unwrap()));
    bench.sandbox.expect(0, &["down", "--now"]);
    run.wait().unwrap();
}

// proves: X-1a, L-4
#[test]
fn an_agent_that_falls_silent_is_ended_as_stale() {
    let bench = Bench::new();
    bench.plan(&["hang"], "[policy.agents]\nreply = \"500ms\"");
    let ran = bench.run();
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    let task = bench.sandbox.json(&["tasks", "show", "hang", "--json"]);
    assert_eq!(task["history"][0]["outcome"], "stale", "{task}");
    assert!(bench.got().contains("\"interrupt\""), "{}", bench.got());
}

// proves: L-4b, W-4
#[test]
fn a_question_is_answered_though_its_keeper_was_killed() {
    let bench = Bench::new();
    bench.plan(&["question"], "");
    let mut run = bench.command(&["run", "plan.toml"]).spawn().unwrap();
    let asks = bench.asks();
    assert_eq!(asks[0]["text"], "Which db?", "{asks}");
    assert_eq!(asks[0]["options"][1], "sqlite", "{asks}");
    let id = asks[0]["id"].as_str().unwrap().to_string();
    assert_eq!(bench.sandbox.json(&["status", "--json"])["asks"], 1);
    let why = bench.sandbox.expect(0, &["why", "w1"]).out;
    assert!(why.contains("waits for a person"), "{why}");
    let pid = rustix::process::Pid::from_raw(bench.keeper()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    run.wait().unwrap();
    // Nobody keeps the swarm: the answer is noted, and given by whoever comes next.
    let no = bench.sandbox.skep(&["answer", &id, "--allow"]);
    assert_ne!(no.code, 0, "{}", no.out);
    assert!(no.err.contains("expected a text"), "{}", no.err);
    let given = ["answer", &id, "--option", "2", "--json"];
    let given = bench.sandbox.json(&given);
    assert_eq!(given["done"][0]["about"], id.as_str(), "{given}");
    let ran = bench.run();
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(
        bench.file("answer.txt").contains("sqlite"),
        "{}",
        bench.file("answer.txt")
    );
    let late = bench.sandbox.skep(&["answer", &id, "pg"]);
    assert_ne!(late.code, 0);
    assert!(late.err.contains("no ask"), "{}", late.err);
}

// proves: L-4b
#[test]
fn a_permission_that_nobody_answers_is_denied_in_time() {
    let bench = Bench::new();
    bench.plan(&["permission"], "[policy.agents]\nask_timeout = \"500ms\"");
    let ran = bench.run();
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert_eq!(bench.file("denied.txt").trim(), "denied");
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("asks to use Bash"), "{said}");
    assert!(said.contains("--allow"), "{said}");
}

// proves: X-1, L-1
#[test]
fn who_is_cancelled_is_interrupted_by_its_protocol() {
    let bench = Bench::new();
    bench.plan(&["busy"], "");
    let mut run = bench.command(&["run", "plan.toml"]).spawn().unwrap();
    until("it is at work", || bench.got().contains("PLAY busy"));
    bench.sandbox.expect(0, &["cancel", "busy"]);
    run.wait().unwrap();
    assert!(bench.got().contains("\"interrupt\""), "{}", bench.got());
    let task = bench.sandbox.json(&["tasks", "show", "busy", "--json"]);
    assert_eq!(task["state"], "cancelled", "{task}");
}

// proves: X-2
#[test]
fn what_an_agent_uses_is_shown_while_it_works() {
    let bench = Bench::new();
    bench.plan(&["question"], "[policy.agents]\nmetering = \"100ms\"");
    let mut run = bench.command(&["run", "plan.toml"]).spawn().unwrap();
    let asks = bench.asks();
    let workers = bench.sandbox.json(&["workers", "--json"]);
    let reason = workers["workers"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("waits for a person"), "{workers}");
    bench.sandbox.expect(
        0,
        &[
            "answer",
            asks[0]["id"].as_str().unwrap(),
            "none",
            "of",
            "them",
        ],
    );
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert!(bench.file("answer.txt").contains("none of them"));
}

// proves: X-1, U-9
#[test]
fn a_plan_whose_agents_are_not_here_is_refused_with_the_fix() {
    let bench = Bench::new();
    let refused = |plan: &str| {
        bench.sandbox.write("plan.toml", plan);
        let path = format!(
            "{}:/usr/bin:/bin",
            bench.beside.path().join("bin").display()
        );
        let ran = bench
            .command(&["run", "plan.toml"])
            .env("PATH", path)
            .output();
        let ran = crate::ran(ran.unwrap());
        assert_ne!(ran.code, 0, "{}", ran.out);
        ran.err
    };
    let task = "[[task]]\nid = \"a\"\nmission = \"Do it.\"\n";
    let missing = refused(&format!("[swarm]\nagent = \"opencode\"\n{task}"));
    assert!(missing.contains("`opencode` is not on PATH"), "{missing}");
    assert!(missing.contains("skep doctor"), "{missing}");
    let held = refused(&format!(
        "[swarm]\nagent = \"pi\"\npermission = \"ask\"\n{task}"
    ));
    assert!(
        held.contains("least that it can be held to is \"all\""),
        "{held}"
    );
    assert!(!bench.sandbox.path().join(".skep/worktrees/w1").exists());
}

// proves: U-9
#[test]
fn doctor_says_which_agents_are_here_and_what_they_can_be_held_to() {
    let bench = Bench::new();
    let doctor = |key: bool| {
        let mut command = bench.command(&["doctor", "--json"]);
        if !key {
            command.env_remove("ANTHROPIC_API_KEY");
            for name in ["ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"] {
                command.env_remove(name);
            }
        }
        let ran = crate::ran(command.output().unwrap());
        let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        let claude = |c: &&serde_json::Value| c["what"].as_str().unwrap().starts_with("claude ");
        checks.iter().find(claude).unwrap().clone()
    };
    let there = doctor(true);
    let what = there["what"].as_str().unwrap();
    assert!(
        what.contains("2.1.197, login by ANTHROPIC_API_KEY"),
        "{what}"
    );
    assert!(what.contains("may do \"edits\""), "{what}");
    assert!(!there.to_string().contains("sk-ant-very-secret"));
    let without = doctor(false);
    assert_eq!(without["verdict"], "note", "{without}");
    assert!(
        without["hint"]
            .as_str()
            .unwrap()
            .contains("ANTHROPIC_API_KEY")
    );
}

// proves: X-1, L-4b
#[test]
fn a_new_cli_is_added_by_config_alone() {
    let bench = Bench::new();
    let log = bench.log();
    let plan = format!(
        "[swarm]\nname = \"fakes\"\nagent = \"newcomer\"\nworkers = 1\n\
         [agents.newcomer]\ncommand = [\"acp\"]\nprotocol = \"acp\"\nenv = {{ FAKE_LOG = \"{}\" }}\n\
         [[task]]\nid = \"a\"\nmission = \"Make it.\"\n",
        log.display()
    );
    bench.sandbox.write("plan.toml", &plan);
    let mut run = bench.command(&["run", "plan.toml"]).spawn().unwrap();
    let asks = bench.asks();
    assert_eq!(asks[0]["kind"], "permission", "{asks}");
    bench
        .sandbox
        .expect(0, &["answer", asks[0]["id"].as_str().unwrap(), "--allow"]);
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(bench.file("made.txt").trim(), "made");
    assert!(bench.got().contains("Make it."), "{}", bench.got());
}

// proves: X-1, X-2
#[test]
fn codex_works_by_exec_and_is_interrupted_by_its_signal() {
    let bench = Bench::new();
    let never = bench.beside.path().join("never");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &never, mode).unwrap();
    let plan = |mission: &str| {
        let text = format!(
            "[swarm]\nname = \"fakes\"\nagent = \"codex\"\nworkers = 1\n[policy]\ngrace = \"5s\"\n\
             [agents.codex.env]\nFAKE_LOG = \"{}\"\nFAKE_NEVER = \"{}\"\n\
             [[task]]\nid = \"a\"\nmission = \"{mission}\"\n",
            bench.log().display(),
            never.display()
        );
        bench.sandbox.write("plan.toml", &text);
    };
    plan("PLAY make");
    let ran = bench.run();
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let task = bench.sandbox.json(&["tasks", "show", "a", "--json"]);
    assert_eq!(task["receipt"]["usage"]["output_tokens"], 80, "{task}");
    plan("PLAY wait");
    let mut run = bench.command(&["run", "plan.toml"]).spawn().unwrap();
    until("it is at work", || bench.got().contains("began"));
    bench.sandbox.expect(0, &["cancel", "a"]);
    run.wait().unwrap();
    assert!(bench.got().contains("INT"), "{}", bench.got());
}

// proves: X-2
#[test]
fn the_table_of_workers_shows_what_their_agents_have_used() {
    let bench = Bench::new();
    bench.plan(&["slow"], "[policy.agents]\nmetering = \"100ms\"");
    let mut run = bench.command(&["run", "plan.toml"]).spawn().unwrap();
    bench.asks();
    let workers = bench.sandbox.json(&["workers", "--json"])["workers"][0].clone();
    assert_eq!(workers["cost_usd"], 0.25, "{workers}");
    assert_eq!(workers["output_tokens"], 80, "{workers}");
    assert_eq!(workers["context_percent"], 10.0, "{workers}");
    let table = bench.sandbox.expect(0, &["workers"]).out;
    assert!(
        table.contains("CONTEXT") && table.contains("10 %"),
        "{table}"
    );
    assert!(table.contains("$0.25"), "{table}");
    bench.sandbox.expect(0, &["down", "--now"]);
    run.wait().unwrap();
}

// proves: W-2, T-2
#[test]
fn in_a_pane_an_agent_gets_its_key_and_the_pane_shows_what_it_says() {
    if skep_host::tmux::Tmux::from_env().check().is_err() {
        crate::skipped("panes need tmux");
        return;
    }
    let bench = Bench::new();
    bench.plan(&["question"], "");
    let args = ["run", "plan.toml", "--host", "tmux"];
    let mut run = bench.command(&args).spawn().unwrap();
    let asks = bench.asks();
    let pane = bench.sandbox.json(&["workers", "--json"])["workers"][0]["pane"].clone();
    let socket = bench.sandbox.tmux.path().join("socket");
    let tmux = |args: &[&str]| {
        let mut tmux = command("tmux", bench.sandbox.path());
        tmux.arg("-S").arg(&socket).args(args);
        crate::text(&tmux.output().unwrap().stdout)
    };
    let mut shown = String::new();
    until("the pane shows the question", || {
        shown = tmux(&[
            "capture-pane",
            "-p",
            "-t",
            pane.as_str().unwrap_or_default(),
        ]);
        shown.contains("? Which db?")
    });
    assert!(
        !shown.contains("control_request"),
        "nobody reads a protocol: {shown}"
    );
    let lines = command("ps", bench.sandbox.path())
        .args(["-eo", "args"])
        .output();
    assert!(!crate::text(&lines.unwrap().stdout).contains("sk-ant-very-secret"));
    assert!(
        bench.got().contains("sk-ant-very-secret"),
        "{}",
        bench.got()
    );
    bench.sandbox.expect(
        0,
        &["answer", asks[0]["id"].as_str().unwrap(), "--option", "1"],
    );
    assert_eq!(run.wait().unwrap().code(), Some(0));
    tmux(&["kill-server"]);
}
