//! Reports as people get them: after a run, on request, as pages and as Markdown (U-7).

use crate::{Sandbox, litter};
use std::fs;

const PLAN: &str = r#"
[swarm]
name = "told"
workers = 2
[[task]]
id = "one"
mission = "Make <script>alert(1)</script> | `two` of [it](http://x)."
command = "echo 1 > one.txt"
[[task]]
id = "two"
mission = "Fail."
command = "printf '\\033[31m<b>no</b> | `x`'; false"
"#;

fn page(sandbox: &Sandbox, of: &str, ending: &str) -> String {
    let dir = sandbox.path().join(".skep/reports");
    let found = fs::read_dir(&dir).unwrap().flatten();
    let names = found.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|n| n.starts_with(of) && n.ends_with(ending))
        .collect();
    names.sort();
    fs::read_to_string(dir.join(names.last().expect("a report"))).unwrap()
}

// proves: U-7
#[test]
fn a_run_ends_with_a_report_and_no_text_of_a_plan_is_markup_in_it() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    let ran = sandbox.expect(1, &["run", "plan.toml"]);
    assert!(
        ran.out.contains("the report is\n  .skep/reports/run-"),
        "{}",
        ran.out
    );
    let html = page(&sandbox, "run-", ".html");
    assert!(
        html.contains("Make &lt;script&gt;alert(1)&lt;/script&gt;"),
        "{html}"
    );
    for never in [
        "<script", "<b>", "\u{1b}", "src=", "href=", "@import", "url(",
    ] {
        assert!(!html.contains(never), "{never} in {html}");
    }
    for heading in [
        "What was done",
        "What failed, and why",
        "Spending",
        "Targets",
    ] {
        assert!(html.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    let text = page(&sandbox, "run-", ".md");
    assert!(
        text.contains("Make &lt;script&gt;alert(1)&lt;/script&gt; \\| \\`two\\` of \\[it\\]"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    // Nobody but the owner reads what agents said.
    litter::private(&sandbox.path().join(".skep/reports"));
}

// proves: U-7, U-1
#[test]
fn a_report_is_had_at_any_time_in_any_form_and_the_written_ones_by_name() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    let before = sandbox.expect(0, &["report"]).out;
    assert!(before.contains("Nothing was merged"), "{before}");
    sandbox.expect(1, &["run", "plan.toml"]);
    let doc = sandbox.json(&["report", "--json"]);
    assert_eq!(
        (&doc["done_count"], &doc["trouble_count"]),
        (&1.into(), &1.into()),
        "{doc}"
    );
    assert_eq!(doc["done"][0]["task"], "one");
    assert_eq!(doc["trouble"][0]["task"], "two");
    assert_eq!(doc["trouble"][0]["failed"], 2);
    assert_eq!(doc["counts"]["tasks_merged"], 1);
    // Nothing is known of what a command costs, which is not nothing.
    assert_eq!(doc["spending"]["waste"]["percent"], serde_json::Value::Null);
    for option in ["--hourly", "--daily", "--weekly", "--since=10m", "--run"] {
        let text = sandbox.expect(0, &["report", option]).out;
        assert!(text.starts_with("# told: report of "), "{option}: {text}");
    }
    sandbox.expect(0, &["report", "-o", "out.html"]);
    let html = fs::read_to_string(sandbox.path().join("out.html")).unwrap();
    assert!(html.starts_with("<!doctype html>"), "{html}");
    let list = sandbox.json(&["report", "--list", "--json"]);
    let id = list["reports"][0]["id"].as_str().unwrap();
    let stored = sandbox.json(&["report", id, "--json"]);
    assert_eq!(stored["id"], id);
    assert_eq!(stored["done"], doc["done"]);
    for (args, said) in [
        (&["report", "run-1"][..], "there is no report"),
        (&["report", "../log"], "there is no report"),
        (&["report", "--since", "yesterday"], "--since: "),
        (&["report", "--since", "90d"], "is not from 1s to 45d"),
    ] {
        let no = sandbox.expect(2, args);
        assert!(no.err.contains(said), "{args:?}: {}", no.err);
    }
    let no = sandbox.expect(3, &["report", "-o", "nowhere/out.md"]);
    assert!(no.err.contains("cannot write the report"), "{}", no.err);
}

// proves: U-7, S-8
#[test]
fn who_wants_no_report_gets_none() {
    let sandbox = Sandbox::new();
    let plan = format!("{PLAN}\n[policy.reports]\nrun = false\n");
    sandbox.write("plan.toml", &plan);
    let ran = sandbox.expect(1, &["run", "plan.toml"]);
    assert!(!ran.out.contains("report"), "{}", ran.out);
    assert!(!sandbox.path().join(".skep/reports").exists());
}
