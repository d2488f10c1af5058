//! How an end is judged (X-1a): from the end event, never from the exit code alone.

use crate::replay::{PATIENCE, Transcript, all, read_in};
use skep_agents::{
    AgentEnd, Before, Dialogue, ErrorKind, Health, Seen, Silence, Span, Summary, Tokens, Trouble,
    Until, health, verdict,
};
use skep_core::{
    attempt::{End, Outcome},
    time::{Millis, Time},
};

fn find(cli: &str, name: &str) -> Transcript {
    let mut all = all().into_iter();
    all.find(|t| t.cli == cli && t.name == name).unwrap()
}

fn read(transcript: &Transcript) -> Dialogue {
    let mut dialogue = transcript.dialogue();
    read_in(&mut dialogue, &transcript.printed(), usize::MAX);
    dialogue
}

#[track_caller]
fn ends(cli: &str, name: &str, code: &str, expected: Outcome, kind: Option<ErrorKind>) {
    let transcript = find(cli, name);
    assert_eq!(transcript.exit, code, "{cli}/{name}");
    let dialogue = read(&transcript);
    match verdict(dialogue.summary(), &transcript.exit(&dialogue)) {
        AgentEnd::Ended {
            outcome, kind: is, ..
        } => assert_eq!((outcome, is), (expected, kind), "{cli}/{name}"),
        claims @ AgentEnd::Claims { .. } => panic!("{cli}/{name}: {claims:?}"),
    }
}

// proves: X-1a, S-5a
#[test]
fn exit_0_after_total_failure_is_a_failure() {
    use ErrorKind::{Auth, Network, Quota, RateLimit, Server};
    use Outcome::{Crashed, RateLimited, Stale};
    ends("aider", "401", "0", Crashed, Some(Auth));
    ends("aider", "429", "0", RateLimited, Some(RateLimit));
    ends("aider", "500", "0", Crashed, Some(Server));
    ends("pi", "401", "0", Crashed, Some(Auth));
    ends("pi", "429", "0", RateLimited, Some(RateLimit));
    ends("pi", "500", "0", Crashed, Some(Server));
    ends("pi", "quota", "0", RateLimited, Some(Quota));
    ends("pi", "refuse", "0", Crashed, Some(Network));
    ends("gemini", "acp_401", "0", Crashed, Some(Auth));
    ends("claude", "hang_sigint", "0", Crashed, None);
    ends("gemini", "sigint_norelaunch", "0", Crashed, None);
    ends("opencode", "perm_ask", "0", Crashed, None);
    // And the host's own look at what gets nowhere.
    ends("claude", "401", "killed", Crashed, Some(Auth));
    ends("claude", "quota", "killed", RateLimited, Some(RateLimit));
    ends("codex", "429long", "killed", RateLimited, Some(RateLimit));
    ends("codex", "refuse", "killed", Crashed, Some(Network));
    ends("gemini", "429", "killed", Stale, None);
    ends("gemini", "hangmid", "killed", Stale, None);
    ends("pi", "hangmid", "killed", Stale, None);
}

// proves: X-1a
#[test]
fn an_exit_code_alone_never_decides() {
    for transcript in all() {
        let dialogue = read(&transcript);
        let ends = |code| {
            let exit = skep_agents::Exit {
                end: End::Exited(code),
                by_us: None,
            };
            matches!(verdict(dialogue.summary(), &exit), AgentEnd::Claims { .. })
        };
        assert_eq!(ends(0), ends(1), "{}/{}", transcript.cli, transcript.name);
    }
}

// proves: X-1a
#[test]
fn silence_has_a_place_and_an_announced_wait_is_not_silence() {
    let look = |cli, name, minutes| {
        let dialogue = read(&find(cli, name));
        health(dialogue.summary(), Millis::mins(minutes), &PATIENCE)
    };
    let silent = |place| Health::Trouble(Trouble::Silent(place));
    assert_eq!(look("claude", "hang", 1), Health::Fine);
    assert_eq!(look("claude", "hang", 2), silent(Silence::FirstReply));
    assert_eq!(look("gemini", "hangmid", 2), Health::Fine);
    assert_eq!(look("gemini", "hangmid", 3), silent(Silence::Reply));
    assert_eq!(
        look("codex", "sigint", 9),
        Health::Fine,
        "a tool may take long"
    );
    assert_eq!(
        look("codex", "sigint", 10),
        silent(Silence::Tool("command_execution".into()))
    );
    assert_eq!(look("opencode", "hello", 60), Health::Done);
    assert_eq!(
        health(&Summary::default(), Millis::mins(2), &PATIENCE),
        silent(Silence::Start)
    );
    let mut waits = Summary::default();
    waits.add(&Seen::TurnBegan);
    waits.add(&retrying(ErrorKind::Server, 60_000));
    assert_eq!(health(&waits, Millis::secs(170), &PATIENCE), Health::Fine);
    let asks = Seen::Question {
        id: "1".into(),
        text: "which?".into(),
        options: Vec::new(),
    };
    waits.add(&asks);
    assert_eq!(health(&waits, Millis::mins(999), &PATIENCE), Health::Asks);
}

