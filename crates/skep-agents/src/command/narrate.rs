//! The lines of a program that prints JSON, for people: by the rules that say what they mean.

use super::{
    Rules, See,
    reader::{holds, tokens},
};
use crate::{
    json::Json,
    narrate::{Tale, argument},
};
use alloc::string::ToString;

/// Tells what a line says; no if no rule knows it.
pub(crate) fn narrate(rules: &Rules, line: &Json, tale: &mut Tale) -> bool {
    let mut known = false;
    for rule in &rules.rules {
        if !rule.when.iter().all(|(at, is)| holds(line.path(at), is)) {
            continue;
        }
        known = true;
        for see in &rule.see {
            told(see, line, tale);
        }
    }
    // What has a type is of the program, whether or not a rule is about it.
    known || line.at("type").text().is_some()
}

fn told(see: &See, line: &Json, tale: &mut Tale) {
    let text = |place: &str| line.path(place).str().to_string();
    match see {
        See::Said { text: place } => tale.said(&text(place)),
        See::Words { text: place } => tale.words(false, &text(place)),
        See::ToolBegan { name, .. } => {
            // The rules do not say where arguments are. Those of known programs are in one of these.
            let places = [
                "parameters",
                "part.state.input",
                "input",
                "arguments",
                "args",
            ];
            let given = places.iter().map(|place| argument(line.path(place)));
            let given = given.into_iter().find(|given| !given.is_empty());
            tale.tool(&text(name), &given.unwrap_or_default());
        }
        See::ToolEnded { ok, .. } => {
            let places = [
                "output",
                "part.state.output",
                "part.state.error",
                "error.message",
            ];
            let given = places.iter().map(|place| text(place));
            let given = given.into_iter().find(|given| !given.is_empty());
            tale.result(*ok, &given.unwrap_or_default());
        }
        See::Usage { .. } => {
            if let Some(tokens) = tokens(see, |place| match place {
                "" => None,
                place => line.path(place).u64(),
            }) {
                tale.usage(tokens, &Json::Null);
            }
        }
        See::Error { text: place, .. } => tale.error(&text(place)),
        See::Retrying { .. } => tale.note("tries again"),
        See::Done { .. } => tale.done(),
        See::Started { .. }
        | See::TurnBegan {}
        | See::Progress {}
        | See::Cost { .. }
        | See::Context { .. } => {}
    }
}
