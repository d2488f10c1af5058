//! Agents that are spoken with, by a program that speaks claude's protocol (`tests/fakes/claude`).

use super::*;
use skep_agents::{AgentEnd, Answer, ByUs, Permission, Silence, Trouble};
use skep_core::{
    attempt::Outcome,
    id::{Attempt, WorkerId},
    plan::{Order, OrderLimits},
    spec::Policy,
    time::Time,
};
use skep_host::run::{
    Stop,
    talk::{Heard, PatienceMs, Talk, Word, heard, say},
};

/// Longer than a test.
const NEVER: u64 = 600_000;

fn order(play: &str) -> Order {
    let task = r#"{"id":"t","mission":"m"}"#;
    Order {
        attempt: Attempt(1),
        swarm: "s".parse().unwrap(),
        task: std::sync::Arc::new(serde_json::from_str(task).unwrap()),
        worker: WorkerId(1),
        role: None,
        agent: "claude".into(),
        agent_spec: None,
        model: None,
        permission: None,
        base: "0123456789012345678901234567890123456789".parse().unwrap(),
        prompt: format!("PLAY {play}"),
        previous: None,
        fix: None,
        setup: Vec::new(),
        shared: None,
        limits: OrderLimits::of(&Policy::default(), None),
        claimed: Time(0),
    }
}

/// A run of the fake, with a check after it.
pub(super) struct Played {
    pub(super) world: World,
    pub(super) spec: RunSpec,
}

impl Played {
    pub(super) fn of(play: &str) -> Played {
        Played::with(World::new(), play)
    }

    fn with(world: World, play: &str) -> Played {
        let fake = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fakes/claude");
        let log = world.base.path().join("heard-by-the-agent");
        let mut agent = step(StepKind::Agent, &[fake]);
        agent.talk = Some(Box::new(Talk {
            adapter: Some("claude".into()),
            rules: None,
            order: Box::new(order(play)),
            worktree: world.tree().to_str().unwrap().into(),
            home: "/nowhere".into(),
            permission: Permission::Edits,
            resume: None,
            dialogue: true,
            interrupt_by_signal: false,
            env: Some(BTreeMap::from([
                ("FAKE_LOG".into(), log.to_str().unwrap().into()),
                ("FAKE_RESET".into(), "1900000000".into()),
            ])),
            pass: vec!["PATH".into(), "FAKE_KEY".into()],
            patience: PatienceMs {
                first: NEVER,
                reply: NEVER,
                tool: NEVER,
                retries: 3,
            },
            metering_ms: 100,
            ask_total_ms: NEVER,
        }));
        let mut spec = world.spec(vec![
            agent,
            step(StepKind::Check, &["sh", "-c", "env > checked"]),
        ]);
        spec.inherit = vec!["PATH".into(), "OTHER".into()];
        spec.env.clear();
        for (name, value) in [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("FAKE_KEY", "sk-very-secret"),
            ("OTHER", "of the checks"),
            ("NOBODYS", "x"),
        ] {
            spec.passed.0.insert(name.into(), value.into());
        }
        Played { world, spec }
    }

    fn set(mut self, name: &str, value: &str) -> Played {
        let env = self.talk().env.as_mut().unwrap();
        env.insert(name.into(), value.into());
        self
    }

    fn talk(&mut self) -> &mut Talk {
        self.spec.steps[0].talk.as_mut().unwrap()
    }

    pub(super) fn run(&self) -> RunReport {
        self.world.run(&self.spec)
    }

    /// What the agent got.
    pub(super) fn got(&self) -> String {
        fs::read_to_string(self.world.base.path().join("heard-by-the-agent")).unwrap_or_default()
    }

    fn has(&self, file: &str) -> bool {
        self.world.tree().join(file).exists()
    }

    /// Waits until what was heard is so.
    pub(super) fn until(&self, is: impl Fn(&Heard) -> bool) -> Heard {
        let deadline = std::time::Instant::now() + LONG;
        fs::create_dir_all(self.world.folder()).unwrap();
        let changes = inotify(&self.world.folder());
        loop {
            if let Some(heard) = heard(&self.world.folder()).unwrap().filter(&is) {
                return heard;
            }
            assert!(std::time::Instant::now() < deadline, "it is never heard");
            readable(&changes, Duration::from_secs(1));
            let mut buffer = [0; 4096];
            while rustix::io::read(&changes, &mut buffer).is_ok_and(|n| n > 0) {}
        }
    }
}

