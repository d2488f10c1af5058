//! A plan's values as tables of a document, with only what differs from the defaults.

use super::alerts;
use crate::{
    models,
    plan::{
        decode::{CHECK_TIMEOUT, RELATIONS},
        tree::{Entry, Node, Value},
    },
};
use skep_core::{
    alert::Rule,
    money::Usd,
    spec::{
        AgentSpec, Agents, Alerts, Budget, Cap, Command, Complexity, Criterion, Health, HookSpec,
        Landing, ModelSpec, ModelWish, OnFail, Plan, Policy, Priority, Providers, Reports, Role,
        RouteBy, Routing, Scaling, Slo, SwarmSpec, Targets, TaskSpec, Workers,
    },
    time::Millis,
};

pub(super) fn bare(value: Value) -> Node {
    Node::new(value, 0..0)
}
pub(super) fn entry(key: &str, value: Value) -> Entry {
    Entry {
        key: key.into(),
        key_span: 0..0,
        node: bare(value),
    }
}
pub(super) fn text(text: impl ToString) -> Value {
    Value::Text(text.to_string())
}
pub(super) fn texts<T: ToString>(list: &[T]) -> Value {
    Value::List(list.iter().map(|t| bare(text(t.to_string()))).collect())
}
fn money(amount: Usd) -> Value {
    Value::Float(amount.dollars())
}
fn command(command: &Command) -> Value {
    match command {
        Command::Line(line) => text(line),
        Command::Words(words) => texts(words),
    }
}
fn commands(list: &[Command]) -> Value {
    Value::List(list.iter().map(|c| bare(command(c))).collect())
}
fn one(key: &str, value: Value) -> Value {
    Value::Table(vec![entry(key, value)])
}

/// The plan as tables, with only what differs from the defaults.
pub(super) struct Tables {
    pub(super) swarm: Vec<Entry>,
    pub(super) roles: Vec<Entry>,
    pub(super) agents: Vec<Entry>,
    pub(super) models: Vec<Entry>,
    pub(super) hooks: Vec<Entry>,
    pub(super) origins: Vec<Entry>,
    pub(super) policy: Vec<Entry>,
    pub(super) routes: Vec<Node>,
    pub(super) tasks: Vec<Vec<Entry>>,
}

/// Collects entries, leaving out what is not given.
#[derive(Default)]
pub(super) struct Keys(pub(super) Vec<Entry>);

impl Keys {
    pub(super) fn put(&mut self, key: &str, value: Value) {
        self.0.push(entry(key, value));
    }
    pub(super) fn maybe(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }
    pub(super) fn list(&mut self, key: &str, value: Value) {
        if !matches!(&value, Value::List(items) if items.is_empty()) {
            self.put(key, value);
        }
    }
}

pub(super) fn tables(plan: &Plan) -> Tables {
    let SwarmSpec {
        roles,
        agents,
        catalog,
        policy,
        routes,
        hooks,
        origins,
        ..
    } = &plan.swarm;
    // What Skep knows itself is in no file.
    let own = |(name, spec): &(&String, &ModelSpec)| models::catalog().get(*name) != Some(*spec);
    let agents = agents.iter();
    Tables {
        swarm: swarm(&plan.swarm),
        roles: roles.iter().map(|(name, r)| entry(name, role(r))).collect(),
        agents: agents.map(|(name, a)| entry(name, agent(a))).collect(),
        models: catalog
            .iter()
            .filter(own)
            .map(|(name, m)| entry(name, model(m)))
            .collect(),
        hooks: hooks.iter().map(|(name, h)| entry(name, hook(h))).collect(),
        origins: origins
            .iter()
            .map(|(k, from)| entry(k, text(from)))
            .collect(),
        policy: numbers(policy),
        routes: routes.iter().map(alerts::route).collect(),
        tasks: plan.tasks.iter().map(task).collect(),
    }
}

