//! What claude uses is known while it works, and each of it counts once.

use crate::order::dialogue;
use serde_json::{Value, json};
use skep_agents::{Adapter, Before, Dialogue, Permission, Tokens};

fn claude() -> Dialogue {
    dialogue(&Adapter::named("claude").unwrap(), Permission::Ask)
}

fn read(talk: &mut Dialogue, lines: impl IntoIterator<Item = Value>) -> Tokens {
    for line in lines {
        talk.read(format!("{line}\n").as_bytes());
    }
    talk.summary().tokens(Before::Nothing).unwrap_or_default()
}

/// A part of a message: of the main conversation, or of what the call of a tool has begun.
fn part(within: Option<&str>, event: Value) -> Value {
    json!({"type": "stream_event", "parent_tool_use_id": within, "event": event})
}

fn start(within: Option<&str>, id: &str) -> Value {
    let message = json!({"id": id, "usage": {"input_tokens": 1000, "output_tokens": 1}});
    part(within, json!({"type": "message_start", "message": message}))
}

fn block(within: Option<&str>, id: &str) -> Value {
    json!({"type": "assistant", "parent_tool_use_id": within, "message": {"id": id, "content": [],
        "usage": {"input_tokens": 1000, "output_tokens": 1}}})
}

fn delta(within: Option<&str>, written: u64) -> Value {
    part(
        within,
        json!({"type": "message_delta", "usage": {"output_tokens": written}}),
    )
}

fn stop(within: Option<&str>) -> Value {
    part(within, json!({"type": "message_stop"}))
}

fn both(tokens: Tokens) -> (Option<u64>, Option<u64>) {
    (tokens.input, tokens.output)
}

// proves: S-7, X-2
#[test]
fn what_a_message_wrote_is_known_at_its_end_and_a_sum_counts_by_what_it_grew() {
    let mut talk = claude();
    let begun = read(&mut talk, [start(None, "m1")]);
    assert_eq!(both(begun), (None, None), "it may be cut off");
    let written = [
        block(None, "m1"),
        block(None, "m1"),
        delta(None, 300),
        delta(None, 300),
        delta(None, 500),
        stop(None),
    ];
    assert_eq!(both(read(&mut talk, written)), (Some(1000), Some(500)));
    let next = [start(None, "m2"), block(None, "m2"), delta(None, 40)];
    assert_eq!(both(read(&mut talk, next)), (Some(2000), Some(540)));
    // The whole process's sum takes the place of what was counted.
    let result = json!({"type": "result", "subtype": "success", "is_error": false, "result": "",
        "modelUsage": {"m": {"inputTokens": 2100, "outputTokens": 560}}});
    assert_eq!(both(read(&mut talk, [result])), (Some(2100), Some(560)));
}

// proves: S-7, X-2
#[test]
fn messages_of_helpers_between_those_of_the_conversation_count_once_each() {
    let mut talk = claude();
    let helpers: Vec<String> = (0..8).map(|n| format!("call{n}")).collect();
    let mut lines = vec![start(None, "main"), block(None, "main")];
    let each = |line: fn(Option<&str>, &str) -> Value| {
        let helpers = helpers.iter();
        helpers.map(move |call| line(Some(call), &format!("m-{call}")))
    };
    lines.extend(each(start));
    lines.extend(each(block));
    lines.push(block(None, "main"));
    lines.extend(each(block));
    lines.extend(helpers.iter().map(|call| delta(Some(call), 10)));
    lines.push(delta(None, 7));
    lines.extend(helpers.iter().map(|call| delta(Some(call), 25)));
    let tokens = read(&mut talk, lines);
    assert_eq!(both(tokens), (Some(9 * 1000), Some(8 * 25 + 7)));
}

// proves: X-1a, X-2
#[test]
fn a_reply_that_only_begins_again_and_again_is_none() {
    let mut talk = claude();
    for n in 0..5 {
        let retry = json!({"type": "system", "subtype": "api_retry", "attempt": n, "error": "server_error"});
        read(&mut talk, [start(None, &format!("m{n}")), retry]);
    }
    assert_eq!((talk.summary().retries, talk.summary().replied), (5, false));
}

// proves: X-2
#[test]
fn what_is_remembered_of_messages_is_bounded_whatever_their_number() {
    let mut talk = claude();
    // Helpers that begin and never end, with names that are as long as they please.
    let name = "x".repeat(10_000);
    for n in 0..20_000 {
        let call = format!("{n}{name}");
        read(
            &mut talk,
            [delta(Some(&call[..64]), 3), block(Some(&call), &call)],
        );
    }
    let tokens = talk.summary().tokens(Before::Nothing).unwrap();
    assert_eq!(tokens.output, Some(32 * 3), "of those that are told apart");
    assert!(format!("{talk:?}").len() < 100_000, "it keeps them all");
}
