//! OpenAI Responses.

use super::{named_event, with};
use crate::{
    reply::{Call, Reply},
    script::Stop,
    tools::Input,
};
use serde_json::{Value, json};

pub(crate) fn whole(reply: &Reply) -> Value {
    let usage = &reply.usage;
    let cut = reply.stop == Stop::Length;
    with(
        begun(reply),
        json!({"status": if cut { "incomplete" } else { "completed" }, "output": items(reply),
            "incomplete_details": cut.then(|| json!({"reason": "max_output_tokens"})),
            "usage": {"input_tokens": usage.read(), "input_tokens_details": {"cached_tokens": usage.cache_read},
                "output_tokens": usage.output, "output_tokens_details": {"reasoning_tokens": usage.reasoning},
                "total_tokens": usage.read() + usage.output}}),
    )
}

pub(crate) fn events(reply: &Reply) -> Vec<String> {
    let mut all = vec![
        json!({"type": "response.created", "response": begun(reply)}),
        json!({"type": "response.in_progress", "response": begun(reply)}),
    ];
    for (index, item) in items(reply).into_iter().enumerate() {
        match item["type"].as_str() {
            Some("message") => message(reply, index, &item, &mut all),
            Some("function_call") => {
                call(
                    "response.function_call_arguments",
                    "arguments",
                    index,
                    &item,
                    &mut all,
                );
            }
            _ => call(
                "response.custom_tool_call_input",
                "input",
                index,
                &item,
                &mut all,
            ),
        }
        all.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
    }
    let whole = whole(reply);
    let end = format!("response.{}", whole["status"].as_str().unwrap_or_default());
    all.push(json!({"type": end, "response": whole}));
    let numbered = all.into_iter().enumerate();
    numbered
        .map(|(number, data)| named_event(&with(data, json!({"sequence_number": number}))))
        .collect()
}

fn begun(reply: &Reply) -> Value {
    json!({"id": reply.id("resp"), "object": "response", "created_at": 1_700_000_000, "model": reply.model,
        "status": "in_progress", "output": [], "usage": null, "error": null, "incomplete_details": null,
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": []})
}

fn items(reply: &Reply) -> Vec<Value> {
    let said = (!reply.say.is_empty()).then(|| {
        json!({"id": reply.id("msg"), "type": "message", "status": "completed", "role": "assistant",
            "content": [part(reply, &reply.say)]})
    });
    said.into_iter()
        .chain(reply.calls.iter().map(called))
        .collect()
}

fn called(call: &Call) -> Value {
    let id = call.id("call");
    if let Input::Text(text) = &call.input {
        return json!({"id": call.id("ctc"), "type": "custom_tool_call", "status": "completed", "call_id": id,
            "name": call.name, "input": text});
    }
    let (space, name) = match call.name.split_once("::") {
        Some((space, name)) => (Some(space), name),
        None => (None, call.name.as_str()),
    };
    let mut item = json!({"id": call.id("fc"), "type": "function_call", "status": "completed", "call_id": id,
        "name": name, "arguments": call.input.text()});
    if let Some(space) = space {
        item["namespace"] = json!(space);
    }
    item
}

fn part(reply: &Reply, text: &str) -> Value {
    if reply.stop == Stop::Refusal {
        json!({"type": "refusal", "refusal": text})
    } else {
        json!({"type": "output_text", "text": text, "annotations": []})
    }
}

fn message(reply: &Reply, index: usize, item: &Value, all: &mut Vec<Value>) {
    let at = json!({"item_id": item["id"], "output_index": index, "content_index": 0});
    let (kind, whole) = if reply.stop == Stop::Refusal {
        ("response.refusal", "refusal")
    } else {
        ("response.output_text", "text")
    };
    let empty = json!({"status": "in_progress", "content": []});
    all.push(json!({"type": "response.output_item.added", "output_index": index, "item": with(item.clone(), empty)}));
    let event = |kind: &str, more: Value| with(with(at.clone(), more), json!({ "type": kind }));
    all.push(event(
        "response.content_part.added",
        json!({"part": part(reply, "")}),
    ));
    let delta = format!("{kind}.delta");
    all.extend(
        reply
            .pieces()
            .map(|text| event(&delta, json!({ "delta": text }))),
    );
    all.push(event(&format!("{kind}.done"), json!({ whole: reply.say })));
    all.push(event(
        "response.content_part.done",
        json!({"part": part(reply, &reply.say)}),
    ));
}

fn call(kind: &str, field: &str, index: usize, item: &Value, all: &mut Vec<Value>) {
    let at = json!({"item_id": item["id"], "output_index": index});
    let empty = json!({"status": "in_progress", field: ""});
    all.push(json!({"type": "response.output_item.added", "output_index": index, "item": with(item.clone(), empty)}));
    let delta = json!({"type": format!("{kind}.delta"), "delta": item[field]});
    all.push(with(at.clone(), delta));
    let done = json!({"type": format!("{kind}.done"), field: item[field]});
    all.push(with(at, done));
}