fn swarm(swarm: &SwarmSpec) -> Vec<Entry> {
    // Named one by one: a field added to the type must be written here.
    let SwarmSpec {
        name,
        target,
        landing,
        workers,
        agent,
        model,
        models,
        catalog: _,
        check,
        check_timeout,
        prompt,
        setup,
        teardown,
        worktree,
        host,
        roles: _,
        agents: _,
        // What Skep knows by itself is no file's business.
        built_in: _,
        permission,
        routes: _,
        hooks: _,
        origins: _,
        policy: _,
    } = swarm;
    let mut keys = Keys::default();
    keys.put("name", text(name));
    keys.maybe("target", target.as_ref().map(text));
    if *landing == Landing::Main {
        keys.put("landing", text("main"));
    }
    match workers {
        Workers::Auto => keys.put("workers", text("auto")),
        Workers::Between { min, max } => {
            let bounds = [("min", min), ("max", max)];
            let bounds = bounds.map(|(key, n)| entry(key, Value::Int((*n).into())));
            keys.put("workers", Value::Table(bounds.into()));
        }
        Workers::Count(n) => keys.put("workers", Value::Int((*n).into())),
        Workers::PerRole(roles) => {
            let roles = roles.iter().map(|(r, n)| entry(r, Value::Int((*n).into())));
            keys.put("workers", Value::Table(roles.collect()));
        }
    }
    keys.put("agent", text(agent));
    keys.maybe("model", model.as_ref().map(text));
    keys.list("models", texts(models));
    keys.list("check", commands(check));
    if *check_timeout != CHECK_TIMEOUT {
        keys.put("check_timeout", text(check_timeout));
    }
    keys.maybe("prompt", prompt.as_ref().map(text));
    keys.list("setup", commands(setup));
    keys.list("teardown", commands(teardown));
    if !worktree {
        keys.put("worktree", Value::Bool(false));
    }
    if !host.is_headless() {
        keys.put("host", text(host.word()));
    }
    keys.maybe("permission", permission.map(|p| text(p.word())));
    keys.0
}

fn hook(hook: &HookSpec) -> Value {
    let HookSpec {
        on,
        command,
        timeout,
        on_fail,
    } = hook;
    let mut keys = Keys::default();
    let moments = on.iter().map(|moment| bare(text(moment.word())));
    keys.put("on", Value::List(moments.collect()));
    keys.put("command", texts(command));
    if *timeout != HookSpec::TIMEOUT {
        keys.put("timeout", text(timeout));
    }
    if *on_fail != OnFail::default() {
        keys.put("on_fail", text(on_fail.word()));
    }
    Value::Table(keys.0)
}

fn role(role: &Role) -> Value {
    let Role {
        capabilities,
        model,
        permission,
    } = role;
    let mut keys = Keys::default();
    keys.maybe("capabilities", capabilities.as_ref().map(|c| texts(c)));
    keys.maybe("model", model.as_ref().map(text));
    keys.maybe("permission", permission.map(|p| text(p.word())));
    Value::Table(keys.0)
}

fn agent(agent: &AgentSpec) -> Value {
    let AgentSpec {
        command,
        stdin,
        env,
        rate_limited_exit,
        provider,
        protocol,
        rules,
        permission,
        args,
    } = agent;
    let mut keys = Keys::default();
    keys.list("command", texts(command));
    keys.list("args", texts(args));
    keys.maybe("protocol", protocol.as_ref().map(text));
    keys.maybe("rules", rules.as_ref().map(text));
    keys.maybe("permission", permission.map(|p| text(p.word())));
    if *stdin {
        keys.put("stdin", Value::Bool(true));
    }
    if !env.is_empty() {
        let env = env.iter().map(|(name, value)| entry(name, text(value)));
        keys.put("env", Value::Table(env.collect()));
    }
    let codes = rate_limited_exit.iter();
    let codes = codes.map(|code| bare(Value::Int((*code).into())));
    keys.list("rate_limited_exit", Value::List(codes.collect()));
    keys.maybe("provider", provider.as_ref().map(text));
    Value::Table(keys.0)
}

fn model(model: &ModelSpec) -> Value {
    let ModelSpec {
        provider,
        tier,
        price,
    } = model;
    let mut keys = Keys::default();
    keys.put("provider", text(provider));
    keys.put("tier", text(tier.word()));
    if let Some(price) = price {
        keys.put("input", money(price.input));
        keys.put("cache_read", money(price.cache_read));
        keys.put("cache_write", money(price.cache_write));
        keys.put("output", money(price.output));
    }
    Value::Table(keys.0)
}

/// How a policy's values are written.
trait Written {
    fn written(&self) -> Value;
}

impl Written for bool {
    fn written(&self) -> Value {
        Value::Bool(*self)
    }
}
impl Written for Millis {
    fn written(&self) -> Value {
        text(self)
    }
}
impl Written for u16 {
    fn written(&self) -> Value {
        Value::Int((*self).into())
    }
}
impl Written for u32 {
    fn written(&self) -> Value {
        Value::Int((*self).into())
    }
}
impl Written for u64 {
    fn written(&self) -> Value {
        Value::Int((*self).into())
    }
}

