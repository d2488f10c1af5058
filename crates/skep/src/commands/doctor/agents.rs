//! The agents that Skep knows: which are here, which could log in, and what each can be held to.

use super::{Report, Verdict};
use skep_core::state::State;
use skep_host::agents::{Found, detect};
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "agents";

/// Looks for them all. One that is missing is bad news only if a task that is not over needs it.
pub(super) fn check(state: Option<&State>, report: &mut Report) {
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let used = state.map(used).unwrap_or_default();
    let found = detect(&env);
    let mut missing = Vec::new();
    for one in &found {
        let name = one.about.name;
        match &one.program {
            Some(_) => tell(one, report),
            None if used.contains(name) => {
                let what = format!(
                    "{name}: `{}` is not on PATH, and the plan uses it",
                    one.about.program
                );
                report.add(
                    NAME,
                    Verdict::Bad,
                    what,
                    "install it, or give its tasks another agent",
                );
            }
            None => missing.push(name),
        }
    }
    if missing.len() == found.len() {
        let hint = "the shell agent and agents by configuration always work";
        report.add(NAME, Verdict::Note, "no known agent is on PATH", hint);
    } else if !missing.is_empty() {
        let what = format!("not on PATH: {}", missing.join(", "));
        report.add(NAME, Verdict::Good, what, "");
    }
}

fn tell(found: &Found, report: &mut Report) {
    let about = &found.about;
    let recorded = about.recorded;
    let version = match found.version.as_deref() {
        Some(version) if version == recorded => version.to_string(),
        Some(version) => format!("{version} (known with {recorded})"),
        None => format!("of an unknown version (known with {recorded})"),
    };
    let login = match &found.login {
        Some(login) => format!("login by {login}"),
        None => "no login".into(),
    };
    let held = if about.least == found.permission() {
        format!("can be held to no less than \"{}\"", about.least.word())
    } else {
        format!(
            "may do \"{}\" unless told otherwise, can be held to \"{}\"",
            found.permission().word(),
            about.least.word()
        )
    };
    let speaks = if about.can.mcp {
        ""
    } else {
        "; reaches no MCP server in a worktree, speaks by `skep` in its shell"
    };
    let what = format!("{} {version}, {login}; {held}{speaks}", about.name);
    if found.login.is_some() {
        report.add(NAME, Verdict::Good, what, "");
    } else {
        let hint = format!("log in with it, or set one of: {}", found.logins());
        report.add(NAME, Verdict::Note, what, &hint);
    }
}

/// The agents of tasks that are not over.
fn used(state: &State) -> BTreeSet<&str> {
    let Some(swarm) = state.swarm() else {
        return BTreeSet::new();
    };
    let open = state.tasks().iter().filter(|task| !task.state.is_over());
    let agents = open.map(|task| task.spec.agent.as_ref().unwrap_or(&swarm.spec.agent));
    let own = |agent: &&String| {
        let spec = swarm.spec.agents.get(*agent);
        spec.is_none_or(|spec| spec.command.is_empty())
    };
    agents.filter(own).map(String::as_str).collect()
}
