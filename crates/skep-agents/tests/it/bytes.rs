//! Whatever bytes come, in whatever pieces: no panic, the same observations, bounded memory.

use crate::order::dialogue;
use crate::replay::{all, read_in, rules};
use proptest::prelude::*;
use skep_agents::{Adapter, Answer, Dialogue, LINE_MAX, Permission, Say, Summary, command};

fn adapters() -> Vec<Adapter> {
    let named = [
        "claude",
        "codex",
        "codex-server",
        "gemini",
        "opencode",
        "acp",
        "pi",
    ];
    let mut all: Vec<Adapter> = named.map(|name| Adapter::named(name).unwrap()).into();
    all.extend([command::AIDER, command::GEMINI, command::OPENCODE].map(rules));
    all
}

// proves: X-2
#[test]
fn a_transcript_is_the_same_however_it_is_cut() {
    for transcript in recorded() {
        let bytes = transcript.printed();
        let whole = read_in(&mut transcript.dialogue(), &bytes, bytes.len());
        for size in [1, 7, 4096] {
            let mut dialogue = transcript.dialogue();
            let seen = read_in(&mut dialogue, &bytes, size);
            assert!(
                seen == whole,
                "{}/{} in pieces of {size}",
                transcript.cli,
                transcript.name
            );
            // A shim writes it down for the keeper.
            let written = serde_json::to_vec(dialogue.summary()).unwrap();
            let summary: Summary = serde_json::from_slice(&written).unwrap();
            assert_eq!(&summary, dialogue.summary());
        }
    }
}

/// What each protocol's good end looks like on the wire.
const ENDS: &[&str] = &[
    "\"type\":\"result\"",
    "\"turn.completed\"",
    "\"turn/completed\"",
    "\"agent_end\"",
    "\"stopReason\":\"end_turn\"",
    "\"reason\":\"stop\"",
    "Tokens: ",
];

// proves: X-1a
#[test]
fn a_transcript_that_is_cut_anywhere_claims_nothing_before_its_end_event() {
    let claims = |transcript: &crate::replay::Transcript, bytes: &[u8]| {
        let mut dialogue = transcript.dialogue();
        read_in(&mut dialogue, bytes, usize::MAX);
        dialogue.summary().done.as_ref().is_some_and(|done| done.ok)
    };
    for transcript in recorded() {
        let bytes = transcript.printed();
        let mut before = false;
        let mut start = 0;
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let end = start + line.len();
            let now = claims(transcript, &bytes[..end]);
            if now && !before {
                let text = String::from_utf8_lossy(line);
                let name = format!("{}/{}: {text}", transcript.cli, transcript.name);
                assert!(ENDS.iter().any(|end| text.contains(end)), "{name}");
                // Half of an end is none.
                let half = start + line.len() / 2;
                assert!(!claims(transcript, &bytes[..half]), "half of {name}");
            }
            before = now;
            start = end;
        }
    }
}

/// Words of the protocols, so that random lines reach further than "not JSON".
const WORDS: &[&str] = &[
    "type",
    "result",
    "assistant",
    "user",
    "system",
    "init",
    "subtype",
    "success",
    "is_error",
    "message",
    "content",
    "usage",
    "input_tokens",
    "id",
    "method",
    "params",
    "session/update",
    "session/request_permission",
    "update",
    "sessionUpdate",
    "agent_message_chunk",
    "text",
    "turn/completed",
    "turn",
    "status",
    "completed",
    "error",
    "code",
    "control_request",
    "request",
    "request_id",
    "can_use_tool",
    "input",
    "options",
    "item",
    "item.completed",
    "agent_end",
    "message_end",
    "stopReason",
    "event",
    "stream_event",
    "part",
    "tokens",
    "step_finish",
    "toolCall",
    "questions",
    "AskUserQuestion",
    "tool_name",
    "result",
    "thread",
    "jsonrpc",
];

fn json() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(WORDS).prop_map(|word| format!("{word:?}"));
    let leaf = prop_oneof![
        word.clone(),
        any::<u64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| if n.is_finite() {
            n.to_string()
        } else {
            "null".into()
        }),
        any::<bool>().prop_map(|b| b.to_string()),
        Just("null".to_string()),
        (0u64..4).prop_map(|n| n.to_string()),
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        let pair =
            (word.clone(), inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            proptest::collection::vec(pair, 0..8).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

fn output() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => json().prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..60),
    ];
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join(&b'\n'))
}

/// Tries to say everything that can be said now.
fn talk(dialogue: &mut Dialogue) {
    let asks: Vec<String> = dialogue.summary().asks.iter().cloned().collect();
    for id in asks {
        for answer in [
            Answer::Text("x".into()),
            Answer::Allow,
            Answer::Deny("no".into()),
        ] {
            let id = id.clone();
            let _ = dialogue.say(&Say::Answer { id, answer });
        }
    }
    let _ = dialogue.say(&Say::Nudge("go on".into()));
    let _ = dialogue.say(&Say::Interrupt);
    for line in dialogue
        .to_write()
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
    {
        serde_json::from_slice::<serde_json::Value>(line).unwrap();
    }
}

