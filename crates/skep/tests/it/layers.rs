//! Layers of configuration (U-11): files, environment and options over and under a plan.

use crate::Sandbox;
use std::fs;

const PLAN: &str = r#"
[swarm]
name = "layered"
workers = 0
[policy]
timebox = "5m"
[[task]]
id = "one"
mission = "Make one."
command = "echo 1 > one.txt"
"#;

impl Sandbox {
    /// Writes the user's own configuration.
    fn write_user(&self, text: &str) {
        let dir = self.home.path().join("config/skep");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("config.toml"), text).unwrap();
    }

    #[track_caller]
    fn number(&self, key: &str) -> (String, String) {
        let found = self.json(&["config", "get", key, "--json"]);
        let origin = found["origin"].as_str().unwrap().to_string();
        (found["value"].to_string(), origin)
    }
}

// proves: U-11
#[test]
fn what_is_nearer_goes_before_what_is_further_and_everybody_can_see_it() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.write_user(
        "[policy]\ngrace = \"11s\"\nbackoff = \"11s\"\nmax_retries = 4\nconcurrency = 9\n",
    );
    sandbox.write(
        "skep.toml",
        "[policy]\ntimebox = \"22m\"\nbackoff = \"22s\"\nmax_retries = 5\nconcurrency = 8\n",
    );
    sandbox.write(
        "skep.local.toml",
        "\n[policy]\nmax_retries = 6\nconcurrency = 7\ncrash_retries = 7\n",
    );
    // Before any plan: what one that says nothing would begin with.
    assert_eq!(
        sandbox.number("timebox"),
        ("\"22m\"".into(), "skep.toml:2".into())
    );
    let ran = sandbox
        .command(&["run", "plan.toml", "--set", "crash_retries=9", "--dry-run"])
        .env("SKEP_POLICY_CONCURRENCY", "3")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox
        .command(&["run", "plan.toml", "--set", "crash_retries=9"])
        .env("SKEP_POLICY_CONCURRENCY", "3")
        .spawn()
        .unwrap();
    crate::until("loaded", || sandbox.skep(&["tasks"]).out.contains("one"));
    run.kill().unwrap();
    run.wait().unwrap();
    let user = sandbox.home.path().join("config/skep/config.toml");
    for (key, value, origin) in [
        ("grace", "\"11s\"", format!("{}:2", user.display())),
        ("backoff", "\"22s\"", "skep.toml:3".into()),
        ("timebox", "\"5m\"", "plan.toml:6".into()),
        ("max_retries", "6", "skep.local.toml:3".into()),
        ("concurrency", "3", "$SKEP_POLICY_CONCURRENCY".into()),
        ("crash_retries", "9", "--set crash_retries=9".into()),
        ("heartbeat", "\"1m\"", "default".into()),
    ] {
        assert_eq!(sandbox.number(key), (value.into(), origin), "{key}");
    }
    let explained = sandbox.json(&["config", "explain", "max_retries", "--json"]);
    let layers: Vec<&str> = explained["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["value"].as_str().unwrap())
        .collect();
    assert_eq!(layers, ["4", "5", "6"], "{explained}");
    let text = sandbox.expect(0, &["config", "explain", "max_retries"]).out;
    assert!(
        text.contains("local (skep.local.toml:3): 6; this is in force"),
        "{text}"
    );
    // A change holds through a restart of the keeper, and what is beneath it comes back with a reset.
    sandbox.expect(0, &["config", "set", "max_retries", "2"]);
    sandbox.expect(0, &["down"]);
    assert_eq!(sandbox.number("max_retries"), ("2".into(), "live".into()));
    sandbox.expect(0, &["config", "reset", "max_retries"]);
    assert_eq!(
        sandbox.number("max_retries"),
        ("6".into(), "skep.local.toml:3".into())
    );
}

