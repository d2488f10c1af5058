//! How each agent is started.

use crate::order::{order, place, settings};
use skep_agents::{Adapter, KNOWN, Launch, LaunchFault, Permission, Settings, Stdin};
use std::fmt::Write;

fn launch(name: &str, permission: Permission) -> Result<Launch, LaunchFault> {
    let mut order = order("say 'hi'; $(reboot)\n--model x");
    order.model = Some("m".into());
    let adapter = Adapter::named(name).unwrap();
    adapter.launch(&order, &place(), &settings(permission))
}

// proves: X-1
#[test]
fn every_agent_is_started_as_it_was_recorded() {
    let mut told = String::new();
    for about in KNOWN {
        for permission in [Permission::Ask, Permission::Edits, Permission::All] {
            writeln!(told, "== {} {}", about.name, permission.word()).unwrap();
            match launch(about.name, permission) {
                Err(fault) => writeln!(told, "refused: {fault}").unwrap(),
                Ok(launch) => tell(&mut told, &launch, permission == about.least),
            }
        }
    }
    let file = crate::replay::tests().join("golden/launches.txt");
    if std::env::var_os("SKEP_BLESS").is_some() {
        std::fs::write(file, told).unwrap();
    } else {
        let wanted = std::fs::read_to_string(&file).unwrap();
        assert_eq!(told, wanted, "SKEP_BLESS=1 rewrites {}", file.display());
    }
}

// proves: U-8, T-2
#[test]
fn an_agent_is_told_of_its_attempts_mcp_server_and_never_of_the_token_itself() {
    let mut told = String::new();
    let command = ["/opt/my skep/skep", "mcp"].map(String::from);
    for about in KNOWN {
        let mut order = order("hi");
        order.model = Some("m".into());
        let adapter = Adapter::named(about.name).unwrap();
        let without = settings(about.least);
        let with = Settings {
            mcp: Some(command.to_vec()),
            ..without.clone()
        };
        let without = adapter.launch(&order, &place(), &without).unwrap();
        let with = adapter.launch(&order, &place(), &with).unwrap();
        writeln!(told, "== {}", about.name).unwrap();
        let fresh = with.argv.iter().filter(|word| !without.argv.contains(word));
        for word in fresh {
            writeln!(told, "argv {word}").unwrap();
        }
        for file in with
            .files
            .iter()
            .filter(|file| !without.files.contains(file))
        {
            writeln!(told, "file {} {}", file.path, file.content).unwrap();
        }
        assert!(
            !with.env.contains_key("SKEP_TOKEN"),
            "it is the shim's to give"
        );
    }
    let file = crate::replay::tests().join("golden/mcp.txt");
    if std::env::var_os("SKEP_BLESS").is_some() {
        std::fs::write(file, told).unwrap();
    } else {
        let wanted = std::fs::read_to_string(&file).unwrap();
        assert_eq!(told, wanted, "SKEP_BLESS=1 rewrites {}", file.display());
    }
}

fn tell(told: &mut String, launch: &Launch, whole: bool) {
    writeln!(told, "argv {:?}", launch.argv).unwrap();
    for file in &launch.files {
        writeln!(told, "file {} {}", file.path, file.content).unwrap();
    }
    if !whole {
        return;
    }
    for (name, value) in launch
        .env
        .iter()
        .filter(|(name, _)| !name.starts_with("SKEP_"))
    {
        writeln!(told, "env {name}={value}").unwrap();
    }
    writeln!(told, "pass {}", launch.pass.join(" ")).unwrap();
    for login in &launch.logins {
        writeln!(told, "login ~/{} -> {}", login.from, login.to).unwrap();
    }
    writeln!(told, "stdin {:?}", launch.stdin).unwrap();
}

