//! `skep import`: a checklist becomes a plan, and what only a person knows is asked for.

use crate::Sandbox;
use std::fs;

const LIST: &str =
    "# Tidy up\n\n- [ ] **docs**: Write the docs.\n- [ ] **tests**: Write tests. (depends: docs)\n";

// proves: U-1, Q-2
#[test]
fn what_an_imported_plan_lacks_is_said_and_marked_and_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("list.md", LIST);
    let imported = sandbox.expect(0, &["import", "list.md"]);
    assert!(
        imported
            .err
            .contains("2 tasks of the shell agent without a command: docs, tests"),
        "{}",
        imported.err
    );
    let marks = imported.out.matches("# command = \"…\"").count();
    assert_eq!(marks, 2, "{}", imported.out);
    fs::write(sandbox.path().join("plan.toml"), &imported.out).unwrap();
    for args in [
        &["run", "plan.toml"][..],
        &["run", "plan.toml", "--dry-run"],
        &["run", "list.md"],
    ] {
        let ran = sandbox.expect(2, args);
        assert!(
            ran.err.contains("the shell agent needs a command"),
            "{args:?}: {}",
            ran.err
        );
        assert!(!sandbox.path().join(".skep").exists(), "{args:?}");
    }
    // Filled in where the marks are, it runs.
    let filled = imported
        .out
        .replace("# command = \"…\"", "command = \"date > $SKEP_TASK.txt\"");
    fs::write(sandbox.path().join("plan.toml"), filled).unwrap();
    sandbox.expect(0, &["run", "plan.toml"]);
}

// proves: U-1
#[test]
fn for_programs_the_document_is_alone_on_standard_output() {
    let sandbox = Sandbox::new();
    sandbox.write("list.md", LIST);
    let imported = sandbox.expect(0, &["import", "list.md", "--json"]);
    let _: serde_json::Value = serde_json::from_str(&imported.out).unwrap();
    assert!(imported.err.contains("to fill in"), "{}", imported.err);
    sandbox.write("done.md", "- [ ] **a**: Do it. (command: `true`)\n");
    let whole = sandbox.expect(0, &["import", "done.md"]);
    assert_eq!(whole.err, "", "nothing is left to fill in");
    sandbox.write("agent.md", "- [ ] **a**: Do it. (agent: newcomer)\n");
    let other = sandbox.expect(0, &["import", "agent.md"]);
    assert!(
        other.err.contains("describe it in [agents.newcomer]"),
        "{}",
        other.err
    );
}
