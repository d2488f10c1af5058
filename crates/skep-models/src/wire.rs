//! The providers' words: one file each.

pub(crate) mod chat;
pub(crate) mod gemini;
pub(crate) mod messages;
pub(crate) mod responses;

use serde_json::Value;

/// A server-sent event without a name.
fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// A server-sent event with the name that its data has as `type`.
fn named_event(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

/// `base` with these fields, too; those win.
fn with(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}