// proves: X-1, T-3
#[test]
fn no_agent_gets_the_prompt_as_a_word_or_more_than_its_own_secrets() {
    for about in KNOWN {
        let launch = launch(about.name, Permission::All).unwrap();
        let prompt = |word: &String| word.contains("reboot");
        assert!(!launch.argv.iter().any(prompt), "{}", about.name);
        assert_eq!(launch.env["HOME"], "/home/agent", "{}", about.name);
        assert_eq!(launch.env["SKEP_TASK"], "t", "W-13");
        for (file, what) in launch
            .files
            .iter()
            .map(|f| (&f.path, "file"))
            .chain(launch.logins.iter().map(|login| (&login.to, "login")))
        {
            assert!(file.starts_with("/home/agent/"), "{what} {file}");
        }
        let others = match about.name {
            "claude" => "OPENAI",
            "codex" | "codex-server" => "ANTHROPIC",
            "gemini" => "OPENAI",
            _ => continue,
        };
        let leaks = launch.pass.iter().any(|name| name.starts_with(others));
        assert!(!leaks, "{}", about.name);
    }
}

// proves: X-1
#[test]
fn the_safest_permission_is_the_default_and_an_agent_that_cannot_keep_to_it_is_refused() {
    assert_eq!(Settings::default().permission, Permission::Ask);
    let refused = launch("pi", Permission::Ask).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "agent \"pi\" cannot be held to `permission = \"ask\"`, only to \"all\"; allow that, or use another agent"
    );
    for about in KNOWN.iter().filter(|about| about.name != "pi") {
        let launch = launch(about.name, Permission::Ask).unwrap();
        let text = format!("{:?}", launch.argv);
        assert!(
            !text.contains("bypass") && !text.contains("danger"),
            "{text}"
        );
    }
}

// proves: X-1
#[test]
fn a_program_of_the_users_own_speaks_acp_by_configuration_alone() {
    let adapter = Adapter::named("acp").unwrap();
    let mut order = order("hi");
    let fault = adapter.launch(&order, &place(), &settings(Permission::Ask));
    assert_eq!(fault, Err(LaunchFault::EmptyCommand("acp".into())));
    order.agent_spec = Some(skep_core::spec::AgentSpec {
        command: ["mine", "--acp", "--model={model}"]
            .map(String::from)
            .into(),
        stdin: false,
        env: [("MINE".to_string(), "1".to_string())].into(),
        rate_limited_exit: Vec::new(),
        provider: None,
        protocol: None,
        rules: None,
        permission: None,
        args: Vec::new(),
    });
    order.model = Some("big".into());
    let launch = adapter
        .launch(&order, &place(), &settings(Permission::Ask))
        .unwrap();
    assert_eq!(launch.argv, ["mine", "--acp", "--model=big"]);
    assert_eq!(launch.env["MINE"], "1");
    assert_eq!(launch.stdin, Stdin::Dialogue);
}

// proves: X-1
#[test]
fn versions_are_found_in_what_programs_print() {
    for (printed, version) in [
        ("2.1.197 (Claude Code)\n", Some("2.1.197")),
        ("codex-cli 0.169.0", Some("0.169.0")),
        ("v1.18.33-beta.2", Some("1.18.33-beta.2")),
        ("Warning: 2 things. Version: none", None),
        ("see www.example.com", None),
        ("", None),
    ] {
        assert_eq!(skep_agents::version_in(printed), version, "{printed}");
    }
    let unknown = |about: &&skep_agents::About| skep_agents::version_in(about.recorded).is_none();
    assert_eq!(KNOWN.iter().find(unknown), None);
}

// proves: X-1
#[test]
fn what_the_user_configured_comes_last_and_wins() {
    let mut own = settings(Permission::Ask);
    own.env.insert("API_TIMEOUT_MS".into(), "5".into());
    own.args.push("--max-turns=9".into());
    let adapter = Adapter::named("claude").unwrap();
    let launch = adapter.launch(&order("x"), &place(), &own).unwrap();
    assert_eq!(launch.env["API_TIMEOUT_MS"], "5");
    assert_eq!(launch.argv.last().unwrap(), "--max-turns=9");
}

/// codex ends at once if the folder that it is told to be at home in is not there; others make theirs.
// proves: X-1
#[test]
fn the_home_that_an_agent_is_told_of_is_there() {
    for name in ["codex", "codex-server"] {
        let launch = launch(name, Permission::Ask).unwrap();
        let home = &launch.env["CODEX_HOME"];
        let mut files = launch.files.iter();
        assert!(files.any(|f| f.path.starts_with(home)), "{name}");
    }
}
