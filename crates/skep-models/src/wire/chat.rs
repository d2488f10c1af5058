//! OpenAI Chat Completions.

use super::{event, with};
use crate::{
    reply::{Call, Reply},
    script::Stop,
};
use serde_json::{Value, json};

pub(crate) fn whole(reply: &Reply) -> Value {
    let calls: Vec<_> = reply.calls.iter().map(|call| tool(call, true)).collect();
    let mut message = json!({"role": "assistant", "content": reply.say, "refusal": null});
    if reply.stop == Stop::Refusal {
        message["refusal"] = json!(reply.say);
    }
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    with(
        base(reply),
        json!({"object": "chat.completion", "usage": usage(reply),
            "choices": [{"index": 0, "message": message, "finish_reason": finish(reply)}]}),
    )
}

pub(crate) fn events(reply: &Reply) -> Vec<String> {
    let chunk = |delta: Value, finish: Option<&str>| {
        with(
            base(reply),
            json!({"object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}),
        )
    };
    let mut all = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
    all.extend(
        reply
            .pieces()
            .map(|text| chunk(json!({"content": text}), None)),
    );
    for (index, call) in reply.calls.iter().enumerate() {
        let at = json!({"index": index});
        all.push(chunk(
            json!({"tool_calls": [with(tool(call, false), at.clone())]}),
            None,
        ));
        let rest = json!({"function": {"arguments": call.input.text()}});
        all.push(chunk(json!({"tool_calls": [with(rest, at)]}), None));
    }
    all.push(chunk(json!({}), Some(finish(reply))));
    all.push(with(
        base(reply),
        json!({"object": "chat.completion.chunk", "choices": [], "usage": usage(reply)}),
    ));
    let events = all.iter().map(event);
    events.chain(["data: [DONE]\n\n".into()]).collect()
}

fn base(reply: &Reply) -> Value {
    json!({"id": reply.id("chatcmpl"), "created": 1_700_000_000, "model": reply.model})
}

fn tool(call: &Call, whole: bool) -> Value {
    let arguments = if whole {
        call.input.text()
    } else {
        String::new()
    };
    json!({"id": call.id("call"), "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

fn finish(reply: &Reply) -> &'static str {
    match reply.stop {
        Stop::Length => "length",
        Stop::Refusal => "content_filter",
        Stop::Done if reply.calls.is_empty() => "stop",
        Stop::Done => "tool_calls",
    }
}

fn usage(reply: &Reply) -> Value {
    let usage = &reply.usage;
    // What was written to a cache is not told apart here.
    json!({"prompt_tokens": usage.read(), "completion_tokens": usage.output,
        "total_tokens": usage.read() + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning}})
}