impl Written for Usd {
    fn written(&self) -> Value {
        money(*self)
    }
}
impl Written for RouteBy {
    fn written(&self) -> Value {
        text(self.word())
    }
}
impl Written for Option<String> {
    fn written(&self) -> Value {
        text(self.as_deref().unwrap_or_default())
    }
}
impl Written for Vec<String> {
    fn written(&self) -> Value {
        texts(self)
    }
}

/// The entries of every number that is not the default.
macro_rules! changed {
    ($what:ident of $from:ident: $($key:ident),* $(,)?) => {{
        let base = $what::default();
        let mut keys = Keys::default();
        let $what { $($key),* } = $from;
        $(if *$key != base.$key { keys.put(stringify!($key), $key.written()); })*
        keys.0
    }};
}

impl Written for Agents {
    fn written(&self) -> Value {
        Value::Table(changed!(Agents of self:
            first_reply,
            reply,
            tool,
            retries,
            metering,
            ask_timeout,
            ask_total,
            context_percent,
        ))
    }
}

impl Written for Health {
    fn written(&self) -> Value {
        Value::Table(supervision(self))
    }
}

fn supervision(health: &Health) -> Vec<Entry> {
    changed!(Health of health:
        interval,
        grace,
        nudge,
        ask,
        checkpoint,
        stale,
        silent,
        claimed,
        busy_percent,
        slow_percent,
        worker_crashes,
        poison_workers,
        wait,
    )
}

impl Written for Routing {
    fn written(&self) -> Value {
        Value::Table(changed!(Routing of self:
            by,
            cheap_percent,
            default_percent,
            smart_percent,
            simple,
            moderate,
            complex,
            floor_percent,
            explore_percent,
            fallback,
        ))
    }
}

impl Written for Providers {
    fn written(&self) -> Value {
        Value::Table(changed!(Providers of self:
            attempts,
            failures,
            window,
            park,
            park_cap,
            quota_park,
            longest_park,
            probe,
        ))
    }
}

impl Written for Slo {
    fn written(&self) -> Value {
        Value::Table(changed!(Slo of self: attempts, success_percent, p95, cost))
    }
}

impl Written for Reports {
    fn written(&self) -> Value {
        Value::Table(changed!(Reports of self: run, hourly, daily, weekly))
    }
}

impl Written for Targets {
    fn written(&self) -> Value {
        Value::Table(changed!(Targets of self:
            window,
            fewest,
            duration,
            duration_alert,
            success_percent,
            success_alert_percent,
            concurrent_least,
            concurrent_most,
            concurrent_alert,
            stale_percent,
            stale_alert_percent,
            restart_percent,
            restart_alert_percent,
            completion_percent,
            mend,
            merged_usd,
            error_percent,
            recovery,
            escalation_least_percent,
            escalation_most_percent,
            decision,
            waste_percent,
        ))
    }
}

fn numbers(policy: &Policy) -> Vec<Entry> {
    changed!(Policy of policy:
        concurrency,
        max_retries,
        crash_retries,
        model_failures,
        timebox,
        hard_stop_percent,
        ceiling_percent,
        checkpoint_interval,
        grace,
        heartbeat,
        heartbeat_timeout,
        backoff,
        backoff_cap,
        spawn_failures,
        criterion_timeout,
        setup_timeout,
        output_bytes,
        ports_per_worktree,
        forecast_interval,
        scaling,
        health,
        budget,
        routing,
        providers,
        slo,
        targets,
        agents,
        alerts,
        reports,
    )
}

impl Written for Vec<Rule> {
    fn written(&self) -> Value {
        alerts::rules(self)
    }
}

impl Written for Alerts {
    fn written(&self) -> Value {
        Value::Table(changed!(Alerts of self:
            off,
            settle,
            remind,
            scaled_after,
            idle_after,
            crashes,
            crash_window,
            provider_after,
            ask_after,
            keeper_restarts,
            keeper_window,
        ))
    }
}

