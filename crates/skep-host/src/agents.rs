//! The agents that Skep knows by itself, for those who may not know vendors.

mod choose;
mod detect;
mod home;

pub(crate) use choose::{Choice, choose};
pub use detect::{Found, Unable, check_plan, detect};
pub use home::homes;
pub(crate) use home::{Prepared, prepare, remove_homes};

use skep_agents::{
    KNOWN,
    command::{AIDER, GEMINI, OPENCODE, Rules},
};

/// Their names in plans, besides `shell`.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|about| about.name)
}

/// Output rules from a plan: the name of a set that Skep has, or rules as JSON.
///
/// # Errors
/// What is wrong with them, in a sentence.
pub fn check_rules(text: &str) -> Result<String, String> {
    let sets = [("aider", AIDER), ("gemini", GEMINI), ("opencode", OPENCODE)];
    if let Some((_, rules)) = sets.iter().find(|(name, _)| *name == text) {
        return Ok((*rules).into());
    }
    if !text.trim_start().starts_with('{') {
        let known = sets.map(|(name, _)| name).join(", ");
        return Err(format!(
            "there are no output rules {text:?}; there are {known}"
        ));
    }
    Rules::parse(text).map_err(|fault| fault.to_string())?;
    Ok(text.into())
}
