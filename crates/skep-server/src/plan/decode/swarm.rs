//! The document's top level, `[swarm]`, `[roles]` and `[agents]`.

use super::{Decoder, Field, Options, nowhere};
use crate::{
    models,
    plan::{
        fault::Fault,
        tree::{Node, Span, Value},
    },
};
use skep_core::{
    limits,
    spec::{
        Budget, Host, Landing, ModelSpec, Permission, Plan, Policy, Price, Role, Step, SwarmSpec,
        Tier, Workers, catalog,
    },
    time::Millis,
};
use std::collections::BTreeMap;

/// How long one command of the integration check may run when the plan does not say.
pub(crate) const CHECK_TIMEOUT: Millis = Millis::mins(30);

impl Decoder {
    pub(crate) fn document(&mut self, root: &Node, options: &Options) -> Plan {
        let field = Field {
            name: "the plan".into(),
            node: root,
            path: Vec::new(),
        };
        let mut plan = Plan {
            swarm: default_swarm(options),
            tasks: Vec::new(),
        };
        // An empty file is an empty plan: the checks then say what it lacks.
        if matches!(root.value, Value::Null) {
            return plan;
        }
        let Some(mut table) = self.table(&field, "the plan", "a table with `swarm` and `task`")
        else {
            self.doubts.paths.insert(Vec::new());
            return plan;
        };
        table.entry("$schema");
        let mut swarm_keys = Vec::new();
        let mut budget = None;
        let swarm = table.take(self, "swarm", |d, f| {
            d.swarm(f, options, &mut swarm_keys, &mut budget)
        });
        let roles = table.take(self, "roles", |d, f| {
            d.named(f, "[roles.backend] with keys below it", true, Self::role)
        });
        let agents = table.take(self, "agents", |d, f| {
            d.named(f, "[agents.aider] with keys below it", true, |d, f| {
                d.agent(f, &options.built_in())
            })
        });
        let own = table.take(self, "models", |d, f| {
            d.named(
                f,
                "[models.\"NAME\"] with keys below it",
                false,
                Self::model_spec,
            )
        });
        let hooks = table.take(self, "hooks", Self::hooks);
        let origins = table.take(self, "$origins", |d, f| {
            d.named(f, "a table of texts", false, Self::text)
        });
        let policy = table.take(self, "policy", Self::policy);
        let routes = table.take(self, "alerts", Self::alerts);
        let tasks = table.take(self, "task", Self::tasks);
        if swarm_keys.is_empty() {
            swarm_keys = known_swarm_keys(options);
        }
        table.finish(self, |key| {
            if swarm_keys.contains(&key) {
                Some(format!(
                    "`{key}` belongs to the swarm: put it under [swarm]"
                ))
            } else if matches!(key, "id" | "mission" | "brief" | "depends_on" | "success") {
                Some(format!("`{key}` belongs to a task: put it under [[task]]"))
            } else {
                None
            }
        });
        plan.swarm = swarm.unwrap_or(plan.swarm);
        plan.swarm.roles = roles.unwrap_or_default();
        plan.swarm.agents = agents.unwrap_or_default();
        plan.swarm.catalog.extend(own.unwrap_or_default());
        plan.swarm.hooks = hooks.unwrap_or_default();
        plan.swarm.origins = origins.unwrap_or_default();
        plan.swarm.policy = policy.unwrap_or_default();
        plan.swarm.routes = routes.unwrap_or_default();
        if let Some((budget, span)) = budget {
            if plan.swarm.policy.budget == Budget::default() {
                plan.swarm.policy.budget = budget;
            } else {
                let message =
                    "the budget is given twice: under [swarm] and under [policy]".to_string();
                let fault = Fault::new("plan::twice", span, message);
                self.note(fault.help("keep one of the two; they mean the same"));
            }
        }
        plan.tasks = tasks.unwrap_or_default();
        plan
    }

