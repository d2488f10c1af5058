//! Describing tools and reading what they are called with: schemas come from the types, and so do the faults.

use super::No;
use rmcp::model::{Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::sync::Arc;

/// What a tool does to the world.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Nothing.
    Reads,
    /// It adds to what there is.
    Adds,
    /// It can end or undo what others have begun.
    Destroys,
}

/// A tool that is called with an `I` and answers with an `O`.
pub(super) fn tool<I: JsonSchema + 'static, O: JsonSchema + 'static>(
    name: &'static str,
    description: &'static str,
    effect: Effect,
) -> Tool {
    let annotations = ToolAnnotations::new()
        .read_only(matches!(effect, Effect::Reads))
        .destructive(matches!(effect, Effect::Destroys))
        // Nothing here reaches beyond the swarm.
        .open_world(false);
    Tool::new(name, description, Arc::default())
        .with_input_schema::<I>()
        .with_output_schema::<O>()
        .with_annotations(annotations)
}

/// Called with nothing.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Reads what a tool is called with.
pub(super) fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, No> {
    serde_json::from_value(arguments).map_err(|fault| {
        No::because(format!("the arguments are not understood: {fault}"))
            .hint("the tool's input schema says what it takes")
    })
}

/// An answer as data.
pub(super) fn answer(document: &impl Serialize) -> Result<Value, No> {
    serde_json::to_value(document).map_err(|fault| No::because(format!("a bug in Skep: {fault}")))
}