impl Written for Budget {
    fn written(&self) -> Value {
        let base = Budget::default();
        let Budget {
            swarm,
            task,
            worker,
            role,
            day,
            active,
            night,
            subscription,
            subscription_window,
            subscription_percent,
            zone,
            on_cap,
            interval,
            reserve_usd,
            reserve_tokens,
        } = self;
        let mut keys = Keys::default();
        for (prefix, cap) in [
            ("", swarm),
            ("per_task_", task),
            ("per_worker_", worker),
            ("per_role_", role),
            ("per_day_", day),
            ("active_", active),
            ("night_", night),
            ("subscription_", subscription),
        ] {
            let Cap {
                usd,
                tokens,
                minutes,
            } = cap;
            keys.maybe(&format!("{prefix}usd"), usd.map(money));
            keys.maybe(&format!("{prefix}tokens"), tokens.map(|n| n.written()));
            keys.maybe(&format!("{prefix}minutes"), minutes.map(|n| n.written()));
        }
        macro_rules! changed {
            ($($key:ident: $value:expr),* $(,)?) => {
                $(if *$key != base.$key { keys.put(stringify!($key), $value); })*
            };
        }
        changed!(
            subscription_window: text(subscription_window),
            subscription_percent: subscription_percent.written(),
            zone: text(zone.shown()),
            on_cap: text(on_cap.word()),
            interval: text(interval),
            reserve_usd: money(*reserve_usd),
            reserve_tokens: reserve_tokens.written(),
        );
        Value::Table(keys.0)
    }
}

impl Written for Scaling {
    fn written(&self) -> Value {
        let base = Scaling::default();
        let mut keys = Keys::default();
        macro_rules! write {
            ($($key:ident),* $(,)?) => {{
                let Scaling { $($key),* } = self;
                $(if *$key != base.$key { keys.put(stringify!($key), $key.written()); })*
            }};
        }
        write!(
            min_workers,
            max_workers,
            tasks_per_worker,
            check_interval,
            step,
            utilisation_percent,
            idle_after,
            down_interval,
            arrival_window,
            arrivals_per_minute,
            spare_workers,
            memory_per_worker,
            backlog,
            affinity_wait,
        );
        Value::Table(keys.0)
    }
}

fn criterion(criterion: &Criterion) -> Value {
    match criterion {
        Criterion::Run(Command::Line(line)) => text(line),
        Criterion::Run(words) => one("run", command(words)),
        Criterion::Changed(glob) => one("changed", text(glob)),
        Criterion::Exists(path) => one("exists", text(path)),
        Criterion::Says(words) => one("says", text(words)),
    }
}

fn task(task: &TaskSpec) -> Vec<Entry> {
    let TaskSpec {
        id,
        mission,
        brief,
        success,
        depends_on,
        role,
        category,
        priority,
        capabilities,
        model,
        agent,
        command: run,
        timebox,
        budget,
        files,
        owner_key,
        hazards,
        complexity,
        relations,
        max_retries,
        allow_no_op,
    } = task;
    let mut keys = Keys::default();
    keys.put("id", text(id));
    keys.put("mission", text(mission));
    keys.maybe("brief", (!brief.is_empty()).then(|| text(brief)));
    keys.list("depends_on", texts(depends_on));
    keys.maybe("role", role.as_ref().map(text));
    keys.maybe("category", category.as_ref().map(text));
    if *priority != Priority::default() {
        keys.put("priority", text(format!("{priority:?}")));
    }
    keys.list("capabilities", texts(capabilities));
    keys.maybe(
        "model",
        model.as_ref().map(|wish| match wish {
            ModelWish::Required(model) => one("required", text(model)),
            ModelWish::Preferred(model) => text(model),
        }),
    );
    keys.maybe("agent", agent.as_ref().map(text));
    keys.maybe("command", run.as_ref().map(command));
    let success = success.iter().map(|c| bare(criterion(c)));
    keys.list("success", Value::List(success.collect()));
    keys.maybe("timebox", timebox.map(text));
    keys.maybe("budget", budget.map(money));
    keys.list("files", texts(files));
    keys.maybe("owner_key", owner_key.as_ref().map(text));
    keys.list("hazards", texts(hazards));
    keys.maybe(
        "complexity",
        complexity.map(|c| match c {
            Complexity::Simple => text("simple"),
            Complexity::Moderate => text("moderate"),
            Complexity::Complex => text("complex"),
        }),
    );
    let mut related = Keys::default();
    for (key, kind) in RELATIONS {
        let of_kind = relations.iter().filter(|r| r.kind == kind);
        let to: Vec<_> = of_kind.map(|r| &r.to).collect();
        related.list(key, texts(&to));
    }
    if !related.0.is_empty() {
        keys.put("relations", Value::Table(related.0));
    }
    keys.maybe("max_retries", max_retries.map(|n| n.written()));
    if *allow_no_op {
        keys.put("allow_no_op", Value::Bool(true));
    }
    keys.0
}
