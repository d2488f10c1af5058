//! Gemini `generateContent` and `streamGenerateContent`.

use super::event;
use crate::{reply::Reply, script::Stop};
use serde_json::{Value, json};

pub(crate) fn whole(reply: &Reply) -> Value {
    let said = (!reply.say.is_empty()).then(|| json!({"text": reply.say}));
    candidate(reply, said.into_iter().chain(calls(reply)).collect(), true)
}

pub(crate) fn events(reply: &Reply) -> Vec<String> {
    let words = reply
        .pieces()
        .map(|text| candidate(reply, vec![json!({"text": text})], false));
    let mut last: Vec<_> = calls(reply).collect();
    if last.is_empty() {
        last.push(json!({"text": ""}));
    }
    let all: Vec<_> = words.chain([candidate(reply, last, true)]).collect();
    all.iter().map(event).collect()
}

fn calls(reply: &Reply) -> impl Iterator<Item = Value> {
    reply.calls.iter().map(|call| {
        json!({"functionCall": {"id": call.id("call"), "name": call.name, "args": call.input.json()}})
    })
}

fn candidate(reply: &Reply, parts: Vec<Value>, last: bool) -> Value {
    let usage = &reply.usage;
    let mut counts = json!({"promptTokenCount": usage.read(), "totalTokenCount": usage.read()});
    let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
    if last {
        candidate["finishReason"] = json!(match reply.stop {
            Stop::Done => "STOP",
            Stop::Length => "MAX_TOKENS",
            Stop::Refusal => "SAFETY",
        });
        // Thoughts are counted beside the rest here, and not as a part of it.
        counts = json!({"promptTokenCount": usage.read(), "cachedContentTokenCount": usage.cache_read,
            "candidatesTokenCount": usage.output.saturating_sub(usage.reasoning),
            "thoughtsTokenCount": usage.reasoning, "totalTokenCount": usage.read() + usage.output});
    }
    json!({"candidates": [candidate], "usageMetadata": counts, "modelVersion": reply.model,
        "responseId": reply.id("scripted")})
}