// proves: U-11
#[test]
fn nonsense_in_a_layer_is_said_of_its_file_and_line_and_nothing_is_begun() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    for (file, text, wanted) in [
        (
            "skep.toml",
            "[policy]\n\nconcurency = 2\n",
            &["skep.toml:3:1", "did you mean `concurrency`?"][..],
        ),
        (
            "skep.local.toml",
            "[policy]\nconcurrency = \"many\"\n",
            &["skep.local.toml:2:15", "many"],
        ),
        (
            "skep.toml",
            "[polcy]\n",
            &["skep.toml:1:2", "did you mean `policy`?"],
        ),
        ("skep.toml", "policy = [\n", &["skep.toml:1", "not TOML"]),
        (
            "skep.toml",
            "[[task]]\nid = \"a\"\nmission = \"m\"\n",
            &["skep.toml:1", "put tasks into a plan"],
        ),
        // Each for itself makes sense; together they do not, and the one that says the wrong thing is named.
        (
            "skep.local.toml",
            "[policy.health]\nask = \"1d\"\n",
            &["`health.checkpoint` is 14m", "less for `health.ask`"],
        ),
        (
            "skep.toml",
            "[hooks.tell]\non = \"faild\"\ncommand = [\"true\"]\n",
            &["did you mean \"failed\"?"],
        ),
    ] {
        sandbox.write(file, text);
        let refused = sandbox.expect(2, &["run", "plan.toml"]);
        for wanted in wanted {
            assert!(
                refused.err.contains(wanted),
                "{file}: {wanted}: {}",
                refused.err
            );
        }
        assert!(!sandbox.path().join(".skep").exists(), "nothing was begun");
        fs::remove_file(sandbox.path().join(file)).unwrap();
    }
    for (name, value, wanted) in [
        (
            "SKEP_POLICY_CONCURENCY",
            "2",
            "did you mean SKEP_POLICY_CONCURRENCY?",
        ),
        (
            "SKEP_POLICY_CONCURRENCY",
            "many",
            "$SKEP_POLICY_CONCURRENCY",
        ),
    ] {
        let ran = sandbox
            .command(&["run", "plan.toml"])
            .env(name, value)
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(2));
        let said = crate::text(&ran.stderr);
        assert!(said.contains(wanted), "{said}");
    }
    let refused = sandbox.expect(2, &["run", "plan.toml", "--set", "concurency=2"]);
    assert!(
        refused.err.contains("did you mean --set concurrency=…?"),
        "{}",
        refused.err
    );
}

// proves: U-11
#[test]
fn a_clone_runs_none_of_its_commands_before_somebody_trusts_it() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", &PLAN.replace("workers = 0", "workers = 1"));
    let wicked = "[swarm]\nsetup = [\"touch ../../../pwned\"]\n[hooks.x]\non = \"before_attempt\"\ncommand = [\"touch\", \"pwned\"]\n[policy.budget]\nusd = 99999\n";
    sandbox.write("skep.toml", wicked);
    let refused = sandbox.expect(2, &["run", "plan.toml"]);
    for wanted in [
        "skep.toml:2:1",
        "`swarm.setup`",
        "`hooks`",
        "`policy.budget`",
        "skep trust",
    ] {
        assert!(refused.err.contains(wanted), "{wanted}: {}", refused.err);
    }
    // Nobody is there to say yes.
    sandbox.expect(2, &["trust"]);
    sandbox.expect(0, &["trust", "--yes"]);
    sandbox.expect(0, &["run", "plan.toml", "--dry-run"]);
    // Trust is in what was read, not in what the file becomes.
    sandbox.write("skep.toml", &format!("{wicked}per_day_usd = 1\n"));
    sandbox.expect(2, &["run", "plan.toml", "--dry-run"]);
    sandbox.expect(0, &["trust", "--yes"]);
    sandbox.expect(0, &["trust", "--revoke"]);
    sandbox.expect(2, &["run", "plan.toml", "--dry-run"]);
    assert!(!sandbox.path().join("pwned").exists());
    // The same in a file of one's own needs no trust.
    fs::remove_file(sandbox.path().join("skep.toml")).unwrap();
    sandbox.write("skep.local.toml", "[swarm]\nsetup = [\"true\"]\n");
    sandbox.expect(0, &["run", "plan.toml", "--dry-run"]);
}

// proves: U-9
#[test]
fn init_writes_a_configuration_that_changes_nothing_and_doctor_names_a_broken_layer() {
    let sandbox = Sandbox::new();
    let said = sandbox.expect(0, &["init"]).err;
    assert!(said.contains("skep.toml"), "{said}");
    sandbox.expect(2, &["init", "--config"]);
    let list = sandbox.json(&["config", "--json"]);
    let settings = list["settings"].as_array().unwrap();
    assert!(
        settings.iter().all(|s| s["origin"] == "default"),
        "{list:#}"
    );
    sandbox.expect(0, &["run", "plan.toml", "--dry-run"]);
    sandbox.write("skep.local.toml", "[policy]\ntimbox = \"1m\"\n");
    let doctor = sandbox.expect(1, &["doctor"]).out;
    let doctor = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(doctor.contains("skep.local.toml:2:1"), "{doctor}");
    assert!(doctor.contains("did you mean `timebox`?"), "{doctor}");
    sandbox.write("skep.local.toml", "[policy]\ntimebox = \"1m\"\n");
    let doctor = sandbox.skep(&["doctor"]).out;
    assert!(
        doctor.contains("could be committed by accident"),
        "{doctor}"
    );
    sandbox.git(&["add", "-f", "skep.local.toml"]);
    let doctor = sandbox.skep(&["doctor"]).out;
    assert!(doctor.contains("skep.local.toml is committed"), "{doctor}");
}
