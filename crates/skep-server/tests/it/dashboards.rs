//! What Prometheus and Grafana read of Skep: the text is what their own tools take, and what they are given to ask
//! for is there.

use serde_json::Value;
use skep_core::{state::State, time::Time};
use skep_host::command::command;
use skep_server::prometheus;
use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

fn dashboards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(dashboards().join(name)).unwrap()
}

/// Prometheus' own checks of `args`; none where it is not installed, which is said aloud.
pub(super) fn promtool(args: &[&str], input: &str) -> Option<Result<(), String>> {
    let child = command("promtool", &dashboards())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        #[allow(clippy::print_stderr)] // What is not tested is said.
        {
            eprintln!("SKIPPED: promtool is not installed (Debian's `prometheus` has it)");
        }
        return None;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let ended = child.wait_with_output().unwrap();
    // What it warns of is wrong, too.
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some(if ended.status.success() {
        Ok(())
    } else {
        Err(said)
    })
}

/// Every metric that a query may name.
fn exported() -> BTreeSet<String> {
    let text = prometheus::text(&State::default(), Time(0));
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut names = BTreeSet::new();
    for line in types {
        let (name, kind) = line.split_once(' ').unwrap();
        names.insert(name.to_owned());
        let ends: &[&str] = match kind {
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["_sum", "_count"],
            _ => &[],
        };
        names.extend(ends.iter().map(|end| format!("{name}{end}")));
    }
    names
}

/// The metrics of ours that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let ours = words.filter(|word| word.starts_with("skep_"));
    ours.map(ToOwned::to_owned).collect()
}

// proves: U-5
#[test]
fn alerts_and_panels_ask_only_for_what_is_exported() {
    let exported = exported();
    for file in [
        "prometheus-rules.yml",
        "prometheus-rules.test.yml",
        "grafana.json",
    ] {
        let asked = named(&read(file));
        assert!(asked.len() > 5, "{file}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&exported).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

// proves: U-5
#[test]
fn the_grafana_dashboard_is_one_with_panels_that_query_something() {
    let board: Value = serde_json::from_str(&read("grafana.json")).unwrap();
    assert_eq!(board["uid"], "skep");
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<i64> = panels.iter().map(|p| p["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has an id of its own");
    let mut rules = Vec::new();
    for panel in panels {
        let queries = panel["targets"].as_array().unwrap();
        assert!(!queries.is_empty(), "{}", panel["title"]);
        for query in queries {
            let expr = query["expr"].as_str().unwrap();
            assert!(!named(expr).is_empty(), "{expr}");
            // The variables are Grafana's to fill in. A rule's expression is any query's.
            let plain = expr.replace("$job", ".*").replace("$instance", ".*");
            rules.push(serde_json::json!({ "record": format!("q{}", rules.len()), "expr": plain }));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("queries.yml");
    // JSON is YAML.
    let group = serde_json::json!({ "groups": [{ "name": "queries", "rules": rules }] });
    std::fs::write(&file, group.to_string()).unwrap();
    if let Some(checked) = promtool(&["check", "rules", file.to_str().unwrap()], "") {
        checked.unwrap();
    }
}

// proves: U-5
#[test]
fn prometheus_takes_the_rules_and_they_tell_what_they_should() {
    for args in [
        ["check", "rules", "prometheus-rules.yml"],
        ["test", "rules", "prometheus-rules.test.yml"],
    ] {
        if let Some(checked) = promtool(&args, "") {
            checked.unwrap();
        }
    }
}

// proves: U-5
#[test]
fn every_target_that_alerts_has_a_rule() {
    let rules = read("prometheus-rules.yml");
    for metric in [
        "skep:attempt_seconds:mean1d > 2700",
        "skep:success:ratio1d < 0.5",
        "skep_attempts_live > 8",
        "skep:stale:ratio1d > 0.1",
        "skep:restarts:ratio1d > 0.5",
        "skep:waste:ratio1d > 0.05",
    ] {
        assert!(rules.contains(metric), "{metric}");
    }
}
