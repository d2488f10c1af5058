//! What Skep writes it reads as the same; and no text at all makes it panic.

use super::options;
use proptest::{collection::vec, option, prelude::*, sample::subsequence};
use skep_core::{
    alert::{
        Rule,
        route::{Email, Quiet, Route, Secret, Tls, To, Url},
    },
    id::TaskId,
    merge::Severity,
    money::Usd,
    spec::{
        AgentSpec, Budget, Cap, Command, Complexity, Criterion, Glob, Health, HookSpec, Host,
        Landing, ModelSpec, ModelWish, Moment, OnCap, OnFail, Permission, Plan, Policy, Price,
        Priority, Relation, RelationKind, Role, Scaling, SwarmSpec, TaskSpec, Tier, Workers,
    },
    time::Millis,
};
use skep_server::plan::{self, Format};
use std::{collections::BTreeMap, sync::LazyLock};

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_-]{0,8}"
}
fn label() -> impl Strategy<Value = String> {
    // Words that a careless writer would leave unquoted.
    prop_oneof![
        "[a-zé=:#'\"\\\\{}\\[\\] ,&*!|>%@`-]{0,8}[a-z]",
        Just("true".into()),
        Just("no".into()),
        Just("12".into()),
        Just("~".into()),
        Just("1e3".into()),
    ]
}
fn prose() -> impl Strategy<Value = String> {
    "[ -~é日\n\t\r\"'\\\\]{0,40}[a-z]"
}
fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        label().prop_map(Command::Line),
        (label(), vec("[ -~é\n\u{1}\u{7f}]{0,6}", 0..3)).prop_map(|(first, mut rest)| {
            rest.insert(0, first);
            Command::Words(rest)
        }),
    ]
}
fn money() -> impl Strategy<Value = Usd> {
    (0..=1_000_000_000_000_000u64).prop_map(Usd)
}
fn length() -> impl Strategy<Value = Millis> {
    (1_000..10_000_000_000u64).prop_map(Millis)
}
fn glob() -> impl Strategy<Value = Glob> {
    "[a-z*?]{1,2}(/[a-z]{1,3}){0,2}(/\\*\\*)?"
        .prop_filter_map("no glob", |text| Glob::new(&text).ok())
}
fn criterion() -> impl Strategy<Value = Criterion> {
    prop_oneof![
        command().prop_map(Criterion::Run),
        glob().prop_map(Criterion::Changed),
        "[a-z]{1,5}(/[a-z]{1,5})?".prop_map(Criterion::Exists),
        prose().prop_map(Criterion::Says),
    ]
}
fn policy() -> impl Strategy<Value = Policy> {
    (
        1..100u32,
        0..9u32,
        length(),
        length(),
        any::<u64>(),
        any::<u16>(),
    )
        .prop_map(
            |(concurrency, max_retries, timebox, heartbeat, output_bytes, ports)| Policy {
                concurrency,
                max_retries,
                timebox,
                heartbeat,
                heartbeat_timeout: heartbeat.times(3),
                output_bytes,
                ports_per_worktree: ports,
                scaling: Scaling {
                    tasks_per_worker: concurrency,
                    idle_after: timebox,
                    memory_per_worker: output_bytes,
                    ..Scaling::default()
                },
                health: health(heartbeat, max_retries),
                ..Policy::default()
            },
        )
}
/// Rungs that follow each other, whatever the heartbeat is.
fn health(heartbeat: Millis, number: u32) -> Health {
    let rung = |n| heartbeat.times(n);
    Health {
        interval: heartbeat,
        grace: Millis(number.into()),
        nudge: rung(2),
        ask: rung(3),
        checkpoint: rung(3),
        stale: rung(4),
        silent: rung(5),
        busy_percent: number,
        ..Health::default()
    }
}
fn role() -> impl Strategy<Value = Role> {
    let abilities = option::of(vec(label(), 0..3));
    (abilities, option::of(label()), option::of(permission())).prop_map(
        |(capabilities, model, permission)| Role {
            capabilities,
            model,
            permission,
        },
    )
}
fn permission() -> impl Strategy<Value = Permission> {
    prop::sample::select(vec![Permission::Ask, Permission::Edits, Permission::All])
}
fn agent() -> impl Strategy<Value = AgentSpec> {
    (
        vec(label(), 1..3),
        any::<bool>(),
        prop::collection::btree_map("[A-Z_. é]{1,5}", "[ -~é\n]{0,9}", 0..3),
        vec(any::<i32>(), 0..3),
        option::of(label()),
        option::of(permission()),
    )
        .prop_map(
            |(command, stdin, env, rate_limited_exit, provider, permission)| AgentSpec {
                command,
                stdin,
                env,
                rate_limited_exit,
                provider,
                protocol: permission.map(|_| "acp".into()),
                rules: None,
                permission,
                args: Vec::new(),
            },
        )
}