fn retrying(kind: ErrorKind, wait: u64) -> Seen {
    Seen::Retrying {
        attempt: None,
        wait: Some(Millis(wait)),
        fault: skep_agents::Fault {
            kind,
            retryable: true,
            text: String::new(),
        },
    }
}

// proves: X-1a, S-5
#[test]
fn a_loop_of_retries_is_ended_early_and_is_the_providers_fault() {
    let mut summary = Summary::default();
    summary.add(&Seen::TurnBegan);
    for _ in 0..3 {
        summary.add(&retrying(ErrorKind::RateLimit, 10));
        assert_eq!(health(&summary, Millis(0), &PATIENCE), Health::Fine);
    }
    summary.add(&retrying(ErrorKind::RateLimit, 3_600_000));
    let Health::Trouble(trouble) = health(&summary, Millis(0), &PATIENCE) else {
        panic!()
    };
    let exit = skep_agents::Exit {
        end: End::Signalled(9),
        by_us: Some(skep_agents::ByUs::Trouble(trouble)),
    };
    let AgentEnd::Ended { outcome, until, .. } = verdict(&summary, &exit) else {
        panic!()
    };
    assert_eq!(outcome, Outcome::RateLimited);
    assert_eq!(until, Some(Until::After(Millis(3_600_000))));
    assert_eq!(until.unwrap().at(Time(5)), Time(3_600_005));
}

// proves: S-5a
#[test]
fn reset_times_are_read_where_a_provider_gives_one() {
    let until = |cli: &str, lines: &str| {
        let adapter = skep_agents::Adapter::named(cli).unwrap();
        let mut dialogue = crate::order::dialogue(&adapter, skep_agents::Permission::Ask);
        read_in(&mut dialogue, lines.as_bytes(), usize::MAX);
        dialogue.summary().limited.clone().unwrap().until
    };
    let opencode = read(&find("opencode", "429"));
    let limited = opencode.summary().limited.clone().unwrap();
    assert_eq!(limited.until, Some(Until::After(Millis(2000))));
    let rejected = "{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"rejected\",\"resetsAt\":1771390800,\"rateLimitType\":\"five_hour\"}}\n";
    assert_eq!(
        until("claude", rejected),
        Some(Until::At(Time(1_771_390_800_000)))
    );
    let told = "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"Claude AI usage limit reached|1771390800\"}\n";
    assert_eq!(
        until("claude", told),
        Some(Until::At(Time(1_771_390_800_000)))
    );
    let codex = "{\"type\":\"turn.failed\",\"error\":{\"message\":\"You've hit your usage limit. Try again in 2 hours.\"}}\n";
    assert_eq!(until("codex", codex), Some(Until::After(Millis(7_200_000))));
    let server = "{\"method\":\"account/rateLimits/updated\",\"params\":{\"rateLimits\":{\"primary\":{\"usedPercent\":100,\"resetsAt\":1771390800}}}}\n\
        {\"method\":\"turn/completed\",\"params\":{\"turn\":{\"status\":\"failed\",\"error\":{\"message\":\"limit\",\"codexErrorInfo\":\"usageLimitExceeded\"}}}}\n";
    assert_eq!(
        until("codex-server", server),
        Some(Until::At(Time(1_771_390_800_000)))
    );
}

// proves: X-2, W-14
#[test]
fn a_resumed_thread_is_charged_for_its_own_part_only() {
    let first = read(&find("codex", "resume1"));
    let used = first.summary().tokens(Before::Nothing).unwrap();
    let second = read(&find("codex", "resume2"));
    let own = second.summary().tokens(Before::Used(used, None)).unwrap();
    assert_eq!((own.read(), own.output), (Some(2100), Some(40)));
    assert_eq!(second.summary().tokens(Before::Unknown), None);
    // Of the process: no need to know what was before.
    let claude = read(&find("claude", "resume2"));
    assert_eq!(
        claude.summary().usage(Before::Unknown).output_tokens,
        Some(40)
    );
}

// proves: X-2
#[test]
fn every_cli_that_counts_counts_the_same_work_the_same() {
    for cli in ["claude", "codex", "gemini", "opencode", "pi"] {
        let dialogue = read(&find(cli, "hello"));
        let usage = dialogue.summary().usage(Before::Nothing);
        assert_eq!(usage.read_tokens(), Some(4200), "{cli}");
        assert_eq!(usage.output_tokens, Some(80), "{cli}");
    }
}

// proves: S-7
#[test]
fn tokens_are_known_before_the_end_where_a_cli_tells_them() {
    let mut summary = Summary::default();
    let tokens = Tokens {
        input: Some(1),
        ..Tokens::default()
    };
    let span = Span::Step;
    summary.add(&Seen::Usage { tokens, span });
    assert_eq!(summary.usage(Before::Nothing).input_tokens, Some(1));
    assert_eq!(
        summary.usage(Before::Nothing).output_tokens,
        None,
        "unknown, not zero"
    );
}