    fn swarm(
        &mut self,
        field: &Field<'_>,
        options: &Options,
        keys: &mut Vec<&'static str>,
        budget: &mut Option<(Budget, Span)>,
    ) -> Option<SwarmSpec> {
        let mut t = self.table(field, "the swarm", "[swarm] with keys below it")?;
        let base = default_swarm(options);
        let landings = [("branch", Landing::Branch), ("main", Landing::Main)];
        let hosts = [Host::Headless, Host::Tmux].map(|host| (host.word(), host));
        let swarm = SwarmSpec {
            name: t.take(self, "name", Self::name).unwrap_or(base.name),
            target: t.take(self, "target", Self::text),
            landing: t
                .take(self, "landing", |d, f| d.choice(f, &landings))
                .unwrap_or(base.landing),
            workers: t
                .take(self, "workers", Self::workers)
                .unwrap_or(base.workers),
            agent: t.take(self, "agent", Self::text).unwrap_or(base.agent),
            model: t.take(self, "model", Self::text),
            models: t.take(self, "models", Self::texts).unwrap_or_default(),
            catalog: base.catalog,
            check: t.take(self, "check", Self::commands).unwrap_or_default(),
            check_timeout: t
                .take(self, "check_timeout", Self::duration)
                .unwrap_or(base.check_timeout),
            prompt: t.take(self, "prompt", Self::text),
            setup: t.take(self, "setup", Self::commands).unwrap_or_default(),
            teardown: t.take(self, "teardown", Self::commands).unwrap_or_default(),
            worktree: t
                .take(self, "worktree", Self::truth)
                .unwrap_or(base.worktree),
            host: t
                .take(self, "host", |d, f| d.choice(f, &hosts))
                .unwrap_or(base.host),
            roles: base.roles,
            agents: base.agents,
            built_in: base.built_in,
            permission: t.take(self, "permission", Self::permission),
            routes: base.routes,
            hooks: base.hooks,
            origins: base.origins,
            policy: base.policy,
        };
        *budget = t.take(self, "budget", |d, f| {
            Some((d.caps(f)?, f.node.span.clone()))
        });
        keys.clone_from(&t.asked);
        t.finish(self, |key| {
            matches!(
                key,
                "policy" | "roles" | "agents" | "alerts" | "hooks" | "task"
            )
            .then(|| format!("`{key}` stands beside [swarm], not in it: move it to the top level"))
        });
        Some(swarm)
    }

    fn workers(&mut self, field: &Field<'_>) -> Option<Workers> {
        const HELP: &str = "write \"auto\", { min = 1, max = 8 }, a number such as 3, or { backend = 2, frontend = 1 }";
        match &field.node.value {
            Value::Int(n) => match u32::try_from(*n) {
                Ok(n) if n <= limits::WORKERS => Some(Workers::Count(n)),
                _ => {
                    let most = limits::WORKERS;
                    let message =
                        format!("`workers` must be a whole number from 0 to {most}, not {n}");
                    self.bad("plan::bad_number", field, message, HELP)
                }
            },
            Value::Text(text) if text == "auto" => Some(Workers::Auto),
            Value::Table(entries) if entries.is_empty() => {
                let message = "`workers` names no role".into();
                self.bad("plan::bad_value", field, message, HELP)
            }
            Value::Table(entries) if entries.iter().any(|e| matches!(&*e.key, "min" | "max")) => {
                self.between(field)
            }
            Value::Table(entries) => {
                let roles = self.named(field, HELP, true, Self::count)?;
                // With a role left out, the rest is not what the plan says.
                (roles.len() == entries.len()).then_some(Workers::PerRole(roles))
            }
            _ => self.wrong(field, "\"auto\", a number or a table of roles", HELP),
        }
    }

    /// Both bounds, and nothing beside them: roles have numbers of their own.
    fn between(&mut self, field: &Field<'_>) -> Option<Workers> {
        const EXAMPLE: &str = "{ min = 1, max = 8 }";
        let mut table = self.table(field, "`workers`", EXAMPLE)?;
        let min = table.need(self, "min", EXAMPLE, Self::count);
        let max = table.need(self, "max", EXAMPLE, Self::count);
        table.finish(self, |_| {
            Some("with `min` and `max` the tasks decide which roles the workers have".into())
        });
        Some(Workers::Between {
            min: min?,
            max: max?,
        })
    }

    /// The budget where the swarm has it: a lone number does not say what it caps.
    fn caps(&mut self, field: &Field<'_>) -> Option<Budget> {
        if matches!(field.node.value, Value::Int(_) | Value::Float(_)) {
            let help =
                "write { usd = 20.0 } for the whole swarm, or { per_task_usd = 2.0 } for each task";
            return self.wrong(field, "a table", help);
        }
        self.budget(field)
    }

    fn role(&mut self, field: &Field<'_>) -> Option<Role> {
        let mut table = self.table(
            field,
            "a role",
            "a table such as { capabilities = [\"rust\"] }",
        )?;
        let role = Role {
            capabilities: table.take(self, "capabilities", Self::texts),
            model: table.take(self, "model", Self::text),
            permission: table.take(self, "permission", Self::permission),
        };
        table.finish(self, nowhere);
        Some(role)
    }