/// None, or one with everything that a hook can have.
fn hooks_of(permission: Option<Permission>) -> BTreeMap<String, HookSpec> {
    let hook = |permission| HookSpec {
        on: vec![Moment::BeforeAttempt, Moment::Failed],
        command: vec!["./tell".into(), "é\n\"".into()],
        timeout: Millis::secs(7),
        on_fail: match permission {
            Permission::All => OnFail::Warn,
            Permission::Ask | Permission::Edits => OnFail::Refuse,
        },
    };
    let hook = permission.map(hook);
    hook.into_iter().map(|hook| ("tell".into(), hook)).collect()
}

fn secret() -> impl Strategy<Value = Secret> {
    prop_oneof![
        "[A-Z][A-Z0-9_]{0,6}".prop_map(Secret::Env),
        "/[ -~é]{0,8}[a-z]".prop_map(Secret::File),
    ]
}

fn url(private: bool) -> impl Strategy<Value = Url> {
    let scheme = if private { "http" } else { "https" };
    prop_oneof![
        "[a-z]{1,5}(:[1-9][0-9]{1,3})?(/[!-~]{0,5})?"
            .prop_map(move |rest| Url::Plain(format!("{scheme}://{rest}"))),
        secret().prop_map(Url::Kept),
    ]
}

fn to() -> impl Strategy<Value = To> {
    let webhook = any::<bool>().prop_flat_map(|allow_private| {
        let parts = (url(allow_private), option::of(secret()));
        parts.prop_map(move |(url, secret)| To::Webhook {
            url,
            secret,
            allow_private,
        })
    });
    let slack = (secret(), any::<bool>()).prop_map(|(secret, allow_private)| To::Slack {
        url: Url::Kept(secret),
        allow_private,
    });
    let address = || "[a-z.+]{1,6}@[a-z.]{1,6}";
    let host = prop_oneof!["[a-z][a-z.]{0,8}", Just("::1".to_string())];
    let way = (host, 1..=u16::MAX, prop::sample::select(Tls::ALL.to_vec()));
    let login = option::of((label(), secret()));
    let email = (way, login, address(), vec(address(), 1..3)).prop_map(
        |((host, port, tls), login, from, to)| {
            To::Email(Email {
                host,
                port,
                tls,
                login,
                from,
                to,
            })
        },
    );
    prop_oneof![webhook, slack, email, Just(To::Desktop)]
}

/// Routes of different names.
fn routes() -> impl Strategy<Value = Vec<Route>> {
    let severities = vec![Severity::Info, Severity::Warning, Severity::Critical];
    let which = (
        prop::sample::select(severities),
        subsequence(Rule::ALL.to_vec(), 0..=Rule::ALL.len()),
        any::<bool>(),
    );
    let zone = any::<bool>().prop_map(|utc| {
        skep_server::zones::zone(if utc { "UTC" } else { "Europe/Berlin" }).unwrap()
    });
    let quiet = option::of((0..1440u16, 0..1440u16, zone));
    let route = (to(), which, quiet, length(), 1..100u32).prop_map(
        |(to, (least, rules, resolved), quiet, dedup, per_hour)| Route {
            name: String::new(),
            to,
            least,
            rules,
            resolved,
            quiet: quiet.map(|(from, to, zone)| Quiet { from, to, zone }),
            dedup,
            per_hour,
        },
    );
    vec(route, 0..4).prop_map(|mut routes| {
        for (n, route) in routes.iter_mut().enumerate() {
            route.name = format!("r{n}");
        }
        routes
    })
}