fn inotify(folder: &Path) -> std::os::fd::OwnedFd {
    use rustix::fs::inotify;
    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
    let changes = inotify::init(flags).unwrap();
    let what = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CREATE;
    inotify::add_watch(&changes, folder, what).unwrap();
    changes
}

fn verdict(report: &RunReport) -> AgentEnd {
    report.steps[0].verdict().unwrap()
}

#[track_caller]
fn claims(report: &RunReport) {
    let end = verdict(report);
    assert!(matches!(end, AgentEnd::Claims { .. }), "{end:?}");
    assert_eq!(report.steps.len(), 2, "its checks are run");
}

#[track_caller]
fn is_ended(report: &RunReport, wanted: Outcome, says: &str) {
    let AgentEnd::Ended {
        outcome, reason, ..
    } = verdict(report)
    else {
        panic!("{:?}", verdict(report));
    };
    assert_eq!(outcome, wanted, "{reason}");
    assert!(reason.contains(says), "{reason}");
    assert_eq!(report.steps.len(), 1, "there is nothing to check");
}

// proves: X-1, X-2
#[test]
fn an_agent_works_says_so_and_goes() {
    let played = Played::of("hello");
    let report = played.run();
    claims(&report);
    assert_eq!(end_of(&report), &StepEnd::Exited(0));
    let heard = report.steps[0].heard.as_ref().unwrap();
    let usage = heard.usage();
    assert_eq!(usage.output_tokens, Some(80));
    assert_eq!(usage.usd.map(|usd| usd.dollars()), Some(0.25));
    assert_eq!(heard.summary.session.as_deref(), Some("s-1"));
    assert_eq!(report.steps[0].tail, "Made.", "what was for people");
    let found = skep_host::run::talk::heard(&played.world.folder()).unwrap();
    assert_eq!(found.as_ref(), Some(&**heard), "the file says the same");
}

// proves: T-2, X-1
#[test]
fn secrets_are_handed_over_by_name_and_are_in_no_file() {
    let played = Played::of("hello");
    claims(&played.run());
    let got = played.got();
    assert!(got.contains("FAKE_KEY=sk-very-secret"), "{got}");
    assert!(
        !got.contains("OTHER=") && !got.contains("NOBODYS="),
        "{got}"
    );
    let checked = fs::read_to_string(played.world.tree().join("checked")).unwrap();
    assert!(checked.contains("OTHER=of the checks"), "{checked}");
    assert!(!checked.contains("FAKE_KEY"), "{checked}");
    for file in fs::read_dir(played.world.folder()).unwrap().flatten() {
        let text = fs::read(file.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains("sk-very-secret"), "{:?}", file.path());
    }
}

// proves: X-1a
#[test]
fn neither_a_good_nor_a_bad_exit_code_decides() {
    let report = Played::of("badexit").run();
    assert_eq!(end_of(&report), &StepEnd::Exited(1));
    claims(&report);
    let report = Played::of("refused").run();
    assert_eq!(end_of(&report), &StepEnd::Exited(0));
    is_ended(&report, Outcome::Crashed, "overloaded");
}

// proves: S-5a, X-2
#[test]
fn a_limit_is_heard_with_its_reset() {
    let report = Played::of("limited").run();
    is_ended(&report, Outcome::RateLimited, "429");
    let heard = report.steps[0].heard.as_ref().unwrap();
    assert_eq!(heard.limited_until, Some(1_900_000_000_000));
}

// proves: X-1a
#[test]
fn an_agent_that_falls_silent_is_ended_for_it() {
    let mut played = Played::of("hang");
    played.talk().patience.reply = 300;
    played.spec.grace_ms = 300;
    let report = played.run();
    is_ended(&report, Outcome::Stale, "");
    let by_us = report.steps[0].heard.as_ref().unwrap().by_us.clone();
    let silent = Trouble::Silent(Silence::Reply);
    assert_eq!(by_us, Some(ByUs::Trouble(silent)));
    assert!(
        played.got().contains("\"interrupt\""),
        "by its protocol first"
    );
}

