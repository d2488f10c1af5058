//! Checklists as people keep them.

use super::{codes, options};
use skep_core::spec::{Command, Criterion, Plan, Priority};
use skep_server::plan::{self, Format};

const LIST: &str = "\u{feff}# Modernise the Shop!\r
\r
Some words, and a [link](https://example.invalid).\r
\r
- [ ] Rewrite the login page (see: the notes) in `f(x: 1)` style (P1) (role: frontend).\r
  It keeps the old address (timebox: 20m).\r
\r
  Longer text here,\r
  over two lines.\r
\r
  - plain point\r
    - deeper\r
\r
  ```sh\r
  - [ ] not a task\r
  ```\r
\r
  - [ ] Add the table (id: schema) (success: `cargo test -p db`, `make lint`) (success: it is reversible)\r
  - [x] Choose a database (id: choice)\r
* [x] Done long ago (id: old)\r
1. [ ] **deploy**: Ship it (depends: schema, old, rewrite-the-login-page-see-the-notes-in)\r
   (command: `make ship (now)`) (budget: 2.5) (max_retries: 0) (files: `src/**`, db/*)\r
\r
## More\r
\r
- [ ] Übersicht schreiben 日本語\r
- [ ] Same words\r
- [ ] Same words\r
- [ ] 日本語\r
\r
```\r
- [ ] in a fence\r
```\r
- not a task\r
";

fn import(text: &str) -> Plan {
    plan::import_markdown("list.md", text, &options())
        .unwrap_or_else(|d| panic!("{}", d.render_plain()))
}

// proves: Q-1
#[test]
fn a_checklist_becomes_a_plan() {
    let plan = import(LIST);
    assert_eq!(plan.swarm.name.as_str(), "modernise-the-shop");
    let ids: Vec<&str> = plan.tasks.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "rewrite-the-login-page-see-the-notes-in",
            "schema",
            "deploy",
            "bersicht-schreiben",
            "same-words",
            "same-words-2",
            "task-9"
        ]
    );
    let [login, schema, deploy, ..] = plan.tasks.as_slice() else {
        panic!()
    };
    assert_eq!(
        login.mission,
        "Rewrite the login page (see: the notes) in `f(x: 1)` style. It keeps the old address."
    );
    assert_eq!(login.priority, Priority::P1);
    assert_eq!(login.role.as_deref(), Some("frontend"));
    assert_eq!(
        login.brief,
        "Longer text here,\nover two lines.\n\n- plain point\n  - deeper\n\n```sh\n- [ ] not a task\n```"
    );
    // It waits for what is nested below it, less what is done.
    assert_eq!(login.depends_on, std::slice::from_ref(&schema.id));
    let run = |line: &str| Criterion::Run(Command::Line(line.into()));
    assert_eq!(
        schema.success,
        [
            run("cargo test -p db"),
            run("make lint"),
            Criterion::Says("it is reversible".into())
        ]
    );
    assert_eq!(schema.mission, "Add the table");
    assert_eq!(deploy.mission, "Ship it");
    assert_eq!(deploy.depends_on, [schema.id.clone(), login.id.clone()]);
    assert_eq!(
        deploy.command,
        Some(Command::Line("make ship (now)".into()))
    );
    assert_eq!(deploy.max_retries, Some(0));
    assert_eq!(deploy.files.len(), 2);
}

// proves: Q-1
#[test]
fn an_imported_plan_is_written_as_toml_that_reads_the_same() {
    let plan = import(LIST);
    let toml = plan::to_toml(&plan);
    assert!(toml.starts_with("# A plan for Skep."), "{toml}");
    // The shell agent still lacks commands, which import does not mind and a run does.
    let found = codes(plan::read("plan.toml", &toml, None, &options()));
    assert!(
        !found.is_empty() && found.iter().all(|c| *c == "plan::shell_without_command"),
        "{found:?}"
    );
    let with_commands: String = toml
        .replace("command = \"make ship (now)\"\n", "")
        .replace("\nmission = ", "\ncommand = \"make\"\nmission = ");
    let read = plan::read("plan.toml", &with_commands, None, &options()).unwrap();
    let mut expected = plan;
    for task in &mut expected.tasks {
        task.command = Some(Command::Line("make".into()));
    }
    assert_eq!(read, expected);
}

// proves: Q-2
#[test]
fn a_checklist_run_at_once_is_checked_like_any_plan() {
    let text = "- [ ] Say hello (command: `echo hello`)\n";
    let plan = plan::read("list.md", text, None, &options()).unwrap();
    assert_eq!(plan.tasks[0].id.as_str(), "say-hello");
    assert_eq!(plan.swarm.name.as_str(), "repo");
    let found = codes(plan::read(
        "-",
        "- [ ] a\n",
        Some(Format::Markdown),
        &options(),
    ));
    assert_eq!(found, ["plan::shell_without_command"]);
}