fn swarm() -> impl Strategy<Value = SwarmSpec> {
    let limits = (
        length(),
        option::of(money()),
        option::of(money()),
        any::<bool>(),
        policy(),
        option::of(permission()),
    );
    let commands = (
        vec(command(), 0..3),
        vec(command(), 0..2),
        vec(command(), 0..2),
    );
    let tables = (
        prop::collection::btree_map(name(), role(), 0..3),
        prop::collection::btree_map(name(), agent(), 0..3),
    );
    let head = (
        name(),
        option::of("[a-z]{1,4}(/[a-z]{1,4})?"),
        any::<bool>(),
        0..6u32,
        any::<bool>(),
    );
    let prompt = option::of("[a-z {}\n\"]{1,20}x");
    let models = (option::of(label()), vec(label(), 0..3), prompt);
    (head, models, commands, limits, tables, routes()).prop_map(
        |(head, models, commands, limits, (roles, agents), routes)| SwarmSpec {
            name: head.0.parse().unwrap(),
            target: head.1,
            landing: if head.2 {
                Landing::Main
            } else {
                Landing::Branch
            },
            workers: match head.3 {
                0 => Workers::Auto,
                n @ 1..=3 => Workers::Count(n - 1),
                n => Workers::Between {
                    min: n - 4,
                    max: n + 3,
                },
            },
            agent: "shell".into(),
            model: models.0,
            models: models.1,
            catalog: {
                let mut catalog = skep_server::models::catalog().clone();
                let own = limits.2.map(|usd| ModelSpec {
                    provider: "mine".into(),
                    tier: Tier::Cheap,
                    price: limits.1.map(|input| Price {
                        input,
                        cache_read: usd,
                        cache_write: input,
                        output: usd,
                    }),
                });
                catalog.extend(own.map(|spec| ("my own/model.1".into(), spec)));
                catalog
            },
            check: commands.0,
            prompt: models.2,
            setup: commands.1,
            teardown: commands.2,
            check_timeout: limits.0,
            worktree: limits.3,
            host: if head.4 { Host::Tmux } else { Host::Headless },
            policy: Policy {
                budget: Budget {
                    swarm: Cap {
                        usd: limits.1,
                        minutes: limits.1.map(|usd| usd.0 % 9_999),
                        tokens: None,
                    },
                    night: Cap {
                        tokens: limits.2.map(|usd| usd.0),
                        ..Cap::default()
                    },
                    task: Cap {
                        usd: limits.2,
                        ..Cap::default()
                    },
                    zone: skep_server::zones::zone(if limits.3 { "UTC" } else { "Europe/Berlin" })
                        .unwrap(),
                    on_cap: if limits.3 { OnCap::Sleep } else { OnCap::Pause },
                    ..Budget::default()
                },
                ..limits.4
            },
            roles,
            agents,
            built_in: options().built_in(),
            permission: limits.5,
            hooks: hooks_of(limits.5),
            origins: BTreeMap::new(),
            routes,
        },
    )
}

/// The `n`th task; it may depend on earlier ones.
fn task(n: usize) -> impl Strategy<Value = TaskSpec> {
    let id = |n: usize| format!("t{n}").parse::<TaskId>().unwrap();
    let earlier: Vec<TaskId> = (0..n).map(id).collect();
    let texts = (prose(), option::of(prose()), vec(criterion(), 0..4));
    let graph = (
        subsequence(earlier.clone(), 0..=n),
        subsequence(earlier.clone(), 0..=n),
        subsequence(earlier, 0..=n),
    );
    let labels = (
        option::of(name()),
        option::of(label()),
        vec(label(), 0..3),
        option::of(label()),
        option::of((any::<bool>(), label())),
    );
    let numbers = (
        0..4usize,
        option::of(length()),
        option::of(money()),
        option::of(any::<u32>()),
        any::<bool>(),
        0..4usize,
    );
    let rest = (command(), vec(glob(), 0..3), any::<bool>());
    (texts, graph, labels, numbers, rest).prop_map(move |(texts, graph, labels, numbers, rest)| {
        let related = |kind, ids: Vec<TaskId>| ids.into_iter().map(move |to| Relation { kind, to });
        TaskSpec {
            id: id(n),
            mission: texts.0,
            brief: texts.1.unwrap_or_default(),
            success: texts.2,
            depends_on: graph.0,
            relations: related(RelationKind::Parent, graph.1)
                .chain(related(RelationKind::Peer, graph.2))
                .collect(),
            role: labels.0,
            category: labels.1,
            // What a worker must be able to do is checked against roles: see the tests of the rules.
            capabilities: Vec::new(),
            hazards: labels.2,
            owner_key: labels.3,
            model: labels.4.map(|(firm, model)| {
                if firm {
                    ModelWish::Required(model)
                } else {
                    ModelWish::Preferred(model)
                }
            }),
            priority: [Priority::P0, Priority::P1, Priority::P2, Priority::P3][numbers.0],
            timebox: numbers.1,
            budget: numbers.2,
            max_retries: numbers.3,
            allow_no_op: numbers.4,
            complexity: [
                None,
                Some(Complexity::Simple),
                Some(Complexity::Moderate),
                Some(Complexity::Complex),
            ][numbers.5],
            agent: rest.2.then(|| "shell".into()),
            command: Some(rest.0),
            files: rest.1,
        }
    })
}

