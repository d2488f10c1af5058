//! Every file in `tests/bad-plans` is refused with the diagnostics in `tests/snapshots`.
//!
//! After a change on purpose: `INSTA_UPDATE=always cargo test -p skep-server --test it`, and read the diff.

use super::options;
use skep_server::plan::{self, Diagnostics, Format};
use std::{fs, path::Path};

fn refused(name: &str, bytes: &[u8]) -> Diagnostics {
    match plan::read_bytes(name, bytes, None, &options()) {
        Ok(plan) => panic!("{name} was accepted: {plan:#?}"),
        Err(diagnostics) => diagnostics,
    }
}

/// What holds for every diagnostic, whatever it says.
fn assert_useful(name: &str, diagnostics: &Diagnostics) {
    assert!(!diagnostics.list().is_empty(), "{name}");
    assert!(diagnostics.list().len() <= 20, "{name}");
    let plain = diagnostics.render_plain();
    let raw = |c: char| c.is_control() && c != '\n';
    assert!(!plain.contains(raw), "{name} prints a control character");
    assert!(plain.len() < 40_000, "{name} prints {} bytes", plain.len());
    for d in diagnostics.list() {
        assert_eq!(d.file, name);
        assert!(d.line > 0 && d.column > 0, "{name}: {d:?}");
        assert!(d.code.starts_with("plan::"), "{name}: {d:?}");
        assert!(!d.message.is_empty(), "{name}: {d:?}");
        assert!(d.help.is_some(), "{name}: no way out of {d:?}");
    }
    let report = miette::Report::new(diagnostics.clone());
    let mut graphical = String::new();
    let handler =
        miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    handler
        .render_report(&mut graphical, report.as_ref())
        .unwrap();
    assert!(!graphical.contains(raw), "{name} drives a terminal");
    let first = &diagnostics.list()[0];
    let place = format!("[{name}:{}:{}]", first.line, first.column);
    assert!(
        graphical.contains(&place),
        "{name}: no {place} in\n{graphical}"
    );
    let json = diagnostics.to_json();
    assert_eq!(json.as_array().unwrap().len(), diagnostics.list().len());
}

// proves: Q-2, U-1, T-3
#[test]
fn bad_plans_are_refused_with_place_cause_and_way_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-plans");
    let mut names: Vec<String> = fs::read_dir(folder.clone())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 50, "{} bad plans", names.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for name in &names {
            let bytes = fs::read(folder.join(name)).unwrap();
            let diagnostics = refused(name, &bytes);
            assert_useful(name, &diagnostics);
            insta::assert_snapshot!(name.clone(), diagnostics.render_plain());
        }
    });
}

// proves: Q-2
#[test]
fn a_line_of_two_megabytes_is_cut_to_what_matters() {
    let long = "x".repeat(2 << 20);
    for (name, text) in [
        (
            "long.toml",
            format!("[[task]]\nid = \"a\"\nmission = \"{long}\"\nnonsense = 1\n"),
        ),
        (
            "long.yaml",
            format!("task: [{{id: a, mission: \"{long}\", nonsense: 1}}]\n"),
        ),
        (
            "long.json",
            format!("{{\"task\":[{{\"id\":\"a\",\"mission\":\"{long}\",\"nonsense\":1}}]}}"),
        ),
    ] {
        let diagnostics = refused(name, text.as_bytes());
        assert_useful(name, &diagnostics);
        assert!(diagnostics.render_plain().len() < 4_000, "{name}");
        let codes: Vec<_> = diagnostics.list().iter().map(|d| d.code).collect();
        assert!(codes.contains(&"plan::unknown_key"), "{codes:?}");
        assert!(codes.contains(&"plan::too_long"), "{codes:?}");
    }
}

// proves: Q-2
#[test]
fn a_file_beyond_the_bound_is_refused_unread() {
    let bytes = vec![b'#'; plan::MAX_BYTES + 1];
    let diagnostics = refused("big.toml", &bytes);
    assert_useful("big.toml", &diagnostics);
    assert_eq!(diagnostics.list()[0].code, "plan::too_big");
}