    /// What a plan knows better of a model, or knows alone. What it does not say of a model that Skep knows stays.
    fn model_spec(&mut self, field: &Field<'_>) -> Option<ModelSpec> {
        let mut table = self.table(
            field,
            "a model",
            "a table such as { provider = \"openai\", input = 1.25, output = 10.0 }",
        )?;
        let name = match field.path.last() {
            Some(Step::Name(name)) => name.as_str(),
            _ => "",
        };
        let known = catalog::find(models::catalog(), name).map(|(_, spec)| spec);
        let tiers = [
            ("cheap", Tier::Cheap),
            ("default", Tier::Default),
            ("smart", Tier::Smart),
        ];
        let provider = match known {
            Some(known) => table
                .take(self, "provider", Self::text)
                .or_else(|| Some(known.provider.clone())),
            None => table.need(self, "provider", "provider = \"openai\"", Self::text),
        };
        let tier = table.take(self, "tier", |d, f| d.choice(f, &tiers));
        let mut usd = |key| table.take(self, key, Self::money);
        let (input, cache_read) = (usd("input"), usd("cache_read"));
        let (cache_write, output) = (usd("cache_write"), usd("output"));
        let old = known.and_then(|known| known.price);
        let price = match (
            input.or(old.map(|p| p.input)),
            output.or(old.map(|p| p.output)),
        ) {
            // A cache that nothing is said of saves nothing.
            (Some(input), Some(output)) => Some(Price {
                input,
                output,
                cache_read: cache_read.or(old.map(|p| p.cache_read)).unwrap_or(input),
                cache_write: cache_write.or(old.map(|p| p.cache_write)).unwrap_or(input),
            }),
            (None, None) if cache_read.is_none() && cache_write.is_none() => None,
            _ => {
                let message = format!("{} has part of a price", field.name);
                let help = "give both `input` and `output`, or none for a price that is not known";
                table.finish(self, nowhere);
                return self.bad("plan::half_a_price", field, message, help);
            }
        };
        table.finish(self, nowhere);
        Some(ModelSpec {
            provider: provider?,
            tier: tier.or(known.map(|known| known.tier)).unwrap_or_default(),
            price,
        })
    }

    pub(super) fn permission(&mut self, field: &Field<'_>) -> Option<Permission> {
        let all = [Permission::Ask, Permission::Edits, Permission::All];
        self.choice(field, &all.map(|one| (one.word(), one)))
    }

    fn tasks(&mut self, field: &Field<'_>) -> Option<Vec<skep_core::spec::TaskSpec>> {
        let Value::List(items) = &field.node.value else {
            let help = "write [[task]] before each task (with two brackets in TOML; in YAML and JSON it is a list)";
            return self.wrong(field, "a list of tasks", help);
        };
        let tasks = items.iter().enumerate().map(|(index, node)| {
            let mut path = field.path.clone();
            path.push(Step::Index(index));
            self.task(index, node, path)
        });
        Some(tasks.collect())
    }

    /// Notes a fault of a kind that has no reader of its own.
    pub(super) fn note(&mut self, fault: Fault) {
        self.faults.push(fault);
    }
}

fn known_swarm_keys(options: &Options) -> Vec<&'static str> {
    let mut keys = Vec::new();
    let empty = Node::new(Value::Table(Vec::new()), 0..0);
    let field = Field {
        name: String::new(),
        node: &empty,
        path: Vec::new(),
    };
    Decoder::default().swarm(&field, options, &mut keys, &mut None);
    keys
}

/// What holds where the plan says nothing.
pub(crate) fn default_swarm(options: &Options) -> SwarmSpec {
    SwarmSpec {
        name: options.default_name.clone(),
        target: None,
        landing: Landing::default(),
        workers: Workers::Auto,
        agent: options.default_agent.clone(),
        model: None,
        models: Vec::new(),
        catalog: models::catalog().clone(),
        check: Vec::new(),
        check_timeout: CHECK_TIMEOUT,
        prompt: None,
        setup: Vec::new(),
        teardown: Vec::new(),
        worktree: true,
        host: Host::default(),
        roles: BTreeMap::new(),
        agents: BTreeMap::new(),
        built_in: options.built_in(),
        permission: None,
        routes: Vec::new(),
        hooks: BTreeMap::new(),
        origins: BTreeMap::new(),
        policy: Policy::default(),
    }
}