fn a_plan() -> impl Strategy<Value = Plan> {
    let tasks = (1..4usize).prop_flat_map(|n| (0..n).map(task).collect::<Vec<_>>());
    (swarm(), tasks).prop_map(|(swarm, tasks)| Plan { swarm, tasks })
}

/// YAML in block style: what neither of the product's writers makes.
fn yaml(value: &serde_json::Value, depth: usize, out: &mut String) {
    use serde_json::Value;
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("\n{indent}{}:", serde_json::json!(key)));
                yaml(value, depth + 1, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                out.push_str(&format!("\n{indent}-"));
                yaml(value, depth + 1, out);
            }
        }
        scalar => out.push_str(&format!(" {scalar}")),
    }
}

fn assert_reads(text: &str, format: Format, expected: &Plan) -> Result<(), TestCaseError> {
    match plan::read("plan", text, Some(format), &options()) {
        Ok(plan) => prop_assert_eq!(&plan, expected, "{:?}:\n{}", format, text),
        Err(diagnostics) => {
            prop_assert!(false, "{format:?}:\n{text}\n{}", diagnostics.render_plain());
        }
    }
    Ok(())
}

/// Words of plans, so that random text gets past the first character.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop::sample::select(vec![
        "[[task]]\n",
        "[swarm]\n",
        "task:\n",
        "- ",
        "- [ ] ",
        "id",
        "mission",
        " = ",
        ": ",
        "\"",
        "'",
        "\n",
        "\n  ",
        "\t",
        "{",
        "}",
        "[",
        "]",
        ",",
        "a",
        "../x",
        "\u{1b}[2J",
        "(",
        ")",
        "depends: ",
        "`",
        "**",
        "&a ",
        "*a",
        "!t ",
        "|",
        ">",
        "---\n",
        "# ",
        "é",
        "日",
        "\u{202e}",
        "45",
        "-1",
        "1e999",
        "nan",
        "success",
        "depends_on",
        "\"\"\"",
        "\\u0000",
        "\r\n",
        "\r",
        "\u{feff}",
        "workers",
        "?",
        "<<",
        "```\n",
        ".",
        "$schema",
        "null",
        "true",
        "\0",
    ]);
    vec(scrap, 0..40).prop_map(|v| v.concat())
}

const FORMATS: [Format; 5] = [
    Format::Toml,
    Format::Yaml,
    Format::Json,
    Format::Jsonc,
    Format::Markdown,
];

/// Reads, and renders whatever is wrong.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let guess = plan::read_bytes("plan", bytes, None, &options());
    let all = FORMATS.map(|f| plan::read_bytes("plan", bytes, Some(f), &options()));
    for result in all.into_iter().chain([guess]) {
        if let Err(diagnostics) = result {
            let plain = diagnostics.render_plain();
            prop_assert!(
                !plain.contains(|c: char| c.is_control() && c != '\n'),
                "{:?}",
                plain
            );
            prop_assert!(diagnostics.list().iter().all(|d| d.help.is_some()));
            let handler =
                miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
            let mut out = String::new();
            prop_assert!(handler.render_report(&mut out, &diagnostics).is_ok());
        }
    }
    Ok(())
}

static SCHEMA: LazyLock<serde_json::Value> =
    LazyLock::new(|| serde_json::from_str(&plan::schema()).unwrap());

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // proves: Q-1
    #[test]
    fn a_plan_survives_toml_json_and_yaml(plan in a_plan()) {
        assert_reads(&plan::to_toml(&plan), Format::Toml, &plan)?;
        let json = plan::to_json(&plan);
        assert_reads(&json, Format::Json, &plan)?;
        let document = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(super::schema::fault(&SCHEMA, &SCHEMA, &document), None, "{}", json);
        // JSON is YAML, in flow style.
        assert_reads(&json, Format::Yaml, &plan)?;
        let mut block = String::new();
        yaml(&serde_json::from_str(&json).unwrap(), 0, &mut block);
        assert_reads(&block, Format::Yaml, &plan)?;
    }

    // proves: Q-2, T-3
    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
        survives(&bytes)?;
    }

    // proves: Q-2, T-3
    #[test]
    fn no_scraps_of_plans_make_it_panic(text in scraps()) {
        survives(text.as_bytes())?;
    }

    // proves: Q-2
    #[test]
    fn no_damage_to_a_good_plan_makes_it_panic(plan in a_plan(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        for text in [plan::to_toml(&plan), plan::to_json(&plan)] {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = with;
            survives(&bytes)?;
            survives(&bytes[..at])?;
        }
    }
}