// proves: Q-2
#[test]
fn nesting_beyond_the_bound_is_refused_and_not_a_crash() {
    let n = 100_000;
    for (format, text) in [
        (
            Format::Toml,
            format!("a = {}{}", "[".repeat(n), "]".repeat(n)),
        ),
        (Format::Toml, format!("{}a = 1", "a.".repeat(n))),
        (Format::Toml, format!("[{}a]", "a.".repeat(n))),
        (Format::Json, format!("{}{}", "[".repeat(n), "]".repeat(n))),
        (
            Format::Json,
            format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100)),
        ),
        (
            Format::Yaml,
            format!("a: {}{}", "[".repeat(n), "]".repeat(n)),
        ),
        (
            Format::Yaml,
            (0..200).map(|i| format!("{}a:\n", " ".repeat(i))).collect(),
        ),
        (Format::Yaml, format!("{}x", "- ".repeat(1000))),
    ] {
        let found = plan::read("deep", &text, Some(format), &options()).unwrap_err();
        assert_useful("deep", &found);
    }
}

// proves: Q-2
#[test]
fn more_faults_than_a_screen_holds_are_counted() {
    let text: String = (0..5_000).map(|n| format!("nonsense-{n} = 1\n")).collect();
    let diagnostics = refused("many.toml", text.as_bytes());
    assert_eq!(diagnostics.list().len(), 20);
    // The unknown keys, and that there are no tasks.
    assert_eq!(diagnostics.more(), 5_001 - 20);
    assert!(
        diagnostics.to_string().contains("and 4981 more"),
        "{diagnostics}"
    );
}

// proves: Q-2
#[test]
fn diagnostics_are_documents_for_programs() {
    let json = refused(
        "plan.toml",
        b"[[task]]\nid = 'a'\nmisson = 'b'\nagent = 'shell'\ncommand = 'x'\n",
    )
    .to_json();
    assert_eq!(
        json,
        serde_json::json!([{
            "file": "plan.toml", "line": 3, "column": 1, "end_line": 3, "end_column": 7,
            "code": "plan::unknown_key",
            "message": "a task has no key \"misson\"",
            "help": "did you mean `mission`?",
            "text": "misson",
        }])
    );
}

// proves: Q-2
#[test]
fn hostile_files_are_judged_in_moments() {
    let n = 40_000;
    for (format, what, text) in [
        (
            Format::Toml,
            "unknown keys",
            (0..n).map(|i| format!("k{i} = 1\n")).collect::<String>(),
        ),
        (Format::Toml, "duplicate tables", "[swarm]\n".repeat(n)),
        (Format::Toml, "empty tasks", "[[task]]\n".repeat(n / 4)),
        (Format::Toml, "unquoted", "a = b\n".repeat(n)),
        (Format::Toml, "open brackets", "[".repeat(n)),
        (
            Format::Json,
            "duplicates",
            format!("{{{}\"a\":1}}", "\"a\":1,".repeat(n)),
        ),
        (
            Format::Json,
            "strings",
            format!("[{}1]", "\"a\",".repeat(n)),
        ),
        (Format::Yaml, "entries", "- a\n".repeat(n)),
        (
            Format::Yaml,
            "keys",
            (0..n).map(|i| format!("k{i}: é\n")).collect(),
        ),
        (Format::Yaml, "one line", "a".repeat(2 << 20)),
        (Format::Yaml, "open quotes", "\"".repeat(n)),
        (Format::Yaml, "colons", "a: ".repeat(n)),
        (Format::Markdown, "items", "- [ ] same\n".repeat(n / 4)),
        (
            Format::Markdown,
            "parentheses",
            format!("- [ ] {}", "(".repeat(n)),
        ),
        (
            Format::Markdown,
            "notes",
            format!("- [ ] {}", "(depends: a, b)".repeat(n / 8)),
        ),
        (Format::Markdown, "fences", "```\n".repeat(n)),
    ] {
        let start = std::time::Instant::now();
        let found = plan::read("hostile", &text, Some(format), &options()).unwrap_err();
        let plain = found.render_plain();
        assert!(plain.len() < 100_000, "{what}");
        // Generous for a loaded machine and an unoptimised build; quadratic work takes minutes.
        let seconds = start.elapsed().as_secs_f32();
        println!("{format:?} {what}: {seconds:.2}s");
        assert!(seconds < 30.0, "{format:?} {what}: {seconds}s");
    }
}