// proves: X-1a
#[test]
fn an_agent_that_is_done_and_stays_is_ended_and_its_work_counts() {
    let mut played = Played::of("stays");
    played.spec.grace_ms = 200;
    let report = played.run();
    assert_eq!(end_of(&report), &StepEnd::Stopped);
    claims(&report);
}

// proves: X-1, L-1
#[test]
fn who_is_stopped_is_interrupted_by_the_protocol_before_any_signal() {
    let played = Played::of("busy");
    let running = played.world.start(&played.spec);
    played.until(|heard| !heard.summary.tools.is_empty());
    running.stop(Stop::Gracefully).unwrap();
    let report = ended(&running, &played.world.folder());
    // It took the protocol's word and went by itself: a signal would have ended it otherwise.
    assert!(played.got().contains("\"interrupt\""));
    is_ended(&report, Outcome::Cancelled, "stopped");
    assert!(
        report.steps[0]
            .heard
            .as_ref()
            .unwrap()
            .summary
            .done
            .is_some()
    );
}

// proves: L-4b
#[test]
fn a_question_waits_for_its_answer_and_its_clock_stands() {
    let mut played = Played::of("question");
    // The agent's own time would be over long before the answer.
    played.spec.steps[0].timeout_ms = 700;
    let running = played.world.start(&played.spec);
    let heard = played.until(|heard| !heard.asks.is_empty());
    let ask = &heard.asks[0];
    assert_eq!((ask.number, ask.text.as_str()), (1, "Which db?"));
    assert_eq!(ask.options, ["pg", "sqlite"]);
    assert!(
        !readable(&running, Duration::from_millis(1_500)),
        "it waits"
    );
    let word = |text: &str| Word::Answer {
        ask: 1,
        answer: Answer::Text(text.into()),
    };
    say(&played.world.folder(), &word("sqlite")).unwrap();
    // A second answer, by a keeper that knows of no first, changes nothing.
    say(&played.world.folder(), &word("pg")).unwrap();
    claims(&ended(&running, &played.world.folder()));
    let answer = fs::read_to_string(played.world.tree().join("answer.txt")).unwrap();
    assert!(answer.contains("sqlite"), "{answer}");
}

// proves: L-4b
#[test]
fn a_clock_does_not_stand_still_for_ever() {
    let mut played = Played::of("question");
    played.spec.steps[0].timeout_ms = 100;
    played.spec.grace_ms = 200;
    played.talk().ask_total_ms = 300;
    let report = played.run();
    assert_eq!(end_of(&report), &StepEnd::TimedOut);
    assert!(played.got().contains("\"interrupt\""), "{}", played.got());
}

// proves: L-4b
#[test]
fn a_permission_that_is_denied_is_denied_to_the_agent() {
    let played = Played::of("permission");
    let running = played.world.start(&played.spec);
    let heard = played.until(|heard| !heard.asks.is_empty());
    assert_eq!(heard.asks[0].tool.as_deref(), Some("Bash"));
    let answer = Answer::Deny("nobody answered".into());
    say(&played.world.folder(), &Word::Answer { ask: 1, answer }).unwrap();
    claims(&ended(&running, &played.world.folder()));
    assert!(played.has("denied.txt") && !played.has("allowed.txt"));
    assert!(played.got().contains("nobody answered"), "{}", played.got());
}

// proves: L-4b, T-3
#[test]
fn a_word_that_is_none_is_not_heard() {
    let played = Played::of("permission");
    let running = played.world.start(&played.spec);
    played.until(|heard| !heard.asks.is_empty());
    let folder = played.world.folder();
    let answer = Answer::Allow;
    say(&folder, &Word::Answer { ask: 7, answer }).unwrap();
    fs::write(folder.join("words/answer-9.json"), "{\"answer\":").unwrap();
    let answer = Answer::Deny(String::new());
    say(&folder, &Word::Answer { ask: 1, answer }).unwrap();
    claims(&ended(&running, &folder));
    assert!(played.has("denied.txt"));
}

