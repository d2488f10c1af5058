//! Good plans in every format, and what they mean.

use super::{codes, options, read};
use skep_core::{
    id::WorkerId,
    money::Usd,
    spec::{Command, Criterion, Landing, ModelWish, Policy, Priority, RelationKind, Workers},
    time::Millis,
};
use skep_server::plan::{self, Format};

/// Appendix A of the specification, word for word but for the default agent, which is not built in yet.
const EXAMPLE: &str = r#"
[swarm]
name = "modernise"            # default: the repository's folder name
target = "main"               # branch to build on; results land as Landing says
landing = "branch"            # branch | main
workers = "auto"              # "auto", 3, or { backend = 2, frontend = 1 }
agent = "claude"              # default agent; per task below
model = "sonnet"
check = "cargo test --workspace"   # integration check after each wave; a string or a list
setup = ["npm ci"]            # in each fresh worktree
budget = { usd = 20.0, per_task_usd = 2.0 }

[agents.claude]
command = ["claude", "-p", "{prompt}"]

[[task]]
id = "schema"
mission = "Add the sessions table and its migration."
brief = """Longer text, file references, constraints."""
role = "backend"
priority = "P1"
files = ["db/**"]
success = ["cargo test -p db", { changed = "db/migrations/**" }, { exists = "db/schema.sql" }, { says = "Migration is reversible." }]
timebox = "20m"

[[task]]
id = "login"
mission = "Use the sessions table for login."
depends_on = ["schema"]
capabilities = ["rust", "auth"]
agent = "shell"
command = ["./scripts/codemod", "src/auth"]   # argv for the shell agent; a string runs under sh -c
hazards = ["safety"]
max_retries = 1
"#;

// proves: Q-1
#[test]
fn the_example_of_the_specification_reads_as_it_says() {
    let plan = read(Format::Toml, EXAMPLE).unwrap();
    let swarm = &plan.swarm;
    assert_eq!(swarm.name.as_str(), "modernise");
    assert_eq!(swarm.landing, Landing::Branch);
    assert_eq!(swarm.workers, Workers::Auto);
    assert_eq!(
        swarm.check,
        [Command::Line("cargo test --workspace".into())]
    );
    assert_eq!(swarm.policy.budget.swarm.usd, Some(Usd(20_000_000)));
    assert!(swarm.worktree);
    let others = Policy {
        budget: Policy::default().budget,
        ..swarm.policy.clone()
    };
    assert_eq!(others, Policy::default());
    let [schema, login] = plan.tasks.as_slice() else {
        panic!("{:?}", plan.tasks)
    };
    assert_eq!(schema.priority, Priority::P1);
    assert_eq!(schema.timebox, Some(Millis::mins(20)));
    assert_eq!(schema.success.len(), 4);
    assert!(
        matches!(&schema.success[1], Criterion::Changed(g) if g.as_str() == "db/migrations/**")
    );
    assert_eq!(login.depends_on, std::slice::from_ref(&schema.id));
    let words = Command::Words(vec!["./scripts/codemod".into(), "src/auth".into()]);
    assert_eq!(login.command, Some(words));
    assert_eq!(login.priority, Priority::P2);
    assert_eq!(login.max_retries, Some(1));
}

const YAML: &str = r#"
$schema: ./plan.schema.json
swarm:
  workers: {backend: 2, frontend: 0}
  check: [make test, [make, lint]]
  worktree: false
roles:
  backend:
    capabilities: [rust]
policy:
  timebox: 45m
  concurrency: 3
task:
  - &base
    id: one
    mission: >
      Fold these
      lines.
    command: make one
    role: backend
    capabilities: rust
    model: {required: opus}
  - id: two
    mission: "No: quoted"
    command: [make, "two"]
    depends_on: one
    priority: critical
    budget: 0.5
    success: {changed: src/}
    relations: {parent: one, supports: [one]}
"#;

