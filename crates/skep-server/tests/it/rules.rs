//! Rules that hold across a plan, and that one fault does not bring others with it.

use super::{codes, read};
use skep_server::plan::Format;

fn toml(text: &str) -> Vec<&'static str> {
    codes(read(Format::Toml, text))
}

// proves: Q-2
#[test]
fn what_follows_from_a_reported_fault_is_not_reported() {
    let none: [&str; 0] = [];
    for (text, expected) in [
        // The command is there, misspelt.
        (
            "[[task]]\nid='a'\nmission='m'\ncomand='x'\n",
            vec!["plan::unknown_key"],
        ),
        // The agent is there, of the wrong type.
        (
            "[[task]]\nid='a'\nmission='m'\nagent=1\n",
            vec!["plan::wrong_type"],
        ),
        (
            "[swarm]\nagent=1\n[[task]]\nid='a'\nmission='m'\n",
            vec!["plan::wrong_type"],
        ),
        // Tasks are there, under a wrong key.
        ("[[tasks]]\nid='a'\n", vec!["plan::unknown_key"]),
        ("task = 3\n", vec!["plan::wrong_type"]),
        // Workers cannot be read, so no role can be missing.
        (
            "[swarm]\nworkers='x'\n[[task]]\nid='a'\nmission='m'\ncommand='x'\nrole='r'\n",
            vec!["plan::wrong_type"],
        ),
        // The agent's definition is broken, but it is one.
        (
            "[agents.x]\ncommand=1\n[[task]]\nid='a'\nmission='m'\nagent='x'\n",
            vec!["plan::wrong_type"],
        ),
        (
            "[[task]]\nid='a'\nmission='m'\ncommand='x'\n",
            none.to_vec(),
        ),
    ] {
        assert_eq!(toml(text), expected, "{text}");
    }
}

// proves: Q-2, U-1
#[test]
fn a_default_agent_that_is_not_there_is_said_to_be_the_default() {
    let options = skep_server::plan::Options {
        default_agent: "nobody".into(),
        ..super::options()
    };
    let text = "[[task]]\nid='a'\nmission='m'\n";
    let found = skep_server::plan::read("p.toml", text, None, &options).unwrap_err();
    let message = &found.list()[0].message;
    assert!(message.contains("this is the default"), "{message}");
}

// proves: Q-2
#[test]
fn the_swarms_name_has_no_dot() {
    let task = "[[task]]\nid='a.b'\nmission='m'\ncommand='x'\n";
    assert_eq!(
        toml(&format!("[swarm]\nname='a.b'\n{task}")),
        ["plan::bad_name"]
    );
    assert!(toml(&format!("[swarm]\nname='a-b'\n{task}")).is_empty());
}

// proves: Q-2
#[test]
fn a_capability_is_possible_where_one_fitting_worker_has_it() {
    let plan = |task: &str| {
        toml(&format!(
            "[swarm]\nworkers = {{ a = 1, b = 1, c = 1 }}\n[roles.a]\ncapabilities=['rust']\n[roles.b]\ncapabilities=[]\n\
             [[task]]\nid='t'\nmission='m'\ncommand='x'\n{task}"
        ))
    };
    assert!(plan("role='a'\ncapabilities=['rust']\n").is_empty());
    assert_eq!(
        plan("role='a'\ncapabilities=['sql']\n"),
        ["plan::impossible_capability"]
    );
    assert_eq!(
        plan("role='b'\ncapabilities=['rust']\n"),
        ["plan::impossible_capability"]
    );
    // c says nothing of its capabilities, so it can do anything.
    assert!(plan("capabilities=['sql']\n").is_empty());
}

// proves: Q-2
#[test]
fn branch_names_are_those_that_git_accepts() {
    for (name, good) in [
        ("main", true),
        ("feature/login-2", true),
        ("release/v1.2", true),
        ("a//b", false),
        ("/a", false),
        ("a/", false),
        (".a", false),
        ("a/.b", false),
        ("a.lock", false),
        ("a..b", false),
        ("a b", false),
        ("a~1", false),
        ("a^", false),
        ("a:b", false),
        ("-a", false),
        ("@", false),
        ("a@{1}", false),
        ("", false),
        ("HEAD", false),
    ] {
        let text =
            format!("[swarm]\ntarget='{name}'\n[[task]]\nid='a'\nmission='m'\ncommand='x'\n");
        let expected: &[&str] = if good { &[] } else { &["plan::bad_branch"] };
        assert_eq!(toml(&text), expected, "{name}");
    }
}

// proves: Q-2
#[test]
fn limits_are_named() {
    let many: Vec<String> = (0..1_001).map(|n| format!("'h{n}'")).collect();
    let text = format!(
        "[[task]]\nid='a'\nmission='m'\ncommand='x'\nhazards=[{}]\ncategory='{}'\nbrief='{}'\n",
        many.join(","),
        "c".repeat(201),
        "b".repeat(70_000),
    );
    assert_eq!(
        toml(&text),
        ["plan::too_many", "plan::too_long", "plan::too_long"]
    );
}