// proves: X-1, W-15
#[test]
fn a_tool_in_a_session_of_its_own_does_not_outlive_its_agent() {
    for containment in [Containment::PidNamespace, Containment::Subreaper] {
        if containment == Containment::PidNamespace && !is_root() {
            continue;
        }
        let mark = marker();
        let played = Played::with(World::with(containment), "tool").set("FAKE_MARK", &mark);
        let report = played.run();
        claims(&report);
        assert_eq!(report.survivors, 1);
        assert!(marked(&mark).is_empty());
    }
}

/// The most memory that a process ever had, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

// proves: X-2
#[test]
fn a_flood_of_output_is_read_in_bounded_memory() {
    let played = Played::of("flood").set("FAKE_BYTES", "200000000");
    let running = played.world.start(&played.spec);
    let mut most = 0;
    while !readable(&running, Duration::from_millis(20)) {
        most = most.max(peak(running.pid()).unwrap_or_default());
    }
    let report = ended(&running, &played.world.folder());
    claims(&report);
    assert!(report.steps[0].output_bytes > 200_000_000);
    assert!(most < 64 * 1024, "{most} KiB");
}

// proves: X-1a, X-2
#[test]
fn an_agent_that_only_asks_and_never_listens_costs_bounded_memory() {
    let mut played = Played::of("pest").set("FAKE_ASKS", "500000");
    // By then all that will ever be read was read.
    played.spec.steps[0].timeout_ms = 3_000;
    played.spec.grace_ms = 200;
    played.talk().ask_total_ms = 0;
    let running = played.world.start(&played.spec);
    let mut most = 0;
    while !readable(&running, Duration::from_millis(20)) {
        most = most.max(peak(running.pid()).unwrap_or_default());
    }
    let report = ended(&running, &played.world.folder());
    assert!(report.steps[0].heard.as_ref().unwrap().asked <= 32);
    assert!(report.steps[0].output_bytes < 60_000_000, "it is held up");
    assert!(most < 64 * 1024, "{most} KiB");
}

// proves: T-3
#[test]
fn escapes_do_not_get_through_and_forged_events_are_not_believed() {
    let report = Played::of("escapes").run();
    claims(&report);
    let text = serde_json::to_string(&report.steps[0].heard).unwrap();
    assert!(
        !text.contains("\\u001b") && !text.contains("\\u0007"),
        "{text}"
    );
    // What is on standard error is the log's.
    let report = Played::of("forged").run();
    is_ended(&report, Outcome::Failed, "I could not.");
    assert!(report.steps[0].tail.contains("Forged."));
}

// proves: S-5a, T-3
#[test]
fn words_about_limits_are_no_limit() {
    let report = Played::of("markers").run();
    is_ended(&report, Outcome::Failed, "no");
}

// proves: T-2, W-2
#[test]
fn a_placed_shim_reads_what_it_is_passed_from_its_keeper() {
    let played = Played::of("hello");
    let program = played.world.program();
    let mut child = None;
    let running = run::start_placed(&program, &played.world.folder(), &played.spec, |shim| {
        let line = format!("{:?} {:?}", shim.program, shim.env);
        assert!(!line.contains("sk-very-secret"), "{line}");
        let mut command = skep_host::command::command(&shim.program, Path::new("/"));
        command
            .arg("shim")
            .arg(&shim.folder)
            .env_clear()
            .envs(shim.env.iter().map(|(n, v)| (n, v)));
        let spawned = command.spawn().unwrap();
        let pid = spawned.id();
        child = Some(spawned);
        Some(pid)
    });
    let report = ended(&running.unwrap(), &played.world.folder());
    claims(&report);
    assert!(played.got().contains("FAKE_KEY=sk-very-secret"));
    // Whoever was quicker has waited for it.
    let _ = child.unwrap().wait();
}

// proves: T-2, W-2
#[test]
fn a_shim_that_could_not_be_placed_gets_it_as_a_child() {
    let played = Played::of("hello");
    let program = played.world.program();
    let running = run::start_placed(&program, &played.world.folder(), &played.spec, |_| None);
    claims(&ended(&running.unwrap(), &played.world.folder()));
    assert!(played.got().contains("FAKE_KEY=sk-very-secret"));
}