// proves: Q-1, W-1
#[test]
fn yaml_means_the_same() {
    let plan = read(Format::Yaml, YAML).unwrap();
    assert_eq!(plan.swarm.name.as_str(), "repo");
    let roles = [("backend".to_owned(), 2), ("frontend".to_owned(), 0)];
    assert_eq!(plan.swarm.workers, Workers::PerRole(roles.into()));
    assert_eq!(plan.swarm.policy.timebox, Millis::mins(45));
    assert_eq!(plan.swarm.policy.concurrency, 3);
    assert_eq!(plan.swarm.check.len(), 2);
    assert!(!plan.swarm.worktree);
    let [one, two] = plan.tasks.as_slice() else {
        panic!("{:?}", plan.tasks)
    };
    assert_eq!(one.mission, "Fold these lines.\n");
    assert_eq!(one.model, Some(ModelWish::Required("opus".into())));
    assert_eq!(two.priority, Priority::P0);
    assert_eq!(two.budget, Some(Usd(500_000)));
    assert_eq!(two.relations[1].kind, RelationKind::Supports);
    assert!(matches!(&two.success[0], Criterion::Changed(g) if g.as_str() == "src/**"));
}

// proves: Q-1
#[test]
fn json_takes_comments_only_where_the_name_says_so() {
    let text =
        "{\n  // one\n  \"task\": [{\"id\": \"a\", \"mission\": \"m\", \"command\": \"x\"},]\n}";
    assert_eq!(codes(read(Format::Json, text)), ["plan::syntax"]);
    assert_eq!(read(Format::Jsonc, text).unwrap().tasks.len(), 1);
}

// proves: W-1
#[test]
fn workers_may_be_none_to_be_added_by_hand() {
    let text =
        "[swarm]\nworkers = 0\n[[task]]\nid = 'a'\nmission = 'm'\ncommand = 'x'\nrole = 'any'\n";
    let plan = read(Format::Toml, text).unwrap();
    assert_eq!(plan.swarm.workers, Workers::Count(0));
    let _: WorkerId = "w1".parse().unwrap();
}

#[test]
fn the_format_is_told_by_name_and_else_by_look() {
    for (name, format) in [
        ("plan.toml", Some(Format::Toml)),
        ("a/b.YML", Some(Format::Yaml)),
        ("p.jsonc", Some(Format::Jsonc)),
        ("list.md", Some(Format::Markdown)),
        ("plan", None),
        ("plan.txt", None),
    ] {
        assert_eq!(Format::of_name(name), format, "{name}");
    }
    for (text, format) in [
        ("# c\n\n[swarm]\nname = 'x'\n", Format::Toml),
        ("a = 'x: y'\n", Format::Toml),
        ("", Format::Toml),
        ("---\ntask:\n- id: 'a = b'\n", Format::Yaml),
        ("  {\"task\": []}", Format::Json),
        ("# Title\n\n- [ ] one\n", Format::Markdown),
        ("1. [x] one\n* [ ] two\n", Format::Markdown),
    ] {
        assert_eq!(Format::sniff(text), format, "{text:?}");
    }
    let text = "task:\n- {id: a, mission: m, command: x}\n";
    assert!(plan::read("-", text, None, &options()).is_ok());
}

#[test]
fn aliases_within_reason_are_fine() {
    let text = "swarm: {models: &m [a, b]}\ntask:\n- {id: a, mission: m, command: x, capabilities: *m, hazards: *m}\n";
    assert_eq!(
        read(Format::Yaml, text).unwrap().tasks[0].hazards,
        ["a", "b"]
    );
}

#[test]
fn ten_thousand_tasks_are_read_in_a_moment() {
    let mut text = String::new();
    for n in 0..10_000 {
        text.push_str(&format!(
            "[[task]]\nid = 't{n}'\nmission = 'm'\ncommand = 'x'\n"
        ));
        if n > 0 {
            text.push_str(&format!("depends_on = 't{}'\n", n - 1));
        }
    }
    let start = std::time::Instant::now();
    assert_eq!(read(Format::Toml, &text).unwrap().tasks.len(), 10_000);
    // Generous for a loaded machine; quadratic reading takes minutes.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
