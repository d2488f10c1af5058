//! Anthropic Messages.

use super::{named_event, with};
use crate::{
    reply::{Call, Reply},
    script::Stop,
    tools::Input,
};
use serde_json::{Value, json};

pub(crate) fn whole(reply: &Reply) -> Value {
    let said = (!reply.say.is_empty()).then(|| json!({"type": "text", "text": reply.say}));
    let calls = reply
        .calls
        .iter()
        .map(|call| with(head(call), json!({"input": call.input.json()})));
    with(
        empty(reply),
        json!({"content": said.into_iter().chain(calls).collect::<Vec<_>>(), "stop_reason": stop(reply),
            "usage": usage(reply, reply.usage.output)}),
    )
}

pub(crate) fn events(reply: &Reply) -> Vec<String> {
    let mut all = vec![
        // At the beginning the real one knows of one token of output, and agents print that.
        json!({"type": "message_start", "message": with(empty(reply), json!({"usage": usage(reply, 1)}))}),
        json!({"type": "ping"}),
    ];
    let mut index = 0;
    if !reply.say.is_empty() {
        let deltas = reply
            .pieces()
            .map(|text| json!({"type": "text_delta", "text": text}));
        block(
            &mut all,
            &mut index,
            json!({"type": "text", "text": ""}),
            deltas,
        );
    }
    for call in &reply.calls {
        let json = match &call.input {
            Input::Text(_) => call.input.json().to_string(),
            Input::Named(_) | Input::Broken => call.input.text(),
        };
        let delta = json!({"type": "input_json_delta", "partial_json": json});
        block(
            &mut all,
            &mut index,
            with(head(call), json!({"input": {}})),
            [delta],
        );
    }
    all.push(
        json!({"type": "message_delta", "usage": {"output_tokens": reply.usage.output},
        "delta": {"stop_reason": stop(reply), "stop_sequence": null}}),
    );
    all.push(json!({"type": "message_stop"}));
    all.iter().map(named_event).collect()
}

fn block(
    all: &mut Vec<Value>,
    index: &mut usize,
    empty: Value,
    deltas: impl IntoIterator<Item = Value>,
) {
    let at = *index;
    *index += 1;
    all.push(json!({"type": "content_block_start", "index": at, "content_block": empty}));
    let deltas = deltas
        .into_iter()
        .map(|delta| json!({"type": "content_block_delta", "index": at, "delta": delta}));
    all.extend(deltas);
    all.push(json!({"type": "content_block_stop", "index": at}));
}

fn empty(reply: &Reply) -> Value {
    json!({"id": reply.id("msg"), "type": "message", "role": "assistant", "model": reply.model, "content": [],
        "stop_reason": null, "stop_sequence": null})
}

fn head(call: &Call) -> Value {
    json!({"type": "tool_use", "id": call.id("toolu"), "name": call.name})
}

fn stop(reply: &Reply) -> &'static str {
    match reply.stop {
        Stop::Length => "max_tokens",
        Stop::Refusal => "refusal",
        Stop::Done if reply.calls.is_empty() => "end_turn",
        Stop::Done => "tool_use",
    }
}

fn usage(reply: &Reply, output: u64) -> Value {
    let usage = &reply.usage;
    json!({"input_tokens": usage.input, "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read, "output_tokens": output})
}
