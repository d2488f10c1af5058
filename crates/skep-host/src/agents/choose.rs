//! Which adapter speaks with an order's agent, and what that agent may do.

use skep_agents::{About, Adapter, Permission, command::Rules};
use skep_core::plan::Order;

/// How an agent is spoken with.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) adapter: Adapter,
    /// The adapter's own name; none if it is no more than output rules.
    pub(crate) name: Option<&'static str>,
    /// The output rules.
    pub(crate) rules: Option<String>,
    /// What it may do without asking.
    pub(crate) permission: Permission,
}

impl Choice {
    pub(crate) fn about(&self) -> Option<About> {
        self.adapter.about()
    }
}

/// The adapter for an order's agent; none if it is a command that says nothing of itself.
pub(crate) fn choose(order: &Order) -> Result<Option<Choice>, String> {
    let spec = order.agent_spec.as_ref();
    let (adapter, rules) = match spec {
        Some(spec) if spec.protocol.as_deref() == Some("acp") => (Adapter::named("acp"), None),
        Some(spec) if spec.rules.is_some() => {
            let rules = spec.rules.as_deref().unwrap_or_default();
            let parsed = Rules::parse(rules).map_err(|fault| fault.to_string())?;
            (Some(Adapter::Command(parsed)), spec.rules.clone())
        }
        // A command of the user's own goes before what Skep knows of a program of the same name.
        Some(spec) if !spec.command.is_empty() => (None, None),
        _ => (Adapter::named(&order.agent), None),
    };
    Ok(adapter.map(|adapter| Choice {
        permission: permission(adapter.about().as_ref(), order.permission),
        name: adapter.about().map(|about| about.name),
        adapter,
        rules,
    }))
}

/// What an agent may do if nobody says so: edit its worktree, which is the least that gets any work done with
/// nobody there to allow it; where that cannot be held, the least that can.
pub(crate) fn permission(about: Option<&About>, asked: Option<Permission>) -> Permission {
    let least = about.map_or(Permission::All, |about| about.least);
    asked.unwrap_or(least.max(Permission::Edits))
}