proptest! {
    // proves
    #[test]
    fn no_bytes_make_a_reader_panic_and_no_split_changes_what_it_sees(
        bytes in output(),
        size in 1usize..50,
    ) {
        for adapter in adapters() {
            let mut one = dialogue(&adapter, Permission::Ask);
            let mut other = dialogue(&adapter, Permission::Ask);
            let whole = read_in(&mut one, &bytes, bytes.len());
            prop_assert_eq!(&whole, &read_in(&mut other, &bytes, size), "{:?}", adapter);
            prop_assert_eq!(one.summary(), other.summary());
            talk(&mut one);
        }
    }

    // proves: X-2
    #[test]
    fn no_change_of_a_recorded_line_makes_a_reader_panic(
        which in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        byte: u8,
    ) {
        let transcripts = recorded();
        let transcript = which.get(transcripts);
        let mut bytes = transcript.printed();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut dialogue = transcript.dialogue();
        read_in(&mut dialogue, &bytes, 999);
        talk(&mut dialogue);
    }
}

fn recorded() -> &'static [crate::replay::Transcript] {
    static ALL: std::sync::OnceLock<Vec<crate::replay::Transcript>> = std::sync::OnceLock::new();
    ALL.get_or_init(all)
}

/// What a dialogue holds, told by its own debug text: everything it keeps is in there.
fn held(dialogue: &Dialogue) -> usize {
    format!("{dialogue:?}").len()
}

// proves: X-2
#[test]
fn a_transcript_of_a_million_lines_is_read_in_bounded_memory() {
    // Calls that never end, questions that nobody answers, ids that never repeat.
    let lines = |n: u64| {
        format!(
            "{{\"type\":\"assistant\",\"message\":{{\"id\":\"m{n}\",\"usage\":{{\"input_tokens\":1}},\"content\":[{{\"type\":\"tool_use\",\"id\":\"t{n}\",\"name\":\"Bash\"}}]}}}}\n\
             {{\"type\":\"control_request\",\"request_id\":\"r{n}\",\"request\":{{\"subtype\":\"can_use_tool\",\"tool_name\":\"Bash\",\"input\":{{}}}}}}\n\
             {{\"type\":\"user\",\"message\":{{\"content\":[{{\"type\":\"tool_result\",\"tool_use_id\":\"x{n}\"}}]}}}}\n\
             not json {n}\n"
        )
    };
    let mut dialogue = dialogue(&Adapter::Claude, Permission::Ask);
    let mut most = 0;
    for n in 0..250_000u64 {
        dialogue.read(lines(n).as_bytes());
        // Those beyond the bound are refused at once, so there is always something to write.
        let _ = dialogue.to_write();
        if n % 50_000 == 0 {
            most = most.max(held(&dialogue));
        }
    }
    assert!(held(&dialogue) < 64 * 1024, "{} bytes", held(&dialogue));
    assert!(most < 64 * 1024);
    assert_eq!(dialogue.summary().tool_calls, 250_000);
    let tokens = dialogue
        .summary()
        .tokens(skep_agents::Before::Nothing)
        .unwrap();
    assert_eq!(tokens.input, Some(250_000));
}

// proves: X-2
#[test]
fn a_line_that_never_ends_is_cut_and_counted_and_what_follows_is_read() {
    for adapter in adapters() {
        let mut dialogue = dialogue(&adapter, Permission::Ask);
        let part = vec![b'x'; 1 << 20];
        for _ in 0..(LINE_MAX >> 20) + 2 {
            dialogue.read(&part);
        }
        assert_eq!(dialogue.summary().cut_lines, 1);
        assert!(held(&dialogue) < 64 * 1024);
    }
}

// proves: X-1a
#[test]
fn an_end_event_that_is_too_long_to_be_kept_is_still_an_end() {
    let long = "y".repeat(LINE_MAX + 1);
    let told = [
        (
            "claude",
            format!(
                "{{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"{long}\"}}\n"
            ),
            true,
        ),
        (
            "claude",
            format!(
                "{{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":500,\"result\":\"{long}\"}}\n"
            ),
            false,
        ),
        (
            "pi",
            format!("{{\"type\":\"agent_end\",\"messages\":[\"{long}\"]}}\n"),
            true,
        ),
    ];
    for (name, line, ok) in told {
        let mut dialogue = dialogue(&Adapter::named(name).unwrap(), Permission::Ask);
        dialogue.read(line.as_bytes());
        assert_eq!(
            dialogue.summary().done.as_ref().map(|done| done.ok),
            Some(ok),
            "{name}"
        );
        assert_eq!(dialogue.summary().cut_lines, 1);
    }
}
