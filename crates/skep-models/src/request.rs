//! What is asked: which protocol, which tools, which script, and which turn is due.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A provider's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// Anthropic Messages.
    Messages,
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Gemini `generateContent`.
    Gemini,
}

/// A request for a turn.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) api: Api,
    pub(crate) streams: bool,
    pub(crate) model: String,
    pub(crate) tools: Tools,
    /// The turns of the model since the prompt.
    pub(crate) turn: usize,
}

/// The declared tools: the JSON schema of the parameters of each; none for those that take free text.
pub(crate) type Tools = BTreeMap<String, Option<Value>>;

/// The mark in a prompt that chooses a script.
pub(crate) const MARK: &str = "[[script:";

impl Api {
    /// The protocol of a path. The base URL before it does not matter.
    pub(crate) fn of(path: &str) -> Option<Api> {
        let ends = |end: &str| path.trim_end_matches('/').ends_with(end);
        Some(if ends("/messages") {
            Api::Messages
        } else if ends("/chat/completions") {
            Api::Chat
        } else if ends("/responses") {
            Api::Responses
        } else if ends(":generateContent") || ends(":streamGenerateContent") {
            Api::Gemini
        } else {
            return None;
        })
    }
}

impl Request {
    pub(crate) fn of(api: Api, path: &str, body: &Value) -> Request {
        let streams = match api {
            Api::Gemini => path.contains(":stream"),
            _ => body["stream"] == true,
        };
        let model = match api {
            Api::Gemini => path
                .rsplit('/')
                .next()
                .and_then(|last| last.split(':').next())
                .unwrap_or_default(),
            _ => body["model"].as_str().unwrap_or_default(),
        };
        Request {
            api,
            streams,
            model: model.into(),
            tools: tools(body),
            turn: turn(messages(api, body)),
        }
    }
}

/// The name that the last mark in a request gives: a session that is gone on with still holds the marks of the
/// prompts before. What stands in system prompts and replies counts as well; nobody writes marks there.
pub(crate) fn mark(body: &str) -> Option<&str> {
    let (_, rest) = body.rsplit_once(MARK)?;
    let (name, _) = rest.split_once("]]")?;
    Some(name)
}

fn messages(api: Api, body: &Value) -> &[Value] {
    let field = match api {
        Api::Messages | Api::Chat => "messages",
        Api::Responses => "input",
        Api::Gemini => "contents",
    };
    body[field].as_array().map_or(&[], Vec::as_slice)
}

/// How many turns the model has had since the last prompt with a mark, or in all if there is none. A turn is a run of
/// messages that are the model's: Responses has one for each part of a turn.
fn turn(messages: &[Value]) -> usize {
    // A tool may have read the prompt aloud; that is no new prompt.
    let marked = |message: &Value| {
        !is_models(message) && !is_tools(message) && message.to_string().contains(MARK)
    };
    let since = messages.iter().rposition(marked).map_or(0, |at| at + 1);
    let mut turns = 0;
    let mut before = false;
    for message in &messages[since..] {
        let models = is_models(message);
        turns += usize::from(models && !before);
        before = models;
    }
    turns
}

fn is_models(message: &Value) -> bool {
    let kind = message["type"].as_str().unwrap_or_default();
    matches!(message["role"].as_str(), Some("assistant" | "model"))
        || kind.ends_with("_call")
        || kind == "reasoning"
}

fn is_tools(message: &Value) -> bool {
    let kind = message["type"].as_str().unwrap_or_default();
    let parts = message["content"]
        .as_array()
        .or(message["parts"].as_array());
    let result =
        |part: &Value| part["type"] == "tool_result" || part["functionResponse"].is_object();
    message["role"] == "tool"
        || kind.ends_with("_output")
        || parts.is_some_and(|p| p.iter().any(result))
}

fn tools(body: &Value) -> Tools {
    let mut all = Tools::new();
    for tool in body["tools"].as_array().into_iter().flatten() {
        declare(tool, None, &mut all);
    }
    all
}

fn declare(tool: &Value, space: Option<&str>, all: &mut Tools) {
    let schema = |tool: &Value| {
        ["input_schema", "parameters", "parametersJsonSchema"]
            .iter()
            .find_map(|field| tool.get(field).cloned())
            .unwrap_or_else(|| Value::Object(Map::new()))
    };
    let name = |tool: &Value| tool["name"].as_str().map(String::from);
    if let Some(functions) = tool["functionDeclarations"].as_array() {
        for function in functions {
            if let Some(name) = name(function) {
                all.insert(name, Some(schema(function)));
            }
        }
    } else if tool["type"] == "namespace" {
        for inner in tool["tools"].as_array().into_iter().flatten() {
            declare(inner, tool["name"].as_str(), all);
        }
    } else if tool["function"].is_object() {
        declare(&tool["function"], space, all);
    } else if let Some(name) = name(tool) {
        let name = space.map_or(name.clone(), |space| format!("{space}::{name}"));
        all.insert(name, (tool["type"] != "custom").then(|| schema(tool)));
    } else if let Some(kind) = tool["type"].as_str() {
        // A tool that the provider knows by its kind.
        all.insert(kind.into(), Some(Value::Object(Map::new())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // proves: X-3
    #[test]
    fn a_turn_is_counted_from_the_last_prompt_with_a_mark() {
        let user = |text: &str| json!({"role": "user", "content": text});
        let model = json!({"role": "assistant", "content": "x"});
        let body = |messages: &[&Value]| json!({"messages": messages});
        let count = |messages: &[&Value]| {
            Request::of(Api::Chat, "/v1/chat/completions", &body(messages)).turn
        };
        let (first, second) = (user("[[script:a]] do"), user("go on [[script:b#2]]"));
        let (seed, tool) = (user("hello"), json!({"role": "tool", "content": "ok"}));
        assert_eq!(
            count(&[&seed, &model, &first]),
            0,
            "invented turns before it"
        );
        assert_eq!(count(&[&first, &model, &tool]), 1);
        assert_eq!(count(&[&first, &model, &tool, &model, &second]), 0);
        assert_eq!(count(&[&first, &model, &second, &model, &tool]), 1);
        let aloud = json!({"role": "tool", "content": "do [[script:a]]"});
        assert_eq!(count(&[&first, &model, &aloud]), 1, "read aloud by a tool");
        let block = json!({"role": "user", "content": [{"type": "tool_result", "content": "[[script:a]]"}]});
        assert_eq!(count(&[&first, &model, &block, &model]), 2);
        let text = body(&[&first, &model, &second]).to_string();
        assert_eq!(mark(&text), Some("b#2"));
    }

    // proves: X-3
    #[test]
    fn a_turn_of_responses_is_one_whatever_its_parts() {
        let items = json!({"input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "[[script:a]]"}]},
            {"type": "reasoning"}, {"type": "message", "role": "assistant"}, {"type": "function_call"},
            {"type": "function_call_output"},
            {"type": "custom_tool_call"}, {"type": "custom_tool_call_output"}]});
        assert_eq!(Request::of(Api::Responses, "/responses", &items).turn, 2);
    }
}
